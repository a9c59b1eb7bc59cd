//! AVX2 with FMA, and AVX-512.

use std::arch::x86_64::*;

use super::{Kernel, Simd};

/// Proof of AVX-512F.
#[derive(Clone, Copy)]
pub(crate) struct Avx512(pub(super) ());

/// Proof of AVX2 and FMA.
#[derive(Clone, Copy)]
pub(crate) struct Avx2(pub(super) ());

/// # Safety
/// The processor has AVX-512F, AVX2 and FMA.
#[target_feature(enable = "avx512f,avx2,fma")]
pub(super) unsafe fn run_avx512<K: Kernel>(kernel: K, simd: Avx512) -> K::Output {
    kernel.run(simd)
}

/// # Safety
/// The processor has AVX2 and FMA.
#[target_feature(enable = "avx2,fma")]
pub(super) unsafe fn run_avx2<K: Kernel>(kernel: K, simd: Avx2) -> K::Output {
    kernel.run(simd)
}

// SAFETY of all calls below: a value of the type exists only where the features were found, and
// the pointers of `load` and `store` are promised by their callers.
macro_rules! simd {
    ($name:ident, $vector:ty, $lanes:literal, $rows:literal, $splat:ident, $load:ident,
     $store:ident, $add:ident, $sub:ident, $mul:ident, $div:ident, $max:ident, $min:ident,
     $fma:ident, $fnma:ident, $sqrt:ident, $choose:ident,
     $scale:ident, $turn:ident, $inverse:ident) => {
        impl Simd for $name {
            type V = $vector;
            const LANES: usize = $lanes;
            const TILE_ROWS: usize = $rows;

            #[inline(always)]
            fn splat(self, x: f32) -> $vector {
                unsafe { $splat(x) }
            }
            #[inline(always)]
            unsafe fn load(self, from: *const f32) -> $vector {
                unsafe { $load(from) }
            }
            #[inline(always)]
            unsafe fn store(self, to: *mut f32, x: $vector) {
                unsafe { $store(to, x) }
            }
            #[inline(always)]
            fn add(self, a: $vector, b: $vector) -> $vector {
                unsafe { $add(a, b) }
            }
            #[inline(always)]
            fn sub(self, a: $vector, b: $vector) -> $vector {
                unsafe { $sub(a, b) }
            }
            #[inline(always)]
            fn mul(self, a: $vector, b: $vector) -> $vector {
                unsafe { $mul(a, b) }
            }
            #[inline(always)]
            fn div(self, a: $vector, b: $vector) -> $vector {
                unsafe { $div(a, b) }
            }
            #[inline(always)]
            fn max(self, a: $vector, b: $vector) -> $vector {
                unsafe { $max(a, b) }
            }
            #[inline(always)]
            fn min(self, a: $vector, b: $vector) -> $vector {
                unsafe { $min(a, b) }
            }
            #[inline(always)]
            fn fma(self, a: $vector, b: $vector, c: $vector) -> $vector {
                unsafe { $fma(a, b, c) }
            }
            #[inline(always)]
            fn fnma(self, a: $vector, b: $vector, c: $vector) -> $vector {
                unsafe { $fnma(a, b, c) }
            }
            #[inline(always)]
            fn sqrt(self, a: $vector) -> $vector {
                unsafe { $sqrt(a) }
            }
            #[inline(always)]
            fn choose(self, x: $vector, negative: $vector, other: $vector) -> $vector {
                unsafe { $choose(x, negative, other) }
            }
            #[inline(always)]
            fn scale2(self, a: $vector, n: $vector) -> $vector {
                unsafe { $scale(a, n) }
            }
            #[inline(always)]
            fn fetch(self, at: *const f32) {
                unsafe { _mm_prefetch::<_MM_HINT_T1>(at.cast()) }
            }
            #[inline(always)]
            fn inverse(self, a: $vector) -> $vector {
                unsafe { $inverse(a) }
            }
            #[inline(always)]
            fn turn(self, rows: &mut [$vector; 16]) {
                unsafe { $turn(rows) }
            }
        }
    };
}

simd!(
    Avx512,
    __m512,
    16,
    12,
    _mm512_set1_ps,
    _mm512_loadu_ps,
    _mm512_storeu_ps,
    _mm512_add_ps,
    _mm512_sub_ps,
    _mm512_mul_ps,
    _mm512_div_ps,
    _mm512_max_ps,
    _mm512_min_ps,
    _mm512_fmadd_ps,
    _mm512_fnmadd_ps,
    _mm512_sqrt_ps,
    choose_avx512,
    _mm512_scalef_ps,
    turn_avx512,
    inverse_avx512
);

