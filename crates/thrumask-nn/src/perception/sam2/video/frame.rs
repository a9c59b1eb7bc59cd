//! What is done on one frame, of several objects at once; training and tracking both call it.

use burn::tensor::{Tensor, TensorData, activation::sigmoid};

use super::super::{
    DecoderInput, DecoderOutput, ImageFeatures, PointKind, PromptPoint, sine_positions,
};
use super::{Recalled, Sam2Video, encoder::tokens, resized};
use crate::Result;

/// The logit of every pixel of an object that is not there.
const NOT_THERE: f32 = -1024.0;
/// Logits inside and outside of a mask that was given.
const GIVEN: [f32; 2] = [10.0, -10.0];

/// What was found on a frame, of `B` objects.
#[derive(Debug, Clone)]
pub struct Look {
    /// Logits of the mask, the best where several were asked for, `[B, 1, S/4, S/4]`; far below 0 where the
    /// object is not there.
    pub logits: Tensor<4>,
    /// The same at full size, `[B, 1, S, S]`.
    pub full: Tensor<4>,
    /// What the object is like, `[B, C]`.
    pub pointer: Tensor<2>,
    /// Logit of whether it is there, `[B, 1]`.
    pub object_score: Tensor<2>,
    /// What the decoder said, of a mask that was given too.
    pub decoded: DecoderOutput,
}

/// What is remembered of a frame.
#[derive(Debug, Clone)]
pub struct FrameMemory {
    /// What was where, `[B, H·W, M]`.
    pub map: Tensor<3>,
    /// What the object was like, `[B, C]`.
    pub pointer: Tensor<2>,
}

/// Memories that a frame looks back at, as [`Choice`](super::Choice) has them.
#[derive(Debug, Clone, Default)]
pub struct Memories {
    /// Maps, each with the row of the embedding of times.
    pub maps: Vec<(Tensor<3>, usize)>,
    /// Pointers, each with how long ago it was.
    pub pointers: Vec<(Tensor<2>, f32)>,
}

impl Sam2Video {
    /// The coarsest features where nothing is remembered.
    ///
    /// # Shapes
    /// - returns `[B, C, S/16, S/16]`
    pub fn unremembered(&self, seen: &ImageFeatures) -> Tensor<4> {
        let features = seen.levels[2].clone();
        let width = features.dims()[1];
        features + self.image.no_memory.value.val().reshape([1, width, 1, 1])
    }

    /// The coarsest features with what is remembered in them; there is at least one map or pointer.
    ///
    /// # Shapes
    /// - returns `[B, C, S/16, S/16]`
    pub fn remembered(&self, seen: &ImageFeatures, memories: &Memories) -> Tensor<4> {
        let features = seen.levels[2].clone();
        let [_, width, rows, columns] = features.dims();
        let (device, channels) = (features.device(), self.config().memory_encoder.channels);
        let places = tokens(sine_positions(channels, [rows, columns], &device)); // [1, H·W, M]
        let times = self.times.value.val();
        let (mut all, mut positions) = (Vec::new(), Vec::new());
        for (map, slot) in &memories.maps {
            let time = times.clone().narrow(0, *slot, 1).reshape([1, 1, channels]);
            all.push(map.clone());
            positions.push(places.clone() + time); // [1, H·W, M]
        }
        let parts = width / channels;
        for (pointer, ago) in &memories.pointers {
            let [batch, _] = pointer.dims();
            all.push(pointer.clone().reshape([batch, parts, channels]));
            let time = match &self.pointer_times {
                Some(map) => map.forward(waves(*ago, width, &device)), // [1, M]
                None => Tensor::zeros([1, channels], &device),
            };
            positions.push(time.unsqueeze_dim::<3>(1).repeat_dim(1, parts)); // [1, C/M, M]
        }
        let recalled = Recalled {
            tokens: Tensor::cat(all, 1),
            positions: Tensor::cat(positions, 1),
            maps: memories.maps.len(),
        };
        self.attention.forward(features, seen.positions.clone(), &recalled)
    }

