//! Scores everything that was made of a scene, and what it is compared with.

use std::collections::BTreeMap;

use thrumask_core::{Clip, Picture, Result, Trajectory, trajectory::colored};

use super::{
    cases::{Case, static_picture},
    generate::{Chain, Drawn, Made, Paraphrased},
    measure::{FoundBy, Measure, Scores},
    report::{Candidate, Part, SceneScores},
    sheets::{Exhibit, Strip},
};
use crate::world::judge;

/// The scores of one scene, and what a person can look at.
///
/// # Errors
/// When videos differ in size from the scene.
pub fn score(case: &Case, made: &Made, parts: &[Part]) -> Result<(SceneScores, Exhibit)> {
    let mut table: BTreeMap<(Part, Candidate), Scores> = BTreeMap::new();
    let mut strips = vec![
        video_strip(None, "true video", &case.truth.clip),
        masks_strip(None, "true masks", &case.truth.masks),
    ];
    let truth = &case.truth;
    let still = static_picture(truth)?;
    if let Some(found) = &made.segmented {
        let mut scores = Scores::default();
        scores.segmentation(found, truth);
        let frames = vec![colored(found)];
        strips.push(Strip { part: Some(Part::Segmenter), label: "segmenter".into(), frames });
        table.insert((Part::Segmenter, Candidate::Model), scores);
    }
    if let Some(found) = &made.renamed_masks {
        let mut scores = Scores::default();
        scores.segmentation(found, truth);
        table.insert((Part::Segmenter, Candidate::StrangeNames), scores);
    }
    if parts.contains(&Part::Motion) {
        let masks = [
            (Candidate::Truth, &truth.masks),
            (Candidate::AnotherDraw, &case.another),
            (Candidate::StaticPicture, &still.1),
            (Candidate::RandomMotion, &case.random.1),
        ];
        for (candidate, masks) in masks {
            let mut scores = Scores::default();
            scores.masks(masks, truth);
            table.insert((Part::Motion, candidate), scores);
        }
        if let Some(own) = &made.rebuilt_masks {
            let mut scores = Scores::default();
            scores.masks(&Trajectory::from_clip(own, truth.objects.len())?, truth);
            scores.palette(own, truth.objects.len());
            table.insert((Part::Motion, Candidate::Autoencoder), scores);
        }
        if let Some((own, trajectory)) = &made.motion {
            let mut scores = Scores::default();
            scores.masks(trajectory, truth);
            scores.palette(own, truth.objects.len());
            table.insert((Part::Motion, Candidate::Model), scores);
            strips.push(masks_strip(
                Some(Part::Motion),
                &told("stage 1", case, trajectory),
                trajectory,
            ));
        }
    }
    if parts.contains(&Part::Words) {
        score_words(case, made, &mut table, &mut strips);
    }
    let judged = Judged { case };
    if parts.contains(&Part::Video) || parts.contains(&Part::Chained) {
        let mut others = vec![
            (Candidate::Truth, judged.known(&truth.clip, &case.ceiling)),
            (Candidate::StaticPicture, judged.video(&still.0, &truth.masks, None)?.0),
            (Candidate::RandomMotion, judged.video(&case.random.0, &truth.masks, None)?.0),
        ];
        if let Some(Drawn { own_first, clip }) = &made.ti2v {
            let (scores, found) = judged.video(clip, &truth.masks, Some(own_first))?;
            others.push((Candidate::Ti2v, scores));
            strips.push(video_strip(Some(Part::Video), &told("TI2V", case, &found), clip));
        }
        for (candidate, scores) in others {
            if parts.contains(&Part::Chained) {
                let mut chained = scores.clone();
                // They were made for no trajectory.
                chained.figures.remove(&Measure::J);
                chained.figures.remove(&Measure::F);
                table.insert((Part::Chained, candidate), chained);
            }
            if parts.contains(&Part::Video) {
                table.insert((Part::Video, candidate), scores);
            }
        }
    }
    if let Some(Drawn { own_first, clip }) = &made.rebuilt {
        let (scores, _) = judged.video(clip, &truth.masks, Some(own_first))?;
        table.insert((Part::Video, Candidate::Autoencoder), scores);
    }
    if let Some(Drawn { own_first, clip }) = &made.video {
        let (scores, found) = judged.video(clip, &truth.masks, Some(own_first))?;
        table.insert((Part::Video, Candidate::Model), scores);
        strips.push(video_strip(
            Some(Part::Video),
            &told("stage 2 on true masks", case, &found),
            clip,
        ));
        strips.push(masks_strip(Some(Part::Video), "masks found in it", &found));
    }
    let chains = [
        (Candidate::Model, &made.chain, "chain"),
        (Candidate::FoundMasks, &made.found_chain, "chain, found masks"),
    ];
    for (candidate, chain, name) in chains {
        if let Some(Chain { plan, trajectory, clip, .. }) = chain {
            let (mut scores, found) = judged.video(clip, trajectory, None)?;
            scores.add(Measure::Plan, f32::from(u8::from(*plan == truth.plan)));
            table.insert((Part::Chained, candidate), scores);
            if made.motion.as_ref().is_none_or(|(_, alone)| alone != trajectory) {
                strips.push(masks_strip(
                    Some(Part::Chained),
                    &format!("{name}: masks"),
                    trajectory,
                ));
            }
            strips.push(video_strip(Some(Part::Chained), &told(name, case, &found), clip));
        }
    }
    for (&(part, candidate), watched) in &made.watched {
        let Some(scores) = table.get_mut(&(part, candidate)) else { continue };
        if let Some(distance) = watched.lpips {
            scores.add(Measure::Lpips, distance);
        }
        if let Some(tracked) = &watched.tracked {
            let chain =
                if candidate == Candidate::FoundMasks { &made.found_chain } else { &made.chain };
            let follows = match (part, chain) {
                (Part::Chained, Some(chain)) => &chain.trajectory,
                _ => &truth.masks,
            };
            scores.adherence(tracked, follows, FoundBy::Tracker);
        }
    }
    let exhibit = Exhibit { caption: truth.plan.caption.clone(), strips };
    Ok(((truth.masks.objects(), table), exhibit))
}

