//! A small layer over vector instructions, so that every kernel is written once.
//!
//! The workspace is compiled for the baseline of its architecture; [`run`] looks at the processor and
//! enters a copy of the kernel compiled for AVX-512, for AVX2 with FMA, or portably.

#[cfg(target_arch = "x86_64")]
use std::sync::OnceLock;

/// A kernel that [`run`] compiles for each instruction set.
pub(crate) trait Kernel {
    /// What the kernel gives.
    type Output;
    /// The body; implementations are `#[inline(always)]`, so that they take on the instruction set of
    /// the function that they are called from.
    fn run<S: Simd>(self, simd: S) -> Self::Output;
}

/// Vector operations of one instruction set. A value of the type proves that it may be used.
pub(crate) trait Simd: Copy + Send + Sync {
    /// `LANES` floats.
    type V: Copy;
    /// Number of floats in a vector.
    const LANES: usize;
    /// Rows of the register tile of a matrix product.
    const TILE_ROWS: usize;
    /// The same value in all lanes.
    fn splat(self, x: f32) -> Self::V;
    /// Reads `LANES` values.
    ///
    /// # Safety
    /// `from` is valid for reading `LANES` values.
    unsafe fn load(self, from: *const f32) -> Self::V;
    /// Writes `LANES` values.
    ///
    /// # Safety
    /// `to` is valid for writing `LANES` values.
    unsafe fn store(self, to: *mut f32, x: Self::V);
    /// `a + b`
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b`
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a / b`
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// The larger of each pair.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// The smaller of each pair.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `c - a * b`
    fn fnma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// Square root.
    fn sqrt(self, a: Self::V) -> Self::V;
    /// The nearest whole number.
    fn round(self, a: Self::V) -> Self::V;
    /// `negative` where `x` is below zero, else `other`.
    fn choose(self, x: Self::V, negative: Self::V, other: Self::V) -> Self::V;
    /// `a * 2^n` for whole `n` in -126..=127.
    fn scale2(self, a: Self::V, n: Self::V) -> Self::V;

    /// Sum of the lanes, pairwise.
    #[inline(always)]
    fn sum(self, a: Self::V) -> f32 {
        let mut lanes = [0.0; 16];
        // SAFETY: at most 16 lanes.
        unsafe { self.store(lanes.as_mut_ptr(), a) };
        let mut width = Self::LANES;
        while width > 1 {
            width /= 2;
            for i in 0..width {
                lanes[i] += lanes[i + width];
            }
        }
        lanes[0]
    }

    /// Largest of the lanes.
    #[inline(always)]
    fn max_lane(self, a: Self::V) -> f32 {
        let mut lanes = [f32::NEG_INFINITY; 16];
        self.write(&mut lanes, a);
        lanes.into_iter().fold(f32::NEG_INFINITY, f32::max)
    }

    /// The first `LANES` values of a slice.
    #[inline(always)]
    fn read(self, from: &[f32]) -> Self::V {
        assert!(from.len() >= Self::LANES);
        // SAFETY: as many values as just checked.
        unsafe { self.load(from.as_ptr()) }
    }

    /// Replaces the first `LANES` values of a slice.
    #[inline(always)]
    fn write(self, to: &mut [f32], x: Self::V) {
        assert!(to.len() >= Self::LANES);
        // SAFETY: as many values as just checked.
        unsafe { self.store(to.as_mut_ptr(), x) }
    }

    /// The values from number `at` on; lanes past the end are `fill`.
    #[inline(always)]
    fn read_at(self, from: &[f32], at: usize, fill: f32) -> Self::V {
        let from = &from[at..];
        if from.len() >= Self::LANES {
            return self.read(from);
        }
        let mut lanes = [fill; 16];
        lanes[..from.len()].copy_from_slice(from);
        self.read(&lanes)
    }

    /// Replaces the values from number `at` on; lanes past the end are dropped.
    #[inline(always)]
    fn write_at(self, to: &mut [f32], at: usize, x: Self::V) {
        let to = &mut to[at..];
        if to.len() >= Self::LANES {
            return self.write(to, x);
        }
        let mut lanes = [0.0; 16];
        self.write(&mut lanes, x);
        to.copy_from_slice(&lanes[..to.len()]);
    }

    /// `e^a`, within about 1e-7 relative; below -87 the smallest normal number.
    #[inline(always)]
    fn exp(self, a: Self::V) -> Self::V {
        let a = self.min(self.max(a, self.splat(-87.3)), self.splat(88.0));
        let n = self.round(self.mul(a, self.splat(std::f32::consts::LOG2_E)));
        // ln 2 in two parts, so that the remainder keeps its last bits.
        let r = self.fnma(n, self.splat(0.693_359_4), a);
        let r = self.fnma(n, self.splat(-2.121_944_4e-4), r);
        let mut p = self.splat(1.0 / 5040.0);
        for c in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0, 1.0] {
            p = self.fma(p, r, self.splat(c));
        }
        self.scale2(p, n)
    }

    /// `1 / (1 + e^-a)`
    #[inline(always)]
    fn sigmoid(self, a: Self::V) -> Self::V {
        let one = self.splat(1.0);
        self.div(one, self.add(one, self.exp(self.sub(self.splat(0.0), a))))
    }
}

