//! Stage 1: picture, first masks and motion prompt become a mask-based motion trajectory.

use std::borrow::Cow;

use burn::tensor::Tensor;
use serde::{Deserialize, Serialize};
use thrumask_core::{
    Clip, Error, FlowField, LabelMap, MaskSet, Picture, PromptPlan, Trajectory, flow::advect_all,
    placement::carry_masks, trajectory::colored,
};
use thrumask_nn::{
    autoencoder::LatentCodec,
    pixels::{clips_from_pixels, pixels_from_frames},
};

use crate::{
    Result,
    model::{MotionForm, Pinned, Sampling, SceneConditions, StageModel, flow_wheel},
    plan::said_for,
    progress::Progress,
};

/// Pieces of an object that are smaller than this share of its largest one are none of it: what the network
/// paints beside an object, or in the wrong colour. What really lies in pieces, as behind another object,
/// has larger ones.
pub const STRAY: f32 = 0.1;

/// Which outlines the objects of a trajectory have.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outlines {
    /// Those that the network painted: objects may bend, and are as blurred as the network is unsure.
    #[default]
    Painted,
    /// Those of the first masks, shifted, turned and resized as a whole to where the network painted the objects
    /// ([`carry_masks`]): a star stays a star. Only for models that make masks.
    Carried,
}

impl Outlines {
    /// What is usual for the models built into the program, or for `others`: only the small ones paint so blurred
    /// that stiff outlines are better.
    pub fn usual(others: bool) -> Self {
        if others { Self::Painted } else { Self::Carried }
    }
}

/// What becomes of a motion prompt that leaves open how far, how high, how much, how often or which way round.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpenWords {
    /// The network reads it as it is, and may make the mean of all that is meant.
    #[default]
    Left,
    /// One meaning of each clause is said, which the seed decides. Only for models that know the world's words.
    Drawn,
}

impl OpenWords {
    /// What is usual for the models built into the program, or for `others`.
    pub fn usual(others: bool) -> Self {
        if others { Self::Left } else { Self::Drawn }
    }
}

/// What stage 1 needs, all at the model's size.
#[derive(Debug, Clone, Copy)]
pub struct MotionRequest<'a> {
    /// x(0).
    pub picture: &'a Picture,
    /// s(0).
    pub masks: &'a MaskSet,
    /// The motion prompt, and how many objects there are.
    pub plan: &'a PromptPlan,
    /// Mask sequences of objects whose motion is given: only their ids occur in it.
    pub given: Option<&'a Trajectory>,
    /// Outlines of the objects.
    pub outlines: Outlines,
    /// What becomes of words that leave something open.
    pub open_words: OpenWords,
    /// Seed of the noise.
    pub seed: u64,
    /// Frames per second of the result.
    pub fps: f32,
}

