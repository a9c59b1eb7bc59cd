//! Training of the tracker on the world's videos: an object is given on a clip's first frame and followed
//! to the others, and what was remembered on the way learns from what was found there.

use std::collections::BTreeMap;

use burn::{
    module::Module,
    tensor::{Device, Tensor, TensorData},
};
use thrumask_core::{Error, Picture, Size, trajectory::colored};
use thrumask_nn::{
    layers::Init,
    perception::sam2::{
        ImageFeatures, PointKind, PromptPoint, Sam2Config, normalised,
        video::{Direction, Memories, Sam2Video, TrackerTargets, choose, tracker_loss},
    },
};

use super::{RunConfig, Task, TrackerTraining, TrainConfig, batches::made, draw::Draw};
use crate::{
    Result,
    eval::adherence::adherence,
    tracker::SamTracker,
    world::{self, Split, WorldConfig},
};

/// Fewer pixels than this do not show what an object is: it is then not followed.
const LEAST_PIXELS: usize = 20;
/// Clips on a sheet, and frames of each.
const SHOWN: usize = 6;
/// Frames of a clip on a sheet.
const SHOWN_FRAMES: usize = 4;
/// Random numbers of clips, and of what the objects of a step are given as.
const STREAMS: [&str; 2] = ["train/tracker", "train/tracker/prompt"];

/// Training of the tracker on the world.
pub struct TrackerTask {
    training: TrackerTraining,
    model: Sam2Config,
    world: WorldConfig,
    run: RunConfig,
    device: Device,
}

/// What one step looks at.
pub struct TrackerBatch {
    /// All first frames, then all second ones.
    pictures: Vec<Picture>,
    /// 1 where the object is, `[B, 1, S, S]` of each frame.
    masks: Vec<Tensor<4>>,
    /// Points or boxes of the objects; their masks are given when there are none.
    prompts: Vec<Vec<PromptPoint>>,
}

/// Frames in order and the mask of one object on each.
struct Followed {
    pictures: Vec<Picture>,
    masks: Vec<Vec<bool>>,
}

/// What the objects of a step are given as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Given {
    Mask,
    Box,
    Point,
}

impl TrackerTask {
    /// The task of a configuration.
    ///
    /// # Errors
    /// When the configuration has no section `[tracker]`, or it does not fit the world.
    pub fn new(config: &TrainConfig, device: &Device) -> Result<Self> {
        let training = config.tracker.clone().ok_or_else(|| {
            Error::invalid("training configuration", "expected a section [tracker], got none")
        })?;
        let model = training.model.clone().unwrap_or_else(Sam2Config::nano);
        model.check()?;
        if model.image_size != config.world.size {
            return Err(Error::mismatch("world.size", model.image_size, config.world.size).into());
        }
        if !(2..=config.world.frames).contains(&training.frames) {
            let reason = format!("expected 2 to {}, got {}", config.world.frames, training.frames);
            return Err(Error::invalid("tracker.frames", reason).into());
        }
        let (world, run) = (config.world.clone(), config.run.clone());
        Ok(Self { training, model, world, run, device: device.clone() })
    }

    /// A clip of a scene, and one of its objects that is to be seen on the first frame.
    fn followed(&self, index: u64) -> Result<Followed> {
        let mut draw = Draw::new(self.run.seed, STREAMS[0], index);
        let scene = world::scene(&self.world, Split::Train, index)?;
        let (clip, masks) = (scene.clip(self.world.size)?, scene.masks(self.world.size)?);
        let count = self.training.frames;
        let longest = (self.world.frames - 1) / (count - 1);
        let stride = match draw.chance(self.training.hasty) {
            true => 1 + draw.below(longest),
            false => 1,
        };
        let start = draw.below(self.world.frames - stride * (count - 1));
        let mut frames: Vec<usize> = (0..count).map(|i| start + i * stride).collect();
        if draw.chance(self.training.backward) {
            frames.reverse();
        }
        let objects: Vec<u8> = (1..=masks.objects() as u8).collect();
        let seen = |frame: usize| -> Vec<u8> {
            let labels = &masks.frames()[frame];
            objects.iter().copied().filter(|&id| labels.area_of(id) >= LEAST_PIXELS).collect()
        };
        // Where nothing is to be seen at first, an object is not there, and comes or does not.
        let choice = match seen(frames[0]) {
            seen if seen.is_empty() => objects,
            seen => seen,
        };
        let object = draw.pick(&choice);
        Ok(Followed {
            pictures: frames.iter().map(|&frame| clip.frames()[frame].clone()).collect(),
            masks: frames.iter().map(|&frame| masks.frames()[frame].mask_of(object)).collect(),
        })
    }

