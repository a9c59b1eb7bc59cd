//! AVX2 with FMA, AVX-512 and NEON, by way of `pulp`: one set of operations over all of them.

#[cfg(target_arch = "x86_64")]
use std::arch::x86_64::{__m256, __m512, _MM_HINT_T1, _mm_prefetch};

#[cfg(target_arch = "x86_64")]
use pulp::Simd as _;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use pulp::bytemuck::cast;

use super::{Kernel, Simd, turn_plainly, unzip_plainly, zip_plainly};

/// An instruction set. A value of `pulp`'s types proves that the processor has it.
#[derive(Clone, Copy)]
pub(crate) struct Native<P>(P);

/// An instruction set of `pulp`, with what `pulp` has not for all of them.
pub(super) trait Set: pulp::Simd {
    /// Rows of the register tile: with two vectors a row, sums fill three quarters of the registers.
    const ROWS: usize = if Self::REGISTER_COUNT >= 32 { 12 } else { 6 };

    /// `a * 2^n` for whole `n` in -126..=127.
    #[inline(always)]
    fn scale2(self, a: Self::f32s, n: Self::f32s) -> Self::f32s {
        // The last bits of the sum are `n`, and those of `SHIFT` leave with the shift to the exponent.
        let n = self.transmute_u32s_f32s(self.add_f32s(n, self.splat_f32s(SHIFT)));
        let exponent = self.wrapping_dyn_shl_u32s(n, self.splat_u32s(23));
        let power = self.add_u32s(exponent, self.splat_u32s(1.0f32.to_bits()));
        self.mul_f32s(a, self.transmute_f32s_u32s(power))
    }

    /// [`Simd::inverse`]
    #[inline(always)]
    fn inverse(self, a: Self::f32s) -> Self::f32s {
        self.div_f32s(self.splat_f32s(1.0), a)
    }

    /// [`Simd::turn`], where shuffles have a name for the set; says whether they have.
    #[inline(always)]
    fn turn(self, _rows: &mut [Self::f32s; 16]) -> bool {
        false
    }

    /// [`Simd::unzip`], likewise.
    #[inline(always)]
    fn unzip(self, _a: Self::f32s, _b: Self::f32s) -> Option<[Self::f32s; 2]> {
        None
    }

    /// [`Simd::zip`], likewise.
    #[inline(always)]
    fn zip(self, _a: Self::f32s, _b: Self::f32s) -> Option<[Self::f32s; 2]> {
        None
    }

    /// [`Simd::fetch`]
    #[inline(always)]
    fn fetch(self, _at: *const f32) {}

    /// [`Simd::store_past`]
    ///
    /// # Safety
    /// As there.
    #[inline(always)]
    unsafe fn store_past(self, to: *mut f32, x: Self::f32s) {
        // SAFETY: promised by the caller.
        unsafe { to.cast::<Self::f32s>().write(x) }
    }
}

const SHIFT: f32 = 12_582_912.0;

/// Single vectors of four: pairs would halve the instructions that read the left-hand matrix, of which
/// there is one for two sums, but double the values that Winograd's tiles hold at once.
#[cfg(target_arch = "aarch64")]
impl Set for pulp::aarch64::Neon {
    #[inline(always)]
    fn unzip(self, a: Self::f32s, b: Self::f32s) -> Option<[Self::f32s; 2]> {
        let (neon, a, b) = (self.neon, cast(a), cast(b));
        Some([cast(neon.vuzp1q_f32(a, b)), cast(neon.vuzp2q_f32(a, b))])
    }

    #[inline(always)]
    fn zip(self, a: Self::f32s, b: Self::f32s) -> Option<[Self::f32s; 2]> {
        let (neon, a, b) = (self.neon, cast(a), cast(b));
        Some([cast(neon.vzip1q_f32(a, b)), cast(neon.vzip2q_f32(a, b))])
    }
}

#[cfg(target_arch = "x86_64")]
impl Set for pulp::x86::V3 {
    #[inline(always)]
    fn scale2(self, a: Self::f32s, n: Self::f32s) -> Self::f32s {
        let n = cast(self.avx._mm256_cvtps_epi32(cast(n)));
        let exponent = self.shl_const_u32x8::<23>(self.add_u32s(n, self.splat_u32s(127)));
        self.mul_f32s(a, cast(exponent))
    }

