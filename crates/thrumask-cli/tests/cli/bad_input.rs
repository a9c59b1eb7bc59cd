//! Whatever is given, the answer is a clear line and nothing is left behind.

use std::fs;

use thrumask_core::{LabelMap, Picture, Size};

use crate::common::{ARTEFACTS, CAPTION, Place, animate, scene};

/// A PNG whose header says `width` columns and one row.
fn wide_png(width: u32) -> Vec<u8> {
    let mut bytes = Picture::filled(Size::new(1, 1), [0; 3]).to_png().unwrap();
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    let crc = bytes[12..29].iter().fold(!0u32, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |c, _| (c >> 1) ^ (0xedb8_8320 * (c & 1)))
    });
    bytes[29..33].copy_from_slice(&(!crc).to_be_bytes());
    bytes
}

#[test]
fn pictures_that_cannot_be_read() {
    let place = Place::new();
    let png = scene().to_png().unwrap();
    for (name, bytes, words) in [
        ("cut.png", &png[..png.len() / 2], "cut.png"),
        ("header.png", &png[..20], "header.png"),
        ("empty.png", &[][..], "the file is empty"),
        ("text.jpg", b"not a picture", "expected a PNG, JPEG, WebP or GIF picture"),
        ("wide.png", &wide_png(20_000), "expected sides of 1 to 16384"),
        ("noise.webp", &png[8..], "expected a PNG, JPEG, WebP or GIF picture"),
    ] {
        place.write(name, bytes);
        let e = place.fails(1, &["animate", name, CAPTION, "-o", "out.mp4"]);
        assert!(e.contains(words) && e.contains(name), "{name}: {e}");
    }
    let e = place.fails(1, &["animate", "none.png", CAPTION, "-o", "out.mp4"]);
    assert!(e.contains("reading none.png"), "{e}");
    assert_eq!(e.matches("os error").count(), 1, "told once: {e}");
    place.fails(1, &["animate", ".", CAPTION, "-o", "out.mp4"]);
    assert!(!place.at("out.run").exists(), "nothing is left behind");
}

#[test]
fn a_picture_is_read_by_content() {
    let place = Place::new();
    fs::rename(place.at("in.png"), place.at("in.jpg")).unwrap();
    place.ok(&["plan", "in.jpg", CAPTION, "--run", "run"]);
    assert_eq!(Picture::read(place.at("run/input.png")).unwrap(), scene());
}

#[test]
fn captions_that_say_nothing_or_too_much() {
    let place = Place::new();
    let long = "The dog runs. ".repeat(7_300);
    for (caption, words) in [
        ("", "got an empty text"),
        (" \n\t", "got an empty text"),
        (&long, "at most 2000 characters"),
    ] {
        let e = place.fails(1, &["animate", "in.png", caption, "-o", "out.mp4"]);
        assert!(e.contains("caption") && e.contains(words) && e.len() < 300, "{e}");
        place.fails(1, &["plan", "in.png", caption, "--run", "out.run"]);
    }
    assert!(!place.at("out.run").exists());
}

#[test]
fn outputs_that_cannot_be_written() {
    let place = Place::new();
    place.write("file", "");
    for (output, words) in [
        ("out.avi", "expected .mp4, .gif, .webp or a folder"),
        ("in.png", "expected .mp4"),
        ("x.run/", "another name for the output than for the run directory"),
        ("file/out.mp4", "file"),
    ] {
        let e = place.fails(1, &animate(output, &[]));
        assert!(e.contains(words), "{output}: {e}");
    }
    let e = place.fails(1, &animate("out.mp4", &["--run", "file"]));
    assert!(e.contains("file"), "{e}");
    // A folder that holds something else is not overwritten; the run keeps the video.
    fs::create_dir(place.at("mine")).unwrap();
    place.write("mine/letter.txt", "dear");
    let e = place.fails(1, &animate("mine/", &["--run", "out.run"]));
    assert!(e.contains("letter.txt"), "{e}");
    assert!(place.at("mine/letter.txt").exists() && place.at("out.run/video.mp4").exists());
}

#[cfg(unix)]
#[test]
fn folders_without_permission() {
    use std::os::unix::fs::PermissionsExt;
    let place = Place::new();
    fs::create_dir(place.at("locked")).unwrap();
    fs::set_permissions(place.at("locked"), fs::Permissions::from_mode(0o555)).unwrap();
    // The administrator may write anywhere but here.
    let free = fs::write(place.at("locked/probe"), "").is_ok();
    let folder = if free { "/proc" } else { "locked" };
    let e = place.fails(1, &animate(&format!("{folder}/out.mp4"), &[]));
    assert!(e.contains(folder), "{e}");
    let e = place.fails(1, &animate("out.mp4", &["--run", &format!("{folder}/run")]));
    assert!(e.contains(folder), "{e}");
    assert!(!place.at("out.mp4").exists());
}

