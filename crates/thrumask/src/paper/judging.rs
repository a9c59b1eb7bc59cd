//! Lets every model work on the same scenes, and scores what they make.

use std::{collections::BTreeMap, ops::Range, path::Path};

use burn::tensor::Device;
use rayon::prelude::*;
use thrumask_core::{Clip, Error, Picture, Trajectory, fingerprint::Fingerprint};

use super::{
    MODEL, Method, PaperConfig, Report, Trained, classifier_folder, flow_autoencoder_folder,
    model_folder,
    records::{Provenance, Record, Records},
    tables,
};
use crate::{
    Result,
    eval::{
        Crowd, EvalConfig, Part, Subjects, Within,
        cases::{Case, Selection, static_picture},
        classifier::{Classifier, Look},
        generate::{self, Drawn, Made},
        measure::{FoundBy, Scores},
        sheets::{self, Exhibit, Strip},
    },
    model::{
        Sampling,
        files::{read_bytes, to_json},
    },
    motion::{OpenWords, Outlines},
    progress::Progress,
    world::{Split, WorldConfig},
};

/// Version of the scores; it counts up when a measure changes, so that old and new are not mixed.
const SCORES: u32 = 1;
/// The groups of scenes.
pub const CROWDS: [Crowd; 2] = [Crowd::Single, Crowd::Multi];
/// What each method is judged at: the way from the caption, and its second stage alone.
pub const PARTS: [Part; 2] = [Part::Chained, Part::Video];

/// The trained models of a comparison.
struct Models {
    /// For each method and seed what its stages are.
    subjects: BTreeMap<(u64, Method), Subjects>,
    classifier: Classifier,
    world: WorldConfig,
    motion: Sampling,
    video: Sampling,
    origin: Provenance,
}

/// Judges the trained models in `folder` and writes contact sheets there.
///
/// # Errors
/// When a model is missing or broken, files cannot be written, or `progress` stops the run.
pub fn judge(
    config: &PaperConfig,
    base: &Path,
    folder: &Path,
    device: &Device,
    progress: &mut dyn Progress,
) -> Result<Report> {
    let models = Models::read(config, base, folder, device)?;
    let mut groups = Vec::new();
    for crowd in CROWDS {
        let name = format!("scores-{crowd:?}.jsonl").to_lowercase();
        let mut records = Records::open(&folder.join(name), &models.origin)?;
        for start in (0..config.scenes).step_by(config.batch) {
            progress.step(crowd.words(), start, config.scenes)?;
            let range = start..(start + config.batch).min(config.scenes);
            models.chunk(config, crowd, range, &mut records, progress)?;
        }
        progress.step(crowd.words(), config.scenes, config.scenes)?;
        groups.push(tables::group(config, crowd, records.all()));
        let sheet = models.sheet(config, crowd, progress)?;
        if let Some(sheet) = sheet {
            sheet.write_png(folder.join(format!("sheet-{crowd:?}.png").to_lowercase()))?;
        }
    }
    Ok(Report::new(config, &models.world, groups))
}

