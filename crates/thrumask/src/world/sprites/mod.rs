//! The sprites: each kind as a function of the phase of its moving parts.

mod animals;
mod pen;
mod things;
mod vehicles;

pub(crate) use pen::{Fill, Part, Pen};

use super::vocabulary::Kind;

/// Parts of `kind` from back to front.
///
/// `phase` is in radians and drives wheels, legs, wings, tails and flames; 0 is the resting pose.
/// With `silhouette_only`, parts that cannot change the outline may be left out.
pub(crate) fn parts(kind: Kind, phase: f32, silhouette_only: bool) -> Vec<Part> {
    let mut pen = Pen { parts: Vec::with_capacity(24), silhouette_only };
    match kind {
        Kind::Car => vehicles::car(&mut pen, phase),
        Kind::Truck => vehicles::truck(&mut pen, phase),
        Kind::Bus => vehicles::bus(&mut pen, phase),
        Kind::Boat => vehicles::boat(&mut pen, phase),
        Kind::Plane => vehicles::plane(&mut pen, phase),
        Kind::Rocket => vehicles::rocket(&mut pen, phase),
        Kind::Bird => animals::bird(&mut pen, phase),
        Kind::Butterfly => animals::butterfly(&mut pen, phase),
        Kind::Fish => animals::fish(&mut pen, phase),
        Kind::Dog => animals::dog(&mut pen, phase),
        Kind::Cat => animals::cat(&mut pen, phase),
        Kind::Robot => things::robot(&mut pen, phase),
        Kind::Ball => things::ball(&mut pen),
        Kind::Star => things::star(&mut pen),
    }
    pen.parts
}

/// Half the width and half the height of `kind`, in sprite units.
pub(crate) const fn half_extent(kind: Kind) -> (f32, f32) {
    match kind {
        Kind::Car => (0.50, 0.30),
        Kind::Truck => (0.50, 0.32),
        Kind::Bus => (0.50, 0.32),
        Kind::Boat => (0.50, 0.50),
        Kind::Plane => (0.50, 0.34),
        Kind::Rocket => (0.26, 0.50),
        Kind::Bird => (0.50, 0.42),
        Kind::Butterfly => (0.50, 0.44),
        Kind::Fish => (0.50, 0.32),
        Kind::Dog => (0.50, 0.40),
        Kind::Cat => (0.48, 0.44),
        Kind::Robot => (0.36, 0.50),
        Kind::Ball => (0.45, 0.45),
        Kind::Star => (0.48, 0.48),
    }
}

/// Centre of the silhouette's area, in sprite units: what spins turns about it, so that its mask
/// stays where it is.
pub(crate) const fn mass_center(kind: Kind) -> [f32; 2] {
    match kind {
        Kind::Boat => [0.02, 0.155],
        Kind::Fish => [0.06, 0.0],
        Kind::Truck => [-0.045, 0.0],
        Kind::Robot => [0.0, 0.035],
        Kind::Car => [0.0, 0.025],
        Kind::Bus => [0.0, -0.035],
        _ => [0.0, 0.0],
    }
}

/// Radians by which the phase advances for each of the object's own lengths travelled.
pub(crate) const fn stride(kind: Kind) -> f32 {
    match kind {
        Kind::Car | Kind::Truck | Kind::Bus => 7.0,
        Kind::Dog | Kind::Cat => 9.0,
        Kind::Robot => 8.0,
        _ => 0.0,
    }
}

/// Radians by which the phase advances per frame while the object does anything but rest or spin.
pub(crate) const fn beat(kind: Kind) -> f32 {
    match kind {
        Kind::Bird => 1.7,
        Kind::Butterfly => 1.5,
        Kind::Fish => 1.4,
        Kind::Plane => 1.9,
        Kind::Rocket => 2.3,
        Kind::Boat => 0.9,
        Kind::Dog | Kind::Cat => 0.5,
        _ => 0.0,
    }
}
