//! Real H.264 clips with B-frames, found through `THRUMASK_TEST_DATA`.

use std::process::Command;

use thrumask_core::{Size, media};

#[test]
fn real_clips_decode_in_the_order_in_which_they_are_shown() {
    let Ok(data) = std::env::var("THRUMASK_TEST_DATA") else {
        eprintln!("skipped: THRUMASK_TEST_DATA is not set");
        return;
    };
    for (name, frames, fps) in
        [("01_dog.mp4", 289, 30_000.0 / 1001.0), ("05_default_juggle.mp4", 247, 24.0)]
    {
        let path = std::path::Path::new(&data).join("clips").join(name);
        let small = Size::new(64, 36);
        let mut shown = Vec::new();
        let got = media::read_frames(&path, |picture| {
            assert_eq!(picture.size(), Size::new(1280, 720));
            shown.push(picture.resize(small)?);
            Ok(())
        })
        .unwrap();
        assert_eq!(shown.len(), frames, "{name}");
        assert!((got - fps).abs() < 0.01, "{name}: {got}");
        // Frames out of order would jump to and fro: far ones must differ more than near ones.
        let distance = |a: usize, b: usize| -> u64 {
            let pairs = shown[a].rgb().iter().zip(shown[b].rgb());
            pairs.map(|(x, y)| u64::from(x.abs_diff(*y))).sum()
        };
        let near: u64 = (40..100).map(|t| distance(t, t + 1)).sum();
        let far: u64 = (40..100).map(|t| distance(t, t + 3)).sum();
        assert!(near < far, "{name}: {near} against {far}");
        // Every shown frame against another decoder, where there is one.
        let filter = "scale=64:36:flags=area,format=rgb24";
        let path = path.to_str().unwrap();
        let theirs = Command::new("ffmpeg")
            .args(["-v", "error", "-i", path, "-vf", filter, "-f", "rawvideo", "-"])
            .output();
        let Ok(theirs) = theirs else {
            eprintln!("skipped the comparison: ffmpeg is not installed");
            continue;
        };
        assert_eq!(theirs.stdout.len(), frames * small.area() * 3, "{name}");
        for (t, (a, b)) in shown.iter().zip(theirs.stdout.chunks(small.area() * 3)).enumerate() {
            let off: u64 = a.rgb().iter().zip(b).map(|(x, y)| u64::from(x.abs_diff(*y))).sum();
            let mean = off as f64 / b.len() as f64;
            // The two resize differently.
            assert!(mean < 4.0, "{name}, frame {t}: {mean} levels");
        }
    }
}
