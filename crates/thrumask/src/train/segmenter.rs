//! Training of the segmenter on the world's pictures.

use std::{collections::BTreeMap, ops::Range};

use burn::{
    module::Module,
    tensor::{Device, Tensor, TensorData},
};
use thrumask_core::{Error, LabelMap, Picture, PromptPlan, Size, trajectory::colored};
use thrumask_nn::{
    layers::Init,
    perception::grounded::{
        Grounded, GroundedConfig, GroundedTargets, grounded_loss, pixels_from_pictures,
    },
    text::Vocabulary,
};

use super::{
    RunConfig, SegmenterTraining, Task, TrainConfig,
    batches::made,
    draw::Draw,
    referring::{Asked, MORE_WORDS, STREAM, plain, varied},
};
use crate::{
    Result,
    segment::{NanoSegmenter, SegmenterModel, query_text, write_segmenter},
    world::{self, Split, WorldConfig},
};

/// Pictures that are segmented at once in scoring.
const CHUNK: usize = 16;
/// Pictures on a sheet.
const SHOWN: usize = 24;
/// Fewer pixels than this do not show what an object is: it is then not asked for.
const LEAST_PIXELS: usize = 12;

/// Training of the segmenter.
pub struct SegmenterTask {
    model: GroundedConfig,
    training: SegmenterTraining,
    world: WorldConfig,
    run: RunConfig,
    vocabulary: Vocabulary,
    device: Device,
}

/// What one step looks at.
pub struct SegmenterBatch {
    pictures: Vec<Picture>,
    texts: Vec<Vec<String>>,
    targets: GroundedTargets,
}

impl SegmenterTask {
    /// The task of a configuration.
    ///
    /// # Errors
    /// When the configuration has no section `[segmenter]`, or the world's pictures are not of the
    /// network's size.
    pub fn new(config: &TrainConfig, device: &Device) -> Result<Self> {
        let training = config.segmenter.clone().ok_or_else(|| {
            Error::invalid("training configuration", "expected a section [segmenter], got none")
        })?;
        let model = training.model.clone().unwrap_or_else(GroundedConfig::nano);
        model.check()?;
        if model.size != config.world.size {
            return Err(Error::mismatch("world.size", model.size, config.world.size).into());
        }
        let mut words = world::words();
        let more = MORE_WORDS.iter().filter(|w| !words.iter().any(|known| known == *w));
        let more: Vec<String> = more.map(|w| (*w).to_owned()).collect();
        words.extend(more);
        Ok(Self {
            model,
            training,
            world: config.world.clone(),
            run: config.run.clone(),
            vocabulary: Vocabulary::new(words)?,
            device: device.clone(),
        })
    }

    /// The asks of a batch as targets.
    fn targets(&self, asked: &[Asked]) -> GroundedTargets {
        let most = asked.iter().map(|a| a.objects.len()).max().unwrap_or(0).max(1);
        let pixels = self.model.size * self.model.size;
        let mut masks = vec![0f32; asked.len() * most * pixels];
        let mut present = vec![0f32; asked.len() * most];
        let mut counted = vec![0f32; asked.len() * most];
        for (b, sample) in asked.iter().enumerate() {
            for (s, answer) in sample.answers.iter().enumerate() {
                let at = b * most + s;
                let area = answer.map(|id| sample.labels.area_of(id));
                counted[at] = if area.is_none_or(|a| a >= LEAST_PIXELS) { 1.0 } else { 0.0 };
                let Some(id) = *answer else { continue };
                present[at] = 1.0;
                let mask = &mut masks[at * pixels..(at + 1) * pixels];
                for (m, &label) in mask.iter_mut().zip(sample.labels.ids()) {
                    *m = f32::from(u8::from(label == id));
                }
            }
        }
        let (size, rows) = (self.model.size, [asked.len(), most]);
        let tensor =
            |values: Vec<f32>| Tensor::<2>::from_data(TensorData::new(values, rows), &self.device);
        let shape = [asked.len(), most, size, size];
        GroundedTargets {
            masks: Tensor::from_data(TensorData::new(masks, shape), &self.device),
            present: tensor(present),
            asked: tensor(counted),
        }
    }

    fn segmenter(&self, network: &Grounded) -> NanoSegmenter {
        NanoSegmenter::new(SegmenterModel {
            config: self.model.clone(),
            vocabulary: self.vocabulary.clone(),
            network: network.clone(),
        })
    }
}

