//! Stages that start from Stable Diffusion in one file, in its original naming; in miniature.

use std::fs;

use burn::tensor::Device;
use serde_json::Value;
use thrumask::model::FullSize;
use thrumask_nn::{
    autoencoder::kl::{AutoencoderKl, KlNaming, names as kl_names},
    backbone::unet::{Unet, names},
    text::clip::{ClipText, names as clip_names},
    weights::{Checkpoint, TensorInfo, TensorSource, WeightFile, public_tensors},
};

use crate::common::Place;

const WEIGHTS: &str = "diffusion_pytorch_model.safetensors";

/// The networks of the folder `sd` as one file, and the motion modules as another.
fn joined(place: &Place) -> [WeightFile; 2] {
    let (size, device) = (FullSize::Tiny, Device::flex());
    let [mut all, mut motion] = [WeightFile::default(), WeightFile::default()];
    let open = |part: &str| Checkpoint::open(place.at("sd").join(part)).unwrap();
    let config = size.unet(0);
    let unet = Unet::load_stage("unet", &open("unet"), &config, &device).unwrap();
    let unet = public_tensors(&unet, |path| names::single_file(path, &config));
    (motion.tensors, all.tensors) =
        unet.tensors.into_iter().partition(|(name, _)| name.contains("motion_modules"));
    let config = size.vae();
    let vae = AutoencoderKl::load("vae", &open("vae"), &config, &device).unwrap();
    let vae = public_tensors(&vae, |path| {
        let name = KlNaming::Original.rename(path, config.channels.len());
        format!("{}{name}", kl_names::SINGLE_FILE_PREFIX)
    });
    all.tensors.extend(vae.tensors);
    let text = ClipText::load("text", &open("text_encoder"), &size.text(), &device).unwrap();
    let text = public_tensors(&text, |path| {
        format!("{}{}", clip_names::PREFIXES[0], clip_names::rename(path))
    });
    all.tensors.extend(text.tensors);
    // What such files hold besides.
    let positions = format!("{}embeddings.position_ids", clip_names::PREFIXES[0]);
    for name in ["alphas_cumprod", "model_ema.decay", &positions] {
        all.tensors.insert(name.into(), (vec![2], vec![0.0, 1.0]));
    }
    [all, motion]
}

fn infos(of: &Checkpoint) -> Vec<(&str, &TensorInfo)> {
    of.infos().collect()
}

#[test]
fn stages_start_from_one_file_as_from_folders() {
    let place = Place::new();
    let parts = ["--conditions", "0", "--parts", "unet,vae,text-encoder,tokenizer", "--quiet"];
    place.ok(&[&["models", "init", "sd", "--size", "tiny"][..], &parts].concat());
    let assemble = |out: &'static str, more: &[&'static str]| -> Vec<&'static str> {
        let args = ["models", "assemble", out, "--size", "32", "--frames", "4", "--quiet"];
        [&args[..], more].concat()
    };
    place.ok(&assemble("folders", &["--from", "sd"]));
    let [mut all, motion] = joined(&place);
    place.write("all.safetensors", all.write(false).unwrap());
    fs::create_dir(place.at("motion")).unwrap();
    place.write(&format!("motion/{WEIGHTS}"), motion.write(true).unwrap());
    let described = String::from_utf8(place.read("sd/unet/config.json")).unwrap();
    place.write("motion/config.json", described.replace("UNetMotionModel", "MotionAdapter"));
    let beside = ["--tokenizer", "sd/tokenizer", "--motion", "motion"];
    let from = |file: &'static str| [&["--from", file][..], &beside].concat();
    place.ok(&assemble("one", &from("all.safetensors")));
    place.ok(&["models", "convert", "all.safetensors", "half.safetensors", "--dtype", "f16"]);
    place.ok(&assemble("half", &from("half.safetensors")));

    let json = |path: &str| serde_json::from_slice::<Value>(&place.read(path)).unwrap();
    for one in ["one", "half"] {
        for part in ["motion", "video", "vae", "text_encoder"] {
            let [ours, theirs] =
                [one, "folders"].map(|of| json(&format!("{of}/{part}/config.json")));
            assert_eq!(ours, theirs, "{one}/{part}");
            let [ours, theirs] = [one, "folders"].map(|of| place.at(of).join(part));
            let (ours, theirs) =
                (Checkpoint::open(ours).unwrap(), Checkpoint::open(theirs).unwrap());
            // The folders are in 16 bits; autoencoder and text encoder keep what the file has.
            match (one, part) {
                ("one", "vae" | "text_encoder") => assert_eq!(ours.shapes(), theirs.shapes()),
                _ => assert_eq!(infos(&ours), infos(&theirs), "{one}/{part}"),
            }
            for name in theirs.shapes().keys() {
                let [ours, theirs] = [&ours, &theirs].map(|of| of.values(name).unwrap());
                assert!(ours == theirs, "{one}/{part}: {name}");
            }
        }
        for name in ["vocab.json", "merges.txt"] {
            let [ours, theirs] =
                [one, "sd"].map(|of| place.read(&format!("{of}/tokenizer/{name}")));
            assert!(ours == theirs, "{name}");
        }
    }
    let words = "The red car moves to the right.";
    let animate =
        ["animate", "in.png", words, "-o", "a.mp4", "--backbone", "unet", "--models", "one"];
    place.ok(&[&animate[..], &["--boxes", "1:2,2,42,42", "--steps", "2", "--quiet"]].concat());

    let fails = |more: &[&'static str], words: &[&str]| {
        let error = place.fails(1, &assemble("b", more));
        assert!(words.iter().all(|word| error.contains(word)), "{error}");
        assert!(!place.at("b").exists(), "nothing is begun");
    };
    fails(&["--from", "all.safetensors", "--motion", "motion"], &["tokenizer", "--tokenizer"]);
    fails(
        &["--from", "all.safetensors", "--motion", "motion", "--tokenizer", "motion"],
        &["motion", "vocab.json"],
    );
    let file = "sd/unet/diffusion_pytorch_model.safetensors";
    fails(&from(file), &[file, "original naming", "model.diffusion_model.input_blocks.0.0.weight"]);
    fails(&["--from", "all.safetensors", "--tokenizer", "sd/tokenizer"], &["--motion"]);
    all.tensors.remove("first_stage_model.encoder.conv_in.bias").unwrap();
    place.write("cut.safetensors", all.write(false).unwrap());
    fails(&from("cut.safetensors"), &["cut.safetensors", "1 missing: encoder.conv_in.bias"]);
}
