//! Real videos as training data, through the program.

use std::{fs, path::Path, process::Stdio, time::Duration};

use thrumask::data::Shards;
use thrumask_core::{Clip, Picture, Size, fsio};
use thrumask_nn::weights::WeightFile;

use crate::{
    common::{Place, Said},
    models::server::{COMMIT, REPO, Server},
    training::AUTOENCODER,
};

/// Sizes of the tiny trainings, and limits for small sprites.
const CONFIG: &str = "size = 16\nframes = 8\nsamples_per_shard = 4\n\
                      [filter]\nmotion = [1e-5, 0.5]\nsharpness = 1.0\n";

/// A moving block over a chequered ground.
fn clip(size: Size, frames: usize) -> Clip {
    let frame = |t: usize| {
        let mut picture = Picture::filled(size, [90, 120, 90]);
        for y in 0..size.height {
            for x in 0..size.width {
                if (x / 4 + y / 4) % 2 == 0 {
                    picture.set_pixel(x, y, [140, 150, 130]);
                }
                if (4 + t..12 + t).contains(&x) && (8..16).contains(&y) {
                    picture.set_pixel(x, y, [220, 40, 40]);
                }
            }
        }
        picture
    };
    Clip::new((0..frames).map(frame).collect(), 8.0).unwrap()
}

fn mp4(size: Size, frames: usize) -> Vec<u8> {
    clip(size, frames).to_mp4(&Default::default()).unwrap()
}

fn find(bytes: &[u8], name: &[u8; 4]) -> usize {
    bytes.windows(4).position(|w| w == name).unwrap()
}

/// Masks of the block, the one object, in each of some frames, at `fps` a second.
fn masks_of(clip: &Clip, shown: impl Iterator<Item = usize>, fps: f32) -> String {
    let size = clip.size();
    let maps = shown.map(|t| &clip.frames()[t]).map(|p| {
        let red = p.rgb().chunks_exact(3).map(|c| u8::from(c == [220, 40, 40])).collect();
        thrumask_core::LabelMap::new(size, red).unwrap()
    });
    thrumask_core::Trajectory::new(maps.collect(), 1, fps).unwrap().to_json().unwrap()
}

/// Frames turned by a quarter, clockwise.
fn upright(clip: &Clip) -> Clip {
    let size = clip.size();
    let turn = |p: &Picture| {
        let mut turned = Picture::filled(Size::new(size.height, size.width), [0; 3]);
        for y in 0..size.height {
            (0..size.width).for_each(|x| turned.set_pixel(size.height - 1 - y, x, p.pixel(x, y)));
        }
        turned
    };
    Clip::new(clip.frames().iter().map(turn).collect(), clip.fps()).unwrap()
}

/// The same in `frames` frames, one after the other.
fn masks(size: Size, frames: usize) -> String {
    masks_of(&clip(size, frames), 0..frames, 8.0)
}

/// The same frames, the second half of which last half as long.
fn variable_rate(mut bytes: Vec<u8>, frames: u32) -> Vec<u8> {
    let be = |v: u32| v.to_be_bytes();
    let at = find(&bytes, b"stts");
    let read = |bytes: &[u8], at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
    // Version and flags, one entry: a count and a duration.
    assert_eq!(read(&bytes, at + 8), 1);
    let duration = read(&bytes, at + 16);
    let half = frames / 2;
    let table = [be(2), be(half), be(duration), be(frames - half), be(duration / 2)].concat();
    bytes.splice(at + 8..at + 20, table);
    // Everything around the table is longer, and the frames lie further back.
    for name in [b"stts", b"stbl", b"minf", b"mdia", b"trak", b"moov"] {
        let at = find(&bytes, name) - 4;
        let longer = be(read(&bytes, at) + 8);
        bytes[at..at + 4].copy_from_slice(&longer);
    }
    let at = find(&bytes, b"stco");
    for i in 0..read(&bytes, at + 8) as usize {
        let at = at + 12 + 4 * i;
        let further = be(read(&bytes, at) + 8);
        bytes[at..at + 4].copy_from_slice(&further);
    }
    bytes
}

