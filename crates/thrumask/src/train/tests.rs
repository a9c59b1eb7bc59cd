//! The paper's ablations as training configurations.

mod latents;

use std::path::Path;

use burn::tensor::Device;
use serde_json::json;
use thrumask_nn::{
    autoencoder::{Autoencoder, AutoencoderConfig, LatentCodecConfig},
    backbone::{BackboneConfig, FirstFrame, ObjectLayer, ObjectLayers},
    diffusion::process::{Diffusion, Process},
    layers::Init,
    text::Vocabulary,
    weights::{WeightFile, parameters},
};

use super::*;
use crate::{
    model::{
        MotionForm, Network, StageConfig, StageKind, VideoShape, read_stage, write_autoencoder,
    },
    world,
};

/// A few steps on small scenes, with the nano network.
const VIDEO: &str = r#"
task = "video"
run = { seed = 3, steps = 2, batch = 2, checkpoint_every = 2, validate_every = 2, validation_samples = 2 }
world = { size = 24, frames = 9 }
[stage]
autoencoder = "autoencoder.safetensors"
object_weight = 2.0
drop_image = 0.1
drop_text = 0.1
drop_both = 0.1
time = { mean = -1.0, std = 1.0, pure_noise = 0.1 }
sampling = { steps = 2, schedule = { kind = "uniform" }, guidance = { image = 1.5, text = 2.0 } }
"#;

const LATENTS: AutoencoderConfig = AutoencoderConfig {
    frames: 1,
    patch: 4,
    latent_channels: 4,
    encoder_width: 16,
    decoder_width: 8,
    decoder_blocks: 1,
};

fn read(overrides: &[&str]) -> crate::Result<TrainConfig> {
    let overrides: Vec<String> = overrides.iter().map(|s| (*s).to_owned()).collect();
    TrainConfig::from_toml("video.toml", VIDEO, &overrides)
}

fn stage(overrides: &[&str]) -> crate::Result<StageConfig> {
    let config = read(overrides)?;
    let video = VideoShape { size: config.world.size, frames: config.world.frames };
    let variant = config.stage.unwrap().variant();
    let latents = LatentCodecConfig::Patches(LATENTS);
    StageConfig::nano_variant(config.task.stage().unwrap(), &latents, video, &variant)
}

fn count(config: &StageConfig) -> usize {
    let tokenizer = Vocabulary::new(world::words()).unwrap().into();
    let network = Network::new(&mut Init::new(0, &Device::flex()), config, &tokenizer).unwrap();
    parameters(&network).iter().map(|p| p.shape.iter().product::<usize>()).sum()
}

/// The four ablations of masked attention: none, cross only, self only, both.
const ATTENTION: [&[&str]; 4] = [
    &["stage.self_attention=unmasked", "stage.cross_attention=unmasked"],
    &["stage.self_attention=unmasked"],
    &["stage.cross_attention=unmasked"],
    &[],
];

#[test]
fn unmasked_attention_in_the_place_of_masked_has_as_many_parameters() {
    let all: Vec<StageConfig> = ATTENTION.iter().map(|o| stage(o).unwrap()).collect();
    let layers = |c: &StageConfig| {
        let layers = c.denoiser.object_layers();
        [layers.self_attention, layers.cross_attention]
    };
    let (masked, unmasked) = (ObjectLayer::Masked, ObjectLayer::Unmasked);
    let expected = [[unmasked; 2], [unmasked, masked], [masked, unmasked], [masked; 2]];
    assert_eq!(all.iter().map(layers).collect::<Vec<_>>(), expected);
    let counts: Vec<usize> = all.iter().map(count).collect();
    assert_eq!(counts, [counts[0]; 4]);
    let flow = stage(&["stage.form=flow"]).unwrap();
    assert_eq!((flow.form, count(&flow)), (MotionForm::Flow, counts[0]));

    let of_unet = |more: &[&str]| {
        count(&stage(&[&["stage.backbone=unet", "world.size=32"], more].concat()).unwrap())
    };
    let counts: Vec<usize> = ATTENTION.iter().map(|o| of_unet(o)).collect();
    assert_eq!(counts, [counts[0]; 4]);
    assert_ne!(counts[0], of_unet(&["stage.self_attention=absent"]));

    let absent = ["stage.self_attention=absent", "stage.cross_attention=absent"];
    let none = stage(&absent).unwrap();
    assert_eq!(none.denoiser.object_layers(), &ObjectLayers::NONE);
    assert!(count(&none) < counts[0]);
}

