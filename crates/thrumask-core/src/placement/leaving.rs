//! What leaves the picture over its edge does not turn up in the middle of it: a network may paint it there all the same.

use super::{Placement, cutout::Cutout};

/// What has to lie outside of the picture, as a share of the object, for it to be leaving.
const OUTSIDE: f32 = 0.3;
/// What may lie outside of something that is back.
const INSIDE: f32 = 0.1;
/// The farthest that anything goes from one frame to the next, in its reach.
const FAR: f32 = 1.5;

/// The path without where the object turns up after it left.
pub(super) fn without_returns(
    cutout: &Cutout<'_>,
    mut path: Vec<Option<Placement>>,
) -> Vec<Option<Placement>> {
    let known: Vec<(usize, Placement)> =
        path.iter().enumerate().filter_map(|(i, at)| Some((i, (*at)?))).collect();
    let returns = known.windows(2).find(|pair| {
        let [(_, out), (_, back)] = pair else { return false };
        let [dx, dy] = [0, 1].map(|axis| out.center[axis] - back.center[axis]);
        cutout.outside(out) >= OUTSIDE
            && cutout.outside(back) <= INSIDE
            && dx.hypot(dy) > FAR * cutout.reach
    });
    if let Some([_, (from, _)]) = returns {
        path[*from..].fill(None);
    }
    path
}

/// Since which frame the object has left, and where it was last.
pub(super) fn left(cutout: &Cutout<'_>, path: &[Option<Placement>]) -> Option<(usize, Placement)> {
    let last = path.iter().rposition(Option::is_some)?;
    let at = path[last].filter(|at| cutout.outside(at) >= OUTSIDE)?;
    (last + 1 < path.len()).then_some((last + 1, at))
}

/// Whether a pixel is too far from where an object left to be what is still seen of it.
pub(super) fn is_stray(cutout: &Cutout<'_>, last: &Placement, [x, y]: [f32; 2]) -> bool {
    (x - last.center[0]).hypot(y - last.center[1]) > FAR * cutout.reach * last.scale.max(1.0)
}
