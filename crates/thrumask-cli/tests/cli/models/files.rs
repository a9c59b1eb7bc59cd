//! Checks, a look inside and conversion of files and of what is in the cache.

use std::{collections::BTreeMap, fs};

use serde_json::Value;
use thrumask_nn::{
    autoencoder::kl::{AutoencoderKl, KlConfig},
    backbone::unet::{Unet, UnetConfig},
    text::clip::{ClipText, ClipTextConfig},
    weights::{Checkpoint, WeightFile},
};

use super::server::{COMMIT, REPO, Server};
use crate::common::{Place, Said};

/// A file of two tensors that a Stable Diffusion U-Net has.
fn unet() -> WeightFile {
    let mut file = WeightFile::default();
    let values = |count: usize| (0..count).map(|i| i as f32 / 7.0).collect();
    let key = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight";
    file.tensors.insert(key.into(), (vec![2, 768], values(1536)));
    file.tensors.insert("down_blocks.0.resnets.0.conv1.bias".into(), (vec![3], values(3)));
    file.tensors.insert("time_embedding.linear_1.bias".into(), (vec![4], values(4)));
    file.metadata.insert("made by".into(), "a test".into());
    file
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn a_file_is_looked_into() {
    let place = Place::new();
    place.write("unet.safetensors", unet().write(true).unwrap());
    let said = place.ok(&["models", "inspect", "unet.safetensors"]);
    for words in [
        "down_blocks.0.resnets.0.conv1.bias",
        "F16    [2, 768]",
        "unet.safetensors (safetensors)",
        "made by = a test",
        "as in Stable Diffusion 1",
        "3 tensors, 1543 values, 3.1 kB",
    ] {
        assert!(said.out.contains(words), "{words}: {}", said.out);
    }
    let found = json(&place.ok(&["models", "inspect", "unet.safetensors", "--json"]).out);
    assert_eq!(found["tensors"][1]["shape"], json("[3]"));
    assert_eq!(found["totals"]["F16"]["bytes"], 3086);
    // A pipeline shows each of its parts.
    for part in ["unet", "vae"] {
        fs::create_dir_all(place.at("pipe").join(part)).unwrap();
        let name = format!("pipe/{part}/diffusion_pytorch_model.safetensors");
        place.write(&name, unet().write(false).unwrap());
    }
    let found = json(&place.ok(&["models", "inspect", "pipe", "--json"]).out);
    assert_eq!((&found[0]["part"], &found[1]["part"]), (&json("\"unet\""), &json("\"vae\"")));
    for (name, words) in [
        ("in.png", "in.png: expected safetensors, GGUF or a PyTorch checkpoint"),
        ("nowhere", "expected a file, a folder, ORG/NAME, or one of sd15"),
        ("org/none", "`thrumask models pull org/none` gets it"),
    ] {
        let error = place.fails(1, &["models", "inspect", name]);
        assert!(error.contains(words), "{name}: {error}");
    }
}

#[test]
fn a_conversion_keeps_the_values_and_replaces_whole_files() {
    let place = Place::new();
    place.write("in.safetensors", unet().write(false).unwrap());
    let convert = ["models", "convert", "in.safetensors"];
    let said = place.ok(&[&convert[..], &["out.safetensors"]].concat());
    assert_eq!(said.out, "out.safetensors\n");
    let read = |name: &str| WeightFile::read(name, &place.read(name)).unwrap();
    assert_eq!(read("out.safetensors").tensors, unet().tensors);
    assert_eq!(read("out.safetensors").metadata["made by"], "a test");
    place.ok(&[&convert[..], &["half.safetensors", "--dtype", "bf16"]].concat());
    for (name, (_, values)) in read("half.safetensors").tensors {
        for (a, b) in values.iter().zip(&unet().tensors[&name].1) {
            assert!((a - b).abs() <= b.abs() / 256.0, "{name}");
        }
    }
    let more = ["m.safetensors", "--max-shard-size", "1kB", "--json"];
    let said = place.ok(&[&convert[..], &more].concat());
    let files = json(&said.out)["files"].as_array().unwrap().len();
    assert_eq!(files, 3, "{}", said.out);
    let found = json(&place.ok(&["models", "inspect", "m.safetensors.index.json", "--json"]).out);
    assert_eq!(found["tensors"].as_array().unwrap().len(), 3);
    place.ok(&["models", "verify", "m.safetensors.index.json"]);

    for bad in [&["x.bin"][..], &["none/x.safetensors"]] {
        let error = place.fails(1, &[&convert[..], bad].concat());
        assert!(error.contains(bad[0]), "{error}");
    }
    place.fails(2, &[&convert[..], &["x.safetensors", "--dtype", "f8"]].concat());
    let size = ["x.safetensors", "--max-shard-size", "1 apple"];
    let error = place.fails(2, &[&convert[..], &size].concat());
    assert!(error.contains("--max-shard-size"), "{error}");
    place.write("cut.safetensors", &place.read("in.safetensors")[..5000]);
    let before = place.read("out.safetensors");
    let error = place.fails(1, &["models", "convert", "cut.safetensors", "out.safetensors"]);
    assert!(error.contains("cut.safetensors"), "{error}");
    assert!(before == place.read("out.safetensors"));
}

#[test]
fn every_problem_of_a_model_in_the_cache_is_told() {
    let place = Place::new();
    let weights = unet().write(false).unwrap();
    let index = |map: &BTreeMap<&str, &str>| {
        serde_json::to_vec(&serde_json::json!({"metadata": {}, "weight_map": map})).unwrap()
    };
    let map = BTreeMap::from([("a", "m-1.safetensors"), ("b", "m-2.safetensors")]);
    let mut shard = WeightFile::default();
    shard.tensors.insert("a".into(), (vec![1], vec![1.0]));
    let files = [
        ("unet/model.safetensors", weights.clone()),
        ("te/m-1.safetensors", shard.write(false).unwrap()),
        ("te/m.safetensors.index.json", index(&map)),
    ];
    let server = Server::start(&place, &files);
    let run = |args: &[&str]| Said::from(server.command(&place, args).output().unwrap());
    assert_eq!(run(&["models", "verify", REPO]).code, Some(1), "nothing is there yet");
    assert_eq!(run(&["models", "pull", REPO]).code, Some(0));
    server.requests();
    let said = run(&["models", "verify", REPO]);
    assert_eq!(said.code, Some(1), "{}", said.out);
    assert!(said.out.contains("shard m-2.safetensors is missing"), "{}", said.out);
    assert!(said.out.contains("3 check sums compared, 3 files opened"), "{}", said.out);
    assert!(said.err.contains("1 problem"), "{}", said.err);
    let unet_of = format!("{REPO}/unet");
    assert_eq!(run(&["models", "verify", &unet_of]).code, Some(0));
    let found = json(&run(&["models", "inspect", &unet_of, "--json"]).out);
    assert_eq!(found["tensors"].as_array().unwrap().len(), 3);
    assert_eq!(run(&["models", "convert", &unet_of, "x.safetensors"]).code, Some(0));

    // One bit of a value, which only the check sum tells; and a download that was cut.
    let blobs = place.at("hf/hub/models--org--tiny/blobs");
    let blob = blobs.join(server.etag("unet/model.safetensors"));
    let mut bytes = weights;
    *bytes.last_mut().unwrap() ^= 1;
    fs::write(&blob, &bytes).unwrap();
    fs::write(blobs.join("abc.incomplete"), "x").unwrap();
    let said = run(&["models", "verify", REPO, "--json"]);
    let found = json(&said.out);
    let problems = found["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(problems.iter().any(|p| p.as_str().unwrap().contains("its contents have check sum")));
    assert!(problems.iter().any(|p| p.as_str().unwrap().contains("interrupted download")));
    assert_eq!(run(&["models", "verify", &unet_of]).code, Some(1));
    // A blob that is gone leaves a link to nothing.
    fs::remove_file(&blob).unwrap();
    let said = run(&["models", "verify", REPO]);
    assert!(said.out.contains("unet/model.safetensors"), "{}", said.out);

    let list = json(&run(&["models", "list", "--json"]).out);
    assert_eq!(list["cached"][0]["repo"], REPO);
    assert_eq!(list["cached"][0]["main"], COMMIT);
    assert_eq!(list["built_in"].as_array().unwrap().len(), 8);
    assert!(list["known"].as_array().unwrap().iter().any(|m| m["name"] == "sd15"));
    let text = run(&["models", "list"]).out;
    assert!(text.contains("animatediff-v3") && text.contains("segmenter"), "{text}");
    assert_eq!(server.requests(), [""; 0]);
}

#[test]
fn random_models_are_those_of_their_classes() {
    let place = Place::new();
    let said = place.ok(&["models", "init", "sd", "--size", "tiny", "--conditions", "1"]);
    assert_eq!(said.out.lines().count(), 3, "{}", said.out);
    let device = burn::tensor::Device::flex();
    let config =
        |part: &str| fs::read_to_string(place.at("sd").join(part).join("config.json")).unwrap();
    let open = |part: &str| Checkpoint::open(place.at("sd").join(part)).unwrap();
    let unet = UnetConfig::from_diffusers(&config("unet"), [4, 8, 8]).unwrap();
    assert_eq!(unet, UnetConfig::tiny(1));
    Unet::load_public("unet", &[&open("unet")], &unet, 0, &device).unwrap();
    let vae = KlConfig::from_diffusers(&config("vae")).unwrap();
    AutoencoderKl::load("vae", &open("vae"), &vae, &device).unwrap();
    let text = ClipTextConfig::from_transformers(&config("text_encoder")).unwrap();
    assert_eq!(text.width, unet.text_width);
    ClipText::load("text", &open("text_encoder"), &text, &device).unwrap();

    let error = place.fails(1, &["models", "init", "sd", "--parts", "vae"]);
    assert!(error.contains("vae") && error.contains("expected no such file"), "{error}");
    let again = |seed: &str, out: &str| {
        place.ok(&["models", "init", out, "--size", "tiny", "--parts", "vae,vae", "--seed", seed]);
        fs::read(place.at(out).join("vae/diffusion_pytorch_model.safetensors")).unwrap()
    };
    let first = fs::read(place.at("sd/vae/diffusion_pytorch_model.safetensors")).unwrap();
    assert_eq!(again("0", "same"), first, "the same seed");
    assert_ne!(again("1", "other"), first, "another seed");
    assert!(!place.at("same").join("unet").exists(), "only what was asked for");
}

#[test]
fn each_built_in_model_is_in_the_program_once() {
    // They are most of it: a constant that holds them would be copied to wherever it is named.
    let program = fs::read(env!("CARGO_BIN_EXE_thrumask")).unwrap();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/nano");
    let mut seen = 0;
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            let model = fs::read(&path).unwrap();
            let part = &model[model.len() / 2..][..64];
            let count = program.windows(part.len()).filter(|window| *window == part).count();
            assert_eq!(count, 1, "{}", path.display());
            seen += 1;
        }
    }
    assert_eq!(seen, 8);
}
