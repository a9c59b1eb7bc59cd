//! A tiny diffusion transformer and its inputs, shared by the tests of the networks.
#![allow(dead_code, clippy::unwrap_used)]

use burn::{
    module::Module,
    tensor::{Device, Tensor, TensorData},
};
use thrumask_kernels::{PromptVisibility, TokenGroups};
use thrumask_nn::{
    backbone::{
        DenoiserInput, FirstFrame, ObjectContext, ObjectLayer, ObjectLayers,
        dit::{Dit, DitConfig},
        unet::{MotionModules, UnetConfig},
    },
    diffusion::noise::Noise,
    layers::{Context, Init, KeyMask, Rotary},
    weights::{gradients, parameters, with_values},
};

/// Tokens of [`config`]: a grid of 2 × 4 × 4.
pub const TOKENS: usize = 32;
/// Latents of one frame along rows and columns of [`config`].
pub const SIDE: usize = 8;
/// Width of texts in [`config`].
pub const TEXT: usize = 6;

/// Two blocks of width 12 over 2 × 4 × 4 tokens of 1 × 2 × 2 latents.
pub fn config(object_layers: ObjectLayers) -> DitConfig {
    DitConfig {
        latent_channels: 2,
        condition_channels: 3,
        latent_size: [2, SIDE, SIDE],
        patch: [1, 2, 2],
        width: 12,
        depth: 2,
        heads: 2,
        mlp_ratio: 2,
        text_width: TEXT,
        object_layers,
        first_frame: FirstFrame::None,
        first_frame_channel: 0,
        rotary: Some(Rotary::even(6)),
    }
}

/// A U-Net of three levels on 3 frames of [`SIDE`] × [`SIDE`] latents.
pub fn unet_config(object_layers: ObjectLayers) -> UnetConfig {
    UnetConfig {
        latent_channels: 2,
        condition_channels: 2,
        latent_size: [3, SIDE, SIDE],
        patch: [1; 3],
        first_frame: FirstFrame::None,
        first_frame_channel: 0,
        mixed: false,
        channels: vec![4, 8, 8],
        attention: vec![true, true, false],
        layers: 1,
        heads: 2,
        rotary: None,
        norm_groups: 2,
        text_width: TEXT,
        motion: Some(MotionModules { heads: 2, max_frames: 4, middle: false }),
        object_layers,
    }
}

/// Object layers in both blocks, with gates half open.
pub fn layers(self_attention: ObjectLayer, cross_attention: ObjectLayer) -> ObjectLayers {
    ObjectLayers { blocks: 2, self_attention, cross_attention, gate_start: 0.5 }
}

pub const MASKED: ObjectLayer = ObjectLayer::Masked;
pub const UNMASKED: ObjectLayer = ObjectLayer::Unmasked;
pub const ABSENT: ObjectLayer = ObjectLayer::Absent;

/// A network with parameters that depend only on the seed.
pub fn network(config: &DitConfig, seed: u64, device: &Device) -> Dit {
    Dit::new(&mut Init::new(seed, device), config).unwrap()
}

/// The network with its plain attention silenced: tokens then meet, and meet texts, in the object
/// layers only.
pub fn object_layers_only(network: Dit) -> Dit {
    with_values(network, |_, name, shape| {
        let mut path = name.split('.').skip(2);
        let plain = matches!(path.next(), Some("attention" | "cross_attention"));
        let silenced = plain && path.next() == Some("output");
        silenced.then(|| vec![0.0; shape.iter().product()])
    })
}

/// Seeded standard normal numbers.
pub fn normal<const D: usize>(name: &str, seed: u64, shape: [usize; D]) -> Vec<f32> {
    Noise::new(seed, name).normals(0, shape.iter().product())
}

pub fn tensor<const D: usize>(values: Vec<f32>, shape: [usize; D], device: &Device) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// The values of a tensor.
pub fn values<const D: usize>(tensor: &Tensor<D>) -> Vec<f32> {
    tensor.to_data().try_into_vec::<f32>().unwrap()
}

/// The bits of a tensor's values.
pub fn bits<const D: usize>(tensor: &Tensor<D>) -> Vec<u32> {
    values(tensor).iter().map(|v| v.to_bits()).collect()
}

