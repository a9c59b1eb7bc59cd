//! The true optical flow of a scene.

use thrumask_core::{FlowField, Result, Size};

use super::scene::{Pose, Scene};

/// The flow of each frame to the next at `size` × `size` pixels: what is seen of an object moves as its
/// body does.
pub(super) fn flow(scene: &Scene, size: usize) -> Result<Vec<FlowField>> {
    let masks = scene.masks(size)?;
    let pairs = masks.frames().iter().take(masks.frames().len() - 1).enumerate();
    let field = |(t, labels): (usize, &thrumask_core::LabelMap)| {
        let moves: Vec<Move> =
            scene.objects.iter().map(|o| Move::new(&o.poses[t], &o.poses[t + 1])).collect();
        let vector = |(i, &id): (usize, &u8)| match id.checked_sub(1) {
            None => [0.0; 2],
            Some(index) => moves[usize::from(index)].displacement([i % size, i / size], size),
        };
        let vectors = labels.ids().iter().enumerate().map(vector);
        FlowField::new(Size::new(size, size), vectors.collect())
    };
    pairs.map(field).collect()
}

/// The change of a pose: about the old centre turned and grown, then moved. Whether the sprite is
/// mirrored does not change over a clip, so it says nothing here.
struct Move {
    from: [f32; 2],
    to: [f32; 2],
    /// Columns of the matrix that turns and grows.
    right: [f32; 2],
    down: [f32; 2],
}

impl Move {
    fn new(from: &Pose, to: &Pose) -> Self {
        let (sin, cos) = (to.angle - from.angle).to_radians().sin_cos();
        let grown = to.scale / from.scale;
        let (right, down) = ([grown * cos, grown * sin], [-grown * sin, grown * cos]);
        Self { from: from.at, to: to.at, right, down }
    }

    /// Of the centre of a pixel, in pixels.
    fn displacement(&self, pixel: [usize; 2], size: usize) -> [f32; 2] {
        let side = size as f32;
        let at = pixel.map(|v| v as f32 + 0.5);
        let [x, y] = [0, 1].map(|axis| at[axis] - self.from[axis] * side);
        [0, 1].map(|axis| {
            self.to[axis] * side + self.right[axis] * x + self.down[axis] * y - at[axis]
        })
    }
}

#[cfg(test)]
mod tests {
    use rayon::prelude::*;
    use thrumask_core::{Trajectory, flow::advect_all};

    use super::*;
    use crate::{
        model::FLOW_SPAN,
        world::{Action, Split, WorldConfig, judge, scene},
    };

    fn scenes(count: u64) -> Vec<Scene> {
        let make = |i| scene(&WorldConfig::default(), Split::Train, i).unwrap();
        (0..count).into_par_iter().map(make).collect()
    }

    /// Whether every object is seen whole in every frame.
    fn unhidden(scene: &Scene, masks: &Trajectory, size: usize) -> bool {
        (0..scene.objects.len()).all(|i| {
            let (id, alone) = (i as u8 + 1, scene.amodal(i, size).unwrap());
            let frames = masks.frames().iter().zip(alone.frames());
            frames.into_iter().all(|(a, b)| a.area_of(id) == b.area_of(id))
        })
    }

    #[test]
    fn first_masks_moved_along_the_true_flow_are_the_true_masks() {
        let size = WorldConfig::default().size;
        let (mut seen, mut sum, mut lowest) = (0, 0.0f64, 1.0f64);
        for s in scenes(40) {
            let (masks, flow) = (s.masks(size).unwrap(), s.flow(size).unwrap());
            assert_eq!(flow.len() + 1, s.frames);
            if !unhidden(&s, &masks, size) {
                continue;
            }
            let first = &masks.frames()[0];
            let moved = advect_all(first, s.objects.len(), &flow, s.fps).unwrap();
            for id in 1..=s.objects.len() as u8 {
                let pairs = masks.frames().iter().zip(moved.frames());
                let ious =
                    pairs.map(|(t, m)| f64::from(judge::iou(&t.mask_of(id), &m.mask_of(id))));
                let mean = ious.sum::<f64>() / s.frames as f64;
                (seen, sum, lowest) = (seen + 1, sum + mean, lowest.min(mean));
            }
        }
        eprintln!("{seen} objects, mean IoU {}, lowest {lowest}", sum / f64::from(seen));
        assert!(seen > 20, "{seen}");
        assert!(sum / f64::from(seen) > 0.9 && lowest > 0.7, "{} {lowest}", sum / f64::from(seen));
    }

    #[test]
    fn what_rests_has_no_flow_and_what_moves_has_it_on_its_mask_alone() {
        let mut rested = 0;
        for s in scenes(60) {
            let (masks, flow) = (s.masks(48).unwrap(), s.flow(48).unwrap());
            for (i, object) in s.objects.iter().enumerate() {
                // What rests may be pushed or run into.
                let alone = !s.objects.iter().any(|o| o.other == Some(i));
                let rests = object.action == Action::Rest && alone;
                rested += usize::from(rests);
                let mut greatest = 0.0f32;
                for (labels, field) in masks.frames().iter().zip(&flow) {
                    for (&id, v) in labels.ids().iter().zip(field.vectors()) {
                        if id == 0 {
                            assert_eq!(*v, [0.0; 2]);
                        } else if usize::from(id) == i + 1 {
                            greatest = greatest.max(v[0].hypot(v[1]));
                        }
                    }
                }
                assert_eq!(greatest == 0.0, rests, "{}: {greatest}", s.plan.caption);
            }
        }
        assert!(rested > 3, "{rested}");
    }

    #[test]
    fn the_span_of_flow_videos_holds_nearly_all_motion() {
        let (mut all, mut beyond, mut speeds) = (0usize, 0usize, Vec::new());
        for s in scenes(300) {
            let masks = s.masks(48).unwrap();
            for (labels, field) in masks.frames().iter().zip(s.flow(48).unwrap()) {
                for (_, v) in labels.ids().iter().zip(field.vectors()).filter(|&(&id, _)| id != 0) {
                    let speed = v[0].hypot(v[1]) / 48.0;
                    all += 1;
                    beyond += usize::from(speed > FLOW_SPAN);
                    speeds.push(speed);
                }
            }
        }
        speeds.sort_by(f32::total_cmp);
        for share in [0.5, 0.9, 0.99, 0.999, 0.9999, 1.0] {
            eprintln!("{share}: {}", speeds[((speeds.len() - 1) as f64 * share) as usize]);
        }
        let share = beyond as f64 / all as f64;
        // Neither too narrow for what moves nor so wide that its colours are all pale.
        assert!(share < 0.001 && share > 1e-5, "{share} of {all}");
    }
}
