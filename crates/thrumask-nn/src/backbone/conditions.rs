//! What a denoiser is shown beside the noisy latents.

use burn::{module::ParamId, tensor::Tensor};

use crate::layers::Kept;

/// Latents of the visual conditions.
#[derive(Debug, Clone)]
pub struct Conditions {
    /// Concatenated on channels and repeated over time, `[B, Cc, T, H, W]`. A row without image condition holds
    /// zeros. Not to be changed once they are [`kept`](Self::kept).
    pub latents: Tensor<5>,
    /// Their embedding by the parameter that it is made with.
    kept: Kept<Tensor<3>>,
}

impl From<Tensor<5>> for Conditions {
    /// Conditions that are embedded anew each time, as training needs it.
    fn from(latents: Tensor<5>) -> Self {
        Self { latents, kept: Kept::default() }
    }
}

impl Conditions {
    /// The same for one generation: the transformer embeds them in the first step and finds that again in all others.
    /// Clones share it.
    ///
    /// Only for parameters that do not change meanwhile.
    pub fn kept(self) -> Self {
        Self { kept: Kept::once(), ..self }
    }

    /// Their embedding with the parameter `key`.
    ///
    /// # Shapes
    /// - `make`: from `[B, Cc, T, H, W]` to `[B, N, C]`
    pub(super) fn embedded(
        &self,
        key: ParamId,
        make: impl FnOnce(Tensor<5>) -> Tensor<3>,
    ) -> Tensor<3> {
        self.kept.get(key, || make(self.latents.clone()))
    }
}