/// The slope of a loss along one random direction in all parameters of a network, by its gradients and by
/// two values of the loss. `network` makes the same one each time.
///
/// # Panics
/// When a parameter has no gradient, or one of zeros.
pub fn slopes<M: Module>(
    network: impl Fn(&Device) -> M,
    loss: impl Fn(&M, &Device) -> Tensor<1>,
) -> [f64; 2] {
    let device = Device::flex().autodiff();
    let learner = network(&device);
    let start = parameters(&learner);
    let found = gradients(&learner, loss(&learner, &device).backward());
    let direction = |i: usize| normal("direction", i as u64, [start[i].values.len()]);
    let mut slope = 0.0f64;
    for (i, gradient) in found.iter().enumerate() {
        let name = &start[i].name;
        let gradient = gradient.as_ref().unwrap_or_else(|| panic!("no gradient for {name}"));
        assert!(gradient.iter().any(|&g| g != 0.0), "zero gradient for {name}");
        slope += gradient.iter().zip(direction(i)).map(|(&g, d)| f64::from(g * d)).sum::<f64>();
    }
    let device = Device::flex();
    let at = |step: f32| {
        let moved = with_values(network(&device), |i, _, _| {
            Some(start[i].values.iter().zip(direction(i)).map(|(v, d)| v + step * d).collect())
        });
        f64::from(loss(&moved, &device).into_scalar::<f32>())
    };
    let step = 5e-4;
    [slope, (at(step) - at(-step)) / (2.0 * f64::from(step))]
}

/// Who is where, who sees what, and how long the prompts are.
#[derive(Debug, Clone)]
pub struct Objects {
    pub batch: usize,
    pub prompts: usize,
    pub padded: usize,
    /// `[B, N]`.
    pub ids: Vec<u8>,
    /// `[B, N, S]`.
    pub visible: Vec<bool>,
    /// `[B, S]`.
    pub lengths: Vec<usize>,
}

impl Objects {
    /// Seeded groups 0..=3, three prompts of 0..=3 tokens, each seen by about a quarter of the
    /// tokens.
    pub fn random(seed: u64, batch: usize) -> Self {
        let (prompts, padded) = (3, 3);
        let uniform = |name: &str, i: usize| Noise::new(seed, name).uniform(i as u64);
        let ids = (0..batch * TOKENS).map(|i| (uniform("ids", i) * 4.0) as u8).collect();
        let visible = (0..batch * TOKENS * prompts).map(|i| uniform("visible", i) < 0.25).collect();
        let lengths = (0..batch * prompts).map(|i| (uniform("lengths", i) * 4.0) as usize);
        Self { batch, prompts, padded, ids, visible, lengths: lengths.collect() }
    }

    /// The same for some rows of the batch.
    pub fn rows(&self, rows: &[usize]) -> Self {
        fn pick<T: Copy>(all: &[T], rows: &[usize], each: usize) -> Vec<T> {
            rows.iter().flat_map(|&b| all[b * each..(b + 1) * each].iter().copied()).collect()
        }
        Self {
            batch: rows.len(),
            ids: pick(&self.ids, rows, TOKENS),
            visible: pick(&self.visible, rows, TOKENS * self.prompts),
            lengths: pick(&self.lengths, rows, self.prompts),
            ..*self
        }
    }

    pub fn sees(&self, row: usize, token: usize, prompt: usize) -> bool {
        self.visible[(row * TOKENS + token) * self.prompts + prompt]
            && self.lengths[row * self.prompts + prompt] > 0
    }

    /// `[B, S·L, D]`.
    pub fn prompt_shape(&self) -> [usize; 3] {
        [self.batch, self.prompts * self.padded, TEXT]
    }

    pub fn context(&self, prompts: Tensor<3>) -> ObjectContext {
        let shape = [self.batch, TOKENS, self.prompts];
        let visible = PromptVisibility::new(&self.visible, &self.lengths, shape, self.padded);
        ObjectContext {
            groups: TokenGroups::new(&self.ids, self.batch, TOKENS),
            prompts: Context::new(prompts, KeyMask::Prompts(visible)),
        }
    }
}

/// An input of seeded latents, conditions and texts of several lengths.
pub fn input(
    config: &DitConfig,
    seed: u64,
    batch: usize,
    objects: Option<ObjectContext>,
    device: &Device,
) -> DenoiserInput {
    let [t, h, w] = config.latent_size;
    let latents = [batch, config.latent_channels, t, h, w];
    let conditions = [batch, config.condition_channels, t, h, w];
    let text_tokens = 5;
    let text = [batch, text_tokens, config.text_width];
    DenoiserInput {
        latents: tensor(normal("latents", seed, latents), latents, device),
        time: (0..batch).map(|b| 0.1 + 0.2 * b as f32).collect(),
        conditions: tensor(normal("conditions", seed, conditions), conditions, device).into(),
        text: Context::new(
            tensor(normal("text", seed, text), text, device),
            KeyMask::Lengths((0..batch).map(|b| text_tokens - b % 3).collect()),
        ),
        objects: objects.into_iter().collect(),
    }
}

/// The token that holds each latent value of `[B, C, T, H, W]` at [`config`]'s sizes, as row and
/// token number.
pub fn token_of_latent(channels: usize, index: usize) -> (usize, usize) {
    let (x, y) = (index % SIDE, index / SIDE % SIDE);
    let t = index / (SIDE * SIDE) % 2;
    (index / (SIDE * SIDE * 2 * channels), t * 16 + y / 2 * 4 + x / 2)
}
