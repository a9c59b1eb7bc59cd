//! What a stage makes of the validation set.

use thrumask_core::MaskSet;

use super::{Example, StageTask};
use crate::{
    Result,
    model::{StageKind, StageModel},
    motion::{MotionRequest, OpenWords, Outlines, generate_trajectories},
    progress::Silent,
    video::{VideoRequest, generate_videos},
    world::Sample,
};

impl StageTask {
    /// What the model makes of each example's conditions, put in the place of the truth.
    pub(super) fn generate(&self, model: &StageModel, examples: &[Example]) -> Result<Vec<Sample>> {
        let (networks, sampling) = (model.with(&self.autoencoder), &self.training.sampling);
        let mut made: Vec<Sample> = examples.iter().map(|e| e.sample.clone()).collect();
        if self.config.kind == StageKind::Motion {
            let firsts = examples
                .iter()
                .map(|Example { sample: s, .. }| {
                    MaskSet::new(s.masks.frames()[0].clone(), s.masks.objects())
                })
                .collect::<thrumask_core::Result<Vec<_>>>()?;
            let requests: Vec<MotionRequest<'_>> = examples
                .iter()
                .zip(&firsts)
                .enumerate()
                .map(|(i, (Example { sample: s, .. }, masks))| MotionRequest {
                    picture: &s.clip.frames()[0],
                    masks,
                    plan: &s.plan,
                    given: None,
                    outlines: Outlines::Painted,
                    open_words: OpenWords::Left,
                    seed: i as u64,
                    fps: s.clip.fps(),
                })
                .collect();
            let masks = generate_trajectories(&networks, &requests, sampling, &mut Silent)?;
            made.iter_mut().zip(masks).for_each(|(m, t)| m.masks = t);
        } else {
            let requests: Vec<VideoRequest<'_>> = examples
                .iter()
                .enumerate()
                .map(|(i, Example { sample: s, flow, .. })| VideoRequest {
                    picture: &s.clip.frames()[0],
                    trajectory: Some(&s.masks),
                    flow: flow.as_deref(),
                    plan: &s.plan,
                    seed: i as u64,
                    fps: s.clip.fps(),
                })
                .collect();
            let clips = generate_videos(&networks, &requests, sampling, &mut Silent)?;
            made.iter_mut().zip(clips).for_each(|(m, c)| m.clip = c);
        }
        Ok(made)
    }
}
