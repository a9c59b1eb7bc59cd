//! The main job with the networks of Stable Diffusion's classes, in folders as diffusers lays them out; too
//! small and random to be any good.

use std::fs;

use safetensors::SafeTensors;
use serde_json::Value;

use crate::common::{ARTEFACTS, Place};

const WORDS: &str = "The red car moves to the right.";

/// A place with a whole pipeline in miniature.
fn pipeline() -> Place {
    let place = Place::new();
    let said = place.ok(&["models", "init", "models", "--size", "tiny", "--pipeline", "--quiet"]);
    assert_eq!(said.out.lines().count(), 5, "{}", said.out);
    place
}

/// Where the object is.
const BOXES: [&str; 2] = ["--boxes", "1:2,2,42,42"];

fn animate<'a>(words: &'a str, out: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let args = ["animate", "in.png", words, "-o", out, "--backbone", "unet", "--models", "models"];
    [&args[..], &["--steps", "2", "--quiet"], more].concat()
}

fn json(place: &Place, path: &str) -> Value {
    serde_json::from_slice(&place.read(path)).unwrap()
}

#[test]
fn the_main_job_runs_on_networks_in_folders() {
    let place = pipeline();
    place.ok(&animate(WORDS, "a.mp4", &BOXES));
    for artefact in ARTEFACTS {
        assert!(place.at("a.run").join(artefact).is_file(), "{artefact}");
    }
    let record = json(&place, "a.run/run.json");
    assert_eq!(record["config"]["model"], serde_json::json!({"size": 64, "frames": 4}));
    let models: Vec<&str> =
        record["weights"].as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(models, ["autoencoder", "motion", "segmenter", "video"]);
    // Of 64 pixels and 4 frames, stretched to the picture's aspect.
    let trajectory = place.trajectory("a.run");
    assert_eq!((trajectory.frames().len(), trajectory.size().height), (4, 64));

    place.ok(&animate(WORDS, "b.mp4", &[&BOXES[..], &["--threads", "1"]].concat()));
    place.assert_same("a.run", "b.run");
    assert!(place.read("a.mp4") == place.read("b.mp4"), "the same seed, the same bytes");
    let video = |run: &str| place.read(&format!("{run}/video.mp4"));
    place.ok(&animate(WORDS, "c.mp4", &[&BOXES[..], &["--seed", "5"]].concat()));
    assert!(video("a.run") != video("c.run"), "another seed");
    // Guidance leaves out texts and pictures: other passes, another video.
    let guided = ["--text-guidance", "3", "--image-guidance", "1.5"];
    place.ok(&animate(WORDS, "d.mp4", &[&BOXES[..], &guided].concat()));
    assert!(video("a.run") != video("d.run"), "guidance counts");
}

/// All that was made in a.run stays when the same is asked for with these options.
fn kept(place: &Place, more: &[&str]) {
    let said = place.ok(&animate(WORDS, "a.mp4", &[more, &["--json"]].concat()));
    let told: Value = serde_json::from_str(&said.out).unwrap();
    let made = told["stages"].as_array().unwrap();
    assert!(made.iter().all(|stage| stage["origin"] == "kept"), "{told}");
}

#[test]
fn frames_in_chunks_give_the_same_bytes() {
    let place = pipeline();
    let boxes = ["--boxes", "1:2,2,42,42", "--text-guidance", "2"];
    let chunk = |out: &str, more: &[&str]| {
        place.ok(&animate(WORDS, &format!("{out}.mp4"), &[&boxes[..], more].concat()));
    };
    chunk("a", &[]);
    chunk("b", &["--frame-chunk", "1"]);
    chunk("c", &["--set", "frame_chunk=3", "--threads", "1"]);
    for run in ["b.run", "c.run"] {
        place.assert_same("a.run", run);
    }
    // Stages that were made stay when less memory is to be used.
    kept(&place, &[&boxes[..], &["--frame-chunk", "2"]].concat());
    let error = place.fails(2, &animate(WORDS, "d.mp4", &["--frame-chunk", "0"]));
    assert!(error.contains("--frame-chunk"), "{error}");
    let error = place.fails(1, &animate(WORDS, "d.mp4", &["--set", "frame_chunk=0"]));
    assert!(error.contains("frame_chunk"), "{error}");
}

