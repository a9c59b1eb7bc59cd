//! Stage 2 on pictures of other worlds: cut-outs, drawn by hand or out of photographs, that move over
//! backgrounds as a file says ([`Collages`]), so that the true video and the true masks are known.
//!
//! Each collage is measured as a scene of the world is, but for what only the world's
//! rule can read: whether an action is the one that the words name.

mod cutout;
mod document;
mod scene;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, path::Path};

use serde::{Deserialize, Serialize};
use thrumask_core::{Clip, Error, Trajectory, fingerprint::sha256_hex, fsio};
use thrumask_nn::diffusion::noise::Noise;

pub use document::{Collage, Collages, CutOut, Shape, Source};

use self::{
    cutout::Album,
    scene::{Motion, Scene},
};
use super::{
    EvalConfig, Measure, Part, Row, Subjects,
    cases::Case,
    judge_cases,
    report::{Candidate, SceneScores, measure_heads, rows, table},
    resegment::Resegmenter,
    write_sheets,
};
use crate::{Result, model::MotionForm, page::Page, progress::Progress, world::Sample};

/// What was measured on one collage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Measured {
    /// The collage's name.
    pub name: String,
    /// Stage 2 by measure, means over the collage's objects.
    pub model: BTreeMap<Measure, f64>,
    /// LPIPS of the static picture, where LPIPS is measured.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub static_lpips: Option<f64>,
}

/// What was measured on the collages of a file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CollageReport {
    /// Version of the program.
    pub program: String,
    /// SHA-256 of the file of collages.
    pub collages: String,
    /// SHA-256 of each model's file.
    pub models: BTreeMap<String, String>,
    /// Seed of the model's noise, the random motion and the intervals.
    pub seed: u64,
    /// How many objects there are in all.
    pub objects: usize,
    /// The figures of each candidate, with their intervals over collages.
    pub rows: Vec<Row>,
    /// Each collage.
    pub pictures: Vec<Measured>,
}

/// Measures stage 2 (and TI2V, where it is) on the collages of `file`, whose pictures lie in `root`; of `config` count
/// seed, batch, resamples, shown and the sampling. With `out`, the report and contact sheets are written there.
///
/// # Errors
/// As [`Collages::read`]; [`Error::Invalid`] without a stage 2, or with one that follows flow; when a picture cannot
/// be read or a model fails; when `progress` stops the run.
pub fn run(
    file: &Path,
    root: &Path,
    config: &EvalConfig,
    subjects: &Subjects,
    out: Option<&Path>,
    progress: &mut dyn Progress,
) -> Result<CollageReport> {
    let bytes = fsio::read_limited(file, document::MAX_BYTES)?;
    let collages = Collages::read(file)?.collage;
    let Some(model) = &subjects.video else {
        return Err(Error::invalid("stage 2", "expected a model to measure, got none").into());
    };
    if model.config.form != MotionForm::Masks {
        return Err(
            Error::invalid("stage 2", "expected one that follows masks, got one of flow").into()
        );
    }
    let shape = model.config.video;
    let mut config =
        EvalConfig { parts: vec![Part::Video], scenes: collages.len(), ..config.clone() };
    (config.world.size, config.world.frames) = (shape.size, shape.frames);
    config.validate()?;
    let mut album = Album::new(root);
    let scenes: Vec<Scene> = collages
        .iter()
        .map(|c| Scene::new(c, &mut album, shape.size, shape.frames, config.world.fps))
        .collect::<thrumask_core::Result<_>>()?;
    let cases = |indices: std::ops::Range<usize>| {
        indices.map(|i| case(&collages, &scenes, i, config.seed)).collect()
    };
    let (scores, exhibits, worst) = judge_cases(&config, subjects, "collages", &cases, progress)?;
    let report = CollageReport {
        program: env!("CARGO_PKG_VERSION").to_owned(),
        collages: sha256_hex(&bytes),
        models: subjects.hashes.clone(),
        seed: config.seed,
        objects: scores.iter().map(|s| s.0).sum(),
        rows: rows(&scores, &config),
        pictures: collages.iter().zip(&scores).map(|(c, s)| measured(c, s)).collect(),
    };
    if let Some(folder) = out {
        std::fs::create_dir_all(folder).map_err(|e| Error::io("creating", folder, e))?;
        write_sheets(folder, "collages", &exhibits, worst)?;
        fsio::write_atomic(folder.join("report.md"), report.to_markdown().as_bytes())?;
        fsio::write_json(folder.join("report.json"), &report)?;
    }
    Ok(report)
}

