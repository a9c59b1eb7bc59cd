//! Where each object's cut-out lies in a frame.

use super::{Evidence, MOST, template::Template, unlike};

/// How far from the expected place an object is looked for, as a fraction of the picture's side.
const REACH: f32 = 0.17;
/// Cells of a cut-out that a rough search looks at.
const ROUGH_CELLS: usize = 90;
/// Places that a rough search hands to the fine one.
const CANDIDATES: usize = 6;
/// Turns that are tried from one frame to the next, in degrees.
const TURNS: [f32; 11] = [0.0, -8.0, 8.0, -16.0, 16.0, -24.0, 24.0, -32.0, 32.0, -40.0, 40.0];
/// Factors on the size that are tried from one frame to the next.
const FACTORS: [f32; 3] = [1.0, 0.92, 1.09];
/// A pixel less unlike an object's colours than this looks like it.
const ALIKE: f32 = 2.0;
/// Least and greatest size relative to the first frame.
const SIZES: (f32, f32) = (0.3, 2.6);

/// Where a cut-out lies.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pose {
    /// Its centre, in pixels.
    pub at: [f32; 2],
    /// Its turn in degrees, clockwise.
    pub angle: f32,
    /// Its size relative to the first frame.
    pub scale: f32,
}

/// The path of one object so far.
#[derive(Debug, Clone)]
pub struct Track {
    /// Where it is now.
    pub pose: Pose,
    /// How it last moved, in pixels a frame.
    velocity: [f32; 2],
}

impl Track {
    /// The start of a path.
    pub fn new(template: Option<&Template>) -> Self {
        let at = template.map_or([0.0; 2], |t| t.center);
        Self { pose: Pose { at, angle: 0.0, scale: 1.0 }, velocity: [0.0; 2] }
    }

    /// Its place if it goes on as before, a little slower.
    fn expected(&self) -> [f32; 2] {
        [0, 1].map(|k| self.pose.at[k] + 0.7 * self.velocity[k])
    }
}

/// Moves every track on to the frame of `evidence`; `likeness` holds, for each object, how unlike
/// its colours each pixel is.
///
/// The object that is found most surely goes first, and its pixels are no evidence for the others,
/// so that two alike objects are not both found in one of them.
pub fn follow(
    tracks: &mut [Track],
    templates: &[Option<Template>],
    evidence: &Evidence,
    likeness: &[Vec<f32>],
) {
    let area = evidence.size.area();
    let alike = |i: usize, pixel: usize| likeness[i][pixel] < ALIKE;
    // Where each object would be if it went on as before. What looks like it there is left to it by
    // the others, which keeps two alike objects apart.
    let expected: Vec<Vec<bool>> = (0..tracks.len())
        .map(|i| {
            let mut covered = vec![false; area];
            if let Some(template) = &templates[i] {
                let pose = Pose { at: tracks[i].expected(), ..tracks[i].pose };
                placed(template, &pose, evidence, 1).for_each(|(_, p, _)| covered[p] = true);
            }
            covered
        })
        .collect();
    let mut found = vec![false; tracks.len()];
    let mut taken = vec![false; area];
    let find = |i: usize, track: &Track, taken: &[bool], found: &[bool]| {
        let template = templates[i].as_ref()?;
        let others = |p: usize| {
            let left = |j: usize| j != i && !found[j] && expected[j][p] && alike(j, p);
            taken[p] || (!expected[i][p] && (0..found.len()).any(left))
        };
        let taken: Vec<bool> = (0..area).map(others).collect();
        let scene = Scene { template, evidence, likeness: &likeness[i], taken: &taken };
        Some((scene.find(track), template))
    };
    let alone = (0..tracks.len()).filter_map(|i| {
        let ((score, pose), template) = find(i, &tracks[i], &taken, &found)?;
        Some((score / template.cells.len() as f32, i, pose))
    });
    let mut order: Vec<(f32, usize, Pose)> = alone.collect();
    order.sort_by(|a, b| b.0.total_cmp(&a.0));
    for (k, &(_, i, alone)) in order.iter().enumerate() {
        // The surest one lost nothing to others.
        let again = if k == 0 { None } else { find(i, &tracks[i], &taken, &found) };
        let pose = again.map_or(alone, |((_, pose), _)| pose);
        let old = tracks[i].pose.at;
        tracks[i].velocity = [pose.at[0] - old[0], pose.at[1] - old[1]];
        tracks[i].pose = pose;
        found[i] = true;
        if let Some(template) = &templates[i] {
            for (_, pixel, color) in placed(template, &pose, evidence, 1) {
                taken[pixel] |= unlike(evidence.colors[pixel], color) < ALIKE || alike(i, pixel);
            }
        }
    }
}

/// The cells of a cut-out that fall on a pixel: how much each counts, the pixel, its colour.
fn placed<'a>(
    template: &'a Template,
    pose: &Pose,
    evidence: &'a Evidence,
    every: usize,
) -> impl Iterator<Item = (f32, usize, [f32; 3])> + 'a {
    let (s, c) = pose.angle.to_radians().sin_cos();
    let (s, c) = (s * pose.scale, c * pose.scale);
    let ([x, y], size) = (pose.at, evidence.size);
    // A larger cut-out covers more pixels with as many cells.
    let weight = pose.scale * pose.scale;
    template.cells.iter().step_by(every).filter_map(move |&([dx, dy], color)| {
        let (px, py) = ((x + c * dx - s * dy).round(), (y + s * dx + c * dy).round());
        let inside = px >= 0.0 && py >= 0.0 && px < size.width as f32 && py < size.height as f32;
        inside.then(|| (weight, py as usize * size.width + px as usize, color))
    })
}

