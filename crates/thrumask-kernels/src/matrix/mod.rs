//! Matrix products of views: operands are packed into panels that stay in the caches, and every sum runs
//! over the inner axis in ascending order, so that an element's bits depend neither on the tiling nor on
//! how many rows or columns are made together.

mod panels;
mod symmetric;

use std::mem::MaybeUninit;
use std::ops::Range;

use crate::aligned::Aligned;
use crate::host::{LINE, Scratch};
use crate::simd::{self, Kernel, Simd};
use crate::target::as_memory;
use crate::tile::{Even, Left, TileRows, pack, packed_len, product};
use panels::pack_right;

pub(crate) use panels::Panels;
pub(crate) use symmetric::symmetric_into;

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

/// Inner length that is treated at once, at most: a panel of the right-hand matrix then stays in the
/// first-level cache.
pub(crate) const DEPTH: usize = 192;

/// Rows that begin a group whatever the instruction set.
pub(crate) const GROUP: usize = 12;

/// Rows of the left-hand matrix are read where they lie when they are at most so far apart, for a group of them then
/// keeps out of its own way in the first-level cache, and times at most so many columns, for packed ones are
/// faster when they are used often.
const NEAR: usize = 384;
const FEW: usize = 512;

/// Values of the operands that are held packed, about: they stay in the second-level cache.
const HELD: usize = 128 << 10;

/// A left-hand matrix with dense rows, in groups as the register tile takes them.
pub(crate) struct Packed {
    values: Aligned,
    inner: usize,
}

impl Packed {
    /// Packs the matrix, in parallel.
    pub fn new(from: &[f32], shape: [usize; 2]) -> Self {
        Self::by_tasks(from, shape, simd::run(TileRows))
    }

    /// Packs the matrix on this thread, while others pack other matrices.
    pub fn alone(from: &[f32], shape: [usize; 2]) -> Self {
        Self::by_tasks(from, shape, shape[0])
    }

    /// `together` rows, whole groups or all, are packed by a task.
    fn by_tasks(from: &[f32], [rows, inner]: [usize; 2], together: usize) -> Self {
        assert!(from.len() >= rows * inner, "a matrix of {rows} x {inner}");
        let tall = simd::run(TileRows);
        let len = rows.next_multiple_of(tall) * inner;
        let values = Aligned::build(len, together.next_multiple_of(tall) * inner, |at, to| {
            let first = at / inner.max(1);
            let (from, count) = (&from[first * inner..], together.min(rows - first));
            // SAFETY: all places are written.
            unsafe { to.write_fresh(|to| simd::run(PackRows { from, shape: [count, inner], to })) };
        });
        Self { values, inner }
    }

    /// The matrix from a row on, which begins a group.
    #[inline(always)]
    pub fn rows<S: Simd>(&self, _simd: S, first: usize) -> Left {
        assert!(first.is_multiple_of(S::TILE_ROWS), "row {first} begins a group");
        Left::packed::<S>(self.values[first * self.inner..].as_ptr(), self.inner)
    }

    /// The first `rows` rows and the columns `inner` times a panel of `vectors` vectors, at most two, and what sums
    /// `start` from. Rows of `out` are `out_row` apart; the distance between those of `start` is given with it.
    ///
    /// # Panics
    /// When the matrix is smaller.
    ///
    /// # Safety
    /// The panel has `2 * LANES` values for each place of `inner`, all elements of `out` may be written, and those of
    /// `start` read.
    #[inline(always)]
    pub unsafe fn times<S: Simd>(
        &self,
        simd: S,
        [rows, vectors]: [usize; 2],
        inner: Range<usize>,
        panel: &[f32],
        (out, out_row): (*mut f32, usize),
        start: Option<(*const f32, usize)>,
    ) {
        let (wide, depth) = (2 * S::LANES, inner.len());
        assert!(inner.end <= self.inner && panel.len() >= depth * wide, "a panel of {inner:?}");
        for row in (0..rows).step_by(GROUP) {
            let left = self.rows(simd, row);
            let shape = [GROUP.min(rows - row), vectors, depth];
            // SAFETY: packed rows and a panel as just checked; `out` is promised by the caller.
            unsafe {
                let left = Left { start: left.start.add(inner.start * left.inner), ..left };
                let to = out.add(row * out_row);
                let start = start.map(|(start, apart)| (start.add(row * apart), apart));
                product(simd, shape, left, panel.as_ptr(), Even(wide), to, out_row, start);
            }
        }
    }
}

