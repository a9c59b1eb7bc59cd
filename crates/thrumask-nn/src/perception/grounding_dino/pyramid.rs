//! Features of pictures at several resolutions, and which of their cells lie on the pictures.

use burn::tensor::{Bool, Device, Int, Tensor, TensorData};

use super::{config::GroundingDinoConfig, picture::Pictures, positions};
use crate::perception::swin::Features;

/// The grids of all levels, and what follows from the sizes of the pictures.
#[derive(Debug, Clone)]
pub(super) struct Pyramid {
    /// Rows and columns of each level.
    pub levels: Vec<[usize; 2]>,
    /// Of each picture and level, the rows and columns that lie on the picture.
    pub valid: Vec<Vec<[usize; 2]>>,
    /// Cells beyond the pictures, when there are any.
    pub beyond: Option<Beyond>,
    device: Device,
}

/// Cells beyond the pictures.
#[derive(Debug, Clone)]
pub(super) struct Beyond {
    /// `[B, S, 1]`.
    pub mask: Tensor<3, Bool>,
    /// `[B, S, 1]`: the cells of each row, those on the picture first.
    pub order: Tensor<3, Int>,
    /// How many cells lie on each picture.
    pub counts: Vec<usize>,
}

impl Pyramid {
    /// The grids of features of pictures that were filled up to `size` rows and columns.
    pub fn new(features: &[Features], pictures: &Pictures, device: &Device) -> Self {
        let levels: Vec<[usize; 2]> = features.iter().map(|f| f.size).collect();
        let [_, _, height, width] = pictures.pixels.dims();
        let on = |sides: &[usize; 2]| -> Vec<[usize; 2]> {
            let level = |level: &[usize; 2]| {
                [valid(level[0], height, sides[0]), valid(level[1], width, sides[1])]
            };
            levels.iter().map(level).collect()
        };
        let valid: Vec<Vec<[usize; 2]>> = pictures.sizes.iter().map(on).collect();
        let beyond = valid.iter().any(|valid| *valid != levels);
        let beyond = beyond.then(|| Beyond::new(&levels, &valid, device));
        Self { levels, valid, beyond, device: device.clone() }
    }

    /// Cells of all levels.
    pub fn cells(&self) -> usize {
        self.levels.iter().map(|[h, w]| h * w).sum()
    }

    /// Number of pictures.
    pub fn rows(&self) -> usize {
        self.valid.len()
    }

    /// Values for each picture and level, `count` for each.
    fn by_level(&self, count: usize, of: impl Fn([usize; 2], [usize; 2]) -> Vec<f32>) -> Tensor<3> {
        let pair = |valid: &Vec<[usize; 2]>| -> Vec<f32> {
            self.levels.iter().zip(valid).flat_map(|(&level, &valid)| of(level, valid)).collect()
        };
        let values: Vec<f32> = self.valid.iter().flat_map(pair).collect();
        let shape = [self.rows(), values.len() / self.rows().max(1) / count, count];
        Tensor::from_data(TensorData::new(values, shape), &self.device)
    }

    /// What shares of the picture are as shares of each level.
    ///
    /// # Shapes
    /// - returns `[B, L, 2]`: of columns and of rows
    pub fn ratios(&self) -> Tensor<3> {
        self.by_level(2, |[h, w], [vh, vw]| vec![vw as f32 / w as f32, vh as f32 / h as f32])
    }

    /// The waves of the cells' places.
    ///
    /// # Shapes
    /// - returns `[B, S, C]`
    pub fn waves(&self, config: &GroundingDinoConfig) -> Tensor<3> {
        let GroundingDinoConfig { width, temperature, .. } = *config;
        self.by_level(width, |level, valid| positions::of_cells(level, valid, width, temperature))
    }

