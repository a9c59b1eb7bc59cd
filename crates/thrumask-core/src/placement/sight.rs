//! What a later frame shows of one object.

use std::ops::Range;

use super::point;
use crate::{LabelMap, Picture, Size, palette};

/// What a pixel that another object covers has in the place of a share.
const COVERED: f32 = -1.0;
/// Shares of the colour below this are none: what a network paints is not quite black anywhere.
const FAINT: f32 = 0.12;
/// Levels by which a colour may lie beside the line from black to an object's.
const ASIDE: f32 = 60.0;

/// How much of each pixel of a frame belongs to an object.
pub(super) struct Sight {
    size: Size,
    /// 0 to 1, or [`COVERED`].
    shares: Vec<f32>,
    /// Sum of the shares.
    pub area: f32,
    /// Centroid; `None` where nothing is seen of it.
    pub center: Option<[f32; 2]>,
}

impl Sight {
    /// Object `id` in a label map, and, where `painted` shows how sure it is, in the object's colour there: more
    /// black, less sure.
    pub fn new(labels: &LabelMap, painted: Option<&Picture>, id: u8) -> Self {
        let colors = painted.map(|picture| picture.rgb().as_chunks::<3>().0);
        let share = |(i, &label): (usize, &u8)| match colors {
            _ if label != 0 && label != id => COVERED,
            None => f32::from(u8::from(label == id)),
            Some(colors) => share_of(colors[i], palette::color_of(id)),
        };
        Self::of(labels.size(), labels.ids().iter().enumerate().map(share).collect())
    }

    fn of(size: Size, shares: Vec<f32>) -> Self {
        let (mut area, mut sums) = (0f32, [0f32; 2]);
        for (i, &share) in shares.iter().enumerate().filter(|&(_, &share)| share > 0.0) {
            let [x, y] = point(i, size);
            area += share;
            sums = [sums[0] + share * x, sums[1] + share * y];
        }
        let center = (area > 0.0).then(|| sums.map(|sum| sum / area));
        Self { size, shares, area, center }
    }

    /// Of some pixels of row `y`, every `step`-th of `columns`, the first `N` at most: 1 where it is known how much of it is
    /// the object's, and 0 where another object covers it; and how much that is, 0 to 1. Zeros behind the last.
    #[inline(always)]
    pub fn shares<const N: usize>(
        &self,
        y: usize,
        columns: Range<usize>,
        step: usize,
    ) -> [[f32; N]; 2] {
        let from = &self.shares[y * self.size.width + columns.start..];
        let mut shares = [COVERED; N];
        match from.first_chunk() {
            Some(side_by_side) if step == 1 => shares = *side_by_side,
            _ => shares.iter_mut().zip(from.iter().step_by(step)).for_each(|(to, v)| *to = *v),
        }
        let (count, mut known) = (columns.len().div_ceil(step), [0f32; N]);
        for lane in 0..N {
            let is_known = (lane < count) & (shares[lane] != COVERED);
            known[lane] = if is_known { 1.0 } else { 0.0 };
            shares[lane] = if is_known { shares[lane] } else { 0.0 };
        }
        [known, shares]
    }
}

/// How far a colour lies on the way from black to another, 0 to 1; 0 for colours beside that way.
fn share_of(color: [u8; 3], of: [u8; 3]) -> f32 {
    let (color, of) = (color.map(f32::from), of.map(f32::from));
    let dot = |a: [f32; 3], b: [f32; 3]| a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
    let share = dot(color, of) / dot(of, of);
    let rest: [f32; 3] = std::array::from_fn(|c| color[c] - share * of[c]);
    match share < FAINT || dot(rest, rest) > ASIDE * ASIDE {
        true => 0.0,
        false => share.min(1.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_fall_from_the_colour_to_black_and_others_have_none() {
        let of = palette::color_of(1);
        let part = |p: f32| share_of(of.map(|v| (f32::from(v) * p).round() as u8), of);
        assert_eq!((part(1.0), part(0.0), part(0.05)), (1.0, 0.0, 0.0));
        assert!((part(0.5) - 0.5).abs() < 0.01);
        assert_eq!(share_of(palette::color_of(2), of), 0.0);
    }

    #[test]
    fn what_others_cover_is_not_known() {
        let labels = LabelMap::new(Size::new(4, 1), vec![0, 1, 1, 2]).unwrap();
        let sight = Sight::new(&labels, None, 1);
        let shares = [[1.0, 1.0, 1.0, 0.0, 0.0], [0.0, 1.0, 1.0, 0.0, 0.0]];
        assert_eq!(sight.shares(0, 0..4, 1), shares);
        assert_eq!(sight.shares(0, 1..3, 1), [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0]]);
        assert_eq!(sight.shares(0, 0..4, 2), [[1.0, 1.0, 0.0], [0.0, 1.0, 0.0]]);
        assert_eq!(sight.shares(0, 1..4, 2), [[1.0, 0.0], [1.0, 0.0]]);
        assert_eq!((sight.area, sight.center), (2.0, Some([2.0, 0.5])));
        assert_eq!(Sight::new(&labels, None, 3).center, None);
        let half = palette::color_of(1).map(|v| v / 2);
        let painted = Picture::filled(labels.size(), half);
        let soft = Sight::new(&labels, Some(&painted), 1);
        assert!((soft.area - 1.5).abs() < 0.02 && soft.shares(0, 3..4, 1) == [[0.0], [0.0]]);
    }
}
