//! The colours of mask-based motion trajectories: one constant colour per object on black.
//!
//! The paper's own colours (read off its figures: half of FF4040, FFA1A0, FF7633, FFB633, …) lie as
//! little as 28 levels apart, closer than the drift that generated colours show, so ours are spread
//! out instead: see `docs/adr/0002-palette.md`.

use std::sync::LazyLock;

/// A generated colour further than this from every palette colour (Euclidean distance in levels,
/// 0-442) counts as background when it is snapped.
pub const SNAP_THRESHOLD: f32 = 110.0;

/// Colours of the first objects, chosen by hand to lie far apart and to be told apart by eye.
const FIRST: [[u8; 3]; 8] = [
    [255, 64, 64],
    [64, 144, 255],
    [96, 224, 64],
    [255, 208, 48],
    [200, 72, 255],
    [48, 224, 216],
    [255, 144, 200],
    [255, 255, 255],
];

/// Colour of each palette index; index 0 is black, the background.
///
/// Beyond the first eight, each colour is the point of a 7×7×7 grid that lies furthest from all
/// colours before it, ties going to the lowest grid index.
static PALETTE: LazyLock<[[u8; 3]; 256]> = LazyLock::new(|| {
    let mut palette = [[0u8; 3]; 256];
    palette[1..=FIRST.len()].copy_from_slice(&FIRST);
    let level = |i: usize| (i * 255 / 6) as u8;
    let grid: Vec<[u8; 3]> =
        (0..343).map(|i| [level(i / 49), level(i / 7 % 7), level(i % 7)]).collect();
    let mut nearest: Vec<u32> = grid
        .iter()
        .map(|g| (0..=FIRST.len()).map(|i| distance_squared(*g, palette[i])).min().unwrap_or(0))
        .collect();
    for slot in palette.iter_mut().skip(FIRST.len() + 1) {
        let best = (0..grid.len()).rev().max_by_key(|&i| nearest[i]).unwrap_or(0);
        *slot = grid[best];
        for (n, g) in nearest.iter_mut().zip(&grid) {
            *n = (*n).min(distance_squared(*g, grid[best]));
        }
    }
    palette
});

/// The colour of object `id` (0 is background).
pub fn color_of(id: u8) -> [u8; 3] {
    PALETTE[id as usize]
}

/// The object id that has exactly this colour (0 for black), if any has.
pub fn id_of(color: [u8; 3]) -> Option<u8> {
    (0..=255).find(|&id| color_of(id) == color)
}

/// The object id whose colour lies nearest to `color`, among background and ids `1..=objects`;
/// background when even that is further than `threshold` levels away.
pub fn snap(color: [u8; 3], objects: u8, threshold: f32) -> u8 {
    let (best, d2) = (0..=objects)
        .map(|id| (id, distance_squared(color, color_of(id))))
        .min_by_key(|&(_, d)| d)
        .unwrap_or((0, 0));
    if d2 as f32 > threshold * threshold { 0 } else { best }
}

/// Squared Euclidean distance between two colours, in levels.
pub fn distance_squared(a: [u8; 3], b: [u8; 3]) -> u32 {
    a.iter().zip(b).map(|(&x, y)| (i32::from(x) - i32::from(y)).pow(2) as u32).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_colours_differ_and_the_first_lie_far_apart() {
        for a in 0..=255u8 {
            for b in 0..a {
                assert_ne!(color_of(a), color_of(b), "{a} and {b}");
            }
        }
        for a in 0..=8u8 {
            for b in 0..a {
                assert!(distance_squared(color_of(a), color_of(b)) > 80 * 80, "{a} and {b}");
            }
        }
    }

    #[test]
    fn snapping_undoes_drift_and_is_limited_to_the_objects_there_are() {
        for id in 0..=4u8 {
            let c = color_of(id).map(|v| v.saturating_add(15));
            assert_eq!(snap(c, 4, SNAP_THRESHOLD), id);
        }
        assert_eq!(snap(color_of(5), 2, 10.0), 0);
    }
}
