//! Register-tiled matrix products on dense rows, the inner loop of attention and of linear layers.

use crate::simd::Simd;

/// A read-only matrix: where it starts and how far apart neighbours are.
#[derive(Clone, Copy)]
pub(crate) struct Left {
    /// Element (0, 0).
    pub start: *const f32,
    /// Distance between rows of the product.
    pub row: usize,
    /// Distance along the inner axis.
    pub inner: usize,
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

/// `out[i, j] (+)= sum_k left[i, k] right[k, j]` for `rows` rows and `vectors * LANES` columns, with
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
    add: bool,
) {
    // SAFETY: the tiles below cover exactly the elements promised by the caller.
    unsafe {
        let mut column = 0;
        while column < vectors {
            let (right, out) = (right.add(column * S::LANES), out.add(column * S::LANES));
            if vectors - column >= 2 {
                panel::<S, W, 2>(simd, rows, inner, left, right, walk, out, out_row, add);
                column += 2;
            } else {
                panel::<S, W, 1>(simd, rows, inner, left, right, walk, out, out_row, add);
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
    add: bool,
) {
    macro_rules! blocks {
        ($row:ident, $height:literal) => {
            while rows - $row >= $height {
                // SAFETY: rows `row..row + height` are among those promised by the caller.
                unsafe {
                    let left = Left { start: left.start.add($row * left.row), ..left };
                    let out = out.add($row * out_row);
                    block::<S, W, $height, NV>(simd, inner, left, right, walk, out, out_row, add);
                }
                $row += $height;
            }
        };
    }
    let mut row = 0;
    if S::TILE_ROWS == 12 {
        blocks!(row, 12);
    }
    if S::TILE_ROWS >= 6 {
        blocks!(row, 6);
    }
    blocks!(row, 4);
    blocks!(row, 3);
    blocks!(row, 1);
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
    add: bool,
) {
    // SAFETY: all accesses are to elements promised by the caller of `product`.
    unsafe {
        let mut sums = [[simd.splat(0.0); NV]; MR];
        if add {
            for (i, sums) in sums.iter_mut().enumerate() {
                for (j, sum) in sums.iter_mut().enumerate() {
                    *sum = simd.load(out.add(i * out_row + j * S::LANES));
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
