//! What the models make of a batch of scenes.

use std::collections::BTreeMap;

use thrumask_core::{Clip, Error, FlowField, LabelMap, MaskSet, Picture, PromptPlan, Trajectory};
use thrumask_nn::{
    autoencoder::LatentCodec,
    pixels::{clips_from_pixels, pixels_from_frames},
};

use super::{
    EvalConfig,
    cases::Case,
    renamed::renamed,
    report::{Candidate, Part},
    subjects::Subjects,
    watch::{Watched, watch},
    words,
};
use crate::{
    Result,
    model::{MotionForm, StageModel},
    motion::{FlowMotion, MotionRequest, generate_flows, generate_mask_videos},
    plan::{Planner, RulePlanner},
    progress::Progress,
    video::{VideoRequest, generate_own_videos},
};

/// A video, and frame 0 as the network drew it itself.
pub struct Drawn {
    /// The network's own frame 0.
    pub own_first: Picture,
    /// The video, which begins with the given picture.
    pub clip: Clip,
}

/// The way from a caption to a video.
pub struct Chain {
    /// What the planner made of the caption.
    pub plan: PromptPlan,
    /// What stage 1 made of the plan.
    pub trajectory: Trajectory,
    /// Stage 2's own frame 0.
    pub own_first: Picture,
    /// What stage 2 made of the trajectory.
    pub clip: Clip,
}

/// The way from a caption to a trajectory.
pub struct Paraphrased {
    /// How many true objects the planner named.
    pub named: usize,
    /// The trajectory, with the true ids.
    pub trajectory: Trajectory,
}

/// Everything that was made of one scene; `None` where no model was there or nobody asked.
#[derive(Default)]
pub struct Made {
    /// Masks that the segmenter found from the true plan.
    pub segmented: Option<LabelMap>,
    /// The same from names that it never read.
    pub renamed_masks: Option<LabelMap>,
    /// The true masks in palette colours through the autoencoder.
    pub rebuilt_masks: Option<Clip>,
    /// The true video through the autoencoder.
    pub rebuilt: Option<Drawn>,
    /// Stage 1 from the truth: the network's own mask video, and the trajectory in it.
    pub motion: Option<(Clip, Trajectory)>,
    /// Stage 1 from the truth in opposite words.
    pub opposite: Option<Trajectory>,
    /// Stage 1 from the truth with names that it never read.
    pub renamed: Option<Trajectory>,
    /// Stage 1 from the scene's own caption, and from its paraphrase, through the planner.
    pub paraphrased: Option<[Paraphrased; 2]>,
    /// Stage 2 on the true trajectory.
    pub video: Option<Drawn>,
    /// The model without a trajectory.
    pub ti2v: Option<Drawn>,
    /// What networks see in the videos.
    pub watched: BTreeMap<(Part, Candidate), Watched>,
    /// The chain from true first masks.
    pub chain: Option<Chain>,
    /// The chain from masks that the segmenter found.
    pub found_chain: Option<Chain>,
}