#[test]
fn what_is_left_out_is_as_ever_and_is_not_written() {
    let config = read(&[]).unwrap();
    let written = serde_json::to_value(&config).unwrap();
    let stage_keys = written["stage"].as_object().unwrap();
    for field in ["form", "self_attention", "cross_attention"] {
        assert!(!stage_keys.contains_key(field), "{field}");
    }
    let usual = stage(&[]).unwrap();
    let latents = LatentCodecConfig::Patches(LATENTS);
    let nano = StageConfig::nano(StageKind::Video, &latents, usual.video).unwrap();
    assert_eq!(usual, nano);
    let written = serde_json::to_value(&usual).unwrap();
    assert!(written.get("form").is_none(), "{written}");
    assert_eq!(serde_json::from_value::<StageConfig>(written).unwrap(), usual);

    let changed = read(&["stage.form=flow", "stage.self_attention=unmasked"]).unwrap();
    let written = serde_json::to_value(&changed).unwrap();
    assert_eq!(written["stage"]["form"], json!("flow"));
    assert_eq!(written["stage"]["self_attention"], json!("unmasked"));
    let form = serde_json::to_value(stage(&["stage.form=flow"]).unwrap()).unwrap();
    assert_eq!(form["form"], json!("flow"));
}

#[test]
fn the_unet_is_trained_to_zero_terminal_snr_unless_told_otherwise() {
    let usual = stage(&["stage.backbone=unet", "world.size=32"]).unwrap();
    assert_eq!(usual.process, Process::Diffusion(Diffusion::PAPER));
    let with = |target: &str, zero: &str| {
        let process = format!(
            "stage.process={{ target = \"{target}\", schedule = {{ zero_terminal_snr = {zero}, \
             betas = {{ kind = \"linear\", start = 0.00085, end = 0.012 }} }} }}"
        );
        stage(&["stage.backbone=unet", "world.size=32", &process])
    };
    assert_eq!(with("v", "true").unwrap(), usual);
    assert_ne!(with("v", "false").unwrap().process, usual.process);
    assert!(with("epsilon", "false").is_ok());
    let error = with("epsilon", "true").unwrap_err().to_string();
    assert!(error.contains("epsilon") || error.contains("zero terminal"), "{error}");
}

#[test]
fn a_unet_has_patches_and_shortcuts_where_asked_for() {
    let unet = |overrides: &[&str]| match stage(overrides).unwrap().denoiser {
        BackboneConfig::Unet(config) => config,
        other @ BackboneConfig::Dit(_) => panic!("{other:?}"),
    };
    let usual = unet(&["stage.backbone=unet", "world.size=32"]);
    assert!(usual.patch == [1; 3] && usual.first_frame == FirstFrame::None && !usual.mixed);
    let with_shortcuts = unet(&["stage.backbone=unet", "world.size=32", "stage.shortcuts=true"]);
    assert!(with_shortcuts.patch == [1; 3] && with_shortcuts.mixed);
    let asked =
        ["stage.backbone=unet", "world.size=32", "stage.patched=true", "stage.shortcuts=true"];
    let patched = unet(&asked);
    let BackboneConfig::Dit(dit) = stage(&["world.size=32"]).unwrap().denoiser else { panic!() };
    assert!(patched.patch == dit.patch && patched.first_frame == dit.first_frame && patched.mixed);
    let base = folder_with_autoencoder();
    let steps = "stage.sampling.schedule={ kind = \"ddim\", spacing = \"trailing\" }";
    let (config, scores) = trained(&[&asked[..], &[steps]].concat(), base.path());
    assert_eq!(config.denoiser, BackboneConfig::Unet(patched));
    assert!(scores["loss"].is_finite() && scores["psnr"].is_finite(), "{scores:?}");
}

#[test]
fn stage_2_sees_the_picture_carried_where_asked_for() {
    assert!(!stage(&[]).unwrap().carried);
    let base = folder_with_autoencoder();
    let (config, scores) = trained(&["stage.carried=true"], base.path());
    assert_eq!(config, StageConfig { carried: true, ..stage(&[]).unwrap() });
    assert!(scores["loss"].is_finite() && scores["psnr"].is_finite(), "{scores:?}");
    let (_, repeated) = trained(&[], base.path());
    assert_ne!(scores["loss"], repeated["loss"]);
    // Flow says where objects go as well.
    let moved = ["stage.carried=true", "stage.form=flow"];
    assert!(trained(&moved, base.path()).1["loss"].is_finite());
    for task in ["motion", "ti2v"] {
        let task = format!("task={task}");
        let error = stage(&[&task, "stage.carried=true"]).unwrap_err().to_string();
        assert!(error.contains("carried"), "{error}");
    }
}

