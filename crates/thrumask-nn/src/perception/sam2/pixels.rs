//! Pictures as the encoder reads them, and masks as a picture has them.

use burn::tensor::{Device, Tensor, TensorData};
use thrumask_core::{Picture, Size};

use crate::{Error, Result};

/// Mean and deviation of each channel, as of the pictures that the encoder was trained on first.
const MEAN: [f32; 3] = [0.485, 0.456, 0.406];
const DEVIATION: [f32; 3] = [0.229, 0.224, 0.225];

/// Pictures squashed to a square, less the mean of each channel, by its deviation.
///
/// # Shapes
/// - returns `[B, 3, side, side]`
///
/// # Errors
/// [`Error::Shape`] without a picture; when a picture cannot be resized.
pub fn normalised(pictures: &[Picture], side: usize, device: &Device) -> Result<Tensor<4>> {
    if pictures.is_empty() {
        return Err(Error::shape("pictures", "at least one", 0));
    }
    let plane = side * side;
    let mut values = vec![0f32; pictures.len() * 3 * plane];
    for (picture, values) in pictures.iter().zip(values.chunks_exact_mut(3 * plane)) {
        let square = picture.resize_linear(Size::new(side, side))?;
        for (i, rgb) in square.rgb().chunks_exact(3).enumerate() {
            for c in 0..3 {
                let level = f32::from(rgb[c]) / 255.0;
                values[c * plane + i] = (level - MEAN[c]) / DEVIATION[c];
            }
        }
    }
    Ok(Tensor::from_data(TensorData::new(values, [pictures.len(), 3, side, side]), device))
}

/// A map at another size, linear between the middles of its places; beyond the outermost it stays.
pub fn stretched(values: &[f32], [rows, columns]: [usize; 2], to: Size) -> Vec<f32> {
    let across = steps(columns, to.width);
    let mut out = Vec::with_capacity(to.area());
    for (above, below, t) in steps(rows, to.height) {
        let row = |i: usize| &values[i * columns..][..columns];
        let (above, below) = (row(above), row(below));
        let mixed: Vec<f32> = above.iter().zip(below).map(|(a, b)| a + (b - a) * t).collect();
        out.extend(across.iter().map(|&(a, b, t)| mixed[a] + (mixed[b] - mixed[a]) * t));
    }
    out
}

/// Of each of `to` places: the two of `from` that it lies between, and how far from the first.
fn steps(from: usize, to: usize) -> Vec<(usize, usize, f32)> {
    let step = |i: usize| {
        let place = ((i as f32 + 0.5) * (from as f32 / to as f32) - 0.5).max(0.0);
        let first = (place as usize).min(from - 1);
        (first, (first + 1).min(from - 1), place - first as f32)
    };
    (0..to).map(step).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pixels::host_values;

    #[test]
    fn one_colour_is_one_number_for_each_channel() {
        let picture = Picture::filled(Size::new(5, 3), [255, 0, 51]);
        let found = host_values(normalised(&[picture], 4, &Device::flex()).unwrap());
        for (c, level) in [1.0f32, 0.0, 0.2].into_iter().enumerate() {
            let expected = (level - MEAN[c]) / DEVIATION[c];
            let plane = &found[c * 16..][..16];
            assert!(plane.iter().all(|v| (v - expected).abs() < 1e-5), "{plane:?}");
        }
        assert!(normalised(&[], 4, &Device::flex()).is_err());
    }

    #[test]
    fn a_slope_stays_a_slope_between_its_ends() {
        let wide = stretched(&[0.0, 1.0, 2.0, 3.0], [2, 2], Size::new(4, 4));
        assert_eq!(wide[..4], [0.0, 0.25, 0.75, 1.0]);
        assert_eq!([wide[4], wide[8], wide[12]], [0.5, 1.5, 2.0]);
        assert_eq!(stretched(&[1.0, 2.0], [1, 2], Size::new(2, 1)), [1.0, 2.0]);
    }
}
