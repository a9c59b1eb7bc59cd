//! Attention of one head of one batch row, tile by tile.
//!
//! Probabilities are held transposed, `[keys, TILE]`: a vector then holds one key and many queries, so
//! that maxima and sums need no work across lanes, and all five products of forward and backward find
//! their operands in a layout that streams.

use super::plan::{Plan, Tokens};
use crate::host::{Rows, Scratch, Shared};
use crate::simd::{Kernel, Simd};
use crate::tile::{Left, product};

/// Queries that are treated together.
const TILE: usize = 64;

/// One head of one batch row.
#[derive(Clone, Copy)]
pub(super) struct Head<'a> {
    pub plan: &'a Plan,
    pub row: usize,
    pub q: Rows<'a>,
    pub k: Rows<'a>,
    pub v: Rows<'a>,
    /// First channel of the head, and number of channels.
    pub channels: (usize, usize),
    /// Tokens in a batch row: queries and keys.
    pub tokens: [usize; 2],
}

/// The forward pass of one head. Writes only the head's channels of the queries of its batch row.
pub(super) struct Forward<'a> {
    pub head: Head<'a>,
    pub out: Shared<'a>,
    /// Log of the sum of exponentials of each query.
    pub lse: &'a mut [f32],
}

/// The backward pass of one head. Writes only the head's channels of its batch row.
pub(super) struct Backward<'a> {
    pub head: Head<'a>,
    pub grad: Rows<'a>,
    pub out: Rows<'a>,
    pub lse: &'a [f32],
    pub dq: Shared<'a>,
    pub dk: Shared<'a>,
    pub dv: Shared<'a>,
}

impl Head<'_> {
    fn scale(&self) -> f32 {
        1.0 / (self.channels.1 as f32).sqrt()
    }

    /// Copies the head's channels of some keys or queries into rows of `width` values.
    #[inline(always)]
    fn gather(&self, from: Rows, first: usize, tokens: Tokens, width: usize, to: &mut [f32]) {
        let (start, size) = self.channels;
        for (i, to) in to.chunks_exact_mut(width).enumerate().take(tokens.len()) {
            to[..size].copy_from_slice(&from.row(first + tokens.at(i))[start..start + size]);
            to[size..].fill(0.0);
        }
    }
}

/// `[n, TILE]` from rows: `to[j, i] = scale * from[i, j]`, zero from row `count` on.
#[inline(always)]
fn transpose(from: &[f32], width: usize, count: usize, scale: f32, to: &mut [f32]) {
    for (j, to) in to.chunks_exact_mut(TILE).enumerate() {
        for (to, from) in to.iter_mut().zip(from.chunks_exact(width)).take(count) {
            *to = scale * from[j];
        }
        to[count..].fill(0.0);
    }
}

impl<'a> Tokens<'a> {
    /// The `TILE` tokens from `start` on, or as many as there are.
    #[inline(always)]
    fn tile(&self, start: usize) -> ([u32; TILE], usize) {
        let count = (self.len() - start).min(TILE);
        let mut tile = [0; TILE];
        for (i, token) in tile.iter_mut().enumerate().take(count) {
            *token = self.at(start + i) as u32;
        }
        (tile, count)
    }
}

/// Cuts `len` values off the front of `rest`.
fn cut<'a>(rest: &mut &'a mut [f32], len: usize) -> &'a mut [f32] {
    let (front, back) = std::mem::take(rest).split_at_mut(len);
    *rest = back;
    front
}