    /// What the objects of a step are given as, the same for all.
    fn given(&self, step: u64) -> Given {
        let at = Draw::new(self.run.seed, STREAMS[1], step).uniform();
        let TrackerTraining { boxes, points, .. } = self.training;
        match at {
            at if at < boxes => Given::Box,
            at if at < boxes + points => Given::Point,
            _ => Given::Mask,
        }
    }

    /// A mask as points: the corners of its box, moved by up to a tenth of it, or a pixel of it.
    fn points(&self, mask: &[bool], given: Given, draw: &mut Draw) -> Vec<PromptPoint> {
        let side = self.world.size;
        let pixels: Vec<usize> = (0..mask.len()).filter(|&i| mask[i]).collect();
        let point = |x: f32, y: f32, kind| PromptPoint { x, y, kind };
        if pixels.is_empty() {
            let count = if given == Given::Box { 2 } else { 1 };
            return vec![point(0.0, 0.0, PointKind::Nothing); count];
        }
        if given == Given::Point {
            let pixel = draw.pick(&pixels);
            return vec![point((pixel % side) as f32, (pixel / side) as f32, PointKind::Inside)];
        }
        let span = |of: &dyn Fn(usize) -> usize| {
            let low = pixels.iter().map(|&i| of(i)).min().unwrap_or(0) as f32;
            let high = pixels.iter().map(|&i| of(i)).max().unwrap_or(0) as f32 + 1.0;
            [low, high, (high - low) / 10.0]
        };
        let ([x0, x1, dx], [y0, y1, dy]) = (span(&|i| i % side), span(&|i| i / side));
        let mut near = |v: f32, by: f32| (v + draw.range(-by, by)).clamp(0.0, side as f32);
        vec![
            point(near(x0, dx), near(y0, dy), PointKind::TopLeft),
            point(near(x1, dx), near(y1, dy), PointKind::BottomRight),
        ]
    }

    fn assemble(&self, step: u64, samples: &[Followed]) -> TrackerBatch {
        let (side, first) = (self.world.size, step * self.run.batch as u64);
        let frames = 0..self.training.frames;
        let of_frame = |t: usize| samples.iter().map(move |s| &s.pictures[t]);
        let masks = |t: usize| {
            let inside = samples.iter().flat_map(|s| &s.masks[t]).map(|&m| f32::from(u8::from(m)));
            let data =
                TensorData::new(inside.collect::<Vec<f32>>(), [samples.len(), 1, side, side]);
            Tensor::from_data(data, &self.device)
        };
        let given = self.given(step);
        let prompts = samples.iter().zip(first..).map(|(sample, index)| match given {
            Given::Mask => Vec::new(),
            given => {
                let mut draw = Draw::new(self.run.seed, STREAMS[1], index);
                self.points(&sample.masks[0], given, &mut draw)
            }
        });
        TrackerBatch {
            prompts: prompts.collect(),
            pictures: frames.clone().flat_map(of_frame).cloned().collect(),
            masks: frames.map(masks).collect(),
        }
    }
}

/// The features of one frame of every clip.
fn of_frame(seen: &ImageFeatures, frame: usize, batch: usize) -> ImageFeatures {
    let levels = seen.levels.clone().map(|level| level.narrow(0, frame * batch, batch));
    ImageFeatures { levels, positions: seen.positions.clone() }
}

impl Task for TrackerTask {
    type Network = Sam2Video;
    type Batch = TrackerBatch;

    fn fresh(&self, device: &Device) -> Result<Sam2Video> {
        Ok(Sam2Video::new(&mut Init::new(self.run.seed, device), &self.model)?)
    }

    fn batch(&self, step: u64) -> Result<TrackerBatch> {
        let batch = self.run.batch as u64;
        let make = |index: u64| self.followed(index);
        let samples = made(step * batch..(step + 1) * batch, &self.device, make)?;
        Ok(self.assemble(step, &samples))
    }

