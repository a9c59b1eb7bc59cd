//! Pixels to cells and tokens, and masks back to pixels.
//!
//! Cells lie in token-major order (token row, token column, cell row, cell column), so that the
//! cells of a token, and the pixels of a cell, are neighbours in memory and need no more moving.

use burn::tensor::Tensor;

use super::GroundedConfig;

/// What every cell sees: itself and its surroundings, zero (mid-grey) beyond the picture's edge.
///
/// # Shapes
/// - `pixels`: `[B, 3, H, W]`
/// - returns `[B, cells, 3·(reach·cell)²]`
pub(super) fn windows(config: &GroundedConfig, pixels: Tensor<4>) -> Tensor<3> {
    let [batch, channels, height, width] = pixels.dims();
    let (cell, reach, side) = (config.cell, config.reach, config.cells());
    let margin = (reach - 1) * cell / 2;
    let blocks = side + reach - 1;
    let padded =
        Tensor::<4>::zeros([batch, channels, blocks * cell, blocks * cell], &pixels.device());
    let inside = [0..batch, 0..channels, margin..margin + height, margin..margin + width];
    let padded = padded.slice_assign(inside, pixels);
    let values = channels * cell * cell;
    let padded = padded.reshape([batch, channels, blocks, cell, blocks, cell]); // [B, 3, Y, y, X, x]
    let padded = padded.permute([0, 2, 4, 1, 3, 5]); // [B, Y, X, 3, y, x]
    let padded = thrumask_kernels::dense(padded).reshape([batch, blocks, blocks, values]); // [B, Y, X, 3·y·x]
    let shifted = |i: usize| {
        let (y, x) = (i / reach, i % reach);
        padded.clone().slice([0..batch, y..y + side, x..x + side, 0..values])
    };
    let seen = Tensor::cat((0..reach * reach).map(shifted).collect(), 3); // [B, Hc, Wc, V]
    let (grid, merge) = (config.grid(), config.merge);
    let seen = seen.reshape([batch, grid, merge, grid, merge, reach * reach * values]);
    let seen = seen.permute([0, 1, 3, 2, 4, 5]); // [B, Ty, Tx, cy, cx, V]
    thrumask_kernels::dense(seen).reshape([batch, side * side, reach * reach * values]) // [B, cells, V]
}

/// Values of pixels in the order of cells as pictures.
///
/// # Shapes
/// - `values`: `[B, S, cells·cell²]`
/// - returns `[B, S, H, W]`
pub(super) fn pictures(config: &GroundedConfig, values: Tensor<3>) -> Tensor<4> {
    let [batch, objects, _] = values.dims();
    let (grid, merge, cell, size) = (config.grid(), config.merge, config.cell, config.size);
    // [BS, Ty, Tx, cy, cx, y, x]
    let values = values.reshape([batch * objects, grid, grid, merge, merge, cell, cell]);
    let values = values.permute([0, 1, 3, 5, 2, 4, 6]); // [BS, Ty, cy, y, Tx, cx, x]
    thrumask_kernels::dense(values).reshape([batch, objects, size, size]) // [B, S, H, W]
}