simd!(
    Avx2,
    __m256,
    8,
    6,
    _mm256_set1_ps,
    _mm256_loadu_ps,
    _mm256_storeu_ps,
    _mm256_add_ps,
    _mm256_sub_ps,
    _mm256_mul_ps,
    _mm256_div_ps,
    _mm256_max_ps,
    _mm256_min_ps,
    _mm256_fmadd_ps,
    _mm256_fnmadd_ps,
    _mm256_sqrt_ps,
    choose_avx2,
    scale_avx2,
    turn_avx2,
    inverse_avx2
);

#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn choose_avx512(x: __m512, negative: __m512, other: __m512) -> __m512 {
    let below = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(x, _mm512_setzero_ps());
    _mm512_mask_blend_ps(below, other, negative)
}

#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn choose_avx2(x: __m256, negative: __m256, other: __m256) -> __m256 {
    let below = _mm256_cmp_ps::<_CMP_LT_OQ>(x, _mm256_setzero_ps());
    _mm256_blendv_ps(other, negative, below)
}

#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn scale_avx2(a: __m256, n: __m256) -> __m256 {
    let exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32::<23>(exponent)))
}

/// An estimate of 14 bits, and a step of Newton's.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn inverse_avx512(a: __m512) -> __m512 {
    let estimate = _mm512_rcp14_ps(a);
    _mm512_mul_ps(estimate, _mm512_fnmadd_ps(a, estimate, _mm512_set1_ps(2.0)))
}

#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn inverse_avx2(a: __m256) -> __m256 {
    _mm256_div_ps(_mm256_set1_ps(1.0), a)
}

/// Pairs of rows, then fours, within quarters of a vector; then the quarters change places.
#[inline]
#[target_feature(enable = "avx512f")]
unsafe fn turn_avx512(rows: &mut [__m512; 16]) {
    let mut fours = [[_mm512_setzero_ps(); 4]; 4];
    for (four, rows) in fours.iter_mut().zip(rows.chunks_exact(4)) {
        let pair = |a, b| {
            let (low, high) = (_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
            (_mm512_castps_pd(low), _mm512_castps_pd(high))
        };
        let ((a, b), (c, d)) = (pair(rows[0], rows[1]), pair(rows[2], rows[3]));
        let turned = [
            _mm512_unpacklo_pd(a, c),
            _mm512_unpackhi_pd(a, c),
            _mm512_unpacklo_pd(b, d),
            _mm512_unpackhi_pd(b, d),
        ];
        *four = turned.map(|x| _mm512_castpd_ps(x));
    }
    for i in 0..4 {
        let [a, b, c, d] = [fours[0][i], fours[1][i], fours[2][i], fours[3][i]];
        let front = [_mm512_shuffle_f32x4::<0x44>(a, b), _mm512_shuffle_f32x4::<0x44>(c, d)];
        let back = [_mm512_shuffle_f32x4::<0xEE>(a, b), _mm512_shuffle_f32x4::<0xEE>(c, d)];
        rows[i] = _mm512_shuffle_f32x4::<0x88>(front[0], front[1]);
        rows[4 + i] = _mm512_shuffle_f32x4::<0xDD>(front[0], front[1]);
        rows[8 + i] = _mm512_shuffle_f32x4::<0x88>(back[0], back[1]);
        rows[12 + i] = _mm512_shuffle_f32x4::<0xDD>(back[0], back[1]);
    }
}

/// As [`turn_avx512`], with halves.
#[inline]
#[target_feature(enable = "avx2,fma")]
unsafe fn turn_avx2(rows: &mut [__m256; 16]) {
    let mut fours = [[_mm256_setzero_ps(); 4]; 2];
    for (four, rows) in fours.iter_mut().zip(rows.chunks_exact(4)) {
        let pair = |a, b| {
            let (low, high) = (_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
            (_mm256_castps_pd(low), _mm256_castps_pd(high))
        };
        let ((a, b), (c, d)) = (pair(rows[0], rows[1]), pair(rows[2], rows[3]));
        let turned = [
            _mm256_unpacklo_pd(a, c),
            _mm256_unpackhi_pd(a, c),
            _mm256_unpacklo_pd(b, d),
            _mm256_unpackhi_pd(b, d),
        ];
        *four = turned.map(|x| _mm256_castpd_ps(x));
    }
    for i in 0..4 {
        let (a, b) = (fours[0][i], fours[1][i]);
        rows[i] = _mm256_permute2f128_ps::<0x20>(a, b);
        rows[4 + i] = _mm256_permute2f128_ps::<0x31>(a, b);
    }
}
