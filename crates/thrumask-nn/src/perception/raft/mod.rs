//! RAFT: optical flow, how far each pixel of one picture lies from where it is in another (Teed and Deng,
//! "RAFT: Recurrent All-Pairs Field Transforms for Optical Flow", ECCV 2020; behaviour as in princeton-vl/RAFT).
//!
//! ```text
//! first ─┬─ features ─┐
//!        │            ├─ similarities of all positions ─ those around the present match ┐
//! second ┼─ features ─┘                                             flow ───────────────┤
//!        └─ context ─┬──────────────────────────────── state ─ recurrent unit ─ change of the flow, N times
//! ```
//!
//! Features are those of the first *and* the second picture, the context that of the first. Flow is found at
//! an eighth of the size, and then enlarged. No gradients flow: the network is not trained here.

mod config;
mod correlation;
mod encoder;
mod enlarge;
mod names;
mod pictures;
mod update;

use std::path::Path;

use burn::{
    module::Module,
    tensor::{Device, Tensor, activation::relu},
};

pub use config::{RaftConfig, STRIDE};
pub use correlation::Similarities;
pub use names::RaftNaming;
pub use pictures::{FlowTask, LEAST_SIDE, carried};

use self::{
    correlation::Pyramid,
    encoder::{Encoder, Norm},
    update::Update,
};
use crate::{
    Error, Result,
    layers::Init,
    weights::{Checkpoint, TensorSource, load_public},
};

/// How flow is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RaftOptions {
    /// How often the flow is changed, at least 1.
    pub iterations: usize,
    /// Where similarities come from; chosen by the pictures' size when left out.
    pub similarities: Option<Similarities>,
}

impl Default for RaftOptions {
    /// The public network's 12 changes.
    fn default() -> Self {
        Self { iterations: 12, similarities: None }
    }
}

/// Flow from one picture to another.
#[derive(Debug, Clone)]
pub struct RaftFlow {
    /// At an eighth of the size and in eighths: `[B, 2, H/8, W/8]`, `x` first. The next pair of a video can
    /// start from it ([`carried`]).
    pub coarse: Tensor<4>,
    /// Of every pixel in pixels: `[B, 2, H, W]`, `x` first.
    pub full: Tensor<4>,
}

/// What is known of a picture before it is compared.
#[derive(Debug, Clone)]
pub struct RaftContext {
    /// `[B, hidden, H/8, W/8]`.
    state: Tensor<4>,
    /// `[B, context, H/8, W/8]`.
    context: Tensor<4>,
}

/// The network.
#[derive(Module, Debug)]
pub struct Raft {
    features: Encoder,
    context: Encoder,
    update: Update,
    #[module(skip)]
    config: RaftConfig,
}

impl Raft {
    /// A network that has learned nothing.
    ///
    /// # Errors
    /// [`Error::Config`] when a size cannot be.
    pub fn new(init: &mut Init, config: &RaftConfig) -> Result<Self> {
        config.check()?;
        let norm = if config.batch_norm { Norm::Batch } else { Norm::None };
        Ok(Self {
            features: Encoder::new(init, config, config.features, Norm::Instance),
            context: Encoder::new(init, config, config.hidden + config.context, norm),
            update: Update::new(init, config),
            config: config.clone(),
        })
    }

    /// Public weights, named as the authors or as torchvision names them.
    ///
    /// # Errors
    /// [`Error::Weights`] unless every parameter is there, fits, and none is left over; [`Error::Config`]
    /// when a size cannot be.
    pub fn load(
        what: &str,
        source: &dyn TensorSource,
        config: &RaftConfig,
        device: &Device,
    ) -> Result<Self> {
        let network = Self::new(&mut Init::new(0, device), config)?;
        let source = names::needed(source, config.bottleneck)?;
        let naming = RaftNaming::of(&source);
        load_public(what, &source, network, |path| naming.rename(path, config))
    }

    /// The small or large network in a file of public weights, of any format.
    ///
    /// # Errors
    /// As [`Raft::load`], and when the file cannot be read or is of neither size.
    pub fn open(path: impl AsRef<Path>, device: &Device) -> Result<Self> {
        let path = path.as_ref();
        let (what, source) = (path.display().to_string(), Checkpoint::open(path)?);
        Self::load(&what, &source, &RaftConfig::of(&what, &source)?, device)
    }

    /// The configuration it was made from.
    pub fn config(&self) -> &RaftConfig {
        &self.config
    }

