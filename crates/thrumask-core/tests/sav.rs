//! Real COCO masks: the SA-V example annotations, found through `THRUMASK_TEST_DATA`.

// Helpers of tests and examples may unwrap as the tests themselves do.
#![allow(clippy::unwrap_used)]

use thrumask_core::{Rle, Size};

#[test]
fn real_masks_decode_and_encode_to_the_same_string() {
    let Ok(data) = std::env::var("THRUMASK_TEST_DATA") else {
        eprintln!("skipped: THRUMASK_TEST_DATA is not set");
        return;
    };
    for name in ["sav_000001_manual.json", "sav_000001_auto.json"] {
        let path = std::path::Path::new(&data).join("sav-example").join(name);
        let text = std::fs::read_to_string(&path).unwrap();
        let sav: serde_json::Value = serde_json::from_str(&text).unwrap();
        let frames = sav["masklet"].as_array().unwrap();
        let objects = frames[0].as_array().unwrap().len();
        let (mut areas, mut seen) = (vec![0usize; objects], vec![0usize; objects]);
        for (t, frame) in frames.iter().enumerate() {
            for (i, mask) in frame.as_array().unwrap().iter().enumerate() {
                let side = |k: usize| mask["size"][k].as_u64().unwrap() as usize;
                let size = Size::new(side(1), side(0));
                let packed = mask["counts"].as_str().unwrap();
                let rle = Rle::parse(size, packed).unwrap();
                assert_eq!(rle.packed(), packed, "{name}, frame {t}, object {i}");
                areas[i] += rle.area();
                seen[i] += usize::from(rle.area() > 0);
                if t % 30 == 0 {
                    let pixels = rle.decode();
                    assert_eq!(pixels.iter().filter(|&&p| p).count(), rle.area());
                    assert_eq!(Rle::encode(size, &pixels).unwrap().packed(), packed);
                    let labels = pixels.into_iter().map(u8::from).collect();
                    let labels = thrumask_core::LabelMap::new(size, labels).unwrap();
                    assert_eq!(labels.box_of(1), rle.bounding_box());
                }
            }
        }
        // The file states each object's mean area over the frames that show it.
        for (i, stated) in sav["masklet_size_abs"].as_array().unwrap().iter().enumerate() {
            let mean = areas[i] as f64 / seen[i] as f64;
            let stated = stated.as_f64().unwrap();
            assert!((mean - stated).abs() < 0.01, "{name}, object {i}: {mean} against {stated}");
        }
    }
}
