//! Embeddings of time and position.

use burn::{
    module::{Module, Param},
    tensor::{Int, Tensor, TensorData},
};

use super::{Init, Linear, init::in_32_bits};

/// One vector for each of a number of ids.
#[derive(Module, Debug)]
pub struct Embedding {
    /// `[ids, C]`.
    pub table: Param<Tensor<2>>,
}

impl Embedding {
    /// Vectors of normal numbers of standard deviation `std`.
    pub fn new(init: &mut Init, ids: usize, width: usize, std: f32) -> Self {
        Self { table: init.normal([ids, width], std) }
    }

    /// The vectors of equally long rows of ids.
    ///
    /// # Shapes
    /// - `ids`: `B` rows of `L` ids, all of the table
    /// - returns `[B, L, C]`
    pub fn forward(&self, ids: &[Vec<u32>]) -> Tensor<3> {
        let table = self.table.val();
        let (device, [_, width]) = (table.device(), table.dims());
        let flat: Vec<i32> = ids.iter().flatten().map(|&id| id as i32).collect();
        let count = flat.len();
        let flat = Tensor::<1, Int>::from_data(TensorData::new(flat, [count]), &device);
        let tokens = count / ids.len().max(1);
        in_32_bits(table.select(0, flat)).reshape([ids.len(), tokens, width]) // [B, L, C]
    }
}

/// A parameter that stands alone: public files call it by its path, with nothing after it.
#[derive(Module, Debug)]
pub struct Lone<const D: usize> {
    /// Of any shape.
    pub value: Param<Tensor<D>>,
}

impl<const D: usize> Lone<D> {
    /// Normal numbers of standard deviation `std`.
    pub fn new(init: &mut Init, shape: [usize; D], std: f32) -> Self {
        Self { value: init.normal(shape, std) }
    }
}

/// Frequencies of the sinusoidal time embedding.
const TIME_FREQUENCIES: usize = 32;

/// Time in [0, 1] as a vector: sinusoids, then a two-layer perceptron.
#[derive(Module, Debug)]
pub struct TimeEmbedding {
    /// `[2·32, width]`.
    pub up: Linear,
    /// `[width, width]`.
    pub down: Linear,
}

impl TimeEmbedding {
    /// An embedding of `width` numbers.
    pub fn new(init: &mut Init, width: usize) -> Self {
        Self {
            up: Linear::new(init, 2 * TIME_FREQUENCIES, width, 1.0),
            down: Linear::new(init, width, width, 1.0),
        }
    }

    /// # Shapes
    /// - `time`: one number in [0, 1] per batch row
    /// - returns `[B, width]`
    pub fn forward(&self, time: &[f32]) -> Tensor<2> {
        // Half a turn to about 500 turns over [0, 1], geometric: enough to tell 1e-3 apart.
        let angle = |t: f32, i: usize| {
            let share = i as f64 / (TIME_FREQUENCIES - 1) as f64;
            f64::from(t) * std::f64::consts::PI * 1000f64.powf(share)
        };
        let sin_cos = |t: &f32| {
            let t = *t;
            let sines = (0..TIME_FREQUENCIES).map(move |i| angle(t, i).sin() as f32);
            sines.chain((0..TIME_FREQUENCIES).map(move |i| angle(t, i).cos() as f32))
        };
        let values: Vec<f32> = time.iter().flat_map(sin_cos).collect();
        let shape = [time.len(), 2 * TIME_FREQUENCIES];
        let device = self.up.weight.val().device();
        let waves = Tensor::<2>::from_data(TensorData::new(values, shape), &device);
        self.down.forward(thrumask_kernels::silu(self.up.forward(waves)))
    }
}

/// Learned absolute positions on a `[T, H, W]` grid, one table per axis, summed.
#[derive(Module, Debug)]
pub struct LearnedPositions {
    /// `[T, width]`.
    pub frames: Param<Tensor<2>>,
    /// `[H, width]`.
    pub rows: Param<Tensor<2>>,
    /// `[W, width]`.
    pub columns: Param<Tensor<2>>,
}

impl LearnedPositions {
    /// Small random positions for a grid of `[T, H, W]` tokens.
    pub fn new(init: &mut Init, grid: [usize; 3], width: usize) -> Self {
        let [frames, rows, columns] = grid;
        Self {
            frames: init.normal([frames, width], 0.3),
            rows: init.normal([rows, width], 0.3),
            columns: init.normal([columns, width], 0.3),
        }
    }

    /// The embedding of every token, in frame-major order.
    ///
    /// # Shapes
    /// - returns `[1, T·H·W, width]`
    pub fn forward(&self) -> Tensor<3> {
        let (t, y, x) = (self.frames.val(), self.rows.val(), self.columns.val());
        let ([frames, width], [rows, _], [columns, _]) = (t.dims(), y.dims(), x.dims());
        let t = t.reshape([frames, 1, 1, width]); // [T, 1, 1, C]
        let y = y.reshape([1, rows, 1, width]); // [1, H, 1, C]
        let x = x.reshape([1, 1, columns, width]); // [1, 1, W, C]
        (t + y + x).reshape([1, frames * rows * columns, width]) // [1, N, C]
    }
}