impl Models {
    fn read(config: &PaperConfig, base: &Path, folder: &Path, device: &Device) -> Result<Self> {
        let seed = *config.seeds.first().unwrap_or(&1);
        let motion = config.training(base, Trained::Masks, seed)?;
        let video = config.training(base, Trained::Both, seed)?;
        let section = |t: &crate::train::TrainConfig| {
            let missing = || Error::invalid("training configuration", "expected [stage], got none");
            t.stage.clone().ok_or_else(missing)
        };
        let (motion_stage, video_stage) = (section(&motion)?, section(&video)?);
        if motion.world != video.world {
            let reason = "expected the same world for both stages, got two";
            return Err(Error::invalid("training configuration", reason).into());
        }
        let autoencoder = read_bytes(&base.join(&video_stage.autoencoder))?;
        let of_flow = read_bytes(&flow_autoencoder_folder(folder).join(MODEL))?;
        let path = match &config.classifier_model {
            Some(path) => base.join(path),
            None => classifier_folder(folder).join(MODEL),
        };
        let bytes = read_bytes(&path)?;
        let classifier = Classifier::read(&path.display().to_string(), &bytes, device)?;
        let how = to_json(
            "how it is judged",
            &(&motion_stage.sampling, &video_stage.sampling, &video.world),
        )?;
        let shared = Fingerprint::new("paper")
            .bytes("autoencoder", &autoencoder)
            .bytes("autoencoder of flow", &of_flow)
            .bytes("classifier", &bytes)
            .text("scores", SCORES)
            .text("how", how);
        let mut subjects = BTreeMap::new();
        let mut seeds = BTreeMap::new();
        for &seed in &config.seeds {
            let mut print = Fingerprint::new("paper's seed");
            for method in Method::ALL {
                let Some((first, last)) = method.models() else { continue };
                let mut models = Subjects::default();
                let autoencoder = if last.is_flow() { &of_flow } else { &autoencoder };
                models.add("autoencoder", "autoencoder", autoencoder, device)?;
                for model in first.into_iter().chain([last]) {
                    let path = model_folder(folder, model, seed).join(MODEL);
                    let bytes = read_bytes(&path)?;
                    let role = match model {
                        Trained::Masks | Trained::Flow => "motion",
                        Trained::Ti2v => "ti2v",
                        _ => "video",
                    };
                    models.add(role, &path.display().to_string(), &bytes, device)?;
                    print = print.bytes(model.name(), &bytes);
                }
                subjects.insert((seed, method), models);
            }
            seeds.insert(seed, print.finish());
        }
        Ok(Self {
            subjects,
            classifier,
            world: video.world,
            motion: motion_stage.sampling,
            video: video_stage.sampling,
            origin: Provenance { shared: shared.finish(), seeds },
        })
    }

    fn selection(&self, config: &PaperConfig, crowd: Crowd) -> Selection {
        let (world, scenes, split, seed) = (self.world.clone(), config.scenes, Split::Test, 0);
        Selection { world, split, crowd, scenes, seed }
    }

    fn settings(&self, config: &PaperConfig) -> EvalConfig {
        EvalConfig {
            batch: config.batch,
            parts: PARTS.to_vec(),
            world: self.world.clone(),
            motion: self.motion,
            // The paper's trajectories are what the network makes of the words and paints.
            outlines: Outlines::Painted,
            open_words: OpenWords::Left,
            video: self.video,
            ..EvalConfig::default()
        }
    }

    /// Scores what is missing of some scenes.
    fn chunk(
        &self,
        config: &PaperConfig,
        crowd: Crowd,
        range: Range<usize>,
        records: &mut Records,
        progress: &mut dyn Progress,
    ) -> Result<()> {
        let missing = |seed: u64, method: Method| {
            let key = |scene: usize| (scene as u64, seed, method, PARTS[0]);
            range.clone().any(|scene| !records.has(&key(scene)))
        };
        let made_by_none = [Method::Truth, Method::Static].map(|m| (0, m));
        let wanted: Vec<(u64, Method)> = made_by_none
            .into_iter()
            .chain(self.subjects.keys().copied())
            .filter(|&(seed, method)| missing(seed, method))
            .collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let cases = self.selection(config, crowd).cases(range.clone())?;
        for (seed, method) in wanted {
            let videos = match self.subjects.get(&(seed, method)) {
                Some(subjects) => {
                    let (stage, done, total) = (crowd.words(), range.start, config.scenes);
                    let mut within = Within { outer: progress, stage, done, total };
                    let settings = self.settings(config);
                    let made = generate::make(subjects, &cases, &settings, &mut within)?;
                    made.into_iter().flat_map(|made| [chained(&made), alone(&made)]).collect()
                }
                None => baseline(method, &cases)?,
            };
            records.add(self.score(&cases, seed, method, &videos)?)?;
        }
        Ok(())
    }

