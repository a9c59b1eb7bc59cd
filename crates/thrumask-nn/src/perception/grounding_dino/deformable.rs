//! The layer around deformable attention: where each query looks, and with which weight.

use burn::{
    module::Module,
    tensor::{Tensor, TensorData},
};

use super::pyramid::Pyramid;
use crate::layers::{Init, Linear};

/// What a query's places are counted from, on each level.
pub(super) enum Around {
    /// Points `[B, Q, L, 2]`; offsets are in cells.
    Points(Tensor<4>),
    /// Boxes `[B, Q, L, 4]`; offsets are in shares of the box.
    Boxes(Tensor<4>),
}

/// Queries that look at a few places of each level.
#[derive(Module, Debug)]
pub(super) struct Deformable {
    offsets: Linear,
    weights: Linear,
    value: Linear,
    output: Linear,
    #[module(skip)]
    heads: usize,
    #[module(skip)]
    points: usize,
}

impl Deformable {
    pub fn new(init: &mut Init, width: usize, levels: usize, heads: usize, points: usize) -> Self {
        let places = heads * levels * points;
        Self {
            offsets: Linear::new(init, width, 2 * places, 1.0),
            weights: Linear::new(init, width, places, 1.0),
            value: Linear::new(init, width, width, 1.0),
            output: Linear::new(init, width, width, 1.0),
            heads,
            points,
        }
    }

    /// # Shapes
    /// - `query`: `[B, Q, C]`
    /// - `cells`: `[B, S, C]`, the features of all levels
    /// - returns `[B, Q, C]`
    pub fn forward(
        &self,
        query: Tensor<3>,
        cells: Tensor<3>,
        around: &Around,
        on: &Pyramid,
    ) -> Tensor<3> {
        let [batch, queries, width] = query.dims();
        let (heads, levels, points) = (self.heads, on.levels.len(), self.points);
        let mut value = self.value.forward(cells); // [B, S, C]
        if let Some(beyond) = &on.beyond {
            let mask = beyond.mask.clone().expand([batch, on.cells(), width]);
            value = value.mask_fill(mask, 0.0);
        }
        let weights = self.weights.forward(query.clone());
        let weights = weights.reshape([batch, queries, heads, levels * points]);
        let weights = thrumask_kernels::softmax_last(weights);
        let offsets = self.offsets.forward(query); // [B, Q, h·L·P·2]
        let offsets = offsets.reshape([batch, queries, heads, levels, points, 2]);
        let apart = |around: Tensor<4>| around.reshape([batch, queries, 1, levels, 1, 2]);
        let places = match around {
            Around::Points(centres) => {
                let size = on.levels.iter().flat_map(|&[h, w]| [w as f32, h as f32]).collect();
                let size = TensorData::new::<f32, _>(size, [1, 1, 1, levels, 1, 2]);
                let size = Tensor::<6>::from_data(size, &offsets.device());
                offsets / size + apart(centres.clone())
            }
            Around::Boxes(boxes) => {
                let centres = apart(boxes.clone().narrow(3, 0, 2));
                let sizes = apart(boxes.clone().narrow(3, 2, 2));
                offsets / points as f32 * sizes * 0.5 + centres
            }
        };
        let places = places.reshape([batch, queries, heads * levels * points * 2]);
        let weights = weights.reshape([batch, queries, heads * levels * points]);
        let mixed =
            thrumask_kernels::deformable_attention(value, places, weights, heads, &on.levels);
        self.output.forward(mixed)
    }
}
