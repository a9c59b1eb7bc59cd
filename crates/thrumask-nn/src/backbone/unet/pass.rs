//! What all parts of the network share in one forward pass, and the two ways features lie.

use std::num::NonZeroUsize;

use burn::tensor::Tensor;
use thrumask_kernels::RopeTable;

use super::UnetConfig;
use crate::{backbone::ObjectContext, layers::Context};

/// One forward pass. Features are `[B·T, C, H, W]`, frame-major within a batch row.
pub struct Pass<'a> {
    pub batch: usize,
    pub frames: usize,
    /// SiLU of the time embedding, `[B, 4·C]`.
    pub time: Tensor<2>,
    pub text: &'a Context,
    /// What the tokens of each level know, and at last those of the middle.
    pub levels: Vec<LevelContext<'a>>,
    /// How many frames are worked on at once by what does not look across them; all when `None`.
    pub frame_chunk: Option<NonZeroUsize>,
}

/// What the tokens of a level know.
#[derive(Clone)]
pub struct LevelContext<'a> {
    /// Their objects and prompts; `None` where no masked layer works.
    pub objects: Option<&'a ObjectContext>,
    /// Their places, where attention is to know them.
    pub positions: Option<Positions>,
}

impl LevelContext<'_> {
    /// Without objects, which are of all frames.
    fn of_frames(&self) -> Self {
        Self { objects: None, positions: self.positions.clone() }
    }
}

/// Rotary positions of the tokens of a level.
#[derive(Clone)]
pub struct Positions {
    /// Within a frame, `[H·W]`.
    pub frame: RopeTable,
    /// Within the video, `[T·H·W]`.
    pub video: RopeTable,
}

impl Positions {
    /// Those of a level's grid `[T, H, W]`.
    pub fn new(config: &UnetConfig, [t, h, w]: [usize; 3]) -> Option<Self> {
        let table = |rotary: &crate::layers::Rotary| Self {
            frame: rotary.table([1, h, w]),
            video: rotary.table([t, h, w]),
        };
        config.rotary.as_ref().map(table)
    }
}

impl Pass<'_> {
    /// Frames that are worked on at once.
    fn at_once(&self) -> usize {
        self.frame_chunk.map_or(self.frames, NonZeroUsize::get).min(self.frames)
    }

    /// What `make`, which looks at each frame alone, makes of all frames, a chunk of them at a time. A
    /// chunk is a pass of its own, with fewer frames and without objects, which are of all frames.
    ///
    /// # Shapes
    /// - `xs`: `[B·T, ..]` each; `make` gets `[B·t, ..]` and returns `[B·t, ..]`
    /// - returns `[B·T, ..]`
    pub fn by_frames<const N: usize, const D: usize, const E: usize>(
        &self,
        xs: [Tensor<D>; N],
        make: impl Fn([Tensor<D>; N], &Pass<'_>) -> Tensor<E>,
    ) -> Tensor<E> {
        let (batch, frames, step) = (self.batch, self.frames, self.at_once());
        if step == frames {
            return make(xs, self);
        }
        let made = (0..frames).step_by(step).map(|first| {
            let count = step.min(frames - first);
            let part = Pass {
                batch,
                frames: count,
                time: self.time.clone(),
                text: self.text,
                levels: self.levels.iter().map(LevelContext::of_frames).collect(),
                frame_chunk: None,
            };
            let taken = xs.each_ref().map(|x| {
                let mut dims = x.dims();
                dims[0] = batch * count;
                let rows: Tensor<3> = x.clone().reshape([batch as isize, frames as isize, -1]);
                rows.narrow(1, first, count).reshape(dims)
            });
            make(taken, &part)
        });
        let made: Vec<Tensor<E>> = made.collect();
        drop(xs);
        let mut dims = made[0].dims();
        dims[0] = batch * frames;
        let rows = |x: Tensor<E>| -> Tensor<3> {
            let count = x.dims()[0] / batch;
            x.reshape([batch as isize, count as isize, -1])
        };
        Tensor::cat(made.into_iter().map(rows).collect(), 1).reshape(dims)
    }

    /// What `make`, which looks at each position alone, makes of all positions, as many at a time as
    /// there are tokens in a chunk of frames.
    ///
    /// # Shapes
    /// - `z`: `[B·H·W, T, C]`; `make` keeps the shape
    /// - returns `[B·H·W, T, C]`
    pub fn by_positions(&self, z: Tensor<3>, make: impl Fn(Tensor<3>) -> Tensor<3>) -> Tensor<3> {
        let places = z.dims()[0];
        let step = (places * self.at_once() / self.frames).max(1);
        if step >= places {
            return make(z);
        }
        let part = |first: usize| make(z.clone().narrow(0, first, step.min(places - first)));
        let made: Vec<Tensor<3>> = (0..places).step_by(step).map(part).collect();
        drop(z);
        Tensor::cat(made, 0)
    }
}

/// # Shapes
/// - `x`: `[I, C, H, W]`
/// - returns `[I, H·W, C]`
pub fn tokens_of(x: Tensor<4>) -> Tensor<3> {
    let [images, c, h, w] = x.dims();
    thrumask_kernels::dense(x.reshape([images, c, h * w]).swap_dims(1, 2))
}

/// # Shapes
/// - `tokens`: `[I, H·W, C]`
/// - returns `[I, C, H, W]`
pub fn features_of(tokens: Tensor<3>, [h, w]: [usize; 2]) -> Tensor<4> {
    let [images, _, c] = tokens.dims();
    thrumask_kernels::dense(tokens.swap_dims(1, 2)).reshape([images, c, h, w])
}
