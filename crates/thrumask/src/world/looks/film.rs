//! What a camera does to a scene: light and its colour, focus, grain, shaking.

use thrumask_core::{Picture, Size};

use super::super::rng::Rng;

/// How far a camera may move from where it began, as a fraction of the picture's side.
pub(super) const SHAKE: f32 = 0.025;

/// Light, focus and grain of one clip.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Film {
    /// Exponent of the brightness.
    gamma: f32,
    /// Factor of each channel.
    cast: [f32; 3],
    /// Which way the light comes from: how much brighter the far end of the picture is.
    slope: [f32; 2],
    /// How much darker the corners are.
    vignette: f32,
    /// Standard deviation of the blur, as a fraction of the side.
    focus: f32,
    /// Standard deviation of the grain in levels of 255.
    grain: f32,
    /// Whether each frame has its own grain, as film and sensors have; otherwise it lies on all of them
    /// alike.
    lively: bool,
}

impl Film {
    pub fn random(rng: &mut Rng) -> Self {
        let tint = |rng: &mut Rng| rng.range(0.82, 1.18);
        Self {
            gamma: rng.range(0.75, 1.35),
            cast: [tint(rng), tint(rng), tint(rng)],
            slope: [rng.range(-0.35, 0.35), rng.range(-0.35, 0.35)],
            vignette: rng.range(0.0, 0.45),
            focus: if rng.chance(0.4) { rng.range(0.004, 0.012) } else { 0.0 },
            grain: if rng.chance(0.6) { rng.range(1.0, 8.0) } else { 0.0 },
            lively: rng.chance(0.5),
        }
    }

    /// Light and focus.
    pub fn expose(&self, picture: Picture) -> Picture {
        let side = picture.size().width as f32;
        let mut picture = match self.focus {
            0.0 => picture,
            focus => picture.blurred(focus * side),
        };
        // Brightness as a table: one power for each level and channel.
        let level = |c: usize, v: usize| self.cast[c] * (v as f32 / 255.0).powf(self.gamma);
        let tables: Vec<Vec<f32>> =
            (0..3).map(|c| (0..256).map(|v| level(c, v)).collect()).collect();
        let width = picture.size().width;
        for (i, pixel) in picture.rgb_mut().chunks_exact_mut(3).enumerate() {
            let [x, y] = [i % width, i / width].map(|v| (v as f32 + 0.5) / side - 0.5);
            let light = (1.0 + self.slope[0] * x + self.slope[1] * y)
                * (1.0 - self.vignette * 2.0 * (x * x + y * y));
            for (v, table) in pixel.iter_mut().zip(&tables) {
                *v = (255.0 * light * table[usize::from(*v)] + 0.5).clamp(0.0, 255.0) as u8;
            }
        }
        picture
    }

    /// Light, focus and the grain of frame `t`.
    pub fn develop(&self, picture: Picture, seed: u64, t: usize) -> Picture {
        let mut picture = self.expose(picture);
        if self.grain > 0.0 {
            let frame = if self.lively { t as u64 + 1 } else { 0 };
            let mut rng = Rng::keyed(&[seed, u64::MAX, frame]);
            for v in picture.rgb_mut() {
                // A sum of four: near enough to a normal distribution, of variance 1/3.
                let sum: f32 = [0; 4].map(|_| rng.unit()).iter().sum::<f32>() - 2.0;
                let by = self.grain * 3f32.sqrt() * sum;
                *v = (f32::from(*v) + by + 0.5).clamp(0.0, 255.0) as u8;
            }
        }
        picture
    }
}

/// Where the camera has gone in each frame: in half of the clips nowhere, otherwise a few slow and
/// fast swings that begin at nothing.
pub(super) fn shake(frames: usize, rng: &mut Rng) -> Vec<[f32; 2]> {
    if rng.chance(0.5) {
        return vec![[0.0; 2]; frames];
    }
    let reach = rng.range(0.2, 1.0) * SHAKE;
    let swings = [0; 4].map(|_| [rng.range(0.3, 2.5), rng.range(0.0, std::f32::consts::TAU)]);
    let swing = |[speed, start]: [f32; 2], time: f32| {
        ((std::f32::consts::TAU * speed * time + start).sin() - start.sin()) / 4.0
    };
    let at = |t: usize| {
        let time = t as f32 / frames as f32;
        [0, 2].map(|i| reach * (swing(swings[i], time) + swing(swings[i + 1], time)))
    };
    (0..frames).map(at).collect()
}

/// A picture moved by a fraction of its side, its edge drawn out; blended between pixels.
pub(super) fn shifted(picture: &Picture, by: [f32; 2]) -> Picture {
    if by == [0.0; 2] {
        return picture.clone();
    }
    let Size { width, height } = picture.size();
    let mut moved = picture.clone();
    let last = [width - 1, height - 1].map(|v| v as f32);
    for (i, pixel) in moved.rgb_mut().chunks_exact_mut(3).enumerate() {
        let x = ((i % width) as f32 - by[0] * width as f32).clamp(0.0, last[0]);
        let y = ((i / width) as f32 - by[1] * height as f32).clamp(0.0, last[1]);
        let (x0, y0) = (x as usize, y as usize);
        let (x1, y1) = ((x0 + 1).min(width - 1), (y0 + 1).min(height - 1));
        let (fx, fy) = (x - x0 as f32, y - y0 as f32);
        let corners = [(x0, y0), (x1, y0), (x0, y1), (x1, y1)].map(|(x, y)| picture.pixel(x, y));
        for c in 0..3 {
            let [a, b, d, e] = corners.map(|p| f32::from(p[c]));
            let (upper, lower) = (a + (b - a) * fx, d + (e - d) * fx);
            pixel[c] = (upper + (lower - upper) * fy + 0.5) as u8;
        }
    }
    moved
}
