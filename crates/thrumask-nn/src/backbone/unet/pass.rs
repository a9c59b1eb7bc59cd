//! What all parts of the network share in one forward pass, and the two ways features lie.

use burn::tensor::Tensor;

use crate::{backbone::ObjectContext, layers::Context};

/// One forward pass. Features are `[B·T, C, H, W]`, frame-major within a batch row.
pub struct Pass<'a> {
    pub batch: usize,
    pub frames: usize,
    /// SiLU of the time embedding, `[B, 4·C]`.
    pub time: Tensor<2>,
    pub text: &'a Context,
    /// Object groups and prompts by level; `None` where no masked layer works.
    pub objects: Vec<Option<&'a ObjectContext>>,
}

/// # Shapes
/// - `x`: `[I, C, H, W]`
/// - returns `[I, H·W, C]`
pub fn tokens_of(x: Tensor<4>) -> Tensor<3> {
    let [images, c, h, w] = x.dims();
    x.reshape([images, c, h * w]).swap_dims(1, 2)
}

/// # Shapes
/// - `tokens`: `[I, H·W, C]`
/// - returns `[I, C, H, W]`
pub fn features_of(tokens: Tensor<3>, [h, w]: [usize; 2]) -> Tensor<4> {
    let [images, _, c] = tokens.dims();
    tokens.swap_dims(1, 2).reshape([images, c, h, w])
}
