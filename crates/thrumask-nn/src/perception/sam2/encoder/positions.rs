//! Learned positions: a coarse map stretched over the picture, and one window repeated.

use burn::{
    module::{Module, Param},
    tensor::{Tensor, TensorData},
};

use crate::layers::Init;

/// Positions of the finest tokens (Bolya et al., "Window Attention is Bugged: How not to Interpolate
/// Position Embeddings", ICLR 2024). The names are the public ones.
#[derive(Module, Debug)]
pub struct Positions {
    /// `[1, C, h, w]`, stretched over the picture.
    pub pos_embed: Param<Tensor<4>>,
    /// `[1, C, W, W]`, the same in each window.
    pub pos_embed_window: Param<Tensor<4>>,
}

impl Positions {
    pub fn new(init: &mut Init, width: usize, [rows, columns]: [usize; 2], window: usize) -> Self {
        Self {
            pos_embed: init.normal([1, width, rows, columns], 0.1),
            pos_embed_window: init.normal([1, width, window, window], 0.1),
        }
    }

    /// Tokens with their positions; `H` and `W` divide into windows.
    ///
    /// # Shapes
    /// - `x`: `[B, H, W, C]`
    /// - returns `[B, H, W, C]`
    pub fn add_to(&self, x: Tensor<4>) -> Tensor<4> {
        let [batch, height, width, channels] = x.dims();
        let map = self.pos_embed.val().permute([0, 2, 3, 1]); // [1, h, w, C]
        let [_, rows, columns, _] = map.dims();
        let device = map.device();
        let weights = |to: usize, from: usize| {
            Tensor::<2>::from_data(TensorData::new(cubic(to, from), [to, from]), &device)
        };
        let map = map.reshape([rows, columns * channels]);
        let map = weights(height, rows).matmul(map).reshape([height, columns, channels]);
        let across = weights(width, columns).unsqueeze::<3>(); // [1, W, w]
        let map = across.expand([height, width, columns]).matmul(map); // [H, W, C]
        let window = self.pos_embed_window.val().permute([0, 2, 3, 1]); // [1, W, W, C]
        let side = window.dims()[1];
        let (down, right) = (height / side, width / side);
        let window = window.reshape([1, side, 1, side * channels]);
        let map = map.reshape([down, side, right, side * channels]) + window;
        x + map.reshape([1, height, width, channels]).expand([batch, height, width, channels])
    }
}

/// What each of `to` places takes from each of `from` places by cubic interpolation (Keys, 1981, with
/// a = -0.75) between the middles of places; beyond the ends the last place goes on.
///
/// # Shapes
/// - returns `[to, from]`, row-major
fn cubic(to: usize, from: usize) -> Vec<f32> {
    const A: f64 = -0.75;
    let near = |d: f64| ((A + 2.0) * d - (A + 3.0)) * d * d + 1.0;
    let far = |d: f64| ((A * d - 5.0 * A) * d + 8.0 * A) * d - 4.0 * A;
    let mut weights = vec![0.0; to * from];
    for (i, row) in weights.chunks_exact_mut(from).enumerate() {
        let place = (i as f64 + 0.5) * from as f64 / to as f64 - 0.5;
        let (first, t) = (place.floor(), place - place.floor());
        for (tap, weight) in
            [(-1.0, far(1.0 + t)), (0.0, near(t)), (1.0, near(1.0 - t)), (2.0, far(2.0 - t))]
        {
            let at = (first + tap).clamp(0.0, from as f64 - 1.0) as usize;
            row[at] += weight as f32;
        }
    }
    weights
}

#[cfg(test)]
mod tests {
    use super::cubic;

    #[test]
    fn equal_sizes_change_nothing_and_rows_add_up_to_one() {
        let same = cubic(5, 5);
        assert!((0..25).all(|i| (same[i] - f32::from(u8::from(i % 6 == 0))).abs() < 1e-6));
        for (to, from) in [(24, 7), (7, 24), (1, 3), (64, 14)] {
            for row in cubic(to, from).chunks_exact(from) {
                assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-5, "{to} from {from}");
            }
        }
    }
}
