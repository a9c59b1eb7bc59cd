//! The classifier of the world: what the objects of a video are and do, by a network that was trained
//! on true videos of it, and the features that its distance is taken on.

mod ceiling;

use burn::tensor::{Device, Tensor, TensorData};
use thrumask_core::{Clip, Error, Trajectory};
use thrumask_nn::{
    layers::Init,
    perception::classifier::{ClassifierConfig, VideoClassifier},
    pixels::{host_values, pixels_from_frames},
    weights::WeightFile,
};

use crate::{
    Result,
    model::files::{metadata, to_json},
    world::{Action, Color, Kind, ObjectTruth},
};

pub use ceiling::{Ceiling, ceiling, ceiling_table};

/// Clips that are looked at together.
const BATCH: usize = 8;

/// What is asked of each object, and the answers there are, in the order of the network's classes.
pub fn questions() -> [(&'static str, Vec<&'static str>); 3] {
    let kinds = Kind::ALL.iter().map(|k| k.word()).collect();
    let colors = Color::ALL.iter().map(|c| c.word()).collect();
    let actions = Action::ALL.iter().map(|a| a.word()).collect();
    [("kind", kinds), ("color", colors), ("action", actions)]
}

/// The true classes of an object, in the order of [`questions`].
pub fn answers(object: &ObjectTruth) -> [usize; 3] {
    [object.kind.index(), object.color.index(), object.action.index()]
}

/// How many classes each question has.
pub fn classes() -> Vec<usize> {
    questions().iter().map(|(_, answers)| answers.len()).collect()
}

/// Where objects are, for the network: of each object and token the share of the object's pixels in the
/// token's stretch of time that lie in it.
///
/// # Shapes
/// - returns `[T', O, H'·W']` for `objects` objects; zero where an object is not seen
pub fn cover(masks: &Trajectory, grid: [usize; 3], objects: usize) -> Vec<f32> {
    let [slots, rows, columns] = grid;
    let size = masks.size();
    let frames = masks.frames().len().max(1);
    let mut counts = vec![0f32; slots * objects * rows * columns];
    for (t, frame) in masks.frames().iter().enumerate() {
        let slot = t * slots / frames;
        for (i, &id) in frame.ids().iter().enumerate() {
            let object = usize::from(id);
            if object == 0 || object > objects {
                continue;
            }
            let (x, y) = (i % size.width, i / size.width);
            let place = y * rows / size.height * columns + x * columns / size.width;
            counts[(slot * objects + object - 1) * rows * columns + place] += 1.0;
        }
    }
    for own in counts.chunks_exact_mut((rows * columns).max(1)) {
        let all: f32 = own.iter().sum();
        own.iter_mut().for_each(|v| *v /= all.max(1.0));
    }
    counts
}

/// What was seen of one object: the most probable class of each question, `None` when the masks have no
/// pixel of it.
pub type Answers = Option<[usize; 3]>;

/// What was seen in one clip.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// Features of each stretch of time.
    pub slots: Vec<Vec<f32>>,
    /// By object.
    pub objects: Vec<Answers>,
}

impl Look {
    /// The features of the whole clip: the mean of those of its stretches of time.
    pub fn features(&self) -> Vec<f32> {
        let width = self.slots.first().map_or(0, Vec::len);
        let mean =
            |i: usize| self.slots.iter().map(|s| s[i]).sum::<f32>() / self.slots.len() as f32;
        (0..width).map(mean).collect()
    }

    /// Mean cosine between the features of one stretch of time and the next; 1 when there is one.
    pub fn consistency(&self) -> f32 {
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(x, y)| x * y).sum::<f32>();
        let cosine = |pair: &[Vec<f32>]| {
            let lengths = dot(&pair[0], &pair[0]).sqrt() * dot(&pair[1], &pair[1]).sqrt();
            dot(&pair[0], &pair[1]) / lengths.max(f32::MIN_POSITIVE)
        };
        let pairs = self.slots.windows(2);
        let count = pairs.len();
        if count == 0 { 1.0 } else { pairs.map(cosine).sum::<f32>() / count as f32 }
    }
}

/// A trained classifier.
pub struct Classifier {
    network: VideoClassifier,
    device: Device,
}

