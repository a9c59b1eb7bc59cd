//! The true optical flow of a scene.

use thrumask_core::{FlowField, Result, Size};

use super::scene::{Pose, Scene};

/// The flow of each frame to the next at `size` × `size` pixels: what is seen of an object moves as its
/// body does.
pub(super) fn flow(scene: &Scene, size: usize) -> Result<Vec<FlowField>> {
    let masks = scene.masks(size)?;
    let pairs = masks.frames().iter().take(masks.frames().len() - 1).enumerate();
    let field = |(t, labels): (usize, &thrumask_core::LabelMap)| {
        let moves: Vec<Move> = (0..scene.objects.len())
            .map(|i| Move::new(&scene.seen(i, t), &scene.seen(i, t + 1)))
            .collect();
        let shake = |t: usize| scene.look.as_ref().map_or([0.0; 2], |look| look.shake(t));
        let behind = [0, 1].map(|axis| (shake(t + 1)[axis] - shake(t)[axis]) * size as f32);
        let vector = |(i, &id): (usize, &u8)| match id.checked_sub(1) {
            None => behind,
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
        world::{Action, Kind, SceneObject, Split, WorldConfig, judge, scene},
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
        // Wheels turn within their silhouettes; wings, legs, tails, sails and flames change theirs.
        let rigid = |kind: Kind| {
            use Kind::{Ball, Bus, Car, Star, Truck};
            matches!(kind, Ball | Bus | Car | Star | Truck)
        };
        let mut means: [Vec<f64>; 2] = [vec![], vec![]];
        for s in scenes(40) {
            let (masks, flow) = (s.masks(size).unwrap(), s.flow(size).unwrap());
            assert_eq!(flow.len() + 1, s.frames);
            if !unhidden(&s, &masks, size) {
                continue;
            }
            let first = &masks.frames()[0];
            let moved = advect_all(first, s.objects.len(), &flow, s.fps).unwrap();
            for (i, object) in s.objects.iter().enumerate() {
                let id = i as u8 + 1;
                let pairs = masks.frames().iter().zip(moved.frames());
                let ious =
                    pairs.map(|(t, m)| f64::from(judge::iou(&t.mask_of(id), &m.mask_of(id))));
                let mean = ious.sum::<f64>() / s.frames as f64;
                means[usize::from(rigid(object.kind))].push(mean);
            }
        }
        for (list, average, least) in [(&means[1], 0.93, 0.88), (&means[0], 0.8, 0.5)] {
            let mean = list.iter().sum::<f64>() / list.len() as f64;
            let lowest = list.iter().copied().fold(1.0, f64::min);
            assert!(list.len() > 20 && mean > average && lowest > least, "{mean}, {lowest}");
        }
    }

    #[test]
    fn what_rests_has_no_flow_and_what_moves_has_it_on_its_mask_alone() {
        let mut rested = 0;
        for s in scenes(60) {
            let (masks, flow) = (s.masks(48).unwrap(), s.flow(48).unwrap());
            for (i, object) in s.objects.iter().enumerate() {
                // What rests may be pushed by another, but is not moved by one that passes behind.
                let involved =
                    |o: &SceneObject| o.other == Some(i) && o.action != Action::PassBehind;
                let rests = object.action == Action::Rest;
                if rests && s.objects.iter().any(involved) {
                    continue;
                }
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
        let (mut all, mut beyond) = (0usize, 0usize);
        for s in scenes(300) {
            let masks = s.masks(48).unwrap();
            for (labels, field) in masks.frames().iter().zip(s.flow(48).unwrap()) {
                for (_, v) in labels.ids().iter().zip(field.vectors()).filter(|&(&id, _)| id != 0) {
                    all += 1;
                    beyond += usize::from(v[0].hypot(v[1]) / 48.0 > FLOW_SPAN);
                }
            }
        }
        let share = beyond as f64 / all as f64;
        // Neither too narrow for what moves nor so wide that its colours are all pale.
        assert!(share < 0.001 && share > 1e-5, "{share} of {all}");
    }
}
