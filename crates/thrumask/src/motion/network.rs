//! Runs the networks that make motion.

use std::borrow::Cow;

use burn::tensor::Tensor;
use thrumask_core::{
    Clip, Error, FlowField, LabelMap, Picture, PromptPlan, Trajectory, flow::advect_all,
    trajectory::colored,
};
use thrumask_nn::pixels::{clips_from_pixels, pixels_from_frames};

use super::MotionRequest;
use crate::{
    Result,
    model::{MotionForm, Networks, Pinned, Sampling, SceneConditions, flow_wheel, generate},
    progress::Progress,
};

/// Generates the trajectories of a batch of requests, by masks or by flow as the model does.
///
/// Frame 0 is the given masks. Objects with given motion follow it exactly: their latents are pinned
/// while the others are sampled, and their masks are painted over the result.
///
/// # Errors
/// When sizes do not fit the model, or `progress` stops the run.
pub fn generate_trajectories(
    networks: &dyn Networks,
    requests: &[MotionRequest<'_>],
    sampling: &Sampling,
    progress: &mut dyn Progress,
) -> Result<Vec<Trajectory>> {
    if networks.config().form == MotionForm::Flow {
        let made = generate_flows(networks, requests, sampling, progress)?;
        return Ok(made.into_iter().map(|m| m.trajectory).collect());
    }
    let clips = generate_mask_videos(networks, requests, sampling, progress)?;
    requests.iter().zip(&clips).map(|(request, clip)| request.trajectory_from(clip)).collect()
}

/// What the network makes of a batch of requests before it is cleaned up: videos in which each
/// object has about its palette colour. [`MotionRequest::trajectory_from`] makes trajectories of
/// them.
///
/// # Errors
/// As [`generate_trajectories`], and when the model makes flow.
pub fn generate_mask_videos(
    networks: &dyn Networks,
    requests: &[MotionRequest<'_>],
    sampling: &Sampling,
    progress: &mut dyn Progress,
) -> Result<Vec<Clip>> {
    expect(networks, MotionForm::Masks)?;
    sampled(networks, requests, sampling, progress)
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
    networks: &dyn Networks,
    requests: &[MotionRequest<'_>],
    sampling: &Sampling,
    progress: &mut dyn Progress,
) -> Result<Vec<FlowMotion>> {
    expect(networks, MotionForm::Flow)?;
    if requests.iter().any(|r| r.given.is_some()) {
        let reason = "expected none for a model that makes flow, got masks";
        return Err(Error::invalid("given motion", reason).into());
    }
    let clips = sampled(networks, requests, sampling, progress)?;
    let wheel = flow_wheel(networks.config().video.size)?;
    let motion = |(request, clip): (&MotionRequest<'_>, &Clip)| {
        let (first, objects) = (&request.masks.labels, request.masks.objects);
        let flow = wheel.read_clip(clip);
        let video = wheel.clip(&flow, request.fps)?;
        let trajectory = advect_all(first, objects, &flow, request.fps)?;
        Ok(FlowMotion { video, flow, trajectory })
    };
    requests.iter().zip(&clips).map(motion).collect()
}

fn expect(networks: &dyn Networks, form: MotionForm) -> Result<()> {
    match networks.config().form == form {
        true => Ok(()),
        false => {
            let (expected, got) = (format!("{form:?}"), format!("{:?}", networks.config().form));
            Err(Error::mismatch("form of the motion model", expected, got).into())
        }
    }
}

/// The videos that the network makes.
fn sampled(
    networks: &dyn Networks,
    requests: &[MotionRequest<'_>],
    sampling: &Sampling,
    progress: &mut dyn Progress,
) -> Result<Vec<Clip>> {
    let plans: Vec<Cow<'_, PromptPlan>> =
        requests.iter().map(|r| r.said_to(networks.tokenizer())).collect();
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
    let pinned = pinned(networks, requests)?;
    let latents = generate(networks, &scenes, &seeds, sampling, pinned.as_ref(), progress)?;
    Ok(clips_from_pixels(networks.autoencoder()?.decode(latents)?, 1.0)?)
}

/// Latents of the given motions, kept where their masks are; `None` when nothing is given.
fn pinned(networks: &dyn Networks, requests: &[MotionRequest<'_>]) -> Result<Option<Pinned>> {
    if requests.iter().all(|r| r.given.is_none()) {
        return Ok(None);
    }
    let config = networks.config();
    let ([t, h, w], shape) = (config.denoiser.latent_size(), config.video);
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
    let autoencoder = networks.autoencoder()?;
    let device = autoencoder.device();
    let videos: Vec<&[Picture]> = videos.iter().map(Vec::as_slice).collect();
    let latents = autoencoder.encode(pixels_from_frames(&videos, &device)?)?;
    let mask = Tensor::<1>::from_floats(keep.as_slice(), &device);
    Ok(Some(Pinned { latents, mask: mask.reshape([requests.len(), 1, t, h, w]) }))
}
