//! Optical flow: how far each pixel moves from one frame to the next. [`FlowWheel`] draws it in the
//! colours of the Middlebury benchmark and reads it back; [`advect()`] moves label maps along it,
//! [`moved_back`] pictures against it. Fields are kept in `.flo` files.

mod advect;
mod flo;
mod warp;
mod wheel;

pub use advect::{advect, advect_all};
pub use flo::is_flo;
pub use warp::{moved_back, warp_error};
pub use wheel::FlowWheel;

use crate::{Error, Result, Size};

/// The displacement of each pixel from frame t to frame t + 1.
#[derive(Debug, Clone, PartialEq)]
pub struct FlowField {
    size: Size,
    /// `H·W` displacements `[dx, dy]` in pixels, row-major, `y` down.
    vectors: Vec<[f32; 2]>,
}

impl FlowField {
    /// A field from `H·W` displacements `[dx, dy]` in pixels, row-major.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when their number does not fit the size; [`Error::Invalid`] when one is
    /// not finite.
    pub fn new(size: Size, vectors: Vec<[f32; 2]>) -> Result<Self> {
        if vectors.len() != size.area() {
            return Err(Error::mismatch("flow vectors", size.area(), vectors.len()));
        }
        if let Some(i) = vectors.iter().position(|v| !v.iter().all(|x| x.is_finite())) {
            let reason = format!("expected finite numbers, got {:?} at pixel {i}", vectors[i]);
            return Err(Error::invalid("flow vectors", reason));
        }
        Ok(Self { size, vectors })
    }

    /// A field in which nothing moves.
    pub fn still(size: Size) -> Self {
        Self { size, vectors: vec![[0.0; 2]; size.area()] }
    }

    /// Width and height.
    pub fn size(&self) -> Size {
        self.size
    }

    /// All displacements, row-major.
    pub fn vectors(&self) -> &[[f32; 2]] {
        &self.vectors
    }

    /// The greatest displacement, in pixels.
    pub fn greatest(&self) -> f32 {
        self.vectors.iter().fold(0.0, |greatest: f32, [dx, dy]| greatest.max(dx.hypot(*dy)))
    }

    /// The mean displacement, in pixels.
    pub fn mean(&self) -> f32 {
        let sum: f64 = self.vectors.iter().map(|[dx, dy]| f64::from(dx.hypot(*dy))).sum();
        (sum / self.vectors.len().max(1) as f64) as f32
    }

    /// The displacement of the pixel at column `x`, row `y`, which must lie inside.
    pub fn at(&self, x: usize, y: usize) -> [f32; 2] {
        self.vectors[y * self.size.width + x]
    }
}
