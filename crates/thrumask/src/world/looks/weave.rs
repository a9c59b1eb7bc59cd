//! Procedural textures: a value in `[0, 1]` for each place of the plane, and colours for values.

use super::super::rng::Rng;

/// The kind of a texture.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Pattern {
    /// Sums of smooth noise, each half as large and twice as fine: clouds, stone, plaster.
    Cloud,
    /// Bands that noise bends: marble, wood, stripes.
    Bands,
    /// Distances to scattered points: scales, pebbles, cells.
    Cells,
    /// Bars that cross: cloth, windows, tiles.
    Plaid,
}

/// One texture.
#[derive(Debug, Clone)]
pub(super) struct Weave {
    pattern: Pattern,
    seed: u64,
    /// From the plane to the texture: rows of a matrix that turns, stretches and shrinks.
    rows: [[f32; 2]; 2],
    /// How far noise bends it.
    bent: f32,
    /// How steep the way from dark to light is.
    contrast: f32,
}

impl Weave {
    /// A random texture of about `pitch` features in the width of 1.
    pub fn random(pitch: f32, rng: &mut Rng) -> Self {
        let all = [Pattern::Cloud, Pattern::Bands, Pattern::Cells, Pattern::Plaid];
        let (sin, cos) = rng.range(0.0, std::f32::consts::PI).sin_cos();
        // Up to four times as long as wide: fur, grass, planks.
        let long = if rng.chance(0.4) { rng.range(1.5, 4.0) } else { 1.0 };
        Self {
            pattern: rng.pick(&all),
            seed: rng.bits(),
            rows: [[cos * pitch, sin * pitch], [-sin * pitch / long, cos * pitch / long]],
            bent: rng.range(0.0, 0.8),
            contrast: rng.range(1.0, 3.0),
        }
    }

    /// The value at a place, in `[0, 1]`.
    pub fn at(&self, at: [f32; 2]) -> f32 {
        let p = self.rows.map(|r| r[0] * at[0] + r[1] * at[1]);
        let value = match self.pattern {
            Pattern::Cloud => self.cloud(p, 0),
            Pattern::Bands => wave(p[0] + 2.5 * self.bent * self.cloud(p, 0)),
            Pattern::Cells => (1.1 * self.nearest(self.moved(p))).min(1.0),
            Pattern::Plaid => {
                let q = self.moved(p);
                0.5 * (wave(q[0]) + wave(q[1]))
            }
        };
        ((value - 0.5) * self.contrast + 0.5).clamp(0.0, 1.0)
    }

    /// `p` bent by noise.
    fn moved(&self, p: [f32; 2]) -> [f32; 2] {
        let by = |layer: u64| self.bent * (self.cloud(p, layer) - 0.5);
        [p[0] + by(8), p[1] + by(16)]
    }

    /// Sums of noise at three scales, in `[0, 1]`.
    fn cloud(&self, p: [f32; 2], layer: u64) -> f32 {
        let octave = |i: u64| {
            let scale = (1u64 << i) as f32;
            self.noise([p[0] * scale, p[1] * scale], layer + i) / scale
        };
        (octave(0) + octave(1) + octave(2)) / 1.75
    }

    /// Smooth noise: random values at whole places, blended between them.
    fn noise(&self, p: [f32; 2], layer: u64) -> f32 {
        let cell = p.map(f32::floor);
        let [u, v] = [0, 1].map(|i| {
            let f = p[i] - cell[i];
            f * f * (3.0 - 2.0 * f)
        });
        let corner = |dx: i32, dy: i32| {
            let [x, y] = [cell[0] as i32 + dx, cell[1] as i32 + dy];
            self.place(x, y, layer).unit()
        };
        let blend = |a: f32, b: f32, f: f32| a + (b - a) * f;
        blend(blend(corner(0, 0), corner(1, 0), u), blend(corner(0, 1), corner(1, 1), u), v)
    }

    /// Distance to the nearest of the points of which one lies in each cell.
    fn nearest(&self, p: [f32; 2]) -> f32 {
        let cell = p.map(|v| v.floor() as i32);
        let mut least = f32::MAX;
        for (dx, dy) in (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dx, dy))) {
            let (x, y) = (cell[0] + dx, cell[1] + dy);
            let mut rng = self.place(x, y, 32);
            let to = [x as f32 + rng.unit() - p[0], y as f32 + rng.unit() - p[1]];
            least = least.min(to[0].hypot(to[1]));
        }
        least
    }

    /// The random numbers of a whole place.
    fn place(&self, x: i32, y: i32, layer: u64) -> Rng {
        Rng::keyed(&[self.seed, layer, x as u64, y as u64])
    }
}

/// Up and down once for each unit, in `[0, 1]`.
fn wave(x: f32) -> f32 {
    0.5 + 0.5 * (std::f32::consts::TAU * x).sin()
}

/// Three colours, from that of the value 0 to that of the value 1, in `[0, 255]`.
#[derive(Debug, Clone)]
pub(super) struct Paint([[f32; 3]; 3]);

impl Paint {
    /// Any colours.
    pub fn random(rng: &mut Rng) -> Self {
        let first = [0; 3].map(|_| rng.range(15.0, 245.0));
        // Colours far from each other are rare in one thing.
        let apart = rng.range(20.0, 110.0);
        let mut next = || first.map(|c| (c + rng.range(-apart, apart)).clamp(0.0, 255.0));
        Self([next(), first, next()])
    }

    /// Darker and lighter ones of about the same hue.
    pub fn around(color: [u8; 3], rng: &mut Rng) -> Self {
        let depth = rng.range(0.15, 0.55);
        let own = color.map(f32::from);
        let mut toned = |by: f32| {
            own.map(|c| ((c + rng.range(-14.0, 14.0)) * (1.0 - by) + 255.0 * by.max(0.0)).max(0.0))
        };
        let (dark, light) = (toned(0.0).map(|c| c * (1.0 - depth)), toned(0.8 * depth));
        Self([dark, own, light].map(|c| c.map(|v| v.min(255.0))))
    }

    /// The colour of a value in `[0, 1]`.
    pub fn color(&self, value: f32) -> [f32; 3] {
        let (from, f) = if value < 0.5 { (0, 2.0 * value) } else { (1, 2.0 * value - 1.0) };
        [0, 1, 2].map(|c| self.0[from][c] + (self.0[from + 1][c] - self.0[from][c]) * f)
    }
}
