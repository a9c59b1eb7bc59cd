//! LPIPS: how different two pictures look to a network (Zhang et al., "The Unreasonable
//! Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018), version 0.1 with SqueezeNet
//! 1.1 (Iandola et al., 2016).
//!
//! ```text
//! x ─ scale ─ convolution ┬ pool ─ fire ─ fire ┬ pool ─ fire ─ fire ┬ pool ─ fire ┬ fire ┬ fire ┬ fire ┐
//!                         1                    2                    3             4      5      6      7
//! d = Σ over taps, mean over places, Σ over channels of w · (x̂ − ŷ)², x̂ of unit length over channels
//! ```

use burn::{
    module::{Module, Param},
    tensor::{Device, Tensor, activation::relu, module::max_pool2d, ops::MaxPoolOptions},
};
use thrumask_core::Picture;
use thrumask_kernels::{ConvolutionOptions, conv2d};

use crate::{
    Error, Result,
    layers::Init,
    pixels::{host_values, pixels_from_frames},
    weights::WeightFile,
};

/// Mean and deviation of each channel of the pixels in [-1, 1] that the network was trained on.
const SHIFT: [f32; 3] = [-0.030, -0.088, -0.188];
const SCALE: [f32; 3] = [0.458, 0.448, 0.450];
/// Added to the length of a feature vector.
const EPS: f32 = 1e-10;
/// Positions of the fires in the public networks' lists of layers.
const PLACES: [(usize, usize); 8] =
    [(2, 3), (2, 4), (3, 6), (3, 7), (4, 9), (5, 10), (6, 11), (7, 12)];
/// Fires before which the picture is halved.
const POOLED: [usize; 3] = [0, 2, 4];
/// Fires after which features are compared.
const TAPPED: [usize; 6] = [1, 3, 4, 5, 6, 7];
/// Pictures that the network looks at in one go.
const BATCH: usize = 16;

/// Widths of the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LpipsConfig {
    /// Channels of the first convolution.
    pub stem: usize,
    /// Of each of the eight fires: channels between, and of each of the two branches.
    pub fires: [[usize; 2]; 8],
}

impl LpipsConfig {
    /// SqueezeNet 1.1.
    pub fn squeeze() -> Self {
        let fires = [16, 16, 32, 32, 48, 48, 64, 64].map(|s| [s, 4 * s]);
        Self { stem: 64, fires }
    }

    /// Channels of the seven compared features.
    fn taps(&self) -> Vec<usize> {
        let fires = TAPPED.iter().map(|&i| 2 * self.fires[i][1]);
        std::iter::once(self.stem).chain(fires).collect()
    }
}

/// A convolution with its bias; the size of the weight says its kernel.
#[derive(Module, Debug)]
struct Conv {
    weight: Param<Tensor<4>>,
    bias: Param<Tensor<1>>,
}

impl Conv {
    fn new(init: &mut Init, inputs: usize, outputs: usize, side: usize) -> Self {
        let std = (2.0 / (inputs * side * side) as f32).sqrt();
        let weight = init.normal([outputs, inputs, side, side], std);
        Self { weight, bias: init.constant([outputs], 0.0) }
    }

    /// # Shapes
    /// - `x`: `[B, inputs, H, W]`
    /// - returns `[B, outputs, H', W']`, nothing below 0
    fn forward(&self, x: Tensor<4>, stride: usize, padding: usize) -> Tensor<4> {
        let options = ConvolutionOptions { stride, padding, ..Default::default() };
        relu(conv2d(x, self.weight.val(), self.bias.val(), options))
    }
}

/// Few channels, then many: by points, and by 3×3 places.
#[derive(Module, Debug)]
struct Fire {
    squeeze: Conv,
    expand1x1: Conv,
    expand3x3: Conv,
}

impl Fire {
    fn new(init: &mut Init, inputs: usize, [between, branch]: [usize; 2]) -> Self {
        Self {
            squeeze: Conv::new(init, inputs, between, 1),
            expand1x1: Conv::new(init, between, branch, 1),
            expand3x3: Conv::new(init, between, branch, 3),
        }
    }

    /// # Shapes
    /// - `x`: `[B, inputs, H, W]`
    /// - returns `[B, 2·branch, H, W]`
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.squeeze.forward(x, 1, 0);
        let branches =
            vec![self.expand1x1.forward(x.clone(), 1, 0), self.expand3x3.forward(x, 1, 1)];
        Tensor::cat(branches, 1)
    }
}

/// The distance.
#[derive(Module, Debug)]
pub struct Lpips {
    stem: Conv,
    fires: Vec<Fire>,
    /// One weight for each channel of each compared feature, `[1, C, 1, 1]`.
    lins: Vec<Param<Tensor<4>>>,
}

impl Lpips {
    /// A network that has learned nothing.
    pub fn new(init: &mut Init, config: &LpipsConfig) -> Self {
        let stem = Conv::new(init, 3, config.stem, 3);
        let mut inputs = config.stem;
        let fires = config.fires.iter().map(|&widths| {
            let fire = Fire::new(init, inputs, widths);
            inputs = 2 * widths[1];
            fire
        });
        let fires = fires.collect();
        let lins = config.taps().iter().map(|&c| init.constant([1, c, 1, 1], 1.0)).collect();
        Self { stem, fires, lins }
    }

