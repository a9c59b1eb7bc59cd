//! The whole evaluation, with models that have learned nothing.

use burn::tensor::Device;
use thrumask_nn::{
    autoencoder::{Autoencoder, AutoencoderConfig, LatentCodecConfig},
    layers::Init,
    text::Vocabulary,
};

use super::*;
use crate::{
    model::{Network, StageConfig, StageKind, StageModel, VideoShape},
    progress::Silent,
    world,
};

const SHAPE: VideoShape = VideoShape { size: 48, frames: 12 };

fn stage(kind: StageKind, seed: u64) -> StageModel {
    let latents = LatentCodecConfig::Patches(AutoencoderConfig::nano());
    let config = StageConfig::nano(kind, &latents, SHAPE).unwrap();
    let tokenizer = Vocabulary::new(world::words()).unwrap().into();
    let mut init = Init::new(seed, &Device::flex());
    let network = Network::new(&mut init, &config, &tokenizer).unwrap();
    StageModel { config, tokenizer, network }
}

fn subjects() -> Subjects {
    let mut init = Init::new(1, &Device::flex());
    Subjects {
        autoencoder: Some(Autoencoder::new(&mut init, &AutoencoderConfig::nano()).unwrap().into()),
        motion: Some(stage(StageKind::Motion, 2)),
        video: Some(stage(StageKind::Video, 3)),
        ti2v: Some(stage(StageKind::Ti2v, 4)),
        ..Subjects::default()
    }
}

fn config(batch: usize) -> EvalConfig {
    let mut config = EvalConfig {
        scenes: 3,
        batch,
        resamples: 100,
        splits: vec![Split::Test],
        shown: 1,
        ..EvalConfig::default()
    };
    (config.motion.steps, config.video.steps) = (1, 1);
    config
}

/// Stops the run when two scenes of several objects are done.
struct Stop;

impl Progress for Stop {
    fn step(&mut self, stage: &str, done: usize, _total: usize) -> Result<()> {
        let now = stage.ends_with(Crowd::Multi.words()) && done == 2;
        if now { Err(Error::Interrupted.into()) } else { Ok(()) }
    }
}

#[test]
fn every_part_is_judged_beside_its_baselines() {
    let report = run(&config(3), &subjects(), None, &mut Silent).unwrap();
    assert!(report.complete);
    assert_eq!(report.rule_agrees(), Some(true));
    assert_eq!((report.config.world.size, report.config.world.frames), (48, 12));
    let crowds: Vec<Crowd> = report.groups.iter().map(|g| g.crowd).collect();
    assert_eq!(crowds, [Crowd::Single, Crowd::Multi, Crowd::TwoOrThree]);
    use Candidate::*;
    for group in &report.groups[..2] {
        for candidate in [Truth, Autoencoder, Model, StaticPicture, RandomMotion] {
            let row = group.row(Part::Motion, candidate).unwrap();
            assert_eq!(row.figures[&Measure::Actions].count, group.objects, "{candidate:?}");
        }
        for candidate in [Truth, Autoencoder, Model, Ti2v, StaticPicture, RandomMotion] {
            let row = group.row(Part::Video, candidate).unwrap();
            assert!(row.figures.contains_key(&Measure::J), "{candidate:?}");
        }
        for candidate in [Truth, Model, Ti2v, StaticPicture, RandomMotion] {
            assert!(group.row(Part::Chained, candidate).is_some(), "{candidate:?}");
        }
        // Paraphrases of the first scenes are there, studied ones and others.
        for candidate in [StudiedOwn, StudiedParaphrase, UnseenOwn, UnseenParaphrase] {
            let row = group.row(Part::Words, candidate).unwrap();
            let [named, actions] =
                [Measure::Named, Measure::Actions].map(|m| row.figures[&m].count);
            assert!(named == actions && named > 0, "{candidate:?}");
        }
        let row = group.row(Part::Words, StrangeNames).unwrap();
        assert_eq!(row.figures[&Measure::Actions].count, group.objects);
        let iou = |c| group.row(Part::Motion, c).unwrap().figures[&Measure::Iou].mean;
        assert_eq!(iou(Truth), 1.0);
        assert!(iou(StaticPicture) < 0.9);
        // No segmenter, no rows of it.
        assert!(group.row(Part::Segmenter, Model).is_none());
        assert!(group.row(Part::Chained, FoundMasks).is_none());
    }
    let text = report.to_markdown();
    for words in ["held-out, 2-4 objects", "static picture", "TI2V", "**chain, true first masks**"]
    {
        assert!(text.contains(words), "{words}");
    }
}

#[test]
fn neither_batches_nor_interruptions_change_a_figure() {
    let folder = tempfile::tempdir().unwrap();
    let whole = run(&config(2), &subjects(), None, &mut Silent).unwrap();
    let out = Some(folder.path());
    // One scene at a time, and stopped in the second group.
    let stopped = run(&config(1), &subjects(), out, &mut Stop);
    assert!(stopped.is_err_and(|e| e.is_interrupted()));
    let text = std::fs::read_to_string(folder.path().join("report.json")).unwrap();
    let part: Report = serde_json::from_str(&text).unwrap();
    assert!(!part.complete);
    assert_eq!(part.groups.len(), 1);
    let resumed = run(&config(1), &subjects(), out, &mut Silent).unwrap();
    assert_eq!(resumed.groups, whole.groups);
    let text = std::fs::read_to_string(folder.path().join("report.json")).unwrap();
    assert_eq!(serde_json::from_str::<Report>(&text).unwrap(), resumed);
    for name in ["report.md", "sheet-test-single.png", "sheet-test-multi.png"] {
        assert!(folder.path().join(name).is_file(), "{name}");
    }
}

#[test]
fn what_does_not_fit_is_refused_in_words() {
    let says = |config: EvalConfig, subjects: &Subjects, words: &str| {
        let e = run(&config, subjects, None, &mut Silent).unwrap_err().to_string();
        assert!(e.contains(words), "{e}");
    };
    says(EvalConfig { scenes: 0, ..config(1) }, &Subjects::default(), "scenes");
    says(EvalConfig { parts: vec![], ..config(1) }, &Subjects::default(), "parts");
    let alone = Subjects { autoencoder: None, ..subjects() };
    says(config(1), &alone, "autoencoder");
    let mut odd = subjects();
    if let Some(video) = &mut odd.video {
        video.config.video.frames = 6;
    }
    says(config(1), &odd, "6 frames");
    let mut none = Subjects::default();
    assert!(none.add("painter", "file", &[], &Device::flex()).is_err());
    assert!(none.add("motion", "file", b"no weights", &Device::flex()).is_err());
}
