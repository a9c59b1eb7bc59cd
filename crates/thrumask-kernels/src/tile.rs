//! Register-tiled matrix products on dense rows, the inner loop of attention and of linear layers.

use std::mem::MaybeUninit;

use crate::simd::{Kernel, Simd};

/// A read-only matrix whose rows are taken in groups of [`Simd::TILE_ROWS`].
#[derive(Clone, Copy)]
pub(crate) struct Left {
    /// Element (0, 0).
    pub start: *const f32,
    /// Distance between rows of a group.
    pub row: usize,
    /// Distance along the inner axis.
    pub inner: usize,
    /// Distance between groups.
    pub group: usize,
}

impl Left {
    /// Rows equally far apart.
    #[inline(always)]
    pub fn strided<S: Simd>(start: *const f32, row: usize, inner: usize) -> Self {
        Self { start, row, inner, group: S::TILE_ROWS * row }
    }

    /// What [`pack`] made of a matrix with `inner` columns.
    #[inline(always)]
    pub fn packed<S: Simd>(start: *const f32, inner: usize) -> Self {
        Self { start, row: 1, inner: S::TILE_ROWS, group: S::TILE_ROWS * inner }
    }
}

/// [`Simd::TILE_ROWS`], for what allocates before a kernel runs.
pub(crate) struct TileRows;

impl Kernel for TileRows {
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd>(self, _simd: S) -> usize {
        S::TILE_ROWS
    }
}

/// Values that [`pack`] makes of a matrix.
#[inline(always)]
pub(crate) fn packed_len<S: Simd>(rows: usize, inner: usize) -> usize {
    rows.next_multiple_of(S::TILE_ROWS) * inner
}

/// The rows of a left-hand matrix in groups: in each the values of its rows at one inner index side by
/// side, where the register tile reads them without a pointer for each row. Missing rows are zero. All of
/// [`packed_len`] is written.
///
/// # Safety
/// `rows` x `inner` elements of `from` may be read.
#[inline(always)]
pub(crate) unsafe fn pack<S: Simd>(
    simd: S,
    from: Left,
    [rows, inner]: [usize; 2],
    to: &mut [MaybeUninit<f32>],
) {
    let tall = S::TILE_ROWS;
    assert!(to.len() >= packed_len::<S>(rows, inner), "room for {rows} x {inner} packed values");
    if inner == 0 {
        return;
    }
    if from.row == 1 {
        // Values of an inner index lie side by side in memory too: a page is visited once.
        let (whole, rest) = (rows / tall, rows % tall);
        for k in 0..inner {
            // SAFETY: elements of rows below `rows`, promised by the caller; `to` was checked.
            unsafe {
                let from_k = from.start.add(k * from.inner);
                let to = to.as_mut_ptr().cast::<f32>().add(k * tall);
                for group in 0..whole {
                    let to = to.add(group * tall * inner);
                    to.copy_from_nonoverlapping(from_k.add(group * from.group), tall);
                }
                if rest > 0 {
                    let to = to.add(whole * tall * inner);
                    to.copy_from_nonoverlapping(from_k.add(whole * from.group), rest);
                    to.add(rest).write_bytes(0, tall - rest);
                }
            }
        }
        return;
    }
    for (group, to) in to.chunks_exact_mut(tall * inner).enumerate().take(rows.div_ceil(tall)) {
        // SAFETY: elements of rows below `rows`, promised by the caller.
        unsafe {
            let from = Left { start: from.start.add(group * from.group), ..from };
            let height = tall.min(rows - group * tall);
            let whole = match from.inner {
                1 => interleave(simd, from, [height, inner], to),
                _ => 0,
            };
            for (k, to) in to.chunks_exact_mut(tall).enumerate().skip(whole) {
                for (i, to) in to.iter_mut().enumerate() {
                    let value = || *from.start.add(k * from.inner + i * from.row);
                    to.write(if i < height { value() } else { 0.0 });
                }
            }
        }
    }
}

/// `height` rows of contiguous values side by side, in squares of vectors; zeros for the missing ones. Gives
/// the number of inner indices that are done: those of whole squares behind whose rows there is room.
///
/// # Safety
/// `height` rows of `inner` elements of `from` may be read, and `height <= TILE_ROWS <= LANES`, or the
/// tile has fewer lanes than rows and nothing is done.
#[inline(always)]
unsafe fn interleave<S: Simd>(
    simd: S,
    from: Left,
    [height, inner]: [usize; 2],
    to: &mut [MaybeUninit<f32>],
) -> usize {
    let (tall, lanes) = (S::TILE_ROWS, S::LANES);
    if tall > lanes {
        return 0;
    }
    let mut done = 0;
    // A whole vector is written for each row of `tall` values; the next one covers what is too much.
    while done + lanes <= inner && (done + lanes) * tall + lanes - tall <= to.len() {
        let mut rows = [simd.splat(0.0); 16];
        for (i, row) in rows.iter_mut().enumerate().take(height) {
            // SAFETY: `lanes` elements of a row, below `inner`.
            *row = unsafe { simd.load(from.start.add(i * from.row + done)) };
        }
        simd.turn(&mut rows);
        for (k, row) in rows.into_iter().enumerate().take(lanes) {
            let to = &mut to[(done + k) * tall..][..lanes];
            // SAFETY: room for a vector, as just checked.
            unsafe { simd.store(to.as_mut_ptr().cast(), row) };
        }
        done += lanes;
    }
    done
}

