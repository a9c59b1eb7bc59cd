//! Random choices about single samples.

use thrumask_nn::diffusion::noise::Noise;

/// Random numbers that depend on the sample alone.
pub struct Draw {
    noise: Noise,
    next: u64,
}

impl Draw {
    /// The numbers of sample `index` from the stream of a name.
    pub fn new(seed: u64, stream: &str, index: u64) -> Self {
        // No sample needs as many as 2^14 numbers.
        Self { noise: Noise::new(seed, stream), next: index << 14 }
    }

    /// A number in [0, 1).
    pub fn uniform(&mut self) -> f32 {
        self.next += 1;
        self.noise.uniform(self.next - 1)
    }

    /// True in so many of all cases, 0 to 1.
    pub fn chance(&mut self, share: f32) -> bool {
        self.uniform() < share
    }

    /// A whole number below `n`; 0 when `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        ((self.uniform() * n as f32) as usize).min(n.saturating_sub(1))
    }

    /// One of some things, of which there is at least one.
    pub fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    /// A number from `low` up to `high`.
    pub fn range(&mut self, low: f32, high: f32) -> f32 {
        low + (high - low) * self.uniform()
    }
}
