//! Where the objects of a cast start and how they move, so that actions can be told apart, mostly stay in
//! view, and mostly do not hide each other.

use super::cast::Role;
use super::manner::{self, direction, times};
use super::motion::{Motion, Offset};
use super::rng::Rng;
use super::scene::{Pose, SceneObject};
use super::sprites;
use super::vocabulary::{Action, Kind, SizeClass};

/// How often a layout is tried before the cast is given up.
const ATTEMPTS: usize = 80;

/// Least horizontal distance between two objects that are told apart by their side.
const SIDE_GAP: f32 = 0.16;

/// An object with its motion and its place within its group.
#[derive(Debug, Clone, Copy)]
pub(super) struct Actor {
    /// Index in the cast.
    pub index: usize,
    /// Size at the start.
    pub scale: f32,
    pub motion: Motion,
    /// Start relative to the group's origin.
    pub start: [f32; 2],
    /// Half width and half height at scale 1.
    pub half: [f32; 2],
}

/// A box: least and greatest `x`, least and greatest `y`.
pub(super) type Box4 = [f32; 4];

/// Least distance of boxes from the picture's edge.
const MARGIN: f32 = 0.015;

impl Actor {
    /// The box at one moment, around the group's origin.
    pub fn extent(&self, o: &Offset) -> Box4 {
        let size = self.scale * o.scale;
        let (x, y) = (self.start[0] + o.shift[0], self.start[1] + o.shift[1]);
        let (s, c) = o.angle.to_radians().sin_cos();
        let (s, c) = (s.abs(), c.abs());
        let half = self.half;
        let (w, h) = ((c * half[0] + s * half[1]) * size, (s * half[0] + c * half[1]) * size);
        [x - w, x + w, y - h, y + h]
    }
}

/// A placed object: its actor, its origin and its box in each frame.
pub(super) struct Placed {
    pub actor: Actor,
    pub origin: [f32; 2],
    pub boxes: Vec<Box4>,
}

/// Objects with poses for a cast, or `None` when no layout was found. With `leaving`, objects that no
/// other is involved with start anywhere, wherever their motion then takes them.
pub(super) fn stage(
    roles: &[Role],
    frames: usize,
    leaving: bool,
    rng: &mut Rng,
) -> Option<Vec<SceneObject>> {
    // Some scenes let objects pass before each other.
    let crowded = rng.chance(0.12);
    for attempt in 0..ATTEMPTS {
        let tolerance = match attempt {
            _ if crowded => 0.3,
            0..40 => 0.0,
            40..60 => 0.12,
            _ => 0.25,
        };
        let mut sizes = sizes(roles, attempt, rng);
        let groups = groups(roles, &mut sizes, rng);
        if let Some(mut placed) = place(&groups, frames, leaving, tolerance, rng) {
            placed.sort_by_key(|p| p.actor.index);
            if sides_are_clear(roles, &placed) {
                return Some(finish(roles, &sizes, &placed, frames, rng));
            }
        }
    }
    None
}

/// A size class for each role; smaller ones where there are many objects or attempts failed.
fn sizes(roles: &[Role], attempt: usize, rng: &mut Rng) -> Vec<SizeClass> {
    use SizeClass::{Large, Medium, Small};
    let crowd = roles.len() + attempt / 30;
    let draw = |role: &Role, rng: &mut Rng| {
        let size = match crowd {
            0..=2 => rng.pick(&[Small, Medium, Medium, Large]),
            3 => rng.pick(&[Small, Medium, Medium, Large]),
            4 => rng.pick(&[Small, Medium, Medium]),
            _ => rng.pick(&[Small, Small, Medium]),
        };
        match (role.action, size) {
            (Action::Shrink, Small) => Medium,
            (Action::Grow | Action::Chase | Action::Collide | Action::PassBehind, Large) => Medium,
            (Action::Pushed, Large) => Medium,
            (_, size) => size,
        }
    };
    roles.iter().map(|r| draw(r, rng)).collect()
}

pub(super) fn half(role: &Role) -> [f32; 2] {
    let (w, h) = sprites::half_extent(role.kind);
    [w, h]
}

/// Groups of actors that are placed together: interacting pairs, and everyone else alone.
fn groups(roles: &[Role], sizes: &mut [SizeClass], rng: &mut Rng) -> Vec<Vec<Actor>> {
    let mut groups = Vec::new();
    let mut grouped = vec![false; roles.len()];
    for (i, role) in roles.iter().enumerate() {
        if let (true, Some(j)) = (role.action.names_other(), role.other) {
            // What is chased, hidden behind or pushed must not be far smaller or larger.
            sizes[j] = match role.action {
                Action::PassBehind if rng.chance(0.5) => SizeClass::Large,
                Action::PassBehind => SizeClass::Medium,
                _ if sizes[j] == SizeClass::Large => SizeClass::Medium,
                _ => sizes[j],
            };
            let scale = |k: usize, rng: &mut Rng| {
                let (low, high) = sizes[k].span();
                rng.range(low, high)
            };
            let scales = [scale(i, rng), scale(j, rng)];
            groups.push(pair([i, j], [role, &roles[j]], scales, rng));
            (grouped[i], grouped[j]) = (true, true);
        }
    }
    for (i, role) in roles.iter().enumerate().filter(|&(i, _)| !grouped[i]) {
        let (low, high) = sizes[i].span();
        let scale = rng.range(low, high);
        let (motion, start) = (manner::solo_motion(role, &role.manner, rng), [0.0, 0.0]);
        groups.push(vec![Actor { index: i, scale, motion, start, half: half(role) }]);
    }
    groups
}

