//! Attention of one head of one batch row, by tiles of queries and blocks of keys whose operands stay in
//! the second-level cache; maxima and sums of the softmax are carried from block to block (Dao et al.,
//! *FlashAttention*, 2022). Scratch memory does not depend on the number of tokens, but for a value a
//! query in the backward pass.
//!
//! Probabilities are held transposed, `[keys, TILE]`: a vector then holds one key and many queries, so
//! that maxima and sums need no work across lanes, and all five products of forward and backward find
//! their operands in a layout that streams.

use std::mem::MaybeUninit;

mod backward;
mod forward;

pub(super) use backward::Backward;
pub(super) use forward::Forward;

use super::plan::{Plan, Tokens};
use crate::host::{Rows, Shared};
use crate::simd::Simd;
use crate::tile::{Even, Left, product};

/// Queries that are treated together.
const TILE: usize = 64;

/// Keys of a block, at most.
const KEYS: usize = 512;

/// Tokens of a batch row that is short.
const SHORT: usize = 32;

/// Keys of each block of `count` keys: blocks of about one size.
fn block_len(count: usize) -> usize {
    count.div_ceil(count.div_ceil(KEYS).max(1)).max(1)
}

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

impl Head<'_> {
    fn scale(&self) -> f32 {
        1.0 / (self.channels.1 as f32).sqrt()
    }

    /// Zeros in the head's channels of the first `count` queries or keys.
    #[inline(always)]
    fn clear(&self, to: Shared<MaybeUninit<f32>>, count: usize) {
        for i in self.row * count..(self.row + 1) * count {
            // SAFETY: the task of this head alone writes these channels of this batch row.
            let to = unsafe { to.piece(i, self.channels.0, self.channels.1) };
            to.fill(MaybeUninit::new(0.0));
        }
    }

    /// Asks for the next batch row while the first head of this one is worked on: where rows are short, a
    /// head's channels of them lie too far apart for the processor to guess where to read on.
    #[inline(always)]
    fn fetch_next<S: Simd>(&self, simd: S) {
        if self.channels.0 > 0 || self.tokens[0].max(self.tokens[1]) > SHORT {
            return;
        }
        for (rows, count) in
            [(self.q, self.tokens[0]), (self.k, self.tokens[1]), (self.v, self.tokens[1])]
        {
            let first = (self.row + 1) * count * rows.stride;
            for at in (first..first + count * rows.stride).step_by(16) {
                simd.fetch(rows.data.as_ptr().wrapping_add(at));
            }
        }
    }

    /// Copies the head's channels of some keys or queries into rows of `width` values.
    #[inline(always)]
    fn gather<S: Simd>(
        &self,
        simd: S,
        from: Rows,
        first: usize,
        tokens: Tokens,
        width: usize,
        to: &mut [f32],
    ) {
        let (start, size) = self.channels;
        for (i, to) in to.chunks_exact_mut(width).enumerate().take(tokens.len()) {
            let from = &from.row(first + tokens.at(i))[start..start + size];
            let (whole, rest) = from.split_at(size / S::LANES * S::LANES);
            let mut at = 0;
            for from in whole.chunks_exact(S::LANES) {
                simd.write(&mut to[at..at + S::LANES], simd.read(from));
                at += S::LANES;
            }
            if !rest.is_empty() {
                simd.write(&mut to[at..], simd.read_part(rest));
            }
        }
    }
}

/// `[width, TILE]` from rows of whole vectors: `to[j, i] = scale * from[i, j]`, zero from row `count` on to
/// the end of the pairs of vectors that [`scores`] reads.
#[inline(always)]
fn transpose<S: Simd>(
    simd: S,
    from: &[f32],
    width: usize,
    count: usize,
    scale: f32,
    to: &mut [f32],
) {
    assert!(TILE.is_multiple_of(2 * S::LANES) && width.is_multiple_of(S::LANES));
    let scale = simd.splat(scale);
    for first in (0..count.next_multiple_of(2 * S::LANES)).step_by(S::LANES) {
        for column in (0..width).step_by(S::LANES) {
            let mut square = [simd.splat(0.0); 16];
            let height = count.saturating_sub(first).min(S::LANES);
            for (i, row) in square.iter_mut().enumerate().take(height) {
                *row = simd.mul(scale, simd.read(&from[(first + i) * width + column..]));
            }
            simd.turn(&mut square);
            for (j, row) in square.into_iter().enumerate().take(S::LANES) {
                simd.write(&mut to[(column + j) * TILE + first..], row);
            }
        }
    }
}

/// Cuts `len` values off the front of `rest`.
fn cut<'a>(rest: &mut &'a mut [f32], len: usize) -> &'a mut [f32] {
    let (front, back) = std::mem::take(rest).split_at_mut(len);
    *rest = back;
    front
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
    let left = Left::strided::<S>(k.as_ptr(), width, 1);
    let shape = [count, vectors, size];
    // SAFETY: sizes as just checked, with `size <= width` and `vectors * LANES <= TILE`.
    unsafe { product(simd, shape, left, turned.as_ptr(), Even(TILE), p.as_mut_ptr(), TILE, None) };
}