impl Kernel for Forward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { head, out, lse } = self;
        let (start, size) = head.channels;
        let width = size.next_multiple_of(S::LANES);
        let [queries, keys] = head.tokens;
        let scratch = width * (2 * keys + 3 * TILE) + keys * TILE;
        let mut memory = Scratch::take(scratch);
        let mut rest = memory.values();
        let k = cut(&mut rest, keys * width);
        let v = cut(&mut rest, keys * width);
        let q = cut(&mut rest, TILE * width);
        let q_turned = cut(&mut rest, width * TILE);
        let o = cut(&mut rest, TILE * width);
        let p = cut(&mut rest, keys * TILE);
        for (set, seen) in head.plan.sets(head.row, head.tokens) {
            let count = seen.len();
            head.gather(head.k, head.row * keys, seen, width, k);
            head.gather(head.v, head.row * keys, seen, width, v);
            for first in (0..set.len()).step_by(TILE) {
                let (tile, tile_len) = set.tile(first);
                let tile = Tokens::List(&tile[..tile_len]);
                head.gather(head.q, head.row * queries, tile, width, q);
                transpose(q, width, tile_len, head.scale(), &mut q_turned[..size * TILE]);
                scores(simd, [count, size], k, width, q_turned, tile_len, p);
                let (max, sum) = soften(simd, &mut p[..count * TILE], tile_len);
                let left = Left { start: p.as_ptr(), row: 1, inner: TILE };
                let shape = [tile_len, width / S::LANES, count];
                // SAFETY: `p` holds `count` rows of TILE queries, `v` `count` rows and `o` TILE rows
                // of `width` values, all in separate scratch.
                unsafe {
                    product(simd, shape, left, v.as_ptr(), width, o.as_mut_ptr(), width, false)
                };
                for i in 0..tile_len {
                    let token = tile.at(i);
                    lse[token] = max[i] + sum[i].ln();
                    let norm = 1.0 / sum[i];
                    // SAFETY: this task alone writes these channels of this batch row.
                    let out = unsafe { out.piece(head.row * queries + token, start, size) };
                    for (out, &o) in out.iter_mut().zip(&o[i * width..]) {
                        *out = o * norm;
                    }
                }
            }
        }
    }
}

/// Scores of a tile, `p[key, query] = sum_j k[key, j] q[j, query]`.
#[inline(always)]
fn scores<S: Simd>(
    simd: S,
    [count, size]: [usize; 2],
    k: &[f32],
    width: usize,
    turned: &[f32],
    tile_len: usize,
    p: &mut [f32],
) {
    let vectors = 2 * tile_len.div_ceil(2 * S::LANES);
    assert!(k.len() >= count * width && turned.len() >= size * TILE && p.len() >= count * TILE);
    let left = Left { start: k.as_ptr(), row: width, inner: 1 };
    let shape = [count, vectors, size];
    // SAFETY: sizes as just checked, with `size <= width` and `vectors * LANES <= TILE`.
    unsafe { product(simd, shape, left, turned.as_ptr(), TILE, p.as_mut_ptr(), TILE, false) };
}

/// Replaces scores by `exp(score - max)`; gives the maximum and the sum of each query.
#[inline(always)]
fn soften<S: Simd>(simd: S, p: &mut [f32], tile_len: usize) -> ([f32; TILE], [f32; TILE]) {
    let (mut maxima, mut sums) = ([0.0; TILE], [0.0; TILE]);
    let pair = 2 * S::LANES;
    for at in (0..tile_len).step_by(pair) {
        let mut max = [simd.splat(f32::NEG_INFINITY); 2];
        for row in p.chunks_exact(TILE) {
            max[0] = simd.max(max[0], simd.read(&row[at..]));
            max[1] = simd.max(max[1], simd.read(&row[at + S::LANES..]));
        }
        let mut sum = [simd.splat(0.0); 2];
        for row in p.chunks_exact_mut(TILE) {
            let row = &mut row[at..at + pair];
            let first = simd.exp(simd.sub(simd.read(row), max[0]));
            let second = simd.exp(simd.sub(simd.read(&row[S::LANES..]), max[1]));
            simd.write(row, first);
            simd.write(&mut row[S::LANES..], second);
            sum = [simd.add(sum[0], first), simd.add(sum[1], second)];
        }
        for (i, (max, sum)) in max.into_iter().zip(sum).enumerate() {
            simd.write(&mut maxima[at + i * S::LANES..], max);
            simd.write(&mut sums[at + i * S::LANES..], sum);
        }
    }
    (maxima, sums)
}

