//! Training of the classifier of the world on true videos and masks. A share of them is made softer, and
//! the masks less exact, as those of generated videos are, so that it judges these for what they show.

use std::collections::BTreeMap;

use burn::{
    module::Module,
    tensor::{Device, Tensor, TensorData},
};
use thrumask_core::{Clip, Error, LabelMap, Picture, Size, Trajectory};
use thrumask_nn::{
    layers::Init,
    perception::classifier::{
        ClassifierConfig, ClassifierTargets, VideoClassifier, classifier_loss,
    },
    pixels::pixels_from_frames,
};

use super::{ClassifierTraining, RunConfig, Task, TrainConfig, batches::made, draw::Draw};
use crate::{
    Result,
    eval::{
        Measure,
        classifier::{Classifier, answers, classes, cover, questions},
        measure::Scores,
    },
    world::{self, ObjectTruth, Sample, Split, WorldConfig},
};

/// Training of the classifier on the world.
pub struct ClassifierTask {
    training: ClassifierTraining,
    model: ClassifierConfig,
    world: WorldConfig,
    run: RunConfig,
    device: Device,
}

/// What one step looks at.
pub struct ClassifierBatch {
    pixels: Tensor<5>,
    cover: Tensor<4>,
    targets: ClassifierTargets,
}

impl ClassifierTask {
    /// The task of a configuration.
    ///
    /// # Errors
    /// When the configuration has no section `[classifier]`, or its network does not fit the world.
    pub fn new(config: &TrainConfig, device: &Device) -> Result<Self> {
        let training = config.classifier.clone().ok_or_else(|| {
            Error::invalid("training configuration", "expected a section [classifier], got none")
        })?;
        let WorldConfig { size, frames, .. } = config.world;
        let video = [frames, size, size];
        let model = training.model.clone();
        let model = model.unwrap_or_else(|| ClassifierConfig::nano(video, classes()));
        model.check()?;
        let (expected, got) = ((video, classes()), (model.video, model.classes.clone()));
        if expected != got {
            let words =
                |v: ([usize; 3], Vec<usize>)| format!("videos {:?}, classes {:?}", v.0, v.1);
            return Err(Error::mismatch("classifier.model", words(expected), words(got)).into());
        }
        let (world, run) = (config.world.clone(), config.run.clone());
        Ok(Self { training, model, world, run, device: device.clone() })
    }

    fn assemble(
        &self,
        samples: &[(Clip, Trajectory, Vec<ObjectTruth>)],
    ) -> Result<ClassifierBatch> {
        let (batch, grid) = (samples.len(), self.model.grid());
        let most = samples.iter().map(|s| s.2.len()).max().unwrap_or(0).max(1);
        let videos: Vec<&[Picture]> = samples.iter().map(|s| s.0.frames()).collect();
        let covers: Vec<f32> = samples.iter().flat_map(|s| cover(&s.1, grid, most)).collect();
        let (mut objects, mut clip) = (Vec::new(), Vec::new());
        for (question, &k) in self.model.classes.iter().enumerate() {
            let mut own = vec![0f32; batch * most * k];
            let mut any = vec![0f32; batch * k];
            for (b, (_, _, truth)) in samples.iter().enumerate() {
                for (o, object) in truth.iter().enumerate() {
                    let class = answers(object)[question];
                    own[(b * most + o) * k + class] = 1.0;
                    any[b * k + class] = 1.0;
                }
            }
            objects.push(Tensor::from_data(TensorData::new(own, [batch, most, k]), &self.device));
            clip.push(Tensor::from_data(TensorData::new(any, [batch, k]), &self.device));
        }
        let shape = [batch, grid[0], most, grid[1] * grid[2]];
        Ok(ClassifierBatch {
            pixels: pixels_from_frames(&videos, &self.device)?,
            cover: Tensor::from_data(TensorData::new(covers, shape), &self.device),
            targets: ClassifierTargets { objects, clip },
        })
    }

    /// A sample as a generated video might show it.
    fn varied(&self, sample: Sample, index: u64) -> Result<(Clip, Trajectory, Vec<ObjectTruth>)> {
        let mut draw = Draw::new(self.run.seed, "train/classifier", index);
        let Sample { mut clip, mut masks, objects, .. } = sample;
        if draw.chance(self.training.softened) {
            let size = clip.size();
            let share = draw.range(0.4, 0.9);
            let less = |n: usize| ((n as f32 * share) as usize).max(1);
            let small = Size::new(less(size.width), less(size.height));
            let soft = |p: &Picture| p.resize(small)?.resize(size);
            let frames = clip.frames().iter().map(soft).collect::<thrumask_core::Result<_>>()?;
            clip = Clip::new(frames, clip.fps())?;
        }
        if draw.chance(self.training.inexact) {
            let frames = masks.frames().iter().map(|f| inexact(f, &mut draw)).collect();
            masks = Trajectory::new(frames, masks.objects(), masks.fps())?;
        }
        Ok((clip, masks, objects))
    }
}