/// How far apart the centres of actor and partner are along the way when their boxes touch.
pub(super) fn touch(roles: [&Role; 2], scales: [f32; 2], way: [f32; 2]) -> f32 {
    let along = |k: usize| {
        let h = half(roles[k]);
        (h[0] * way[0].abs() + h[1] * way[1].abs()) * scales[k]
    };
    along(0) + along(1)
}

/// Actor and partner of an interaction, placed around the partner's start.
fn pair(index: [usize; 2], roles: [&Role; 2], scales: [f32; 2], rng: &mut Rng) -> Vec<Actor> {
    let way = match roles[0].action {
        Action::Chase => direction(roles[1].action),
        Action::PassBehind => times([1.0, 0.0], rng.sign()),
        _ if rng.chance(0.2) => times([0.0, 1.0], rng.sign()),
        _ => times([1.0, 0.0], rng.sign()),
    };
    let touch = touch(roles, scales, way);
    let gap = match roles[0].action {
        Action::Chase => rng.range(0.05, 0.10),
        Action::PassBehind => rng.range(0.03, 0.07),
        _ => rng.range(0.20, 0.30),
    };
    let other = &roles[1].manner;
    let motions = manner::pair_motions(roles[0].action, other, way, [touch, gap], rng);
    let back = touch + gap;
    let aside = rng.range(-0.02, 0.02);
    let start = [-way[0] * back - way[1] * aside, -way[1] * back + way[0] * aside];
    let halves = [half(roles[0]), half(roles[1])];
    let actor = |k: usize, start| Actor {
        index: index[k],
        scale: scales[k],
        motion: motions[k],
        start,
        half: halves[k],
    };
    vec![actor(0, start), actor(1, [0.0, 0.0])]
}

/// Places groups one after the other where they stay in view, or with `leaving` begin in view, and out of
/// each other's way.
fn place(
    groups: &[Vec<Actor>],
    frames: usize,
    leaving: bool,
    tolerance: f32,
    rng: &mut Rng,
) -> Option<Vec<Placed>> {
    let mut placed: Vec<Placed> = Vec::new();
    for group in groups {
        let boxes: Vec<Vec<Box4>> = group
            .iter()
            .map(|a| a.motion.offsets(frames).iter().map(|o| a.extent(o)).collect())
            .collect();
        let within = if leaving && group.len() == 1 { 1 } else { frames };
        let seen = boxes.iter().flat_map(|list| &list[..within]);
        let all = seen.fold([f32::MAX, f32::MIN, f32::MAX, f32::MIN], |u, b| {
            [u[0].min(b[0]), u[1].max(b[1]), u[2].min(b[2]), u[3].max(b[3])]
        });
        let room = [MARGIN - all[0], 1.0 - MARGIN - all[1], MARGIN - all[2], 1.0 - MARGIN - all[3]];
        if room[0] > room[1] || room[2] > room[3] {
            return None;
        }
        let tries = if placed.is_empty() { 1 } else { 10 };
        let found = (0..tries).find_map(|_| {
            let origin = [rng.range(room[0], room[1]), rng.range(room[2], room[3])];
            let moved: Vec<Vec<Box4>> = boxes
                .iter()
                .map(|list| list.iter().map(|b| shifted(b, origin)).collect())
                .collect();
            let free = moved.iter().all(|m| placed.iter().all(|p| apart(m, &p.boxes, tolerance)));
            free.then_some((origin, moved))
        });
        let (origin, moved) = found?;
        let new = group.iter().zip(moved);
        placed.extend(new.map(|(&actor, boxes)| Placed { actor, origin, boxes }));
    }
    Some(placed)
}

/// The boxes that an object has in its scene.
pub(super) fn boxes_of(object: &SceneObject, role: &Role) -> Vec<Box4> {
    let half = half(role);
    let extent = |p: &Pose| {
        let motion = Motion::Still;
        let actor = Actor { index: 0, scale: p.scale, motion, start: p.at, half };
        actor.extent(&Offset { shift: [0.0, 0.0], scale: 1.0, angle: p.angle })
    };
    object.poses.iter().map(extent).collect()
}

/// Whether a box keeps clear of the picture's edge.
pub(super) fn in_view(b: &Box4) -> bool {
    b[0] >= MARGIN && b[1] <= 1.0 - MARGIN && b[2] >= MARGIN && b[3] <= 1.0 - MARGIN
}

