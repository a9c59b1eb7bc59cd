//! A map in windows and back.

use burn::tensor::Tensor;

/// How a map is cut into windows; those at the right and lower ends may reach beyond it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// Rows and columns of the map.
    pub size: [usize; 2],
    /// Rows and columns of a window.
    pub window: [usize; 2],
}

impl Windows {
    /// Windows down and across.
    fn counts(self) -> [usize; 2] {
        [0, 1].map(|axis| self.size[axis].div_ceil(self.window[axis]))
    }

    /// The same windows of a map of half the rows and columns, whose windows are halved.
    pub fn halved(self) -> Self {
        Self { size: self.size.map(|n| n / 2), window: self.window.map(|n| n / 2) }
    }

    /// The tokens of each window; `beyond` is what lies outside of the map, zero when `None`.
    ///
    /// # Shapes
    /// - `x`: `[B, H, W, C]`
    /// - `beyond`: `[C]`
    /// - returns `[B·n, N, C]`
    pub fn split(self, x: Tensor<4>, beyond: Option<Tensor<1>>) -> Tensor<3> {
        let [batch, _, _, channels] = x.dims();
        let ([down, across], [rows, columns]) = (self.counts(), self.window);
        let missing = [down * rows - self.size[0], across * columns - self.size[1]];
        let filler = |shape: [usize; 4]| match &beyond {
            Some(value) => value.clone().reshape([1, 1, 1, channels]).expand(shape),
            None => Tensor::zeros(shape, &x.device()),
        };
        let mut x = x.clone();
        if missing[1] > 0 {
            let more = filler([batch, self.size[0], missing[1], channels]);
            x = Tensor::cat(vec![x, more], 2);
        }
        if missing[0] > 0 {
            let more = filler([batch, missing[0], across * columns, channels]);
            x = Tensor::cat(vec![x, more], 1);
        }
        if [down, across] != [1, 1] {
            let parts = x.reshape([batch * down, rows, across, columns * channels]);
            x = parts.swap_dims(1, 2); // [B·down, across, rows, columns·C]
        }
        x.reshape([batch * down * across, rows * columns, channels])
    }

    /// The map of the tokens of each window, without what lies outside.
    ///
    /// # Shapes
    /// - `x`: `[B·n, N, C]`
    /// - returns `[B, H, W, C]`
    pub fn merge(self, x: Tensor<3>) -> Tensor<4> {
        let [all, _, channels] = x.dims();
        let ([down, across], [rows, columns]) = (self.counts(), self.window);
        let batch = all / (down * across);
        let x = match [down, across] {
            [1, 1] => x.reshape([batch, rows, columns, channels]),
            _ => {
                let x = x.reshape([batch * down, across, rows, columns * channels]);
                x.swap_dims(1, 2).reshape([batch, down * rows, across * columns, channels])
            }
        };
        let [height, width] = self.size;
        x.narrow(1, 0, height).narrow(2, 0, width) // [B, H, W, C]
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::{Device, Tensor, TensorData};

    use super::Windows;
    use crate::pixels::host_values;

    #[test]
    fn windows_hold_their_places_and_come_back() {
        let count = 2 * 5 * 6 * 2;
        let values: Vec<f32> = (0..count).map(|i| i as f32).collect();
        let x = Tensor::<4>::from_data(TensorData::new(values, [2, 5, 6, 2]), &Device::flex());
        for window in [[2, 2], [3, 4], [5, 6], [1, 1], [7, 2]] {
            let windows = Windows { size: [5, 6], window };
            let beyond = Tensor::<1>::from_floats([-1.0, -2.0], &Device::flex());
            let parts = windows.split(x.clone(), Some(beyond));
            let across = 6usize.div_ceil(window[1]);
            let found = host_values(parts.clone());
            let tokens = window[0] * window[1];
            // The second row of the first picture's second window across, or beyond the map.
            let (row, column) = (1.min(window[0] - 1), window[1].min((across - 1) * window[1]));
            let at = (usize::from(across > 1) * tokens + row * window[1]) * 2;
            assert_eq!(found[at], ((row * 6 + column) * 2) as f32, "{window:?}");
            assert_eq!(parts.dims()[0], 2 * 5usize.div_ceil(window[0]) * across);
            assert_eq!(host_values(windows.merge(parts)), host_values(x.clone()));
        }
    }

    #[test]
    fn what_lies_beyond_is_what_was_given() {
        let x = Tensor::<4>::zeros([1, 2, 3, 1], &Device::flex());
        let windows = Windows { size: [2, 3], window: [2, 2] };
        let beyond = Tensor::<1>::from_floats([5.0], &Device::flex());
        let found = host_values(windows.split(x.clone(), Some(beyond)));
        assert_eq!(found, [0.0, 0.0, 0.0, 0.0, 0.0, 5.0, 0.0, 5.0]);
        assert_eq!(host_values(windows.split(x, None)), [0.0; 8]);
        assert_eq!(windows.halved(), Windows { size: [1, 1], window: [1, 1] });
    }
}
