//! An object as the first frame shows it.

use std::ops::Range;

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
        let source = at.source(self.center);
        let step = ((2.0 * self.reach * at.scale / SAMPLED) as usize).max(1);
        let (mut both, mut mask, mut unknown) = (0f32, 0f32, 0f32);
        let [columns, rows] = self.covered(at);
        for y in rows.step_by(step) {
            for x in columns.clone().step_by(step) {
                let Some(share) = now.share(x, y) else { continue };
                match self.seen(source([x as f32 + 0.5, y as f32 + 0.5])) {
                    Seen::Object => {
                        mask += 1.0;
                        both += share;
                    }
                    Seen::Hidden => unknown += share,
                    Seen::Background => {}
                }
            }
        }
        let pixels = (step * step) as f32;
        let [both, mask, unknown] = [both, mask, unknown].map(|sum| sum * pixels);
        let known = (now.area - unknown).max(both);
        both / (mask + known - both).max(1.0)
    }
}