/// Scores what was made of other words.
fn score_words(
    case: &Case,
    made: &Made,
    table: &mut BTreeMap<(Part, Candidate), Scores>,
    strips: &mut Vec<Strip>,
) {
    if let Some(opposite) = &case.opposite {
        let room = opposite.roomy();
        let scores = |followed: Vec<bool>| {
            let mut scores = Scores::default();
            for (&yes, _) in followed.iter().zip(&room) {
                scores.add(Measure::Followed, f32::from(u8::from(yes)));
            }
            for (&yes, _) in followed.iter().zip(&room).filter(|(_, room)| **room) {
                scores.add(Measure::FollowedInView, f32::from(u8::from(yes)));
            }
            scores
        };
        let mut put = |candidate, scores| table.insert((Part::Words, candidate), scores);
        put(Candidate::Truth, scores(opposite.readable()));
        if let Some((_, own)) = &made.motion {
            put(Candidate::OwnWords, scores(opposite.followed_own(own, &case.truth)));
        }
        if let Some(turned) = &made.opposite {
            put(Candidate::OppositeWords, scores(opposite.followed(turned)));
            strips.push(masks_strip(Some(Part::Words), "stage 1, opposite words", turned));
        }
    }
    if let Some(trajectory) = &made.renamed {
        let mut scores = Scores::default();
        scores.masks(trajectory, &case.truth);
        table.insert((Part::Words, Candidate::StrangeNames), scores);
    }
    if let (Some(paraphrase), Some(pair)) = (&case.paraphrase, &made.paraphrased) {
        let candidates = match paraphrase.studied {
            true => [Candidate::StudiedOwn, Candidate::StudiedParaphrase],
            false => [Candidate::UnseenOwn, Candidate::UnseenParaphrase],
        };
        for (candidate, Paraphrased { named, trajectory }) in candidates.into_iter().zip(pair) {
            let mut scores = Scores::default();
            scores.masks(trajectory, &case.truth);
            for i in 0..case.truth.objects.len() {
                scores.add(Measure::Named, f32::from(u8::from(i < *named)));
            }
            table.insert((Part::Words, candidate), scores);
        }
        // What is held out is not shown either.
        if paraphrase.studied {
            let trajectory = &pair[1].trajectory;
            strips.push(masks_strip(Some(Part::Words), "stage 1, paraphrase", trajectory));
        }
    }
}

/// Judges videos of one scene.
struct Judged<'a> {
    case: &'a Case,
}

impl Judged<'_> {
    /// Scores a video by the masks found in it, with `trajectory` to follow; returns these masks.
    fn video(
        &self,
        clip: &Clip,
        trajectory: &Trajectory,
        own_first: Option<&Picture>,
    ) -> Result<(Scores, Trajectory)> {
        let found = self.case.resegmenter.masks(clip)?;
        let mut scores = Scores::default();
        scores.masks(&found, &self.case.truth);
        scores.adherence(&found, trajectory, FoundBy::Looks);
        scores.pictures(clip, &found, &self.case.truth);
        if let Some(own) = own_first {
            scores.first_frame(own, &self.case.truth.clip.frames()[0]);
        }
        Ok((scores, found))
    }

    /// As [`Self::video`] for the true video, in which masks were found before.
    fn known(&self, clip: &Clip, found: &Trajectory) -> Scores {
        let mut scores = Scores::default();
        scores.masks(found, &self.case.truth);
        scores.adherence(found, &self.case.truth.masks, FoundBy::Looks);
        scores.pictures(clip, found, &self.case.truth);
        scores
    }
}

fn masks_strip(part: Option<Part>, label: &str, masks: &Trajectory) -> Strip {
    Strip { part, label: label.into(), frames: masks.frames().iter().map(colored).collect() }
}

fn video_strip(part: Option<Part>, label: &str, clip: &Clip) -> Strip {
    Strip { part, label: label.into(), frames: clip.frames().to_vec() }
}

/// A label with how many objects do what they should, where that is known.
fn told(name: &str, case: &Case, masks: &Trajectory) -> String {
    let objects = &case.truth.objects;
    if objects.is_empty() {
        return name.to_owned();
    }
    let judged = judge::judge_all(masks);
    let pairs = objects.iter().enumerate();
    let right =
        pairs.filter(|(i, o)| judge::is_right(judged.get(*i).and_then(Option::as_ref), o)).count();
    format!("{name}: {right} of {} right", objects.len())
}
