//! Backgrounds: still pictures in several families, none of which holds an object.

use serde::{Deserialize, Serialize};
use thrumask_core::{Error, Picture, Result, Size};
use tiny_skia::{
    Color as Rgba, FillRule, GradientStop, LinearGradient, Paint, PathBuilder, Pixmap, Point, Rect,
    Shader, SpreadMode, Transform,
};

use super::rng::Rng;

/// The family of a background.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Family {
    /// One colour that fades into another.
    Gradient,
    /// Sky over grass, sometimes with clouds and hills.
    Meadow,
    /// A road with a dashed line below the sky.
    Road,
    /// Waves.
    Water,
    /// Tiles.
    Grid,
    /// Slanted stripes.
    Stripes,
    /// Soft discs.
    Blobs,
    /// Stars on a dark sky.
    Night,
    /// A wall and a floor.
    Room,
    /// Sand under a pale sky.
    Beach,
}

impl Family {
    /// Every family.
    pub const ALL: &'static [Self] = &[
        Self::Gradient,
        Self::Meadow,
        Self::Road,
        Self::Water,
        Self::Grid,
        Self::Stripes,
        Self::Blobs,
        Self::Night,
        Self::Room,
        Self::Beach,
    ];
}

/// One background: a family and the seed of its details.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Backdrop {
    /// Family.
    pub family: Family,
    /// Seed of colours and shapes.
    pub seed: u64,
}

/// Fills shapes on a unit square.
struct Brush<'a> {
    canvas: &'a mut Pixmap,
    transform: Transform,
}

impl Brush<'_> {
    fn fill(&mut self, path: Option<tiny_skia::Path>, shader: Shader<'static>) {
        if let Some(path) = path {
            let paint = Paint { shader, anti_alias: true, ..Paint::default() };
            self.canvas.fill_path(&path, &paint, FillRule::Winding, self.transform, None);
        }
    }

    fn rect(&mut self, x: f32, y: f32, w: f32, h: f32, color: Rgba) {
        let path = Rect::from_xywh(x, y, w, h).map(PathBuilder::from_rect);
        self.fill(path, Shader::SolidColor(color));
    }

    fn oval(&mut self, c: [f32; 2], r: [f32; 2], color: Rgba) {
        let oval = Rect::from_ltrb(c[0] - r[0], c[1] - r[1], c[0] + r[0], c[1] + r[1]);
        self.fill(oval.and_then(PathBuilder::from_oval), Shader::SolidColor(color));
    }

    /// A band from `top` to `bottom` whose colour changes on the way down.
    fn fade(&mut self, top: f32, bottom: f32, upper: Rgba, lower: Rgba) {
        let stops = vec![GradientStop::new(0.0, upper), GradientStop::new(1.0, lower)];
        let (a, b) = (Point::from_xy(0.0, top), Point::from_xy(0.0, bottom));
        let shader = LinearGradient::new(a, b, stops, SpreadMode::Pad, Transform::identity());
        let path = Rect::from_ltrb(0.0, top, 1.0, bottom).map(PathBuilder::from_rect);
        self.fill(path, shader.unwrap_or(Shader::SolidColor(upper)));
    }
}

/// A colour from hue in degrees, and saturation and value in `[0, 1]`.
fn hsv(hue: f32, saturation: f32, value: f32) -> Rgba {
    let channel = |n: f32| {
        let k = (n + hue / 60.0).rem_euclid(6.0);
        let v = value * (1.0 - saturation * k.min(4.0 - k).clamp(0.0, 1.0));
        (v * 255.0 + 0.5) as u8
    };
    Rgba::from_rgba8(channel(5.0), channel(3.0), channel(1.0), 255)
}

/// `color` with `opacity` in `[0, 1]`.
fn sheer(mut color: Rgba, opacity: f32) -> Rgba {
    color.set_alpha(opacity);
    color
}

impl Backdrop {
    /// The background at `size` × `size` pixels.
    ///
    /// # Errors
    /// [`Error::Invalid`] when `size` is 0 or too large to draw.
    pub fn picture(&self, size: usize) -> Result<Picture> {
        let side = u32::try_from(size).ok();
        let Some(mut canvas) = side.and_then(|s| Pixmap::new(s, s)) else {
            let reason = format!("expected a drawable number of pixels, got {size}");
            return Err(Error::invalid("world size", reason));
        };
        let transform = Transform::from_scale(size as f32, size as f32);
        let mut brush = Brush { canvas: &mut canvas, transform };
        let mut rng = Rng::keyed(&[self.seed]);
        self.paint(&mut brush, &mut rng);
        let rgb = canvas.data().chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect();
        Picture::new(Size::new(size, size), rgb)
    }