impl Classifier {
    /// One from a network on `device`.
    pub fn new(network: VideoClassifier, device: &Device) -> Self {
        Self { network, device: device.clone() }
    }

    /// Frames, rows and columns of the clips that it looks at, in pixels.
    pub fn video(&self) -> [usize; 3] {
        self.network.config().video
    }

    /// Reads a model file; `what` names it in errors.
    ///
    /// # Errors
    /// [`thrumask_nn::Error::Weights`] when the bytes are no such model, or one of other classes.
    pub fn read(what: &str, bytes: &[u8], device: &Device) -> Result<Self> {
        let file = WeightFile::read(what, bytes)?;
        let config: ClassifierConfig = metadata(what, &file, "config")?;
        let names: Vec<(String, Vec<String>)> = metadata(what, &file, "classes")?;
        let ours = to_json("classes", &questions())?;
        if to_json("classes", &names)? != ours {
            let reason = format!("expected the classes {ours}, got others");
            return Err(thrumask_nn::Error::weights(what, reason).into());
        }
        if config.classes != classes() {
            let (expected, got) = (classes(), &config.classes);
            let reason = format!("expected {expected:?} classes, got {got:?}");
            return Err(thrumask_nn::Error::weights(what, reason).into());
        }
        let network = VideoClassifier::new(&mut Init::new(0, device), &config)?;
        Ok(Self::new(file.load_into(what, "", network)?, device))
    }

    /// The bytes of a model file, in half precision.
    ///
    /// # Errors
    /// [`thrumask_nn::Error::Weights`] when it cannot be written.
    pub fn write(&self) -> Result<Vec<u8>> {
        let mut file = WeightFile::default();
        file.insert_module("", &self.network);
        file.metadata.insert("config".into(), to_json("config", self.network.config())?);
        file.metadata.insert("classes".into(), to_json("classes", &questions())?);
        Ok(file.write(true)?)
    }

    /// Looks at clips, each with the masks of its objects. A clip's answer does not depend on its
    /// neighbours.
    ///
    /// # Errors
    /// When a clip is not of the network's size and length, or its masks are not of the clip's.
    pub fn look(&self, clips: &[(&Clip, &Trajectory)]) -> Result<Vec<Look>> {
        let mut looks = Vec::with_capacity(clips.len());
        for batch in clips.chunks(BATCH) {
            looks.extend(self.look_at_batch(batch)?);
        }
        Ok(looks)
    }

    fn look_at_batch(&self, clips: &[(&Clip, &Trajectory)]) -> Result<Vec<Look>> {
        for (clip, masks) in clips {
            let of =
                |size: thrumask_core::Size, frames: usize| format!("{frames} frames of {size}");
            let expected = of(clip.size(), clip.frames().len());
            let got = of(masks.size(), masks.frames().len());
            if expected != got {
                return Err(Error::mismatch("masks of a clip", expected, got).into());
            }
        }
        let config = self.network.config();
        let (grid, width) = (config.grid(), config.width);
        let most = clips.iter().map(|(_, m)| m.objects()).max().unwrap_or(0).max(1);
        let videos: Vec<_> = clips.iter().map(|(clip, _)| clip.frames()).collect();
        let pixels = pixels_from_frames(&videos, &self.device)?;
        let covers: Vec<Vec<f32>> = clips.iter().map(|(_, m)| cover(m, grid, most)).collect();
        let shape = [clips.len(), grid[0], most, grid[1] * grid[2]];
        let data = TensorData::new(covers.concat(), shape);
        let seen = self.network.forward(pixels, Tensor::from_data(data, &self.device))?;
        let slots = host_values(seen.slots);
        let logits: Vec<Vec<f32>> = seen.objects.into_iter().map(host_values).collect();
        let look = |(b, (_, masks)): (usize, &(&Clip, &Trajectory))| {
            let slots = slots[b * grid[0] * width..][..grid[0] * width].chunks_exact(width);
            let object = |o: usize| {
                let own = |slot: usize| &covers[b][(slot * most + o) * shape[3]..][..shape[3]];
                let found = (0..grid[0]).any(|slot| own(slot).iter().any(|&v| v > 0.0));
                found.then(|| {
                    std::array::from_fn(|question| {
                        let k = config.classes[question];
                        best(&logits[question][(b * most + o) * k..][..k])
                    })
                })
            };
            let objects = (0..masks.objects()).map(object).collect();
            Look { slots: slots.map(<[f32]>::to_vec).collect(), objects }
        };
        Ok(clips.iter().enumerate().map(look).collect())
    }
}

