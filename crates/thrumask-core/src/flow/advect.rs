//! Moves label maps along flow.
//!
//! Each object is a mesh of its pixels' corners. Corners move by the affine map that fits the flow of
//! the object's pixels around them, at sub-pixel positions from frame to frame, so that slow motion is
//! not rounded away; then each mesh is filled, which leaves no holes where it turned or grew.

use super::FlowField;
use crate::{Error, LabelMap, Result, Size, Trajectory};

/// How far from a corner, in pixels along each axis, the flow of its object is looked at.
const REACH: f32 = 2.5;
/// A pixel stretched further than this, in pixels, was torn apart by the flow and is not filled.
const TORN: f32 = 4.0;

/// The label map of frame t moved along `flow` to frame t + 1. Where two objects land on a pixel, it
/// goes to the one of which a pixel lands nearer to its centre, then to the lower id.
///
/// # Errors
/// [`Error::Mismatch`] when sizes differ.
pub fn advect(labels: &LabelMap, flow: &FlowField) -> Result<LabelMap> {
    check(labels.size(), flow)?;
    let mut meshes = meshes(labels);
    meshes.iter_mut().for_each(|mesh| mesh.follow(labels, flow));
    Ok(filled(&meshes, labels.size()))
}

/// First masks of `objects` objects moved along all `flows`, one after the other: a trajectory of one
/// frame more. See [`advect`].
///
/// # Errors
/// [`Error::Mismatch`] when sizes differ; as [`Trajectory::new`].
pub fn advect_all(
    first: &LabelMap,
    objects: usize,
    flows: &[FlowField],
    fps: f32,
) -> Result<Trajectory> {
    let mut meshes = meshes(first);
    let mut frames = vec![first.clone()];
    for flow in flows {
        check(first.size(), flow)?;
        let labels = &frames[frames.len() - 1];
        meshes.iter_mut().for_each(|mesh| mesh.follow(labels, flow));
        frames.push(filled(&meshes, first.size()));
    }
    Trajectory::new(frames, objects, fps)
}

fn check(size: Size, flow: &FlowField) -> Result<()> {
    match flow.size() == size {
        true => Ok(()),
        false => Err(Error::mismatch("size of a flow field", size, flow.size())),
    }
}

/// The pixels of one object as quadrilaterals.
struct Mesh {
    id: u8,
    /// Corners in pixels; pixel centres lie at half-integers.
    corners: Vec<[f32; 2]>,
    /// Their last displacements: what is hidden goes on as it went.
    went: Vec<[f32; 2]>,
    /// Indices of the corners of each pixel, in turn around it.
    pixels: Vec<[u32; 4]>,
}

fn meshes(labels: &LabelMap) -> Vec<Mesh> {
    labels.ids_present().into_iter().map(|id| Mesh::new(labels, id)).collect()
}

impl Mesh {
    fn new(labels: &LabelMap, id: u8) -> Self {
        const NONE: u32 = u32::MAX;
        let Size { width, height } = labels.size();
        let mut index = vec![NONE; (width + 1) * (height + 1)];
        let (mut corners, mut pixels) = (Vec::new(), Vec::new());
        for (i, _) in labels.ids().iter().enumerate().filter(|&(_, &v)| v == id) {
            let (x, y) = (i % width, i / width);
            pixels.push([(x, y), (x + 1, y), (x + 1, y + 1), (x, y + 1)].map(|(x, y)| {
                let slot = &mut index[y * (width + 1) + x];
                if *slot == NONE {
                    *slot = corners.len() as u32;
                    corners.push([x as f32, y as f32]);
                }
                *slot
            }));
        }
        Self { id, went: vec![[0.0; 2]; corners.len()], corners, pixels }
    }

    /// Moves every corner by the flow of the object, whose pixels of now are in `labels`.
    fn follow(&mut self, labels: &LabelMap, flow: &FlowField) {
        let trust = trust(self.id, labels, flow);
        for (corner, went) in self.corners.iter_mut().zip(&mut self.went) {
            if let Some(found) = fitted(*corner, &trust, flow) {
                *went = found;
            }
            *corner = [corner[0] + went[0], corner[1] + went[1]];
        }
    }
}

