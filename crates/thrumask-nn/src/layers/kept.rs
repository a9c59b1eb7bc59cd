//! What layers make of an input that stays the same for all steps of a generation.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use burn::module::ParamId;

/// What layers made, by the parameter that each made it with; clones share it. Made anew each time by default, as
/// training needs it.
#[derive(Debug, Clone)]
pub struct Kept<T>(Option<Arc<Mutex<HashMap<ParamId, T>>>>);

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(None)
    }
}

impl<T: Clone> Kept<T> {
    /// What is made once and found again. Only for inputs and parameters that do not change meanwhile.
    pub fn once() -> Self {
        Self(Some(Arc::default()))
    }

    /// What the layer with the parameter `key` makes.
    pub fn get(&self, key: ParamId, make: impl FnOnce() -> T) -> T {
        let Some(kept) = &self.0 else { return make() };
        // A map without half-done entries, so a panic elsewhere while it was held left it whole.
        let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.entry(key).or_insert_with(make).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_made_once_for_each_parameter_and_shared() {
        let (a, b) = (ParamId::new(), ParamId::new());
        let kept = Kept::once();
        assert_eq!((kept.get(a, || 1), kept.get(b, || 2)), (1, 2));
        let clone = kept.clone();
        assert_eq!((clone.get(a, || 3), clone.get(b, || 3), kept.get(a, || 3)), (1, 2, 1));
        let anew = Kept::default();
        assert_eq!((anew.get(a, || 1), anew.get(a, || 2)), (1, 2));
    }
}
