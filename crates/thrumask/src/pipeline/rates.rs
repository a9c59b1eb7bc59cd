//! How fast this machine is, now: what the time of an estimate is made of.

use std::time::Instant;

use burn::tensor::{Device, Tensor};
use thrumask_kernels::linear;
use thrumask_nn::Cost;

/// Operations from which on a network counts as wide: ours take less for a whole video, Stable Diffusion's
/// autoencoder more for a frame.
const WIDE: f64 = 50e9;

/// Rows, inputs and outputs of the product that stands for our networks, and how much of its pace a whole
/// network keeps: norms, softmax and short products share its time. Measured, as what follows, with the
/// embedded models on two quiet threads with AVX-512.
const NARROW_PRODUCT: [usize; 3] = [576, 128, 384];
const NARROW_SHARE: f64 = 0.49;

/// The same for networks of Stable Diffusion's width: a full-size step of the U-Net.
const WIDE_PRODUCT: [usize; 3] = [1024, 1280, 1280];
const WIDE_SHARE: f64 = 1.0;

/// What an operator of a small network takes beside its products, in operations of one thread that fit into
/// that time (25 µs).
const OPERATOR: f64 = 2.1e6;

/// Products in a measurement of one kind, at least; as many as fit into [`SECONDS`].
const PRODUCTS: usize = 3;
const SECONDS: f64 = 0.06;

/// Floating-point operations that whole networks do in a second on the threads of the pool.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Networks of our widths.
    pub narrow: f64,
    /// The same on one thread.
    pub single: f64,
    /// Networks of Stable Diffusion's widths.
    pub wide: f64,
}

impl Rates {
    /// Those of this machine as busy as it is, on the threads of the pool; takes about a seventh of a second.
    pub fn measured() -> Self {
        let narrow = pace(NARROW_PRODUCT) * NARROW_SHARE;
        let single = narrow / rayon::current_num_threads() as f64;
        Self { narrow, single, wide: pace(WIDE_PRODUCT) * WIDE_SHARE }
    }

    /// How many seconds a network takes.
    pub fn seconds(&self, Cost { operations, .. }: Cost) -> f64 {
        operations / if operations > WIDE { self.wide } else { self.narrow }
    }

    /// How many seconds a forward pass of so many operators takes.
    pub fn pass(&self, cost: Cost, operators: f64) -> f64 {
        let around = if cost.operations > WIDE { 0.0 } else { self.small(operators * OPERATOR) };
        self.seconds(cost) + around
    }

    /// How many seconds something takes that one thread does, in which so many of its operations fit.
    pub fn small(&self, operations: f64) -> f64 {
        operations / self.single
    }
}

/// Operations a second of a product of so many rows, inputs and outputs: the fastest of some.
fn pace([rows, inputs, outputs]: [usize; 3]) -> f64 {
    let device = Device::flex();
    let x = Tensor::<2>::full([rows, inputs], 0.5, &device);
    let w = Tensor::<2>::full([inputs, outputs], 0.5, &device);
    let operations = (2 * rows * inputs * outputs) as f64;
    let (began, mut fastest, mut count) = (Instant::now(), 0.0f64, 0);
    while count < PRODUCTS || began.elapsed().as_secs_f64() < SECONDS {
        let at = Instant::now();
        let made = linear(x.clone(), w.clone(), None);
        let seconds = at.elapsed().as_secs_f64().max(1e-9);
        drop(made);
        fastest = fastest.max(operations / seconds);
        count += 1;
    }
    fastest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paces_are_those_of_a_computer() {
        let Rates { narrow, wide, .. } = Rates::measured();
        assert!((1e8..1e14).contains(&narrow), "{narrow}");
        assert!((1e8..1e14).contains(&wide), "{wide}");
    }

    #[test]
    fn wide_networks_go_at_their_own_pace() {
        let rates = Rates { narrow: 10e9, single: 5e9, wide: 100e9 };
        let of = |operations| rates.seconds(Cost { operations, floats: 0.0 });
        assert_eq!((of(20e9), of(200e9)), (2.0, 2.0));
        let pass = |operations| rates.pass(Cost { operations, floats: 0.0 }, 100.0);
        assert!(pass(20e9) > 2.0 && pass(200e9) == 2.0);
    }
}