/// How far each pixel is believed to move as object `id` does, 0 to 1, and 0 for pixels of others. At the
/// rim, labels that were moved here and the flow that was seen here do not agree on every pixel: one
/// that goes another way than the object as a whole counts less.
fn trust(id: u8, labels: &LabelMap, flow: &FlowField) -> Vec<f32> {
    const ROUNDS: usize = 3;
    /// Differences in pixels that are forgiven.
    const SLACK: f32 = 0.1;
    let width = labels.size().width;
    let mut trust: Vec<f32> = labels.ids().iter().map(|&v| f32::from(u8::from(v == id))).collect();
    let own: Vec<usize> = (0..trust.len()).filter(|&i| trust[i] > 0.0).collect();
    let center = |i: usize| [(i % width) as f32 + 0.5, (i / width) as f32 + 0.5];
    for _ in 0..ROUNDS {
        let mut fit = Fit::default();
        own.iter().for_each(|&i| fit.add(center(i), flow.vectors()[i], trust[i]));
        let off: Vec<f32> = own
            .iter()
            .map(|&i| {
                let ([x, y], [u, v]) = (fit.at(center(i)), flow.vectors()[i]);
                (x - u).hypot(y - v)
            })
            .collect();
        let mut sorted = off.clone();
        sorted.sort_by(f32::total_cmp);
        let usual = sorted.get(sorted.len() / 2).map_or(SLACK, |&m| m.max(SLACK));
        for (&i, off) in own.iter().zip(off) {
            trust[i] = (1.0 + (off / usual).powi(2)).powi(-2);
        }
    }
    trust
}

/// The displacement at a point by the flow of trusted pixels around it; `None` when there are none.
fn fitted(at: [f32; 2], trust: &[f32], flow: &FlowField) -> Option<[f32; 2]> {
    let Size { width, height } = flow.size();
    let span = |at: f32, limit: usize| {
        let low = (at - REACH).ceil().max(0.0) as usize;
        (low, ((at + REACH).max(0.0) as usize).min(limit))
    };
    let ((x0, x1), (y0, y1)) = (span(at[0], width), span(at[1], height));
    let mut fit = Fit::default();
    for y in y0..y1 {
        for x in x0..x1 {
            let trust = trust[y * width + x];
            if trust > 0.0 {
                let by = [x as f32 + 0.5 - at[0], y as f32 + 0.5 - at[1]];
                let near = (-0.5 * (by[0] * by[0] + by[1] * by[1])).exp();
                fit.add(by, flow.at(x, y), trust * near);
            }
        }
    }
    (fit.weight > 1e-4).then(|| fit.at([0.0; 2]))
}

/// The affine map from places to displacements that fits weighted pixels best (least squares).
#[derive(Default)]
struct Fit {
    weight: f32,
    /// Weighted sums of places and of displacements.
    place: [f32; 2],
    moved: [f32; 2],
    /// Weighted sums of the products xx, xy and yy of places, and of displacements with places.
    spread: [f32; 3],
    along: [[f32; 2]; 2],
}

impl Fit {
    fn add(&mut self, [x, y]: [f32; 2], moved: [f32; 2], weight: f32) {
        self.weight += weight;
        self.place = [self.place[0] + weight * x, self.place[1] + weight * y];
        let products = [x * x, x * y, y * y];
        self.spread.iter_mut().zip(products).for_each(|(sum, p)| *sum += weight * p);
        for (k, v) in moved.into_iter().enumerate() {
            self.moved[k] += weight * v;
            self.along[k][0] += weight * v * x;
            self.along[k][1] += weight * v * y;
        }
    }

    /// The displacement at a place; zero without pixels.
    fn at(&self, [x, y]: [f32; 2]) -> [f32; 2] {
        /// Holds the slopes at 0 where too few pixels determine them, for instance in a line of one.
        const RIDGE: f32 = 0.05;
        let n = self.weight.max(1e-6);
        let place = self.place.map(|v| v / n);
        let xx = self.spread[0] / n - place[0] * place[0] + RIDGE;
        let xy = self.spread[1] / n - place[0] * place[1];
        let yy = self.spread[2] / n - place[1] * place[1] + RIDGE;
        // At least RIDGE², since the spread without it is positive semi-definite.
        let determinant = (xx * yy - xy * xy).max(RIDGE * RIDGE);
        [0, 1].map(|k| {
            let moved = self.moved[k] / n;
            let p = self.along[k][0] / n - moved * place[0];
            let q = self.along[k][1] / n - moved * place[1];
            let (right, down) = ((yy * p - xy * q) / determinant, (xx * q - xy * p) / determinant);
            moved + right * (x - place[0]) + down * (y - place[1])
        })
    }
}

