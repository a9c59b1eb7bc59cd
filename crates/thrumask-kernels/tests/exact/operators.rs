//! The operators of the crate with seeded inputs.

use thrumask_kernels::TokenGroups;
use thrumask_kernels::{self as kernels, ConvolutionOptions, PromptVisibility, RopeTable};

use super::convolution::{Window, convolution};
use super::map_operators::{deformable, exchanged, max_of_four, merge_windows, split_windows};
use super::{Array, Operator, activation, attention as exact, norm};
use crate::common::noise;
use burn::tensor::Tensor;

/// `spread * noise + shift`
pub(super) fn values(dims: &[usize], seed: u64, [spread, shift]: [f32; 2]) -> Array<f32> {
    let values = noise(dims.iter().product(), seed).iter().map(|x| spread * x + shift).collect();
    Array { dims: dims.to_vec(), values }
}

/// Queries, keys and values.
fn qkv([batch, queries, keys, channels]: [usize; 4], seed: u64) -> Vec<Array<f32>> {
    let one = |tokens, seed| values(&[batch, tokens, channels], seed, [2.0, 0.0]);
    vec![one(queries, seed), one(keys, seed + 1), one(keys, seed + 2)]
}

/// Attention over the first keys of each batch row, over all of them when `lens` is `None`.
pub fn attention(
    [batch, queries, keys, heads, size]: [usize; 5],
    lens: Option<Vec<usize>>,
    seed: u64,
) -> Operator {
    let known = lens.clone();
    Operator {
        name: format!("attention {batch} x {queries} x {keys}, {heads} heads of {size}, {lens:?}"),
        inputs: qkv([batch, queries, keys, heads * size], seed),
        kernel: Box::new(move |mut x| {
            kernels::attention(x.take(), x.take(), x.take(), heads, known.as_deref()).into()
        }),
        exact: Box::new(move |x| {
            let lens = lens.as_ref();
            exact::attention([&x[0], &x[1], &x[2]], heads, |row, _, key| {
                lens.is_none_or(|lens| key < lens[row])
            })
        }),
        tolerance: [4e-6, 2e-5],
    }
}

/// Self-attention of one tensor that is queries, keys and values.
pub fn attention_to_itself([batch, tokens, heads, size]: [usize; 4], seed: u64) -> Operator {
    let mut all = attention([batch, tokens, tokens, heads, size], None, seed);
    all.name = format!("attention of {batch} x {tokens} to itself");
    all.inputs.truncate(1);
    all.kernel = Box::new(move |mut x| {
        let x: Tensor<3> = x.take();
        kernels::attention(x.clone(), x.clone(), x, heads, None).into()
    });
    all.exact = Box::new(move |x| exact::attention([&x[0], &x[0], &x[0]], heads, |_, _, _| true));
    all
}

/// Attention within groups; `ids` holds `[B, N]`.
pub fn grouped([batch, tokens, heads, size]: [usize; 4], ids: Vec<u16>, seed: u64) -> Operator {
    let groups = TokenGroups::new(&ids, batch, tokens);
    Operator {
        name: format!("groups of {batch} x {tokens}, {heads} heads of {size}, {ids:?}"),
        inputs: qkv([batch, tokens, tokens, heads * size], seed),
        kernel: Box::new(move |mut x| {
            kernels::grouped_attention(x.take(), x.take(), x.take(), heads, &groups).into()
        }),
        exact: Box::new(move |x| {
            exact::attention([&x[0], &x[1], &x[2]], heads, |row, query, key| {
                ids[row * tokens + query] == ids[row * tokens + key]
            })
        }),
        tolerance: [4e-6, 2e-5],
    }
}

/// Which prompts tokens see, and how long their texts are.
#[derive(Clone, Debug)]
pub struct Prompts {
    /// `[B, N, S]`
    pub visible: Vec<bool>,
    /// `[B, S]`
    pub lens: Vec<usize>,
    pub count: usize,
    pub padded: usize,
}

