//! A robot, a ball and a star.

use super::pen::{AMBER, Fill, INK, LIGHT, Pen, STEEL};

/// A robot whose arms and legs swing as it walks.
pub(super) fn robot(pen: &mut Pen, phase: f32) {
    let step = 0.11 * phase.sin();
    pen.limb([0.0, -0.36], [0.0, -0.45], 0.03, STEEL);
    pen.disc([0.0, -0.46], 0.04, AMBER);
    pen.limb([-0.09, 0.20], [-0.09 - step, 0.42], 0.10, STEEL);
    pen.limb([0.09, 0.20], [0.09 + step, 0.42], 0.10, STEEL);
    pen.slab([-0.17 - step, 0.41], [0.18, 0.085], 0.03, INK);
    pen.slab([0.01 + step, 0.41], [0.18, 0.085], 0.03, INK);
    pen.limb([-0.21, -0.02], [-0.31 + step * 0.6, 0.18], 0.08, Fill::Tone(0.7));
    pen.limb([0.21, -0.02], [0.31 + step * 0.6, 0.18], 0.08, Fill::Tone(0.7));
    pen.slab([-0.20, -0.08], [0.40, 0.34], 0.05, Fill::Body);
    pen.slab([-0.17, -0.38], [0.34, 0.28], 0.06, Fill::Tone(1.2));
    pen.dot([-0.07, -0.25], 0.055, LIGHT);
    pen.dot([0.09, -0.25], 0.055, LIGHT);
    pen.dot([-0.055, -0.25], 0.03, INK);
    pen.dot([0.105, -0.25], 0.03, INK);
    pen.line([-0.07, -0.155], [0.09, -0.155], 0.03, INK);
    pen.dot([-0.08, 0.06], 0.04, AMBER);
    pen.pane([0.0, 0.03], [0.13, 0.06], 0.01, LIGHT);
}

/// A ball with a band and a highlight.
pub(super) fn ball(pen: &mut Pen) {
    pen.disc([0.0, 0.0], 0.45, Fill::Body);
    pen.line([-0.38, 0.10], [0.38, 0.10], 0.09, LIGHT);
    pen.dot([-0.15, -0.20], 0.085, LIGHT);
}

/// A five-pointed star with a face of facets.
pub(super) fn star(pen: &mut Pen) {
    let corner = |i: usize, r: f32| {
        let (s, c) = (i as f32 * std::f32::consts::PI / 5.0).sin_cos();
        [s * r, -c * r]
    };
    let outline: Vec<[f32; 2]> =
        (0..10).map(|i| corner(i, if i % 2 == 0 { 0.50 } else { 0.225 })).collect();
    pen.polygon(&outline, Fill::Body);
    for i in 0..5 {
        let tip = corner(2 * i, 0.50);
        pen.facet(&[tip, corner(2 * i + 1, 0.225), [0.0, 0.0]], Fill::Tone(0.82));
    }
}