    /// Pairs of rows, then fours, within halves of a vector; then the halves change places.
    #[inline(always)]
    fn turn(self, rows: &mut [Self::f32s; 16]) -> bool {
        let avx = self.avx;
        let mut fours = [[cast::<_, __m256>(self.splat_f32s(0.0)); 4]; 2];
        for (four, rows) in fours.iter_mut().zip(rows.chunks_exact(4)) {
            let pair = |a: Self::f32s, b: Self::f32s| {
                let (a, b) = (cast(a), cast(b));
                let (low, high) = (avx._mm256_unpacklo_ps(a, b), avx._mm256_unpackhi_ps(a, b));
                (avx._mm256_castps_pd(low), avx._mm256_castps_pd(high))
            };
            let ((a, b), (c, d)) = (pair(rows[0], rows[1]), pair(rows[2], rows[3]));
            *four = [
                avx._mm256_castpd_ps(avx._mm256_unpacklo_pd(a, c)),
                avx._mm256_castpd_ps(avx._mm256_unpackhi_pd(a, c)),
                avx._mm256_castpd_ps(avx._mm256_unpacklo_pd(b, d)),
                avx._mm256_castpd_ps(avx._mm256_unpackhi_pd(b, d)),
            ];
        }
        for i in 0..4 {
            let (a, b) = (fours[0][i], fours[1][i]);
            rows[i] = cast(avx._mm256_permute2f128_ps::<0x20>(a, b));
            rows[4 + i] = cast(avx._mm256_permute2f128_ps::<0x31>(a, b));
        }
        true
    }

    /// Within halves of a vector, then pairs to their places.
    #[inline(always)]
    fn unzip(self, a: Self::f32s, b: Self::f32s) -> Option<[Self::f32s; 2]> {
        let (avx, a, b) = (self.avx, cast(a), cast(b));
        let sort = |x: __m256| cast(self.avx2._mm256_permute4x64_epi64::<0xD8>(cast(x)));
        let (even, odd) =
            (avx._mm256_shuffle_ps::<0x88>(a, b), avx._mm256_shuffle_ps::<0xDD>(a, b));
        Some([sort(even), sort(odd)])
    }

    #[inline(always)]
    fn zip(self, a: Self::f32s, b: Self::f32s) -> Option<[Self::f32s; 2]> {
        let (avx, a, b) = (self.avx, cast(a), cast(b));
        let (low, high) = (avx._mm256_unpacklo_ps(a, b), avx._mm256_unpackhi_ps(a, b));
        Some([
            cast(avx._mm256_permute2f128_ps::<0x20>(low, high)),
            cast(avx._mm256_permute2f128_ps::<0x31>(low, high)),
        ])
    }

