use std::mem::MaybeUninit;

use super::{Head, KEYS, TILE, block_len, cut, scores, transpose};
use crate::host::{Scratch, Shared};
use crate::simd::{Kernel, Simd, basic::Scale};
use crate::target::Target;
use crate::tile::{Even, Left, product};

/// Queries that go over the keys together, so that each block of keys is fetched once for all of them.
const QUERIES: usize = 1024;

/// The forward pass of one head. Writes only the head's channels of the queries of its batch row.
pub(in crate::attention) struct Forward<'a> {
    pub head: Head<'a>,
    pub out: Shared<'a, MaybeUninit<f32>>,
    /// Log of the sum of exponentials of each query.
    pub lse: &'a mut [f32],
}

/// What a tile carries from one block of keys to the next.
struct Carried<'a> {
    /// The largest score of each query so far.
    max: &'a mut [f32],
    /// The sum of `exp(score - max)`.
    sum: &'a mut [f32],
    /// The sum of `exp(score - max) * v`, rows of `width` values.
    o: &'a mut [f32],
    width: usize,
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { head, out, lse } = self;
        head.fetch_next(simd);
        let (start, size) = head.channels;
        let width = size.next_multiple_of(S::LANES);
        let [queries, keys] = head.tokens;
        if !head.plan.is_whole(head.tokens) {
            head.clear(out, queries);
        }
        let (span, block) = (queries.next_multiple_of(TILE).min(QUERIES), keys.min(KEYS));
        let scratch = width * (2 * block + TILE + 2 * span) + block * TILE + 2 * span;
        let mut memory = Scratch::take(scratch);
        let mut rest = memory.values();
        let k = cut(&mut rest, block * width);
        let v = cut(&mut rest, block * width);
        let q = cut(&mut rest, TILE * width);
        let q_turned = cut(&mut rest, width * span);
        let o = cut(&mut rest, width * span);
        let p = cut(&mut rest, block * TILE);
        let max = cut(&mut rest, span);
        let sum = cut(&mut rest, span);
        let tile_size = width * TILE;
        for (set, seen) in head.plan.sets(head.row, head.tokens) {
            let step = block_len(seen.len());
            for first in (0..set.len()).step_by(QUERIES) {
                let part = set.part(first, QUERIES);
                for (at, q_turned) in
                    (0..part.len()).step_by(TILE).zip(q_turned.chunks_exact_mut(tile_size))
                {
                    let tile = part.part(at, TILE);
                    head.gather(simd, head.q, head.row * queries, tile, width, q);
                    transpose(simd, q, width, tile.len(), head.scale(), q_turned);
                }
                for from in (0..seen.len()).step_by(step) {
                    let block = seen.part(from, step);
                    // A single block is still there from the first queries.
                    if first == 0 || step < seen.len() {
                        head.gather(simd, head.k, head.row * keys, block, width, k);
                        head.gather(simd, head.v, head.row * keys, block, width, v);
                    }
                    let count = block.len();
                    for at in (0..part.len()).step_by(TILE) {
                        let tile_len = (part.len() - at).min(TILE);
                        let turned = &q_turned[at * width..][..tile_size];
                        scores(simd, [count, size], k, width, turned, tile_len, p);
                        let carried = Carried {
                            max: &mut max[at..at + TILE],
                            sum: &mut sum[at..at + TILE],
                            o: &mut o[at * width..][..tile_size],
                            width,
                        };
                        soften(simd, &mut p[..count * TILE], tile_len, carried, from == 0);
                        let left = Left::strided::<S>(p.as_ptr(), 1, TILE);
                        let shape = [tile_len, width / S::LANES, count];
                        let to = o[at * width..][..tile_size].as_mut_ptr();
                        let start = (from > 0).then_some((to.cast_const(), width));
                        // SAFETY: `p` holds `count` rows of TILE queries, `v` `count` rows and `to`
                        // TILE rows of `width` values, all in separate scratch.
                        unsafe {
                            product(simd, shape, left, v.as_ptr(), Even(width), to, width, start)
                        };
                    }
                }
                for i in 0..part.len() {
                    let token = part.at(i);
                    lse[token] = max[i] + sum[i].ln();
                    let o = &o[i * width..][..size];
                    // SAFETY: this task alone writes these channels of this batch row.
                    let out = unsafe { out.piece(head.row * queries + token, start, size) };
                    Target::fresh(out).apply(simd, Scale(1.0 / sum[i]), Some(o), [], size);
                }
            }
        }
    }
}

/// Replaces the scores of a block of keys by `exp(score - max)` with the maximum over all blocks so
/// far, and brings what is carried from the blocks before down to that maximum.
#[inline(always)]
fn soften<S: Simd>(simd: S, p: &mut [f32], tile_len: usize, carried: Carried, first: bool) {
    let Carried { max: maxima, sum: sums, o, width } = carried;
    let mut factors = [1.0; TILE];
    let pair = 2 * S::LANES;
    for at in (0..tile_len).step_by(pair) {
        let next = at + S::LANES;
        let before = match first {
            true => [simd.splat(f32::NEG_INFINITY); 2],
            false => [simd.read(&maxima[at..]), simd.read(&maxima[next..])],
        };
        let mut max = before;
        for row in p.chunks_exact(TILE) {
            max[0] = simd.max(max[0], simd.read(&row[at..]));
            max[1] = simd.max(max[1], simd.read(&row[next..]));
        }
        let mut sum = [simd.splat(0.0); 2];
        for row in p.chunks_exact_mut(TILE) {
            let row = &mut row[at..at + pair];
            let first = simd.exp_below_zero(simd.sub(simd.read(row), max[0]));
            let second = simd.exp_below_zero(simd.sub(simd.read(&row[S::LANES..]), max[1]));
            simd.write(row, first);
            simd.write(&mut row[S::LANES..], second);
            sum = [simd.add(sum[0], first), simd.add(sum[1], second)];
        }
        for (i, (max, mut sum)) in max.into_iter().zip(sum).enumerate() {
            let at = at + i * S::LANES;
            if !first {
                let factor = simd.exp_below_zero(simd.sub(before[i], max));
                simd.write(&mut factors[at..], factor);
                sum = simd.fma(simd.read(&sums[at..]), factor, sum);
            }
            simd.write(&mut maxima[at..], max);
            simd.write(&mut sums[at..], sum);
        }
    }
    if first {
        return;
    }
    for (row, &factor) in o.chunks_exact_mut(width).zip(&factors).take(tile_len) {
        for at in (0..width).step_by(S::LANES) {
            let scaled = simd.mul(simd.read(&row[at..]), simd.splat(factor));
            simd.write(&mut row[at..], scaled);
        }
    }
}
