//! Animals.

use super::pen::{AMBER, Fill, INK, LIGHT, Pen};

/// An eye with a light in it.
fn eye(pen: &mut Pen, at: [f32; 2], r: f32) {
    pen.dot(at, r, LIGHT);
    pen.dot([at[0] + r * 0.25, at[1]], r * 0.62, INK);
}

/// A bird from the side, one wing before and one behind the body, beating.
pub(super) fn bird(pen: &mut Pen, phase: f32) {
    // 1 raised, -1 lowered; raised when resting.
    let lift = phase.cos();
    let tip = -0.06 - 0.34 * lift;
    pen.polygon(&[[0.10, -0.06], [-0.06, -0.06], [-0.12, tip * 0.9 - 0.02]], Fill::Tone(0.6));
    pen.polygon(&[[-0.22, -0.02], [-0.50, -0.10], [-0.47, 0.06], [-0.22, 0.12]], Fill::Tone(0.75));
    pen.polygon(&[[0.40, -0.10], [0.52, -0.04], [0.40, 0.0]], AMBER);
    pen.blob(
        &[[-0.38, 0.02], [-0.06, -0.16], [0.26, -0.06], [0.24, 0.18], [-0.02, 0.27], [-0.28, 0.16]],
        Fill::Body,
    );
    pen.disc([0.29, -0.08], 0.145, Fill::Body);
    eye(pen, [0.34, -0.11], 0.045);
    pen.blob(
        &[[0.14, 0.06], [0.02, -0.02], [-0.10, tip - 0.06], [-0.30, tip], [-0.22, 0.08]],
        Fill::Tone(0.72),
    );
}

/// A butterfly seen from above and a little tilted, wings folding and opening.
pub(super) fn butterfly(pen: &mut Pen, phase: f32) {
    // Width of the wings: 1 open, 0.45 nearly folded.
    let open = 0.725 + 0.275 * phase.cos();
    for side in [-1.0f32, 1.0] {
        let x = side * open;
        pen.ellipse([x * 0.25, 0.20], [0.20 * open, 0.21], -side * 25.0, Fill::Tone(0.75));
        pen.ellipse([x * 0.28, -0.17], [0.24 * open, 0.25], side * 30.0, Fill::Body);
        pen.dot([x * 0.30, -0.19], 0.075 * open, LIGHT);
        pen.dot([x * 0.26, 0.22], 0.05 * open, LIGHT);
        pen.limb([0.0, -0.28], [side * 0.09, -0.42], 0.022, INK);
    }
    pen.ellipse([0.0, 0.02], [0.05, 0.31], 0.0, INK);
}

/// A fish whose tail fin beats.
pub(super) fn fish(pen: &mut Pen, phase: f32) {
    let beat = 0.11 * phase.sin();
    let reach = 0.50 - 0.05 * phase.sin().abs();
    pen.polygon(
        &[[-0.22, 0.0], [-reach, -0.22 + beat], [-reach + 0.09, beat], [-reach, 0.22 + beat]],
        Fill::Tone(0.75),
    );
    pen.polygon(&[[-0.10, -0.16], [0.02, -0.32], [0.18, -0.18]], Fill::Tone(0.75));
    pen.polygon(&[[-0.02, 0.18], [-0.02, 0.32], [0.14, 0.18]], Fill::Tone(0.75));
    pen.ellipse([0.12, 0.0], [0.38, 0.215], 0.0, Fill::Body);
    eye(pen, [0.33, -0.05], 0.06);
    pen.facet(&[[0.02, 0.0], [-0.12, 0.09 + beat * 0.4], [-0.02, 0.12]], Fill::Tone(0.6));
    pen.line([0.42, 0.08], [0.48, 0.06], 0.022, INK);
    pen.line([0.22, -0.13], [0.20, 0.13], 0.02, Fill::Tone(0.6));
}

/// Two pairs of legs under a body, each pair stepping against the other.
fn legs(pen: &mut Pen, xs: [f32; 4], hip: f32, foot: f32, phase: f32) {
    for (i, x) in xs.into_iter().enumerate() {
        let near = i >= 2;
        let step = 0.10 * (phase + if i % 2 == 0 { 0.0 } else { std::f32::consts::PI }).sin();
        let fill = if near { Fill::Tone(0.88) } else { Fill::Tone(0.6) };
        pen.limb([x, hip], [x + step, foot - 0.5 * step.abs()], 0.10, fill);
    }
}

/// A dog: hanging ears, a snout, a wagging tail.
pub(super) fn dog(pen: &mut Pen, phase: f32) {
    let wag = 0.12 * (phase * 1.5).sin();
    pen.limb([-0.31, -0.04], [-0.45 + wag * 0.4, -0.26 + wag], 0.075, Fill::Tone(0.8));
    legs(pen, [-0.21, 0.20, -0.29, 0.13], 0.10, 0.355, phase);
    pen.slab([-0.37, -0.13], [0.62, 0.28], 0.12, Fill::Body);
    pen.slab([0.12, -0.38], [0.28, 0.29], 0.10, Fill::Body);
    pen.slab([0.30, -0.26], [0.20, 0.15], 0.06, Fill::Tone(1.25));
    pen.disc([0.48, -0.22], 0.04, INK);
    eye(pen, [0.30, -0.28], 0.042);
    pen.blob(&[[0.10, -0.40], [0.22, -0.36], [0.20, -0.12], [0.08, -0.10]], Fill::Tone(0.55));
    pen.line([0.13, -0.08], [0.24, -0.05], 0.05, Fill::Fixed([214, 60, 50]));
}

/// A cat: pointed ears, whiskers, a long tail curved upwards.
pub(super) fn cat(pen: &mut Pen, phase: f32) {
    let sway = 0.07 * (phase * 0.8).sin();
    pen.limb([-0.30, 0.08], [-0.42, -0.10], 0.07, Fill::Tone(0.8));
    pen.limb([-0.42, -0.10], [-0.38 + sway, -0.40], 0.07, Fill::Tone(0.8));
    legs(pen, [-0.18, 0.16, -0.26, 0.08], 0.16, 0.39, phase);
    pen.ellipse([-0.06, 0.06], [0.30, 0.165], 0.0, Fill::Body);
    pen.polygon(&[[0.06, -0.24], [0.08, -0.45], [0.22, -0.32]], Fill::Tone(0.8));
    pen.polygon(&[[0.44, -0.24], [0.42, -0.45], [0.28, -0.32]], Fill::Tone(0.8));
    pen.ellipse([0.25, -0.17], [0.215, 0.18], 0.0, Fill::Body);
    eye(pen, [0.18, -0.19], 0.05);
    eye(pen, [0.34, -0.19], 0.05);
    pen.facet(&[[0.23, -0.10], [0.31, -0.10], [0.27, -0.06]], Fill::Fixed([230, 120, 140]));
    for dy in [-0.03, 0.02] {
        pen.line([0.09, -0.08 + dy], [0.19, -0.08 + dy * 0.4], 0.014, INK);
        pen.line([0.42, -0.08 + dy], [0.34, -0.08 + dy * 0.4], 0.014, INK);
    }
}
