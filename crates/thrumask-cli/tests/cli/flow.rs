//! Flow, with weights that have learned nothing: files, figures and errors; and with the real small weights
//! where `THRUMASK_TEST_DATA` has them.

use std::path::{Path, PathBuf};

use burn::tensor::Device;
use thrumask_core::{Clip, FlowField, Picture, Size};
use thrumask_nn::{
    layers::Init,
    perception::raft::{Raft, RaftConfig, RaftNaming, RaftOptions},
    weights::{FloatType, FreshTensors, public_shapes},
};

use crate::common::Place;

const SIDE: Size = Size::new(136, 128);

/// A place with weights of the small network, three pictures and a video of them.
fn place() -> Place {
    let place = Place::new();
    let config = RaftConfig::small();
    let network = Raft::new(&mut Init::new(0, &Device::flex()), &config).unwrap();
    let names = public_shapes(&network, |path| RaftNaming::Original.rename(path, &config));
    let fresh = FreshTensors::new(4, names);
    fresh.write(&place.at("raft.safetensors"), FloatType::F32, &mut |_, _| Ok(())).unwrap();
    let frames: Vec<Picture> = (0..3).map(frame).collect();
    for (i, frame) in frames.iter().enumerate() {
        frame.write_png(place.at(&format!("{i}.png"))).unwrap();
    }
    Clip::new(frames, 6.0).unwrap().write(place.at("clip/")).unwrap();
    place
}

/// A patterned square that moves to the right.
fn frame(t: usize) -> Picture {
    let mut frame = Picture::filled(SIDE, [30, 60, 90]);
    for (x, y) in (40..90).flat_map(|y| (20..70).map(move |x| (x, y))) {
        frame.set_pixel(x + 6 * t, y, [(4 * x) as u8, (3 * y) as u8, (x * y / 20) as u8]);
    }
    frame
}

/// What the library finds between two of the pictures.
fn expected(place: &Place, first: usize) -> FlowField {
    let raft = Raft::open(place.at("raft.safetensors"), &Device::flex()).unwrap();
    let options = RaftOptions { iterations: 2, ..RaftOptions::default() };
    raft.flow(&frame(first), &frame(first + 1), &options).unwrap()
}

fn close(a: &FlowField, b: &FlowField, most: f32) {
    assert_eq!(a.size(), b.size());
    for ([ax, ay], [bx, by]) in a.vectors().iter().zip(b.vectors()) {
        let apart = (ax - bx).hypot(ay - by);
        assert!(apart <= most, "({ax}, {ay}) and ({bx}, {by})");
    }
}

const NETWORK: [&str; 4] = ["--weights", "raft.safetensors", "--iterations", "2"];