pub(super) fn shifted(b: &Box4, by: [f32; 2]) -> Box4 {
    [b[0] + by[0], b[1] + by[0], b[2] + by[1], b[3] + by[1]]
}

/// Whether two objects start apart and overlap later by at most `tolerance` of the smaller box.
pub(super) fn apart(a: &[Box4], b: &[Box4], tolerance: f32) -> bool {
    let overlap = |a: &Box4, b: &Box4| {
        let w = (a[1].min(b[1]) - a[0].max(b[0])).max(0.0);
        let h = (a[3].min(b[3]) - a[2].max(b[2])).max(0.0);
        let area = |b: &Box4| (b[1] - b[0]) * (b[3] - b[2]);
        w * h / area(a).min(area(b)).max(1e-6)
    };
    a.iter()
        .zip(b)
        .enumerate()
        .all(|(t, (a, b))| overlap(a, b) <= if t == 0 { 0.0 } else { tolerance.max(0.02) })
}

/// Whether objects of one kind have clear sides in the first frame.
fn sides_are_clear(roles: &[Role], placed: &[Placed]) -> bool {
    let x = |i: usize| placed[i].origin[0] + placed[i].actor.start[0];
    (0..roles.len())
        .all(|i| (0..i).all(|j| roles[i].kind != roles[j].kind || (x(i) - x(j)).abs() >= SIDE_GAP))
}

/// Poses, facing and depth of every object.
fn finish(
    roles: &[Role],
    sizes: &[SizeClass],
    placed: &[Placed],
    frames: usize,
    rng: &mut Rng,
) -> Vec<SceneObject> {
    let mut depths: Vec<usize> = (0..roles.len()).collect();
    rng.shuffle(&mut depths);
    for (i, role) in roles.iter().enumerate() {
        if let (Action::PassBehind, Some(j)) = (role.action, role.other)
            && depths[i] > depths[j]
        {
            depths.swap(i, j);
        }
    }
    let object = |(i, (role, p)): (usize, (&Role, &Placed))| {
        let offsets = p.actor.motion.offsets(frames);
        let run = offsets.last().map_or(0.0, |o| o.shift[0]);
        // Mostly heads where it goes, but not always, so that a picture does not tell the motion.
        let faces_left =
            if run.abs() > 0.1 && rng.chance(0.75) { run < 0.0 } else { rng.chance(0.5) };
        SceneObject {
            kind: role.kind,
            color: role.color,
            texture: role.texture,
            size: sizes[i],
            action: role.action,
            other: role.other,
            open: is_open(roles, i),
            faces_left,
            depth: depths[i],
            skin_seed: rng.bits(),
            poses: poses(role, p, &offsets, faces_left, rng.range(0.0, std::f32::consts::TAU)),
        }
    };
    roles.iter().zip(placed).enumerate().map(object).collect()
}

/// Whether the words leave open a part of an object's motion. What chases an object goes as far as it.
fn is_open(roles: &[Role], index: usize) -> bool {
    let role = &roles[index];
    let chased = role.other.filter(|_| role.action == Action::Chase);
    role.manner.open.any() || chased.is_some_and(|j| roles[j].manner.open.any())
}

/// Where an object is in each frame; `phase` is that of its wheels, legs and so on in the first.
pub(super) fn poses(
    role: &Role,
    p: &Placed,
    offsets: &[Offset],
    left: bool,
    mut phase: f32,
) -> Vec<Pose> {
    let (actor, kind) = (&p.actor, role.kind);
    let idle = matches!(role.action, Action::Rest | Action::Spin | Action::Pushed);
    let beat = if idle { 0.0 } else { sprites::beat(kind) };
    // What is pushed may roll but does not walk.
    let walks = matches!(kind, Kind::Dog | Kind::Cat | Kind::Robot);
    let stride = if walks && role.action == Action::Pushed { 0.0 } else { sprites::stride(kind) };
    let mut before = [0.0f32, 0.0];
    let facing = if left { -1.0 } else { 1.0 };
    let pose = |o: &Offset| {
        let step = [o.shift[0] - before[0], o.shift[1] - before[1]];
        let way = if step[0] * facing < 0.0 { -1.0 } else { 1.0 };
        let travel = way * step[0].hypot(step[1]) / actor.scale;
        before = o.shift;
        phase += travel * stride;
        let now = phase;
        phase += beat;
        let sway = pivot_shift(kind, facing, actor.scale * o.scale, o.angle);
        let at = |axis: usize| p.origin[axis] + actor.start[axis] + o.shift[axis] + sway[axis];
        Pose { at: [at(0), at(1)], scale: actor.scale * o.scale, angle: o.angle, phase: now }
    };
    offsets.iter().map(pose).collect()
}

/// What to add to a turned sprite's place so that its centre of mass stays where it was.
fn pivot_shift(kind: Kind, facing: f32, scale: f32, degrees: f32) -> [f32; 2] {
    let [x, y] = sprites::mass_center(kind);
    let (x, y) = (x * facing * scale, y * scale);
    let (s, c) = degrees.to_radians().sin_cos();
    [x - (c * x - s * y), y - (s * x + c * y)]
}