impl Task for SegmenterTask {
    type Network = Grounded;
    type Batch = SegmenterBatch;

    fn fresh(&self, device: &Device) -> Result<Grounded> {
        let mut init = Init::new(self.run.seed, device);
        Ok(Grounded::new(&mut init, &self.model, self.vocabulary.len())?)
    }

    fn batch(&self, step: u64) -> Result<SegmenterBatch> {
        let batch = self.run.batch as u64;
        let make = |index: u64| {
            let scene = world::scene(&self.world, Split::Train, index)?;
            varied(
                &self.training,
                scene,
                self.world.size,
                &mut Draw::new(self.run.seed, STREAM, index),
            )
        };
        let asked = made(step * batch..(step + 1) * batch, &self.device, make)?;
        let targets = self.targets(&asked);
        let texts = asked.iter().map(|a| a.objects.iter().map(query_text).collect()).collect();
        let pictures = asked.into_iter().map(|a| a.picture).collect();
        Ok(SegmenterBatch { pictures, texts, targets })
    }

    fn loss(&self, network: &Grounded, batch: SegmenterBatch) -> Result<Tensor<1>> {
        let device = network.devices().into_iter().next().unwrap_or_else(Device::flex);
        let pixels = pixels_from_pictures(&batch.pictures, &device)?;
        let output = network.forward(&self.vocabulary, pixels, &batch.texts)?;
        let GroundedTargets { masks, present, asked } = batch.targets;
        let targets = GroundedTargets {
            masks: masks.to_device(&device),
            present: present.to_device(&device),
            asked: asked.to_device(&device),
        };
        Ok(grounded_loss(&output, &targets))
    }

    fn validate(&self, network: &Grounded) -> Result<(BTreeMap<String, f64>, Picture)> {
        let segmenter = self.segmenter(network);
        let samples = 0..self.run.validation_samples as u64;
        let mut asked = Vec::new();
        for index in samples.clone() {
            asked.push(plain(
                &world::scene(&self.world, Split::Validation, index)?,
                self.world.size,
            )?);
        }
        let (scores, sheet) = score(&segmenter, &asked)?;
        let mut named = scores.named("");
        // The asks of training on scenes it never sees: places, order, and absent objects.
        let varied_alike = SegmenterTraining { alike: 1.0, cropped: 0.0, ..self.training.clone() };
        let mut asked = Vec::new();
        for index in samples {
            let scene = world::scene(&self.world, Split::Validation, index)?;
            let mut draw = Draw::new(self.run.seed, STREAM, index);
            asked.push(varied(&varied_alike, scene, self.world.size, &mut draw)?);
        }
        named.extend(score(&segmenter, &asked)?.0.named("asked_"));
        Ok((named, sheet))
    }

    fn export(&self, network: Grounded) -> Result<Vec<u8>> {
        write_segmenter(&SegmenterModel {
            config: self.model.clone(),
            vocabulary: self.vocabulary.clone(),
            network: network.no_grad(),
        })
    }
}

/// How well a segmenter finds the objects asked for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct SegmenterScores {
    /// IoU of each object that is in its picture, with how many of its picture's objects were asked
    /// for.
    pub overlaps: Vec<(f64, usize)>,
    /// Objects whose mask overlaps its own truth more than that of any other.
    pub right: usize,
    /// Absent objects asked for.
    pub absent: usize,
    /// Absent objects that were rightly not found.
    pub refused: usize,
}

impl SegmenterScores {
    /// Mean IoU over objects.
    pub fn mean_overlap(&self) -> f64 {
        self.overlaps.iter().map(|o| o.0).sum::<f64>() / self.overlaps.len().max(1) as f64
    }

    /// Share of objects with an IoU of at least `least`.
    pub fn found(&self, least: f64) -> f64 {
        let found = self.overlaps.iter().filter(|o| o.0 >= least).count();
        found as f64 / self.overlaps.len().max(1) as f64
    }

    /// Share of objects whose mask is rather its own than another's.
    pub fn right_object(&self) -> f64 {
        self.right as f64 / self.overlaps.len().max(1) as f64
    }

