//! Sizes of RAFT, and which size a file of weights has.

use serde::{Deserialize, Serialize};

use crate::{Error, Result, weights::TensorSource};

/// Rows and columns of pixels of one position of the features.
pub const STRIDE: usize = 8;

/// Sizes of a [`super::Raft`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RaftConfig {
    /// Channels of the encoders at a half, a half, a quarter and an eighth of the picture's size.
    pub widths: [usize; 4],
    /// Whether the encoders' blocks are bottlenecks: 1×1 convolutions around a narrow 3×3 one.
    pub bottleneck: bool,
    /// Channels of the features that are compared.
    pub features: usize,
    /// Whether the context encoder has batch norms; without, it has no norms.
    pub batch_norm: bool,
    /// Channels of the hidden state.
    pub hidden: usize,
    /// Channels of the context.
    pub context: usize,
    /// Resolutions at which features are compared, each half of the one before.
    pub levels: usize,
    /// How far around the present match they are compared, in positions along each axis.
    pub radius: usize,
    /// Channels of the convolutions of what was compared: one, or two with a 3×3 one.
    pub compared: Vec<usize>,
    /// Channels of the two convolutions of the present flow.
    pub flow: [usize; 2],
    /// Channels of what both become, with the two of the flow itself.
    pub motion: usize,
    /// Whether the recurrent unit works along rows, then along columns, rather than over 3×3 positions.
    pub separable: bool,
    /// Channels before the change of the flow.
    pub head: usize,
    /// Channels before the weights of the learned enlargement; without, the flow is enlarged linearly.
    pub mask: Option<usize>,
}

impl RaftConfig {
    /// The network of the publication, 5.3 million parameters.
    pub fn large() -> Self {
        Self {
            widths: [64, 64, 96, 128],
            bottleneck: false,
            features: 256,
            batch_norm: true,
            hidden: 128,
            context: 128,
            levels: 4,
            radius: 4,
            compared: vec![256, 192],
            flow: [128, 64],
            motion: 128,
            separable: true,
            head: 256,
            mask: Some(256),
        }
    }

    /// The small network, 1.0 million parameters.
    pub fn small() -> Self {
        Self {
            widths: [32, 32, 64, 96],
            bottleneck: true,
            features: 128,
            batch_norm: false,
            hidden: 96,
            context: 64,
            levels: 4,
            radius: 3,
            compared: vec![96],
            flow: [64, 32],
            motion: 82,
            separable: false,
            head: 128,
            mask: None,
        }
    }

    /// The size that public weights are of, by their hidden state; the load finds what else differs.
    ///
    /// # Errors
    /// [`Error::Weights`] when they are of neither.
    pub fn of(what: &str, source: &dyn TensorSource) -> Result<Self> {
        let shapes = source.shapes();
        let head = shapes.iter().find(|(name, _)| name.ends_with("flow_head.conv1.weight"));
        let hidden = head.and_then(|(_, shape)| shape.get(1).copied());
        [Self::large(), Self::small()].into_iter().find(|c| Some(c.hidden) == hidden).ok_or_else(
            || {
                let got = hidden.map_or("none".to_owned(), |n| n.to_string());
                let reason = format!(
                    "expected RAFT's flow_head.conv1.weight of 128 (large) or 96 (small) inputs, got {got}"
                );
                Error::weights(what, reason)
            },
        )
    }

    /// Values that are compared for each position.
    pub(super) fn window(&self) -> usize {
        self.levels * (2 * self.radius + 1).pow(2)
    }

    /// # Errors
    /// [`Error::Config`] with the field that cannot be.
    pub(super) fn check(&self) -> Result<()> {
        let sizes = [self.features, self.hidden, self.context, self.levels, self.head];
        let all = self.widths.iter().chain(&sizes).chain(&self.flow).chain(&self.compared);
        if all.chain(&self.mask).any(|&n| n == 0) {
            let reason = format!("expected sizes above zero, got {self:?}");
            return Err(Error::config("RAFT", reason));
        }
        if !(1..=2).contains(&self.compared.len()) {
            let reason = format!("expected one or two sizes, got {:?}", self.compared);
            return Err(Error::config("RAFT's compared", reason));
        }
        if self.motion < 3 {
            return Err(Error::config("RAFT's motion", "expected at least 3 channels"));
        }
        if self.bottleneck && self.widths.iter().any(|&n| n < 4) {
            return Err(Error::config("RAFT's widths", "expected at least 4 for bottlenecks"));
        }
        Ok(())
    }
}
