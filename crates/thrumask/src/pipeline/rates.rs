//! How fast this machine is, now: what the time of an estimate is made of.

use std::time::Instant;

use burn::tensor::{Device, Tensor};
use thrumask_kernels::{conv2d_same, linear};
use thrumask_nn::{
    Cost,
    backbone::{
        BackboneConfig, Denoiser, DenoiserInput, FirstFrame, ObjectLayers,
        dit::{Dit, DitConfig},
    },
    layers::{Context, Init, KeyMask, Rotary},
};

use crate::Result;

/// Operations from which on a network counts as wide: ours take less for a whole video, Stable Diffusion's
/// autoencoder more for a frame.
const WIDE: f64 = 50e9;

/// Rows, inputs and outputs of a product as in a full-size step of the U-Net; images, channels and sides of a 3×3
/// convolution as in it and in its autoencoder.
const WIDE_PRODUCT: [usize; 3] = [1024, 1280, 1280];
const CONVOLUTION: [usize; 3] = [4, 320, 32];

/// Widths, and tokens along frames, rows and columns, of two transformers: one like ours, and one so small that its
/// products take no time.
const NARROW: (usize, [usize; 3]) = (128, [4, 10, 10]);
const TINY: (usize, [usize; 3]) = (32, [1, 2, 4]);

/// What an operator of a small network takes beside its products, in operators on next to nothing: passes of four
/// networks, transformers and U-Nets, of 5 to 42 ms on two threads of an EPYC (Zen 4).
const BESIDE: f64 = 19.0;

/// Measurements of one kind, at least; as many as fit into [`SECONDS`].
const RUNS: usize = 3;
const SECONDS: f64 = 0.06;

/// How fast whole networks are on the threads of the pool.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rates {
    /// Floating-point operations a second of networks of our widths.
    pub narrow: f64,
    /// The same of products in networks of Stable Diffusion's widths.
    pub wide: f64,
    /// The same of 3×3 convolutions there, counted as if all were done.
    pub convolutions: f64,
    /// Seconds that an operator takes on next to nothing.
    pub operator: f64,
}

impl Rates {
    /// Those of this machine as busy as it is, on the threads of the pool; takes about a quarter of a second.
    ///
    /// # Errors
    /// Those of making the networks, of which there is none with these sizes.
    pub fn measured() -> Result<Self> {
        let (tiny, narrow) = (Probe::new(TINY)?, Probe::new(NARROW)?);
        Ok(Self {
            narrow: narrow.config.cost(None).operations / narrow.seconds()?,
            wide: product(WIDE_PRODUCT)?,
            convolutions: convolution(CONVOLUTION)?,
            operator: tiny.seconds()? / tiny.config.operators(),
        })
    }

    /// How many seconds a network takes.
    pub fn seconds(&self, Cost { operations, convolved, .. }: Cost) -> f64 {
        match operations > WIDE {
            true => (operations - convolved) / self.wide + convolved / self.convolutions,
            false => operations / self.narrow,
        }
    }

    /// How many seconds a forward pass of so many operators takes.
    pub fn pass(&self, cost: Cost, operators: f64) -> f64 {
        let around = if cost.operations > WIDE { 0.0 } else { operators * BESIDE };
        self.seconds(cost) + self.operators(around)
    }

    /// How many seconds something takes that takes as long as so many operators on next to nothing.
    pub fn operators(&self, count: f64) -> f64 {
        count * self.operator
    }
}

/// A transformer with what it sees.
struct Probe {
    config: BackboneConfig,
    network: Dit,
    input: DenoiserInput,
}

impl Probe {
    fn new((width, latent_size): (usize, [usize; 3])) -> Result<Self> {
        let device = Device::flex();
        let (channels, heads, [t, h, w]) = (8, width / 32, latent_size);
        let config = DitConfig {
            latent_channels: channels,
            condition_channels: channels,
            latent_size,
            patch: [1; 3],
            width,
            depth: 2,
            heads,
            mlp_ratio: 3,
            text_width: width,
            object_layers: ObjectLayers::NONE,
            first_frame: FirstFrame::None,
            first_frame_channel: 0,
            rotary: Some(Rotary::even(width / heads)),
        };
        let network = Dit::new(&mut Init::new(0, &device), &config)?;
        let latents = Tensor::<5>::full([1, channels, t, h, w], 0.5, &device);
        let words = 8;
        let text = Context::new(
            Tensor::<3>::full([1, words, width], 0.5, &device),
            KeyMask::Lengths(vec![words]),
        );
        let conditions = latents.clone().into();
        let input =
            DenoiserInput { latents, time: vec![0.5], conditions, text, objects: Vec::new() };
        Ok(Self { config: BackboneConfig::Dit(config), network, input })
    }

    /// How many seconds a forward pass takes.
    fn seconds(&self) -> Result<f64> {
        fastest(|| Ok(self.network.predict(&self.input)?))
    }
}

/// Operations a second of a product of so many rows, inputs and outputs.
fn product([rows, inputs, outputs]: [usize; 3]) -> Result<f64> {
    let device = Device::flex();
    let x = Tensor::<2>::full([rows, inputs], 0.5, &device);
    let w = Tensor::<2>::full([inputs, outputs], 0.5, &device);
    let seconds = fastest(|| Ok(linear(x.clone(), w.clone(), None)))?;
    Ok(2.0 * [rows, inputs, outputs].map(|n| n as f64).iter().product::<f64>() / seconds)
}

/// Operations a second of a 3×3 convolution of so many square images, channels and pixels along a side.
fn convolution([images, channels, side]: [usize; 3]) -> Result<f64> {
    let device = Device::flex();
    let x = Tensor::<4>::full([images, channels, side, side], 0.5, &device);
    let w = Tensor::<4>::full([channels, channels, 3, 3], 0.5, &device);
    let b = Tensor::<1>::zeros([channels], &device);
    let seconds = fastest(|| Ok(conv2d_same(x.clone(), w.clone(), b.clone())))?;
    let operations = 2.0
        * 9.0
        * [images, channels, channels, side, side].map(|n| n as f64).iter().product::<f64>();
    Ok(operations / seconds)
}

/// Seconds of the fastest of some runs.
fn fastest<T>(mut run: impl FnMut() -> Result<T>) -> Result<f64> {
    let (began, mut fastest, mut count) = (Instant::now(), f64::INFINITY, 0);
    while count < RUNS || began.elapsed().as_secs_f64() < SECONDS {
        let at = Instant::now();
        let made = run()?;
        fastest = fastest.min(at.elapsed().as_secs_f64().max(1e-9));
        drop(made);
        count += 1;
    }
    Ok(fastest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paces_are_those_of_a_computer() {
        let Rates { narrow, wide, convolutions, operator } = Rates::measured().unwrap();
        for pace in [narrow, wide, convolutions] {
            assert!((1e8..1e14).contains(&pace), "{pace}");
        }
        assert!((1e-8..1e-2).contains(&operator), "{operator}");
    }

    #[test]
    fn wide_networks_go_at_their_own_pace() {
        let rates = Rates { narrow: 10e9, wide: 100e9, convolutions: 200e9, operator: 1e-5 };
        let cost = |operations, convolved| Cost { operations, convolved, floats: 0.0 };
        let of = |operations, convolved| rates.seconds(cost(operations, convolved));
        assert_eq!((of(20e9, 10e9), of(200e9, 0.0), of(200e9, 100e9)), (2.0, 2.0, 1.5));
        let pass = |operations| rates.pass(cost(operations, 0.0), 100.0);
        assert!(pass(20e9) > 2.0 && pass(200e9) == 2.0);
    }
}