/// Where the greatest value is.
fn best(values: &[f32]) -> usize {
    let pairs = values.iter().enumerate();
    pairs.max_by(|a, b| a.1.total_cmp(b.1)).map_or(0, |(i, _)| i)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{Split, WorldConfig, sample};

    /// A small one that has learnt nothing.
    pub fn classifier() -> Classifier {
        let device = Device::flex();
        let config = ClassifierConfig {
            width: 24,
            heads: 2,
            depth: 1,
            ..ClassifierConfig::nano([12, 96, 96], classes())
        };
        Classifier::new(VideoClassifier::new(&mut Init::new(5, &device), &config).unwrap(), &device)
    }

    #[test]
    fn a_look_depends_on_its_own_clip_alone_and_survives_a_file() {
        let classifier = classifier();
        let samples: Vec<_> =
            (0..3).map(|i| sample(&WorldConfig::default(), Split::Test, i).unwrap()).collect();
        let all: Vec<_> = samples.iter().map(|s| (&s.clip, &s.masks)).collect();
        let together = classifier.look(&all).unwrap();
        for (one, look) in all.iter().zip(&together) {
            assert_eq!(classifier.look(&[*one]).unwrap()[0], *look);
            assert_eq!(look.objects.len(), one.1.objects());
            assert_eq!(look.features().len(), 24);
        }
        assert_ne!(together[0].slots, together[1].slots);
        let bytes = classifier.write().unwrap();
        let back = Classifier::read("file", &bytes, &Device::flex()).unwrap();
        assert_eq!(back.write().unwrap(), bytes);
        assert!(Classifier::read("file", &bytes[..200], &Device::flex()).is_err());
    }

    #[test]
    fn an_object_without_a_pixel_is_not_seen() {
        let truth = sample(&WorldConfig::default(), Split::Test, 0).unwrap();
        let one_more = truth.masks.objects() + 1;
        let masks = Trajectory::new(truth.masks.frames().to_vec(), one_more, 8.0).unwrap();
        let look = classifier().look(&[(&truth.clip, &masks)]).unwrap().remove(0);
        assert!(look.objects[..one_more - 1].iter().all(Option::is_some));
        assert_eq!(look.objects[one_more - 1], None);
    }

    #[test]
    fn cover_sums_to_one_where_an_object_is_and_knows_its_place() {
        let truth = sample(&WorldConfig::default(), Split::Test, 3).unwrap();
        let (grid, objects) = ([4, 12, 12], truth.masks.objects());
        let cover = cover(&truth.masks, grid, objects);
        for (i, own) in cover.chunks_exact(144).enumerate() {
            let (slot, id) = (i / objects, (i % objects) as u8 + 1);
            let frames = &truth.masks.frames()[slot * 3..][..3];
            let area: usize = frames.iter().map(|f| f.area_of(id)).sum();
            let sum: f32 = own.iter().sum();
            assert!((sum - f32::from(u8::from(area > 0))).abs() < 1e-4);
            for (place, &share) in own.iter().enumerate() {
                let inside = |f: &thrumask_core::LabelMap| {
                    let (x0, y0) = (place % 12 * 8, place / 12 * 8);
                    (0..64).any(|k| f.id_at(x0 + k % 8, y0 + k / 8) == id)
                };
                assert_eq!(share > 0.0, frames.iter().any(inside));
            }
        }
    }

    #[test]
    fn equal_stretches_of_time_are_consistent_and_opposite_ones_are_not() {
        let look = |slots: Vec<Vec<f32>>| Look { slots, objects: Vec::new() };
        assert!((look(vec![vec![1.0, 2.0]; 4]).consistency() - 1.0).abs() < 1e-6);
        assert!((look(vec![vec![1.0, 0.0], vec![-3.0, 0.0]]).consistency() + 1.0).abs() < 1e-6);
        assert_eq!(look(vec![vec![1.0, 3.0], vec![3.0, 5.0]]).features(), [2.0, 4.0]);
    }
}