/// A folder with good and bad videos.
fn videos(place: &Place) {
    place.ok(&["world", "--out", "videos", "--count", "5", "--size", "48", "--quiet"]);
    let size = Size::new(48, 32);
    let good = mp4(size, 16);
    let put = |name: &str, bytes: &[u8]| {
        place.write(&format!("videos/{name}.mp4"), bytes);
        place.write(&format!("videos/{name}.txt"), "The red block moves to the right.");
    };
    put("cut-off", &good[..good.len() / 2]);
    put("empty", b"");
    put("noise", &[7; 4000]);
    put("short", &mp4(size, 3));
    place.write("videos/short.masks.json", masks(size, 3));
    put("unmasked", &good);
    let mut sound = good.clone();
    let handler = find(&sound, b"vide");
    sound[handler..handler + 4].copy_from_slice(b"soun");
    put("sound", &sound);
    let mut turned = good.clone();
    // Version and flags, times, id, reserved, duration, reserved, layer, group, volume, reserved.
    let matrix = find(&turned, b"tkhd") + 4 + 4 + 8 + 4 + 4 + 4 + 8 + 2 + 2 + 2 + 2;
    let quarter: [i32; 9] = [0, 0x1_0000, 0, -0x1_0000, 0, 0, 0, 0, 0x4000_0000];
    let quarter: Vec<u8> = quarter.iter().flat_map(|v| v.to_be_bytes()).collect();
    turned[matrix..matrix + 36].copy_from_slice(&quarter);
    put("turned", &turned);
    // Its masks stand upright as it is shown; those of another lie on their side.
    place.write("videos/turned.masks.json", masks_of(&upright(&clip(size, 16)), 0..16, 8.0));
    put("aslant", &turned);
    place.write("videos/aslant.masks.json", masks(size, 16));
    // At 16 moments a second, two show each frame of the first half, and one each of the second.
    put("varying", &variable_rate(mp4(size, 32), 32));
    let shown = (0..48).map(|j| if j < 32 { j / 2 } else { j - 16 });
    place.write("videos/varying.masks.json", masks_of(&clip(size, 32), shown, 16.0));
    place.write("data.toml", CONFIG);
}

const PREPARE: [&str; 5] = ["data", "prepare", "videos", "--config", "data.toml"];

fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let names = fsio::list_names(folder).unwrap().into_iter();
    names.map(|n| (n.clone(), fs::read(folder.join(n)).unwrap())).collect()
}

