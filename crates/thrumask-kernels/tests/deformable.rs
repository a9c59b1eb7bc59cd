//! Deformable attention against its definition in 64 bits and its reference, gradients included.

// Helpers of tests and examples may unwrap as the tests themselves do.
#![allow(clippy::unwrap_used)]

mod common;

use burn::tensor::{Device, Tensor, TensorData};
use common::*;
use thrumask_kernels::{deformable_attention, reference};

const LEVELS: [[usize; 2]; 3] = [[5, 7], [3, 4], [1, 2]];
const CELLS: usize = 35 + 12 + 2;

/// Values, places and weights of two batch rows, five queries, `heads` heads and two points.
struct Case {
    value: Vec<f32>,
    locations: Vec<f32>,
    weights: Vec<f32>,
    heads: usize,
    size: usize,
}

const ROWS: usize = 2;
const QUERIES: usize = 5;
const POINTS: usize = 2;

impl Case {
    fn new(heads: usize, size: usize, spread: f32, seed: u64) -> Self {
        let places = ROWS * QUERIES * heads * LEVELS.len() * POINTS;
        // Places within the levels, at their borders and beyond.
        let near = |x: &f32| 0.5 + spread * x;
        Self {
            value: noise(ROWS * CELLS * heads * size, seed),
            locations: noise(2 * places, seed + 1).iter().map(near).collect(),
            weights: noise(places, seed + 2),
            heads,
            size,
        }
    }

    fn inputs(&self) -> [Tensor<3>; 3] {
        let places = self.heads * LEVELS.len() * POINTS;
        [
            input(&self.value, [ROWS, CELLS, self.heads * self.size]),
            input(&self.locations, [ROWS, QUERIES, 2 * places]),
            input(&self.weights, [ROWS, QUERIES, places]),
        ]
    }

    /// The sum as the paper has it, from single cells.
    fn definition(&self) -> Vec<f32> {
        let channels = self.heads * self.size;
        let mut out = vec![0f32; ROWS * QUERIES * channels];
        for (i, out) in out.iter_mut().enumerate() {
            let (row, query) = (i / channels / QUERIES, i / channels);
            let (channel, head) = (i % channels, i % channels / self.size);
            let (mut sum, mut start) = (0f64, 0);
            for (l, &[height, width]) in LEVELS.iter().enumerate() {
                for point in 0..POINTS {
                    let at = ((query * self.heads + head) * LEVELS.len() + l) * POINTS + point;
                    let [x, y] = [0, 1].map(|axis| f64::from(self.locations[2 * at + axis]));
                    let (x, y) = (x * width as f64 - 0.5, y * height as f64 - 0.5);
                    for (r, c) in (0..height).flat_map(|r| (0..width).map(move |c| (r, c))) {
                        // A hat around each cell: what bilinear interpolation is.
                        let hat = |d: f64| (1.0 - d.abs()).max(0.0);
                        let share = hat(x - c as f64) * hat(y - r as f64);
                        let cell = row * CELLS + start + r * width + c;
                        let value = f64::from(self.value[cell * channels + channel]);
                        sum += f64::from(self.weights[at]) * share * value;
                    }
                }
                start += height * width;
            }
            *out = sum as f32;
        }
        out
    }
}

#[test]
fn fast_and_plain_follow_the_definition_at_borders_and_beyond() {
    for (heads, size, spread) in [(2, 8, 0.4), (1, 3, 0.7), (3, 16, 1.5), (2, 20, 0.52)] {
        let case = Case::new(heads, size, spread, heads as u64);
        let expected = case.definition();
        let inputs = case.inputs();
        let [value, locations, weights] = inputs.each_ref().map(Clone::clone);
        let fast =
            deformable_attention(value.clone(), locations.clone(), weights.clone(), heads, &LEVELS);
        let plain = reference::deformable_attention(value, locations, weights, heads, &LEVELS);
        let (fast_out, fast_grads) = backward_of(&fast);
        let (plain_out, plain_grads) = backward_of(&plain);
        close("fast", &fast_out, &expected, 1e-5);
        close("plain", &plain_out, &expected, 1e-5);
        for (name, of) in ["dvalue", "dlocations", "dweights"].iter().zip(&inputs) {
            close(name, &gradient(of, &fast_grads), &gradient(of, &plain_grads), 1e-4);
        }
    }
}

#[test]
fn centres_give_cells_and_corners_a_quarter() {
    let device = Device::flex();
    let tensor = |values: Vec<f32>, dims: [usize; 3]| {
        Tensor::<3>::from_data(TensorData::new(values, dims), &device)
    };
    let value = || tensor(vec![1.0, 2.0, 3.0, 4.0], [1, 4, 1]);
    let at = |x: f32, y: f32| {
        let (places, weights) = (tensor(vec![x, y], [1, 1, 2]), tensor(vec![1.0], [1, 1, 1]));
        values(&deformable_attention(value(), places, weights, 1, &[[2, 2]]))[0]
    };
    assert_eq!(
        [at(0.25, 0.25), at(0.75, 0.25), at(0.25, 0.75), at(0.75, 0.75)],
        [1.0, 2.0, 3.0, 4.0]
    );
    assert_eq!(at(0.5, 0.5), 2.5);
    // At a corner of the picture three of four cells lie beyond it.
    assert_eq!([at(0.0, 0.0), at(1.0, 1.0)], [0.25, 1.0]);
    assert_eq!([at(-0.25, 0.5), at(1.3, 0.5), at(f32::NAN, 0.5), at(f32::INFINITY, 0.5)], [0.0; 4]);
}

#[test]
fn smaller_instruction_sets() {
    if std::env::var_os("THRUMASK_SIMD").is_none() {
        pass_with_fewer_instructions(&["fast_and_plain", "centres"]);
    }
}