/// Lets all models work on a batch of scenes.
///
/// # Errors
/// When there is a stage without autoencoder, a model fails, or `progress` stops the run.
pub fn make<'a>(
    subjects: &Subjects,
    cases: &'a [Case],
    config: &EvalConfig,
    progress: &mut dyn Progress,
) -> Result<Vec<Made>> {
    let mut all: Vec<Made> = cases.iter().map(|_| Made::default()).collect();
    let wants = |part: Part| config.parts.contains(&part);
    if let (Some(segmenter), true) = (&subjects.segmenter, wants(Part::Segmenter)) {
        for (made, case) in all.iter_mut().zip(cases) {
            progress.step("segment", 0, 1)?;
            let picture = &case.truth.clip.frames()[0];
            made.segmented = Some(segmenter.segment(picture, &case.truth.plan)?.masks.labels);
            let strange = renamed(&case.truth.plan);
            made.renamed_masks = Some(segmenter.segment(picture, &strange)?.masks.labels);
        }
    }
    if let Some(autoencoder) = &subjects.autoencoder {
        for (made, case) in all.iter_mut().zip(cases) {
            let truth = &case.truth;
            if wants(Part::Motion) {
                made.rebuilt_masks = Some(rebuilt(autoencoder, &truth.masks.to_clip()?)?);
            }
            if wants(Part::Video) {
                let own = rebuilt(autoencoder, &truth.clip)?;
                let mut frames = own.frames().to_vec();
                let own_first = std::mem::replace(&mut frames[0], truth.clip.frames()[0].clone());
                made.rebuilt = Some(Drawn { own_first, clip: Clip::new(frames, own.fps())? });
            }
        }
    }
    let every: Vec<&Case> = cases.iter().collect();
    let mut maker = Maker { subjects, cases: &every, config, progress };
    if let (Some(motion), true) = (&subjects.motion, wants(Part::Motion) || wants(Part::Words)) {
        let plans = maker.true_plans();
        let masks = maker.true_masks(&plans)?;
        let moved = maker.trajectories(motion, &plans, &masks)?;
        let drawn = moved.into_iter().map(|m| (m.video, m.trajectory));
        all.iter_mut().zip(drawn).for_each(|(made, drawn)| made.motion = Some(drawn));
        if wants(Part::Words) {
            in_other_words(subjects, config, cases, &mut all, maker.progress)?;
        }
    }
    if let (Some(video), true) = (&subjects.video, wants(Part::Video)) {
        let truth = |c: &'a Case| Followed { trajectory: &c.truth.masks, flow: Some(&c.flow) };
        let truth: Vec<Followed<'_>> = cases.iter().map(truth).collect();
        let drawn = maker.videos(video, &maker.true_plans(), Some(&truth))?;
        all.iter_mut().zip(drawn).for_each(|(made, drawn)| made.video = Some(drawn));
    }
    if let (Some(ti2v), true) = (&subjects.ti2v, wants(Part::Video) || wants(Part::Chained)) {
        let drawn = maker.videos(ti2v, &maker.true_plans(), None)?;
        all.iter_mut().zip(drawn).for_each(|(made, drawn)| made.ti2v = Some(drawn));
    }
    if let (Some(motion), Some(video), true) =
        (&subjects.motion, &subjects.video, wants(Part::Chained))
    {
        let plans = cases
            .iter()
            .map(|c| RulePlanner.plan(&c.truth.plan.caption))
            .collect::<thrumask_core::Result<Vec<_>>>()?;
        let masks = maker.true_masks(&plans)?;
        let chains = maker.chains(motion, video, &plans, &masks)?;
        all.iter_mut().zip(chains).for_each(|(made, chain)| made.chain = Some(chain));
        if let Some(segmenter) = &subjects.segmenter {
            let mut masks = Vec::new();
            for (case, plan) in cases.iter().zip(&plans) {
                masks.push(segmenter.segment(&case.truth.clip.frames()[0], plan)?.masks);
            }
            let chains = maker.chains(motion, video, &plans, &masks)?;
            all.iter_mut().zip(chains).for_each(|(made, chain)| made.found_chain = Some(chain));
        }
    }
    watch(subjects, cases, &mut all, config, progress)?;
    Ok(all)
}

