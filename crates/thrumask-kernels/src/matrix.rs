//! Matrix products of views, one thread each.

use crate::target::Target;

/// A matrix in a slice, by the distances between neighbours.
#[derive(Clone, Copy)]
pub(crate) struct View<'a> {
    /// The matrix starts at the first value.
    pub data: &'a [f32],
    /// Distance between rows.
    pub row: usize,
    /// Distance between columns.
    pub column: usize,
}

impl View<'_> {
    /// Rows and columns exchanged.
    pub fn turned(self) -> Self {
        Self { row: self.column, column: self.row, ..self }
    }

    fn check(&self, rows: usize, columns: usize) {
        if rows > 0 && columns > 0 {
            let last = (rows - 1) * self.row + (columns - 1) * self.column;
            assert!(last < self.data.len(), "a matrix of {rows} x {columns} past its slice");
        }
    }
}

/// `out = left right`, or `a out + b left right` for `mix = Some((a, b))`; `out` is dense and row-major.
/// The shape is rows and columns of `out`, then the inner size.
pub(crate) fn product(
    out: &mut [f32],
    [rows, columns, inner]: [usize; 3],
    left: View,
    right: View,
    mix: Option<(f32, f32)>,
) {
    assert!(out.len() >= rows * columns, "room for {rows} x {columns} values");
    if rows == 1 && columns > 1 {
        // A single row would be multiplied as a vector, whose sums are rounded in another order. As
        // one of two equal rows its bits do not depend on how many rows there are.
        let mut pair = vec![0.0; 2 * columns];
        pair[..columns].copy_from_slice(&out[..columns]);
        product(&mut pair, [2, columns, inner], View { row: 0, ..left }, right, mix);
        out[..columns].copy_from_slice(&pair[..columns]);
        return;
    }
    // SAFETY: dense rows inside of `out`, which is borrowed mutably.
    unsafe { multiply((out.as_mut_ptr(), columns), [rows, columns, inner], left, right, mix) }
}

/// `out = left right` in memory without values.
pub(crate) fn product_fresh(
    out: &mut Target,
    shape @ [rows, columns, _]: [usize; 3],
    left: View,
    right: View,
) {
    assert_eq!(out.len(), rows * columns, "room for {rows} x {columns} values");
    if rows == 1 || shape.contains(&0) {
        return product(out.zeros(), shape, left, right, None);
    }
    // SAFETY: dense rows inside of `out`, which the product writes all and does not read.
    unsafe { out.write(|out| multiply((out, columns), shape, left, right, None)) };
}

/// `out = left right` for `out` given by its first element and the distance between rows.
///
/// # Safety
/// All elements of `out` may be written, and nothing else uses them meanwhile.
pub(crate) unsafe fn product_into(
    out: (*mut f32, usize),
    shape: [usize; 3],
    left: View,
    right: View,
) {
    // SAFETY: promised by the caller.
    unsafe { multiply(out, shape, left, right, None) }
}

/// # Safety
/// All elements of `out` may be written, and nothing else uses them meanwhile; with `mix` they are
/// initialised.
unsafe fn multiply(
    (out, out_row): (*mut f32, usize),
    [rows, columns, inner]: [usize; 3],
    left: View,
    right: View,
    mix: Option<(f32, f32)>,
) {
    left.check(rows, inner);
    right.check(inner, columns);
    let (alpha, beta) = mix.unwrap_or((0.0, 1.0));
    // SAFETY: the operands were just checked, the result is promised by the caller.
    unsafe {
        gemm::gemm(
            rows,
            columns,
            inner,
            out,
            1,
            out_row as isize,
            mix.is_some(),
            left.data.as_ptr(),
            left.column as isize,
            left.row as isize,
            right.data.as_ptr(),
            right.column as isize,
            right.row as isize,
            alpha,
            beta,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
