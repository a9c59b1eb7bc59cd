//! Collects the painted parts of one sprite in its own coordinates.
//!
//! A sprite faces right, its centre is the origin, `y` points down, and its longest side is about 1.

use tiny_skia::{Path, PathBuilder, Rect, Transform};

/// How a part is painted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fill {
    /// The object's colour with its texture.
    Body,
    /// The object's colour times a factor: below 1 darker, above 1 mixed with white.
    Tone(f32),
    /// A fixed colour.
    Fixed([u8; 3]),
}

/// Nearly black, for tyres, eyes and outlines.
pub const INK: Fill = Fill::Fixed([28, 28, 36]);
/// Nearly white, for eyes and lamps.
pub const LIGHT: Fill = Fill::Fixed([250, 250, 245]);
/// Window panes.
pub const GLASS: Fill = Fill::Fixed([176, 220, 240]);
/// Metal.
pub const STEEL: Fill = Fill::Fixed([168, 172, 184]);
/// Flames, beaks and lamps.
pub const AMBER: Fill = Fill::Fixed([252, 180, 40]);

/// One painted outline.
#[derive(Debug, Clone)]
pub struct Part {
    /// Outline in sprite coordinates.
    pub path: Path,
    /// Paint.
    pub fill: Fill,
}

/// Collects parts from back to front.
#[derive(Debug, Default)]
pub struct Pen {
    /// What was drawn so far.
    pub parts: Vec<Part>,
    /// Leave out parts that lie inside others.
    pub silhouette_only: bool,
}

impl Pen {
    fn push(&mut self, path: Option<Path>, fill: Fill) {
        if let Some(path) = path {
            self.parts.push(Part { path, fill });
        }
    }

    fn skips(&self, solid: bool) -> bool {
        self.silhouette_only && !solid
    }

    fn ellipse_part(&mut self, c: [f32; 2], r: [f32; 2], degrees: f32, fill: Fill, solid: bool) {
        if self.skips(solid) {
            return;
        }
        let (rx, ry) = (r[0].abs().max(0.004), r[1].abs().max(0.004));
        let oval = Rect::from_ltrb(c[0] - rx, c[1] - ry, c[0] + rx, c[1] + ry)
            .and_then(PathBuilder::from_oval);
        let path = match oval {
            Some(p) if degrees != 0.0 => {
                p.transform(Transform::from_rotate_at(degrees, c[0], c[1]))
            }
            other => other,
        };
        self.push(path, fill);
    }

    /// An ellipse with centre `c`, radii `r`, turned clockwise by `degrees`.
    pub fn ellipse(&mut self, c: [f32; 2], r: [f32; 2], degrees: f32, fill: Fill) {
        self.ellipse_part(c, r, degrees, fill, true);
    }

    /// A disc.
    pub fn disc(&mut self, c: [f32; 2], r: f32, fill: Fill) {
        self.ellipse_part(c, [r, r], 0.0, fill, true);
    }

    /// A disc inside other parts.
    pub fn dot(&mut self, c: [f32; 2], r: f32, fill: Fill) {
        self.ellipse_part(c, [r, r], 0.0, fill, false);
    }

    fn polygon_part(&mut self, points: &[[f32; 2]], fill: Fill, solid: bool) {
        if self.skips(solid) {
            return;
        }
        let mut b = PathBuilder::new();
        for (i, p) in points.iter().enumerate() {
            if i == 0 { b.move_to(p[0], p[1]) } else { b.line_to(p[0], p[1]) }
        }
        b.close();
        self.push(b.finish(), fill);
    }

    /// A polygon.
    pub fn polygon(&mut self, points: &[[f32; 2]], fill: Fill) {
        self.polygon_part(points, fill, true);
    }

    /// A polygon inside other parts.
    pub fn facet(&mut self, points: &[[f32; 2]], fill: Fill) {
        self.polygon_part(points, fill, false);
    }