    /// The centres of the cells, as shares of the picture.
    ///
    /// # Shapes
    /// - returns `[B, S, 2]`: column, row
    pub fn centres(&self) -> Tensor<3> {
        let line = |i: usize, valid: usize, n: usize| {
            // In this order of operations, as the reference has it.
            (i as f32 + 0.5) / (valid as f32 / n as f32 * n as f32)
        };
        self.by_level(2, |[h, w], [vh, vw]| {
            let row = |y: usize| (0..w).flat_map(move |x| [line(x, vw, w), line(y, vh, h)]);
            (0..h).flat_map(row).collect()
        })
    }

    /// A box around each cell, before the sigmoid, and whether there is one: it lies well on the picture.
    ///
    /// # Shapes
    /// - returns `[B, S, 4]` of centre, width and height, and `[B, S, 1]`, `true` where there is none
    pub fn proposals(&self) -> (Tensor<3>, Tensor<3, Bool>) {
        let mut boxes = Vec::with_capacity(self.rows() * self.cells() * 4);
        let mut none = Vec::with_capacity(self.rows() * self.cells());
        for valid in &self.valid {
            for (l, (&[h, w], &[vh, vw])) in self.levels.iter().zip(valid).enumerate() {
                let side = 0.05 * (1 << l) as f32;
                for (y, x) in (0..h).flat_map(|y| (0..w).map(move |x| (y, x))) {
                    let centre = [(x as f32 + 0.5) / vw as f32, (y as f32 + 0.5) / vh as f32];
                    let bounds = [centre[0], centre[1], side, side];
                    let well = bounds.iter().all(|&v| v > 0.01 && v < 0.99) && y < vh && x < vw;
                    none.push(!well);
                    let logit = |v: f32| if well { (v / (1.0 - v)).ln() } else { f32::INFINITY };
                    boxes.extend(bounds.map(logit));
                }
            }
        }
        let shape = [self.rows(), self.cells()];
        let boxes = TensorData::new(boxes, [shape[0], shape[1], 4]);
        let none = TensorData::new(none, [shape[0], shape[1], 1]);
        (Tensor::from_data(boxes, &self.device), Tensor::from_data(none, &self.device))
    }
}

/// Cells of a line of `cells`, over a side of which `side` of `length` pixels lie on the picture: those whose
/// first pixel does (PyTorch's nearest neighbour).
fn valid(cells: usize, length: usize, side: usize) -> usize {
    let scale = length as f32 / cells as f32;
    (0..cells).take_while(|&i| ((i as f32 * scale) as usize) < side).count()
}

impl Beyond {
    fn new(levels: &[[usize; 2]], valid: &[Vec<[usize; 2]>], device: &Device) -> Self {
        let (mut mask, mut order, mut counts) = (Vec::new(), Vec::new(), Vec::new());
        for valid in valid {
            let level = |([h, w], &[vh, vw]): (&[usize; 2], &[usize; 2])| -> Vec<bool> {
                let (h, w) = (*h, *w);
                (0..h).flat_map(|y| (0..w).map(move |x| y >= vh || x >= vw)).collect()
            };
            let row: Vec<bool> = levels.iter().zip(valid).flat_map(level).collect();
            let (inside, outside): (Vec<i32>, Vec<i32>) =
                (0..row.len() as i32).partition(|&i| !row[i as usize]);
            counts.push(inside.len());
            order.extend(inside.into_iter().chain(outside));
            mask.extend(row);
        }
        let shape = [valid.len(), mask.len() / valid.len().max(1), 1];
        let mask = Tensor::from_data(TensorData::new(mask, shape), device);
        let order = Tensor::from_data(TensorData::new(order, shape), device);
        Self { mask, order, counts }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_keeps_the_share_of_the_picture() {
        assert_eq!(valid(25, 200, 200), 25);
        assert_eq!(valid(25, 200, 80), 10);
        assert_eq!(valid(13, 200, 80), 6); // 0, 15.4, …, 76.9
        assert_eq!(valid(2, 200, 1), 1);
    }
}
