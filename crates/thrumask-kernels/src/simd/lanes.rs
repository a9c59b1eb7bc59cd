//! Whole slices, vector by vector: functions of each place, and sums.
//!
//! Functions are types rather than closures, which would not take on the instruction set of the kernel
//! that hands them over.

use super::Simd;

/// A function of the values at one place of `1 + N` slices.
pub(crate) trait Lanes<const N: usize>: Copy {
    /// Of the values of the first slice and those of the others.
    fn of<S: Simd>(self, simd: S, x: S::V, with: [S::V; N]) -> S::V;
}

/// Adds the values at one place of `N` slices to `K` running values.
pub(crate) trait Fold<const N: usize, const K: usize>: Copy {
    /// Read in places past the end.
    #[inline(always)]
    fn fill(self) -> f32 {
        0.0
    }
    /// The running values with those of one more place.
    fn add<S: Simd>(self, simd: S, sums: [S::V; K], x: [S::V; N]) -> [S::V; K];
    /// Of two runs.
    #[inline(always)]
    fn join<S: Simd>(self, simd: S, a: S::V, b: S::V) -> S::V {
        simd.add(a, b)
    }
}

/// Vectors that are in flight at once: enough to hide the latency of a sum.
const FLIGHT: usize = 4;

/// Replaces the values of `to` by the function of them and of the other slices.
///
/// # Panics
/// When the slices are not of one length.
#[inline(always)]
pub(crate) fn change<S: Simd, const N: usize>(
    simd: S,
    f: impl Lanes<N>,
    to: &mut [f32],
    with: [&[f32]; N],
) {
    let start = to.as_mut_ptr();
    // SAFETY: `to` is valid for reading and writing, and each place is read before it is written.
    unsafe { places(simd, f, start, with, start, to.len(), false) }
}

/// Sets the values at `to` to the function of those at `x` and of the other slices; `past` the caches where
/// they are whole aligned vectors.
///
/// # Safety
/// `x` is valid for reading and `to` for writing `len` values; they are one place or do not overlap.
#[inline(always)]
pub(crate) unsafe fn places<S: Simd, const N: usize>(
    simd: S,
    f: impl Lanes<N>,
    x: *const f32,
    with: [&[f32]; N],
    to: *mut f32,
    len: usize,
    past: bool,
) {
    assert!(with.iter().all(|with| with.len() == len), "slices of one length");
    let others = with.map(<[f32]>::as_ptr);
    let whole = len / S::LANES * S::LANES;
    if past && whole == len && to.addr().is_multiple_of(S::LANES * size_of::<f32>()) {
        for at in (0..len).step_by(S::LANES) {
            // SAFETY: whole vectors below `len`, each a multiple of its size behind an aligned start.
            unsafe {
                let value = f.of(simd, simd.load(x.add(at)), read(simd, others, at));
                simd.store_past(to.add(at), value);
            }
        }
        return;
    }
    // SAFETY: all reads and writes are of whole vectors below `len`.
    unsafe {
        // The last vector may lie over the one before, with the same values: those of places that have not been
        // written when they are read.
        let last = (whole > 0 && whole < len).then(|| len - S::LANES);
        let mut behind = simd.splat(0.0);
        if let Some(at) = last {
            behind = f.of(simd, simd.load(x.add(at)), read(simd, others, at));
        }
        for at in (0..whole).step_by(S::LANES) {
            let value = f.of(simd, simd.load(x.add(at)), read(simd, others, at));
            simd.store(to.add(at), value);
        }
        if let Some(at) = last {
            simd.store(to.add(at), behind);
        }
    }
    if whole > 0 || len == 0 {
        return;
    }
    let mut last = [[0.0; 16]; N];
    for (last, with) in last.iter_mut().zip(with) {
        last[..len].copy_from_slice(with);
    }
    let mut own = [0.0; 16];
    // SAFETY: the arrays hold a vector, of which `len` values are less; `x` and `to` are valid up to `len`.
    unsafe {
        own.as_mut_ptr().copy_from_nonoverlapping(x, len);
        let others = last.each_ref().map(|last| last.as_ptr());
        let value = f.of(simd, simd.load(own.as_ptr()), read(simd, others, 0));
        simd.store(own.as_mut_ptr(), value);
        to.copy_from_nonoverlapping(own.as_ptr(), len);
    }
}

/// # Safety
/// Each pointer is valid for reading a vector at `at`.
#[inline(always)]
unsafe fn read<S: Simd, const N: usize>(simd: S, from: [*const f32; N], at: usize) -> [S::V; N] {
    let mut values = [simd.splat(0.0); N];
    for (value, from) in values.iter_mut().zip(from) {
        // SAFETY: promised by the caller.
        *value = unsafe { simd.load(from.add(at)) };
    }
    values
}

/// Runs over the slices from `start` in each lane; the runs are joined in an order that depends on the
/// length and the instruction set alone. Gives a vector of partial results for each running value.
///
/// # Panics
/// When the slices are not of one length.
#[inline(always)]
pub(crate) fn fold<S: Simd, const N: usize, const K: usize>(
    simd: S,
    f: impl Fold<N, K>,
    start: [f32; K],
    from: [&[f32]; N],
) -> [S::V; K] {
    let len = from[0].len();
    assert!(from.iter().all(|from| from.len() == len), "slices of one length");
    let slices = from;
    let from = slices.map(<[f32]>::as_ptr);
    let mut empty = [simd.splat(0.0); K];
    for (empty, start) in empty.iter_mut().zip(start) {
        *empty = simd.splat(start);
    }
    let mut runs = [empty; FLIGHT];
    let (step, mut at) = (S::LANES * FLIGHT, 0);
    // SAFETY: all reads are of whole vectors below `len`.
    unsafe {
        while len - at >= step {
            for (i, run) in runs.iter_mut().enumerate() {
                *run = f.add(simd, *run, read(simd, from, at + i * S::LANES));
            }
            at += step;
        }
        while len - at >= S::LANES {
            runs[0] = f.add(simd, runs[0], read(simd, from, at));
            at += S::LANES;
        }
    }
    if at < len {
        let mut last = [[f.fill(); 16]; N];
        for (last, from) in last.iter_mut().zip(slices) {
            last[..len - at].copy_from_slice(&from[at..]);
        }
        let last = last.each_ref().map(|last| last.as_ptr());
        // SAFETY: the arrays hold a vector.
        runs[1] = unsafe { f.add(simd, runs[1], read(simd, last, 0)) };
    }
    let mut sums = [simd.splat(0.0); K];
    for (i, sum) in sums.iter_mut().enumerate() {
        let first = f.join(simd, runs[0][i], runs[1][i]);
        *sum = f.join(simd, first, f.join(simd, runs[2][i], runs[3][i]));
    }
    sums
}