    /// A smooth closed outline that `points` pull on: the curve touches the middle of each edge.
    pub fn blob(&mut self, points: &[[f32; 2]], fill: Fill) {
        let mid = |a: [f32; 2], b: [f32; 2]| [(a[0] + b[0]) / 2.0, (a[1] + b[1]) / 2.0];
        let n = points.len();
        let mut b = PathBuilder::new();
        let start = mid(points[n - 1], points[0]);
        b.move_to(start[0], start[1]);
        for i in 0..n {
            let end = mid(points[i], points[(i + 1) % n]);
            b.quad_to(points[i][0], points[i][1], end[0], end[1]);
        }
        b.close();
        self.push(b.finish(), fill);
    }

    /// A box with rounded corners, from its top left corner and its size.
    pub fn slab(&mut self, at: [f32; 2], size: [f32; 2], radius: f32, fill: Fill) {
        self.slab_part(at, size, radius, fill, true);
    }

    /// A box with rounded corners inside other parts.
    pub fn pane(&mut self, at: [f32; 2], size: [f32; 2], radius: f32, fill: Fill) {
        self.slab_part(at, size, radius, fill, false);
    }

    fn slab_part(&mut self, at: [f32; 2], size: [f32; 2], r: f32, fill: Fill, solid: bool) {
        if self.skips(solid) {
            return;
        }
        let ([x, y], [w, h]) = (at, size);
        let mut b = PathBuilder::new();
        b.move_to(x + r, y);
        b.line_to(x + w - r, y);
        b.quad_to(x + w, y, x + w, y + r);
        b.line_to(x + w, y + h - r);
        b.quad_to(x + w, y + h, x + w - r, y + h);
        b.line_to(x + r, y + h);
        b.quad_to(x, y + h, x, y + h - r);
        b.line_to(x, y + r);
        b.quad_to(x, y, x + r, y);
        b.close();
        self.push(b.finish(), fill);
    }

    fn limb_part(&mut self, a: [f32; 2], b: [f32; 2], width: f32, fill: Fill, solid: bool) {
        if self.skips(solid) {
            return;
        }
        let (dx, dy) = (b[0] - a[0], b[1] - a[1]);
        let length = dx.hypot(dy).max(1e-4);
        let half = width / 2.0;
        // Along and across the limb, each half a width long; 4/3 of it shapes the round ends.
        let (ux, uy) = (dx / length * half, dy / length * half);
        let (nx, ny) = (-uy, ux);
        let k = 4.0 / 3.0;
        let mut p = PathBuilder::new();
        p.move_to(a[0] + nx, a[1] + ny);
        p.line_to(b[0] + nx, b[1] + ny);
        let (cx, cy) = (b[0] + k * ux, b[1] + k * uy);
        p.cubic_to(cx + nx, cy + ny, cx - nx, cy - ny, b[0] - nx, b[1] - ny);
        p.line_to(a[0] - nx, a[1] - ny);
        let (cx, cy) = (a[0] - k * ux, a[1] - k * uy);
        p.cubic_to(cx - nx, cy - ny, cx + nx, cy + ny, a[0] + nx, a[1] + ny);
        p.close();
        self.push(p.finish(), fill);
    }

    /// A bar with round ends from `a` to `b`.
    pub fn limb(&mut self, a: [f32; 2], b: [f32; 2], width: f32, fill: Fill) {
        self.limb_part(a, b, width, fill, true);
    }

    /// A bar with round ends inside other parts.
    pub fn line(&mut self, a: [f32; 2], b: [f32; 2], width: f32, fill: Fill) {
        self.limb_part(a, b, width, fill, false);
    }

    /// A wheel with two crossing spokes, turned by `angle` radians.
    pub fn wheel(&mut self, c: [f32; 2], r: f32, angle: f32) {
        self.disc(c, r, INK);
        self.dot(c, r * 0.62, STEEL);
        for turn in [0.0, std::f32::consts::FRAC_PI_2] {
            let (s, k) = (angle + turn).sin_cos();
            let d = r * 0.58;
            let (a, b) = ([c[0] - k * d, c[1] - s * d], [c[0] + k * d, c[1] + s * d]);
            self.line(a, b, r * 0.24, INK);
        }
    }
}
