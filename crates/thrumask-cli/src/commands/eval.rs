//! `thrumask eval`: measures models.

mod adherence;
mod classifier;
mod collage;
mod judged;
mod motion;
mod plan;

use std::path::PathBuf;

use anyhow::{Result, anyhow};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::Value;
use thrumask::{
    eval::{Crowd, EvalConfig, Part, run},
    motion::{OpenWords, Outlines},
    pipeline,
    progress::Progress,
    world::Split,
};

use crate::{
    options::{TalkOptions, assignment, start_threads},
    terminal,
};
use judged::Judged;

/// Measure models.
#[derive(Debug, Args)]
pub struct Eval {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    World(Box<World>),
    Adherence(adherence::AdherenceOf),
    Classifier(classifier::Classifier),
    Collage(Box<collage::CollageOf>),
    Motion(motion::Motion),
    Plan(plan::Plan),
}

/// Judge the models on held-out scenes of the procedural world.
///
/// Prints one table for each part (segmenter, stage 1, stage 1 in other words, stage 2, the whole
/// chain), beside the static
/// picture, random motion and, where there is one, the model without trajectories (ti2v). Every
/// figure has its 95 % interval. With --out, writes report.json, report.md, contact sheets
/// (still and moving) and sheets of the worst scenes.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  thrumask eval world --out results
  thrumask eval world --models train/out --scenes 24 --parts motion --splits test
  thrumask eval world --motion train/motion/model.safetensors --parts motion")]
struct World {
    #[command(flatten)]
    judged: Judged,
    /// Folder for the report, the contact sheets and those of the worst scenes.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Scenes of each split and number of objects.
    #[arg(long, default_value_t = 64)]
    scenes: usize,
    /// What to judge.
    #[arg(long, value_delimiter = ',', default_values_t = Parts::ALL)]
    parts: Vec<Parts>,
    /// Which scenes; choose settings on those of validation, report on the others.
    #[arg(long, value_delimiter = ',', default_values_t = Splits::ALL.into_iter().skip(1))]
    splits: Vec<Splits>,
    /// How many objects.
    #[arg(long, value_delimiter = ',', default_values_t = Objects::ALL)]
    objects: Vec<Objects>,
    /// Seed of all noise, the baselines and the intervals; the scenes are always the same.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Denoising steps of all stages [default: those of the models].
    #[arg(long)]
    steps: Option<usize>,
    /// One setting by its dotted key in report.json's "config", such as motion.guidance.text=2; may
    /// be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = assignment)]
    set: Vec<(String, Value)>,
    /// Scenes that are worked on at once.
    #[arg(long, default_value_t = 8)]
    batch: usize,
    /// Threads to work with [default: all].
    #[arg(long)]
    threads: Option<usize>,
    #[command(flatten)]
    talk: TalkOptions,
}

/// Declares an option's words and what they stand for.
macro_rules! words {
    ($name:ident => $target:ident { $($word:ident = $text:literal),+ $(,)? }) => {
        #[derive(Debug, Clone, Copy, ValueEnum)]
        enum $name { $($word),+ }

        impl $name {
            const ALL: [Self; [$($text),+].len()] = [$(Self::$word),+];

            fn target(self) -> $target {
                match self { $(Self::$word => $target::$word),+ }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(match self { $(Self::$word => $text),+ })
            }
        }
    };
}

words!(Parts => Part {
    Segmenter = "segmenter", Motion = "motion", Words = "words", Video = "video", Chained = "chained",
});
words!(Splits => Split {
    Validation = "validation", Test = "test", Compositional = "compositional",
});
words!(Objects => Crowd { Single = "single", Multi = "multi" });

impl Eval {
    /// Does it.
    pub fn run(self) -> Result<()> {
        match self.what {
            What::World(world) => world.run(),
            What::Adherence(adherence) => adherence.run(),
            What::Classifier(classifier) => classifier.run(),
            What::Collage(collage) => collage.run(),
            What::Motion(motion) => motion.run(),
            What::Plan(plan) => plan.run(),
        }
    }
}

impl World {
    fn run(self) -> Result<()> {
        if let Some(threads) = self.threads {
            start_threads(threads)?;
        }
        let subjects = self.judged.subjects()?;
        let [motion, video] = subjects.sampling(self.judged.others());
        let mut config = EvalConfig {
            motion,
            outlines: Outlines::usual(self.judged.others()),
            open_words: OpenWords::usual(self.judged.others()),
            video,
            seed: self.seed,
            scenes: self.scenes,
            batch: self.batch,
            parts: self.parts.iter().map(|p| p.target()).collect(),
            splits: self.splits.iter().map(|s| s.target()).collect(),
            crowds: self.objects.iter().map(|o| o.target()).collect(),
            ..EvalConfig::default()
        };
        if let Some(steps) = self.steps {
            (config.motion.steps, config.video.steps) = (steps, steps);
        }
        let mut set = serde_json::to_value(&config)?;
        for (key, value) in &self.set {
            pipeline::merge(&mut set, &pipeline::nested(key, value.clone()));
        }
        let config: EvalConfig = serde_json::from_value(set).map_err(|e| anyhow!("--set: {e}"))?;
        let mut bars = Bars::new(self.talk.reporter());
        let report = run(&config, &subjects, self.out.as_deref(), &mut bars)?;
        if self.talk.json {
            return terminal::print_json(&report);
        }
        terminal::print(&report.to_markdown())
    }
}

/// Shows one bar for each group of scenes.
pub struct Bars {
    inner: terminal::Terminal,
    stage: String,
}

impl Bars {
    /// Bars on a terminal.
    pub fn new(inner: terminal::Terminal) -> Self {
        Self { inner, stage: String::new() }
    }
}

impl Progress for Bars {
    fn step(&mut self, stage: &str, done: usize, total: usize) -> thrumask::Result<()> {
        use thrumask::pipeline::Reporter;
        if self.stage != stage {
            self.stage = stage.to_owned();
            self.inner.begin(stage);
        }
        self.inner.step(stage, done, total)
    }
}
