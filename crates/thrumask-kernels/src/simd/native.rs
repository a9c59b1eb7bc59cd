//! AVX2 with FMA, AVX-512 and NEON, by way of `pulp`: one set of operations over all of them.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{_MM_FROUND_NO_EXC, _MM_FROUND_TO_NEAREST_INT};

#[cfg(target_arch = "x86_64")]
use pulp::{Simd as _, bytemuck::cast};

use super::{Kernel, Simd};

/// An instruction set. A value of `pulp`'s types proves that the processor has it.
#[derive(Clone, Copy)]
pub(crate) struct Native<P>(P);

/// An instruction set of `pulp`, with what `pulp` has not for all of them.
pub(super) trait Set: pulp::Simd {
    /// Rows of the register tile: with two vectors a row, sums fill three quarters of the registers.
    const ROWS: usize = if Self::REGISTER_COUNT >= 32 { 12 } else { 6 };

    /// The nearest whole number, for sizes below 2^22.
    #[inline(always)]
    fn round(self, a: Self::f32s) -> Self::f32s {
        // 1.5 * 2^23: so large a number has no digits behind the point.
        let shift = self.splat_f32s(SHIFT);
        self.sub_f32s(self.add_f32s(a, shift), shift)
    }

    /// `a * 2^n` for whole `n` in -126..=127.
    #[inline(always)]
    fn scale2(self, a: Self::f32s, n: Self::f32s) -> Self::f32s {
        // The last bits of the sum are `n`, and those of `SHIFT` leave with the shift to the exponent.
        let n = self.transmute_u32s_f32s(self.add_f32s(n, self.splat_f32s(SHIFT)));
        let exponent = self.wrapping_dyn_shl_u32s(n, self.splat_u32s(23));
        let power = self.add_u32s(exponent, self.splat_u32s(1.0f32.to_bits()));
        self.mul_f32s(a, self.transmute_f32s_u32s(power))
    }
}

const SHIFT: f32 = 12_582_912.0;

#[cfg(target_arch = "x86_64")]
const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;

/// Single vectors of four: pairs would halve the instructions that read the left-hand matrix, of which
/// there is one for two sums, but double the values that Winograd's tiles hold at once.
#[cfg(target_arch = "aarch64")]
impl Set for pulp::aarch64::Neon {}

#[cfg(target_arch = "x86_64")]
impl Set for pulp::x86::V3 {
    #[inline(always)]
    fn round(self, a: Self::f32s) -> Self::f32s {
        cast(self.avx._mm256_round_ps::<NEAREST>(cast(a)))
    }

    #[inline(always)]
    fn scale2(self, a: Self::f32s, n: Self::f32s) -> Self::f32s {
        let n = cast(self.avx._mm256_cvtps_epi32(cast(n)));
        let exponent = self.shl_const_u32x8::<23>(self.add_u32s(n, self.splat_u32s(127)));
        self.mul_f32s(a, cast(exponent))
    }
}

/// Vectors as long as NEON's and operations as it makes them, to test both on another processor.
#[cfg(all(test, target_arch = "x86_64"))]
impl Set for pulp::x86::V3_128b {
    const ROWS: usize = 12;
}

#[cfg(target_arch = "x86_64")]
impl Set for pulp::x86::V4 {
    #[inline(always)]
    fn round(self, a: Self::f32s) -> Self::f32s {
        cast(self.avx512f._mm512_roundscale_ps::<NEAREST>(cast(a)))
    }

    #[inline(always)]
    fn scale2(self, a: Self::f32s, n: Self::f32s) -> Self::f32s {
        cast(self.avx512f._mm512_scalef_ps(cast(a), cast(n)))
    }
}

/// A kernel and the instruction set that it is to be compiled for.
pub(super) struct Call<K, P>(pub K, pub P);

impl<K: Kernel, P: Set> pulp::NullaryFnOnce for Call<K, P> {
    type Output = K::Output;

    #[inline(always)]
    fn call(self) -> K::Output {
        self.0.run(Native(self.1))
    }
}

impl<P: Set> Simd for Native<P> {
    type V = P::f32s;
    const LANES: usize = P::F32_LANES;
    const TILE_ROWS: usize = P::ROWS;

    #[inline(always)]
    fn splat(self, x: f32) -> P::f32s {
        self.0.splat_f32s(x)
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> P::f32s {
        // SAFETY: promised by the caller; a vector is `LANES` floats.
        unsafe { from.cast::<P::f32s>().read_unaligned() }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, x: P::f32s) {
        // SAFETY: promised by the caller; a vector is `LANES` floats.
        unsafe { to.cast::<P::f32s>().write_unaligned(x) }
    }
    #[inline(always)]
    fn add(self, a: P::f32s, b: P::f32s) -> P::f32s {
        self.0.add_f32s(a, b)
    }
    #[inline(always)]
    fn sub(self, a: P::f32s, b: P::f32s) -> P::f32s {
        self.0.sub_f32s(a, b)
    }
    #[inline(always)]
    fn mul(self, a: P::f32s, b: P::f32s) -> P::f32s {
        self.0.mul_f32s(a, b)
    }
    #[inline(always)]
    fn div(self, a: P::f32s, b: P::f32s) -> P::f32s {
        self.0.div_f32s(a, b)
    }
    #[inline(always)]
    fn max(self, a: P::f32s, b: P::f32s) -> P::f32s {
        self.0.max_f32s(a, b)
    }
    #[inline(always)]
    fn min(self, a: P::f32s, b: P::f32s) -> P::f32s {
        self.0.min_f32s(a, b)
    }
    #[inline(always)]
    fn fma(self, a: P::f32s, b: P::f32s, c: P::f32s) -> P::f32s {
        self.0.mul_add_f32s(a, b, c)
    }
    #[inline(always)]
    fn fnma(self, a: P::f32s, b: P::f32s, c: P::f32s) -> P::f32s {
        self.0.negate_mul_add_f32s(a, b, c)
    }
    #[inline(always)]
    fn sqrt(self, a: P::f32s) -> P::f32s {
        self.0.sqrt_f32s(a)
    }
    #[inline(always)]
    fn round(self, a: P::f32s) -> P::f32s {
        Set::round(self.0, a)
    }
    #[inline(always)]
    fn choose(self, x: P::f32s, negative: P::f32s, other: P::f32s) -> P::f32s {
        let below = self.0.less_than_f32s(x, self.0.splat_f32s(0.0));
        self.0.select_f32s(below, negative, other)
    }
    #[inline(always)]
    fn scale2(self, a: P::f32s, n: P::f32s) -> P::f32s {
        Set::scale2(self.0, a, n)
    }
}
