//! MP4 both ways: fidelity, layout, and what other programs say of the file.

use std::process::Command;

use crate::{Clip, Picture, Size, WriteOptions, media::psnr};

/// A soft gradient with a moving disc, in whose edges there is no more detail than video keeps.
fn scene(size: Size, frames: usize) -> Clip {
    let frame = |t: usize| {
        let mut p = Picture::filled(size, [0; 3]);
        let (cx, cy) = (size.width as f32 * 0.3 + 3.0 * t as f32, size.height as f32 * 0.5);
        for y in 0..size.height {
            for x in 0..size.width {
                let d = (x as f32 - cx).hypot(y as f32 - cy) - size.height as f32 * 0.2;
                let inside = (0.5 - d / 6.0).clamp(0.0, 1.0);
                let ground = [60.0 + x as f32 * 0.4, 90.0 + y as f32 * 0.5, 120.0];
                let disc = [210.0, 80.0, 60.0];
                let c = std::array::from_fn(|i| ground[i] + (disc[i] - ground[i]) * inside);
                p.set_pixel(x, y, c.map(|v: f32| v.clamp(0.0, 255.0) as u8));
            }
        }
        p
    };
    Clip::new((0..frames).map(frame).collect(), 8.0).unwrap()
}

fn mp4(clip: &Clip, note: Option<&str>) -> Vec<u8> {
    let options = WriteOptions { note: note.map(str::to_owned), ..WriteOptions::default() };
    clip.to_mp4(&options).unwrap()
}

/// Position of a box's name.
fn find(bytes: &[u8], name: &[u8]) -> Option<usize> {
    bytes.windows(name.len()).position(|w| w == name)
}

#[test]
fn what_is_written_comes_back() {
    for (w, h, n) in
        [(96, 96, 12), (97, 51, 3), (64, 48, 1), (16, 130, 2), (2, 2, 2), (1, 1, 1), (1, 7, 2)]
    {
        let size = Size::new(w, h);
        // In a few pixels every edge is detail: there, flat colours.
        let flat = |t: usize| Picture::filled(size, [90 + 40 * t as u8, 200, 60]);
        let small = || Clip::new((0..n).map(flat).collect(), 8.0).unwrap();
        let clip = if size.area() < 64 { small() } else { scene(size, n) };
        let back = Clip::from_bytes("v", &mp4(&clip, None)).unwrap();
        assert_eq!((back.size(), back.frames().len(), back.fps()), (clip.size(), n, 8.0));
        for (t, (a, b)) in clip.frames().iter().zip(back.frames()).enumerate() {
            let got = psnr(a, b);
            assert!(got > 35.0, "{w}x{h}, frame {t}: {got} dB");
        }
    }
}

#[test]
fn noise_and_stills_are_encoded_too() {
    let size = Size::new(48, 32);
    let mut state = 1u32;
    let mut random = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    let frames = (0..3).map(|_| (0..size.area() * 3).map(|_| random()).collect());
    let noise = Clip::new(frames.map(|f| Picture::new(size, f).unwrap()).collect(), 8.0).unwrap();
    assert_eq!(Clip::from_bytes("v", &mp4(&noise, None)).unwrap().frames().len(), 3);
    let still = Clip::new(vec![Picture::filled(size, [200, 30, 90]); 70], 25.0).unwrap();
    let back = Clip::from_bytes("v", &mp4(&still, None)).unwrap();
    assert_eq!(back.frames().len(), 70);
    assert!(back.frames().iter().all(|f| psnr(f, &still.frames()[0]) > 35.0));
}

#[test]
fn the_index_comes_first_and_the_bytes_repeat() {
    let clip = scene(Size::new(97, 51), 3);
    let bytes = mp4(&clip, Some("seed 7"));
    let at = |name: &[u8]| find(&bytes, name).unwrap();
    assert!(at(b"moov") < at(b"mdat"));
    for name in [&b"nclx"[..], b"clap", b"seed 7", b"avcC"] {
        assert!(at(name) < at(b"mdat"), "{}", String::from_utf8_lossy(name));
    }
    assert_eq!(bytes, mp4(&clip, Some("seed 7")));
    assert!(find(&mp4(&scene(Size::new(96, 50), 1), None), b"clap").is_none());
}

#[test]
fn a_track_on_its_side_is_turned() {
    let clip = scene(Size::new(64, 32), 2);
    let mut bytes = mp4(&clip, None);
    let tkhd = find(&bytes, b"tkhd").unwrap();
    // Version and flags, times, id, reserved, duration, reserved, layer, group, volume, reserved.
    let matrix = tkhd + 4 + 4 + 8 + 4 + 4 + 4 + 8 + 2 + 2 + 2 + 2;
    let quarter: [i32; 9] = [0, 0x1_0000, 0, -0x1_0000, 0, 0, 0, 0, 0x4000_0000];
    let upright: [i32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];
    let raw = |m: [i32; 9]| m.iter().flat_map(|v| v.to_be_bytes()).collect::<Vec<u8>>();
    let place = matrix..matrix + 36;
    assert_eq!(bytes[place.clone()], raw(upright));
    bytes[place].copy_from_slice(&raw(quarter));
    let turned = Clip::from_bytes("v", &bytes).unwrap();
    assert_eq!(turned.size(), Size::new(32, 64));
    let plain = Clip::from_bytes("v", &mp4(&clip, None)).unwrap();
    assert_eq!(turned.frames()[1].pixel(31, 0), plain.frames()[1].pixel(0, 0));
    assert_eq!(turned.frames()[1].pixel(0, 63), plain.frames()[1].pixel(63, 31));
}

