//! Grows a region from points: the patch of colour around them, up to its clearest outline.

use std::{cmp::Reverse, collections::BinaryHeap};

use thrumask_core::{Picture, Size};

use super::canvas::{neighbours, without_holes};

/// A region may not cover more of the picture than this.
const LARGEST: f32 = 0.5;
/// Thresholds that are tried, in levels of colour distance.
const THRESHOLDS: std::ops::RangeInclusive<u32> = 4..=160;

/// Distance of two colours in levels, 0 to 441.
fn step(picture: &Picture, a: usize, b: usize) -> u32 {
    let at = |i: usize| &picture.rgb()[i * 3..i * 3 + 3];
    let square = |(x, y): (&u8, &u8)| u32::from(x.abs_diff(*y)).pow(2);
    let sum: u32 = at(a).iter().zip(at(b)).map(square).sum();
    sum.isqrt()
}

/// For each cell the least threshold at which a flood from `seeds` reaches it: the smallest,
/// over all paths, of the largest step on the path.
fn flood(picture: &Picture, seeds: &[usize]) -> Vec<u32> {
    let size = picture.size();
    let mut level = vec![u32::MAX; size.area()];
    let mut queue = BinaryHeap::new();
    for &seed in seeds {
        level[seed] = 0;
        queue.push(Reverse((0, seed)));
    }
    while let Some(Reverse((l, i))) = queue.pop() {
        if l > level[i] {
            continue;
        }
        for n in neighbours(i, size) {
            let reached = l.max(step(picture, i, n));
            if reached < level[n] {
                level[n] = reached;
                queue.push(Reverse((reached, n)));
            }
        }
    }
    level
}

/// How clear the outline of a region is: the mean step over it, in levels, less where it runs
/// along the edge of the picture.
fn outline(picture: &Picture, region: &[bool], size: Size) -> f32 {
    let (mut sum, mut count, mut at_edge) = (0u64, 0u64, 0u64);
    for i in (0..region.len()).filter(|&i| region[i]) {
        let mut around = 0;
        for n in neighbours(i, size) {
            around += 1;
            if !region[n] {
                sum += u64::from(step(picture, i, n));
                count += 1;
            }
        }
        at_edge += 4 - around;
    }
    sum as f32 / (count + 2 * at_edge).max(1) as f32
}

/// The region around the cells `inside`, without the cells `outside`: of all floods from `inside`
/// that stay off `outside` and within half of the picture, the one with the clearest outline for
/// its size. Holes are filled. `None` when even the smallest is too large.
pub fn grow(picture: &Picture, inside: &[usize], outside: &[usize]) -> Option<Vec<bool>> {
    let size = picture.size();
    let reach = flood(picture, inside);
    let against = flood(picture, outside);
    let largest = (LARGEST * size.area() as f32) as usize;
    let mut best: Option<(f32, Vec<bool>)> = None;
    let mut last = 0;
    for threshold in THRESHOLDS {
        let own = |i: usize| reach[i] <= threshold && reach[i] < against[i];
        let mut region: Vec<bool> = (0..size.area()).map(own).collect();
        inside.iter().for_each(|&i| region[i] = true);
        let mut region = without_holes(&region, size);
        outside.iter().for_each(|&i| region[i] = false);
        let count = region.iter().filter(|r| **r).count();
        if count > largest {
            break;
        }
        if count == last {
            continue;
        }
        last = count;
        let worth = outline(picture, &region, size) * (count as f32).powf(0.25);
        if best.as_ref().is_none_or(|(w, _)| worth > *w) {
            best = Some((worth, region));
        }
    }
    best.map(|(_, region)| region)
}