/// The label map of moved meshes: a pixel belongs to the object in one of whose moved pixels its centre
/// lies.
fn filled(meshes: &[Mesh], size: Size) -> LabelMap {
    let mut labels = LabelMap::empty(size);
    let mut nearest = vec![f32::INFINITY; size.area()];
    for mesh in meshes {
        for pixel in &mesh.pixels {
            let corners = pixel.map(|i| mesh.corners[i as usize]);
            fill(&corners, mesh.id, &mut labels, &mut nearest);
        }
    }
    labels
}

fn fill(corners: &[[f32; 2]; 4], id: u8, labels: &mut LabelMap, nearest: &mut [f32]) {
    let Size { width, height } = labels.size();
    let range = |axis: usize| {
        let values = corners.map(|c| c[axis]);
        values.iter().fold((f32::MAX, f32::MIN), |(l, h), &v| (l.min(v), h.max(v)))
    };
    let ((left, right), (top, bottom)) = (range(0), range(1));
    if right - left > TORN || bottom - top > TORN {
        return;
    }
    let center = [0, 1].map(|axis| corners.iter().map(|c| c[axis]).sum::<f32>() / 4.0);
    let span = |low: f32, high: f32, limit: usize| {
        let first = (low - 0.5).ceil().max(0.0) as usize;
        (first, (((high + 0.5).floor()).max(0.0) as usize).min(limit))
    };
    let ((x0, x1), (y0, y1)) = (span(left, right, width), span(top, bottom, height));
    for y in y0..y1 {
        for x in x0..x1 {
            let at = [x as f32 + 0.5, y as f32 + 0.5];
            let [a, b, c, d] = *corners;
            if !(inside(at, [a, b, c]) || inside(at, [a, c, d])) {
                continue;
            }
            let distance = (at[0] - center[0]).powi(2) + (at[1] - center[1]).powi(2);
            let i = y * width + x;
            if distance < nearest[i] {
                nearest[i] = distance;
                labels.ids_mut()[i] = id;
            }
        }
    }
}