/// Stage 1 on the scenes that can be told the opposite, and on those that have paraphrases.
fn in_other_words(
    subjects: &Subjects,
    config: &EvalConfig,
    cases: &[Case],
    all: &mut [Made],
    progress: &mut dyn Progress,
) -> Result<()> {
    let Some(motion) = &subjects.motion else { return Ok(()) };
    let (turned, plans): (Vec<usize>, Vec<PromptPlan>) = cases
        .iter()
        .enumerate()
        .filter_map(|(i, case)| Some((i, case.opposite.as_ref()?.plan.clone())))
        .unzip();
    let some: Vec<&Case> = turned.iter().map(|&i| &cases[i]).collect();
    let mut maker = Maker { subjects, cases: &some, config, progress };
    let masks = maker.true_masks(&plans)?;
    let drawn = maker.trajectories(motion, &plans, &masks)?;
    turned.iter().zip(drawn).for_each(|(&i, made)| all[i].opposite = Some(made.trajectory));

    let every: Vec<&Case> = cases.iter().collect();
    let plans: Vec<PromptPlan> = cases.iter().map(|c| renamed(&c.truth.plan)).collect();
    let mut maker = Maker { subjects, cases: &every, config, progress };
    let masks = maker.true_masks(&plans)?;
    let drawn = maker.trajectories(motion, &plans, &masks)?;
    all.iter_mut().zip(drawn).for_each(|(all, made)| all.renamed = Some(made.trajectory));

    let (spoken, captions): (Vec<usize>, Vec<&str>) = cases
        .iter()
        .enumerate()
        .filter_map(|(i, case)| Some((i, case.paraphrase.as_ref()?.caption)))
        .unzip();
    let some: Vec<&Case> = spoken.iter().map(|&i| &cases[i]).collect();
    let own: Vec<&str> = some.iter().map(|c| c.truth.plan.caption.as_str()).collect();
    let mut maker = Maker { subjects, cases: &some, config, progress };
    let own = maker.paraphrased(motion, &own)?;
    let other = maker.paraphrased(motion, &captions)?;
    for (&i, pair) in spoken.iter().zip(own.into_iter().zip(other)) {
        all[i].paraphrased = Some(pair.into());
    }
    Ok(())
}

/// A clip through the autoencoder and back.
fn rebuilt(autoencoder: &LatentCodec, clip: &Clip) -> Result<Clip> {
    let pixels = pixels_from_frames(&[clip.frames()], &autoencoder.device())?;
    let back = autoencoder.decode(autoencoder.encode(pixels)?)?;
    let mut clips = clips_from_pixels(back, clip.fps())?;
    Ok(clips.swap_remove(0))
}

fn autoencoder_of(subjects: &Subjects) -> Result<&LatentCodec> {
    let reason = "expected one beside the stage models, got none";
    let missing = || Error::invalid("autoencoder", reason).into();
    subjects.autoencoder.as_ref().ok_or_else(missing)
}

/// What stage 1 made.
struct Moved {
    /// The network's own video.
    video: Clip,
    /// The trajectory in it.
    trajectory: Trajectory,
    /// The flow in it, when that is what the network makes.
    flow: Option<Vec<FlowField>>,
}

impl Moved {
    fn followed(&self) -> Followed<'_> {
        Followed { trajectory: &self.trajectory, flow: self.flow.as_deref() }
    }
}

/// What stage 2 is to follow.
struct Followed<'a> {
    trajectory: &'a Trajectory,
    flow: Option<&'a [FlowField]>,
}

/// Calls the stages on a batch.
struct Maker<'a> {
    subjects: &'a Subjects,
    cases: &'a [&'a Case],
    config: &'a EvalConfig,
    progress: &'a mut dyn Progress,
}

