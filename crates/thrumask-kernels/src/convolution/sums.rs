//! Sums of a band of a convolution: weights times what is read from shifted places.

use std::ops::Range;

use super::geometry::Lattice;
use crate::matrix::Packed;
use crate::simd::Simd;
use crate::tile::{Table, product};

/// Where the first position of a band reads, for each column of the weights of a part.
pub(super) struct Offsets {
    pub each: Vec<usize>,
    /// The farthest.
    pub last: usize,
}

impl Offsets {
    pub fn new(channels: usize, lattice: &Lattice, taps: &[[usize; 3]]) -> Self {
        let taps: Vec<usize> = taps.iter().map(|tap| lattice.place(*tap)).collect();
        let channel = |i: usize| taps.iter().map(move |tap| i * lattice.channel() + tap);
        let each: Vec<usize> = (0..channels).flat_map(channel).collect();
        Self { last: each.iter().copied().max().unwrap_or(0), each }
    }
}

/// Vectors of positions of some rows of a grid.
#[derive(Clone, Copy)]
pub(super) struct Columns {
    pub vectors: usize,
    /// Vectors that are made together.
    pub step: usize,
    pub rows: usize,
    /// Positions in a row, the distance between the sums of neighbouring rows, and that between what they read.
    pub width: usize,
    pub row: usize,
    pub apart: usize,
}

impl Columns {
    /// Rows whose sums are among the first `count`.
    pub fn rows_within(&self, count: usize) -> usize {
        count.checked_sub(self.width).map_or(0, |rest| rest / self.row.max(1) + 1)
    }

    /// What `across` vectors from one on are put together of where positions follow each other without gaps: the lane
    /// at which each piece of a row begins, and where it is read. A piece is a vector, of which what is too much
    /// lies where the next one begins.
    #[inline(always)]
    fn pieces<'a, S: Simd>(
        &self,
        _simd: S,
        column: usize,
        across: usize,
        memory: &'a mut [(usize, usize); 32],
    ) -> &'a [(usize, usize)] {
        let first = column * S::LANES;
        let end = (first + across * S::LANES).min(self.rows * self.width);
        let (mut at, mut count) = (first, 0);
        while at < end {
            let (row, x) = (at / self.width, at % self.width);
            memory[count] = (at - first, row * self.apart + x);
            count += 1;
            at += S::LANES.min(self.width - x);
        }
        &memory[..count]
    }

    /// # Panics
    /// When values are read that are not there.
    #[inline(always)]
    fn check<S: Simd>(&self, _simd: S, from: &[f32], offsets: &Offsets) {
        // A vector that is read begins inside of a row.
        let last = offsets.last + (self.rows - 1) * self.apart + self.width + S::LANES;
        assert!(last <= from.len(), "{last} values to read of {}", from.len());
    }

    /// A panel: what positions from vector `column` on, two vectors of them at most, read for the columns `taken` of the
    /// weights.
    ///
    /// # Panics
    /// When a slice is too short.
    #[inline(always)]
    pub fn bring<S: Simd>(
        &self,
        simd: S,
        (from, offsets, taken): (&[f32], &Offsets, Range<usize>),
        panel: &mut [f32],
        column: usize,
    ) {
        let wide = 2 * S::LANES;
        self.check(simd, from, offsets);
        assert!(panel.len() >= (taken.len() + 1) * wide, "a panel of {taken:?}");
        let mut memory = [(0, 0); 32];
        let across = self.step.min(self.vectors - column);
        let pieces = self.pieces(simd, column, across, &mut memory);
        let rows = panel.as_mut_ptr();
        let (offsets, from) = (&offsets.each[taken], from.as_ptr());
        // SAFETY: offsets were checked above; the panel has a row of `wide` values for each of some offsets, and a vector
        // behind them.
        unsafe {
            // Numbers of pieces that the compiler knows stay in registers.
            match pieces {
                &[a] => gather_pieces(simd, from, offsets, [a], rows),
                &[a, b] => gather_pieces(simd, from, offsets, [a, b], rows),
                &[a, b, c] => gather_pieces(simd, from, offsets, [a, b, c], rows),
                &[a, b, c, d] => gather_pieces(simd, from, offsets, [a, b, c, d], rows),
                pieces => {
                    for (k, &offset) in offsets.iter().enumerate() {
                        for &(lane, place) in pieces {
                            simd.store(
                                rows.add(k * wide + lane),
                                simd.load(from.add(place + offset)),
                            );
                        }
                    }
                }
            }
        }
    }
}

/// `sums[o, p] = sum_k weights[o, k] from[place(p) + offsets[k]]` for `columns.step` vectors of positions from one on, in
/// rows of a length that is given with them; added to what they hold where `taken`, the `k` of this call, does not
/// begin at the first. Positions are read where they lie with a panel (`row * apart + x`), else one after the other,
/// and `taken` is all.
///
/// # Panics
/// When a slice is too short.
#[inline(always)]
pub(super) fn add<S: Simd>(
    simd: S,
    (weights, outputs): (&Packed, usize),
    (from, offsets, taken): (&[f32], &Offsets, Range<usize>),
    panel: &mut [f32],
    columns: Columns,
    column: usize,
    (sums, len): (&mut [f32], usize),
) {
    let (Columns { vectors, step, .. }, inner) = (columns, offsets.each.len());
    let room = len >= vectors * S::LANES && sums.len() >= outputs * len;
    assert!(room, "room for {outputs} x {vectors} vectors");
    let across = step.min(vectors - column);
    if inner == 0 {
        let sums = sums.chunks_exact_mut(len).take(outputs);
        sums.for_each(|sums| sums[column * S::LANES..][..across * S::LANES].fill(0.0));
        return;
    }
    if panel.is_empty() {
        columns.check(simd, from, offsets);
        assert_eq!(taken, 0..inner, "without a panel all at once");
        let shape = [outputs, across, inner];
        // SAFETY: offsets were just checked, the weights are packed for all outputs; `sums` has room for all vectors of
        // each output.
        unsafe {
            let (from, to) = (from.as_ptr(), sums.as_mut_ptr().add(column * S::LANES));
            let left = weights.rows(simd, 0);
            product(simd, shape, left, from, Table(&offsets.each), to, len, None);
        }
        return;
    }
    columns.bring(simd, (from, offsets, taken.clone()), panel, column);
    // SAFETY: as above; the panel was filled.
    unsafe {
        let to = sums.as_mut_ptr().add(column * S::LANES);
        let start = (taken.start > 0).then_some((to.cast_const(), len));
        weights.times(simd, [outputs, across], taken, panel, (to, len), start);
    }
}

/// Rows of a panel, each put together of the same pieces that begin at another place: what is too much of a vector lies
/// where the next piece, or the next row, will.
///
/// # Safety
/// A vector may be read at each place from each offset on, and `to` has a row for each offset, and a vector behind them.
#[inline(always)]
unsafe fn gather_pieces<S: Simd, const N: usize>(
    simd: S,
    from: *const f32,
    offsets: &[usize],
    pieces: [(usize, usize); N],
    to: *mut f32,
) {
    for (k, &offset) in offsets.iter().enumerate() {
        for (lane, place) in pieces {
            // SAFETY: promised by the caller.
            unsafe {
                simd.store(to.add(k * 2 * S::LANES + lane), simd.load(from.add(place + offset)));
            }
        }
    }
}
