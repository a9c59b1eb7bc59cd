//! Our side of `animate` in `benches/compare.sh`: runs all networks of the main job, from the picture's
//! pixels and the words of the plan to the pixels of the video, and prints a line of JSON: `{"name",
//! "forward": [ms], "both": [], "carrying": [ms], "extra_mib", "peak_mib"}`, where carrying the picture is part of
//! "forward" too: no network's work, and PyTorch gets what comes of it. What goes into the networks and what comes out
//! of them goes into a safetensors file, for `benches/peers/animate.py` to do the same with and to
//! compare.
//!
//! `cargo run --release -p thrumask --example compare_animate -- FILE`, in the root of the repository

// Helpers of tests and examples may unwrap as the tests themselves do.
#![allow(clippy::unwrap_used)]

mod comparison;

use burn::tensor::{Device, Tensor};
use comparison::{Memory, insert, time};
use thrumask::{
    model::{SceneConditions, StageKind, StageModel, generate},
    models::Models,
    motion::{MotionRequest, generate_trajectories},
    pipeline::{Config, Settings},
    plan::{Planner, RulePlanner},
    progress::Silent,
    segment::{NanoSegmenter, Segmenter, query_text},
};
use thrumask_core::{
    MaskSet, Picture, PromptPlan, Trajectory, placement::carry_picture, trajectory::colored,
};
use thrumask_nn::{
    autoencoder::LatentCodec, backbone::ObjectGrid, diffusion::noise::Noise,
    pixels::pixels_from_frames, text::Vocabulary, weights::WeightFile,
};

/// The README's.
const PICTURE: &str = "examples/two-cars.png";
const CAPTION: &str =
    "The red car on the right moves away to the right, while the blue car on the left jumps.";

/// The models of the main job.
struct Networks {
    segmenter: NanoSegmenter,
    autoencoder: LatentCodec,
    motion: StageModel,
    video: StageModel,
}

/// The main job with what is no network done: the plan, the first masks at the models' size, and the
/// trajectory that stage 1's video snaps to.
struct Job<'a> {
    networks: &'a Networks,
    config: Config,
    plan: PromptPlan,
    /// What the segmenter reads of each object.
    names: Vec<String>,
    picture: Picture,
    masks: MaskSet,
    trajectory: Trajectory,
}

/// What the networks make of it.
struct Made {
    /// Mask logits of each object, row-major, and its presence.
    masks: Vec<Vec<f32>>,
    presence: Vec<f32>,
    /// `[1, C, T, H, W]`.
    motion: Tensor<5>,
    /// `[1, 3, T, H, W]`.
    mask_video: Tensor<5>,
    /// `[1, C, T, H, W]`.
    latents: Tensor<5>,
    /// `[1, 3, T, H, W]`.
    video: Tensor<5>,
}

fn main() {
    thrumask_kernels::keep_freed_memory();
    // On a thread of the pool, as the program does.
    rayon::scope(|_| bench());
}

fn bench() {
    let to = std::env::args().nth(1).unwrap();
    let models = Models::embedded();
    let networks = Networks::read(&models);
    let memory = Memory::new();
    let job = Job::new(&models, &networks);
    let forward = time(2.0, || drop(job.run()));
    let (extra, peak) = (memory.extra(), memory.peak());
    let carrying = match networks.video.config.carried {
        true => time(0.5, || drop(carry_picture(&job.picture, job.trajectory.frames()))),
        false => Vec::new(),
    };
    let name = "animate: all networks of the main job";
    let line = serde_json::json!({
        "name": name, "forward": forward, "both": [], "carrying": carrying,
        "extra_mib": extra, "peak_mib": peak,
    });
    let mut file = WeightFile::default();
    file.metadata.insert("name".into(), name.into());
    job.insert(&mut file);
    job.run().insert(&mut file);
    std::fs::write(to, file.write(false).unwrap()).unwrap();
    println!("{line}");
}

impl Networks {
    fn read(models: &Models) -> Self {
        Self {
            segmenter: models.nano_segmenter().unwrap(),
            autoencoder: models.autoencoder().unwrap(),
            motion: models.stage(StageKind::Motion).unwrap(),
            video: models.stage(StageKind::Video).unwrap(),
        }
    }
}

impl<'a> Job<'a> {
    fn new(models: &Models, networks: &'a Networks) -> Self {
        let whole = Picture::read(PICTURE).unwrap();
        let config = Settings::default().resolve(whole.size(), models.shape().unwrap()).unwrap();
        let plan = RulePlanner.plan(CAPTION).unwrap();
        let found = networks.segmenter.segment(&whole, &plan).unwrap().masks;
        let fit = config.sizes();
        let picture = fit.picture_to_model(&whole).unwrap();
        let labels = fit.masks_to_model(&found.labels).unwrap();
        let masks = MaskSet::new(labels, found.objects).unwrap();
        let request = MotionRequest {
            picture: &picture,
            masks: &masks,
            plan: &plan,
            given: None,
            outlines: config.outlines,
            open_words: config.open_words,
            seed: config.seed,
            fps: config.fps,
        };
        let Networks { autoencoder, motion, .. } = networks;
        let sampling = config.motion;
        let made =
            generate_trajectories(&motion.with(autoencoder), &[request], &sampling, &mut Silent);
        let trajectory = made.unwrap().remove(0);
        let names = plan.objects.iter().map(query_text).collect();
        Self { networks, config, plan, names, picture, masks, trajectory }
    }