/// Masks moved by up to two pixels, and their edges by one.
fn inexact(frame: &LabelMap, draw: &mut Draw) -> LabelMap {
    let size = frame.size();
    let by = [(); 2].map(|()| draw.below(5) as isize - 2);
    let grows = draw.below(3);
    let at = |x: isize, y: isize| {
        let (x, y) = (x - by[0], y - by[1]);
        let inside =
            (0..size.width as isize).contains(&x) && (0..size.height as isize).contains(&y);
        if inside { frame.id_at(x as usize, y as usize) } else { 0 }
    };
    let mut made = LabelMap::empty(size);
    for (i, id) in made.ids_mut().iter_mut().enumerate() {
        let (x, y) = ((i % size.width) as isize, (i / size.width) as isize);
        let own = at(x, y);
        let mut near =
            [(1, 0), (-1, 0), (0, 1), (0, -1)].map(|(dx, dy)| at(x + dx, y + dy)).into_iter();
        *id = match (grows, own) {
            (1, 0) => near.find(|&v| v != 0).unwrap_or(0),
            (2, _) if near.any(|v| v != own) => 0,
            _ => own,
        };
    }
    made
}

impl Task for ClassifierTask {
    type Network = VideoClassifier;
    type Batch = ClassifierBatch;

    fn fresh(&self, device: &Device) -> Result<VideoClassifier> {
        Ok(VideoClassifier::new(&mut Init::new(self.run.seed, device), &self.model)?)
    }

    fn batch(&self, step: u64) -> Result<ClassifierBatch> {
        let batch = self.run.batch as u64;
        let make = |i: u64| self.varied(world::sample(&self.world, Split::Train, i)?, i);
        let samples = made(step * batch..(step + 1) * batch, &self.device, make)?;
        self.assemble(&samples)
    }

    fn loss(&self, network: &VideoClassifier, batch: ClassifierBatch) -> Result<Tensor<1>> {
        let device = network.devices().into_iter().next().unwrap_or_else(Device::flex);
        let seen =
            network.forward(batch.pixels.to_device(&device), batch.cover.to_device(&device))?;
        let ClassifierTargets { objects, clip } = batch.targets;
        let targets = ClassifierTargets {
            objects: objects.into_iter().map(|t| t.to_device(&device)).collect(),
            clip: clip.into_iter().map(|t| t.to_device(&device)).collect(),
        };
        Ok(classifier_loss(&seen, &targets))
    }

    fn validate(&self, network: &VideoClassifier) -> Result<(BTreeMap<String, f64>, Picture)> {
        let count = self.run.validation_samples as u64;
        let samples = world::samples(&self.world, Split::Validation, 0..count)?;
        let classifier = Classifier::new(network.clone(), &self.device);
        let clips: Vec<_> = samples.iter().map(|s| (&s.clip, &s.masks)).collect();
        let mut scores = Scores::default();
        for (look, sample) in classifier.look(&clips)?.iter().zip(&samples) {
            scores.seen(look, sample, |_| true);
        }
        let measures = [Measure::KindSeen, Measure::ColorSeen, Measure::ActionSeen];
        let named = questions().into_iter().zip(measures).map(|((name, _), measure)| {
            (format!("{name}_accuracy"), scores.mean(measure).unwrap_or(0.0))
        });
        let scores = named.collect();
        let shown: Vec<Sample> = samples.into_iter().take(8).collect();
        Ok((scores, world::contact_sheet(&shown, 2)?))
    }

    fn export(&self, network: VideoClassifier) -> Result<Vec<u8>> {
        Classifier::new(network.no_grad(), &self.device).write()
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, path::Path};

    use super::{
        super::{Outcome, Report, train_configured},
        *,
    };

    /// Steps of a short training.
    const STEPS: u64 = 150;

    #[test]
    fn inexact_masks_keep_their_objects_about_where_they_are() {
        let truth = world::sample(&WorldConfig::default(), Split::Test, 1).unwrap();
        let mut changed = 0;
        for index in 0..20 {
            let frame = &truth.masks.frames()[0];
            let made = inexact(frame, &mut Draw::new(1, "test", index));
            changed += usize::from(made != *frame);
            for id in frame.ids_present().into_iter().filter(|&id| id != 0) {
                let (a, b) = (frame.box_of(id).unwrap(), made.box_of(id).unwrap());
                assert!(a.x0.abs_diff(b.x0) <= 3 && a.y1.abs_diff(b.y1) <= 3, "{a:?} {b:?}");
            }
        }
        assert!(changed >= 15, "{changed}");
    }