    fn paint(&self, b: &mut Brush, rng: &mut Rng) {
        match self.family {
            Family::Gradient => {
                let (hue, s) = (rng.range(0.0, 360.0), rng.range(0.05, 0.35));
                let upper = hsv(hue, s, rng.range(0.6, 0.95));
                b.fade(0.0, 1.0, upper, hsv(hue + rng.range(-50.0, 50.0), s, rng.range(0.5, 0.9)));
            }
            Family::Meadow => meadow(b, rng),
            Family::Road => road(b, rng),
            Family::Water => water(b, rng),
            Family::Grid => grid(b, rng),
            Family::Stripes => stripes(b, rng),
            Family::Blobs => blobs(b, rng),
            Family::Night => night(b, rng),
            Family::Room => room(b, rng),
            Family::Beach => beach(b, rng),
        }
    }
}

fn sky(b: &mut Brush, rng: &mut Rng, bottom: f32) {
    let hue = rng.range(195.0, 215.0);
    b.fade(0.0, bottom, hsv(hue, rng.range(0.3, 0.5), 0.92), hsv(hue, 0.14, 0.97));
    for _ in 0..rng.below(3) {
        let (x, y, r) = (rng.unit(), rng.range(0.05, bottom * 0.6), rng.range(0.05, 0.09));
        for (dx, scale) in [(-0.8, 0.7), (0.0, 1.0), (0.9, 0.75)] {
            let cloud = sheer(Rgba::WHITE, 0.8);
            b.oval([x + dx * r, y], [r * scale, r * 0.6 * scale], cloud);
        }
    }
}

fn meadow(b: &mut Brush, rng: &mut Rng) {
    let horizon = rng.range(0.42, 0.68);
    sky(b, rng, horizon + 0.02);
    let hue = rng.range(82.0, 112.0);
    for _ in 0..rng.below(3) {
        let (x, r) = (rng.unit(), rng.range(0.2, 0.4));
        b.oval([x, horizon + 0.06], [r, r * 0.55], hsv(hue + 12.0, 0.34, 0.66));
    }
    b.fade(horizon, 1.0, hsv(hue, 0.42, 0.76), hsv(hue, 0.5, 0.6));
    for _ in 0..10 {
        let (x, y) = (rng.unit(), rng.range(horizon + 0.04, 1.0));
        b.rect(x, y, 0.012, 0.03, hsv(hue, 0.55, 0.5));
    }
}

fn road(b: &mut Brush, rng: &mut Rng) {
    let top = rng.range(0.38, 0.6);
    sky(b, rng, top);
    b.rect(0.0, top - 0.05, 1.0, 0.07, hsv(rng.range(80.0, 110.0), 0.35, 0.68));
    let grey = rng.range(0.46, 0.6);
    b.fade(top, 1.0, hsv(220.0, 0.04, grey + 0.06), hsv(220.0, 0.05, grey));
    b.rect(0.0, top, 1.0, 0.015, hsv(0.0, 0.0, 0.85));
    let (line, start) = (top + (1.0 - top) * 0.52, rng.range(-0.2, 0.0));
    for i in 0..6 {
        b.rect(start + 0.22 * i as f32, line, 0.12, 0.022, hsv(48.0, 0.12, 0.93));
    }
}

fn water(b: &mut Brush, rng: &mut Rng) {
    let horizon = if rng.chance(0.5) { rng.range(0.2, 0.4) } else { 0.0 };
    if horizon > 0.0 {
        sky(b, rng, horizon);
    }
    let hue = rng.range(180.0, 205.0);
    b.fade(horizon, 1.0, hsv(hue, 0.36, 0.84), hsv(hue + 8.0, 0.52, 0.68));
    for _ in 0..16 {
        let (x, y) = (rng.unit(), rng.range(horizon + 0.03, 1.0));
        b.oval([x, y], [rng.range(0.04, 0.10), 0.008], sheer(Rgba::WHITE, 0.35));
    }
}

