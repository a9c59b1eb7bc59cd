use std::mem::MaybeUninit;
use std::sync::Arc;

use super::kernel::{Backward, Forward, Head};
use super::plan::Plan;
use crate::bridge::FusedOp;
use crate::host::{Host, Rows, Shared, build, filled, filled_together};
use crate::simd;
use crate::team;

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
        let mut lse = Vec::new();
        // Batch rows and heads in the order of the values they save, small ones several to a task.
        let several = self.in_a_task(&q, &k);
        let (rows, tokens) = ([&q, &k, &v].map(Host::rows), [queries, k.dims()[1]]);
        let fill = |out: &mut [MaybeUninit<f32>]| {
            let shared = Shared::new(out, channels);
            lse = build(dims[0] * self.heads * queries, several * queries, |at, lse| {
                for (i, lse) in lse.zeros().chunks_exact_mut(queries).enumerate() {
                    let head = self.head(at / queries + i, rows, tokens);
                    simd::run(Forward { head, out: shared, lse });
                }
            });
        };
        // SAFETY: each head writes its channels of all queries of its batch row.
        let out = unsafe { filled(q.len(), fill) };
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
        let (q, k) = (q.dims(), k.dims());
        let work = q[1] * k[1] * q[2] / self.heads + 16 * (q[1] + k[1]) * q[2] / self.heads;
        ((4 << 20) / work.max(1)).max(1)
    }

    /// The `i`-th pair of batch row and head.
    fn head<'a>(&'a self, i: usize, [q, k, v]: [Rows<'a>; 3], tokens: [usize; 2]) -> Head<'a> {
        let (row, head, size) = (i / self.heads, i % self.heads, q.width / self.heads);
        Head { plan: &self.plan, row, q, k, v, channels: (head * size, size), tokens }
    }
}