impl Prompts {
    /// Whether token `token` of `tokens` in a batch row sees a key.
    pub fn sees(&self, tokens: usize, row: usize, token: usize, key: usize) -> bool {
        let (prompt, at) = (key / self.padded, key % self.padded);
        self.visible[(row * tokens + token) * self.count + prompt]
            && at < self.lens[row * self.count + prompt]
    }
}

/// Attention over the texts of prompts.
pub fn prompted([batch, tokens, heads, size]: [usize; 4], prompts: Prompts, seed: u64) -> Operator {
    let (count, padded) = (prompts.count, prompts.padded);
    let dims = [batch, tokens, count];
    let visible = PromptVisibility::new(&prompts.visible, &prompts.lens, dims, padded);
    Operator {
        name: format!("prompts of {batch} x {tokens}, {heads} heads of {size}, {prompts:?}"),
        inputs: qkv([batch, tokens, count * padded, heads * size], seed),
        kernel: Box::new(move |mut x| {
            kernels::grouped_cross_attention(x.take(), x.take(), x.take(), heads, &visible).into()
        }),
        exact: Box::new(move |x| {
            exact::attention([&x[0], &x[1], &x[2]], heads, |row, token, key| {
                prompts.sees(tokens, row, token, key)
            })
        }),
        tolerance: [4e-6, 2e-5],
    }
}

/// The pointwise functions.
#[derive(Clone, Copy, Debug)]
pub enum Function {
    Gelu,
    GeluTanh,
    Silu,
    Sigmoid,
    Tanh,
}

impl Function {
    pub const ALL: [Self; 5] = [Self::Gelu, Self::GeluTanh, Self::Silu, Self::Sigmoid, Self::Tanh];
}

/// A pointwise function of values in `-spread..spread`.
pub fn pointwise(function: Function, dims: [usize; 3], spread: f32, seed: u64) -> Operator {
    let rounding = match function {
        // Near zero it is a difference of numbers near one, with the rounding of those.
        Function::Tanh => 2.5e-7 / f64::from(spread).max(0.01),
        _ => 0.0,
    };
    Operator {
        name: format!("{function:?} of {dims:?} within {spread}"),
        inputs: vec![values(&dims, seed, [spread, 0.0])],
        kernel: Box::new(move |mut x| {
            let x: Tensor<3> = x.take();
            let out = match function {
                Function::Gelu => kernels::gelu(x),
                Function::GeluTanh => kernels::gelu_tanh(x),
                Function::Silu => kernels::silu(x),
                Function::Sigmoid => kernels::sigmoid(x),
                Function::Tanh => kernels::tanh(x),
            };
            out.into()
        }),
        exact: Box::new(move |x| {
            let f = match function {
                Function::Gelu => activation::gelu,
                Function::GeluTanh => activation::gelu_tanh,
                Function::Silu => activation::silu,
                Function::Sigmoid => activation::sigmoid,
                Function::Tanh => f64::tanh,
            };
            x[0].values.iter().map(|&x| f(x)).collect()
        }),
        tolerance: [rounding.max(1e-6), 2e-5],
    }
}

/// Softmax over the last axis.
pub fn softmax(dims: [usize; 3], spread: f32, seed: u64) -> Operator {
    Operator {
        name: format!("softmax of {dims:?} within {spread}"),
        inputs: vec![values(&dims, seed, [spread, 0.0])],
        kernel: Box::new(|mut x| kernels::softmax_last::<3>(x.take()).into()),
        exact: Box::new(move |x| activation::softmax(&x[0].values, dims[2])),
        tolerance: [1e-6, 2e-5],
    }
}

const EPS: f32 = 1e-4;

/// Inputs of norms have a mean that is not zero.
const UNEVEN: [f32; 2] = [3.0, 0.7];

pub fn layer_norm(dims: [usize; 3], seed: u64) -> Operator {
    let [_, _, channels] = dims;
    Operator {
        name: format!("layer norm of {dims:?}"),
        inputs: vec![
            values(&dims, seed, UNEVEN),
            values(&[channels], seed + 1, [1.0, 0.5]),
            values(&[channels], seed + 2, [1.0, 0.0]),
        ],
        kernel: Box::new(|mut x| {
            kernels::layer_norm::<3>(x.take(), x.take(), x.take(), EPS).into()
        }),
        exact: Box::new(|x| norm::layer(&x[0], &x[1], &x[2], EPS)),
        tolerance: [1e-6, 2e-5],
    }
}

