//! Convolutions.

use super::Array;
use super::activation::silu;

/// How a convolution goes over volumes `[D, H, W]`.
#[derive(Clone, Copy)]
pub struct Window {
    pub stride: [usize; 3],
    pub padding: [usize; 3],
    /// How many times each value is repeated along an axis first.
    pub magnify: [usize; 3],
    pub silu: bool,
}

/// The sizes of the last three axes; images have one slice.
fn volume(dims: &[usize]) -> [usize; 3] {
    if dims.len() == 4 { [1, dims[2], dims[3]] } else { [dims[2], dims[3], dims[4]] }
}

/// The convolution of `x [B, I, ..]` with `w [O, I, ..]` and the bias `b [O]`.
pub fn convolution(x: &Array<f64>, w: &Array<f64>, b: &Array<f64>, of: Window) -> Vec<f64> {
    let (inputs, outputs) = (x.dims[1], w.dims[0]);
    let (stored, kernel) = (volume(&x.dims), volume(&w.dims));
    let size: [usize; 3] = std::array::from_fn(|axis| {
        let padded = stored[axis] * of.magnify[axis] + 2 * of.padding[axis];
        (padded - kernel[axis]) / of.stride[axis] + 1
    });
    // For each output along an axis: the taps that read inside of the input, and the places they read.
    let reads = [0, 1, 2].map(|axis| {
        let place = |at: usize, tap: usize| {
            let inside = (at * of.stride[axis] + tap).checked_sub(of.padding[axis])?;
            Some((tap, inside / of.magnify[axis])).filter(|(_, place)| *place < stored[axis])
        };
        let taps = |at| (0..kernel[axis]).filter_map(|tap| place(at, tap)).collect::<Vec<_>>();
        (0..size[axis]).map(taps).collect::<Vec<_>>()
    });
    let mut out = Vec::new();
    for i in 0..x.dims[0] * outputs {
        let (image, output) = (i / outputs, i % outputs);
        for at in 0..size.iter().product() {
            let at = [at / size[1] / size[2], at / size[2] % size[1], at % size[2]];
            let mut sum = b.values[output];
            for input in 0..inputs {
                let channel = (image * inputs + input) * stored.iter().product::<usize>();
                let filter = (output * inputs + input) * kernel.iter().product::<usize>();
                for (tap_z, z) in &reads[0][at[0]] {
                    for (tap_y, y) in &reads[1][at[1]] {
                        for (tap_x, x_place) in &reads[2][at[2]] {
                            let tap = (tap_z * kernel[1] + tap_y) * kernel[2] + tap_x;
                            let place = (z * stored[1] + y) * stored[2] + x_place;
                            sum += w.values[filter + tap] * x.values[channel + place];
                        }
                    }
                }
            }
            out.push(if of.silu { silu(sum) } else { sum });
        }
    }
    out
}
