use std::mem::MaybeUninit;
use std::ops::Range;

use super::{Head, KEYS, TILE, block_len, cut, scores, transpose};
use crate::attention::plan::Tokens;
use crate::host::{Scratch, Shared};
use crate::simd::{Kernel, Simd, basic::Scale};
use crate::target::Target;
use crate::tile::{Even, Left, product};

/// Queries that go over the keys together, so that each block of keys is fetched once for all of them.
const QUERIES: usize = 1024;

/// The forward pass of some queries of one head. Writes only the head's channels of these queries of its
/// batch row, the same bits whichever others are treated with them.
pub(in crate::attention) struct Forward<'a> {
    pub head: Head<'a>,
    /// Which queries, by their numbers in the order of the plan's sets.
    pub share: Range<usize>,
    pub out: Shared<'a, MaybeUninit<f32>>,
    /// Log of the sum of exponentials of each query, 0 where it sees no key, and the row of the head.
    pub lse: (Shared<'a, MaybeUninit<f32>>, usize),
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
        let Self { ref head, ref share, .. } = self;
        head.fetch_next(simd);
        let size = head.channels.1;
        let width = size.next_multiple_of(S::LANES);
        let [queries, keys] = head.tokens;
        let (span, block) = (share.len().next_multiple_of(TILE).min(QUERIES), keys.min(KEYS));
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
        let mut before = 0;
        for (set, seen) in head.plan.sets(head.row, head.tokens) {
            let [from, to] =
                [share.start, share.end].map(|at| at.saturating_sub(before).min(set.len()));
            before += set.len();
            let set = set.part(from, to - from);
            if seen.len() == 0 {
                for i in 0..set.len() {
                    // SAFETY: used up before the next.
                    let (lse, out) = unsafe { self.places(set, i) };
                    lse.write(0.0);
                    out.fill(MaybeUninit::new(0.0));
                }
                continue;
            }
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
                    // SAFETY: used up before the next.
                    let (lse, out) = unsafe { self.places(part, i) };
                    lse.write(max[i] + sum[i].ln());
                    let o = &o[i * width..][..size];
                    Target::fresh(out).apply(simd, Scale(1.0 / sum[i]), Some(o), [], size);
                }
            }
        }
    }
}

impl Forward<'_> {
    /// Where the sum of the `i`-th of some queries of the share goes, and its output.
    ///
    /// # Safety
    /// Those of the same query are not in use.
    #[inline(always)]
    #[allow(clippy::mut_from_ref)]
    unsafe fn places(
        &self,
        of: Tokens,
        i: usize,
    ) -> (&mut MaybeUninit<f32>, &mut [MaybeUninit<f32>]) {
        let (token, (start, size)) = (of.at(i), self.head.channels);
        let row = self.head.row * self.head.tokens[0] + token;
        // SAFETY: the task of this share alone writes this head's values of this query, and the caller
        // holds no others.
        let (lse, out) =
            unsafe { (self.lse.0.piece(self.lse.1, token, 1), self.out.piece(row, start, size)) };
        (&mut lse[0], out)
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