/// Whether a point lies in a triangle, whichever way round its corners go, or on its edge.
fn inside(at: [f32; 2], [a, b, c]: [[f32; 2]; 3]) -> bool {
    let side =
        |p: [f32; 2], q: [f32; 2]| (q[0] - p[0]) * (at[1] - p[1]) - (q[1] - p[1]) * (at[0] - p[0]);
    let sides = [side(a, b), side(b, c), side(c, a)];
    sides.iter().all(|&s| s >= 0.0) || sides.iter().all(|&s| s <= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size::new(64, 64);

    /// An ellipse with centre `c` and radii `r`, turned by `angle` radians.
    fn ellipse(c: [f32; 2], r: [f32; 2], angle: f32, id: u8) -> LabelMap {
        let (s, k) = angle.sin_cos();
        let inside = |i: usize| {
            let (x, y) = ((i % 64) as f32 + 0.5 - c[0], (i / 64) as f32 + 0.5 - c[1]);
            ((k * x + s * y) / r[0]).powi(2) + ((k * y - s * x) / r[1]).powi(2) <= 1.0
        };
        LabelMap::new(SIZE, (0..SIZE.area()).map(|i| u8::from(inside(i)) * id).collect()).unwrap()
    }

    /// The flow of the pixels of `labels`: turned by `angle` and grown by `scale` about `c`, then moved.
    fn flow(labels: &LabelMap, c: [f32; 2], angle: f32, scale: f32, by: [f32; 2]) -> FlowField {
        let (s, k) = angle.sin_cos();
        let vector = |(i, &id): (usize, &u8)| {
            let (x, y) = ((i % 64) as f32 + 0.5 - c[0], (i / 64) as f32 + 0.5 - c[1]);
            let to = [scale * (k * x - s * y), scale * (s * x + k * y)];
            if id == 0 { [0.0; 2] } else { [to[0] - x + by[0], to[1] - y + by[1]] }
        };
        FlowField::new(SIZE, labels.ids().iter().enumerate().map(vector).collect()).unwrap()
    }

    fn iou(a: &LabelMap, b: &LabelMap, id: u8) -> f64 {
        let pairs = || a.ids().iter().zip(b.ids());
        let both = pairs().filter(|&(&x, &y)| x == id && y == id).count();
        let any = pairs().filter(|&(&x, &y)| x == id || y == id).count();
        both as f64 / any as f64
    }

    #[test]
    fn standing_still_changes_nothing_and_whole_pixels_move_exactly() {
        let labels = ellipse([30.0, 30.0], [11.0, 6.0], 0.3, 2);
        assert_eq!(advect(&labels, &FlowField::still(SIZE)).unwrap(), labels);
        let moved = advect(&labels, &flow(&labels, [0.0; 2], 0.0, 1.0, [5.0, -3.0])).unwrap();
        assert_eq!(moved, ellipse([35.0, 27.0], [11.0, 6.0], 0.3, 2));
    }

    #[test]
    fn slow_motion_turns_and_growth_add_up_over_a_clip() {
        let (c, r) = ([26.3, 30.1], [13.0, 7.0]);
        for (angle, scale, by) in [
            (0.0, 1.0, [0.3, 0.2]),
            (0.5, 1.0, [0.0, 0.0]),
            (0.0, 1.06, [0.0, 0.0]),
            (0.0, 0.94, [0.7, 0.0]),
            (-0.3, 1.03, [0.5, -0.4]),
        ] {
            let truth: Vec<LabelMap> = (0..12)
                .map(|t| {
                    let (t, grown) = (t as f32, f32::powi(scale, t));
                    let at = [c[0] + t * by[0], c[1] + t * by[1]];
                    ellipse(at, r.map(|v| v * grown), t * angle, 1)
                })
                .collect();
            let flows: Vec<FlowField> = (0..11)
                .map(|t| {
                    let at = [c[0] + t as f32 * by[0], c[1] + t as f32 * by[1]];
                    flow(&truth[t], at, angle, scale, by)
                })
                .collect();
            let found = advect_all(&truth[0], 1, &flows, 8.0).unwrap();
            for (t, (a, b)) in found.frames().iter().zip(&truth).enumerate() {
                let iou = iou(a, b, 1);
                assert!(iou > 0.85, "turn {angle}, growth {scale}, {by:?}, frame {t}: IoU {iou}");
            }
        }
    }

    #[test]
    fn two_objects_that_meet_share_the_pixels_and_nothing_else_is_painted() {
        let mut labels = ellipse([20.0, 32.0], [8.0, 8.0], 0.0, 1);
        let right = ellipse([44.0, 32.0], [8.0, 8.0], 0.0, 2);
        labels.ids_mut().iter_mut().zip(right.ids()).for_each(|(a, &b)| *a = (*a).max(b));
        let vectors =
            labels.ids().iter().map(|&id| [[0.0; 2], [7.25, 0.0], [-6.5, 0.0]][id as usize]);
        let flow = FlowField::new(SIZE, vectors.collect()).unwrap();
        let moved = advect(&labels, &flow).unwrap();
        assert_eq!(moved, advect(&labels, &flow).unwrap());
        let alone = [[27.25, 32.0], [37.5, 32.0]].map(|c| ellipse(c, [8.0, 8.0], 0.0, 1));
        let around = |i: usize| {
            let places = (0..9).map(move |k| i + (k / 3) * 64 + k % 3 - 65);
            places.map(|j| alone.each_ref().map(|a| a.ids()[j] != 0))
        };
        for (i, &id) in moved.ids().iter().enumerate().skip(65).take(SIZE.area() - 130) {
            if around(i).all(|[a, b]| a || b) {
                assert_ne!(id, 0, "a hole at {i}");
            }
            if id != 0 {
                assert!(around(i).any(|near| near[usize::from(id) - 1]), "object {id} at {i}");
            }
        }
        assert!((1..=2).all(|id| moved.area_of(id) > 120), "both are there");
    }

    #[test]
    fn sizes_must_agree() {
        let labels = LabelMap::empty(SIZE);
        assert!(advect(&labels, &FlowField::still(Size::new(3, 3))).is_err());
        assert!(advect_all(&labels, 1, &[FlowField::still(Size::new(3, 3))], 8.0).is_err());
    }
}