fn with<'a>(args: &[&'a str], more: &[&'a str]) -> Vec<&'a str> {
    [&["flow"], args, more].concat()
}

#[test]
fn two_pictures_to_a_field_to_colours_and_back() {
    let place = place();
    let said = place.ok(&with(&["0.png", "1.png", "--out", "new/a.flo"], &NETWORK));
    assert!(said.out.starts_with("1 field of 136x128: "), "{}", said.out);
    assert!(said.out.ends_with("new/a.flo\n"), "{}", said.out);
    let found = FlowField::read_flo(place.at("new/a.flo")).unwrap();
    let expected = expected(&place, 0);
    close(&found, &expected, 0.0);

    let said = place.ok(&["flow", "new/a.flo", "--out", "a.png", "--json"]);
    let told: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let greatest = told["greatest"].as_f64().unwrap() as f32;
    assert!((greatest - expected.greatest()).abs() < 1e-4 && greatest > 0.0);
    assert!((told["mean"].as_f64().unwrap() as f32 - expected.mean()).abs() < 1e-4);
    assert_eq!(told["files"][0], "a.png");

    let greatest = greatest.to_string();
    let read = ["--read-colors", "--greatest", &greatest, "--out", "b.flo"];
    place.ok(&with(&["a.png"], &read));
    close(&FlowField::read_flo(place.at("b.flo")).unwrap(), &found, 0.02 * expected.greatest());
}

#[test]
fn a_video_to_a_drawn_video_and_to_numbered_fields() {
    let place = place();
    let greatest = expected(&place, 0).greatest().to_string();
    let draw = ["clip", "--greatest", &greatest, "--out"];
    place.ok(&with(&[&draw[..], &["drawn.mp4"]].concat(), &NETWORK));
    let drawn = Clip::read(place.at("drawn.mp4")).unwrap();
    assert_eq!((drawn.frames().len(), drawn.size()), (3, SIDE));
    assert!(drawn.frames()[2].rgb().iter().all(|&v| v > 250), "the last frame is blank");
    assert!(drawn.frames()[0].rgb().iter().any(|&v| v < 200), "the first is not");

    let said = place.ok(&with(&["clip", "--out", "f.flo"], &NETWORK));
    let files: Vec<&str> = said.out.lines().skip(1).collect();
    assert_eq!(files, ["f-00000.flo", "f-00001.flo"]);
    for (i, file) in files.iter().enumerate() {
        close(&FlowField::read_flo(place.at(file)).unwrap(), &expected(&place, i), 0.0);
    }

    // PNG frames lose nothing but by whole levels.
    place.ok(&with(&[&draw[..], &["drawn/"]].concat(), &NETWORK));
    let read = ["drawn", "--read-colors", "--greatest", &greatest, "--out", "back.flo"];
    place.ok(&with(&read, &[]));
    let back = FlowField::read_flo(place.at("back-00000.flo")).unwrap();
    let expected = expected(&place, 0);
    close(&back, &expected, 0.02 * expected.greatest());
    assert!(!place.at("back-00002.flo").exists());

    place.ok(&with(&["clip", "--out", "warm.flo", "--warm"], &NETWORK));
    assert_eq!(place.read("warm-00000.flo"), place.read("f-00000.flo"));
    assert_ne!(place.read("warm-00001.flo"), place.read("f-00001.flo"));
}

#[test]
fn what_does_not_fit_is_refused() {
    let place = place();
    let pair = ["0.png", "1.png"];
    let error = place.fails(1, &with(&pair, &[]));
    assert!(error.contains("--weights"), "{error}");
    let error = place.fails(1, &with(&["0.png", "in.png"], &NETWORK));
    assert!(error.contains("136x128") && error.contains("64x48"), "{error}");
    let error = place.fails(1, &with(&["in.png", "in.png"], &NETWORK));
    assert!(error.contains("at least 128 × 128 pixels"), "{error}");
    let error = place.fails(1, &with(&["0.png"], &NETWORK));
    assert!(error.contains("at least two frames"), "{error}");
    // Before the network is read.
    let error = place.fails(1, &with(&pair, &["--weights", "none", "--out", "a.avi"]));
    assert!(error.contains(".flo and .png") && error.contains("got .avi"), "{error}");
    let error = place.fails(1, &with(&["clip", "--out", "a.png"], &NETWORK));
    assert!(error.contains("2 fields"), "{error}");
    assert!(!place.at("a.png").exists());
    place.write(
        "other.safetensors",
        thrumask_nn::weights::WeightFile::default().write(false).unwrap(),
    );
    let error = place.fails(1, &with(&pair, &["--weights", "other.safetensors"]));
    assert!(error.contains("RAFT"), "{error}");
    place.write("cut.flo", &b"PIEH\x08\0\0\0\x08\0\0\0"[..]);
    let error = place.fails(1, &with(&["cut.flo"], &[]));
    assert!(error.contains("cut.flo: expected 524 bytes"), "{error}");
    let error = place.fails(1, &with(&pair, &[&NETWORK[..2], &["--iterations", "0"]].concat()));
    assert!(error.contains("iterations"), "{error}");
    place.fails(2, &with(&["0.png", "--read-colors"], &[]));
    let error = place.fails(1, &with(&pair, &["--read-colors", "--greatest", "4"]));
    assert!(error.contains("expected one drawing, got 2"), "{error}");
    let error = place.fails(1, &with(&["0.png", "--read-colors"], &["--greatest=-1"]));
    assert!(error.contains("greatest"), "{error}");
}

#[test]
fn how_much_moves_in_videos() {
    let place = place();
    let args = ["eval", "motion", "clip", "0.png", "1.png"];
    let error = place.fails(1, &[&args[..], &NETWORK].concat());
    assert!(error.contains("at least two frames"), "{error}");
    let said = place.ok(&[&args[..3], &NETWORK, &["--json"]].concat());
    let report: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(report["config"]["frames"], 16);
    let video = &report["videos"][0];
    assert_eq!(video["frames"].as_array().unwrap().len(), 3);
    assert_eq!(video["seen"]["width"], 136);
    let means = [0, 1].map(|i| expected(&place, i).mean());
    let mean = video["mean"].as_f64().unwrap() as f32;
    assert!((mean - (means[0] + means[1]) / 2.0).abs() < 1e-4, "{mean} {means:?}");
    let said = place.ok(&[&args[..3], &NETWORK].concat());
    assert!(said.out.contains(&format!("| clip | 3 | 136x128 | {mean:.2} |")), "{}", said.out);
    let error = place.fails(1, &[&args[..3], &NETWORK, &["--side", "64"]].concat());
    assert!(error.contains("side: expected at least 128, got 64"), "{error}");
}

/// The real small weights, when they are there.
fn data() -> Option<PathBuf> {
    let data = std::env::var("THRUMASK_TEST_DATA").ok();
    if data.is_none() {
        eprintln!("skipped: THRUMASK_TEST_DATA is not set");
    }
    data.map(PathBuf::from)
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

#[test]
fn a_photograph_moved_by_hand_is_found_to_have_moved() {
    let Some(data) = data() else { return };
    let (place, weights) = (Place::new(), text(&data.join("raft-small/raft-small.pth")));
    let photo = Picture::read(data.join("photos/bear.png")).unwrap();
    let size = Size::new(256, 192);
    for (i, (left, top)) in [(40, 40), (34, 43)].into_iter().enumerate() {
        let mut part = Picture::filled(size, [0; 3]);
        for (x, y) in (0..192).flat_map(|y| (0..256).map(move |x| (x, y))) {
            part.set_pixel(x, y, photo.pixel(left + x, top + y));
        }
        part.write_png(place.at(&format!("{i}.png"))).unwrap();
    }
    place.ok(&["flow", "0.png", "1.png", "--weights", &weights, "--out", "a.flo"]);
    let found = FlowField::read_flo(place.at("a.flo")).unwrap();
    // The camera went 6 to the left and 3 down: things go 6 to the right and 3 up.
    let mut errors: Vec<f32> =
        found.vectors().iter().map(|v| (v[0] - 6.0).hypot(v[1] + 3.0)).collect();
    errors.sort_by(f32::total_cmp);
    let median = errors[errors.len() / 2];
    println!("median error {median:.3} px");
    assert!(median < 0.3, "median error {median} px");
}

#[test]
fn real_clips_move() {
    let Some(data) = data() else { return };
    let (place, weights) = (Place::new(), text(&data.join("raft-small/raft-small.pth")));
    let clips =
        ["01_dog.mp4", "05_default_juggle.mp4"].map(|name| text(&data.join("clips").join(name)));
    let options = ["--weights", &weights, "--frames", "4", "--side", "180", "--json"];
    let said = place.ok(&[&["eval", "motion", &clips[0], &clips[1]], &options[..]].concat());
    let report: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    for video in report["videos"].as_array().unwrap() {
        let [mean, still] = ["mean", "still"].map(|key| video[key].as_f64().unwrap());
        println!("{}: AD {mean:.2}, still {still:.2}", video["video"]);
        assert!(mean > 0.3 && mean < 400.0, "{mean}");
        assert_eq!(video["seen"]["height"], 180);
    }
}