/// The video of a run.
fn video(place: &Place, out: &str, more: &[&str]) -> Vec<u8> {
    place.ok(&animate(WORDS, &format!("{out}.mp4"), &[&BOXES[..], more].concat()));
    place.read(&format!("{out}.run/video.mp4"))
}

#[test]
fn weights_may_stay_where_they_lie_in_their_files() {
    let place = pipeline();
    let video = |out: &str, more: &[&str]| video(&place, out, more);
    let whole = video("a", &[]);
    // Half precision in the files: what stays in 16 bits stays there, what is kept in 32 is widened.
    assert!(video("b", &["--map-weights", "--weights", "f16"]) == whole);
    assert!(video("c", &["--map-weights"]) == whole);
    let rounded = ["--set", "map_weights=true", "--weights", "bf16"];
    assert!(video("d", &rounded) == video("e", &rounded[2..]));
    // How weights are read is no part of what was asked for.
    kept(&place, &[&BOXES[..], &["--map-weights"]].concat());
}

#[test]
fn weights_may_be_kept_in_16_bits() {
    let place = pipeline();
    let video = |out: &str, more: &[&str]| video(&place, out, more);
    let whole = video("a", &[]);
    // The files are in half precision, so nothing is rounded.
    assert!(video("b", &["--weights", "f16"]) == whole);
    let rounded = video("c", &["--weights", "bf16"]);
    assert!(rounded != whole, "fewer digits");
    // What was made with other weights is made anew, and the choice is kept with the run.
    assert!(video("b", &["--weights", "bf16"]) == rounded);
    assert_eq!(json(&place, "b.run/run.json")["config"]["weights"], "bf16");
    let memory = |more: &[&str]| {
        let told = place.ok(&animate(WORDS, "d.mp4", &[&["--dry-run", "--json"], more].concat()));
        let told: Value = serde_json::from_str(&told.out).unwrap();
        told["stages"].as_array().unwrap().iter().find(|stage| stage["name"] == "video").unwrap()
            ["estimate"]["peak_bytes"]
            .as_u64()
            .unwrap()
    };
    assert!(memory(&["--weights", "f16"]) < memory(&[]));
    let error = place.fails(2, &animate(WORDS, "d.mp4", &["--weights", "f8"]));
    assert!(error.contains("--weights"), "{error}");
}

#[test]
fn what_is_said_and_moved_counts() {
    let place = pipeline();
    place.ok(&animate(WORDS, "a.mp4", &BOXES));
    // The same trajectory under another object prompt: only masked cross-attention reads it.
    let follow = |run: &str, from: &str| {
        for name in ["trajectory.json", "masks.png"] {
            fs::write(place.at(run).join(name), place.read(&format!("{from}/{name}"))).unwrap();
        }
        place.ok(&["video", "--run", run, "--fresh", "--quiet"]);
        place.read(&format!("{run}/video.mp4"))
    };
    let copy = |run: &str| {
        fs::create_dir(place.at(run)).unwrap();
        for entry in fs::read_dir(place.at("a.run")).unwrap().flatten() {
            fs::copy(entry.path(), place.at(run).join(entry.file_name())).unwrap();
        }
    };
    copy("same.run");
    assert!(follow("same.run", "a.run") == place.read("a.run/video.mp4"));
    copy("told.run");
    let mut plan = place.plan("told.run");
    plan["objects"][0]["prompt"] = "A cat sleeps.".into();
    place.write("told.run/plan.json", plan.to_string());
    assert!(follow("told.run", "a.run") != place.read("a.run/video.mp4"), "object prompts count");
    place.ok(&animate(WORDS, "b.mp4", &["--boxes", "1:20,8,60,44"]));
    copy("moved.run");
    assert!(follow("moved.run", "b.run") != place.read("a.run/video.mp4"), "trajectories count");
}