impl Maker<'_> {
    fn true_plans(&self) -> Vec<PromptPlan> {
        self.cases.iter().map(|c| c.truth.plan.clone()).collect()
    }

    /// The true first masks for each plan. A planner that names fewer objects than there are goes
    /// without the others' masks; of those it names beyond, there are none.
    fn true_masks(&self, plans: &[PromptPlan]) -> Result<Vec<MaskSet>> {
        let masks = |(case, plan): (&&Case, &PromptPlan)| {
            let mut labels = case.truth.masks.frames()[0].clone();
            let objects = plan.objects.len();
            labels.ids_mut().iter_mut().filter(|v| usize::from(**v) > objects).for_each(|v| *v = 0);
            Ok(MaskSet::new(labels, objects)?)
        };
        self.cases.iter().zip(plans).map(masks).collect()
    }

    /// A scene's noise depends on its index only, not on the batch.
    fn seed(&self, case: &Case) -> u64 {
        self.config.seed.wrapping_add(case.index)
    }

    fn trajectories(
        &mut self,
        model: &StageModel,
        plans: &[PromptPlan],
        masks: &[MaskSet],
    ) -> Result<Vec<Moved>> {
        if plans.is_empty() {
            return Ok(Vec::new());
        }
        let scenes = self.cases.iter().zip(plans.iter().zip(masks));
        let requests: Vec<MotionRequest<'_>> = scenes
            .map(|(case, (plan, masks))| MotionRequest {
                picture: &case.truth.clip.frames()[0],
                masks,
                plan,
                given: None,
                outlines: self.config.outlines,
                open_words: self.config.open_words,
                seed: self.seed(case),
                fps: case.truth.clip.fps(),
            })
            .collect();
        let networks = model.with(autoencoder_of(self.subjects)?);
        let sampling = &self.config.motion;
        if model.config.form == MotionForm::Flow {
            let made = generate_flows(&networks, &requests, sampling, self.progress)?;
            let moved = |FlowMotion { video, flow, trajectory }| Moved {
                video,
                flow: Some(flow),
                trajectory,
            };
            return Ok(made.into_iter().map(moved).collect());
        }
        let clips = generate_mask_videos(&networks, &requests, sampling, self.progress)?;
        let moved = requests.iter().zip(clips).map(|(request, video)| {
            let trajectory = request.trajectory_from(&video)?;
            Ok(Moved { video, trajectory, flow: None })
        });
        moved.collect()
    }

    /// From captions to trajectories: planner, masks by name, stage 1.
    fn paraphrased(&mut self, model: &StageModel, captions: &[&str]) -> Result<Vec<Paraphrased>> {
        let plans = captions.iter().map(|caption| RulePlanner.plan(caption));
        let plans = plans.collect::<thrumask_core::Result<Vec<_>>>()?;
        let pairs = self.cases.iter().zip(&plans);
        let found: Vec<Vec<Option<usize>>> =
            pairs.clone().map(|(case, plan)| words::matched(plan, &case.truth)).collect();
        let masks = pairs.zip(&found).map(|((case, plan), found)| {
            let first = &case.truth.masks.frames()[0];
            MaskSet::new(words::planned_masks(first, found), plan.objects.len())
        });
        let masks = masks.collect::<thrumask_core::Result<Vec<_>>>()?;
        let made = self.trajectories(model, &plans, &masks)?;
        let parts = self.cases.iter().zip(&found).zip(made);
        let one = |((case, found), made): ((&&Case, &Vec<Option<usize>>), Moved)| {
            let trajectory = words::true_ids(&made.trajectory, found, case.truth.objects.len())?;
            Ok(Paraphrased { named: found.iter().flatten().count(), trajectory })
        };
        parts.map(one).collect()
    }

    fn videos(
        &mut self,
        model: &StageModel,
        plans: &[PromptPlan],
        followed: Option<&[Followed<'_>]>,
    ) -> Result<Vec<Drawn>> {
        let scenes = self.cases.iter().zip(plans).enumerate();
        let requests: Vec<VideoRequest<'_>> = scenes
            .map(|(i, (case, plan))| VideoRequest {
                picture: &case.truth.clip.frames()[0],
                trajectory: followed.map(|f| f[i].trajectory),
                flow: followed.and_then(|f| f[i].flow),
                plan,
                seed: self.seed(case),
                fps: case.truth.clip.fps(),
            })
            .collect();
        let networks = model.with(autoencoder_of(self.subjects)?);
        let sampling = &self.config.video;
        let clips = generate_own_videos(&networks, &requests, sampling, self.progress)?;
        let drawn = requests.iter().zip(clips).map(|(request, own)| {
            let clip = request.video_from(&own)?;
            Ok(Drawn { own_first: own.frames()[0].clone(), clip })
        });
        drawn.collect()
    }

    fn chains(
        &mut self,
        motion: &StageModel,
        video: &StageModel,
        plans: &[PromptPlan],
        masks: &[MaskSet],
    ) -> Result<Vec<Chain>> {
        let moved = self.trajectories(motion, plans, masks)?;
        let followed: Vec<Followed<'_>> = moved.iter().map(Moved::followed).collect();
        let videos = self.videos(video, plans, Some(&followed))?;
        let parts = plans.iter().zip(moved).zip(videos);
        let chain = |((plan, moved), drawn): ((&PromptPlan, Moved), Drawn)| Chain {
            plan: plan.clone(),
            trajectory: moved.trajectory,
            own_first: drawn.own_first,
            clip: drawn.clip,
        };
        Ok(parts.map(chain).collect())
    }
}