struct PackRows<'a, 'b> {
    from: &'a [f32],
    shape: [usize; 2],
    to: &'b mut [MaybeUninit<f32>],
}

impl Kernel for PackRows<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let from = Left::strided::<S>(self.from.as_ptr(), self.shape[1], 1);
        // SAFETY: dense rows, of which there are enough.
        unsafe { pack(simd, from, self.shape, self.to) };
    }
}

/// The right-hand matrix of a product.
#[derive(Clone, Copy)]
pub(crate) enum Right<'a> {
    /// Packed before.
    Panels(&'a Panels),
    /// Packed on the way.
    View(View<'a>),
}

/// `out = start + left right` on one thread.
pub(crate) struct Product<'a> {
    /// Rows and columns of `out`, then the inner size.
    pub shape: [usize; 3],
    pub left: View<'a>,
    pub right: Right<'a>,
    pub start: Start<'a>,
}

/// What sums start from.
#[derive(Clone, Copy)]
pub(crate) enum Start<'a> {
    Zeros,
    /// The same row for all.
    Row(&'a [f32]),
    /// What the result holds already.
    Out,
}

impl Product<'_> {
    /// Writes every element of `out`, given by its first one and the distance between its rows, and reads
    /// none before but with [`Start::Out`].
    ///
    /// # Safety
    /// All elements of `out` may be written (and read, with [`Start::Out`]), and nothing else uses them
    /// meanwhile.
    pub unsafe fn write(self, out: *mut f32, out_row: usize) {
        simd::run(Run { of: self, out, out_row, lower: false });
    }
}

/// `out = left right`; `out` is dense and row-major.
pub(crate) fn product_into(out: &mut [f32], shape: [usize; 3], left: View, right: View) {
    let [rows, columns, _] = shape;
    assert!(out.len() >= rows * columns, "room for {rows} x {columns} values");
    let right = Right::View(right);
    // SAFETY: dense rows inside of `out`, which is borrowed mutably.
    unsafe { Product { shape, left, right, start: Start::Zeros }.write(out.as_mut_ptr(), columns) };
}

struct Run<'a> {
    of: Product<'a>,
    out: *mut f32,
    out_row: usize,
    /// Of tiles right of the diagonal some are left out.
    lower: bool,
}