#[test]
fn variants_that_make_no_sense_are_refused() {
    for what in ["patched", "shortcuts"] {
        let asked = format!("stage.{what}=true");
        assert!(stage(&[&asked]).unwrap_err().to_string().contains(what));
    }
    assert!(read(&["stage.form=fluid"]).is_err());
    assert!(read(&["stage.self_attention=half"]).is_err());
    assert!(stage(&["task=motion", "stage.self_attention=unmasked"]).is_err());
    assert!(stage(&["task=ti2v", "stage.cross_attention=masked"]).is_err());
    let ti2v = stage(&["task=ti2v", "stage.form=flow"]).unwrap();
    assert_eq!(ti2v, stage(&["task=ti2v"]).unwrap());
    let motion = stage(&["task=motion", "stage.form=flow"]).unwrap();
    let BackboneConfig::Dit(dit) = &motion.denoiser else { panic!("{motion:?}") };
    assert_eq!(dit.first_frame, FirstFrame::None);
}

/// A folder in which configurations find their autoencoder.
fn folder_with_autoencoder() -> tempfile::TempDir {
    let base = tempfile::tempdir().unwrap();
    let autoencoder = Autoencoder::new(&mut Init::new(1, &Device::flex()), &LATENTS).unwrap();
    let bytes = write_autoencoder(&autoencoder).unwrap();
    std::fs::write(base.path().join("autoencoder.safetensors"), bytes).unwrap();
    base
}

/// Trains a configuration, and gives the model with its last validation.
fn trained(
    overrides: &[&str],
    base: &Path,
) -> (StageConfig, std::collections::BTreeMap<String, f64>) {
    let config = read(overrides).unwrap();
    let folder = base.join(overrides.join("+"));
    let mut scores = None;
    let mut hear = |report| {
        if let Report::Validation { scores: found, .. } = report {
            scores = Some(found);
        }
    };
    let device = Device::flex().autodiff();
    let outcome = train_configured(&config, base, &folder, &device, &|| false, &mut hear).unwrap();
    assert_eq!(outcome, Outcome::Finished);
    let bytes = std::fs::read(folder.join("model.safetensors")).unwrap();
    let model = read_stage("trained", &bytes, &Device::flex()).unwrap();
    (model.config, scores.unwrap())
}

#[test]
fn every_variant_trains_and_validates() {
    let base = folder_with_autoencoder();
    let absent = ["stage.self_attention=absent", "stage.cross_attention=absent"];
    for overrides in ATTENTION.into_iter().chain([&absent[..], &["stage.form=flow"]]) {
        let (config, scores) = trained(overrides, base.path());
        assert_eq!(config, stage(overrides).unwrap());
        assert!(scores["loss"].is_finite() && scores["psnr"].is_finite(), "{scores:?}");
    }
    let flow = ["task=motion", "stage.form=flow"];
    let (config, scores) = trained(&flow, base.path());
    assert_eq!(config.form, MotionForm::Flow);
    for score in ["loss", "mean_iou", "action_accuracy"] {
        assert!(scores[score].is_finite(), "{scores:?}");
    }
    // The first masks moved along whatever flow overlap the true ones somewhere.
    assert!(scores["mean_iou"] > 0.0, "{scores:?}");
}

#[test]
fn a_run_starts_from_the_parameters_of_another() {
    let base = folder_with_autoencoder();
    let run = |name: &str, overrides: &[&str]| {
        let config = read(overrides).unwrap();
        let device = Device::flex().autodiff();
        let folder = base.path().join(name);
        train_configured(&config, base.path(), &folder, &device, &|| false, &mut |_| ()).map(|_| {
            let bytes = std::fs::read(folder.join("model.safetensors")).unwrap();
            WeightFile::read(name, &bytes).unwrap().tensors
        })
    };
    // At a rate of zero a run ends with what it began with.
    let still = |start: &str| {
        let start = format!("run.start={start:?}");
        ["run.seed=9", "optimizer.rate=0", "optimizer.matrix_rate=0", &start].map(str::to_owned)
    };
    let first = run("first", &[]).unwrap();
    for start in ["first/model.safetensors", "first/checkpoint.safetensors"] {
        let found = run(&start.replace('/', "-"), &still(start).each_ref().map(|o| &**o)).unwrap();
        assert_eq!(found.len(), first.len());
        for ((name, (shape, values)), (other, (expected_shape, expected))) in
            found.iter().zip(&first)
        {
            assert_eq!((name, shape), (other, expected_shape));
            for (a, b) in values.iter().zip(expected) {
                assert!((a - b).abs() <= 1e-3 * b.abs().max(1e-3), "{name}: {a}, {b} in {start}");
            }
        }
    }
    assert_ne!(run("fresh", &["run.seed=9"]).unwrap(), first);
    // Parameters of something else are refused by name, and nothing is begun.
    let other = still("autoencoder.safetensors");
    let error = run("none", &other.each_ref().map(|o| &**o)).unwrap_err().to_string();
    assert!(error.contains("autoencoder.safetensors") && error.contains("missing"), "{error}");
    assert!(!base.path().join("none/config.json").exists());
}
