//! What this machine can do at most, for comparison with what an operator reaches (its roofline).

use std::time::Instant;

use rayon::prelude::*;

use crate::host::CHUNK;
use crate::simd::{self, Kernel, Simd};

/// Fused multiply-adds per chain and call.
const ROUNDS: usize = 20_000;

/// Chains that do not wait for each other: enough to hide the latency on all units, and as few as stay in
/// registers with the two operands that they share, of 32 registers and of 16.
const CHAINS: [usize; 2] = [20, 12];

/// Billions of floating-point operations a second of multiply-adds in registers, on all threads of the
/// pool: the fastest of some runs.
pub fn gigaflops() -> f64 {
    let threads = rayon::current_num_threads();
    let run = || {
        let flop: usize = (0..threads)
            .into_par_iter()
            .with_max_len(1)
            .map(|i| simd::run(Chains { start: i as f32 }))
            .sum();
        flop as f64
    };
    best(run) / 1e9
}

/// Billions of bytes a second, read and written, of copying far more than the caches hold, on all
/// threads of the pool: the fastest of some runs.
pub fn gigabytes() -> f64 {
    let from = vec![1.0f32; 64 << 20];
    let mut to = vec![0.0f32; from.len()];
    let mut run = || {
        let pieces = to.par_chunks_mut(CHUNK).zip(from.par_chunks(CHUNK));
        pieces.for_each(|(to, from)| to.copy_from_slice(from));
        (2 * size_of_val(&from[..])) as f64
    };
    run();
    best(run) / 1e9
}

/// Work a second of the fastest of the runs of about a second.
fn best(mut run: impl FnMut() -> f64) -> f64 {
    let (start, mut best) = (Instant::now(), 0.0f64);
    while start.elapsed().as_secs_f64() < 1.0 {
        let at = Instant::now();
        let work = run();
        best = best.max(work / at.elapsed().as_secs_f64());
    }
    best
}

struct Chains {
    start: f32,
}

impl Kernel for Chains {
    type Output = usize;

    /// Number of operations.
    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> usize {
        // Tiles of matrix products have so many rows where there are 32 registers.
        if S::TILE_ROWS >= 12 {
            self.rounds::<S, { CHAINS[0] }>(simd)
        } else {
            self.rounds::<S, { CHAINS[1] }>(simd)
        }
    }
}

impl Chains {
    /// Number of operations of `COUNT` chains.
    #[inline(always)]
    fn rounds<S: Simd, const COUNT: usize>(self, simd: S) -> usize {
        let mut chains = [simd.splat(self.start); COUNT];
        let (a, b) = (simd.splat(std::hint::black_box(0.999)), simd.splat(0.001));
        for _ in 0..ROUNDS {
            for chain in &mut chains {
                *chain = simd.fma(*chain, a, b);
            }
        }
        std::hint::black_box(chains.map(|chain| simd.sum(chain)));
        2 * S::LANES * COUNT * ROUNDS
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn peaks_are_those_of_a_computer() {
        // From a slow single core to a large machine, in wide bounds: the unit is right.
        assert!((0.1..1e6).contains(&super::gigaflops()));
        assert!((0.1..1e5).contains(&super::gigabytes()));
    }
}
