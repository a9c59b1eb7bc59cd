//! Vehicles.

use super::pen::{AMBER, Fill, GLASS, INK, LIGHT, Pen, STEEL};

/// A car with two turning wheels.
pub(super) fn car(pen: &mut Pen, phase: f32) {
    pen.polygon(&[[-0.30, -0.04], [-0.17, -0.28], [0.13, -0.28], [0.29, -0.04]], Fill::Tone(0.86));
    pen.facet(&[[-0.23, -0.05], [-0.14, -0.23], [-0.02, -0.23], [-0.02, -0.05]], GLASS);
    pen.facet(&[[0.03, -0.05], [0.03, -0.23], [0.11, -0.23], [0.22, -0.05]], GLASS);
    pen.slab([-0.50, -0.07], [1.0, 0.25], 0.09, Fill::Body);
    pen.pane([0.43, -0.01], [0.06, 0.07], 0.02, AMBER);
    pen.pane([-0.49, -0.01], [0.04, 0.07], 0.02, Fill::Fixed([200, 30, 40]));
    pen.line([-0.06, 0.03], [0.0, 0.03], 0.025, INK);
    pen.wheel([-0.27, 0.17], 0.13, phase);
    pen.wheel([0.27, 0.17], 0.13, phase);
}

/// A lorry: a box behind a cab, three wheels.
pub(super) fn truck(pen: &mut Pen, phase: f32) {
    pen.slab([-0.48, 0.10], [0.94, 0.10], 0.02, INK);
    pen.slab([-0.50, -0.32], [0.66, 0.46], 0.03, Fill::Body);
    pen.polygon(
        &[[0.18, -0.20], [0.37, -0.20], [0.46, -0.02], [0.50, 0.02], [0.50, 0.16], [0.18, 0.16]],
        Fill::Tone(0.80),
    );
    pen.facet(&[[0.25, -0.15], [0.35, -0.15], [0.43, -0.01], [0.25, -0.01]], GLASS);
    pen.pane([0.45, 0.05], [0.05, 0.06], 0.02, AMBER);
    pen.wheel([-0.35, 0.20], 0.115, phase);
    pen.wheel([-0.09, 0.20], 0.115, phase);
    pen.wheel([0.34, 0.20], 0.115, phase);
}

/// A bus: one long body with a row of windows.
pub(super) fn bus(pen: &mut Pen, phase: f32) {
    pen.slab([-0.50, -0.32], [1.0, 0.52], 0.08, Fill::Body);
    for i in 0..4 {
        pen.pane([-0.44 + 0.21 * i as f32, -0.24], [0.17, 0.17], 0.03, GLASS);
    }
    pen.pane([0.40, -0.24], [0.10, 0.22], 0.03, GLASS);
    pen.pane([-0.50, 0.03], [1.0, 0.035], 0.01, Fill::Tone(0.6));
    pen.pane([0.44, 0.09], [0.06, 0.06], 0.02, AMBER);
    pen.wheel([-0.28, 0.20], 0.12, phase);
    pen.wheel([0.26, 0.20], 0.12, phase);
}

/// A sailing boat that rocks.
pub(super) fn boat(pen: &mut Pen, phase: f32) {
    let lean = 0.03 * phase.sin();
    pen.limb([0.02, 0.22], [0.02 + lean, -0.47], 0.045, Fill::Fixed([120, 78, 40]));
    pen.polygon(&[[0.07, 0.14], [0.07 + lean, -0.42], [0.42, 0.14]], Fill::Tone(1.55));
    pen.polygon(&[[-0.03, 0.14], [-0.03 + lean, -0.34], [-0.32, 0.14]], Fill::Tone(1.3));
    pen.polygon(
        &[[-0.50, 0.20], [0.50, 0.20], [0.36, 0.42], [0.28, 0.49], [-0.26, 0.49], [-0.36, 0.42]],
        Fill::Body,
    );
    pen.pane([-0.45, 0.215], [0.9, 0.045], 0.01, Fill::Tone(0.62));
    for i in 0..3 {
        pen.dot([-0.2 + 0.2 * i as f32, 0.35], 0.045, LIGHT);
    }
}

/// An aeroplane seen from the side, its propeller turning.
pub(super) fn plane(pen: &mut Pen, phase: f32) {
    let blade = 0.20 * phase.cos().abs().max(0.35);
    pen.ellipse([0.47, 0.02], [0.028, blade], 0.0, STEEL);
    pen.polygon(&[[-0.50, -0.32], [-0.36, -0.32], [-0.22, -0.04], [-0.44, 0.0]], Fill::Tone(0.8));
    pen.polygon(&[[0.08, -0.08], [0.00, -0.30], [-0.10, -0.30], [-0.10, -0.08]], Fill::Tone(0.7));
    pen.blob(
        &[
            [-0.56, -0.10],
            [-0.20, -0.17],
            [0.22, -0.20],
            [0.54, -0.10],
            [0.54, 0.14],
            [0.20, 0.18],
            [-0.30, 0.12],
        ],
        Fill::Body,
    );
    pen.facet(&[[0.22, -0.13], [0.34, -0.12], [0.40, -0.02], [0.22, -0.02]], GLASS);
    for i in 0..3 {
        pen.dot([-0.16 + 0.12 * i as f32, -0.06], 0.035, GLASS);
    }
    pen.polygon(&[[0.14, 0.05], [-0.02, 0.05], [-0.28, 0.33], [-0.14, 0.33]], Fill::Tone(0.72));
}

/// An upright rocket with a flickering flame.
pub(super) fn rocket(pen: &mut Pen, phase: f32) {
    let flame = 0.10 + 0.05 * phase.sin().abs();
    pen.polygon(&[[-0.10, 0.33], [0.10, 0.33], [0.0, 0.36 + flame]], AMBER);
    pen.polygon(&[[-0.12, 0.06], [-0.26, 0.26], [-0.26, 0.42], [-0.10, 0.32]], Fill::Tone(0.66));
    pen.polygon(&[[0.12, 0.06], [0.26, 0.26], [0.26, 0.42], [0.10, 0.32]], Fill::Tone(0.66));
    pen.blob(
        &[
            [0.0, -0.57],
            [0.15, -0.34],
            [0.20, 0.0],
            [0.15, 0.36],
            [-0.15, 0.36],
            [-0.20, 0.0],
            [-0.15, -0.34],
        ],
        Fill::Body,
    );
    pen.dot([0.0, -0.12], 0.095, LIGHT);
    pen.dot([0.0, -0.12], 0.065, GLASS);
    pen.line([-0.12, 0.14], [0.12, 0.14], 0.035, Fill::Tone(0.6));
    pen.line([-0.11, 0.28], [0.11, 0.28], 0.05, STEEL);
}
