//! Masks at another size, as tensors.

use burn::tensor::{Device, Tensor, TensorData};

/// A map at another size, linear between the middles of its places; where it becomes smaller, each place is
/// what lies around it, the nearest most (PyTorch's `interpolate`, bilinear, antialiased).
///
/// # Shapes
/// - `x`: `[B, C, H, W]`
/// - `to`: `[H', W']`
/// - returns `[B, C, H', W']`
pub fn resized(x: Tensor<4>, to: [usize; 2]) -> Tensor<4> {
    let [batch, channels, rows, columns] = x.dims();
    if [rows, columns] == to {
        return x;
    }
    let device = x.device();
    let x = x.reshape([batch * channels, rows, columns]);
    let across = shares(columns, to[1], &device).transpose(); // [W, W']
    let x = x.matmul(across.unsqueeze::<3>().expand([batch * channels, columns, to[1]]));
    let down = shares(rows, to[0], &device); // [H', H]
    let down = down.unsqueeze::<3>().expand([batch * channels, to[0], rows]);
    down.matmul(x).reshape([batch, channels, to[0], to[1]]) // [B, C, H', W']
}

/// Of each of `to` places, the share of each of `from`: `[to, from]`.
fn shares(from: usize, to: usize, device: &Device) -> Tensor<2> {
    let scale = from as f32 / to as f32;
    let reach = scale.max(1.0);
    let mut values = vec![0f32; to * from];
    for (i, row) in values.chunks_exact_mut(from).enumerate() {
        let middle = (i as f32 + 0.5) * scale;
        for (j, share) in row.iter_mut().enumerate() {
            *share = (1.0 - ((j as f32 + 0.5 - middle) / reach).abs()).max(0.0);
        }
        let sum: f32 = row.iter().sum();
        row.iter_mut().for_each(|share| *share /= sum);
    }
    Tensor::from_data(TensorData::new(values, [to, from]), device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::host_values;

    fn row(values: &[f32], to: usize) -> Vec<f32> {
        let data = TensorData::new(values.to_vec(), [1, 1, 1, values.len()]);
        host_values(resized(Tensor::from_data(data, &Device::flex()), [1, to]))
    }

    #[test]
    fn slopes_stay_and_small_maps_are_means() {
        assert_eq!(row(&[0.0, 1.0], 4), [0.0, 0.25, 0.75, 1.0]);
        // A triangle of 4 places around the middle of each two; at an end, what is left of it.
        let small = row(&[8.0, 0.0, 0.0, 0.0], 2);
        assert!((small[0] - 24.0 / 7.0).abs() < 1e-5 && small[1] == 0.0);
        assert!(row(&[3.0; 12], 5).iter().all(|value| (value - 3.0).abs() < 1e-5));
    }
}
