//! Stage 2: picture, trajectory, caption and object prompts become the video. The TI2V baseline goes
//! the same way without the trajectory.

use thrumask_core::{Clip, FlowField, LabelMap, Picture, PromptPlan, Trajectory};
use thrumask_nn::pixels::clips_from_pixels;

use crate::{
    Result,
    model::{Networks, Sampling, SceneConditions, StageKind, generate},
    progress::Progress,
};

/// What stage 2 needs, all at the model's size.
#[derive(Debug, Clone, Copy)]
pub struct VideoRequest<'a> {
    /// x(0).
    pub picture: &'a Picture,
    /// ŝ; ignored by the TI2V baseline. A model that follows flow takes the first masks alone from it.
    pub trajectory: Option<&'a Trajectory>,
    /// The flow of each frame to the next, for a model that follows it.
    pub flow: Option<&'a [FlowField]>,
    /// Caption and object prompts.
    pub plan: &'a PromptPlan,
    /// Seed of the noise.
    pub seed: u64,
    /// Frames per second of the result.
    pub fps: f32,
}

/// Generates the videos of a batch of requests. Frame 0 is the given picture.
///
/// # Errors
/// When sizes do not fit the model, a trajectory or flow is missing, or `progress` stops the run.
pub fn generate_videos(
    networks: &dyn Networks,
    requests: &[VideoRequest<'_>],
    sampling: &Sampling,
    progress: &mut dyn Progress,
) -> Result<Vec<Clip>> {
    let clips = generate_own_videos(networks, requests, sampling, progress)?;
    requests.iter().zip(clips).map(|(request, clip)| request.video_from(&clip)).collect()
}

/// What the network makes of a batch of requests, frame 0 as it drew it itself.
/// [`VideoRequest::video_from`] makes the videos of them.
///
/// # Errors
/// As [`generate_videos`].
pub fn generate_own_videos(
    networks: &dyn Networks,
    requests: &[VideoRequest<'_>],
    sampling: &Sampling,
    progress: &mut dyn Progress,
) -> Result<Vec<Clip>> {
    let nobody: Vec<LabelMap> =
        requests.iter().map(|r| LabelMap::empty(r.picture.size())).collect();
    let scenes: Vec<SceneConditions<'_>> = requests
        .iter()
        .zip(&nobody)
        .map(|(r, nobody)| SceneConditions {
            picture: r.picture,
            masks: r.trajectory.map_or(nobody, |t| &t.frames()[0]),
            trajectory: r.trajectory.filter(|_| networks.config().kind == StageKind::Video),
            flow: r.flow,
            plan: r.plan,
        })
        .collect();
    let seeds: Vec<u64> = requests.iter().map(|r| r.seed).collect();
    let latents = generate(networks, &scenes, &seeds, sampling, None, progress)?;
    Ok(clips_from_pixels(networks.autoencoder()?.decode(latents)?, 1.0)?)
}

impl VideoRequest<'_> {
    /// The video in what the network made: frame 0 is the given picture.
    ///
    /// # Errors
    /// When its size is not the picture's.
    pub fn video_from(&self, own: &Clip) -> Result<Clip> {
        let mut frames = own.frames().to_vec();
        if let Some(first) = frames.first_mut() {
            *first = self.picture.clone();
        }
        Ok(Clip::new(frames, self.fps)?)
    }
}