    /// All networks.
    fn run(&self) -> Made {
        let Self { config, picture, .. } = self;
        let Networks { segmenter, autoencoder, motion, video } = self.networks;
        let pictures = std::slice::from_ref(picture);
        let looked = segmenter.model().look(pictures, std::slice::from_ref(&self.names));
        let looked = looked.unwrap().remove(0);
        let scene = |trajectory| SceneConditions {
            picture,
            masks: &self.masks.labels,
            trajectory,
            flow: None,
            plan: &self.plan,
        };
        let sample = |model: &StageModel, scene, sampling| {
            let seeds = [config.seed];
            let networks = model.with(autoencoder);
            generate(&networks, &[scene], &seeds, sampling, None, &mut Silent).unwrap()
        };
        let motion = sample(motion, scene(None), &config.motion);
        let mask_video = autoencoder.decode(motion.clone()).unwrap();
        let latents = sample(video, scene(Some(&self.trajectory)), &config.video);
        let video = autoencoder.decode(latents.clone()).unwrap();
        let (masks, presence) = (looked.logits, looked.presence);
        Made { masks, presence, motion, mask_video, latents, video }
    }

    /// What goes into the networks.
    fn insert(&self, file: &mut WeightFile) {
        let Self { config, plan, .. } = self;
        let Networks { segmenter, motion, video, .. } = self.networks;
        let mut pixels = |name: &str, frames: &[Picture]| {
            insert(file, name, pixels_from_frames(&[frames], &Device::flex()).unwrap());
        };
        pixels("picture", std::slice::from_ref(&self.picture));
        pixels("first_masks", &[colored(&self.masks.labels)]);
        let frames: Vec<Picture> = self.trajectory.frames().iter().map(colored).collect();
        pixels("trajectory", &frames);
        // Carrying is no network's work: PyTorch gets what comes of it.
        match video.config.carried {
            true => pixels("seen", &carry_picture(&self.picture, self.trajectory.frames())),
            false => pixels("seen", std::slice::from_ref(&self.picture)),
        }

        let segmenter = segmenter.model();
        let limit = segmenter.config.text.max_tokens;
        let names: Vec<&str> = self.names.iter().map(String::as_str).collect();
        insert_texts(file, "names", &segmenter.vocabulary, limit, &names);
        let mut texts = |name: &str, model: &StageModel, texts: &[&str]| {
            let vocabulary = model.tokenizer.vocabulary().unwrap();
            insert_texts(file, name, vocabulary, model.config.text.max_tokens(), texts);
        };
        texts("motion", motion, &[&plan.motion]);
        texts("caption", video, &[&plan.caption]);
        let prompts: Vec<&str> = plan.objects.iter().map(|o| o.prompt.as_str()).collect();
        texts("prompts", video, &prompts);

        for (model, sampling) in [(motion, &config.motion), (video, &config.video)] {
            let (name, denoiser) = (model.config.kind.name(), &model.config.denoiser);
            let [t, h, w] = denoiser.latent_size();
            let noise = Noise::new(config.seed, &format!("noise/{name}"));
            let shape = [1, denoiser.latent_channels(), t, h, w];
            insert(file, &format!("{name}.noise"), noise.normal_tensor(shape, &Device::flex()));
            file.metadata.insert(name.into(), serde_json::to_string(sampling).unwrap());
        }

        let (grid, visibility) = (video.config.denoiser.object_grids()[0], video.config.visibility);
        let grid = ObjectGrid::new(&self.trajectory, grid, visibility).unwrap();
        let groups = grid.ids.iter().map(|&id| f32::from(id)).collect();
        let visible = grid.in_box.iter().flatten().map(|&sees| f32::from(u8::from(sees))).collect();
        let shape = vec![grid.ids.len(), plan.objects.len()];
        file.tensors.insert("groups".into(), (vec![grid.ids.len()], groups));
        file.tensors.insert("visible".into(), (shape, visible));
    }
}

impl Made {
    fn insert(self, file: &mut WeightFile) {
        let (objects, pixels) = (self.masks.len(), self.masks[0].len());
        let side = pixels.isqrt();
        let masks = self.masks.into_iter().flatten().collect();
        file.tensors.insert("segmenter".into(), (vec![1, objects, side, side], masks));
        file.tensors.insert("presence".into(), (vec![1, objects], self.presence));
        insert(file, "motion.latents", self.motion);
        insert(file, "mask_video", self.mask_video);
        insert(file, "video.latents", self.latents);
        insert(file, "video", self.video);
    }
}

/// Token ids of texts, padded to the longest of them, and their lengths.
fn insert_texts(
    file: &mut WeightFile,
    name: &str,
    vocabulary: &Vocabulary,
    limit: usize,
    texts: &[&str],
) {
    let rows: Vec<Vec<u32>> = texts.iter().map(|text| vocabulary.encode(text, limit)).collect();
    let length = rows.iter().map(Vec::len).max().unwrap();
    let padded = |row: &Vec<u32>| {
        let mut ids = vec![0.0; length];
        ids.iter_mut().zip(row).for_each(|(to, &id)| *to = id as f32);
        ids
    };
    let ids = rows.iter().flat_map(padded).collect();
    let lengths = rows.iter().map(|row| row.len() as f32).collect();
    file.tensors.insert(format!("{name}.ids"), (vec![rows.len(), length], ids));
    file.tensors.insert(format!("{name}.lengths"), (vec![rows.len()], lengths));
}