impl Kernel for Run<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { of: Product { shape, left, right, start }, out, out_row, lower } = self;
        let [rows, columns, inner] = shape;
        let (tall, wide) = (S::TILE_ROWS, 2 * S::LANES);
        left.check(rows, inner);
        assert!(!lower || rows == columns, "a diagonal of {rows} x {columns}");
        if let Start::Row(row) = start {
            assert!(row.len() >= columns, "a start for each column");
        }
        match right {
            Right::View(right) => right.check(inner, columns),
            Right::Panels(p) => {
                let found = [p.inner, p.columns, p.wide];
                assert_eq!(found, [inner, columns, wide], "panels of this product");
            }
        }
        // Lengths of about one size each: what is packed at once, and what one pass goes over.
        let even = |len: usize, most: usize| len.div_ceil(len.div_ceil(most).max(1)).max(1);
        // Panels of short vectors are thinner.
        let deep = if S::LANES > 8 { DEPTH } else { DEPTH / 3 * 4 };
        let packed = match right {
            Right::View(_) => columns.next_multiple_of(wide),
            Right::Panels(_) => 0,
        };
        let long = even(inner, (HELD / (rows + packed).max(1)).max(deep));
        let step = even(long, deep);
        // Rows that lie close together are read where they are.
        let near = left.column == 1 && left.row <= NEAR && columns <= FEW;
        let a_len = if near { 0 } else { packed_len::<S>(rows, long) };
        // Whole cache lines, so that the panels behind start with one too.
        let a_len = a_len.next_multiple_of(LINE);
        let mut memory = Scratch::take(a_len + packed * long + wide * tall);
        let (a, rest) = memory.values().split_at_mut(a_len);
        let (b, edge) = rest.split_at_mut(packed * long);
        // Without an inner axis there is still a start to write.
        for first in (0..inner.max(1)).step_by(long) {
            let end = inner.min(first + long);
            let steps = || (first..end.max(first + 1)).step_by(step);
            let of_left = |from: usize| {
                let data = left.data.get(from * left.column..).unwrap_or_default();
                Left::strided::<S>(data.as_ptr(), left.row, left.column)
            };
            for from in steps().filter(|_| !near) {
                let (depth, of_left) = (step.min(end - from), of_left(from));
                let to = &mut a[packed_len::<S>(rows, from - first)..];
                // SAFETY: the view was checked for all rows and the whole inner axis, and what is packed
                // are its values and zeros.
                unsafe { pack(simd, of_left, [rows, depth], as_memory(to)) };
            }
            // The panels, and the first value and the length of each.
            let (panels, at, length) = match right {
                Right::Panels(p) => (&p.values[..], first, inner),
                Right::View(view) => {
                    let data = view.data.get(first * view.row..).unwrap_or_default();
                    // SAFETY: what is packed are values of the view and zeros.
                    let to = unsafe { as_memory(b) };
                    pack_right(simd, View { data, ..view }, [end - first, columns], to);
                    (&*b, 0, end - first)
                }
            };
            for column in (0..columns).step_by(wide) {
                let count = wide.min(columns - column);
                let top = if lower { column / tall * tall } else { 0 };
                let begin = match start {
                    Start::Row(row) => Start::Row(&row[column..column + count]),
                    other => other,
                };
                for from in steps() {
                    let depth = step.min(end - from);
                    let panel = &panels[column * length + (at + from - first) * wide..];
                    assert!(panel.len() >= depth * wide, "a panel of {depth} rows");
                    let a = match near {
                        true => of_left(from),
                        false => {
                            let a = &a[packed_len::<S>(rows, from - first)..];
                            assert!(a.len() >= packed_len::<S>(rows, depth), "{rows} packed rows");
                            Left::packed::<S>(a.as_ptr(), depth)
                        }
                    };
                    let begin = if from == 0 { begin } else { Start::Out };
                    // SAFETY: the panel holds `depth` rows of `wide` values, `a` all rows, as the view
                    // does; the elements of `out` are promised by the caller, and `edge` holds a whole tile.
                    unsafe {
                        let a = Left { start: a.start.wrapping_add(top / tall * a.group), ..a };
                        let (panel, to) = (panel.as_ptr(), out.add(top * out_row + column));
                        strip(simd, [rows - top, count, depth], a, panel, begin, to, out_row, edge);
                    }
                }
            }
        }
    }
}

