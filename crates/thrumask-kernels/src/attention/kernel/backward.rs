use std::mem::MaybeUninit;

use super::{Head, KEYS, TILE, block_len, cut, scores, transpose};
use crate::attention::plan::Tokens;
use crate::host::{Rows, Scratch, Shared};
use crate::simd::{Kernel, Lanes, Simd, basic::Scale};
use crate::target::Target;
use crate::tile::{Even, Left, product};

/// The backward pass of one head. Writes only the head's channels of its batch row.
pub(in crate::attention) struct Backward<'a> {
    pub head: Head<'a>,
    pub grad: Rows<'a>,
    pub out: Rows<'a>,
    pub lse: &'a [f32],
    pub dq: Shared<'a, MaybeUninit<f32>>,
    pub dk: Shared<'a, MaybeUninit<f32>>,
    pub dv: Shared<'a, MaybeUninit<f32>>,
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { head, grad, out, lse, dq, dk, dv } = self;
        head.fetch_next(simd);
        let size = head.channels.1;
        let width = size.next_multiple_of(S::LANES);
        let vectors = width / S::LANES;
        let [queries, keys] = head.tokens;
        let whole = head.plan.is_whole(head.tokens);
        if !whole {
            head.clear(dq, queries);
            head.clear(dk, keys);
            head.clear(dv, keys);
        }
        let block = keys.min(KEYS);
        let scratch = width * (4 * block + 6 * TILE) + 2 * block * TILE + queries;
        let mut memory = Scratch::take(scratch);
        let mut rest = memory.values();
        let k = cut(&mut rest, block * width);
        let v = cut(&mut rest, block * width);
        let k_grad = cut(&mut rest, block * width);
        let v_grad = cut(&mut rest, block * width);
        let q = cut(&mut rest, TILE * width);
        let q_turned = cut(&mut rest, width * TILE);
        let o_grad = cut(&mut rest, TILE * width);
        let o_grad_turned = cut(&mut rest, width * TILE);
        let o = cut(&mut rest, TILE * width);
        let q_grad = cut(&mut rest, TILE * width);
        let p = cut(&mut rest, block * TILE);
        let p_grad = cut(&mut rest, block * TILE);
        // `sum(o * o_grad)` of each query of a set, found with the first block of keys.
        let deltas = cut(&mut rest, queries);
        for (set, seen) in head.plan.sets(head.row, head.tokens) {
            let step = block_len(seen.len());
            for from in (0..seen.len()).step_by(step) {
                let block = seen.part(from, step);
                let count = block.len();
                head.gather(simd, head.k, head.row * keys, block, width, k);
                head.gather(simd, head.v, head.row * keys, block, width, v);
                k_grad[..count * width].fill(0.0);
                v_grad[..count * width].fill(0.0);
                for first in (0..set.len()).step_by(TILE) {
                    let tile = set.part(first, TILE);
                    let tile_len = tile.len();
                    let (mut tile_lse, mut delta) = ([0.0; TILE], [0.0; TILE]);
                    head.gather(simd, head.q, head.row * queries, tile, width, q);
                    head.gather(simd, grad, head.row * queries, tile, width, o_grad);
                    transpose(simd, q, width, tile_len, head.scale(), q_turned);
                    transpose(simd, o_grad, width, tile_len, 1.0, o_grad_turned);
                    if from == 0 {
                        head.gather(simd, out, head.row * queries, tile, width, o);
                        for (i, delta) in deltas[first..first + tile_len].iter_mut().enumerate() {
                            let mut sum = simd.splat(0.0);
                            for j in (i * width..(i + 1) * width).step_by(S::LANES) {
                                sum = simd.fma(simd.read(&o[j..]), simd.read(&o_grad[j..]), sum);
                            }
                            *delta = simd.sum(sum);
                        }
                    }
                    delta[..tile_len].copy_from_slice(&deltas[first..first + tile_len]);
                    for (i, lse_of) in tile_lse.iter_mut().enumerate().take(tile_len) {
                        *lse_of = lse[tile.at(i)];
                    }
                    scores(simd, [count, size], k, width, q_turned, tile_len, p);
                    scores(simd, [count, size], v, width, o_grad_turned, tile_len, p_grad);
                    let (p, p_grad) = (&mut p[..count * TILE], &mut p_grad[..count * TILE]);
                    score_gradient(simd, p, p_grad, &tile_lse, &delta, tile_len);
                    let by_key = |x: &[f32]| Left::strided::<S>(x.as_ptr(), TILE, 1);
                    let by_query = |x: &[f32]| Left::strided::<S>(x.as_ptr(), 1, TILE);
                    // SAFETY: `p` and `p_grad` hold `count` rows of TILE values; `k`, `v` and their
                    // gradients `count` rows, the others TILE rows of `width` values; all are
                    // separate scratch.
                    unsafe {
                        let shape = [count, vectors, tile_len];
                        let (q, o_grad) = (q.as_ptr(), o_grad.as_ptr());
                        let (to_v, to_k) = (v_grad.as_mut_ptr(), k_grad.as_mut_ptr());
                        let start = |to: *mut f32| Some((to.cast_const(), width));
                        let (from_v, from_k) = (start(to_v), start(to_k));
                        product(simd, shape, by_key(p), o_grad, Even(width), to_v, width, from_v);
                        product(simd, shape, by_key(p_grad), q, Even(width), to_k, width, from_k);
                        let shape = [tile_len, vectors, count];
                        let (k, to_q) = (k.as_ptr(), q_grad.as_mut_ptr());
                        product(simd, shape, by_query(p_grad), k, Even(width), to_q, width, None);
                    }
                    let (to, old) = ((dq, head.row * queries), !whole || from > 0);
                    head.add(simd, to, tile, (q_grad, width), head.scale(), old);
                }
                // Another set may see the same keys.
                let [to_k, to_v] = [dk, dv].map(|to| (to, head.row * keys));
                head.add(simd, to_k, block, (k_grad, width), head.scale(), !whole);
                head.add(simd, to_v, block, (v_grad, width), 1.0, !whole);
            }
        }
    }
}