    /// Scores videos, one for each scene and part in turn.
    fn score(
        &self,
        cases: &[Case],
        seed: u64,
        method: Method,
        videos: &[Option<Video>],
    ) -> Result<Vec<Record>> {
        let of = |i: usize| (&cases[i / PARTS.len()], PARTS[i % PARTS.len()]);
        let found = videos
            .par_iter()
            .enumerate()
            .map(|(i, video)| {
                let Some(video) = video else { return Ok(None) };
                let masks = match method {
                    Method::Truth => of(i).0.ceiling.clone(),
                    _ => of(i).0.resegmenter.masks(&video.clip)?,
                };
                Ok(Some(masks))
            })
            .collect::<thrumask_core::Result<Vec<Option<Trajectory>>>>()?;
        let seen: Vec<(usize, &Video, &Trajectory)> = videos
            .iter()
            .zip(&found)
            .enumerate()
            .filter_map(|(i, (video, masks))| Some((i, video.as_ref()?, masks.as_ref()?)))
            .collect();
        let shown: Vec<(&Clip, &Trajectory)> = seen.iter().map(|(_, v, m)| (&v.clip, *m)).collect();
        let looks = self.classifier.look(&shown)?;
        let record = |((i, video, masks), look): (&(usize, &Video, &Trajectory), Look)| {
            let (case, part) = of(*i);
            let mut scores = Scores::default();
            scores.masks(masks, &case.truth);
            scores.displacement(masks);
            match part {
                Part::Video => scores.adherence(masks, &case.truth.masks, FoundBy::Looks),
                _ => {
                    video.trajectory.iter().for_each(|t| scores.adherence(masks, t, FoundBy::Looks))
                }
            }
            scores.pictures(&video.clip, masks, &case.truth);
            if let Some(own) = &video.own_first {
                scores.first_frame(own, &case.truth.clip.frames()[0]);
            }
            scores.look(&look, &case.truth);
            let (scene, features) = (case.index, look.features());
            Record { scene, seed, method, part, figures: scores.figures, features }
        };
        Ok(seen.iter().zip(looks).map(record).collect())
    }

    /// The first scenes as every method makes them with the first seed; `None` when none is asked for.
    fn sheet(
        &self,
        config: &PaperConfig,
        crowd: Crowd,
        progress: &mut dyn Progress,
    ) -> Result<Option<Picture>> {
        let shown = config.shown.min(config.scenes);
        if shown == 0 {
            return Ok(None);
        }
        let cases = self.selection(config, crowd).cases(0..shown)?;
        let mut exhibits: Vec<Exhibit> = cases
            .iter()
            .map(|case| Exhibit {
                caption: case.truth.plan.caption.clone(),
                strips: vec![strip("true video", &case.truth.clip)],
            })
            .collect();
        let seed = config.seeds.first().copied().unwrap_or(1);
        for method in Method::ALL {
            let Some(subjects) = self.subjects.get(&(seed, method)) else { continue };
            let mut within =
                Within { outer: progress, stage: "contact sheet", done: 0, total: shown };
            let made = generate::make(subjects, &cases, &self.settings(config), &mut within)?;
            for (exhibit, made) in exhibits.iter_mut().zip(&made) {
                let label = method.words().replace('*', "");
                if let Some(video) = chained(made) {
                    exhibit.strips.push(strip(&label, &video.clip));
                }
            }
        }
        Ok(Some(sheets::sheet(&exhibits, 2)?))
    }
}

/// A video to be scored.
struct Video {
    clip: Clip,
    /// The network's own frame 0.
    own_first: Option<Picture>,
    /// What it was made to follow.
    trajectory: Option<Trajectory>,
}

/// What the way from the caption made of a scene.
fn chained(made: &Made) -> Option<Video> {
    let chain = made.chain.as_ref().map(|c| Video {
        clip: c.clip.clone(),
        own_first: Some(c.own_first.clone()),
        trajectory: Some(c.trajectory.clone()),
    });
    chain.or_else(|| made.ti2v.as_ref().map(drawn))
}

/// What stage 2 made of a scene's true trajectory.
fn alone(made: &Made) -> Option<Video> {
    made.video.as_ref().map(drawn)
}

fn drawn(made: &Drawn) -> Video {
    Video { clip: made.clip.clone(), own_first: Some(made.own_first.clone()), trajectory: None }
}

/// What no model makes; there is no second stage of it.
fn baseline(method: Method, cases: &[Case]) -> Result<Vec<Option<Video>>> {
    let mut videos = Vec::new();
    for case in cases {
        let clip = match method {
            Method::Truth => case.truth.clip.clone(),
            _ => static_picture(&case.truth)?.0,
        };
        let true_masks = (method == Method::Truth).then(|| case.truth.masks.clone());
        videos.push(Some(Video { clip, own_first: None, trajectory: true_masks }));
        videos.push(None);
    }
    Ok(videos)
}

fn strip(label: &str, clip: &Clip) -> Strip {
    Strip { part: None, label: label.into(), frames: clip.frames().to_vec() }
}