/// One object in one frame.
struct Scene<'a> {
    template: &'a Template,
    evidence: &'a Evidence,
    /// How unlike the object's colours each pixel is.
    likeness: &'a [f32],
    /// Pixels that other objects have.
    taken: &'a [bool],
}

impl Scene<'_> {
    /// How much better the frame is explained with the cut-out at `pose` than by the background: the
    /// sum over its cells, each within ±[`MOST`].
    fn score(&self, pose: &Pose, every: usize) -> f32 {
        let gain = |(weight, pixel, color): (f32, usize, [f32; 3])| {
            // A pixel that another object has tells nothing: this one may be behind it.
            if self.taken[pixel] {
                return 0.0;
            }
            let seen = self.evidence.colors[pixel];
            // A network may paint stripes elsewhere: another colour of the object is nearly as good.
            let object = unlike(seen, color).min(self.likeness[pixel] + 4.0).min(MOST);
            weight * (self.evidence.background[pixel] - object)
        };
        placed(self.template, pose, self.evidence, every).map(gain).sum()
    }

    /// The best pose near where the track leads, and its score over all cells.
    fn find(&self, track: &Track) -> (f32, Pose) {
        let cells = self.template.cells.len();
        let every = (cells / ROUGH_CELLS).max(1);
        let last = track.pose;
        let expected = track.expected();
        // Going far from where the last movement leads costs a little, so that of two equally good
        // places the nearer one is taken.
        let side = self.evidence.size.width.max(self.evidence.size.height) as f32;
        let unit = cells as f32 / side;
        let rated = |pose: &Pose, every: usize| {
            let gain = self.score(pose, every) * every as f32;
            let way = |from: [f32; 2]| (pose.at[0] - from[0]).hypot(pose.at[1] - from[1]);
            let strain = 8.0 * way(expected).min(way(last.at));
            let turn = (pose.angle - last.angle).abs() / 40.0;
            let growth = (pose.scale / last.scale).ln().abs();
            gain - unit * (strain + 2.0 * turn + 20.0 * growth)
        };
        let mut best: Vec<(f32, Pose)> = Vec::new();
        let reach = REACH * side;
        // Both discs of places are looked at; where they overlap, once.
        let middle = [0, 1].map(|k| (last.at[k] + expected[k]) / 2.0);
        let wide = [0, 1].map(|k| (reach + (expected[k] - last.at[k]).abs() / 2.0) / 2.0);
        let [nx, ny] = wide.map(|w| w.ceil() as i32);
        for (gy, gx) in (-ny..=ny).flat_map(|y| (-nx..=nx).map(move |x| (y, x))) {
            let at = [middle[0] + 2.0 * gx as f32, middle[1] + 2.0 * gy as f32];
            let pose = Pose { at, ..last };
            keep(&mut best, (rated(&pose, every), pose));
        }
        let fine = |(_, start): (f32, Pose)| {
            let step = |options: &mut dyn Iterator<Item = Pose>, every: usize| {
                let all = options.map(|p| (rated(&p, every), p));
                all.max_by(|a, b| a.0.total_cmp(&b.0)).map_or(start, |(_, p)| p)
            };
            let turned = TURNS.iter().flat_map(|a| FACTORS.iter().map(move |f| (a, f)));
            let p = step(&mut turned.map(|(a, f)| changed(&start, [0.0; 2], *a, *f)), every);
            let p = step(&mut grid(2, 1.0).map(|d| changed(&p, d, 0.0, 1.0)), every);
            (rated(&p, every), p)
        };
        // Only the best of them is worth the last touch.
        let fine = best.into_iter().map(fine);
        let Some((_, best)) = fine.max_by(|a, b| a.0.total_cmp(&b.0)) else { return (0.0, last) };
        let touch = |options: &mut dyn Iterator<Item = Pose>| {
            let all = options.map(|p| (rated(&p, 1), p));
            all.max_by(|a, b| a.0.total_cmp(&b.0)).unwrap_or((0.0, best))
        };
        let turned = [0.0, -4.0, 4.0].into_iter();
        let turned = turned.flat_map(|a| [1.0, 0.96, 1.04].map(|f| (a, f)));
        let (_, p) = touch(&mut turned.map(|(a, f)| changed(&best, [0.0; 2], a, f)));
        touch(&mut grid(2, 0.5).map(|d| changed(&p, d, 0.0, 1.0)))
    }
}

/// Keeps the best [`CANDIDATES`] places that are not close to a better one.
fn keep(best: &mut Vec<(f32, Pose)>, new: (f32, Pose)) {
    let close = |a: &Pose, b: &Pose| (a.at[0] - b.at[0]).abs().max((a.at[1] - b.at[1]).abs()) < 4.0;
    if let Some(k) = best.iter().position(|b| close(&b.1, &new.1)) {
        if new.0 > best[k].0 {
            best[k] = new;
        }
        return;
    }
    best.push(new);
    best.sort_by(|a, b| b.0.total_cmp(&a.0));
    best.truncate(CANDIDATES);
}

/// Shifts of up to `n` steps of `step` pixels each way.
fn grid(n: i32, step: f32) -> impl Iterator<Item = [f32; 2]> {
    (-n..=n).flat_map(move |y| (-n..=n).map(move |x| [x as f32 * step, y as f32 * step]))
}

fn changed(pose: &Pose, by: [f32; 2], turn: f32, factor: f32) -> Pose {
    Pose {
        at: [pose.at[0] + by[0], pose.at[1] + by[1]],
        angle: pose.angle + turn,
        scale: (pose.scale * factor).clamp(SIZES.0, SIZES.1),
    }
}
