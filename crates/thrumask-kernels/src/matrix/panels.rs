//! Right-hand matrices in panels of two vectors' width.

use std::mem::MaybeUninit;

use super::View;
use crate::aligned::Aligned;
use crate::simd::{self, Kernel, Simd};

/// Panels that are packed by one task.
const TOGETHER: usize = 8;

/// A right-hand matrix in panels, for several products.
pub(crate) struct Panels {
    pub(super) values: Aligned,
    pub(super) inner: usize,
    pub(super) columns: usize,
    pub(super) wide: usize,
}

impl Panels {
    /// Packs the matrix, in parallel.
    pub fn new(from: View, [inner, columns]: [usize; 2]) -> Self {
        from.check(inner, columns);
        let wide = simd::run(PanelWidth);
        let panel = inner * wide;
        // Several panels a task: what is read of a row then is some lines side by side.
        let values = Aligned::build(columns.div_ceil(wide) * panel, TOGETHER * panel, |at, to| {
            let column = at / panel * wide;
            let count = (to.len() / panel.max(1) * wide).min(columns - column);
            let view = View { data: &from.data[column * from.column..], ..from };
            let pack = |to: &mut [MaybeUninit<f32>]| {
                simd::run(Pack { from: view, shape: [inner, count], to });
            };
            // SAFETY: all places of whole panels are written, and `pack` fills up the last.
            unsafe { to.write_fresh(pack) };
        });
        Self { values, inner, columns, wide }
    }
}

/// [`pack_right`]
struct Pack<'a, 'b> {
    from: View<'a>,
    shape: [usize; 2],
    to: &'b mut [MaybeUninit<f32>],
}

impl Kernel for Pack<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        pack_right(simd, self.from, self.shape, self.to);
    }
}

/// Columns of a panel.
struct PanelWidth;

impl Kernel for PanelWidth {
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd>(self, _simd: S) -> usize {
        2 * S::LANES
    }
}

/// The columns in panels of `wide` values a row, `inner` rows a panel; zeros behind the last column.
#[inline(always)]
pub(super) fn pack_right<S: Simd>(
    simd: S,
    from: View,
    [inner, columns]: [usize; 2],
    to: &mut [MaybeUninit<f32>],
) {
    let wide = 2 * S::LANES;
    let panel = inner * wide;
    assert!(to.len() >= columns.div_ceil(wide) * panel, "room for {columns} columns");
    let View { row, column, .. } = from;
    if column == 1 {
        // Row by row: a page of memory is visited once.
        for k in 0..inner {
            let from = &from.data[k * row..][..columns];
            let whole = from.chunks_exact(wide);
            let rest = whole.remainder();
            let mut at = k * wide;
            for from in whole {
                // A length that the compiler knows is copied in a few vectors.
                to[at..at + wide].write_copy_of_slice(&from[..wide]);
                at += panel;
            }
            if !rest.is_empty() {
                let to = &mut to[at..at + wide];
                to[..rest.len()].write_copy_of_slice(rest);
                to[rest.len()..].fill(MaybeUninit::new(0.0));
            }
        }
        return;
    }
    // What is a column here lies in a row in memory: a line of each at a time, so that those read and
    // those written stay in the cache until they are done.
    for first in (0..columns).step_by(wide) {
        let to = &mut to[first / wide * panel..];
        let count = wide.min(columns - first);
        for (block, to) in to[..panel].chunks_mut(S::LANES * wide).enumerate() {
            let from = &from.data[block * S::LANES * row + first * column..];
            if row == 1 && count == wide && to.len() == S::LANES * wide {
                for half in (0..wide).step_by(S::LANES) {
                    let mut square = [simd.splat(0.0); 16];
                    for (j, square) in square.iter_mut().enumerate().take(S::LANES) {
                        *square = simd.read(&from[(half + j) * column..]);
                    }
                    simd.turn(&mut square);
                    for (k, square) in square.into_iter().enumerate().take(S::LANES) {
                        let to = &mut to[k * wide + half..][..S::LANES];
                        // SAFETY: room for a vector, as just checked.
                        unsafe { simd.store(to.as_mut_ptr().cast(), square) };
                    }
                }
                continue;
            }
            for (k, to) in to.chunks_exact_mut(wide).enumerate() {
                for (j, to) in to.iter_mut().enumerate() {
                    to.write(if j < count { from[k * row + j * column] } else { 0.0 });
                }
            }
        }
    }
}