pub fn layer_norm_modulate(dims: [usize; 3], seed: u64) -> Operator {
    let [batch, _, channels] = dims;
    Operator {
        name: format!("modulated layer norm of {dims:?}"),
        inputs: vec![
            values(&dims, seed, UNEVEN),
            values(&[batch, channels], seed + 1, [1.0, 0.0]),
            values(&[batch, channels], seed + 2, [1.0, 0.0]),
        ],
        kernel: Box::new(|mut x| {
            kernels::layer_norm_modulate(x.take(), x.take(), x.take(), EPS).into()
        }),
        exact: Box::new(|x| norm::modulate(&x[0], &x[1], &x[2], EPS)),
        tolerance: [1e-6, 2e-5],
    }
}

/// Root-mean-square norm of runs of `group` values.
pub fn rms_norm(dims: [usize; 3], group: usize, seed: u64) -> Operator {
    Operator {
        name: format!("root-mean-square norm of {dims:?} by {group}"),
        inputs: vec![values(&dims, seed, UNEVEN), values(&[group], seed + 1, [1.0, 0.5])],
        kernel: Box::new(move |mut x| {
            kernels::rms_norm::<3>(x.take(), x.take(), group, EPS).into()
        }),
        exact: Box::new(|x| norm::rms(&x[0], &x[1], EPS)),
        tolerance: [1e-6, 2e-5],
    }
}

/// Group norm, and its SiLU where asked for.
pub fn group_norm(dims: [usize; 4], groups: usize, silu: bool, seed: u64) -> Operator {
    let channels = [dims[1]];
    Operator {
        name: format!("group norm of {dims:?} in {groups}, silu {silu}"),
        inputs: vec![
            values(&dims, seed, UNEVEN),
            values(&channels, seed + 1, [1.0, 0.5]),
            values(&channels, seed + 2, [1.0, 0.0]),
        ],
        kernel: Box::new(move |mut x| {
            let f = if silu { kernels::group_norm_silu::<4> } else { kernels::group_norm::<4> };
            f(x.take(), x.take(), x.take(), groups, EPS).into()
        }),
        exact: Box::new(move |x| norm::group(&x[0], &x[1], &x[2], (groups, EPS, silu))),
        tolerance: [1e-6, 2e-5],
    }
}

/// A linear layer of `x [B, N, K]`.
pub fn linear(dims: [usize; 3], outputs: usize, bias: bool, seed: u64) -> Operator {
    let mut inputs =
        vec![values(&dims, seed, [1.0, 0.0]), values(&[dims[2], outputs], seed + 1, [1.0, 0.0])];
    if bias {
        inputs.push(values(&[outputs], seed + 2, [1.0, 0.0]));
    }
    Operator {
        name: format!("linear of {dims:?} to {outputs}, bias {bias}"),
        inputs,
        kernel: Box::new(move |mut x| {
            let (x, w, b): (Tensor<3>, _, _) = (x.take(), x.take(), bias.then(|| x.take()));
            kernels::linear(x, w, b).into()
        }),
        exact: Box::new(|x| activation::linear(&x[0], &x[1], x.get(2))),
        tolerance: [1e-6, 2e-5],
    }
}

/// Rotary embedding of heads of `2 * pairs` channels.
pub fn rope([batch, tokens, heads, pairs]: [usize; 4], seed: u64) -> Operator {
    let angles: Vec<f32> = noise(tokens * pairs, seed + 1).iter().map(|x| 3.0 * x).collect();
    let table = RopeTable::from_angles(&angles, tokens, pairs);
    let known = table.clone();
    Operator {
        name: format!("rope of {batch} x {tokens}, {heads} heads of {pairs} pairs"),
        inputs: vec![values(&[batch, tokens, heads * 2 * pairs], seed, [1.0, 0.0])],
        kernel: Box::new(move |mut x| kernels::rope(x.take(), heads, &known).into()),
        exact: Box::new(move |x| activation::rope(&x[0], heads, table.cos(), table.sin())),
        tolerance: [1e-6, 2e-5],
    }
}