    /// All scores by name.
    pub fn named(&self, prefix: &str) -> BTreeMap<String, f64> {
        let mut named = BTreeMap::from([
            (format!("{prefix}iou"), self.mean_overlap()),
            (format!("{prefix}iou_50"), self.found(0.5)),
            (format!("{prefix}right_object"), self.right_object()),
        ]);
        if self.absent > 0 {
            let refused = self.refused as f64 / self.absent as f64;
            named.insert(format!("{prefix}absent_refused"), refused);
        }
        named
    }
}

/// Scores a segmenter on the first frames and the own prompts of a split's scenes.
///
/// # Errors
/// As [`world::scene`] and [`NanoSegmenter::segment_all`].
pub fn score_segmenter(
    segmenter: &NanoSegmenter,
    world: &WorldConfig,
    split: Split,
    indices: Range<u64>,
) -> Result<(SegmenterScores, Picture)> {
    let ask = |index| plain(&world::scene(world, split, index)?, world.size);
    let asked = indices.map(ask).collect::<thrumask_core::Result<Vec<_>>>()?;
    score(segmenter, &asked)
}

/// Scores, and a sheet of the first pictures: picture, truth, found.
fn score(segmenter: &NanoSegmenter, asked: &[Asked]) -> Result<(SegmenterScores, Picture)> {
    let mut scores = SegmenterScores::default();
    let mut shown = Vec::new();
    for chunk in asked.chunks(CHUNK) {
        let plan = |a: &Asked| PromptPlan {
            caption: String::new(),
            motion: String::new(),
            objects: a.objects.clone(),
        };
        let plans: Vec<PromptPlan> = chunk.iter().map(plan).collect();
        let scenes: Vec<_> = chunk.iter().zip(&plans).map(|(a, p)| (&a.picture, p)).collect();
        for (sample, found) in chunk.iter().zip(segmenter.segment_all(&scenes)?) {
            add(&mut scores, sample, &found.masks.labels);
            if shown.len() < SHOWN {
                shown.push((sample, found.masks.labels));
            }
        }
    }
    Ok((scores, sheet(&shown)))
}

/// Counts the pixels of each pair of asked and true object once and adds what follows from them.
fn add(scores: &mut SegmenterScores, sample: &Asked, found: &LabelMap) {
    let mut pairs = vec![[0usize; 256]; sample.objects.len() + 1];
    for (&f, &t) in found.ids().iter().zip(sample.labels.ids()) {
        pairs[usize::from(f)][usize::from(t)] += 1;
    }
    let truth = |id: u8| pairs.iter().map(|row| row[usize::from(id)]).sum::<usize>();
    for (i, answer) in sample.answers.iter().enumerate() {
        let row = &pairs[i + 1];
        let area: usize = row.iter().sum();
        let Some(id) = *answer else {
            scores.absent += 1;
            scores.refused += usize::from(area == 0);
            continue;
        };
        if truth(id) < LEAST_PIXELS {
            continue;
        }
        let both = row[usize::from(id)];
        let overlap = both as f64 / (area + truth(id) - both).max(1) as f64;
        scores.overlaps.push((overlap, sample.objects.len()));
        let other = row[1..].iter().max().copied().unwrap_or(0);
        scores.right += usize::from(both > 0 && both == other);
    }
}

/// Four samples in a row: picture, truth in the colours of the asks, found.
fn sheet(shown: &[(&Asked, LabelMap)]) -> Picture {
    let Some(side) = shown.first().map(|(a, _)| a.picture.size().width) else {
        return Picture::filled(Size::new(1, 1), [0; 3]);
    };
    let (columns, gap) = (4, 4);
    let block = Size::new(3 * side + 2 * gap, side + gap);
    let rows = shown.len().div_ceil(columns);
    let size = Size::new(columns * block.width, rows * block.height);
    let mut sheet = Picture::filled(size, [255; 3]);
    for (i, (sample, found)) in shown.iter().enumerate() {
        let mut truth = LabelMap::empty(found.size());
        for (to, from) in truth.ids_mut().iter_mut().zip(sample.labels.ids()) {
            let asked = sample.answers.iter().position(|a| *from != 0 && *a == Some(*from));
            *to = asked.map_or(0, |a| a as u8 + 1);
        }
        let (x, y) = (i % columns * block.width, i / columns * block.height);
        for (k, part) in [&sample.picture, &colored(&truth), &colored(found)].iter().enumerate() {
            world::paste(&mut sheet, part, x + k * side, y);
        }
    }
    sheet
}