    fn loss(&self, network: &Sam2Video, batch: TrackerBatch) -> Result<Tensor<1>> {
        let device = network.devices().into_iter().next().unwrap_or_else(Device::flex);
        let TrackerBatch { pictures, masks, prompts } = batch;
        let (size, frames) = (prompts.len(), masks.len());
        let pixels = normalised(&pictures, self.model.image_size, &device)?;
        let all = network.image.image_encoder.forward(pixels);
        let masks: Vec<Tensor<4>> = masks.into_iter().map(|m| m.to_device(&device)).collect();
        let seen = of_frame(&all, 0, size);
        let look = match prompts[0].is_empty() {
            true => network.given(&seen, masks[0].clone(), false)?,
            false => {
                let multimask = network.is_multimask(true, prompts[0].len());
                network.decode(&seen, network.unremembered(&seen), &prompts, None, multimask)?
            }
        };
        let loss = |look: &thrumask_nn::perception::sam2::video::Look, t: usize| {
            tracker_loss(&look.decoded, &TrackerTargets { masks: masks[t].clone() })
        };
        let mut total = loss(&look, 0);
        // A soft mask lets what was found learn from what is made of it.
        let mut memories = vec![network.memory(&seen, &look, false)];
        for t in 1..frames {
            let memory = &self.model.memory;
            let chosen =
                choose(memory, t, Direction::Forward, frames, &[0], &|then| then > 0 && then < t);
            let recalled = Memories {
                maps: chosen
                    .maps
                    .iter()
                    .map(|&(t, slot)| (memories[t].map.clone(), slot))
                    .collect(),
                pointers: chosen
                    .pointers
                    .iter()
                    .map(|&(t, ago)| (memories[t].pointer.clone(), ago))
                    .collect(),
            };
            let seen = of_frame(&all, t, size);
            let features = network.remembered(&seen, &recalled);
            let multimask = network.is_multimask(false, 0);
            let look = network.decode(&seen, features, &vec![Vec::new(); size], None, multimask)?;
            total = total + loss(&look, t);
            if t + 1 < frames {
                memories.push(network.memory(&seen, &look, false));
            }
        }
        Ok(total / frames as f32)
    }

    fn validate(&self, network: &Sam2Video) -> Result<(BTreeMap<String, f64>, Picture)> {
        let tracker = SamTracker::new(network.clone(), "validated");
        let mut scores = Vec::new();
        let mut shown = Vec::new();
        for index in 0..self.run.validation_samples as u64 {
            let sample = world::sample(&self.world, Split::Validation, index)?;
            let truth = sample.masks.frames();
            let (measured, found) = adherence(&sample.clip, &sample.masks, &tracker)?;
            scores.extend(measured.objects.iter().filter_map(|object| object.j.map(f64::from)));
            if index < SHOWN as u64 {
                let (last, step) = (truth.len() - 1, SHOWN_FRAMES - 1);
                for t in (0..SHOWN_FRAMES).map(|i| i * last / step) {
                    shown.push([
                        sample.clip.frames()[t].clone(),
                        colored(&truth[t]),
                        colored(&found.frames()[t]),
                    ]);
                }
            }
        }
        let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len().max(1) as f64;
        let good = scores.iter().filter(|&&j| j >= 0.8).count() as f64;
        let named = BTreeMap::from([
            ("j".to_owned(), mean(&scores)),
            ("j_80".to_owned(), good / scores.len().max(1) as f64),
        ]);
        Ok((named, sheet(&shown, self.world.size)))
    }

    fn export(&self, network: Sam2Video) -> Result<Vec<u8>> {
        SamTracker::new(network.no_grad(), "trained").write()
    }
}

/// A row for each clip, of frames: picture, truth, found.
fn sheet(shown: &[[Picture; 3]], side: usize) -> Picture {
    let gap = 4;
    let rows = shown.len().div_ceil(SHOWN_FRAMES);
    let size = Size::new(SHOWN_FRAMES * (3 * side + gap), rows.max(1) * (side + gap));
    let mut sheet = Picture::filled(size, [255; 3]);
    for (i, parts) in shown.iter().enumerate() {
        let (x, y) = (i % SHOWN_FRAMES * (3 * side + gap), i / SHOWN_FRAMES * (side + gap));
        for (k, part) in parts.iter().enumerate() {
            world::paste(&mut sheet, part, x + k * side, y);
        }
    }
    sheet
}

#[cfg(test)]
mod tests;
