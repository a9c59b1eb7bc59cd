//! What a network takes.

/// What one forward pass of a network takes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Cost {
    /// Floating-point operations.
    pub operations: f64,
    /// How many of them are those of 3×3 convolutions, which need not all be done.
    pub convolved: f64,
    /// Floats alive at the widest place, without parameters.
    pub floats: f64,
}