#[test]
fn a_segmenter_beside_the_folders_or_the_built_in_one_finds_objects() {
    let place = pipeline();
    place.ok(&animate(WORDS, "a.mp4", &[]));
    let hash = |run: &str| json(&place, &format!("{run}/run.json"))["weights"]["segmenter"].clone();
    let nano = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/nano/segmenter.safetensors");
    fs::copy(nano, place.at("models/segmenter.safetensors")).unwrap();
    place.ok(&animate(WORDS, "b.mp4", &[]));
    assert_eq!(hash("a.run"), hash("b.run"));
    place.assert_same("a.run", "b.run");
    place.write("models/segmenter.safetensors", "no network");
    let error = place.fails(1, &animate(WORDS, "c.mp4", &[]));
    assert!(error.contains("segmenter.safetensors"), "{error}");
}

#[test]
fn a_dry_run_tells_what_it_takes() {
    let place = pipeline();
    // Each run measures the machine anew, as busy as it is.
    let stages = |more: &[&str]| {
        let said = place.ok(&animate(WORDS, "a.mp4", &[&["--dry-run", "--json"], more].concat()));
        let told: Value = serde_json::from_str(&said.out).unwrap();
        let stages = told["stages"].as_array().unwrap();
        ["motion", "video"].map(|name| {
            let found = stages.iter().find(|stage| stage["name"] == name).unwrap();
            assert_eq!(found["origin"], "made");
            found["estimate"].clone()
        })
    };
    let seconds = |told: &Value| told["seconds"].as_f64().unwrap();
    let [motion, video] = stages(&[]);
    assert!(video["work"].as_str().unwrap().contains("4 frames of 64x64, 2 steps"), "{video}");
    // It sees and reads more than stage 1.
    assert!(seconds(&motion) < seconds(&video));
    let [motion, video] = stages(&["--set", "video.steps=500"]);
    assert!(20.0 * seconds(&motion) < seconds(&video), "{motion} {video}");
    assert!(!place.at("a.run").exists());
}

#[test]
fn what_is_missing_or_does_not_fit_is_named() {
    let place = pipeline();
    let refuse = |words: &[&str]| {
        let error = place.fails(1, &animate(WORDS, "a.mp4", &["--fresh"]));
        assert!(words.iter().all(|word| error.contains(word)), "{words:?} in {error}");
        assert!(!place.at("a.mp4").exists() && !place.at("a.run").exists(), "nothing is begun");
    };
    // Each file in turn is away.
    for (name, words) in [
        ("vae", ["autoencoder.safetensors", "models/vae"]),
        ("motion", ["motion.safetensors", "models/motion"]),
        ("video", ["video.safetensors", "models/video"]),
        ("vae/config.json", ["vae", "config.json"]),
        ("motion/config.json", ["motion", "config.json"]),
        ("text_encoder/config.json", ["text_encoder", "config.json"]),
        ("tokenizer", ["tokenizer", "vocab.json"]),
        ("tokenizer/merges.txt", ["tokenizer", "merges.txt"]),
        ("text_encoder/model.safetensors", ["text_encoder", "expected a file of weights"]),
        ("video/diffusion_pytorch_model.safetensors", ["video", "expected a file of weights"]),
    ] {
        let (there, away) = (place.at("models").join(name), place.at("away"));
        fs::rename(&there, &away).unwrap();
        refuse(&words);
        fs::rename(&away, &there).unwrap();
    }
    // Each description in turn says something else.
    for (name, from, to, words) in [
        (
            "motion/config.json",
            "\"kind\": \"motion\"",
            "\"kind\": \"video\"",
            ["expected a model of stage motion", "got video"],
        ),
        // A run passes masks from stage to stage.
        (
            "video/config.json",
            "\"kind\": \"video\"",
            "\"kind\": \"video\", \"form\": \"flow\"",
            ["models/video: expected a video model", "follows masks, got one that follows flow"],
        ),
        ("motion/config.json", "\"frames\": 4", "\"frames\": 5", ["both stages", "frames: 5"]),
        ("video/config.json", "\"heads\": 4", "\"heds\": 4", ["video/config.json", "heds"]),
        ("video/config.json", "\"layers\": 1", "\"layers\": 2", ["video", "missing"]),
        ("video/config.json", "\"width\": 32", "\"width\": 64", ["sizes of", "text_encoder"]),
        ("vae/config.json", "AutoencoderKL", "AutoencoderOobleck", ["vae", "_class_name"]),
        (
            "vae/config.json",
            "\"latent_channels\": 4",
            "\"latent_channels\": 8",
            ["expected latents of [8,", "for motion"],
        ),
        ("text_encoder/config.json", "quick_gelu", "gelu", ["sizes of", "text_encoder"]),
    ] {
        let text = String::from_utf8(place.read(&format!("models/{name}"))).unwrap();
        let other = text.replace(from, to);
        assert_ne!(text, other, "{from} in {text}");
        place.write(&format!("models/{name}"), other);
        refuse(&words);
        place.write(&format!("models/{name}"), text);
    }
    place.write("models/motion.safetensors", "a file too");
    refuse(&["motion.safetensors", "got both"]);
    fs::remove_file(place.at("models/motion.safetensors")).unwrap();
    // With the other backbone, or none said.
    let args = ["animate", "in.png", WORDS, "-o", "a.mp4", "--models", "models"];
    let error = place.fails(1, &args);
    assert!(error.contains("expected the backbone dit, got unet"), "{error}");
    let error = place.fails(2, &[&args[..], &["--backbone", "gan"]].concat());
    assert!(error.contains("gan"), "{error}");
    place.ok(&animate(WORDS, "a.mp4", &[]));
}