/// Generates the trajectories of a batch of requests, by masks or by flow as the model does.
///
/// Frame 0 is the given masks. Objects with given motion follow it exactly: their latents are pinned
/// while the others are sampled, and their masks are painted over the result.
///
/// # Errors
/// When sizes do not fit the model, or `progress` stops the run.
pub fn generate_trajectories(
    model: &StageModel,
    autoencoder: &LatentCodec,
    requests: &[MotionRequest<'_>],
    sampling: &Sampling,
    progress: &mut dyn Progress,
) -> Result<Vec<Trajectory>> {
    if model.config.form == MotionForm::Flow {
        let made = generate_flows(model, autoencoder, requests, sampling, progress)?;
        return Ok(made.into_iter().map(|m| m.trajectory).collect());
    }
    let clips = generate_mask_videos(model, autoencoder, requests, sampling, progress)?;
    requests.iter().zip(&clips).map(|(request, clip)| request.trajectory_from(clip)).collect()
}

/// What the network makes of a batch of requests before it is cleaned up: videos in which each
/// object has about its palette colour. [`MotionRequest::trajectory_from`] makes trajectories of
/// them.
///
/// # Errors
/// As [`generate_trajectories`], and when the model makes flow.
pub fn generate_mask_videos(
    model: &StageModel,
    autoencoder: &LatentCodec,
    requests: &[MotionRequest<'_>],
    sampling: &Sampling,
    progress: &mut dyn Progress,
) -> Result<Vec<Clip>> {
    expect(model, MotionForm::Masks)?;
    sampled(model, autoencoder, requests, sampling, progress)
}

/// The motion of one request by a model of flow.
#[derive(Debug, Clone, PartialEq)]
pub struct FlowMotion {
    /// What the network made, each colour moved to the nearest one of the wheel; the last frame blank.
    pub video: Clip,
    /// The flow in it: of each frame to the next.
    pub flow: Vec<FlowField>,
    /// The first masks moved along the flow.
    pub trajectory: Trajectory,
}

/// Generates the flow of a batch of requests. No object's motion can be given: it is masks.
///
/// # Errors
/// As [`generate_trajectories`], when a motion is given, and when the model makes masks.
pub fn generate_flows(
    model: &StageModel,
    autoencoder: &LatentCodec,
    requests: &[MotionRequest<'_>],
    sampling: &Sampling,
    progress: &mut dyn Progress,
) -> Result<Vec<FlowMotion>> {
    expect(model, MotionForm::Flow)?;
    if requests.iter().any(|r| r.given.is_some()) {
        let reason = "expected none for a model that makes flow, got masks";
        return Err(Error::invalid("given motion", reason).into());
    }
    let clips = sampled(model, autoencoder, requests, sampling, progress)?;
    let wheel = flow_wheel(model.config.video.size)?;
    let motion = |(request, clip): (&MotionRequest<'_>, &Clip)| {
        let (first, objects) = (&request.masks.labels, request.masks.objects);
        let flow = wheel.read_clip(clip);
        let video = wheel.clip(&flow, request.fps)?;
        let trajectory = advect_all(first, objects, &flow, request.fps)?;
        Ok(FlowMotion { video, flow, trajectory })
    };
    requests.iter().zip(&clips).map(motion).collect()
}

fn expect(model: &StageModel, form: MotionForm) -> Result<()> {
    match model.config.form == form {
        true => Ok(()),
        false => {
            let (expected, got) = (format!("{form:?}"), format!("{:?}", model.config.form));
            Err(Error::mismatch("form of the motion model", expected, got).into())
        }
    }
}

/// The videos that the network makes.
fn sampled(
    model: &StageModel,
    autoencoder: &LatentCodec,
    requests: &[MotionRequest<'_>],
    sampling: &Sampling,
    progress: &mut dyn Progress,
) -> Result<Vec<Clip>> {
    let plans: Vec<Cow<'_, PromptPlan>> = requests.iter().map(|r| r.said_to(model)).collect();
    let scenes: Vec<SceneConditions<'_>> = requests
        .iter()
        .zip(&plans)
        .map(|(r, plan)| SceneConditions {
            picture: r.picture,
            masks: &r.masks.labels,
            trajectory: None,
            flow: None,
            plan,
        })
        .collect();
    let seeds: Vec<u64> = requests.iter().map(|r| r.seed).collect();
    let pinned = pinned(model, autoencoder, requests)?;
    let latents =
        model.sample(autoencoder, &scenes, &seeds, sampling, pinned.as_ref(), progress)?;
    Ok(clips_from_pixels(autoencoder.decode(latents)?, 1.0)?)
}

impl<'a> MotionRequest<'a> {
    /// The motion prompt with what its words leave open, if a network shall read it so and anything is open.
    pub fn drawn_words(&self, model: &StageModel) -> Option<String> {
        let draws = self.open_words == OpenWords::Drawn && model.tokenizer.vocabulary().is_some();
        let said = draws.then(|| said_for(&self.plan.motion, self.seed));
        said.filter(|said| *said != self.plan.motion)
    }

    /// The plan as a network shall read it.
    fn said_to(&self, model: &StageModel) -> Cow<'a, PromptPlan> {
        match self.drawn_words(model) {
            Some(motion) => Cow::Owned(PromptPlan { motion, ..self.plan.clone() }),
            None => Cow::Borrowed(self.plan),
        }
    }

    /// The trajectory in a mask video: each pixel snapped to the palette, [stray pieces](STRAY) dropped, the objects
    /// with the [`Outlines`] that are asked for, frame 0 and objects with given motion as they were given.
    ///
    /// # Errors
    /// When the video is not of the request's size.
    pub fn trajectory_from(&self, clip: &Clip) -> Result<Trajectory> {
        let (objects, size) = (self.masks.objects, self.masks.labels.size());
        let snapped = Trajectory::from_clip(clip, objects)?;
        if snapped.size() != size {
            return Err(Error::mismatch("size of a mask video", size, snapped.size()).into());
        }
        let mut frames: Vec<LabelMap> =
            snapped.frames().iter().map(|frame| frame.without_strays(STRAY)).collect();
        if let Some(first) = frames.first_mut() {
            *first = self.masks.labels.clone();
        }
        if self.outlines == Outlines::Carried {
            frames = carry_masks(&frames, Some(clip.frames()));
        }
        if let Some(given) = self.given {
            frames.iter_mut().zip(given.frames()).for_each(|(f, g)| paint(f, g));
        }
        Ok(Trajectory::new(frames, objects, self.fps)?)
    }
}

/// Replaces the objects of `given` in `frame` by their given masks.
fn paint(frame: &mut LabelMap, given: &LabelMap) {
    let ids = given.ids_present();
    for (id, &known) in frame.ids_mut().iter_mut().zip(given.ids()) {
        if known != 0 {
            *id = known;
        } else if ids.contains(id) {
            *id = 0;
        }
    }
}

/// Latents of the given motions, kept where their masks are; `None` when nothing is given.
fn pinned(
    model: &StageModel,
    autoencoder: &LatentCodec,
    requests: &[MotionRequest<'_>],
) -> Result<Option<Pinned>> {
    if requests.iter().all(|r| r.given.is_none()) {
        return Ok(None);
    }
    let [t, h, w] = model.config.denoiser.latent_size();
    let shape = model.config.video;
    let mut videos: Vec<Vec<Picture>> = Vec::new();
    let mut keep = vec![0f32; requests.len() * t * h * w];
    for (b, request) in requests.iter().enumerate() {
        let size = thrumask_core::Size::new(shape.size, shape.size);
        let empty = vec![LabelMap::empty(size); shape.frames];
        let frames = request.given.map_or(empty.as_slice(), Trajectory::frames);
        videos.push(frames.iter().map(colored).collect());
        for (f, frame) in frames.iter().enumerate() {
            for (i, _) in frame.ids().iter().enumerate().filter(|&(_, &id)| id != 0) {
                let (x, y) = (i % shape.size, i / shape.size);
                let cell = (f * t / shape.frames, y * h / shape.size, x * w / shape.size);
                keep[((b * t + cell.0) * h + cell.1) * w + cell.2] = 1.0;
            }
        }
    }
    let device = model.network.device();
    let videos: Vec<&[Picture]> = videos.iter().map(Vec::as_slice).collect();
    let latents = autoencoder.encode(pixels_from_frames(&videos, &device)?)?;
    let mask = Tensor::<1>::from_floats(keep.as_slice(), &device);
    Ok(Some(Pinned { latents, mask: mask.reshape([requests.len(), 1, t, h, w]) }))
}

#[cfg(test)]
mod tests {
    use thrumask_core::labels::Joined;

    use super::*;
    use crate::{
        model::StageKind,
        models::Models,
        progress::Silent,
        world::{Split, WorldConfig, judge, scene},
    };

    /// Mean overlap of moved with true masks over objects and frames, frame 0 left out.
    fn overlap(moved: &Trajectory, truth: &Trajectory) -> f64 {
        let ids = 1..=truth.objects() as u8;
        let pairs = || moved.frames().iter().zip(truth.frames()).skip(1);
        let iou = |(m, t): (&LabelMap, &LabelMap), id| judge::iou(&m.mask_of(id), &t.mask_of(id));
        let sum: f32 = ids.flat_map(|id| pairs().map(move |pair| iou(pair, id))).sum();
        f64::from(sum) / (truth.objects() * (truth.frames().len() - 1)) as f64
    }

    #[test]
    fn flow_outlives_its_colours_and_in_part_the_latents() {
        const SCENES: u64 = 8;
        let (models, world) = (Models::embedded(), WorldConfig::default());
        let autoencoder = models.autoencoder().unwrap();
        let wheel = flow_wheel(world.size).unwrap();
        let mut sums = [0.0f64; 3];
        for index in 0..SCENES {
            let scene = scene(&world, Split::Validation, index).unwrap();
            let (masks, flow) = (scene.masks(world.size).unwrap(), scene.flow(world.size).unwrap());
            let video = wheel.clip(&flow, 8.0).unwrap();
            let device = burn::tensor::Device::flex();
            let pixels = pixels_from_frames(&[video.frames()], &device).unwrap();
            let back = autoencoder.decode(autoencoder.encode(pixels).unwrap()).unwrap();
            let decoded = clips_from_pixels(back, 8.0).unwrap().remove(0);
            let read = [flow, wheel.read_clip(&video), wheel.read_clip(&decoded)];
            for (sum, flow) in sums.iter_mut().zip(read) {
                let first = &masks.frames()[0];
                let moved = advect_all(first, masks.objects(), &flow, 8.0).unwrap();
                *sum += overlap(&moved, &masks) / SCENES as f64;
            }
        }
        let [exact, colored, decoded] = sums;
        assert!(exact > 0.85 && colored > exact - 0.04, "{sums:?}");
        // The built-in autoencoder never saw such pictures, and pales them.
        assert!(decoded > 0.45, "{sums:?}");
    }

    #[test]
    fn strays_of_the_network_are_dropped_and_what_was_given_is_kept() {
        let sample = scene(&WorldConfig::default(), Split::Test, 0).unwrap().sample(96).unwrap();
        let (truth, objects) = (sample.masks.frames(), sample.masks.objects());
        let speck = |frame: &LabelMap| {
            let mut frame = frame.clone();
            let free = |i: &usize| {
                let near = Joined::Corners.neighbours(*i, frame.size());
                near.chain([*i]).all(|n| frame.ids()[n] == 0)
            };
            let at = (0..frame.ids().len()).find(free).unwrap();
            frame.ids_mut()[at] = 1;
            frame
        };
        let specked: Vec<LabelMap> = truth.iter().map(speck).collect();
        let specked = Trajectory::new(specked, objects, 8.0).unwrap();
        let masks = MaskSet::new(truth[0].clone(), objects).unwrap();
        let request = |given| MotionRequest {
            picture: &sample.clip.frames()[0],
            masks: &masks,
            plan: &sample.plan,
            given,
            outlines: Outlines::Painted,
            open_words: OpenWords::Left,
            seed: 0,
            fps: 8.0,
        };
        let video = specked.to_clip().unwrap();
        let cleaned = request(None).trajectory_from(&video).unwrap();
        assert_eq!(cleaned.frames(), truth);
        // What a person drew may have specks.
        let kept = request(Some(&specked)).trajectory_from(&video).unwrap();
        assert_eq!(kept.frames()[1..], specked.frames()[1..]);
    }

    #[test]
    fn carried_outlines_are_nearer_to_the_truth_than_painted_blur() {
        let (mut overlaps, scenes) = ([0.0; 2], 6);
        for index in 0..scenes {
            let sample = scene(&WorldConfig::default(), Split::Validation, index);
            let sample = sample.unwrap().sample(96).unwrap();
            let truth = &sample.masks;
            let blurred = truth.frames().iter().map(|frame| colored(frame).blurred(3.0)).collect();
            let video = Clip::new(blurred, 8.0).unwrap();
            let masks = MaskSet::new(truth.frames()[0].clone(), truth.objects()).unwrap();
            for (sum, outlines) in overlaps.iter_mut().zip([Outlines::Painted, Outlines::Carried]) {
                let request = MotionRequest {
                    picture: &sample.clip.frames()[0],
                    masks: &masks,
                    plan: &sample.plan,
                    given: None,
                    outlines,
                    open_words: OpenWords::Left,
                    seed: 0,
                    fps: 8.0,
                };
                let made = request.trajectory_from(&video).unwrap();
                assert_eq!(made.frames()[0], truth.frames()[0]);
                *sum += overlap(&made, truth) / scenes as f64;
            }
        }
        let [painted, carried] = overlaps;
        assert!(carried > 0.85 && carried > painted + 0.1, "{overlaps:?}");
    }

    #[test]
    fn a_mask_video_of_another_size_is_refused() {
        let sample = |size| {
            let world = WorldConfig { size, ..WorldConfig::default() };
            scene(&world, Split::Test, 0).unwrap().sample(size).unwrap()
        };
        let (sample, small) = (sample(96), sample(48));
        let masks = MaskSet::new(sample.masks.frames()[0].clone(), sample.masks.objects()).unwrap();
        for outlines in [Outlines::Painted, Outlines::Carried] {
            let request = MotionRequest {
                picture: &sample.clip.frames()[0],
                masks: &masks,
                plan: &sample.plan,
                given: None,
                outlines,
                open_words: OpenWords::Left,
                seed: 0,
                fps: 8.0,
            };
            let error = request.trajectory_from(&small.masks.to_clip().unwrap()).unwrap_err();
            assert!(error.to_string().contains("96x96"), "{error}");
        }
    }

    #[test]
    fn true_trajectories_hardly_have_strays() {
        let (mut all, mut changed) = (0, 0);
        for index in 0..60 {
            let scene = scene(&WorldConfig::default(), Split::Test, index).unwrap();
            for frame in scene.masks(96).unwrap().frames() {
                let cleaned = frame.without_strays(STRAY);
                let pairs = frame.ids().iter().zip(cleaned.ids());
                changed += pairs.filter(|(a, b)| a != b).count();
                all += frame.ids().iter().filter(|&&id| id != 0).count();
            }
        }
        assert!(changed * 1000 < all, "{changed} of {all} pixels");
    }

    #[test]
    fn each_form_is_made_by_its_own_model() {
        let models = Models::embedded();
        let autoencoder = models.autoencoder().unwrap();
        let mut model = models.stage(StageKind::Motion).unwrap();
        let sampling = Sampling::nano(thrumask_nn::backbone::BackboneKind::Dit);
        let made = generate_flows(&model, &autoencoder, &[], &sampling, &mut Silent);
        assert!(made.unwrap_err().to_string().contains("Flow"));
        model.config.form = MotionForm::Flow;
        let made = generate_mask_videos(&model, &autoencoder, &[], &sampling, &mut Silent);
        assert!(made.unwrap_err().to_string().contains("Masks"));
    }
}