    /// The public weights: tensors by the names of the public implementation, whether the backbone and
    /// the weights of the channels came in one file or in two ([`merged`]).
    ///
    /// # Errors
    /// [`Error::Weights`] unless every parameter is there, fits, and none is left over.
    pub fn load(
        what: &str,
        file: &WeightFile,
        config: &LpipsConfig,
        device: &Device,
    ) -> Result<Self> {
        let mut own = WeightFile::default();
        for (name, tensor) in &file.tensors {
            if let Some(name) = own_name(name) {
                own.tensors.insert(name, tensor.clone());
            }
        }
        own.load_into(what, "", Self::new(&mut Init::new(0, device), config))
    }

    /// Distance of each picture from its partner.
    ///
    /// # Shapes
    /// - `x`, `y`: pixels in [-1, 1], `[B, 3, H, W]`, `H` and `W` of at least 32
    /// - returns `[B]`, from 0 for equal pictures
    pub fn forward(&self, x: Tensor<4>, y: Tensor<4>) -> Tensor<1> {
        let [batch, ..] = x.dims();
        let pairs = self.features(x).into_iter().zip(self.features(y)).zip(&self.lins);
        let distance = |((x, y), weight): ((Tensor<4>, Tensor<4>), &Param<Tensor<4>>)| {
            let apart = unit(x) - unit(y); // [B, C, H, W]
            let apart = (apart.clone() * apart * weight.val()).sum_dim(1); // [B, 1, H, W]
            apart.mean_dim(3).mean_dim(2).reshape([batch])
        };
        let distances: Vec<Tensor<1>> = pairs.map(distance).collect();
        Tensor::stack::<2>(distances, 0).sum_dim(0).reshape([batch])
    }

    /// Distance of each frame from its partner.
    ///
    /// # Errors
    /// [`Error::Shape`] when the pictures are fewer than 32 pixels wide or high, or differ in number or
    /// size.
    pub fn distances(&self, x: &[Picture], y: &[Picture]) -> Result<Vec<f32>> {
        use burn::module::Module;
        let device = self.devices().into_iter().next().unwrap_or_else(Device::flex);
        if x.len() != y.len() {
            return Err(Error::shape("number of pictures", x.len(), y.len()));
        }
        let mut found = Vec::with_capacity(x.len());
        for (x, y) in x.chunks(BATCH).zip(y.chunks(BATCH)) {
            let [x, y] = [x, y].map(|frames| -> Result<Tensor<4>> {
                let pixels = pixels_from_frames(&[frames], &device)?;
                let [_, channels, frames, height, width] = pixels.dims();
                if height < 32 || width < 32 {
                    let got = format!("{width} × {height}");
                    return Err(Error::shape("picture", "at least 32 × 32 pixels", got));
                }
                Ok(pixels.swap_dims(1, 2).reshape([frames, channels, height, width]))
            });
            let (x, y) = (x?, y?);
            if x.dims() != y.dims() {
                return Err(Error::shape(
                    "picture",
                    format!("{:?}", x.dims()),
                    format!("{:?}", y.dims()),
                ));
            }
            found.extend(host_values(self.forward(x, y)));
        }
        Ok(found)
    }

    /// The seven compared features.
    fn features(&self, x: Tensor<4>) -> Vec<Tensor<4>> {
        let constant =
            |values: [f32; 3]| Tensor::<1>::from_floats(values, &x.device()).reshape([1, 3, 1, 1]);
        let (shift, scale) = (constant(SHIFT), constant(SCALE));
        let mut x = self.stem.forward((x - shift) / scale, 2, 0);
        let mut features = vec![x.clone()];
        for (i, fire) in self.fires.iter().enumerate() {
            if POOLED.contains(&i) {
                x = max_pool2d(x, halving());
            }
            x = fire.forward(x);
            if TAPPED.contains(&i) {
                features.push(x.clone());
            }
        }
        features
    }
}

/// Windows of 3×3 in steps of 2, the last of them cut off.
fn halving() -> MaxPoolOptions<2> {
    MaxPoolOptions { stride: [2, 2], ceil_mode: true, ..MaxPoolOptions::new([3, 3]) }
}

/// Features of unit length over the channels.
fn unit(x: Tensor<4>) -> Tensor<4> {
    let length = (x.clone() * x.clone()).sum_dim(1).sqrt();
    x / (length + EPS)
}

/// Our name of a parameter of the public implementation; `None` for the constants of the scaling and for
/// the second copy of the channels' weights.
fn own_name(name: &str) -> Option<String> {
    if let Some(lin) = name.strip_prefix("lin").filter(|rest| !rest.starts_with('s')) {
        return Some(format!("lins.{}", lin.split('.').next()?));
    }
    if name.starts_with("scaling_layer.") || name.starts_with("lins.") {
        return None;
    }
    if let Some(rest) = name.strip_prefix("net.slice1.0.") {
        return Some(format!("stem.{rest}"));
    }
    for (i, (slice, layer)) in PLACES.iter().enumerate() {
        if let Some(rest) = name.strip_prefix(&format!("net.slice{slice}.{layer}.")) {
            return Some(format!("fires.{i}.{rest}"));
        }
    }
    // What we do not know, strict loading names.
    Some(name.to_owned())
}

/// The tensors of several files; of a name that occurs twice, those of the later file.
pub fn merged(files: Vec<WeightFile>) -> WeightFile {
    let mut all = WeightFile::default();
    files.into_iter().for_each(|file| all.tensors.extend(file.tensors));
    all
}