#[test]
fn a_pipeline_is_made_whole_and_never_written_over() {
    let place = pipeline();
    let again = ["models", "init", "models", "--size", "tiny", "--pipeline"];
    let error = place.fails(1, &again);
    assert!(error.contains("expected no such file"), "{error}");
    let error = place.fails(2, &["models", "init", "m", "--pipeline", "--parts", "vae"]);
    assert!(error.contains("--pipeline"), "{error}");
    place.ok(&["models", "init", "same", "--size", "tiny", "--pipeline", "--quiet"]);
    place.ok(&["models", "init", "other", "--size", "tiny", "--parts", "motion", "--seed", "1"]);
    let weights =
        |out: &str| place.read(&format!("{out}/motion/diffusion_pytorch_model.safetensors"));
    assert!(weights("models") == weights("same") && weights("same") != weights("other"));
    let names = thrumask_core::fsio::list_names(place.at("models")).unwrap();
    assert_eq!(names, ["motion", "text_encoder", "tokenizer", "vae", "video"]);
    let bytes: u64 = ["motion", "video", "vae", "text_encoder"]
        .map(|name| {
            fs::read_dir(place.at("models").join(name))
                .unwrap()
                .flatten()
                .map(|e| e.metadata().unwrap().len())
                .sum::<u64>()
        })
        .iter()
        .sum();
    assert!(bytes < 10_000_000, "{bytes}");
}

/// The tensors of a file that `keep` picks, in a file of their own.
fn part_of(place: &Place, from: &str, to: &str, keep: impl Fn(&str) -> bool) {
    let bytes = place.read(from);
    let read = SafeTensors::deserialize(&bytes).unwrap();
    let kept = read.iter().filter(|(name, _)| keep(name));
    fs::create_dir_all(place.at(to).parent().unwrap()).unwrap();
    safetensors::serialize_to_file(kept, None, &place.at(to)).unwrap();
}

