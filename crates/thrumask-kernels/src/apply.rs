//! Functions of each place of tensors, and of their rows with sums over rows, in parallel.

use crate::host::{CHUNK, Host, Rows, build, fill_whole, whole_rows};
use crate::memory;
use crate::simd::{self, Kernel, Lanes, Simd};
use crate::target::Target;
use crate::team;

impl Host {
    /// The function of each value and of those of `with` in the same place; in place when nothing else
    /// refers to the values.
    ///
    /// # Panics
    /// When `with` has rows of another width or fewer of them.
    pub fn lanes<F, const N: usize>(self, with: [Rows<'_>; N], f: F) -> Self
    where
        F: Lanes<N> + Send + Sync,
    {
        let width = self.rows().width;
        assert!(with.iter().all(|with| with.width == width), "rows of one width");
        self.by_rows(|x, at, to| simd::run(Places { f, x, with, width, at, to }))
    }

    /// Fills whole rows, in parallel. `fill` gets the rows that there were, the number of the first value
    /// and what to fill; when nothing else refers to the rows it holds them, and `None` is given.
    pub fn by_rows(mut self, fill: impl Fn(Option<Rows>, usize, &mut Target) + Sync) -> Self {
        let (dims, len, width) = (self.dims(), self.len(), self.rows().width);
        let chunk = whole_rows(width);
        if let Some(values) = self.unique() {
            team::chunks(values, chunk, |i, to| fill(None, i * chunk, &mut Target::old(to)));
            return self;
        }
        let x = self.rows();
        let out = build(len, chunk, |at, to| fill(Some(x), at, to));
        Self::from_vec(out, &dims)
    }
}

struct Places<'a, 'b, F, const N: usize> {
    f: F,
    /// The first operand; the values of `to` when `None`.
    x: Option<Rows<'a>>,
    with: [Rows<'a>; N],
    width: usize,
    /// Number of the first value, at the start of a row.
    at: usize,
    to: &'a mut Target<'b>,
}

impl<F: Lanes<N>, const N: usize> Kernel for Places<'_, '_, F, N> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { f, x, with, width, at, to } = self;
        let dense = |rows: &Rows| rows.stride == rows.width;
        let len = to.len();
        if x.iter().all(dense) && with.iter().all(dense) {
            let x = x.map(|x| &x.data[at..at + len]);
            to.apply(simd, f, x, with.map(|with| &with.data[at..at + len]), len);
            return;
        }
        for row in at / width..(at + len) / width {
            to.apply(simd, f, x.map(|x| x.row(row)), with.map(|with| with.row(row)), width);
        }
    }
}

/// New rows of `width` values, and `sums` sums for each set of `per` rows. `fill` gets the number of the
/// first row of a task, which lies inside one set, its rows to fill, and the sums over them, zeros at first.
/// Partial sums are added up in the order of the rows, of tasks that depend on the sizes alone.
pub(crate) fn rows_and_sums(
    [sets, per, width, sums]: [usize; 4],
    fill: impl Fn(usize, &mut Target, &mut [f32]) + Sync,
) -> (Vec<f32>, Vec<f32>) {
    let len = sets * per * width;
    let mut totals = vec![0.0; sets * sums];
    if len == 0 || sums == 0 {
        return (vec![0.0; len], totals);
    }
    let step = (CHUNK / 2 / width).clamp(1, per);
    let tasks = per.div_ceil(step);
    let mut partials = vec![0.0; sets * tasks * sums];
    let mut out = Vec::with_capacity(len);
    let mut pieces = Vec::with_capacity(sets * tasks);
    for (set, rows) in out.spare_capacity_mut()[..len].chunks_mut(per * width).enumerate() {
        for (i, rows) in rows.chunks_mut(step * width).enumerate() {
            pieces.push((set * per + i * step, rows));
        }
    }
    let mut pieces: Vec<_> = pieces.into_iter().zip(partials.chunks_mut(sums)).collect();
    let past = memory::outgrows_caches(len);
    team::chunks(&mut pieces, 1, |_, piece| {
        for ((first, rows), part) in piece {
            fill_whole(rows, past, |to| fill(*first, to, part));
        }
    });
    // SAFETY: the pieces cover all `len` values, and each was filled.
    unsafe { out.set_len(len) };
    for (total, partials) in totals.chunks_exact_mut(sums).zip(partials.chunks_exact(tasks * sums))
    {
        for partial in partials.chunks_exact(sums) {
            total.iter_mut().zip(partial).for_each(|(total, part)| *total += part);
        }
    }
    (out, totals)
}