fn grid(b: &mut Brush, rng: &mut Rng) {
    let (hue, s) = (rng.range(0.0, 360.0), rng.range(0.05, 0.25));
    let (light, dark) = (rng.range(0.72, 0.9), rng.range(0.06, 0.16));
    let n = 4 + rng.below(5);
    let cell = 1.0 / n as f32;
    b.rect(0.0, 0.0, 1.0, 1.0, hsv(hue, s, light));
    let chequered = rng.chance(0.5);
    for i in 0..n {
        let at = i as f32 * cell;
        if chequered {
            for j in (i % 2..n).step_by(2) {
                b.rect(at, j as f32 * cell, cell, cell, hsv(hue, s, light - dark));
            }
        } else {
            b.rect(at, 0.0, 0.012, 1.0, hsv(hue, s, light - dark));
            b.rect(0.0, at, 1.0, 0.012, hsv(hue, s, light - dark));
        }
    }
}

fn stripes(b: &mut Brush, rng: &mut Rng) {
    let (hue, s, v) = (rng.range(0.0, 360.0), rng.range(0.05, 0.28), rng.range(0.7, 0.9));
    b.rect(0.0, 0.0, 1.0, 1.0, hsv(hue, s, v));
    let (width, slant) = (rng.range(0.05, 0.12), rng.range(-0.8, 0.8));
    let other = hsv(hue + rng.range(-25.0, 25.0), s, v - rng.range(0.06, 0.14));
    let mut x = -1.0;
    while x < 2.0 {
        let mut p = PathBuilder::new();
        p.move_to(x, 0.0);
        p.line_to(x + width, 0.0);
        p.line_to(x + width + slant, 1.0);
        p.line_to(x + slant, 1.0);
        p.close();
        b.fill(p.finish(), Shader::SolidColor(other));
        x += 2.0 * width;
    }
}

fn blobs(b: &mut Brush, rng: &mut Rng) {
    let (hue, v) = (rng.range(0.0, 360.0), rng.range(0.6, 0.85));
    b.rect(0.0, 0.0, 1.0, 1.0, hsv(hue, 0.15, v));
    for _ in 0..14 {
        let color = hsv(hue + rng.range(-60.0, 60.0), 0.22, v + rng.range(-0.18, 0.14));
        let (c, r) = ([rng.unit(), rng.unit()], rng.range(0.06, 0.22));
        b.oval(c, [r, r * rng.range(0.7, 1.0)], sheer(color, 0.55));
    }
}

fn night(b: &mut Brush, rng: &mut Rng) {
    let hue = rng.range(220.0, 260.0);
    b.fade(0.0, 1.0, hsv(hue, 0.5, 0.20), hsv(hue, 0.42, 0.38));
    for _ in 0..26 {
        let (c, r) = ([rng.unit(), rng.range(0.0, 0.8)], rng.range(0.003, 0.008));
        b.oval(c, [r, r], sheer(Rgba::WHITE, 0.85));
    }
    if rng.chance(0.5) {
        let (c, r) = ([rng.range(0.1, 0.9), 0.12], 0.06);
        b.oval(c, [r, r], hsv(50.0, 0.12, 0.86));
    }
    if rng.chance(0.6) {
        let top = rng.range(0.75, 0.88);
        b.rect(0.0, top, 1.0, 1.0 - top, hsv(hue + 10.0, 0.4, 0.16));
    }
}

fn room(b: &mut Brush, rng: &mut Rng) {
    let (hue, floor) = (rng.range(20.0, 60.0), rng.range(0.62, 0.78));
    b.rect(0.0, 0.0, 1.0, floor, hsv(hue, rng.range(0.06, 0.2), rng.range(0.78, 0.92)));
    for i in 0..6 {
        b.rect(i as f32 * 0.19, 0.0, 0.008, floor, hsv(hue, 0.16, 0.76));
    }
    b.fade(floor, 1.0, hsv(26.0, 0.36, 0.62), hsv(26.0, 0.4, 0.5));
    b.rect(0.0, floor, 1.0, 0.025, hsv(hue, 0.05, 0.95));
}

fn beach(b: &mut Brush, rng: &mut Rng) {
    let sea = rng.range(0.28, 0.42);
    let sand = sea + rng.range(0.1, 0.2);
    sky(b, rng, sea);
    b.fade(sea, sand, hsv(196.0, 0.42, 0.76), hsv(190.0, 0.3, 0.86));
    b.fade(sand, 1.0, hsv(42.0, 0.24, 0.92), hsv(38.0, 0.32, 0.8));
    b.rect(0.0, sand - 0.01, 1.0, 0.02, sheer(Rgba::WHITE, 0.7));
    for _ in 0..14 {
        let c = [rng.unit(), rng.range(sand + 0.05, 1.0)];
        b.oval(c, [0.008, 0.006], hsv(36.0, 0.38, 0.68));
    }
}
