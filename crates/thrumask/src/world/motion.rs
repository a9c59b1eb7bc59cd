//! Paths of motion: where an object is, how large and how turned, at each moment of the clip.
//!
//! Lengths are fractions of the picture's side, `y` points down, angles are degrees clockwise, and
//! the moment `u` runs from 0 in the first frame to 1 in the last.

use std::f32::consts::{PI, TAU};

/// Exponent of the moment in a fall: a little more than a free fall's 2, so that the acceleration
/// can be told from a steady descent in a dozen frames.
const FALL_POWER: f32 = 2.2;

/// Where an object is relative to its start.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Offset {
    /// To the right and down.
    pub shift: [f32; 2],
    /// Factor on the size at the start.
    pub scale: f32,
    /// Turn in degrees, clockwise.
    pub angle: f32,
}

/// One path with all its parameters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Motion {
    /// Stays.
    Still,
    /// Along a straight line at a steady speed.
    Glide { by: [f32; 2] },
    /// Straight down, faster and faster.
    Fall { depth: f32 },
    /// Up and back down, as thrown.
    Jump { height: f32 },
    /// Turns in place.
    Spin { degrees: f32 },
    /// Becomes `factor` times as large.
    Resize { factor: f32 },
    /// Once round a circle, starting at angle `from` (radians) of it; `way` is 1 or -1.
    Circle { radius: f32, from: f32, way: f32 },
    /// From side to side by `reach`; turns about a pivot `length` above when that is given.
    Swing { reach: f32, periods: f32, way: f32, length: Option<f32> },
    /// Along `by`, with `turns` sideways strokes of `reach` to either side.
    ZigZag { by: [f32; 2], reach: f32, turns: f32 },
    /// Along `by` until the moment `hit`, then back by the fraction `rebound` of it.
    Ram { by: [f32; 2], hit: f32, rebound: f32 },
    /// Still until the moment `hit`, then along `by`, slowing down.
    Knocked { by: [f32; 2], hit: f32 },
}

impl Motion {
    /// The offset at moment `u` in `[0, 1]`.
    pub fn at(&self, u: f32) -> Offset {
        let mut o = Offset { shift: [0.0, 0.0], scale: 1.0, angle: 0.0 };
        match *self {
            Self::Still => {}
            Self::Glide { by } => o.shift = along(by, u),
            Self::Fall { depth } => o.shift = [0.0, depth * u.powf(FALL_POWER)],
            Self::Jump { height } => o.shift = [0.0, -height * 4.0 * u * (1.0 - u)],
            Self::Spin { degrees } => o.angle = degrees * u,
            Self::Resize { factor } => o.scale = factor.powf(u),
            Self::Circle { radius, from, way } => {
                let now = from + way * TAU * u;
                o.shift = [radius * (now.cos() - from.cos()), radius * (now.sin() - from.sin())];
            }
            Self::Swing { reach, periods, way, length } => {
                let wave = way * (TAU * periods * u).sin();
                match length {
                    // A pendulum: the pivot lies `length` above the start.
                    Some(length) => {
                        let turn = (reach / length).min(0.95).asin() * wave;
                        o.shift = [length * turn.sin(), length * (turn.cos() - 1.0)];
                        o.angle = -turn.to_degrees();
                    }
                    None => o.shift = [reach * wave, 0.0],
                }
            }
            Self::ZigZag { by, reach, turns } => {
                let norm = by[0].hypot(by[1]).max(1e-6);
                let side = reach * triangle(turns * u);
                o.shift = along(by, u);
                o.shift[0] -= by[1] / norm * side;
                o.shift[1] += by[0] / norm * side;
            }
            Self::Ram { by, hit, rebound } => {
                let way = if u < hit {
                    u / hit
                } else {
                    let back = ((u - hit) / (1.0 - hit) * 1.6).min(1.0);
                    1.0 - rebound * back * (2.0 - back)
                };
                o.shift = along(by, way);
            }
            Self::Knocked { by, hit } => {
                let v = ((u - hit) / (1.0 - hit)).max(0.0);
                o.shift = along(by, v * (2.0 - v));
            }
        }
        o
    }

    /// Offsets at `frames` moments, evenly spaced from 0 to 1.
    pub fn offsets(&self, frames: usize) -> Vec<Offset> {
        let last = frames.saturating_sub(1).max(1) as f32;
        (0..frames).map(|i| self.at(i as f32 / last)).collect()
    }
}

fn along(by: [f32; 2], u: f32) -> [f32; 2] {
    [by[0] * u, by[1] * u]
}

/// A wave of straight strokes: 0, up to 1, down to -1, back to 0 as `x` grows by 2; each growth by
/// 1 is a half wave, so a whole number of turns ends on the line it started from.
fn triangle(x: f32) -> f32 {
    (2.0 / PI) * (PI * x).sin().clamp(-1.0, 1.0).asin()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_start_at_rest_and_end_where_they_should() {
        let by = [0.3, 0.0];
        let ends = [
            (Motion::Glide { by }, [0.3, 0.0]),
            (Motion::Fall { depth: 0.4 }, [0.0, 0.4]),
            (Motion::Jump { height: 0.3 }, [0.0, 0.0]),
            (Motion::Circle { radius: 0.2, from: 1.0, way: -1.0 }, [0.0, 0.0]),
            (Motion::ZigZag { by, reach: 0.1, turns: 3.0 }, [0.3, 0.0]),
            (Motion::Ram { by, hit: 0.5, rebound: 0.2 }, [0.24, 0.0]),
            (Motion::Knocked { by, hit: 0.5 }, [0.3, 0.0]),
        ];
        for (motion, end) in ends {
            let (a, b) = (motion.at(0.0), motion.at(1.0));
            assert_eq!((a.shift, a.scale, a.angle), ([0.0, 0.0], 1.0, 0.0), "{motion:?}");
            for (got, wanted) in b.shift.iter().zip(end) {
                assert!((got - wanted).abs() < 1e-5, "{motion:?}: {b:?}");
            }
        }
    }
}
