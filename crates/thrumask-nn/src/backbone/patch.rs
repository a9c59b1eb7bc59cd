//! Latent videos cut into space-time patches, as tokens or as channels of smaller videos, and back.

use burn::tensor::Tensor;

/// Each axis of a video as patches and what is inside of one; sizes are multiples of the patch's.
///
/// # Shapes
/// - `x`: `[B, C, T, H, W]`
/// - returns `[B, C, T/pt, pt, H/ph, ph, W/pw, pw]`
fn cut(x: Tensor<5>, [pt, ph, pw]: [usize; 3]) -> Tensor<8> {
    let [b, c, t, h, w] = x.dims();
    x.reshape([b, c, t / pt, pt, h / ph, ph, w / pw, pw])
}

/// Cuts latents into space-time patches, in frame-major order.
///
/// # Shapes
/// - `x`: `[B, C, T, H, W]`
/// - returns `[B, N, C·pt·ph·pw]`
pub fn tokens_from_latents(x: Tensor<5>, patch: [usize; 3]) -> Tensor<3> {
    let x = cut(x, patch);
    let [b, c, nt, pt, nh, ph, nw, pw] = x.dims();
    let x = x.permute([0, 2, 4, 6, 1, 3, 5, 7]); // [B, nt, nh, nw, C, pt, ph, pw]
    thrumask_kernels::dense(x).reshape([b, nt * nh * nw, c * pt * ph * pw])
}

/// The inverse of [`tokens_from_latents`].
///
/// # Shapes
/// - `x`: `[B, N, C·pt·ph·pw]`
/// - `size`: `[T, H, W]`
/// - returns `[B, C, T, H, W]`
pub fn latents_from_tokens(x: Tensor<3>, size: [usize; 3], patch: [usize; 3]) -> Tensor<5> {
    let [b, _, values] = x.dims();
    let [pt, ph, pw] = patch;
    let c = values / (pt * ph * pw);
    let (nt, nh, nw) = (size[0] / pt, size[1] / ph, size[2] / pw);
    let x = x.reshape([b, nt, nh, nw, c, pt, ph, pw]); // [B, nt, nh, nw, C, pt, ph, pw]
    let x = x.permute([0, 4, 1, 5, 2, 6, 3, 7]); // [B, C, nt, pt, nh, ph, nw, pw]
    thrumask_kernels::dense(x).reshape([b, c, size[0], size[1], size[2]])
}

/// Space-time patches as channels of frames, which follow each other.
///
/// # Shapes
/// - `x`: `[B, C, T, H, W]`
/// - returns `[B·(T/pt), C·pt·ph·pw, H/ph, W/pw]`
pub fn frames_from_latents(x: Tensor<5>, patch: [usize; 3]) -> Tensor<4> {
    let x = cut(x, patch);
    let [b, c, nt, pt, nh, ph, nw, pw] = x.dims();
    let x = x.permute([0, 2, 1, 3, 5, 7, 4, 6]); // [B, nt, C, pt, ph, pw, nh, nw]
    thrumask_kernels::dense(x).reshape([b * nt, c * pt * ph * pw, nh, nw])
}

/// The inverse of [`frames_from_latents`], for `batch` videos.
///
/// # Shapes
/// - `x`: `[B·T, C·pt·ph·pw, H, W]`
/// - returns `[B, C, T·pt, H·ph, W·pw]`
pub fn latents_from_frames(x: Tensor<4>, batch: usize, patch: [usize; 3]) -> Tensor<5> {
    let [frames, values, nh, nw] = x.dims();
    let [pt, ph, pw] = patch;
    let (nt, c) = (frames / batch, values / (pt * ph * pw));
    let x = x.reshape([batch, nt, c, pt, ph, pw, nh, nw]); // [B, nt, C, pt, ph, pw, nh, nw]
    let x = x.permute([0, 2, 1, 3, 6, 4, 7, 5]); // [B, C, nt, pt, nh, ph, nw, pw]
    thrumask_kernels::dense(x).reshape([batch, c, nt * pt, nh * ph, nw * pw])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diffusion::noise::Noise;
    use burn::tensor::Device;

    #[test]
    fn patches_come_back() {
        let x = Noise::new(3, "x").normal_tensor([2, 3, 4, 6, 8], &Device::flex());
        let patch = [2, 3, 4];
        let tokens = tokens_from_latents(x.clone(), patch);
        assert_eq!(tokens.dims(), [2, 8, 72]);
        let back = latents_from_tokens(tokens, [4, 6, 8], patch);
        back.into_data().assert_eq(&x.into_data(), true);
    }

    #[test]
    fn frames_hold_what_tokens_hold_and_come_back() {
        let x = Noise::new(3, "x").normal_tensor([2, 3, 4, 6, 8], &Device::flex());
        let patch = [2, 3, 4];
        let frames = frames_from_latents(x.clone(), patch);
        assert_eq!(frames.dims(), [4, 72, 2, 2]);
        let tokens = frames.clone().reshape([2, 2, 72, 4]).swap_dims(2, 3).reshape([2, 8, 72]);
        tokens.into_data().assert_eq(&tokens_from_latents(x.clone(), patch).into_data(), true);
        let back = latents_from_frames(frames, 2, patch);
        back.into_data().assert_eq(&x.into_data(), true);
    }
}