/// Output of a program of the ffmpeg family, or `None` (said loudly) when it is not there.
fn ffmpeg(program: &str, arguments: &[&str]) -> Option<Vec<u8>> {
    match Command::new(program).args(["-v", "error"]).args(arguments).output() {
        Ok(out) => {
            let said = String::from_utf8_lossy(&out.stderr);
            assert!(out.status.success() && said.is_empty(), "{program}: {said}");
            Some(out.stdout)
        }
        Err(_) => {
            eprintln!("skipped: {program} is not installed");
            None
        }
    }
}

#[test]
fn other_programs_read_it_with_the_right_colours() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("v.mp4");
    let path = file.to_str().unwrap();
    let clip = scene(Size::new(96, 64), 5);
    clip.write_with(&file, &WriteOptions { note: Some("seed 7".into()), ..Default::default() })
        .unwrap();
    let odd = dir.path().join("odd.mp4");
    scene(Size::new(97, 51), 2).write(&odd).unwrap();
    let odd = ["-show_streams", odd.to_str().unwrap()];
    let Some(said) = ffmpeg("ffprobe", &odd) else { return };
    let said = String::from_utf8_lossy(&said);
    for line in ["width=98", "height=52", "sample_aspect_ratio=1:1"] {
        assert!(said.lines().any(|l| l == line), "{line} in {said}");
    }
    let Some(said) = ffmpeg("ffprobe", &["-show_streams", "-show_format", "-count_frames", path])
    else {
        return;
    };
    let said = String::from_utf8_lossy(&said);
    for line in [
        "codec_name=h264",
        "pix_fmt=yuv420p",
        "color_range=tv",
        "color_space=bt709",
        "color_transfer=bt709",
        "color_primaries=bt709",
        "r_frame_rate=8/1",
        "nb_read_frames=5",
        "duration=0.625000",
        "TAG:comment=seed 7",
    ] {
        assert!(said.lines().any(|l| l == line), "{line} in {said}");
    }
    let raw = ["-i", path, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"];
    let Some(rgb) = ffmpeg("ffmpeg", &raw) else { return };
    let size = clip.size();
    assert_eq!(rgb.len(), size.area() * 3 * 5);
    for (ours, theirs) in clip.frames().iter().zip(rgb.chunks(size.area() * 3)) {
        let got = psnr(ours, &Picture::new(size, theirs.to_vec()).unwrap());
        assert!(got > 33.0, "{got} dB");
    }
}

#[test]
fn files_of_other_programs_are_read() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    let (whole, cut, frag) = (path("whole.mp4"), path("cut.mp4"), path("frag.mp4"));
    let source = "testsrc=size=66x50:rate=25:duration=2";
    let x264 = ["-c:v", "libx264", "-bf", "3", "-g", "10", "-pix_fmt", "yuv420p", "-crf", "12"];
    let make = [&["-f", "lavfi", "-i", source][..], &x264, &[&whole]].concat();
    if ffmpeg("ffmpeg", &make).is_none() {
        return;
    }
    // Cutting without encoding anew starts at a key frame and hides the rest by an edit list.
    ffmpeg("ffmpeg", &["-ss", "0.72", "-i", &whole, "-t", "0.6", "-c", "copy", &cut]);
    ffmpeg("ffmpeg", &["-i", &whole, "-c", "copy", "-movflags", "frag_keyframe+empty_moov", &frag]);
    for (file, least) in [(&whole, 50), (&cut, 10)] {
        let rgb = ["-i", file, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"];
        let theirs = ffmpeg("ffmpeg", &rgb).unwrap();
        let ours = Clip::read(file).unwrap();
        assert_eq!((ours.size(), ours.fps()), (Size::new(66, 50), 25.0), "{file}");
        let bytes = ours.size().area() * 3;
        assert_eq!(ours.frames().len(), theirs.len() / bytes, "{file}");
        assert!(ours.frames().len() >= least, "{file}");
        for (t, (a, b)) in ours.frames().iter().zip(theirs.chunks(bytes)).enumerate() {
            let got = psnr(a, &Picture::new(ours.size(), b.to_vec()).unwrap());
            // The colours of an untagged video of this size are BT.601, as there.
            assert!(got > 28.0, "{file}, frame {t}: {got} dB");
        }
    }
    let e = Clip::read(&frag).unwrap_err().to_string();
    assert!(e.contains("fragmented"), "{e}");
}
