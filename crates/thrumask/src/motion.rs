//! Stage 1: picture, first masks and motion prompt become a mask-based motion trajectory.

use burn::tensor::Tensor;
use thrumask_core::{
    Clip, LabelMap, MaskSet, Picture, PromptPlan, Trajectory, trajectory::colored,
};
use thrumask_nn::{
    autoencoder::Autoencoder,
    pixels::{clips_from_pixels, pixels_from_frames},
};

use crate::{
    Result,
    model::{Pinned, Sampling, SceneConditions, StageModel},
    progress::Progress,
};

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
    /// Seed of the noise.
    pub seed: u64,
    /// Frames per second of the result.
    pub fps: f32,
}

/// Generates the trajectories of a batch of requests.
///
/// Frame 0 is the given masks. Objects with given motion follow it exactly: their latents are pinned
/// while the others are sampled, and their masks are painted over the result.
///
/// # Errors
/// When sizes do not fit the model, or `progress` stops the run.
pub fn generate_trajectories(
    model: &StageModel,
    autoencoder: &Autoencoder,
    requests: &[MotionRequest<'_>],
    sampling: &Sampling,
    progress: &mut dyn Progress,
) -> Result<Vec<Trajectory>> {
    let clips = generate_mask_videos(model, autoencoder, requests, sampling, progress)?;
    requests.iter().zip(&clips).map(|(request, clip)| request.trajectory_from(clip)).collect()
}

/// What the network makes of a batch of requests before it is cleaned up: videos in which each
/// object has about its palette colour. [`MotionRequest::trajectory_from`] makes trajectories of
/// them.
///
/// # Errors
/// As [`generate_trajectories`].
pub fn generate_mask_videos(
    model: &StageModel,
    autoencoder: &Autoencoder,
    requests: &[MotionRequest<'_>],
    sampling: &Sampling,
    progress: &mut dyn Progress,
) -> Result<Vec<Clip>> {
    let scenes: Vec<SceneConditions<'_>> = requests
        .iter()
        .map(|r| SceneConditions {
            picture: r.picture,
            masks: &r.masks.labels,
            trajectory: None,
            plan: r.plan,
        })
        .collect();
    let seeds: Vec<u64> = requests.iter().map(|r| r.seed).collect();
    let pinned = pinned(model, autoencoder, requests)?;
    let latents =
        model.sample(autoencoder, &scenes, &seeds, sampling, pinned.as_ref(), progress)?;
    Ok(clips_from_pixels(autoencoder.decode(latents), 1.0)?)
}

impl MotionRequest<'_> {
    /// The trajectory in a mask video: each pixel snapped to the palette, frame 0 and objects with
    /// given motion as they were given.
    ///
    /// # Errors
    /// When the video is not of the request's size.
    pub fn trajectory_from(&self, clip: &Clip) -> Result<Trajectory> {
        let objects = self.masks.objects;
        let mut frames = Trajectory::from_clip(clip, objects)?.frames().to_vec();
        if let Some(first) = frames.first_mut() {
            *first = self.masks.labels.clone();
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
    autoencoder: &Autoencoder,
    requests: &[MotionRequest<'_>],
) -> Result<Option<Pinned>> {
    if requests.iter().all(|r| r.given.is_none()) {
        return Ok(None);
    }
    let [t, h, w] = model.config.denoiser.latent_size;
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
