//! The same words over the same first frame, drawn again: within the narrow bands of what they say,
//! and anew in what they leave open, which no model can know. What another draw scores against the
//! truth is what a model that understood every word would score.

use super::cast::Role;
use super::layout::{self, Actor, Box4, Placed};
use super::manner::{self, Manner};
use super::motion::{Motion, Offset};
use super::rng::Rng;
use super::scene::Scene;

/// Draws of the motion of one object, or of two that interact.
const DRAWS: usize = 60;
/// How far boxes may overlap after the first frame, as a share of the smaller.
const TOLERANCE: f32 = 0.3;

/// The scene with every motion drawn anew for its words. Where no draw stays in view and
/// out of the others' way, an object keeps its motion; with `leaving`, one alone need not stay in view.
pub(super) fn redraw(scene: &Scene, roles: &[Role], leaving: bool, rng: &mut Rng) -> Scene {
    let mut again = scene.clone();
    let kept = |i: usize| layout::boxes_of(&scene.objects[i], &roles[i]);
    let mut boxes: Vec<Vec<Box4>> = (0..roles.len()).map(kept).collect();
    for group in groups(roles) {
        let others: Vec<usize> = (0..roles.len()).filter(|i| !group.contains(i)).collect();
        let drawn = (0..DRAWS).find_map(|_| {
            let placed = draw(scene, roles, &group, rng);
            let fits = |p: &Placed| {
                let free = leaving && group.len() == 1;
                (free || p.boxes.iter().all(layout::in_view))
                    && others.iter().all(|&o| layout::apart(&p.boxes, &boxes[o], TOLERANCE))
            };
            placed.iter().all(fits).then_some(placed)
        });
        for p in drawn.unwrap_or_default() {
            let i = p.actor.index;
            let (object, offsets) = (&mut again.objects[i], p.actor.motion.offsets(scene.frames));
            let phase = object.poses[0].phase;
            object.poses = layout::poses(&roles[i], &p, &offsets, object.faces_left, phase);
            boxes[i] = p.boxes;
        }
    }
    again
}

/// Interacting pairs, and everyone else alone.
fn groups(roles: &[Role]) -> Vec<Vec<usize>> {
    let partner = |i: usize| roles[i].other.filter(|_| roles[i].action.names_other());
    let pairs: Vec<Vec<usize>> =
        (0..roles.len()).filter_map(|i| partner(i).map(|j| vec![i, j])).collect();
    let alone = (0..roles.len()).filter(|i| !pairs.iter().flatten().any(|p| p == i));
    let alone: Vec<Vec<usize>> = alone.map(|i| vec![i]).collect();
    [pairs, alone].concat()
}

/// New motions for a group, from where its objects stand in the first frame.
fn draw(scene: &Scene, roles: &[Role], group: &[usize], rng: &mut Rng) -> Vec<Placed> {
    let first = |i: usize| &scene.objects[i].poses[0];
    let manner =
        |i: usize, rng: &mut Rng| -> Manner { roles[i].manner.again(roles[i].action, rng) };
    let motions: Vec<Motion> = match group {
        &[i, j] => {
            let (a, b) = (first(i), first(j));
            let apart = [b.at[0] - a.at[0], b.at[1] - a.at[1]];
            let way = match apart[0].abs() >= apart[1].abs() {
                true => [apart[0].signum(), 0.0],
                false => [0.0, apart[1].signum()],
            };
            let touch = layout::touch([&roles[i], &roles[j]], [a.scale, b.scale], way);
            let gap = apart[0].abs().max(apart[1].abs()) - touch;
            let other = manner(j, rng);
            manner::pair_motions(roles[i].action, &other, way, [touch, gap], rng).to_vec()
        }
        _ => {
            let motion = |&i: &usize| {
                let own = manner(i, rng);
                manner::solo_motion(&roles[i], &own, rng)
            };
            group.iter().map(motion).collect()
        }
    };
    let placed = |(&i, motion): (&usize, Motion)| {
        let (pose, half) = (first(i), layout::half(&roles[i]));
        let actor = Actor { index: i, scale: pose.scale, motion, start: [0.0, 0.0], half };
        let place = |o: &Offset| layout::shifted(&actor.extent(o), pose.at);
        let boxes = motion.offsets(scene.frames).iter().map(place).collect();
        Placed { actor, origin: pose.at, boxes }
    };
    group.iter().zip(motions).map(placed).collect()
}