/// The columns of one panel, at most two vectors. `edge` is room for a tile.
///
/// # Safety
/// `panel` holds `depth` whole rows, `a` `rows` rows as long, and all elements of `out` may be written.
#[inline(always)]
#[allow(clippy::too_many_arguments)]
unsafe fn strip<S: Simd>(
    simd: S,
    [rows, count, depth]: [usize; 3],
    a: Left,
    panel: *const f32,
    begin: Start,
    out: *mut f32,
    out_row: usize,
    edge: &mut [f32],
) {
    let (tall, wide) = (S::TILE_ROWS, 2 * S::LANES);
    let vectors = count.div_ceil(S::LANES);
    assert!(edge.len() >= tall * wide);
    // The next panel lies behind this one: each tile asks for some lines of it.
    let mut next = panel.wrapping_add(depth * wide);
    let lines = (depth * wide).div_ceil(LINE).div_ceil(rows.div_ceil(tall).max(1));
    for row in (0..rows).step_by(tall) {
        let height = tall.min(rows - row);
        let left = Left { start: a.start.wrapping_add(row / tall * a.group), ..a };
        let shape = [height, vectors, depth];
        for _ in 0..lines {
            simd.fetch(next);
            next = next.wrapping_add(LINE);
        }
        // SAFETY: promised by the caller; `edge` holds a whole tile.
        unsafe {
            let to = out.add(row * out_row);
            if count == vectors * S::LANES {
                let start = match begin {
                    Start::Zeros => None,
                    Start::Row(row) => Some((row.as_ptr(), 0)),
                    Start::Out => Some((to.cast_const(), out_row)),
                };
                product(simd, shape, left, panel, Even(wide), to, out_row, start);
                continue;
            }
            for (i, edge) in edge.chunks_exact_mut(wide).enumerate().take(height) {
                match begin {
                    Start::Zeros => edge[..count].fill(0.0),
                    Start::Row(row) => edge[..count].copy_from_slice(row),
                    Start::Out => to.add(i * out_row).copy_to(edge.as_mut_ptr(), count),
                }
            }
            let tile = edge.as_mut_ptr();
            let start = Some((tile.cast_const(), wide));
            product(simd, shape, left, panel, Even(wide), tile, wide, start);
            for i in 0..height {
                tile.add(i * wide).copy_to_nonoverlapping(to.add(i * out_row), count);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(len: usize, seed: usize) -> Vec<f32> {
        (0..len).map(|i| ((i * 31 + seed * 17) % 23) as f32 / 8.0 - 1.2).collect()
    }

    /// The sum in ascending order with fused multiply-adds, as every instruction set but the portable
    /// one makes it.
    fn plain([rows, columns, inner]: [usize; 3], a: View, b: View, start: &[f32]) -> Vec<f32> {
        let element = |i: usize, j: usize| {
            let at =
                |k: usize| (a.data[i * a.row + k * a.column], b.data[k * b.row + j * b.column]);
            (0..inner).map(at).fold(start[j], |sum, (a, b)| a.mul_add(b, sum))
        };
        (0..rows * columns).map(|i| element(i / columns, i % columns)).collect()
    }

    #[test]
    fn any_shape_and_layout_gives_the_sum_in_order() {
        let sizes = [0, 1, 2, 5, 12, 13, 31, 32, 33, 47, 64, 100];
        for (n, &rows) in sizes.iter().enumerate() {
            for &columns in &sizes[n % 3..] {
                for inner in [0, 1, 7, 319, 321, 700] {
                    let shape = [rows, columns, inner];
                    let (a, b) = (values(rows * inner, 1), values(inner * columns, 2));
                    let bias = values(columns, 3);
                    for (a_turned, b_turned) in [(false, false), (true, false), (false, true)] {
                        let view = |data, turned, [rows, columns]: [usize; 2]| match turned {
                            false => View { data, row: columns, column: 1 },
                            true => View { data, row: 1, column: rows },
                        };
                        let left = view(&a, a_turned, [rows, inner]);
                        let right = view(&b, b_turned, [inner, columns]);
                        let mut found = vec![f32::NAN; rows * columns];
                        product_into(&mut found, shape, left, right);
                        let expected = plain(shape, left, right, &vec![0.0; columns]);
                        close(&found, &expected, &format!("{shape:?} {a_turned} {b_turned}"));
                        let panels = Panels::new(right, [inner, columns]);
                        let right_of = Right::Panels(&panels);
                        let all =
                            Product { shape, left, right: right_of, start: Start::Row(&bias) };
                        found.fill(f32::NAN);
                        // SAFETY: dense rows of a vector of this test.
                        unsafe { all.write(found.as_mut_ptr(), columns) };
                        close(&found, &plain(shape, left, right, &bias), &format!("{shape:?}"));
                    }
                }
            }
        }
    }

    fn close(found: &[f32], expected: &[f32], what: &str) {
        for (found, expected) in found.iter().zip(expected) {
            // The portable sums round twice for each of up to 700 products; they were seen 1.2e-4 off.
            assert!((found - expected).abs() <= 4e-4, "{what}: {found} {expected}");
        }
    }
}
