//! Layer norm, adaptive layer norm and root-mean-square norm over the last axis, and norms over groups
//! of channels.

mod group;
mod kernel;

use burn::tensor::Tensor;
use group::GroupNorm;
use kernel::{Norm, Scaled};

use crate::{bridge, reference};

/// `(1 + scale) * LN(x) + shift`, the adaptive norm of a DiT block (LN without own parameters).
///
/// # Shapes
/// `x` `[B, N, C]`, `shift` and `scale` `[B, C]` give `[B, N, C]`.
///
/// # Panics
/// When shapes disagree.
pub fn layer_norm_modulate(
    x: Tensor<3>,
    shift: Tensor<2>,
    scale: Tensor<2>,
    eps: f32,
) -> Tensor<3> {
    let [batch, _, channels] = x.dims();
    assert_eq!(shift.dims(), [batch, channels], "shift of shape [B, C]");
    assert_eq!(scale.dims(), [batch, channels], "scale of shape [B, C]");
    if bridge::is_fast(&x) {
        let norm = Norm { centred: true, gain_offset: 1.0, eps };
        return bridge::apply3(norm, x, scale.into_dispatch(), shift.into_dispatch());
    }
    reference::layer_norm_modulate(x, shift, scale, eps)
}

/// Layer norm over the last axis (biased variance), then `* gamma + beta`.
///
/// # Shapes
/// `x` `[.., C]`, `gamma` and `beta` `[C]` give `[.., C]`.
///
/// # Panics
/// When shapes disagree.
pub fn layer_norm<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    eps: f32,
) -> Tensor<D> {
    let channels = x.dims()[D - 1];
    assert_eq!(gamma.dims(), [channels], "gamma of shape [C]");
    assert_eq!(beta.dims(), [channels], "beta of shape [C]");
    if bridge::is_fast(&x) {
        let norm = Norm { centred: true, gain_offset: 0.0, eps };
        return bridge::apply3(norm, x, gamma.into_dispatch(), beta.into_dispatch());
    }
    reference::layer_norm(x, gamma, beta, eps)
}

/// Root-mean-square norm of every chunk of `group` values of the last axis, then `* gamma`. With
/// `group = C` this is the plain norm, with `group = C / heads` the per-head norm of queries and keys.
///
/// # Shapes
/// `x` `[.., C]` with `C` a multiple of `group`, `gamma` `[group]` give `[.., C]`.
///
/// # Panics
/// When shapes disagree.
pub fn rms_norm<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    group: usize,
    eps: f32,
) -> Tensor<D> {
    let channels = x.dims()[D - 1];
    assert!(
        group > 0 && channels.is_multiple_of(group),
        "{channels} channels in chunks of {group}"
    );
    assert_eq!(gamma.dims(), [group], "gamma of shape [group]");
    if bridge::is_fast(&x) {
        let norm = Norm { centred: false, gain_offset: 0.0, eps };
        return bridge::apply2(Scaled(norm), x, gamma.into_dispatch());
    }
    reference::rms_norm(x, gamma, group, eps)
}

/// Group norm: each of `groups` runs of channels is normed over its channels and all positions (biased
/// variance), then `* gamma + beta` by channel.
///
/// # Shapes
/// `x` `[B, C, ..]` with `C` a multiple of `groups`, `gamma` and `beta` `[C]` give the shape of `x`.
///
/// # Panics
/// When shapes disagree.
pub fn group_norm<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    groups: usize,
    eps: f32,
) -> Tensor<D> {
    by_groups(x, gamma, beta, GroupNorm { groups, eps, silu: false })
}

/// `z * sigmoid(z)` of [`group_norm`], in one pass.
///
/// # Shapes
/// As those of [`group_norm`].
///
/// # Panics
/// When shapes disagree.
pub fn group_norm_silu<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    groups: usize,
    eps: f32,
) -> Tensor<D> {
    by_groups(x, gamma, beta, GroupNorm { groups, eps, silu: true })
}

fn by_groups<const D: usize>(
    x: Tensor<D>,
    gamma: Tensor<1>,
    beta: Tensor<1>,
    norm: GroupNorm,
) -> Tensor<D> {
    let (channels, groups) = (x.dims()[1], norm.groups);
    assert!(
        groups > 0 && channels.is_multiple_of(groups),
        "{channels} channels in {groups} groups"
    );
    assert_eq!(gamma.dims(), [channels], "gamma of shape [C]");
    assert_eq!(beta.dims(), [channels], "beta of shape [C]");
    if bridge::is_fast(&x) && x.dims().iter().all(|&size| size > 0) {
        return bridge::apply3(norm, x, gamma.into_dispatch(), beta.into_dispatch());
    }
    let z = reference::group_norm(x, gamma, beta, groups, norm.eps);
    if norm.silu { reference::silu(z) } else { z }
}