#[test]
fn given_masks_that_do_not_fit() {
    let place = Place::new();
    LabelMap::empty(Size::new(9, 9)).write_png(place.at("small.png")).unwrap();
    let mut odd = Picture::filled(scene().size(), [0; 3]);
    odd.set_pixel(5, 6, [1, 2, 3]);
    odd.write_png(place.at("odd.png")).unwrap();
    place.write("broken.png", "no");
    fs::create_dir(place.at("none")).unwrap();
    for (masks, words) in [
        ("small.png", "small.png: expected 64x48, got 9x9"),
        ("odd.png", "colour (1, 2, 3) at column 5, row 6"),
        ("broken.png", "broken.png"),
        ("none", "expected PNG masks, got none"),
        ("gone.png", "gone.png"),
    ] {
        let e = place.fails(1, &animate("out.mp4", &["--masks", masks]));
        assert!(e.contains(words), "{masks}: {e}");
    }
    let e = place.fails(1, &animate("out.mp4", &["--boxes", "3:1,2,3,4"]));
    assert!(e.contains("got 3"), "{e}");
    let e = place.fails(1, &animate("out.mp4", &["--points", "1:100,2"]));
    assert!(e.contains("64x48"), "{e}");
}

#[test]
fn broken_run_directories() {
    let place = Place::new();
    place.animate("out.mp4", &[]);
    let e = place.fails(1, &["segment", "--run", "nowhere"]);
    assert!(e.contains("nowhere"), "{e}");
    for (file, text, command) in [
        ("plan.json", "{\"caption\": \"x\"}", &["segment", "--run", "out.run"][..]),
        ("plan.json", "", &["motion", "--run", "out.run"]),
        ("masks.png", "no", &["motion", "--run", "out.run"]),
        ("trajectory.json", "{\"version\": 9}", &["video", "--run", "out.run"]),
        ("run.json", "{", &["video", "--run", "out.run"]),
        ("input.png", "", &["video", "--run", "out.run"]),
    ] {
        let before = place.read(&format!("out.run/{file}"));
        place.write(&format!("out.run/{file}"), text);
        let e = place.fails(1, command);
        assert!(e.contains(file), "{file}: {e}");
        assert_eq!(place.read(&format!("out.run/{file}")), text.as_bytes(), "it is left as it is");
        place.write(&format!("out.run/{file}"), before);
    }
    // Put back, all of it stands.
    assert!(place.animate("out.mp4", &[]).of("video").contains("kept"));
    assert!(ARTEFACTS.iter().all(|name| place.at("out.run").join(name).exists()));
    place.write("out.run/run.json", "{");
    place.fails(1, &animate("out.mp4", &[]));
    place.animate("out.mp4", &["--fresh"]);
}

#[test]
fn broken_models() {
    let place = Place::new();
    let nano = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/nano");
    let names = ["autoencoder", "motion", "video", "segmenter"].map(|n| format!("{n}.safetensors"));
    fs::create_dir(place.at("models")).unwrap();
    let restore = || {
        for name in &names {
            fs::copy(format!("{nano}/{name}"), place.at("models").join(name)).unwrap();
        }
    };
    restore();
    let with = animate("out.mp4", &["--models", "models", "--fresh"]);
    place.ok(&with);
    for name in &names {
        let bytes = place.read(&format!("models/{name}"));
        for broken in [&bytes[..bytes.len() / 2], &bytes[..40], b"", b"not a model at all"] {
            place.write(&format!("models/{name}"), broken);
            let e = place.fails(1, &with);
            assert!(e.contains(name.as_str()), "{name}: {e}");
        }
        fs::remove_file(place.at("models").join(name)).unwrap();
        if name.starts_with("segmenter") {
            // Then the built-in one finds the objects.
            place.ok(&with);
        } else {
            let e = place.fails(1, &with);
            assert!(e.contains(name.as_str()), "{name}: {e}");
        }
        restore();
    }
    fs::copy(place.at("models/video.safetensors"), place.at("models/motion.safetensors")).unwrap();
    let e = place.fails(1, &with);
    assert!(e.contains("expected a model of stage motion, got video"), "{e}");
}
