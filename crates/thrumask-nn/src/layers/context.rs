//! What tokens attend to across modalities: embedded texts, and what layers make of them.

use burn::{module::ParamId, tensor::Tensor};
use thrumask_kernels::PromptVisibility;

use super::Kept;

/// Embedded texts that tokens attend to.
#[derive(Debug, Clone)]
pub struct Context {
    /// `[B, L, D]`; for object prompts `L` is objects × padded length.
    pub tokens: Tensor<3>,
    /// Which text tokens a query may see.
    pub mask: KeyMask,
    /// Keys and values by the parameter of the keys.
    kept: Kept<(Tensor<3>, Tensor<3>)>,
}

/// Which keys a query may see.
#[derive(Debug, Clone)]
pub enum KeyMask {
    /// The first so many of each batch row.
    Lengths(Vec<usize>),
    /// The prompts of the objects whose boxes the query lies in (eq. 2).
    Prompts(PromptVisibility),
}

impl Context {
    /// Texts whose keys and values each layer makes anew, as training needs it.
    ///
    /// # Shapes
    /// - `tokens`: `[B, L, D]`
    pub fn new(tokens: Tensor<3>, mask: KeyMask) -> Self {
        Self { tokens, mask, kept: Kept::default() }
    }

    /// The same texts for one generation: each layer makes its keys and values in the first step
    /// and finds them again in all others. Clones share them.
    ///
    /// Only for parameters that do not change meanwhile.
    pub fn kept(self) -> Self {
        Self { kept: Kept::once(), ..self }
    }

    /// Keys and values of the layer whose keys are made with the parameter `key`.
    ///
    /// # Shapes
    /// - `make`: from `[B, L, D]` to twice `[B, L, C]`
    pub(super) fn projected(
        &self,
        key: ParamId,
        make: impl FnOnce(Tensor<3>) -> (Tensor<3>, Tensor<3>),
    ) -> (Tensor<3>, Tensor<3>) {
        self.kept.get(key, || make(self.tokens.clone()))
    }
}
