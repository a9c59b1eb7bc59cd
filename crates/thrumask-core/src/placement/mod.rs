//! Where the objects of a first frame lie in later ones: each shifted, turned and resized as a whole.
//!
//! Masks say which pixels are an object's, not which of its points is where. A placement fitted to
//! them says nearly that of anything stiff, so that its outline ([`carry_masks`]) and its looks
//! ([`carry_picture`]) can be taken along from the first frame. What bends, as legs and wings do, is taken along as it
//! is in the first frame.

mod cutout;
mod fit;
mod ground;
mod leaving;
mod looks;
mod outlines;
mod paths;
mod sight;
mod sources;

pub use looks::carry_picture;
pub use outlines::carry_masks;

/// How an object turns, at a steady pace, where that is known before its frames are looked at.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Turn {
    /// Which way round.
    pub way: Way,
    /// How far from the first frame to the last, in radians, positive, where that is known too.
    pub angle: Option<f32>,
}

/// Which way round an object turns.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Way {
    /// As it is seen.
    Clockwise,
    /// As it is seen.
    Counterclockwise,
    /// One way or the other.
    Either,
}

impl Way {
    fn may_be(self, angle: f32) -> bool {
        match self {
            Self::Clockwise => angle > 0.0,
            Self::Counterclockwise => angle < 0.0,
            Self::Either => angle != 0.0,
        }
    }
}

/// Shift, turn and size of an object in relation to the first frame.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Placement {
    /// Where the centroid of the first mask lies, in pixels; pixel centres lie at half-integers.
    center: [f32; 2],
    /// Turn in radians, clockwise as it is seen.
    angle: f32,
    /// Length in relation to the first, positive.
    scale: f32,
}

impl Placement {
    /// The map from points of the later frame to those of the first, in which the centroid is `from`.
    fn source(&self, from: [f32; 2]) -> impl Fn([f32; 2]) -> [f32; 2] + use<> {
        let (sin, cos) = self.angle.sin_cos();
        let (sin, cos, center) = (sin / self.scale, cos / self.scale, self.center);
        move |[x, y]| {
            let [dx, dy] = [x - center[0], y - center[1]];
            [from[0] + cos * dx + sin * dy, from[1] - sin * dx + cos * dy]
        }
    }

    /// The placement at `share` (0 to 1) of the way to another.
    fn toward(&self, other: &Self, share: f32) -> Self {
        let mix = |a: f32, b: f32| a + share * (b - a);
        Self {
            center: [mix(self.center[0], other.center[0]), mix(self.center[1], other.center[1])],
            angle: mix(self.angle, other.angle),
            scale: mix(self.scale, other.scale),
        }
    }
}

/// The centre of pixel `i`, in pixels.
fn point(i: usize, size: crate::Size) -> [f32; 2] {
    [(i % size.width) as f32 + 0.5, (i / size.width) as f32 + 0.5]
}

#[cfg(test)]
mod tests;
