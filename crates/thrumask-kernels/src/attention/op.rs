use std::mem::MaybeUninit;
use std::sync::Arc;

use super::kernel::{Backward, Forward, Head};
use super::plan::Plan;
use crate::bridge::FusedOp;
use crate::host::{Host, Rows, Shared, filled_together};
use crate::simd;
use crate::team;

/// About a tenth of a millisecond's work.
const TASK: usize = 4 << 20;

/// Tasks of a forward pass that are enough for many threads.
const TASKS: usize = 64;

/// Queries of a part of a head, at least: each part gathers all keys, which is little beside their products
/// with so many queries.
const LEAST: usize = 256;

/// Attention of `q [B, Nq, C]` over `k` and `v` `[B, Nk, C]`.
#[derive(Clone, Debug)]
pub(super) struct Attention {
    pub heads: usize,
    pub plan: Plan,
}

impl FusedOp<3> for Attention {
    type Saved = Arc<[f32]>;
    const KEEPS_INPUT: [bool; 3] = [true; 3];
    const KEEPS_OUTPUT: bool = true;

    fn forward(&self, [q, k, v]: [Host; 3]) -> (Host, Arc<[f32]>) {
        let dims = q.dims();
        let (queries, channels) = (dims[1], dims[2]);
        let (rows, tokens) = ([&q, &k, &v].map(Host::rows), [queries, k.dims()[1]]);
        // Small pairs of batch row and head are several to a task, large ones have several tasks.
        let (all, several) = (dims[0] * self.heads, self.in_a_task(&q, &k));
        let len = self.queries_in_a_task(&q, &k);
        let parts = queries.div_ceil(len);
        let fill = |[out, lse]: [&mut [MaybeUninit<f32>]; 2]| {
            let (out, lse) = (Shared::new(out, channels), Shared::new(lse, queries));
            let task = |i: usize| {
                let (pair, first) = (i / parts, i % parts * len);
                let head = self.head(pair, rows, tokens);
                let share = first..queries.min(first + len);
                simd::run(Forward { head, share, out, lse: (lse, pair) });
            };
            team::each((all * parts).div_ceil(several), |first| {
                (first * several..(all * parts).min((first + 1) * several)).for_each(task);
            });
        };
        // SAFETY: the parts of each head write its channels and sums of all queries of its batch row.
        let [out, lse] = unsafe { filled_together([q.len(), all * queries], fill) };
        (Host::from_vec(out, &dims), lse.into())
    }

    fn backward(
        &self,
        grad: Host,
        kept: [Option<Host>; 3],
        output: Option<Host>,
        lse: Arc<[f32]>,
        _wanted: [bool; 3],
    ) -> [Option<Host>; 3] {
        let ([Some(q), Some(k), Some(v)], Some(output)) = (kept, output) else {
            unreachable!("attention keeps its inputs and output")
        };
        let (q_dims, k_dims) = (q.dims(), k.dims());
        let (queries, channels) = (q_dims[1], q_dims[2]);
        let (rows, tokens) = ([&q, &k, &v].map(Host::rows), [queries, k_dims[1]]);
        let (grad, out) = (grad.rows(), output.rows());
        let (all, several) = (q_dims[0] * self.heads, self.in_a_task(&q, &k));
        let fill = |grads: [&mut [MaybeUninit<f32>]; 3]| {
            let [dq, dk, dv] = grads.map(|grad| Shared::new(grad, channels));
            let task = |i: usize| {
                let head = self.head(i, rows, tokens);
                let lse = &lse[i * queries..(i + 1) * queries];
                simd::run(Backward { head, grad, out, lse, dq, dk, dv });
            };
            team::each(all.div_ceil(several), |first| {
                (first * several..all.min((first + 1) * several)).for_each(task);
            });
        };
        // SAFETY: each head writes its channels of all queries and keys of its batch row.
        let [dq, dk, dv] = unsafe { filled_together([&q, &k, &v].map(|x| x.len()), fill) };
        [(dq, &q_dims), (dk, &k_dims), (dv, &k_dims)]
            .map(|(values, dims)| Some(Host::from_vec(values, dims)))
    }
}

impl Attention {
    /// How many pairs of batch row and head make a task: about a tenth of a millisecond's work.
    fn in_a_task(&self, q: &Host, k: &Host) -> usize {
        (TASK / self.work(q, k).max(1)).max(1)
    }

    /// How many queries of a pair of batch row and head the forward pass treats in one task, one at least.
    /// Of few pairs each makes several tasks, so that many threads have work; it depends on sizes alone.
    fn queries_in_a_task(&self, q: &Host, k: &Host) -> usize {
        let (queries, pairs) = (q.dims()[1], q.dims()[0] * self.heads);
        let enough = (TASKS / pairs.max(1)).min(queries / LEAST).min(self.work(q, k) / TASK);
        queries.div_ceil(enough.max(1)).max(1)
    }

    /// The work of a pair of batch row and head, in products and sums.
    fn work(&self, q: &Host, k: &Host) -> usize {
        let (q, k) = (q.dims(), k.dims());
        q[1] * k[1] * q[2] / self.heads + 16 * (q[1] + k[1]) * q[2] / self.heads
    }

    /// The `i`-th pair of batch row and head.
    fn head<'a>(&'a self, i: usize, [q, k, v]: [Rows<'a>; 3], tokens: [usize; 2]) -> Head<'a> {
        let (row, head, size) = (i / self.heads, i % self.heads, q.width / self.heads);
        Head { plan: &self.plan, row, q, k, v, channels: (head * size, size), tokens }
    }
}