/// Where the rows of the right-hand matrix lie.
pub(crate) trait Walk: Copy {
    /// Distance of row `k` from the first value.
    ///
    /// # Safety
    /// `k` is below the number of rows.
    unsafe fn at(self, k: usize) -> usize;
}

/// Rows equally far apart.
#[derive(Clone, Copy)]
pub(crate) struct Even(pub usize);

impl Walk for Even {
    #[inline(always)]
    unsafe fn at(self, k: usize) -> usize {
        k * self.0
    }
}

/// Rows at places of a table, which may overlap: the matrix of a convolution without copies.
#[derive(Clone, Copy)]
pub(crate) struct Table<'a>(pub &'a [usize]);

impl Walk for Table<'_> {
    #[inline(always)]
    unsafe fn at(self, k: usize) -> usize {
        // SAFETY: promised by the caller.
        unsafe { *self.0.get_unchecked(k) }
    }
}

/// `out[i, j] = start[i, j] + sum_k left[i, k] right[k, j]` for `rows` rows and `vectors * LANES` columns, with
/// the sum over `k` in ascending order whatever the tiling. Rows of `right` and `out` are contiguous; those of
/// `right` lie where `walk` says, those of `out` `out_row` apart.
///
/// # Safety
/// `left`, `right` (`inner` rows) and `out` (`rows` rows) are valid for all elements named, and `out`
/// overlaps neither of the others.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
pub(crate) unsafe fn product<S: Simd, W: Walk>(
    simd: S,
    [rows, vectors, inner]: [usize; 3],
    left: Left,
    right: *const f32,
    walk: W,
    out: *mut f32,
    out_row: usize,
    start: Option<(*const f32, usize)>,
) {
    // SAFETY: the tiles below cover exactly the elements promised by the caller.
    unsafe {
        let mut column = 0;
        while column < vectors {
            let (right, out) = (right.add(column * S::LANES), out.add(column * S::LANES));
            let start = start.map(|(start, row)| (start.add(column * S::LANES), row));
            if vectors - column >= 2 {
                panel::<S, W, 2>(simd, rows, inner, left, right, walk, out, out_row, start);
                column += 2;
            } else {
                panel::<S, W, 1>(simd, rows, inner, left, right, walk, out, out_row, start);
                column += 1;
            }
        }
    }
}

/// `NV` vectors of columns of [`product`].
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn panel<S: Simd, W: Walk, const NV: usize>(
    simd: S,
    rows: usize,
    inner: usize,
    left: Left,
    right: *const f32,
    walk: W,
    out: *mut f32,
    out_row: usize,
    start: Option<(*const f32, usize)>,
) {
    let tall = S::TILE_ROWS;
    macro_rules! blocks {
        ($row:ident, $height:literal, $end:expr) => {
            while $end - $row >= $height {
                // SAFETY: rows `row..row + height` are of one group, and among those promised by the
                // caller.
                unsafe {
                    let at = $row / tall * left.group + $row % tall * left.row;
                    let left = Left { start: left.start.add(at), ..left };
                    let out = out.add($row * out_row);
                    let start = start.map(|(start, apart)| (start.add($row * apart), apart));
                    block::<S, W, $height, NV>(
                        simd, inner, left, right, walk, out, out_row, start,
                    );
                }
                $row += $height;
            }
        };
    }
    let (mut row, whole) = (0, rows / tall * tall);
    match tall {
        12 => blocks!(row, 12, whole),
        6 => blocks!(row, 6, whole),
        _ => blocks!(row, 4, whole),
    }
    // Rows that are left over, in blocks of which none has a single row where that can be: its sums would
    // wait for each other.
    if tall > 6 && matches!(rows - row, 6 | 9 | 10) {
        blocks!(row, 6, rows);
    }
    blocks!(row, 4, rows);
    blocks!(row, 3, rows);
    blocks!(row, 1, rows);
}

/// `MR` rows by `NV` vectors, held in registers.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn block<S: Simd, W: Walk, const MR: usize, const NV: usize>(
    simd: S,
    inner: usize,
    left: Left,
    right: *const f32,
    walk: W,
    out: *mut f32,
    out_row: usize,
    start: Option<(*const f32, usize)>,
) {
    // SAFETY: all accesses are to elements promised by the caller of `product`.
    unsafe {
        let mut sums = [[simd.splat(0.0); NV]; MR];
        if let Some((start, row)) = start {
            for (i, sums) in sums.iter_mut().enumerate() {
                for (j, sum) in sums.iter_mut().enumerate() {
                    *sum = simd.load(start.add(i * row + j * S::LANES));
                }
            }
        }
        let mut a = left.start;
        for k in 0..inner {
            let b = right.add(walk.at(k));
            let mut columns = [simd.splat(0.0); NV];
            for (j, column) in columns.iter_mut().enumerate() {
                *column = simd.load(b.add(j * S::LANES));
            }
            for (i, sums) in sums.iter_mut().enumerate() {
                let a = simd.splat(*a.add(i * left.row));
                for (sum, &column) in sums.iter_mut().zip(&columns) {
                    *sum = simd.fma(a, column, *sum);
                }
            }
            a = a.wrapping_add(left.inner);
        }
        for (i, sums) in sums.iter().enumerate() {
            for (j, &sum) in sums.iter().enumerate() {
                simd.store(out.add(i * out_row + j * S::LANES), sum);
            }
        }
    }
}
