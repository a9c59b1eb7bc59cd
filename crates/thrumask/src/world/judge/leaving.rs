//! Which way objects go that leave the picture: the rule, which follows the centre of what is seen, loses them at its edge.

use thrumask_core::Trajectory;

use super::rule::LEAST_MOVE;
use super::track::{Sight, Track};
use crate::world::vocabulary::Action;

/// Less of its area than this is seen of an object that the picture's edge cuts.
const CUT: f32 = 0.8;

/// The straight way on which object `id` (from 1) leaves the picture; `None` where it does not leave. It leaves over an edge
/// that its last mask lies on, if less of it is seen there or nothing afterwards; how far it went says its far side, which
/// the edge does not cut. Speeding up is not told from going steadily: what leaves downwards moves down.
pub(crate) fn leaves(masks: &Trajectory, id: u8) -> Option<Action> {
    let track = Track::new(masks, id);
    let first = (*track.sights.first()?)?;
    let (seen, last) = track.seen().next_back()?;
    let gone = seen + 1 < track.sights.len();
    let cut = last.area <= CUT * first.area;
    if !gone && !cut {
        return None;
    }
    let size = masks.size();
    let side = size.width.max(size.height) as f32;
    let edges = [0.0, size.width as f32 / side, 0.0, size.height as f32 / side];
    const WAYS: [Action; 4] =
        [Action::MoveLeft, Action::MoveRight, Action::MoveUp, Action::MoveDown];
    let far = (0..4).filter(|&edge| last.bounds[edge] == edges[edge]).filter_map(|edge| {
        // Whole at the edge from the first frame on, it vanished there.
        if first.bounds[edge] == edges[edge] && !cut {
            return None;
        }
        // Its other side, all of which is beyond the edge once nothing is seen.
        let other = edge ^ 1;
        let to = if gone { edges[edge] } else { last.bounds[other] };
        let way = (to - first.bounds[other]).abs();
        let aside = across(last, edge) - across(&first, edge);
        (way >= LEAST_MOVE && aside.abs() < way).then_some((edge, way))
    });
    far.max_by(|a, b| a.1.total_cmp(&b.1)).map(|(edge, _)| WAYS[edge])
}

/// The place along an edge.
fn across(sight: &Sight, edge: usize) -> f32 {
    sight.at[1 - edge / 2]
}

#[cfg(test)]
mod tests {
    use super::*;
    use thrumask_core::{LabelMap, Size};

    /// A square of 6 pixels in a picture of 32 × 24, by the place of its left upper corner in each frame.
    fn squares(places: &[[i32; 2]]) -> Trajectory {
        let size = Size::new(32, 24);
        let frames = places.iter().map(|&[x0, y0]| {
            let mut labels = LabelMap::empty(size);
            for (y, x) in (y0..y0 + 6).flat_map(|y| (x0..x0 + 6).map(move |x| (y, x))) {
                if (0..24).contains(&y) && (0..32).contains(&x) {
                    labels.ids_mut()[y as usize * 32 + x as usize] = 1;
                }
            }
            labels
        });
        Trajectory::new(frames.collect(), 1, 8.0).unwrap()
    }

    #[test]
    fn what_leaves_goes_that_way() {
        for (step, way) in [
            ([-4, 0], Action::MoveLeft),
            ([4, 1], Action::MoveRight),
            ([0, -3], Action::MoveUp),
            ([1, 3], Action::MoveDown),
        ] {
            // Cut by the edge, and gone.
            for frames in [5, 12] {
                let places: Vec<[i32; 2]> =
                    (0..frames).map(|t| [13 + t * step[0], 9 + t * step[1]]).collect();
                assert_eq!(leaves(&squares(&places), 1), Some(way), "{step:?}, {frames} frames");
            }
        }
    }

    #[test]
    fn what_stays_does_not_leave() {
        for places in [
            // In the middle, to the edge but not over it, along it, cut from the start, vanished in the middle and at the edge.
            &[[13, 9], [13, 9], [13, 9]][..],
            &[[13, 9], [8, 9], [4, 9], [0, 9]],
            &[[0, 1], [0, 7], [0, 14]],
            &[[-3, 9], [-3, 9], [-4, 9]],
            &[[13, 9], [11, 9], [40, 40]],
            &[[0, 9], [0, 9], [0, 9], [40, 40]],
        ] {
            assert_eq!(leaves(&squares(places), 1), None, "{places:?}");
        }
    }
}
