//! Real H.264 clips with B-frames, found through `THRUMASK_TEST_DATA`.

// Helpers of tests and examples may unwrap as the tests themselves do.
#![allow(clippy::unwrap_used)]

use std::process::Command;

use thrumask_core::{Error, Picture, Size, media};

/// Every so many frames, one is compared with another decoder's.
const STRIDE: usize = 25;

/// The shown frames of a clip up to `limit`: all of them small, some of them whole; and the rate.
fn shown(path: &std::path::Path, limit: usize) -> (Vec<Picture>, Vec<Picture>, Option<f32>) {
    let (mut small, mut whole) = (Vec::new(), Vec::new());
    let fps = media::read_frames(path, |picture| {
        assert_eq!(picture.size(), Size::new(1280, 720));
        small.push(picture.resize(Size::new(64, 36))?);
        if (small.len() - 1) % STRIDE == 0 {
            whole.push(picture);
        }
        if small.len() == limit { Err(Error::Interrupted) } else { Ok(()) }
    });
    match fps {
        Ok(fps) => (small, whole, Some(fps)),
        Err(Error::Interrupted) => (small, whole, None),
        Err(e) => panic!("{e}"),
    }
}

/// The sum of differences of two pictures, in levels.
fn distance(a: &[u8], b: &[u8]) -> u64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(x, y)| u64::from(x.abs_diff(*y))).sum()
}

#[test]
fn real_clips_decode_in_the_order_in_which_they_are_shown() {
    let Ok(data) = std::env::var("THRUMASK_TEST_DATA") else {
        eprintln!("skipped: THRUMASK_TEST_DATA is not set");
        return;
    };
    // One to the end, of the other the start.
    for (name, limit, expected) in
        [("01_dog.mp4", usize::MAX, 289), ("05_default_juggle.mp4", 76, 76)]
    {
        let path = std::path::Path::new(&data).join("clips").join(name);
        let (small, whole, fps) = shown(&path, limit);
        assert_eq!(small.len(), expected, "{name}");
        assert!(fps.is_none_or(|f| (f - 30_000.0 / 1001.0).abs() < 0.001), "{name}: {fps:?}");
        // Frames out of order would jump to and fro: far ones must differ more than near ones.
        let apart = |n: usize| -> u64 {
            (10..70).map(|t| distance(small[t].rgb(), small[t + n].rgb())).sum()
        };
        assert!(apart(1) < apart(3), "{name}: {} against {}", apart(1), apart(3));
        let filter = format!("select=not(mod(n\\,{STRIDE})),format=rgb24");
        let theirs = Command::new("ffmpeg")
            .args(["-v", "error", "-i", path.to_str().unwrap(), "-vf", &filter])
            .args(["-frames:v", &whole.len().to_string(), "-vsync", "0", "-f", "rawvideo", "-"])
            .output();
        let Ok(theirs) = theirs else {
            eprintln!("skipped the comparison: ffmpeg is not installed");
            continue;
        };
        let bytes = 1280 * 720 * 3;
        assert_eq!(theirs.stdout.len(), whole.len() * bytes, "{name}");
        for (t, (ours, theirs)) in whole.iter().zip(theirs.stdout.chunks(bytes)).enumerate() {
            // Decoders agree to the bit; the conversions to RGB round differently.
            let mean = distance(ours.rgb(), theirs) as f64 / bytes as f64;
            assert!(mean < 1.5, "{name}, frame {}: {mean} levels apart", t * STRIDE);
        }
    }
}