    /// The features of pictures.
    ///
    /// # Shapes
    /// - `pixels`: `[B, 3, H, W]` in [-1, 1]
    /// - returns `[B, features, H/8, W/8]`
    ///
    /// # Errors
    /// [`Error::Shape`] when there are not three channels, or a side is below [`LEAST_SIDE`] or no multiple
    /// of 8.
    pub fn features(&self, pixels: Tensor<4>) -> Result<Tensor<4>> {
        check(&pixels)?;
        Ok(self.features.forward(pixels))
    }

    /// The context of pictures from which flow is wanted.
    ///
    /// # Errors
    /// As [`Raft::features`].
    pub fn context(&self, pixels: Tensor<4>) -> Result<RaftContext> {
        check(&pixels)?;
        let (hidden, context) = (self.config.hidden, self.config.context);
        let both = self.context.forward(pixels); // [B, hidden + context, H/8, W/8]
        Ok(RaftContext {
            state: both.clone().narrow(1, 0, hidden).tanh(),
            context: relu(both.narrow(1, hidden, context)),
        })
    }

    /// Flow between pictures of which features and context are known, from `start` on or from none.
    ///
    /// # Shapes
    /// - `features`: of first and second pictures, `[B, features, H, W]`
    /// - `start`: `[B, 2, H, W]` in positions of the features
    ///
    /// # Errors
    /// [`Error::Shape`] when they do not belong together; [`Error::Config`] without an iteration.
    pub fn between(
        &self,
        features: [Tensor<4>; 2],
        context: &RaftContext,
        start: Option<Tensor<4>>,
        options: &RaftOptions,
    ) -> Result<RaftFlow> {
        let [first, second] = features;
        let [batch, _, height, width] = first.dims();
        if first.dims() != second.dims() {
            return Err(Error::shape(
                "features of the second picture",
                first.dims(),
                second.dims(),
            ));
        }
        let expected = [batch, self.config.context, height, width];
        if context.context.dims() != expected {
            return Err(Error::shape("context", expected, context.context.dims()));
        }
        if options.iterations == 0 {
            return Err(Error::config("iterations", "expected at least 1, got 0"));
        }
        let expected = [batch, 2, height, width];
        let mut flow = match start {
            Some(start) if start.dims() != expected => {
                return Err(Error::shape("flow to start from", expected, start.dims()));
            }
            Some(start) => start,
            None => Tensor::zeros(expected, &first.device()),
        };
        let RaftConfig { levels, radius, .. } = self.config;
        let chosen = options.similarities.unwrap_or(Similarities::for_size([height, width]));
        let pyramid = Pyramid::new(first, second, (levels, radius), chosen);
        let update = self.update.in_context(&context.context);
        let mut state = context.state.clone();
        for _ in 0..options.iterations {
            let compared = pyramid.around(flow.clone());
            let (next, change) = update.step(state, compared, flow.clone());
            (state, flow) = (next, flow + change);
        }
        let full = match self.update.mask(state) {
            Some(mask) => enlarge::by_mask(flow.clone(), mask),
            None => enlarge::linearly(flow.clone()),
        };
        Ok(RaftFlow { coarse: flow, full })
    }

    /// Flow from pictures to others, from `start` on or from none.
    ///
    /// # Shapes
    /// - `first`, `second`: `[B, 3, H, W]` in [-1, 1]
    /// - `start`: `[B, 2, H/8, W/8]` in positions of the features
    ///
    /// # Errors
    /// As [`Raft::features`] and [`Raft::between`].
    pub fn forward(
        &self,
        first: Tensor<4>,
        second: Tensor<4>,
        start: Option<Tensor<4>>,
        options: &RaftOptions,
    ) -> Result<RaftFlow> {
        if first.dims() != second.dims() {
            return Err(Error::shape("second picture", first.dims(), second.dims()));
        }
        let [batch, ..] = first.dims();
        let both = self.features(Tensor::cat(vec![first.clone(), second], 0))?;
        let features = [0, batch].map(|from| both.clone().narrow(0, from, batch));
        self.between(features, &self.context(first)?, start, options)
    }
}

/// # Errors
/// [`Error::Shape`] for pictures that the network cannot look at.
fn check(pixels: &Tensor<4>) -> Result<()> {
    let [_, channels, height, width] = pixels.dims();
    if channels != 3 {
        return Err(Error::shape("pixel channels", 3, channels));
    }
    if [height, width].iter().any(|&n| n < LEAST_SIDE || !n.is_multiple_of(STRIDE)) {
        let expected = format!("sides of at least {LEAST_SIDE} pixels, in multiples of {STRIDE}");
        return Err(Error::shape("picture", expected, format!("{width} × {height}")));
    }
    Ok(())
}
