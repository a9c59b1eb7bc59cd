//! A whole stage on networks in folders against diffusers and transformers: what its text encoder reads,
//! what its autoencoder sees, in which channels, every step with guidance, and the decoded frames.
//!
//! `stage_parity/export.py` says how the fixture is made. Weights and noise follow from their seed.

// Helpers of tests may unwrap as the tests themselves do.
#![allow(clippy::unwrap_used)]

use std::{borrow::Cow, cell::RefCell, path::Path};

use burn::tensor::{Device, Tensor};
use thrumask::{
    hub::{Component, Fresh},
    model::{FullSize, Networks, Sampling, SceneConditions, StageConfig, StageKind, generate},
    models::Models,
    pipeline::Settings,
    plan::{Planner, RulePlanner},
    progress::Silent,
};
use thrumask_core::{LabelMap, Picture, Size, trajectory::colored};
use thrumask_nn::{
    autoencoder::LatentCodec,
    backbone::{Backbone, BackboneKind},
    diffusion::noise::Noise,
    pixels::{host_values, pixels_from_frames},
    text::{PromptEncoder, Tokenizer},
    weights::{FloatType, WeightFile},
};

const SEED: u64 = 7;
const CAPTION: &str = "The red car moves to the right.";
/// Every so many rows and columns of the decoded frames are in the fixture.
const EVERY: usize = 8;

fn models(folder: &Path) -> Models {
    let fresh = Fresh { size: FullSize::Tiny, seed: 0, float: FloatType::F16, conditions: 0 };
    fresh.write(folder, &Component::PIPELINE, &mut Silent).unwrap();
    let folder = Some(folder.to_path_buf());
    let settings = Settings { models: folder, backbone: BackboneKind::Unet, ..Settings::default() };
    Models::from_settings(&settings)
}

/// A picture with a block in it, and where the block is.
fn scene() -> (Picture, LabelMap) {
    let size = Size::new(64, 64);
    let (mut picture, mut masks) = (Picture::filled(size, [200, 200, 190]), LabelMap::empty(size));
    for (y, x) in (20..40).flat_map(|y| (8..36).map(move |x| (y, x))) {
        picture.set_pixel(x, y, [200, (4 * x) as u8, (4 * y) as u8]);
        masks.ids_mut()[y * 64 + x] = 1;
    }
    (picture, masks)
}

fn noise() -> Tensor<5> {
    Noise::new(SEED, "noise/motion").normal_tensor([1, 4, 4, 16, 16], &Device::flex())
}

/// Writes what `export.py` works from into the folder `STAGE_PARITY`.
#[test]
#[ignore = "makes the fixture's inputs"]
fn write_inputs() {
    let folder = std::env::var("STAGE_PARITY").unwrap();
    let folder = Path::new(&folder);
    models(folder);
    let (picture, masks) = scene();
    let pixels = |frame: Picture| pixels_from_frames(&[&[frame]], &Device::flex()).unwrap();
    let mut file = WeightFile::default();
    let inputs =
        [("noise", noise()), ("picture", pixels(picture)), ("masks", pixels(colored(&masks)))];
    for (name, tensor) in inputs {
        let shape = tensor.dims().to_vec();
        file.tensors.insert(name.into(), (shape, host_values(tensor)));
    }
    let prompt = RulePlanner.plan(CAPTION).unwrap().motion;
    file.metadata.insert("prompt".into(), prompt);
    std::fs::write(folder.join("inputs.safetensors"), file.write(false).unwrap()).unwrap();
}

#[test]
fn stage_1_is_what_diffusers_makes_of_the_same_networks() {
    let folder = tempfile::tempdir().unwrap();
    let models = models(folder.path());
    let (picture, masks) = scene();
    let plan = RulePlanner.plan(CAPTION).unwrap();
    let scene = SceneConditions {
        picture: &picture,
        masks: &masks,
        trajectory: None,
        flow: None,
        plan: &plan,
    };
    let mut sampling = Sampling::usual(StageKind::Motion, BackboneKind::Unet, true);
    sampling.guidance.text = 3.0;
    let (model, codec) = (models.stage(StageKind::Motion).unwrap(), models.autoencoder().unwrap());
    let made = |networks: &dyn Networks| {
        generate(networks, &[scene], &[SEED], &sampling, None, &mut Silent).unwrap()
    };
    let latents = made(&model.with(&codec));
    let apart = Asked::of(models.networks(StageKind::Motion).unwrap());
    assert_eq!(made(&apart).into_data(), latents.clone().into_data(), "one network at a time");
    // Two passes of guidance and eight steps, and each network is read once.
    assert_eq!(apart.asked.into_inner(), ["autoencoder", "text", "denoiser"]);
    let frames = codec.decode(latents.clone()).unwrap();
    let [_, _, t, h, w] = frames.dims();
    let frames = frames.reshape([3 * t, h / EVERY, EVERY, w / EVERY, EVERY]);
    let frames = frames.narrow(2, 0, 1).narrow(4, 0, 1);

    let fixture = include_bytes!("stage_parity/fixture.safetensors");
    let fixture = WeightFile::read("fixture", fixture).unwrap();
    for (name, ours) in [("latents", latents), ("frames", frames)] {
        let (_, expected) = &fixture.tensors[name];
        let ours = host_values(ours);
        assert_eq!(ours.len(), expected.len(), "{name}");
        let apart = ours.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(apart < 2e-4, "{name}: {apart}");
        assert!(expected.iter().any(|v| v.abs() > 0.5), "{name}: something is there");
    }
}

/// Networks that note which of them is asked for.
struct Asked<N> {
    networks: N,
    asked: RefCell<Vec<&'static str>>,
}

impl<N: Networks> Asked<N> {
    fn of(networks: N) -> Self {
        Self { networks, asked: RefCell::default() }
    }

    fn note(&self, name: &'static str) -> &N {
        self.asked.borrow_mut().push(name);
        &self.networks
    }
}

impl<N: Networks> Networks for Asked<N> {
    fn config(&self) -> &StageConfig {
        self.networks.config()
    }

    fn tokenizer(&self) -> &Tokenizer {
        self.networks.tokenizer()
    }

    fn autoencoder(&self) -> thrumask::Result<Cow<'_, LatentCodec>> {
        self.note("autoencoder").autoencoder()
    }

    fn text(&self) -> thrumask::Result<Cow<'_, PromptEncoder>> {
        self.note("text").text()
    }

    fn denoiser(&self) -> thrumask::Result<Cow<'_, Backbone>> {
        self.note("denoiser").denoiser()
    }
}