impl Head<'_> {
    /// Adds `scale` times rows of `width` values to the head's channels of some tokens of the rows from `first`
    /// on, which only the task of this head writes; without old values the sum is that alone.
    #[inline(always)]
    fn add<S: Simd>(
        &self,
        simd: S,
        (to, first): (Shared<MaybeUninit<f32>>, usize),
        tokens: Tokens,
        (from, width): (&[f32], usize),
        scale: f32,
        old: bool,
    ) {
        let (start, size) = self.channels;
        for (i, from) in from.chunks_exact(width).enumerate().take(tokens.len()) {
            let from = &from[..size];
            // SAFETY: this task alone writes these channels of this batch row.
            let to = unsafe { to.piece(first + tokens.at(i), start, size) };
            if old {
                // SAFETY: cleared at first, or written with the first block of keys.
                let to = unsafe { to.assume_init_mut() };
                Target::old(to).apply(simd, AddScaled(scale), None, [from], size);
            } else {
                Target::fresh(to).apply(simd, Scale(scale), Some(from), [], size);
            }
        }
    }
}

/// `x + scale * a`
#[derive(Clone, Copy)]
struct AddScaled(f32);

impl Lanes<1> for AddScaled {
    #[inline(always)]
    fn of<S: Simd>(self, simd: S, x: S::V, [a]: [S::V; 1]) -> S::V {
        simd.fma(a, simd.splat(self.0), x)
    }
}

/// Replaces scores by probabilities, and gradients of probabilities by gradients of scores:
/// `p = exp(score - lse)`, `p * (p_grad - delta)`.
#[inline(always)]
fn score_gradient<S: Simd>(
    simd: S,
    p: &mut [f32],
    p_grad: &mut [f32],
    lse: &[f32; TILE],
    delta: &[f32; TILE],
    tile_len: usize,
) {
    for at in (0..tile_len).step_by(2 * S::LANES) {
        let next = at + S::LANES;
        let lse = [simd.read(&lse[at..]), simd.read(&lse[next..])];
        let delta = [simd.read(&delta[at..]), simd.read(&delta[next..])];
        for (p, p_grad) in p.chunks_exact_mut(TILE).zip(p_grad.chunks_exact_mut(TILE)) {
            for (i, at) in [at, next].into_iter().enumerate() {
                let (p, p_grad) = (&mut p[at..], &mut p_grad[at..]);
                let prob = simd.exp_below_zero(simd.sub(simd.read(p), lse[i]));
                simd.write(p_grad, simd.mul(prob, simd.sub(simd.read(p_grad), delta[i])));
                simd.write(p, prob);
            }
        }
    }
}