    /// A small network on small scenes.
    fn config(steps: u64) -> TrainConfig {
        let text = format!(
            r#"
task = "classifier"
run = {{ seed = 1, steps = {steps}, batch = 8, checkpoint_every = 50, validate_every = {steps}, validation_samples = 48 }}
optimizer = {{ warmup = 5, ema = 0.9 }}
world = {{ size = 24, frames = 9 }}
[classifier]
softened = 0.5
inexact = 0.5
[classifier.model]
video = [9, 24, 24]
patch = [3, 4, 4]
width = 24
heads = 2
depth = 1
classes = {:?}
"#,
            classes()
        );
        TrainConfig::from_toml("classifier.toml", &text, &[]).unwrap()
    }

    /// Trains in a folder until the end, or until so many steps are done; gives the last scores.
    fn run(config: &TrainConfig, folder: &Path, until: u64) -> (Outcome, BTreeMap<String, f64>) {
        let done = Cell::new(0);
        let mut last = BTreeMap::new();
        let mut hear = |report| match report {
            Report::Step { step, .. } => done.set(step),
            Report::Validation { scores, .. } => last = scores,
            Report::Notice(words) => panic!("{words}"),
        };
        let device = Device::flex().autodiff();
        let stop = || done.get() >= until;
        let outcome =
            train_configured(config, Path::new(""), folder, &device, &stop, &mut hear).unwrap();
        (outcome, last)
    }

    #[test]
    fn it_learns_colors_and_goes_on_to_the_same_bytes() {
        let base = tempfile::tempdir().unwrap();
        let (whole, cut) = (base.path().join("whole"), base.path().join("cut"));
        let config = config(STEPS);
        let (outcome, scores) = run(&config, &whole, u64::MAX);
        assert_eq!(outcome, Outcome::Finished);
        // One colour in eight is right by chance; two in five are after these steps.
        assert!(scores["color_accuracy"] > 0.25, "{scores:?}");
        assert_eq!(run(&config, &cut, STEPS / 3).0, Outcome::Interrupted);
        assert_eq!(run(&config, &cut, u64::MAX), (Outcome::Finished, scores));
        for name in ["model.safetensors", "checkpoint.safetensors"] {
            let read = |folder: &Path| std::fs::read(folder.join(name)).unwrap();
            assert!(read(&whole) == read(&cut), "{name}");
        }
        let bytes = std::fs::read(cut.join("model.safetensors")).unwrap();
        let classifier = Classifier::read("trained", &bytes, &Device::flex()).unwrap();
        assert_eq!(classifier.video(), [9, 24, 24]);
    }

    #[test]
    fn networks_of_other_classes_or_videos_and_missing_sections_are_refused() {
        let refused = |change: &dyn Fn(&mut TrainConfig)| {
            let mut config = config(1);
            change(&mut config);
            ClassifierTask::new(&config, &Device::flex()).err().map(|e| e.to_string())
        };
        assert_eq!(refused(&|_| ()), None);
        let model = |config: &mut TrainConfig, change: &dyn Fn(&mut ClassifierConfig)| {
            change(config.classifier.as_mut().unwrap().model.as_mut().unwrap());
        };
        let classes = refused(&|c| model(c, &|m| m.classes[0] += 1)).unwrap();
        assert!(classes.contains("classifier.model"), "{classes}");
        let video = refused(&|c| model(c, &|m| m.video[0] += 3)).unwrap();
        assert!(video.contains("classifier.model"), "{video}");
        assert!(refused(&|c| model(c, &|m| m.patch[1] = 5)).unwrap().contains("patch"));
        assert!(refused(&|c| c.classifier = None).unwrap().contains("[classifier]"));
    }

    #[test]
    fn other_tasks_write_their_configurations_as_ever() {
        let text = "task = \"autoencoder\"\nrun = { seed = 1, steps = 1, batch = 1, checkpoint_every = 1, \
                    validate_every = 1, validation_samples = 1 }\n[autoencoder]\nlatent_noise = 0.1\n\
                    model = { frames = 1, patch = 4, latent_channels = 4, encoder_width = 16, \
                    decoder_width = 8, decoder_blocks = 1 }";
        let config = TrainConfig::from_toml("autoencoder.toml", text, &[]).unwrap();
        let written = serde_json::to_value(&config).unwrap();
        let keys: Vec<&String> = written.as_object().unwrap().keys().collect();
        assert_eq!(keys, ["autoencoder", "optimizer", "run", "task", "world"]);
    }
}
