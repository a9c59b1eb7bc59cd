//! An object as the first frame shows it.

use std::array::from_fn;
use std::ops::Range;

use pulp::{Arch, Simd, WithSimd};

use super::{Placement, point, sight::Sight};
use crate::{LabelMap, Size};

/// How many pixels along each axis of an object are compared, about.
const SAMPLED: f32 = 24.0;

/// What the first frame says of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Seen {
    /// It is the object's.
    Object,
    /// It is the background's.
    Background,
    /// It lies outside of the picture, or another object is there, which may cover this one.
    Hidden,
}

/// An object as the first frame shows it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cutout<'a> {
    first: &'a LabelMap,
    pub id: u8,
    /// Its centroid in pixels.
    pub center: [f32; 2],
    /// Distance of its farthest pixel from there.
    pub reach: f32,
    /// Its pixels.
    pub area: f32,
}

impl<'a> Cutout<'a> {
    /// All objects of the first frame, by id.
    pub fn all(first: &'a LabelMap) -> Vec<Self> {
        first.ids_present().into_iter().filter_map(|id| Self::new(first, id)).collect()
    }

    /// Object `id` of the first frame; `None` when it has no pixel there.
    fn new(first: &'a LabelMap, id: u8) -> Option<Self> {
        let seen = Sight::new(first, None, id);
        let center = seen.center?;
        let far = |(i, _): (usize, &u8)| {
            let [x, y] = point(i, first.size());
            (x - center[0]).hypot(y - center[1])
        };
        let own = first.ids().iter().enumerate().filter(|&(_, &label)| label == id);
        let reach = own.map(far).fold(0.0, f32::max) + 0.75;
        Some(Self { first, id, center, reach, area: seen.area })
    }

    /// Where it lies in the first frame.
    pub fn placement(&self) -> Placement {
        Placement { center: self.center, angle: 0.0, scale: 1.0 }
    }

    /// Share of its pixels that lie outside of the picture at a placement.
    pub fn outside(&self, at: &Placement) -> f32 {
        let Size { width, height } = self.first.size();
        let (sin, cos) = at.angle.sin_cos();
        let (sin, cos) = (at.scale * sin, at.scale * cos);
        let is_outside = |(i, _): &(usize, &u8)| {
            let [x, y] = point(*i, self.first.size());
            let [u, v] = [x - self.center[0], y - self.center[1]];
            let x = at.center[0] + cos * u - sin * v;
            let y = at.center[1] + sin * u + cos * v;
            !((0.0..width as f32).contains(&x) && (0.0..height as f32).contains(&y))
        };
        let own = self.first.ids().iter().enumerate().filter(|&(_, &label)| label == self.id);
        own.filter(is_outside).count() as f32 / self.area.max(1.0)
    }

    pub fn seen(&self, [x, y]: [f32; 2]) -> Seen {
        let Size { width, height } = self.first.size();
        if x < 0.0 || y < 0.0 || x >= width as f32 || y >= height as f32 {
            return Seen::Hidden;
        }
        match self.first.id_at(x as usize, y as usize) {
            id if id == self.id => Seen::Object,
            0 => Seen::Background,
            _ => Seen::Hidden,
        }
    }

    /// The columns and rows that it can cover at a placement.
    pub fn covered(&self, at: &Placement) -> [Range<usize>; 2] {
        let Size { width, height } = self.first.size();
        let reach = self.reach * at.scale;
        let span = |center: f32, limit: usize| {
            let low = (center - reach).floor().max(0.0) as usize;
            low..((center + reach).ceil().max(0.0) as usize).min(limit)
        };
        [span(at.center[0], width), span(at.center[1], height)]
    }

    /// Intersection over union (of shares: sum of products over the rest) of the first mask at a placement with
    /// what a later frame shows of the object, 0 to 1. What another object covers, or the first frame did not
    /// show, does not count.
    pub fn overlap(&self, at: &Placement, now: &Sight) -> f32 {
        let step = ((2.0 * self.reach * at.scale / SAMPLED) as usize).max(1);
        let [both, mask, unknown] = Arch::new().dispatch(Compare { of: self, at, now, step });
        let pixels = (step * step) as f32;
        let [both, mask, unknown] = [both, mask, unknown].map(|sum| sum * pixels);
        let known = (now.area - unknown).max(both);
        both / (mask + known - both).max(1.0)
    }
}

/// Samples of a row that are compared together.
const LANES: usize = 16;

/// The sums of [`Cutout::overlap`] over pixels `step` apart: what both have, what the mask has of the known ones, and
/// what the frame has where the first did not show it. A search asks for them thousands of times.
struct Compare<'a> {
    of: &'a Cutout<'a>,
    at: &'a Placement,
    now: &'a Sight,
    step: usize,
}

impl WithSimd for Compare<'_> {
    type Output = [f32; 3];

    // Every lane by itself, in operations that round alike with every instruction set.
    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) -> [f32; 3] {
        let Self { of: &Cutout { first, id, center, .. }, at, now, step } = self;
        let (source, [columns, rows]) = (at.source(center), self.of.covered(at));
        let Size { width, height } = first.size();
        let (right, bottom, ids) = (width as f32, height as f32, first.ids());
        let [mut both, mut mask, mut unknown] = [[0f32; LANES]; 3];
        for y in rows.step_by(step) {
            for from in columns.clone().step_by(step * LANES) {
                let (mut inside, mut places) = ([0f32; LANES], [0i32; LANES]);
                for lane in 0..LANES {
                    let x = (from + lane * step) as f32;
                    let [u, v] = source([x + 0.5, y as f32 + 0.5]);
                    let is_inside = (u >= 0.0) & (v >= 0.0) & (u < right) & (v < bottom);
                    let place = v as i32 * width as i32 + u as i32;
                    places[lane] = if is_inside { place } else { 0 };
                    inside[lane] = if is_inside { 1.0 } else { 0.0 };
                }
                let labels: [u8; LANES] = from_fn(|lane| ids[places[lane] as usize]);
                let [known, shares]: [[f32; LANES]; 2] = now.shares(y, from..columns.end, step);
                for lane in 0..LANES {
                    let label = labels[lane];
                    let object = if label == id { inside[lane] } else { 0.0 };
                    let ground = if label == 0 { inside[lane] } else { 0.0 };
                    mask[lane] += known[lane] * object;
                    both[lane] += shares[lane] * object;
                    unknown[lane] += shares[lane] * (1.0 - object - ground);
                }
            }
        }
        [both, mask, unknown].map(|lanes| lanes.iter().sum())
    }
}
