//! Latent videos to token sequences and back.

use burn::tensor::Tensor;

/// Cuts latents into space-time patches, in frame-major order.
///
/// # Shapes
/// - `x`: `[B, C, T, H, W]`
/// - returns `[B, N, C·pt·ph·pw]`
pub fn tokens_from_latents(x: Tensor<5>, patch: [usize; 3]) -> Tensor<3> {
    let [b, c, t, h, w] = x.dims();
    let [pt, ph, pw] = patch;
    let (nt, nh, nw) = (t / pt, h / ph, w / pw);
    x.reshape([b, c, nt, pt, nh, ph, nw, pw]) // [B, C, nt, pt, nh, ph, nw, pw]
        .permute([0, 2, 4, 6, 1, 3, 5, 7]) // [B, nt, nh, nw, C, pt, ph, pw]
        .reshape([b, nt * nh * nw, c * pt * ph * pw])
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
    x.reshape([b, nt, nh, nw, c, pt, ph, pw]) // [B, nt, nh, nw, C, pt, ph, pw]
        .permute([0, 4, 1, 5, 2, 6, 3, 7]) // [B, C, nt, pt, nh, ph, nw, pw]
        .reshape([b, c, size[0], size[1], size[2]])
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
}