/// The gated residual with a gate for each batch row, or one for all.
pub fn gated_residual(dims: [usize; 3], shared: bool, seed: u64) -> Operator {
    let gates = if shared { 1 } else { dims[0] };
    Operator {
        name: format!("residual of {dims:?}, {gates} gates"),
        inputs: vec![
            values(&dims, seed, [1.0, 0.0]),
            values(&[gates, dims[2]], seed + 1, [1.0, 0.0]),
            values(&dims, seed + 2, [1.0, 0.0]),
        ],
        kernel: Box::new(|mut x| kernels::gated_residual(x.take(), x.take(), x.take()).into()),
        exact: Box::new(|x| activation::residual(&x[0], &x[1], &x[2])),
        tolerance: [1e-6, 2e-5],
    }
}

/// `x + gate * x`
pub fn gated_residual_of_itself(dims: [usize; 3], seed: u64) -> Operator {
    let mut operator = gated_residual(dims, false, seed);
    operator.inputs.truncate(2);
    operator.name = format!("residual of {dims:?} with itself");
    operator.kernel = Box::new(|mut x| {
        let (x, gate): (Tensor<3>, _) = (x.take(), x.take());
        kernels::gated_residual(x.clone(), gate, x).into()
    });
    operator.exact = Box::new(|x| activation::residual(&x[0], &x[1], &x[0]));
    operator
}

/// A convolution of images `x [B, I, H, W]`.
pub fn conv2d(
    x: [usize; 4],
    outputs: usize,
    [rows, columns]: [usize; 2],
    options: ConvolutionOptions,
    seed: u64,
) -> Operator {
    let ConvolutionOptions { stride, padding, magnify, silu } = options;
    let window = Window {
        stride: [1, stride, stride],
        padding: [0, padding, padding],
        magnify: [1, magnify, magnify],
        silu,
    };
    let w = [outputs, x[1], rows, columns];
    Operator {
        name: format!("convolution of {x:?} with {w:?}, {options:?}"),
        inputs: vec![
            values(&x, seed, [1.0, 0.0]),
            values(&w, seed + 1, [1.0, 0.0]),
            values(&[outputs], seed + 2, [1.0, 0.0]),
        ],
        kernel: Box::new(move |mut x| {
            kernels::conv2d(x.take(), x.take(), x.take(), options).into()
        }),
        exact: Box::new(move |x| convolution(&x[0], &x[1], &x[2], window)),
        tolerance: [1.5e-5, 2e-5],
    }
}

/// A convolution of images `x [B, I, H, W]` that keeps their size.
pub fn conv2d_same(x: [usize; 4], outputs: usize, kernel: [usize; 2], seed: u64) -> Operator {
    let options = ConvolutionOptions::default();
    let window = Window {
        stride: [1; 3],
        padding: [0, kernel[0] / 2, kernel[1] / 2],
        magnify: [1; 3],
        silu: false,
    };
    Operator {
        name: format!("convolution of {x:?} with {kernel:?} to {outputs} of one size"),
        kernel: Box::new(|mut x| kernels::conv2d_same(x.take(), x.take(), x.take()).into()),
        exact: Box::new(move |x| convolution(&x[0], &x[1], &x[2], window)),
        // With the same inputs and tolerances.
        ..conv2d(x, outputs, kernel, options, seed)
    }
}

