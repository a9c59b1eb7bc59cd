//! The explicit, named, counter-based random generator on the CPU.
//!
//! Philox-4×32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011): the value
//! at position `i` of a stream is a pure function of (seed, stream name, i), so results depend on
//! neither thread count nor batch size.

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;

const MULTIPLIERS: [u32; 2] = [0xD251_1F53, 0xCD9E_8D57];
const WEYL: [u32; 2] = [0x9E37_79B9, 0xBB67_AE85];

/// Blocks that one thread makes at a time: about twenty microseconds.
const BLOCKS: usize = 128;

/// One block of Philox-4×32 with ten rounds.
pub fn philox4x32(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..10 {
        let p0 = u64::from(MULTIPLIERS[0]) * u64::from(counter[0]);
        let p1 = u64::from(MULTIPLIERS[1]) * u64::from(counter[2]);
        counter = [
            (p1 >> 32) as u32 ^ counter[1] ^ key[0],
            p1 as u32,
            (p0 >> 32) as u32 ^ counter[3] ^ key[1],
            p0 as u32,
        ];
        key = [key[0].wrapping_add(WEYL[0]), key[1].wrapping_add(WEYL[1])];
    }
    counter
}

/// A named stream of random numbers: position in, number out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Noise {
    key: [u32; 2],
    stream: u64,
}

impl Noise {
    /// The stream called `name` of `seed`.
    pub fn new(seed: u64, name: &str) -> Self {
        // FNV-1a: a name only has to pick a stream, and equal names must give equal streams.
        let stream = name.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| {
            (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        Self { key: [seed as u32, (seed >> 32) as u32], stream }
    }

    /// Four random words at block `index`.
    fn block(&self, index: u64) -> [u32; 4] {
        let counter =
            [index as u32, (index >> 32) as u32, self.stream as u32, (self.stream >> 32) as u32];
        philox4x32(counter, self.key)
    }

    /// The uniform number in [0, 1) at position `index`.
    pub fn uniform(&self, index: u64) -> f32 {
        let word = self.block(index / 4)[(index % 4) as usize];
        (word >> 8) as f32 * (1.0 / 16_777_216.0)
    }

    /// The standard normal number at position `index`.
    pub fn normal(&self, index: u64) -> f32 {
        self.normal_block(index / 4)[(index % 4) as usize]
    }

    /// `count` standard normal numbers from position `start` on.
    pub fn normals(&self, start: u64, count: usize) -> Vec<f32> {
        let (first, skip) = (start / 4, (start % 4) as usize);
        let mut out = vec![0.0; (count + skip).next_multiple_of(4)];
        // Each block follows from its number alone, so threads change nothing.
        let parts = out.par_chunks_mut(4 * BLOCKS).enumerate();
        parts.for_each(|(part, out)| {
            let from = first + (part * BLOCKS) as u64;
            for (index, out) in (from..).zip(out.chunks_exact_mut(4)) {
                out.copy_from_slice(&self.normal_block(index));
            }
        });
        out.drain(..skip);
        out.truncate(count);
        out
    }

    /// Standard normal numbers as a tensor, those at positions `0..` of the stream, row-major.
    ///
    /// # Shapes
    /// - returns a tensor of `shape`
    pub fn normal_tensor<const D: usize>(&self, shape: [usize; D], device: &Device) -> Tensor<D> {
        let data = self.normals(0, shape.iter().product());
        Tensor::from_data(TensorData::new(data, shape), device)
    }

    /// Box-Muller on the four words of a block, in float64 so that every platform rounds alike.
    fn normal_block(&self, index: u64) -> [f32; 4] {
        let words = self.block(index);
        let unit = |w: u32| (f64::from(w) + 0.5) / 4_294_967_296.0;
        let pair = |a: u32, b: u32| {
            let radius = (-2.0 * unit(a).ln()).sqrt();
            let (sin, cos) = (std::f64::consts::TAU * unit(b)).sin_cos();
            [(radius * cos) as f32, (radius * sin) as f32]
        };
        let ([a, b], [c, d]) = (pair(words[0], words[1]), pair(words[2], words[3]));
        [a, b, c, d]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers published with the reference implementation (Random123, kat_vectors).
    #[test]
    fn philox_known_answers() {
        assert_eq!(
            philox4x32([0; 4], [0; 2]),
            [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]
        );
        assert_eq!(
            philox4x32([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
    }

    #[test]
    fn a_window_equals_single_positions_and_streams_differ() {
        let noise = Noise::new(7, "a");
        let window = noise.normals(5, 11);
        for (i, v) in window.iter().enumerate() {
            assert_eq!(*v, noise.normal(5 + i as u64));
        }
        assert_ne!(window, Noise::new(7, "b").normals(5, 11));
        assert_ne!(window, Noise::new(8, "a").normals(5, 11));
    }

    #[test]
    fn moments_are_those_of_a_standard_normal() {
        let values = Noise::new(1, "moments").normals(0, 200_000);
        let n = values.len() as f64;
        let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / n;
        let var = values.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n;
        assert!(mean.abs() < 0.01, "{mean}");
        assert!((var - 1.0).abs() < 0.02, "{var}");
    }

    #[test]
    fn many_numbers_are_those_of_their_positions() {
        let noise = Noise::new(5, "many");
        for (start, count) in
            [(0, 0), (3, 1), (2, 4 * BLOCKS), (4 * BLOCKS as u64 - 1, 9 * BLOCKS + 3)]
        {
            let found = noise.normals(start, count);
            let one = |i| noise.normal(start + i as u64).to_bits();
            assert_eq!(found.len(), count);
            assert!(
                found.iter().enumerate().all(|(i, x)| x.to_bits() == one(i)),
                "{start} {count}"
            );
        }
    }
}
