//! Which tokens see each other: windows of the grid, which every second block moves by half a window, around
//! the borders (cyclic shift, section 3.2).

use burn::tensor::{Device, Int, Tensor, TensorData};

/// What is added to the score of tokens that a shift brings together from two ends of the grid.
const APART: f32 = -100.0;

/// The windows of a grid.
#[derive(Debug, Clone)]
pub(super) struct Windows {
    /// The token of each place of each window; behind the last one beyond the grid.
    gather: Tensor<1, Int>,
    /// The place of each token.
    scatter: Tensor<1, Int>,
    /// `[windows, 1, n, n]`, with a shift alone.
    pub apart: Option<Tensor<4>>,
    tokens: usize,
    padded: bool,
    windows: usize,
    /// Places of a window.
    places: usize,
}

/// Where the places of a grid's windows are.
struct Places {
    gather: Vec<i32>,
    scatter: Vec<i32>,
    regions: Vec<u8>,
}

impl Places {
    fn new([height, width]: [usize; 2], window: usize, shift: usize) -> Self {
        let [rows, columns] = [height, width].map(|n| n.next_multiple_of(window));
        // One of three regions along an axis: those far from the end, those that stay, those from the start.
        let region = |i: usize, n: usize| u8::from(i + window >= n) + u8::from(i + shift >= n);
        let mut found = Self {
            gather: Vec::with_capacity(rows * columns),
            scatter: vec![0; height * width],
            regions: Vec::with_capacity(rows * columns),
        };
        for top in (0..rows).step_by(window) {
            for side in (0..columns).step_by(window) {
                for (y, x) in (0..window).flat_map(|y| (0..window).map(move |x| (y, x))) {
                    let (row, column) = (top + y, side + x);
                    found.regions.push(3 * region(row, rows) + region(column, columns));
                    let (row, column) = ((row + shift) % rows, (column + shift) % columns);
                    let inside = row < height && column < width;
                    let token = if inside { row * width + column } else { height * width };
                    if inside {
                        found.scatter[token] = found.gather.len() as i32;
                    }
                    found.gather.push(token as i32);
                }
            }
        }
        found
    }
}

impl Windows {
    /// Windows of `window × window` tokens, moved by `shift`.
    pub fn new(size: [usize; 2], window: usize, shift: usize, device: &Device) -> Self {
        let Places { gather, scatter, regions } = Places::new(size, window, shift);
        let (places, tokens) = (window * window, size[0] * size[1]);
        let (windows, padded) = (gather.len() / places, gather.len() > tokens);
        let apart = (shift > 0).then(|| {
            let of = |regions: &[u8]| -> Vec<f32> {
                let row =
                    |a: &u8| regions.iter().map(|b| if a == b { 0.0 } else { APART }).collect();
                regions.iter().flat_map(|a| -> Vec<f32> { row(a) }).collect()
            };
            let values: Vec<f32> = regions.chunks_exact(places).flat_map(of).collect();
            Tensor::from_data(TensorData::new(values, [windows, 1, places, places]), device)
        });
        let index = |values: Vec<i32>| {
            let count = values.len();
            Tensor::from_data(TensorData::new(values, [count]), device)
        };
        let (gather, scatter) = (index(gather), index(scatter));
        Self { gather, scatter, apart, tokens, padded, windows, places }
    }

    /// # Shapes
    /// - `x`: `[B, N, C]`
    /// - returns `[B·windows, places, C]`; zero beyond the grid
    pub fn split(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, _, channels] = x.dims();
        let x = match self.padded {
            true => {
                Tensor::cat(vec![x.clone(), Tensor::zeros([batch, 1, channels], &x.device())], 1)
            }
            false => x,
        };
        let x = x.select(1, self.gather.clone()); // [B, windows·places, C]
        x.reshape([batch * self.windows, self.places, channels])
    }

    /// # Shapes
    /// - `x`: `[B·windows, places, C]`
    /// - returns `[B, N, C]`
    pub fn join(&self, x: Tensor<3>) -> Tensor<3> {
        let [rows, _, channels] = x.dims();
        let x = x.reshape([rows / self.windows, self.windows * self.places, channels]);
        x.select(1, self.scatter.clone()).reshape([rows / self.windows, self.tokens, channels])
    }
}

/// For each pair of places of a window, the row of a table of `(2·window − 1)²` relative positions.
pub(super) fn relative_positions(window: usize) -> Vec<i32> {
    let span = 2 * window - 1;
    let places = || (0..window).flat_map(|y| (0..window).map(move |x| (y, x)));
    let row = |(y, x): (usize, usize)| {
        places().map(move |(v, u)| ((y + window - 1 - v) * span + x + window - 1 - u) as i32)
    };
    places().flat_map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_token_has_one_place() {
        for (size, window, shift) in
            [([6, 9], 3, 0), ([5, 7], 3, 1), ([2, 2], 7, 3), ([8, 4], 4, 2)]
        {
            let Places { gather, scatter, .. } = Places::new(size, window, shift);
            for (token, &place) in scatter.iter().enumerate() {
                assert_eq!(gather[place as usize], token as i32, "{size:?}");
            }
            let beyond = gather.iter().filter(|&&t| t as usize == size[0] * size[1]).count();
            assert_eq!(beyond + scatter.len(), gather.len());
        }
    }

    #[test]
    fn a_shift_brings_only_neighbours_together() {
        let size = [8, 8];
        let Places { gather, regions, .. } = Places::new(size, 4, 2);
        for (window, regions) in gather.chunks(16).zip(regions.chunks(16)) {
            for (a, ra) in window.iter().zip(regions) {
                for (b, rb) in window.iter().zip(regions) {
                    let far = |d: i32| d.abs() > 3;
                    let apart = far(a / 8 - b / 8) || far(a % 8 - b % 8);
                    assert_eq!(apart, ra != rb, "{a} and {b}");
                }
            }
        }
    }

    #[test]
    fn relative_positions_depend_on_the_difference() {
        let table = relative_positions(3);
        assert_eq!((table[0], table[4 * 9 + 4], table[80]), (12, 12, 12));
        // From the first place to the last, and back.
        assert_eq!((table[8], table[8 * 9]), (0, 24));
    }
}
