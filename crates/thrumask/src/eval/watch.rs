//! What networks see in the videos of a scene: how different they look from the true one (LPIPS), and where
//! a tracker finds the objects again.

use thrumask_core::{Clip, MaskSet, Trajectory};
use thrumask_nn::perception::lpips::Lpips;

use super::{
    EvalConfig,
    cases::{Case, static_picture},
    generate::{Chain, Drawn, Made},
    report::{Candidate, Part},
    subjects::Subjects,
};
use crate::{Result, progress::Progress, tracker::Tracker};

/// What networks see in a video.
#[derive(Default)]
pub struct Watched {
    /// Mean LPIPS distance of the frames after the first to the true ones; on stage 2 alone.
    pub lpips: Option<f32>,
    /// Where the tracker finds the objects of the first frame.
    pub tracked: Option<Trajectory>,
}

/// Lets the networks that there are watch the videos that were made, and what they are compared with.
///
/// # Errors
/// When a network fails, or `progress` stops the run.
pub fn watch(
    subjects: &Subjects,
    cases: &[Case],
    all: &mut [Made],
    config: &EvalConfig,
    progress: &mut dyn Progress,
) -> Result<()> {
    let wants = |part: Part| config.parts.contains(&part);
    let (lpips, tracker) = (subjects.lpips.as_ref(), subjects.tracker.as_ref());
    if !wants(Part::Video) && !wants(Part::Chained) || lpips.is_none() && tracker.is_none() {
        return Ok(());
    }
    for (made, case) in all.iter_mut().zip(cases) {
        let still = static_picture(&case.truth)?.0;
        let mut clips = Vec::new();
        if wants(Part::Video) {
            let drawn = |drawn: &Option<Drawn>| drawn.as_ref().map(|d| d.clip.clone());
            let of_video = [
                (Candidate::Truth, Some(case.truth.clip.clone())),
                (Candidate::StaticPicture, Some(still)),
                (Candidate::RandomMotion, Some(case.random.0.clone())),
                (Candidate::Autoencoder, drawn(&made.rebuilt)),
                (Candidate::Model, drawn(&made.video)),
                (Candidate::Ti2v, drawn(&made.ti2v)),
            ];
            let of_video = of_video.into_iter().filter_map(|(by, clip)| Some((by, clip?)));
            clips.extend(of_video.map(|(by, clip)| (Part::Video, by, clip, &case.truth.masks)));
        }
        let chains = [(Candidate::Model, &made.chain), (Candidate::FoundMasks, &made.found_chain)];
        for (by, chain) in chains {
            if let Some(Chain { clip, trajectory, .. }) = chain {
                clips.push((Part::Chained, by, clip.clone(), trajectory));
            }
        }
        let mut watched = Vec::new();
        for (part, by, clip, follows) in clips {
            progress.step("watch", 0, 1)?;
            let lpips = lpips.filter(|_| part == Part::Video);
            let lpips =
                lpips.map(|lpips| difference(lpips, &clip, &case.truth.clip)).transpose()?;
            let track = |tracker: &dyn Tracker| {
                let first = MaskSet::new(follows.frames()[0].clone(), follows.objects())?;
                tracker.track(clip.frames(), &first, clip.fps())
            };
            let tracked = tracker.map(|tracker| track(tracker)).transpose()?;
            watched.push(((part, by), Watched { lpips, tracked }));
        }
        made.watched.extend(watched);
    }
    Ok(())
}

/// The mean distance of the frames after the first to those of `truth`.
fn difference(lpips: &Lpips, clip: &Clip, truth: &Clip) -> Result<f32> {
    let distances = lpips.distances(&clip.frames()[1..], &truth.frames()[1..])?;
    Ok(distances.iter().sum::<f32>() / distances.len().max(1) as f32)
}