    #[inline(always)]
    fn fetch(self, at: *const f32) {
        // SAFETY: a hint, for any address.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }

    #[inline(always)]
    unsafe fn store_past(self, to: *mut f32, x: Self::f32s) {
        // SAFETY: promised by the caller.
        unsafe { self.avx._mm256_stream_ps(to, cast(x)) }
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
    fn scale2(self, a: Self::f32s, n: Self::f32s) -> Self::f32s {
        cast(self.avx512f._mm512_scalef_ps(cast(a), cast(n)))
    }

    /// An estimate of 14 bits, and a step of Newton's.
    #[inline(always)]
    fn inverse(self, a: Self::f32s) -> Self::f32s {
        let estimate = cast(self.avx512f._mm512_rcp14_ps(cast(a)));
        let left = self.negate_mul_add_f32s(a, estimate, self.splat_f32s(2.0));
        self.mul_f32s(estimate, left)
    }

    /// As with halves, with quarters.
    #[inline(always)]
    fn turn(self, rows: &mut [Self::f32s; 16]) -> bool {
        let avx = self.avx512f;
        let mut fours = [[cast::<_, __m512>(self.splat_f32s(0.0)); 4]; 4];
        for (four, rows) in fours.iter_mut().zip(rows.chunks_exact(4)) {
            let pair = |a: Self::f32s, b: Self::f32s| {
                let (a, b) = (cast(a), cast(b));
                let (low, high) = (avx._mm512_unpacklo_ps(a, b), avx._mm512_unpackhi_ps(a, b));
                (avx._mm512_castps_pd(low), avx._mm512_castps_pd(high))
            };
            let ((a, b), (c, d)) = (pair(rows[0], rows[1]), pair(rows[2], rows[3]));
            *four = [
                avx._mm512_castpd_ps(avx._mm512_unpacklo_pd(a, c)),
                avx._mm512_castpd_ps(avx._mm512_unpackhi_pd(a, c)),
                avx._mm512_castpd_ps(avx._mm512_unpacklo_pd(b, d)),
                avx._mm512_castpd_ps(avx._mm512_unpackhi_pd(b, d)),
            ];
        }
        for i in 0..4 {
            let [a, b, c, d] = [fours[0][i], fours[1][i], fours[2][i], fours[3][i]];
            let front =
                [avx._mm512_shuffle_f32x4::<0x44>(a, b), avx._mm512_shuffle_f32x4::<0x44>(c, d)];
            let back =
                [avx._mm512_shuffle_f32x4::<0xEE>(a, b), avx._mm512_shuffle_f32x4::<0xEE>(c, d)];
            rows[i] = cast(avx._mm512_shuffle_f32x4::<0x88>(front[0], front[1]));
            rows[4 + i] = cast(avx._mm512_shuffle_f32x4::<0xDD>(front[0], front[1]));
            rows[8 + i] = cast(avx._mm512_shuffle_f32x4::<0x88>(back[0], back[1]));
            rows[12 + i] = cast(avx._mm512_shuffle_f32x4::<0xDD>(back[0], back[1]));
        }
        true
    }

    #[inline(always)]
    fn unzip(self, a: Self::f32s, b: Self::f32s) -> Option<[Self::f32s; 2]> {
        let [a, b] = [a, b].map(cast::<_, __m512>);
        let places = |first: i32| cast(std::array::from_fn::<i32, 16, _>(|i| 2 * i as i32 + first));
        let pick = |first| cast(self.avx512f._mm512_permutex2var_ps(a, places(first), b));
        Some([pick(0), pick(1)])
    }

    #[inline(always)]
    fn zip(self, a: Self::f32s, b: Self::f32s) -> Option<[Self::f32s; 2]> {
        let [a, b] = [a, b].map(cast::<_, __m512>);
        let place = |i: usize, first: usize| (first + i / 2 + i % 2 * 16) as i32;
        let places = |first| cast(std::array::from_fn::<i32, 16, _>(|i| place(i, first)));
        let pick = |first| cast(self.avx512f._mm512_permutex2var_ps(a, places(first), b));
        Some([pick(0), pick(8)])
    }

    #[inline(always)]
    fn fetch(self, at: *const f32) {
        // SAFETY: a hint, for any address.
        unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
    }

    #[inline(always)]
    unsafe fn store_past(self, to: *mut f32, x: Self::f32s) {
        // SAFETY: promised by the caller.
        unsafe { self.avx512f._mm512_stream_ps(to, cast(x)) }
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
    unsafe fn store_past(self, to: *mut f32, x: P::f32s) {
        // SAFETY: promised by the caller.
        unsafe { Set::store_past(self.0, to, x) }
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
    fn inverse(self, a: P::f32s) -> P::f32s {
        Set::inverse(self.0, a)
    }
    #[inline(always)]
    fn read_part(self, from: &[f32]) -> P::f32s {
        self.0.partial_load_f32s(from)
    }
    #[inline(always)]
    fn fetch(self, at: *const f32) {
        Set::fetch(self.0, at);
    }
    #[inline(always)]
    fn turn(self, rows: &mut [P::f32s; 16]) {
        if !Set::turn(self.0, rows) {
            turn_plainly(self, rows);
        }
    }
    #[inline(always)]
    fn unzip(self, a: P::f32s, b: P::f32s) -> [P::f32s; 2] {
        Set::unzip(self.0, a, b).unwrap_or_else(|| unzip_plainly(self, a, b))
    }
    #[inline(always)]
    fn zip(self, a: P::f32s, b: P::f32s) -> [P::f32s; 2] {
        Set::zip(self.0, a, b).unwrap_or_else(|| zip_plainly(self, a, b))
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
