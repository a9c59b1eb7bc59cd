//! Convolutions of images and of videos, over space or over time.

mod correlate;
mod geometry;
mod op;
mod phases;
mod products;
mod sums;
mod weights;
mod winograd;

use burn::tensor::Tensor;

use crate::{bridge, silu};
use geometry::Geometry;
use op::Convolve;

/// How a two-dimensional convolution goes over its images.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConvolutionOptions {
    /// Distance between the positions of the kernel, at least 1.
    pub stride: usize,
    /// Zeros around the image.
    pub padding: usize,
    /// How many times the image is magnified first, each pixel repeated along both axes; at least 1.
    pub magnify: usize,
    /// Whether the result goes through `x * sigmoid(x)`.
    pub silu: bool,
}

impl Default for ConvolutionOptions {
    fn default() -> Self {
        Self { stride: 1, padding: 0, magnify: 1, silu: false }
    }
}

/// Two-dimensional convolution (cross-correlation, as everywhere in the field) with a bias, after a
/// nearest-neighbour magnification and before a SiLU where asked for.
///
/// # Shapes
/// `x` `[B, I, H, W]`, `w` `[O, I, KH, KW]`, `b` `[O]` give `[B, O, H', W']` with
/// `H' = (magnify H + 2 padding - KH) / stride + 1`.
///
/// From 12 channels on, 3 x 3 in steps of one or two and five positions along one axis are made in fewer products, tile by
/// tile (at most 4 x 4 outputs): a value that is not finite may then spread over the tiles that read it.
///
/// # Panics
/// When shapes disagree, the stride or the magnification is 0, or the kernel is larger than the padded
/// image.
pub fn conv2d(x: Tensor<4>, w: Tensor<4>, b: Tensor<1>, options: ConvolutionOptions) -> Tensor<4> {
    padded(x, w, b, options, [options.padding; 2])
}

/// Two-dimensional convolution with a bias in steps of one, with as many zeros around the image as keep its
/// size: for kernels that are longer along one axis than along the other.
///
/// # Shapes
/// `x` `[B, I, H, W]`, `w` `[O, I, KH, KW]` with odd `KH` and `KW`, `b` `[O]` give `[B, O, H, W]`.
///
/// # Panics
/// When shapes disagree.
pub fn conv2d_same(x: Tensor<4>, w: Tensor<4>, b: Tensor<1>) -> Tensor<4> {
    let [_, _, rows, columns] = w.dims();
    assert!(rows % 2 == 1 && columns % 2 == 1, "an odd kernel, found {rows} x {columns}");
    padded(x, w, b, ConvolutionOptions::default(), [rows / 2, columns / 2])
}

/// A convolution with zeros above and below, and left and right, whatever the options say of them.
fn padded(
    x: Tensor<4>,
    w: Tensor<4>,
    b: Tensor<1>,
    options: ConvolutionOptions,
    padding: [usize; 2],
) -> Tensor<4> {
    let ([batch, inputs, height, width], [outputs, w_inputs, rows, columns]) = (x.dims(), w.dims());
    let ConvolutionOptions { stride, magnify, silu: activate, .. } = options;
    assert_eq!(w_inputs, inputs, "input channels of the weights and of x");
    assert_eq!(b.dims(), [outputs], "bias of shape [O]");
    assert!(stride > 0 && magnify > 0, "stride {stride} and magnification {magnify} of at least 1");
    let of = Geometry {
        batch,
        inputs,
        outputs,
        size: [1, height * magnify, width * magnify],
        kernel: [1, rows, columns],
        stride: [1, stride, stride],
        padding: [0, padding[0], padding[1]],
        magnify: [1, magnify, magnify],
    };
    let [_, out_height, out_width] = checked(&of);
    if !bridge::is_fast(&x) {
        return products::conv2d(x, w, b, options, padding);
    }
    // The backward pass of a SiLU needs what goes into it.
    let tracked = bridge::is_tracked(&x);
    let shape = (4, [batch, outputs, out_height, out_width, 0]);
    let op = Convolve { of, silu: activate && !tracked, shape };
    let out = bridge::apply3(op, x, w.into_dispatch(), b.into_dispatch());
    if activate && tracked { silu(out) } else { out }
}

/// Convolution over the frames of videos with a bias; the number of frames stays. Frames before the first
/// and after the last are zero.
///
/// # Shapes
/// `x` `[B, I, F, H, W]`, `w` `[O, I, K, 1, 1]` with odd `K`, `b` `[O]` give `[B, O, F, H, W]`.
///
/// # Panics
/// When shapes disagree.
pub fn temporal_conv(x: Tensor<5>, w: Tensor<5>, b: Tensor<1>) -> Tensor<5> {
    let [batch, inputs, frames, height, width] = x.dims();
    let [outputs, w_inputs, taps, rows, columns] = w.dims();
    assert_eq!(w_inputs, inputs, "input channels of the weights and of x");
    assert_eq!([rows, columns], [1, 1], "weights of shape [O, I, K, 1, 1]");
    assert!(taps % 2 == 1, "an odd number of kernel frames, found {taps}");
    assert_eq!(b.dims(), [outputs], "bias of shape [O]");
    let of = Geometry {
        batch,
        inputs,
        outputs,
        size: [frames, height, width],
        kernel: [taps, 1, 1],
        stride: [1; 3],
        padding: [taps / 2, 0, 0],
        magnify: [1; 3],
    };
    checked(&of);
    if !bridge::is_fast(&x) {
        return products::temporal_conv(x, w, b);
    }
    let op = Convolve { of, silu: false, shape: (5, [batch, outputs, frames, height, width]) };
    bridge::apply3(op, x, w.into_dispatch(), b.into_dispatch())
}

/// The size of the output.
fn checked(of: &Geometry) -> [usize; 3] {
    let fits = |axis: usize| of.kernel[axis] <= of.size[axis] + 2 * of.padding[axis];
    assert!(
        (0..3).all(fits),
        "a kernel of {:?} in a volume of {:?} with {:?} zeros around",
        of.kernel,
        of.size,
        of.padding
    );
    of.out()
}
