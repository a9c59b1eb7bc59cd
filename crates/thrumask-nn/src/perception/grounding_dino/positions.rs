//! Places as waves: sines and cosines of numbers, each pair of slower frequency than the one before.

use std::f32::consts::TAU;

/// Appends `count` numbers for a value, counted in turns: of the pair `i`, the sine and the cosine of
/// `value / temperature^(2·i / count)`.
fn push_waves(value: f32, count: usize, temperature: f32, to: &mut Vec<f32>) {
    for i in 0..count {
        let angle = value * TAU / temperature.powf((2 * (i / 2)) as f32 / count as f32);
        to.push(if i % 2 == 0 { angle.sin() } else { angle.cos() });
    }
}

/// The waves of places in texts, with `width` numbers each.
pub(super) fn of_tokens(positions: &[Vec<u32>], width: usize) -> Vec<f32> {
    let mut found = Vec::new();
    for &position in positions.iter().flatten() {
        push_waves(position as f32, width, 10_000.0, &mut found);
    }
    found
}

/// The waves of boxes of four shares each (centre, then width and height), with `width` numbers for each of
/// row, column, width and height.
pub(super) fn of_boxes(boxes: &[f32], width: usize) -> Vec<f32> {
    let mut found = Vec::with_capacity(boxes.len() * width);
    for bounds in boxes.chunks_exact(4) {
        for i in [1, 0, 2, 3] {
            push_waves(bounds[i], width, 10_000.0, &mut found);
        }
    }
    found
}

/// The waves of the cells of a grid, of which the first `valid` rows and columns lie on the picture: the share
/// of the picture's rows, then of its columns, with `width / 2` numbers each.
pub(super) fn of_cells(
    [rows, columns]: [usize; 2],
    [valid_rows, valid_columns]: [usize; 2],
    width: usize,
    temperature: f32,
) -> Vec<f32> {
    // Counted over valid cells, and zero along lines that have none.
    let share = |i: usize, valid: usize| (i + 1).min(valid) as f32 / (valid as f32 + 1e-6);
    let waves = |count: usize, valid: usize| -> Vec<Vec<f32>> {
        let of = |i: usize| {
            let mut waves = Vec::with_capacity(width / 2);
            push_waves(share(i, valid), width / 2, temperature, &mut waves);
            waves
        };
        (0..count).map(of).collect()
    };
    let (down, across) = (waves(rows, valid_rows), waves(columns, valid_columns));
    let mut nowhere = Vec::new();
    push_waves(0.0, width / 2, temperature, &mut nowhere);
    let mut found = Vec::with_capacity(rows * columns * width);
    for (y, down) in down.iter().enumerate() {
        for (x, across) in across.iter().enumerate() {
            found.extend(if x < valid_columns { down } else { &nowhere });
            found.extend(if y < valid_rows { across } else { &nowhere });
        }
    }
    found
}