#[test]
fn stages_start_from_public_weights() {
    const WEIGHTS: &str = "diffusion_pytorch_model.safetensors";
    let place = Place::new();
    let parts = "unet,vae,text-encoder,tokenizer";
    let init = ["models", "init", "sd", "--size", "tiny", "--conditions", "0", "--parts", parts];
    place.ok(&init);
    place.ok(&["models", "assemble", "whole", "--from", "sd", "--size", "32", "--frames", "4"]);
    // The same, from a U-Net of pictures and the motion modules on their own.
    let of_motion = |name: &str| name.contains("motion_modules");
    let unet = format!("sd/unet/{WEIGHTS}");
    part_of(&place, &unet, &format!("motion/{WEIGHTS}"), of_motion);
    part_of(&place, &unet, &format!("parts/unet/{WEIGHTS}"), |name| !of_motion(name));
    for part in ["vae", "text_encoder", "tokenizer"] {
        fs::rename(place.at("sd").join(part), place.at("parts").join(part)).unwrap();
    }
    let described = String::from_utf8(place.read("sd/unet/config.json")).unwrap();
    let adapter = described.replace("UNetMotionModel", "MotionAdapter");
    place.write("motion/config.json", adapter);
    let still = described
        .replace("UNetMotionModel", "UNet2DConditionModel")
        .replace("BlockMotion", "Block2D");
    place.write("parts/unet/config.json", still);
    let assemble = ["models", "assemble", "joined", "--from", "parts", "--motion", "motion"];
    let assemble = [&assemble[..], &["--size", "32", "--frames", "4"]].concat();
    let said = place.ok(&assemble);
    assert_eq!(said.out.lines().count(), 5, "{}", said.out);
    for stage in ["motion", "video"] {
        let weights = |of: &str| place.read(&format!("{of}/{stage}/{WEIGHTS}"));
        assert!(weights("whole") == weights("joined"), "{stage}");
    }

    // The channels of the conditions are zero, the gates closed, the rest as it was.
    let (bytes, old) = (place.read(&format!("joined/video/{WEIGHTS}")), place.read(&unet));
    let (new, old) =
        (SafeTensors::deserialize(&bytes).unwrap(), SafeTensors::deserialize(&old).unwrap());
    for (name, tensor) in new.iter() {
        match old.tensor(name) {
            Err(_) => assert!(name.contains(".object_"), "{name}"),
            Ok(old) if name == "conv_in.weight" => {
                assert_eq!((old.shape()[1], tensor.shape()[1]), (4, 12));
                let row = |of: usize| of * 9 * 2;
                for (new, old) in tensor.data().chunks(row(12)).zip(old.data().chunks(row(4))) {
                    assert_eq!(new[..row(4)], *old);
                    assert!(new[row(4)..].iter().all(|&byte| byte == 0));
                }
            }
            Ok(old) => assert_eq!(tensor.data(), old.data(), "{name}"),
        }
        if name.ends_with(".gate") {
            assert!(tensor.data().iter().all(|&byte| byte == 0), "{name}");
        }
    }
    fs::rename(place.at("joined"), place.at("models")).unwrap();
    place.ok(&animate(WORDS, "a.mp4", &BOXES));
    assert_eq!(place.trajectory("a.run").size().height, 32);

    let error = place.fails(1, &[&assemble[..2], &["models"], &assemble[3..]].concat());
    assert!(error.contains("expected no such folder"), "{error}");
    // With the U-Net that has motion modules.
    fs::create_dir(place.at("sd-unet")).unwrap();
    fs::rename(place.at("sd/unet"), place.at("sd-unet/unet")).unwrap();
    for part in ["vae", "text_encoder", "tokenizer"] {
        fs::rename(place.at("whole").join(part), place.at("sd-unet").join(part)).unwrap();
    }
    let again = |more: &[&str]| {
        let error = place.fails(1, &[&["models", "assemble", "b"], more].concat());
        assert!(!place.at("b").exists(), "nothing is begun");
        error
    };
    let error = again(&["--from", "parts"]);
    assert!(
        error.contains("motion modules: expected some") && error.contains("--motion"),
        "{error}"
    );
    let error = again(&["--from", "sd-unet", "--motion", "motion"]);
    assert!(error.contains("motion modules: expected none"), "{error}");
    let error = again(&["--from", "parts", "--motion", "motion", "--size", "33"]);
    assert!(error.contains("multiples of 4"), "{error}");
    let error = again(&["--from", "parts", "--motion", "motion", "--frames", "40"]);
    assert!(error.contains("up to 32 frames"), "{error}");
    let error = again(&["--from", "nowhere"]);
    assert!(error.contains("nowhere"), "{error}");
}

#[test]
fn a_small_stage_learns_on_a_public_autoencoder() {
    let place = pipeline();
    for task in ["motion", "video"] {
        place.write("stage.toml", crate::unet::config(task, "models/vae"));
        place.ok(&["train", "stage.toml", "--out", "trained", "--quiet"]);
        fs::remove_dir_all(place.at("models").join(task)).unwrap();
        let model = place.at("models").join(format!("{task}.safetensors"));
        fs::copy(place.at("trained/model.safetensors"), model).unwrap();
        fs::remove_dir_all(place.at("trained")).unwrap();
    }
    // Files of ours beside folders of others.
    place.ok(&animate(WORDS, "a.mp4", &BOXES));
    assert_eq!(place.trajectory("a.run").size().height, 32);
}