    /// Masks of what prompts mean.
    ///
    /// # Shapes
    /// - `seen`: of `B` frames, or of one for all objects
    /// - `features`: the coarsest level, with what is remembered or not, `[B or 1, C, S/16, S/16]`
    /// - `points`: `B` rows of equally many; of none, one that says nothing stands there
    /// - `logits`: of masks that are known roughly, `[B, 1, S/4, S/4]`
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) when objects have differently many points.
    pub fn decode(
        &self,
        seen: &ImageFeatures,
        features: Tensor<4>,
        points: &[Vec<PromptPoint>],
        logits: Option<Tensor<4>>,
        multimask: bool,
    ) -> Result<Look> {
        let nothing = vec![PromptPoint { x: 0.0, y: 0.0, kind: PointKind::Nothing }];
        let filled =
            |row: &Vec<PromptPoint>| if row.is_empty() { nothing.clone() } else { row.clone() };
        let points: Vec<Vec<PromptPoint>> = points.iter().map(filled).collect();
        let encoder = &self.image.prompt_encoder;
        let prompts = encoder.forward(&points, logits)?;
        let [finest, finer, _] = seen.levels.clone();
        let positions = encoder.picture_positions();
        let input = DecoderInput { features, fine: [finest, finer], positions, prompts };
        Ok(self.look(self.image.mask_decoder.forward(input, multimask)))
    }

    /// The best of the decoder's masks.
    fn look(&self, decoded: DecoderOutput) -> Look {
        let [objects, count, rows, columns] = decoded.masks.dims();
        let width = decoded.tokens.dims()[2];
        let (mask, token) = match count {
            1 => (decoded.masks.clone(), decoded.tokens.clone()),
            _ => {
                let best = decoded.iou.clone().argmax(1); // [B, 1]
                let at = best.clone().reshape([objects, 1, 1, 1]);
                let mask = at.expand([objects, 1, rows, columns]);
                let token = best.reshape([objects, 1, 1]).expand([objects, 1, width]);
                (decoded.masks.clone().gather(1, mask), decoded.tokens.clone().gather(1, token))
            }
        };
        let object_score = decoded.object_score.clone();
        let absent = object_score.clone().lower_equal_elem(0.0); // [B, 1]
        let nowhere =
            absent.clone().reshape([objects, 1, 1, 1]).expand([objects, 1, rows, columns]);
        let logits = mask.mask_fill(nowhere, NOT_THERE);
        let size = self.config().image_size;
        let full = resized(logits.clone(), [size, size]);
        let pointer = self.pointer.forward(token.squeeze_dim::<2>(1)); // [B, C]
        let pointer = self.present(pointer, absent.float());
        Look { logits, full, pointer, object_score, decoded }
    }

    /// Pointers of objects, or what stands there for those that are absent.
    fn present(&self, pointer: Tensor<2>, absent: Tensor<2>) -> Tensor<2> {
        pointer * (absent.clone() * -1.0 + 1.0) + self.no_object.value.val() * absent
    }

    /// A mask that was given, as what was found. Its pointer is of the decoder's single mask, as in the
    /// original, or with `several` of the best of several, as in transformers.
    ///
    /// # Shapes
    /// - `seen`: of `B` frames, or of one for all objects
    /// - `masks`: 1 where the object is, 0 elsewhere, `[B, 1, S, S]`
    ///
    /// # Errors
    /// [`Error::Shape`](crate::Error::Shape) when the masks are of another size.
    pub fn given(&self, seen: &ImageFeatures, masks: Tensor<4>, several: bool) -> Result<Look> {
        let objects = masks.dims()[0];
        let known = self.mask_quarter.forward_tiles(masks.clone()); // [B, 1, S/4, S/4]
        let found = self.decode(
            seen,
            seen.levels[2].clone(),
            &vec![Vec::new(); objects],
            Some(known),
            several,
        )?;
        let [inside, outside] = GIVEN;
        let full = masks.clone() * (inside - outside) + outside;
        let size = self.config().mask_size();
        let absent = masks.flatten::<2>(1, 3).max_dim(1).lower_equal_elem(0.0).float(); // [B, 1]
        let object_score = absent.clone() * (outside - inside) + inside;
        let pointer = self.present(found.pointer, absent);
        let logits = resized(full.clone(), [size, size]);
        Ok(Look { logits, full, pointer, object_score, decoded: found.decoded })
    }

    /// What is remembered of what was found. Where the object was prompted the mask is taken as hard.
    ///
    /// # Shapes
    /// - `seen`: of `B` frames, or of one for all objects
    pub fn memory(&self, seen: &ImageFeatures, look: &Look, prompted: bool) -> FrameMemory {
        let memory = &self.config().memory;
        let share = match prompted {
            true => look.full.clone().greater_elem(0.0).float(),
            false => sigmoid(look.full.clone()),
        };
        let masks = share * memory.mask_scale + memory.mask_bias;
        let features = seen.levels[2].clone();
        let [_, width, rows, columns] = features.dims();
        let objects = masks.dims()[0];
        let features = features.expand([objects, width, rows, columns]);
        let mut map = self.encoder.forward(features, masks); // [B, H·W, M]
        if let Some(embedding) = &self.no_object_map {
            let absent = look.object_score.clone().lower_equal_elem(0.0).float(); // [B, 1]
            map = map + (absent * embedding.value.val()).unsqueeze_dim::<3>(1); // [B, 1, M]
        }
        FrameMemory { map, pointer: look.pointer.clone() }
    }

    /// Whether a prompt of so many points may mean several masks.
    pub fn is_multimask(&self, first: bool, points: usize) -> bool {
        let memory = &self.config().memory;
        let few = (memory.multimask_min_points..=memory.multimask_max_points).contains(&points);
        memory.multimask && few && (first || memory.multimask_for_tracking)
    }
}

/// Sines, then cosines, of a number: the first pair turns once in a circle's radius, the others up to 10,000
/// times slower (Vaswani et al., "Attention Is All You Need", 2017).
///
/// # Shapes
/// - returns `[1, width]`
fn waves(number: f32, width: usize, device: &burn::tensor::Device) -> Tensor<2> {
    let half = width / 2;
    let angle = |i: usize| number / 10_000f32.powf((2 * (i / 2)) as f32 / half as f32);
    let sines = (0..half).map(|i| angle(i).sin());
    let values: Vec<f32> = sines.chain((0..half).map(|i| angle(i).cos())).collect();
    Tensor::from_data(TensorData::new(values, [1, width]), device)
}