#[test]
fn a_folder_of_good_and_bad_videos_becomes_shards_whoever_is_killed_and_a_network_learns_from_them()
{
    let place = Place::new();
    videos(&place);
    for shard in ["0/2", "1/2"] {
        place.ok(&[&PREPARE[..], &["--out", "whole", "--shard", shard, "--latents"]].concat());
    }
    let mut left_out: Vec<(String, String)> = String::from_utf8(place.read("whole/rejected.jsonl"))
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|v| (v["source"].as_str().unwrap().into(), v["reason"].as_str().unwrap().into()))
        .collect();
    left_out.sort();
    let expected = [
        ("aslant.mp4", "masks_mismatch"),
        ("aslant.mp4", "masks_mismatch"),
        ("cut-off.mp4", "unreadable"),
        ("empty.mp4", "unreadable"),
        ("noise.mp4", "unreadable"),
        ("short.mp4", "short"),
        ("sound.mp4", "unreadable"),
        ("unmasked.mp4", "no_tracker"),
    ];
    assert_eq!(left_out, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    let manifest: serde_json::Value =
        serde_json::from_slice(&place.read("whole/manifest.json")).unwrap();
    assert_eq!(manifest["complete"], true);
    assert_eq!(manifest["statistics"]["videos"], 14);
    let names = fsio::list_names(place.at("whole")).unwrap().into_iter();
    let tars: Vec<String> =
        names.filter(|n| n.ends_with(".tar")).map(|n| format!("whole/{n}")).collect();
    let inspect = ["data", "inspect", "--json", "--sheet", "sheet.png"].into_iter();
    let said = place.ok(&inspect.chain(tars.iter().map(String::as_str)).collect::<Vec<_>>());
    let samples: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let of = |video: &str| {
        let all = samples["samples"].as_array().unwrap().iter();
        all.filter(|s| s["about"]["video"] == video)
            .map(|s| s["about"]["start"].clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(of("turned"), [0.0, 1.0]);
    assert_eq!(of("varying"), [0.0, 1.0, 2.0]);
    assert!(place.at("sheet.png").exists());
    masks_lie_on_the_block(&tars.iter().map(|t| place.at(t)).collect::<Vec<_>>());

    // Killed or interrupted again and again, each time a little later.
    for shard in ["0/2", "1/2"] {
        let more = ["--out", "cut", "--shard", shard, "--latents", "--quiet"];
        let args = [&PREPARE[..], &more].concat();
        for attempt in 1.. {
            let mut child =
                place.command(&args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
            std::thread::sleep(Duration::from_millis(15 * attempt));
            // It may have ended by itself.
            let _ = match attempt % 2 {
                0 if cfg!(unix) => {
                    let id = child.id().to_string();
                    let kill = std::process::Command::new("kill").args(["-INT", &id]).output();
                    kill.map(|_| ())
                }
                _ => child.kill(),
            };
            let said = Said::from(child.wait_with_output().unwrap());
            match said.code {
                None | Some(130) => {}
                code => {
                    assert_eq!(code, Some(0), "{}", said.err);
                    break;
                }
            }
        }
    }
    let (whole, cut) = (contents(&place.at("whole")), contents(&place.at("cut")));
    let names = |all: &[(String, Vec<u8>)]| all.iter().map(|f| f.0.clone()).collect::<Vec<_>>();
    assert_eq!(names(&whole), names(&cut));
    for (a, b) in whole.iter().zip(&cut) {
        assert!(a == b, "{} differs", a.0);
    }

    place.write("ae.toml", format!("data = \"whole/*.tar\"\n{AUTOENCODER}"));
    place.ok(&["train", "ae.toml", "--out", "ae", "--quiet"]);
    let motion = crate::training::MOTION;
    let data = "[data]\nshards = [\"whole/*.tar\"]\nvalidation = 0.3\n";
    place.write("motion.toml", format!("{motion}\n{data}"));
    let train = |shards: &str, out: &str, steps: &str| {
        let sets = [
            "optimizer.decay_from=1.0".to_owned(),
            format!("run.steps={steps}"),
            format!("data.shards=[{shards:?}]"),
        ];
        let sets = sets.iter().flat_map(|set| ["--set", set]);
        place
            .ok(&["train", "motion.toml", "--out", out].into_iter().chain(sets).collect::<Vec<_>>())
    };
    let said = train("whole/*.tar", "run", "8").err;
    // The latents are those of the built-in autoencoder.
    let stale =
        format!("0 of {0} samples have latents of this autoencoder, {0}", manifest["samples"]);
    assert_eq!(said.matches(&stale).count(), 1, "{said}");
    train("whole/*.tar", "resumed", "3");
    train("whole/*.tar", "resumed", "8");
    assert!(place.read("run/model.safetensors") == place.read("resumed/model.safetensors"));
    let log = crate::training::log(&place, "run");
    let scores = &log.iter().find(|e| e["validation"].is_object()).unwrap()["validation"];
    assert!(scores["mean_iou"].is_number() && scores["action_accuracy"].is_null(), "{scores}");
    the_own_latents_are_taken(&place, &train);
    let other = place.fails(1, &["train", "motion.toml", "--out", "f", "--set", "data=none*.tar"]);
    assert!(other.contains("none*.tar"), "{other}");
}

/// A training on latents of its own autoencoder ends as that which encodes, and `inspect` tells of them.
fn the_own_latents_are_taken(place: &Place, train: &dyn Fn(&str, &str, &str) -> Said) {
    fs::create_dir(place.at("models")).unwrap();
    place.write("models/autoencoder.safetensors", place.read("ae/model.safetensors"));
    for shard in ["0/2", "1/2"] {
        let own = ["--models", "models", "--latents", "--shard", shard, "--quiet"];
        place.ok(&[&PREPARE[..], &["--out", "kept"], &own].concat());
    }
    let said = train("kept/*.tar", "on-kept", "8").err;
    assert!(!said.contains("latents"), "{said}");
    assert!(place.read("run/model.safetensors") == place.read("on-kept/model.safetensors"));
    let said = place.ok(&["data", "inspect", "kept/shard-0000-of-0002-00000.tar"]).out;
    assert!(said.contains("with latents, 4x8x4x4 in f32, of autoencoder "), "{said}");
    // In another folder, they may be kept otherwise.
    let other = ["--out", "kept", "--latents=f16", "--shard", "0/2"];
    let e = place.fails(1, &[&PREPARE[..], &other].concat());
    assert!(e.contains("another configuration"), "{e}");
}

/// In each frame of the videos with a block, the mask's middle is that of what is red.
fn masks_lie_on_the_block(tars: &[std::path::PathBuf]) {
    let shards = Shards::index(tars.to_vec()).unwrap();
    let mut compared = 0;
    for i in 0..shards.len() {
        let (sample, about) = shards.read(i).unwrap();
        if !["turned", "varying"].contains(&about.video.as_str()) {
            continue;
        }
        for (picture, map) in sample.clip.frames().iter().zip(sample.masks.frames()) {
            let middle = |weight: &dyn Fn(usize) -> f32| {
                let sum = |f: &dyn Fn(usize) -> f32| (0..16 * 16).map(f).sum::<f32>();
                let all = sum(weight);
                [sum(&|i| weight(i) * (i % 16) as f32), sum(&|i| weight(i) * (i / 16) as f32)]
                    .map(|s| s / all)
            };
            let red = |i: usize| {
                let c = picture.pixel(i % 16, i / 16);
                (f32::from(c[0]) - f32::from(c[1]) - 40.0).max(0.0)
            };
            let mask = |i: usize| f32::from(u8::from(map.ids()[i] == 1));
            let (a, b) = (middle(&red), middle(&mask));
            assert!((a[0] - b[0]).hypot(a[1] - b[1]) < 0.8, "{}: {a:?} {b:?}", shards.key(i));
            compared += 1;
        }
    }
    assert_eq!(compared, 5 * 8);
}

#[test]
fn wrong_wishes_are_refused() {
    let place = Place::new();
    place.fails(1, &["data", "prepare", "nothing", "--out", "o"]);
    fs::create_dir(place.at("videos")).unwrap();
    let e = place.fails(1, &["data", "prepare", "videos", "--out", "o"]);
    assert!(e.contains("expected videos"), "{e}");
    place.write("videos/a.mp4", "");
    let e = place.fails(1, &["data", "prepare", "videos", "--out", "o", "--set", "size=3"]);
    assert!(e.contains("size: expected 16 to 4096, got 3"), "{e}");
    let e = place.fails(1, &["data", "prepare", "videos", "--out", "o", "--set", "seize=3"]);
    assert!(e.contains("seize"), "{e}");
    let out = place.command(&["data", "prepare", "videos", "--out", "o", "--shard", "2/2"]);
    let said = Said::from({ out }.output().unwrap());
    assert_eq!(said.code, Some(2));
    assert!(!place.at("o").exists());
    let e = place.fails(1, &["data", "inspect", "videos/a.mp4"]);
    assert!(e.contains("expected samples") || e.contains("expected a tar"), "{e}");
}

#[test]
fn shards_at_an_address_are_downloaded_once() {
    let place = Place::new();
    place.write("data.toml", CONFIG);
    place.ok(&["world", "--out", "videos", "--count", "2", "--size", "32", "--quiet"]);
    place.ok(&[&PREPARE[..], &["--out", "shards", "--quiet"]].concat());
    let tar = place.read("shards/shard-0000-of-0001-00000.tar");
    let server = Server::start(&place, &[("s.tar", tar)]);
    let train = |out: &str, file: &str, offline: bool| {
        let url = format!("{}/{REPO}/resolve/{COMMIT}/{file}", server.endpoint());
        place.write("ae.toml", format!("data = \"{url}\"\n{AUTOENCODER}"));
        let args = ["train", "ae.toml", "--out", out, "--quiet", "--set", "run.steps=1"];
        let mut command = server.command(&place, &args);
        command.env("XDG_CACHE_HOME", place.at("cache"));
        if offline {
            command.env("HF_HUB_OFFLINE", "1");
        }
        Said::from(command.output().unwrap())
    };
    let said = train("none", "s.tar", true);
    assert!(said.code == Some(1) && said.err.contains("HF_HUB_OFFLINE"), "{}", said.err);
    assert!(server.requests().is_empty());
    // The connection ends early once.
    server.faults.lock().unwrap().cuts = vec![1000];
    let said = train("a", "s.tar", false);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(server.requests().iter().filter(|r| r.starts_with("GET /cdn/")).count() == 2);
    let said = train("b", "s.tar", true);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(server.requests().is_empty());
    assert!(place.read("a/model.safetensors") == place.read("b/model.safetensors"));
    let said = train("c", "other.tar", false);
    assert!(said.code == Some(1) && said.err.contains("404"), "{}", said.err);
}

/// SAM 2 of a test's size with random weights, as a folder of transformers' has it.
fn write_tracker(folder: &Path) {
    let fixture = "../thrumask-nn/tests/parity/sam2_video/fixture.safetensors";
    let fixture = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(fixture)).unwrap();
    let fixture = WeightFile::read("fixture", &fixture).unwrap();
    let mut weights = WeightFile::default();
    for (name, tensor) in fixture.tensors {
        if let Some(name) = name.strip_prefix("state.") {
            weights.tensors.insert(name.to_owned(), tensor);
        }
    }
    fs::create_dir_all(folder).unwrap();
    fs::write(folder.join("config.json"), &fixture.metadata["config"]).unwrap();
    fs::write(folder.join("model.safetensors"), weights.write(false).unwrap()).unwrap();
}

#[test]
fn a_video_without_masks_is_segmented_and_followed() {
    let place = Place::new();
    write_tracker(&place.at("sam2"));
    // Two cars, and a camera that goes past them.
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/two-cars.png");
    let still = Picture::read(example).unwrap();
    let Size { width, height } = still.size();
    let frame = |t: usize| {
        let mut frame = Picture::filled(still.size(), [0; 3]);
        for (x, y) in (0..height).flat_map(|y| (0..width).map(move |x| (x, y))) {
            frame.set_pixel(x, y, still.pixel((x + 2 * t).min(width - 1), y));
        }
        frame
    };
    let clip = Clip::new((0..8).map(frame).collect(), 8.0).unwrap();
    fs::create_dir_all(place.at("videos")).unwrap();
    place.write("videos/cars.mp4", clip.to_mp4(&Default::default()).unwrap());
    place.write("videos/cars.txt", "The red car moves to the left, and so does the blue car.");
    let prepare = ["data", "prepare", "videos", "--set", "frames=8", "--set", "size=96"];
    let run = |more: &[&str]| place.ok(&[&prepare[..], more, &["--json"]].concat());
    let summary = |said: &Said| serde_json::from_str::<serde_json::Value>(&said.out).unwrap();
    let without = summary(&run(&["--out", "without"]));
    assert_eq!(without["summary"]["rejected"]["no_tracker"], 1);
    let with = summary(&run(&["--out", "with", "--tracker", "sam2"]));
    assert_eq!(with["summary"]["samples"], 1, "{with}");
    let said = place.ok(&["data", "inspect", "with/shard-0000-of-0001-00000.tar", "--json"]);
    let inspected: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let about = &inspected["samples"][0]["about"];
    assert_eq!(about["masks"], "tracked", "{about}");
    let shards = Shards::index(vec![place.at("with/shard-0000-of-0001-00000.tar")]).unwrap();
    let (sample, _) = shards.read(0).unwrap();
    assert_eq!(sample.masks.frames().len(), 8);
    assert!(sample.masks.frames()[0].ids_present().contains(&1), "the red car");
    // With another tracker or measure of motion it is another preparation.
    let error = place.fails(1, &[&prepare[..], &["--out", "with"]].concat());
    assert!(error.contains("other tools"), "{error}");
    for (option, path) in [("--tracker", "nowhere"), ("--flow", "sam2/model.safetensors")] {
        let error = place.fails(1, &[&prepare[..], &["--out", "x", option, path]].concat());
        assert!(error.contains(path), "{error}");
        assert!(!place.at("x").exists());
    }
}