/// A convolution of videos `x [B, I, F, H, W]` over `taps` frames.
pub fn temporal_conv(x: [usize; 5], outputs: usize, taps: usize, seed: u64) -> Operator {
    let window = Window { stride: [1; 3], padding: [taps / 2, 0, 0], magnify: [1; 3], silu: false };
    let w = [outputs, x[1], taps, 1, 1];
    Operator {
        name: format!("convolution of {x:?} over {taps} frames to {outputs}"),
        inputs: vec![
            values(&x, seed, [1.0, 0.0]),
            values(&w, seed + 1, [1.0, 0.0]),
            values(&[outputs], seed + 2, [1.0, 0.0]),
        ],
        kernel: Box::new(|mut x| kernels::temporal_conv(x.take(), x.take(), x.take()).into()),
        exact: Box::new(move |x| convolution(&x[0], &x[1], &x[2], window)),
        tolerance: [1.5e-5, 2e-5],
    }
}

/// Every operator at a small size, once at least, with several batch rows and sizes that leave a
/// tail behind whole vectors.
pub fn every_operator() -> Vec<Operator> {
    let options = ConvolutionOptions { stride: 1, padding: 1, magnify: 1, silu: false };
    let ids = noise(2 * 21, 3).iter().map(|x| (x.abs() * 4.0) as u16 * 9 % 7).collect();
    let prompts = Prompts {
        visible: noise(2 * 19 * 3, 4).iter().map(|x| *x > 0.1).collect(),
        lens: vec![4, 0, 2, 1, 4, 3],
        count: 3,
        padded: 4,
    };
    vec![
        attention([2, 19, 23, 2, 9], None, 1),
        attention([3, 18, 11, 1, 20], Some(vec![11, 0, 5]), 2),
        grouped([2, 21, 2, 10], ids, 3),
        prompted([2, 19, 3, 5], prompts, 4),
        pointwise(Function::Gelu, [2, 5, 13], 4.0, 5),
        pointwise(Function::GeluTanh, [2, 5, 13], 4.0, 6),
        pointwise(Function::Silu, [2, 5, 13], 4.0, 7),
        pointwise(Function::Sigmoid, [2, 5, 13], 4.0, 28),
        pointwise(Function::Tanh, [2, 5, 13], 4.0, 29),
        softmax([2, 7, 21], 4.0, 8),
        layer_norm([2, 6, 37], 9),
        layer_norm_modulate([3, 6, 37], 10),
        rms_norm([2, 6, 36], 36, 11),
        rms_norm([2, 6, 36], 9, 12),
        group_norm([2, 6, 5, 5], 3, false, 13),
        group_norm([2, 6, 5, 5], 2, true, 14),
        linear([2, 9, 19], 21, true, 15),
        linear([2, 9, 19], 21, false, 16),
        rope([2, 7, 2, 9], 17),
        gated_residual([2, 7, 21], false, 18),
        gated_residual([2, 7, 21], true, 19),
        conv2d([2, 3, 7, 9], 5, [3, 3], options, 20),
        conv2d([2, 13, 7, 9], 14, [3, 3], options, 21),
        conv2d([2, 3, 7, 9], 5, [3, 2], ConvolutionOptions { stride: 2, ..options }, 22),
        conv2d([1, 3, 4, 5], 5, [3, 3], ConvolutionOptions { magnify: 2, ..options }, 23),
        conv2d([2, 3, 7, 9], 5, [3, 3], ConvolutionOptions { silu: true, ..options }, 24),
        conv2d([2, 12, 5, 6], 13, [3, 3], ConvolutionOptions { silu: true, ..options }, 25),
        temporal_conv([2, 3, 5, 3, 3], 4, 3, 26),
        temporal_conv([1, 12, 6, 3, 5], 13, 3, 27),
        conv2d_same([2, 3, 7, 9], 5, [1, 5], 30),
        conv2d_same([2, 13, 6, 9], 14, [5, 3], 31),
        deformable([2, 5, 2, 9, 2], &[[3, 4], [1, 2]], 0.6, 32),
        max_of_four([2, 5, 7, 13], 33),
        split_windows([2, 5, 7, 13], [2, 3], 34),
        // Windows of whole rows, which lie in the map one after the other.
        merge_windows([2, 4, 3, 13], [2, 4], 35),
        exchanged([2, 5, 7, 3], [0, 2, 1, 3], 36),
        exchanged([2, 3, 19, 20], [0, 1, 3, 2], 37),
    ]
}
