//! Products that are known to be symmetric, of which half is made.

use super::{Product, Right, Run, Start, View};
use crate::simd::{self, Kernel, Simd};

/// `out = left right` where that is known to be symmetric, or to be so but for rounding: the sums at and left of the
/// diagonal are those of [`product_into`](super::product_into) bit for bit, the others are copied from them. `shape`
/// is the side of `out` and the inner size; `out` is dense.
pub(crate) fn symmetric_into(out: &mut [f32], [side, inner]: [usize; 2], left: View, right: View) {
    assert!(out.len() >= side * side, "room for {side} x {side} values");
    let right = Right::View(right);
    let of = Product { shape: [side, side, inner], left, right, start: Start::Zeros };
    // SAFETY: dense rows inside of `out`, which is borrowed mutably.
    simd::run(Run { of, out: out.as_mut_ptr(), out_row: side, lower: true });
    simd::run(Mirror { values: out, side });
}

/// Copies what is left of the diagonal to the other side.
struct Mirror<'a> {
    values: &'a mut [f32],
    side: usize,
}

impl Kernel for Mirror<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { values, side } = self;
        for row in (0..side).step_by(S::LANES) {
            let whole = side - row >= S::LANES;
            if whole {
                for column in (0..row).step_by(S::LANES) {
                    let mut square = [simd.splat(0.0); 16];
                    for (i, square) in square.iter_mut().enumerate().take(S::LANES) {
                        *square = simd.read(&values[(row + i) * side + column..]);
                    }
                    simd.turn(&mut square);
                    for (i, square) in square.into_iter().enumerate().take(S::LANES) {
                        simd.write(&mut values[(column + i) * side + row..], square);
                    }
                }
            }
            for row_of in row..side.min(row + S::LANES) {
                for column in if whole { row } else { 0 }..row_of {
                    values[column * side + row_of] = values[row_of * side + column];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matrix::product_into;

    fn values(len: usize, seed: usize) -> Vec<f32> {
        (0..len).map(|i| ((i * 31 + seed * 17) % 23) as f32 / 8.0 - 1.2).collect()
    }

    #[test]
    fn half_of_a_symmetric_product_says_the_rest() {
        for side in [0, 1, 12, 47, 48, 49, 96, 130] {
            for inner in [1, 40, 300] {
                let x = values(side * inner, side);
                let bits = |v: &[f32]| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
                // Of rows, of columns, and the square of what is symmetric itself.
                let lying = View { data: &x, row: inner, column: 1 };
                let standing = View { data: &x, row: 1, column: side };
                for x in [lying, standing] {
                    let mut gram = vec![f32::NAN; side * side];
                    let mut half = gram.clone();
                    product_into(&mut gram, [side, side, inner], x, x.turned());
                    symmetric_into(&mut half, [side, inner], x, x.turned());
                    assert_eq!(bits(&half), bits(&gram), "{side} of {inner}");
                    let g = View { data: &gram, row: side, column: 1 };
                    let mut square = vec![f32::NAN; side * side];
                    product_into(&mut square, [side; 3], g, g);
                    symmetric_into(&mut half, [side; 2], g, g);
                    assert_eq!(bits(&half), bits(&square), "{side} of {inner}");
                }
            }
        }
    }
}