impl Kernel for Backward<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { head, grad, out, lse, dq, dk, dv } = self;
        let (start, size) = head.channels;
        let width = size.next_multiple_of(S::LANES);
        let vectors = width / S::LANES;
        let [queries, keys] = head.tokens;
        let scratch = width * (4 * keys + 6 * TILE) + 2 * keys * TILE;
        let mut memory = Scratch::take(scratch);
        let mut rest = memory.values();
        let k = cut(&mut rest, keys * width);
        let v = cut(&mut rest, keys * width);
        let k_grad = cut(&mut rest, keys * width);
        let v_grad = cut(&mut rest, keys * width);
        let q = cut(&mut rest, TILE * width);
        let q_turned = cut(&mut rest, width * TILE);
        let o_grad = cut(&mut rest, TILE * width);
        let o_grad_turned = cut(&mut rest, width * TILE);
        let o = cut(&mut rest, TILE * width);
        let q_grad = cut(&mut rest, TILE * width);
        let p = cut(&mut rest, keys * TILE);
        let p_grad = cut(&mut rest, keys * TILE);
        for (set, seen) in head.plan.sets(head.row, head.tokens) {
            let count = seen.len();
            head.gather(head.k, head.row * keys, seen, width, k);
            head.gather(head.v, head.row * keys, seen, width, v);
            k_grad[..count * width].fill(0.0);
            v_grad[..count * width].fill(0.0);
            for first in (0..set.len()).step_by(TILE) {
                let (tile, tile_len) = set.tile(first);
                let tile = Tokens::List(&tile[..tile_len]);
                let (mut tile_lse, mut delta) = ([0.0; TILE], [0.0; TILE]);
                head.gather(head.q, head.row * queries, tile, width, q);
                head.gather(grad, head.row * queries, tile, width, o_grad);
                head.gather(out, head.row * queries, tile, width, o);
                transpose(q, width, tile_len, head.scale(), &mut q_turned[..size * TILE]);
                transpose(o_grad, width, tile_len, 1.0, &mut o_grad_turned[..size * TILE]);
                for i in 0..tile_len {
                    tile_lse[i] = lse[tile.at(i)];
                    let mut sum = simd.splat(0.0);
                    for j in (i * width..(i + 1) * width).step_by(S::LANES) {
                        sum = simd.fma(simd.read(&o[j..]), simd.read(&o_grad[j..]), sum);
                    }
                    delta[i] = simd.sum(sum);
                }
                scores(simd, [count, size], k, width, q_turned, tile_len, p);
                scores(simd, [count, size], v, width, o_grad_turned, tile_len, p_grad);
                let (p, p_grad) = (&mut p[..count * TILE], &mut p_grad[..count * TILE]);
                score_gradient(simd, p, p_grad, &tile_lse, &delta, tile_len);
                let by_key = |x: &[f32]| Left { start: x.as_ptr(), row: TILE, inner: 1 };
                let by_query = |x: &[f32]| Left { start: x.as_ptr(), row: 1, inner: TILE };
                // SAFETY: `p` and `p_grad` hold `count` rows of TILE values; `k`, `v` and their
                // gradients `count` rows, the others TILE rows of `width` values; all are
                // separate scratch.
                unsafe {
                    let shape = [count, vectors, tile_len];
                    let (q, o_grad) = (q.as_ptr(), o_grad.as_ptr());
                    let (to_v, to_k) = (v_grad.as_mut_ptr(), k_grad.as_mut_ptr());
                    product(simd, shape, by_key(p), o_grad, width, to_v, width, true);
                    product(simd, shape, by_key(p_grad), q, width, to_k, width, true);
                    let shape = [tile_len, vectors, count];
                    let (k, to_q) = (k.as_ptr(), q_grad.as_mut_ptr());
                    product(simd, shape, by_query(p_grad), k, width, to_q, width, false);
                }
                for i in 0..tile_len {
                    // SAFETY: this task alone writes these channels of this batch row.
                    let to = unsafe { dq.piece(head.row * queries + tile.at(i), start, size) };
                    for (to, &from) in to.iter_mut().zip(&q_grad[i * width..]) {
                        *to = from * head.scale();
                    }
                }
            }
            for i in 0..count {
                let row = head.row * keys + seen.at(i);
                // SAFETY: this task alone writes these channels of this batch row.
                let (dk, dv) = unsafe { (dk.piece(row, start, size), dv.piece(row, start, size)) };
                for (to, &from) in dk.iter_mut().zip(&k_grad[i * width..]) {
                    *to += from * head.scale();
                }
                for (to, &from) in dv.iter_mut().zip(&v_grad[i * width..]) {
                    *to += from;
                }
            }
        }
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
                let prob = simd.exp(simd.sub(simd.read(p), lse[i]));
                simd.write(p_grad, simd.mul(prob, simd.sub(simd.read(p_grad), delta[i])));
                simd.write(p, prob);
            }
        }
    }
}
