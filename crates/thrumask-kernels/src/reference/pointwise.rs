use burn::tensor::{Tensor, activation};

/// `(1 + scale) * LN(x) + shift`, the adaptive norm of a DiT block.
///
/// # Shapes
/// `x` `[B, N, C]`, `shift` and `scale` `[B, C]` give `[B, N, C]`.
pub fn layer_norm_modulate(
    x: Tensor<3>,
    shift: Tensor<2>,
    scale: Tensor<2>,
    eps: f32,
) -> Tensor<3> {
    let shift = shift.unsqueeze_dim::<3>(1); // [B, 1, C]
    let scale = scale.unsqueeze_dim::<3>(1); // [B, 1, C]
    normalise(x, eps) * (scale + 1.0) + shift
}

/// Layer norm over the last axis, then `* gamma + beta`.
///
/// # Shapes
/// `x` `[.., C]`, `gamma` and `beta` `[C]` give `[.., C]`.
pub fn layer_norm<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    eps: f32,
) -> Tensor<D> {
    let dims = x.dims();
    let x = in_blocks(x);
    let [gamma, beta] = [gamma, beta].map(|shared| for_blocks(shared, &x));
    (normalise(x, eps) * gamma + beta).reshape(dims)
}

/// Root-mean-square norm of every chunk of `group` values of the last axis, then `* gamma`.
///
/// # Shapes
/// `x` `[.., C]` with `C` a multiple of `group`, `gamma` `[group]` give `[.., C]`.
pub fn rms_norm<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    group: usize,
    eps: f32,
) -> Tensor<D> {
    let dims = x.dims();
    let rows = dims.iter().product::<usize>() / group;
    let x = in_blocks(x.reshape([rows, group]));
    let power = x.clone().square().mean_dim(2); // [blocks, rows, 1]
    let gamma = for_blocks(gamma, &x);
    (x / (power + eps).sqrt() * gamma).reshape(dims)
}

/// `x * Φ(x)` with the Gaussian distribution function.
///
/// # Shapes
/// Any shape, kept.
pub fn gelu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    activation::gelu(x)
}

/// The tanh approximation of [`gelu`].
///
/// # Shapes
/// Any shape, kept.
pub fn gelu_tanh<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let cubic = x.clone() * x.clone() * x.clone() * 0.044_715;
    let inner = (x.clone() + cubic) * (2.0 / std::f64::consts::PI).sqrt();
    x * (inner.tanh() + 1.0) * 0.5
}

/// `x * sigmoid(x)`.
///
/// # Shapes
/// Any shape, kept.
pub fn silu<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    x.clone() * activation::sigmoid(x)
}

/// `1 / (1 + e^-x)`.
///
/// # Shapes
/// Any shape, kept.
pub fn sigmoid<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    activation::sigmoid(x)
}

/// The hyperbolic tangent.
///
/// # Shapes
/// Any shape, kept.
pub fn tanh<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    x.tanh()
}

/// Softmax over the last axis; a row of nothing but `-inf` gives exactly zero.
///
/// # Shapes
/// Any shape, kept.
pub fn softmax_last<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    let masked = x.clone().equal_elem(f32::NEG_INFINITY).all_dim(D - 1).expand(x.dims());
    // The first fill keeps what is not a number out of the gradient.
    activation::softmax(x.mask_fill(masked.clone(), 0.0), D - 1).mask_fill(masked, 0.0)
}

/// `x w + b` over the last axis.
///
/// # Shapes
/// `x` `[.., K]`, `w` `[K, M]`, `b` `[M]` give `[.., M]`.
pub fn linear<const D: usize>(x: Tensor<D>, w: Tensor<2>, b: Option<Tensor<1>>) -> Tensor<D> {
    let mut dims = x.dims();
    let [_, outputs] = w.dims();
    let mut y = in_blocks(x).matmul(w.unsqueeze::<3>()); // [blocks, rows, M]
    if let Some(b) = b {
        let b = for_blocks(b, &y);
        y = y + b;
    }
    dims[D - 1] = outputs;
    y.reshape(dims)
}

/// Group norm (biased variance), then `* gamma + beta` by channel.
///
/// # Shapes
/// `x` `[B, C, ..]`, `gamma` and `beta` `[C]` give the shape of `x`.
pub fn group_norm<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    groups: usize,
    eps: f32,
) -> Tensor<D> {
    let dims = x.dims();
    let [batch, channels] = [dims[0], dims[1]];
    let values = dims.iter().product::<usize>() / (batch * channels).max(1);
    // Means in two steps, as in `in_blocks`.
    let block = share_of(values);
    let per_channel = values / block.max(1);
    let x = x.reshape([batch, groups, channels / groups * per_channel, block]);
    let mean = |x: Tensor<4>| x.mean_dim(3).mean_dim(2); // [B, groups, 1, 1]
    let centred = x.clone() - mean(x);
    let variance = mean(centred.clone().square());
    let normed = centred / (variance + eps).sqrt();
    let normed = normed.reshape([batch, channels, per_channel, block]);
    let [gamma, beta] = [gamma, beta].map(|x| x.reshape([1, channels, 1, 1]));
    (normed * gamma + beta).reshape(dims)
}

/// `x + gate * y`.
///
/// # Shapes
/// `x` and `y` `[B, N, C]`, `gate` `[B, C]` or `[1, C]` give `[B, N, C]`.
pub fn gated_residual(x: Tensor<3>, gate: Tensor<2>, y: Tensor<3>) -> Tensor<3> {
    x + gate.unsqueeze_dim::<3>(1) * y
}

/// A zero whose gradient with respect to `output` is `cotangent`.
///
/// # Shapes
/// Two tensors of one shape give `[1, .., 1]`.
pub fn pull_back<const D: usize>(output: Tensor<D>, cotangent: Tensor<D>) -> Tensor<D> {
    let sum = (output * cotangent.detach()).sum().reshape([1; D]);
    sum.clone() - sum.detach()
}

/// Rows of the last axis as blocks of rows. A device without our kernels adds up each element of the gradient
/// of what all rows share in one thread: blocks by blocks first, so that there are many threads.
///
/// # Shapes
/// `[.., C]` gives `[blocks, rows, C]`.
fn in_blocks<const D: usize>(x: Tensor<D>) -> Tensor<3> {
    let width = x.dims()[D - 1];
    let rows = x.dims().iter().take(D - 1).product::<usize>();
    let block = share_of(rows);
    x.reshape([rows / block.max(1), block, width])
}

/// What all rows share, once for each block.
///
/// # Shapes
/// `[C]` for `[blocks, rows, C]` gives `[blocks, 1, C]`.
fn for_blocks(shared: Tensor<1>, x: &Tensor<3>) -> Tensor<3> {
    let [blocks, _, width] = x.dims();
    shared.reshape([1, 1, width]).expand([blocks, 1, width])
}

/// The largest divisor of `count` that is at most 512.
fn share_of(count: usize) -> usize {
    (1..=count.min(512)).rev().find(|n| count.is_multiple_of(*n)).unwrap_or(count)
}

/// `(x - mean) / sqrt(variance + eps)` over the last axis, biased variance.
fn normalise<const D: usize>(x: Tensor<D>, eps: f32) -> Tensor<D> {
    let centred = x.clone() - x.mean_dim(D - 1);
    let variance = centred.clone().square().mean_dim(D - 1);
    centred / (variance + eps).sqrt()
}