/// A collage as something to judge.
fn case(
    collages: &[Collage],
    scenes: &[Scene],
    index: usize,
    seed: u64,
) -> thrumask_core::Result<Case> {
    let (scene, plan) = (&scenes[index], collages[index].plan());
    let (clip, masks) = scene.play()?;
    let (first, labels) = (&clip.frames()[0], &masks.frames()[0]);
    let resegmenter = Resegmenter::new(&scene.background()?, first, labels, masks.objects())?;
    Ok(Case {
        index: index as u64,
        ceiling: resegmenter.masks(&clip)?,
        resegmenter,
        random: random_motion(scenes, index, seed)?,
        // Nothing that is judged here reads these.
        flow: Vec::new(),
        another: masks.clone(),
        opposite: None,
        paraphrase: None,
        truth: Sample { clip, masks, plan, objects: Vec::new() },
    })
}

/// The baseline "random motion": each object moves as a randomly drawn one of another collage does, or of this one
/// when it is the only one.
fn random_motion(
    scenes: &[Scene],
    index: usize,
    seed: u64,
) -> thrumask_core::Result<(Clip, Trajectory)> {
    let noise = Noise::new(seed, "random motion of collages");
    let others = |i: usize| i != index || scenes.len() == 1;
    let pool: Vec<&Motion> =
        (0..scenes.len()).filter(|&i| others(i)).flat_map(|i| scenes[i].motions()).collect();
    let draw = |i: usize| {
        let u = noise.uniform((index * 64 + i) as u64);
        pool[((u * pool.len() as f32) as usize).min(pool.len() - 1)].clone()
    };
    let motions: Vec<Motion> = (0..scenes[index].motions().len()).map(draw).collect();
    scenes[index].play_as(&motions)
}

fn measured(collage: &Collage, (_, scores): &SceneScores) -> Measured {
    let of = |candidate| scores.get(&(Part::Video, candidate));
    let means = of(Candidate::Model)
        .map(|s| Measure::ALL.iter().filter_map(|&m| Some((m, s.mean(m)?))).collect());
    Measured {
        name: collage.name.clone(),
        model: means.unwrap_or_default(),
        static_lpips: of(Candidate::StaticPicture).and_then(|s| s.mean(Measure::Lpips)),
    }
}

impl CollageReport {
    /// The report in Markdown.
    pub fn to_markdown(&self) -> String {
        let mut page = Page::default();
        page.heading(1, "Stage 2 on collages");
        let mut facts: Vec<String> =
            self.models.iter().map(|(role, hash)| format!("{role}: sha256:{hash}")).collect();
        facts.push(format!("collages: sha256:{}", self.collages));
        facts.push(format!(
            "seed {}, {} collages, {} objects; in brackets 95 % intervals (bootstrap over collages)",
            self.seed,
            self.pictures.len(),
            self.objects
        ));
        page.list(facts);
        table(&mut page, Part::Video, &self.rows.iter().collect::<Vec<_>>());
        page.heading(3, "Each collage");
        let columns = [
            Measure::J,
            Measure::TrackedJ,
            Measure::Appearance,
            Measure::FirstPsnr,
            Measure::Psnr,
            Measure::Lpips,
        ];
        let mut heads = measure_heads(&columns);
        heads.push("LPIPS (static picture)".into());
        let number = |m: Measure, v: f64| match m {
            Measure::FirstPsnr | Measure::Psnr => format!("{v:.1}"),
            Measure::Lpips => format!("{v:.3}"),
            _ => format!("{v:.2}"),
        };
        let row = |p: &Measured| {
            let cell = |m: &Measure| p.model.get(m).map_or(String::new(), |&v| number(*m, v));
            let still = p.static_lpips.map_or(String::new(), |v| number(Measure::Lpips, v));
            let name = [p.name.clone()].into_iter();
            name.chain(columns.iter().map(cell)).chain([still]).collect()
        };
        page.table(heads, self.pictures.iter().map(row).collect());
        page.to_markdown()
    }
}