/// Runs a kernel compiled for the best instruction set of this processor.
#[inline]
pub(crate) fn run<K: Kernel>(kernel: K) -> K::Output {
    #[cfg(target_arch = "x86_64")]
    {
        use x86::{Avx2, Avx512};
        // SAFETY (both calls): the processor was found to have the features.
        match *LEVEL.get_or_init(detect) {
            Level::Avx512 => return unsafe { x86::run_avx512(kernel, Avx512(())) },
            Level::Avx2 => return unsafe { x86::run_avx2(kernel, Avx2(())) },
            Level::Portable => {}
        }
    }
    kernel.run(Portable)
}

#[cfg(target_arch = "x86_64")]
#[derive(Clone, Copy)]
enum Level {
    Avx512,
    Avx2,
    Portable,
}

#[cfg(target_arch = "x86_64")]
static LEVEL: OnceLock<Level> = OnceLock::new();

/// Which instructions to use. `THRUMASK_SIMD` set to `avx2` or `portable` asks for fewer than there
/// are, to test them on any machine.
#[cfg(target_arch = "x86_64")]
fn detect() -> Level {
    let asked = std::env::var("THRUMASK_SIMD").unwrap_or_default();
    if asked == "portable" || !is_x86_feature_detected!("avx2") || !is_x86_feature_detected!("fma")
    {
        return Level::Portable;
    }
    if is_x86_feature_detected!("avx512f") && asked != "avx2" {
        return Level::Avx512;
    }
    Level::Avx2
}

/// Plain Rust, which the compiler turns into whatever vectors the baseline has.
#[derive(Clone, Copy)]
pub(crate) struct Portable;

#[inline(always)]
fn zip(a: [f32; 8], b: [f32; 8], f: impl Fn(f32, f32) -> f32) -> [f32; 8] {
    std::array::from_fn(|i| f(a[i], b[i]))
}

impl Simd for Portable {
    type V = [f32; 8];
    const LANES: usize = 8;
    const TILE_ROWS: usize = 4;

    #[inline(always)]
    fn splat(self, x: f32) -> [f32; 8] {
        [x; 8]
    }
    #[inline(always)]
    unsafe fn load(self, from: *const f32) -> [f32; 8] {
        // SAFETY: promised by the caller; arrays of floats have the alignment of floats.
        unsafe { *from.cast() }
    }
    #[inline(always)]
    unsafe fn store(self, to: *mut f32, x: [f32; 8]) {
        // SAFETY: promised by the caller; arrays of floats have the alignment of floats.
        unsafe { *to.cast() = x }
    }
    #[inline(always)]
    fn add(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn div(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        zip(a, b, |a, b| a / b)
    }
    #[inline(always)]
    fn max(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        zip(a, b, |a, b| if a > b { a } else { b })
    }
    #[inline(always)]
    fn min(self, a: [f32; 8], b: [f32; 8]) -> [f32; 8] {
        zip(a, b, |a, b| if a < b { a } else { b })
    }
    #[inline(always)]
    fn fma(self, a: [f32; 8], b: [f32; 8], c: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| a[i] * b[i] + c[i])
    }
    #[inline(always)]
    fn fnma(self, a: [f32; 8], b: [f32; 8], c: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| c[i] - a[i] * b[i])
    }
    #[inline(always)]
    fn sqrt(self, a: [f32; 8]) -> [f32; 8] {
        a.map(f32::sqrt)
    }
    #[inline(always)]
    fn round(self, a: [f32; 8]) -> [f32; 8] {
        // Adding and subtracting 1.5 * 2^23 leaves whole numbers for |a| < 2^22.
        a.map(|a| (a + 12_582_912.0) - 12_582_912.0)
    }
    #[inline(always)]
    fn choose(self, x: [f32; 8], negative: [f32; 8], other: [f32; 8]) -> [f32; 8] {
        std::array::from_fn(|i| if x[i] < 0.0 { negative[i] } else { other[i] })
    }
    #[inline(always)]
    fn scale2(self, a: [f32; 8], n: [f32; 8]) -> [f32; 8] {
        zip(a, n, |a, n| a * f32::from_bits(((n as i32 + 127) << 23) as u32))
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
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
         $fma:ident, $fnma:ident, $sqrt:ident, $round:expr, $choose:ident,
         $scale:ident) => {
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
                fn round(self, a: $vector) -> $vector {
                    unsafe { $round(a) }
                }
                #[inline(always)]
                fn choose(self, x: $vector, negative: $vector, other: $vector) -> $vector {
                    unsafe { $choose(x, negative, other) }
                }
                #[inline(always)]
                fn scale2(self, a: $vector, n: $vector) -> $vector {
                    unsafe { $scale(a, n) }
                }
            }
        };
    }

    const NEAREST: i32 = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;

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
        _mm512_roundscale_ps::<NEAREST>,
        choose_avx512,
        _mm512_scalef_ps
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
        _mm256_round_ps::<NEAREST>,
        choose_avx2,
        scale_avx2
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
}
