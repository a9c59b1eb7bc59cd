//! A small layer over vector instructions, so that every kernel is written once.
//!
//! The workspace is compiled for the baseline of its architecture; [`run`] looks at the processor and
//! enters a copy of the kernel compiled for AVX-512, for AVX2 with FMA, for NEON, or portably.

pub(crate) mod basic;
mod lanes;
mod native;
mod portable;
#[cfg(test)]
mod tests;

use std::f32::consts::LN_2;
use std::sync::OnceLock;

pub(crate) use lanes::{Fold, Lanes, change, fold, places};

use native::Call;
use portable::Portable;

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
    /// As [`store`](Self::store), past the caches where the processor can; [`settle`] comes after it.
    ///
    /// # Safety
    /// `to` is valid for writing `LANES` values, and aligned to as many.
    #[inline(always)]
    unsafe fn store_past(self, to: *mut f32, x: Self::V) {
        // SAFETY: promised by the caller.
        unsafe { self.store(to, x) }
    }
    /// `a + b`
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b`
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a / b`
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// The larger of each pair: NaN when `b` is, and either when `a` is.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// The smaller of each pair: NaN when `b` is, and either when `a` is.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `c - a * b`
    fn fnma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `1 / a` for `a` from 1 to 2^125, within a unit in the last place.
    #[inline(always)]
    fn inverse(self, a: Self::V) -> Self::V {
        self.div(self.splat(1.0), a)
    }
    /// Square root.
    fn sqrt(self, a: Self::V) -> Self::V;
    /// `negative` where `x` is below zero, else `other`.
    fn choose(self, x: Self::V, negative: Self::V, other: Self::V) -> Self::V;
    /// `a * 2^n` for whole `n` in -126..=127.
    fn scale2(self, a: Self::V, n: Self::V) -> Self::V;

    /// Asks for the line at an address, which need not be a valid one, to be brought near.
    #[inline(always)]
    fn fetch(self, _at: *const f32) {}

    /// Rows and columns of the first `LANES` vectors exchanged; the others are not used.
    #[inline(always)]
    fn turn(self, rows: &mut [Self::V; 16]) {
        turn_plainly(self, rows);
    }

    /// The values of `a` and then `b`: those with even numbers, and those with odd ones.
    #[inline(always)]
    fn unzip(self, a: Self::V, b: Self::V) -> [Self::V; 2] {
        unzip_plainly(self, a, b)
    }

    /// The values of `a` and `b` in turn, the other way round than [`unzip`](Self::unzip).
    #[inline(always)]
    fn zip(self, a: Self::V, b: Self::V) -> [Self::V; 2] {
        zip_plainly(self, a, b)
    }

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

    /// Largest of the lanes; with a NaN among them, that or another.
    #[inline(always)]
    fn max_lane(self, a: Self::V) -> f32 {
        let mut lanes = [f32::NEG_INFINITY; 16];
        self.write(&mut lanes, a);
        lanes.into_iter().fold(f32::NEG_INFINITY, |a, b| if a > b { a } else { b })
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

    /// The values of a slice, at most `LANES`; lanes past the end are zero.
    #[inline(always)]
    fn read_part(self, from: &[f32]) -> Self::V {
        let mut lanes = [0.0; 16];
        lanes[..from.len()].copy_from_slice(from);
        self.read(&lanes)
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

    /// `e^a`, within 2e-7 relative; below -87.3 that of -87.3, above 88 that of 88, and NaN for NaN.
    #[inline(always)]
    fn exp(self, a: Self::V) -> Self::V {
        // In this order of operands NaN comes through.
        let a = self.min(self.splat(88.0), self.max(self.splat(-87.3), a));
        // Adding 1.5 * 2^23 leaves whole numbers.
        let shift = self.splat(12_582_912.0);
        let n = self.sub(self.fma(a, self.splat(std::f32::consts::LOG2_E), shift), shift);
        // ln 2 in two parts, so that the remainder keeps its last bits.
        let r = self.fnma(n, self.splat(0.693_359_4), a);
        let r = self.fnma(n, self.splat(-2.121_944_4e-4), r);
        // Within 2e-8.
        let mut p = self.splat(EXP[0]);
        for c in EXP.into_iter().skip(1) {
            p = self.fma(p, r, self.splat(c));
        }
        self.scale2(p, n)
    }

    /// `e^a` for `a` of at most 0 (or 80, say), in fewer steps than [`exp`](Self::exp): as `2^(a log2 e)`, within about
    /// `1e-7 (1 + |a|)` relative; below -87 the smallest normal numbers, and NaN for NaN.
    #[inline(always)]
    fn exp_below_zero(self, a: Self::V) -> Self::V {
        let shift = self.splat(12_582_912.0);
        // In this order of operands NaN comes through.
        let a = self.max(self.splat(-126.0), self.mul(a, self.splat(std::f32::consts::LOG2_E)));
        let n = self.sub(self.add(a, shift), shift);
        let r = self.sub(a, n);
        let mut p = self.splat(EXP2[0]);
        for c in EXP2.into_iter().skip(1) {
            p = self.fma(p, r, self.splat(c));
        }
        self.scale2(p, n)
    }

    /// `1 / (1 + e^-a)`; below -86 that of -86. Further down there are no normal numbers soon, and processors take a
    /// hundred steps for each of the others, also where nobody looks at them.
    #[inline(always)]
    fn sigmoid(self, a: Self::V) -> Self::V {
        let one = self.splat(1.0);
        // In this order of operands NaN comes through.
        let a = self.max(self.splat(-86.0), a);
        self.inverse(self.add(one, self.exp(self.sub(self.splat(0.0), a))))
    }
}

/// [`Simd::turn`] by way of memory.
#[inline(always)]
fn turn_plainly<S: Simd>(simd: S, rows: &mut [S::V; 16]) {
    let mut lanes = [[0.0; 16]; 16];
    for (lanes, row) in lanes.iter_mut().zip(&*rows).take(S::LANES) {
        simd.write(lanes, *row);
    }
    for (i, row) in rows.iter_mut().enumerate().take(S::LANES) {
        let mut column = [0.0; 16];
        column.iter_mut().zip(&lanes).for_each(|(to, lanes)| *to = lanes[i]);
        *row = simd.read(&column);
    }
}

/// [`Simd::unzip`] by way of memory.
#[inline(always)]
fn unzip_plainly<S: Simd>(simd: S, a: S::V, b: S::V) -> [S::V; 2] {
    let mut lanes = [0.0; 32];
    simd.write(&mut lanes, a);
    simd.write(&mut lanes[S::LANES..], b);
    let every = |first: usize| -> [f32; 16] { std::array::from_fn(|i| lanes[2 * i + first]) };
    [simd.read(&every(0)), simd.read(&every(1))]
}

/// [`Simd::zip`] by way of memory.
#[inline(always)]
fn zip_plainly<S: Simd>(simd: S, a: S::V, b: S::V) -> [S::V; 2] {
    let mut lanes = [[0.0; 16]; 2];
    simd.write(&mut lanes[0], a);
    simd.write(&mut lanes[1], b);
    let from =
        |first: usize| -> [f32; 16] { std::array::from_fn(|i| lanes[i % 2][(first + i / 2) % 16]) };
    [simd.read(&from(0)), simd.read(&from(S::LANES / 2))]
}

/// Coefficients of `e^r` for `|r| <= ln 2 / 2`, the highest power first (Remez, relative error).
const EXP: [f32; 7] =
    [0.001_383_679_5, 0.008_374_857, 0.041_668_23, 0.166_664_2, 0.499_999_9, 1.0, 1.0];

/// Coefficients of `2^r` for `|r| <= 1 / 2`, as [`EXP`]; within 2e-8.
const EXP2: [f32; 7] =
    [1.534_575_4e-4, 0.001_339_999_7, 0.009_618_49, 0.055_503_286, 0.240_226_46, LN_2, 1.0];

/// Runs a kernel compiled for the best instruction set of this processor.
#[inline]
pub(crate) fn run<K: Kernel>(kernel: K) -> K::Output {
    #[cfg(debug_assertions)]
    let _task = crate::claims::Task::start();
    match *LEVEL.get_or_init(detect) {
        #[cfg(target_arch = "x86_64")]
        Level::Avx512(set) => set.vectorize(Call(kernel, set)),
        #[cfg(target_arch = "x86_64")]
        Level::Avx2(set) => set.vectorize(Call(kernel, set)),
        #[cfg(target_arch = "aarch64")]
        Level::Neon(set) => set.vectorize(Call(kernel, set)),
        Level::Portable => kernel.run(Portable),
    }
}

/// Lets what was stored past the caches be seen by other threads, before anything that this one stores later.
#[inline]
pub(crate) fn settle() {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every processor of the architecture has SSE.
    unsafe {
        std::arch::x86_64::_mm_sfence();
    }
}

/// An instruction set that this processor has.
#[derive(Clone, Copy)]
enum Level {
    #[cfg(target_arch = "x86_64")]
    Avx512(pulp::x86::V4),
    #[cfg(target_arch = "x86_64")]
    Avx2(pulp::x86::V3),
    #[cfg(target_arch = "aarch64")]
    Neon(pulp::aarch64::Neon),
    Portable,
}

static LEVEL: OnceLock<Level> = OnceLock::new();

/// Which instructions to use. `THRUMASK_SIMD` set to `avx2` or `portable` asks for fewer than there
/// are, to test them on any machine.
fn detect() -> Level {
    let asked = std::env::var("THRUMASK_SIMD").unwrap_or_default();
    if asked == "portable" {
        return Level::Portable;
    }
    #[cfg(target_arch = "x86_64")]
    {
        if let Some(set) = pulp::x86::V4::try_new().filter(|_| asked != "avx2") {
            return Level::Avx512(set);
        }
        if let Some(set) = pulp::x86::V3::try_new() {
            return Level::Avx2(set);
        }
    }
    #[cfg(target_arch = "aarch64")]
    if let Some(set) = pulp::aarch64::Neon::try_new() {
        return Level::Neon(set);
    }
    Level::Portable
}
