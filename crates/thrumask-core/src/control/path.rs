//! A drawn path as a function of time.

use super::{MAX_POINTS, PathPoint};
use crate::{Error, Result};

/// A way through the picture, walked from time 0 to time 1.
#[derive(Debug, Clone, PartialEq)]
pub struct DrawnPath {
    /// Position and time of each point, times ascending.
    points: Vec<([f32; 2], f32)>,
}

impl DrawnPath {
    /// A path from typed points. Without times it is walked at constant speed; with times, every
    /// point needs one. `what` names object and field in errors.
    ///
    /// # Errors
    /// [`Error::Invalid`] for fewer than two points, numbers that are not finite, times outside
    /// 0 to 1 or not ascending, or times for some points only.
    pub fn new(what: &str, points: &[PathPoint]) -> Result<Self> {
        let bad = |reason: String| Err(Error::invalid(what, reason));
        if !(2..=MAX_POINTS).contains(&points.len()) {
            return bad(format!("expected 2 to {MAX_POINTS} points, got {}", points.len()));
        }
        let place = |p: &PathPoint| match *p {
            PathPoint::Free(p) => p,
            PathPoint::Timed([x, y, _]) => [x, y],
        };
        let time = |p: &PathPoint| match *p {
            PathPoint::Free(_) => None,
            PathPoint::Timed([.., t]) => Some(t),
        };
        // A hundred times the largest picture is far outside, and keeps the arithmetic exact.
        let far = |v: &f32| !v.is_finite() || v.abs() > 1e6;
        if let Some(p) = points.iter().find(|p| place(p).iter().any(far)) {
            return bad(format!("expected positions within a million pixels, got {:?}", place(p)));
        }
        let timed = points.iter().filter_map(time).count();
        let times: Vec<f32> = if timed == points.len() {
            points.iter().filter_map(time).collect()
        } else if timed == 0 {
            by_length(points.iter().map(place))
        } else {
            return bad(format!(
                "{timed} of {} points have a time: expected all or none",
                points.len()
            ));
        };
        if let Some(t) = times.iter().find(|t| !(0.0..=1.0).contains(*t)) {
            return bad(format!("expected times from 0 to 1, got {t}"));
        }
        if timed > 0
            && let Some(w) = times.windows(2).find(|w| w[1] <= w[0])
        {
            return bad(format!("expected ascending times, got {} after {}", w[1], w[0]));
        }
        Ok(Self { points: points.iter().map(place).zip(times).collect() })
    }

    /// Position at time `t` (0 first frame, 1 last), in pixels `[x, y]`. Before the first and
    /// after the last point the object rests there.
    pub fn at(&self, t: f32) -> [f32; 2] {
        let next = self.points.partition_point(|p| p.1 <= t);
        let (Some(&(b, tb)), Some(&(a, ta))) =
            (self.points.get(next), next.checked_sub(1).and_then(|i| self.points.get(i)))
        else {
            return self.points[next.min(self.points.len() - 1)].0;
        };
        let part = (t - ta) / (tb - ta);
        [a[0] + (b[0] - a[0]) * part, a[1] + (b[1] - a[1]) * part]
    }

    /// How far the object has moved at time `t` from where it started, in pixels `[x, y]`.
    pub fn shift_at(&self, t: f32) -> [f32; 2] {
        let (start, now) = (self.points[0].0, self.at(t));
        [now[0] - start[0], now[1] - start[1]]
    }
}

/// Times at which points are passed at constant speed.
fn by_length(places: impl Iterator<Item = [f32; 2]> + Clone) -> Vec<f32> {
    let steps = places
        .clone()
        .zip(places.skip(1))
        .map(|(a, b)| (f64::from(b[0] - a[0]).powi(2) + f64::from(b[1] - a[1]).powi(2)).sqrt());
    let mut sums = vec![0.0];
    for step in steps {
        sums.push(sums[sums.len() - 1] + step);
    }
    let total = sums[sums.len() - 1];
    let count = (sums.len() - 1) as f64;
    // A path that stays on one spot is passed through evenly.
    let time = |(i, s): (usize, f64)| if total > 0.0 { s / total } else { i as f64 / count };
    sums.into_iter().enumerate().map(|p| time(p) as f32).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(points: &[PathPoint]) -> Result<DrawnPath> {
        DrawnPath::new("object 1, field path", points)
    }

    #[test]
    fn without_times_the_speed_is_constant() {
        use PathPoint::Free;
        let p = path(&[Free([0.0, 0.0]), Free([30.0, 0.0]), Free([30.0, 10.0])]).unwrap();
        assert_eq!(p.at(0.0), [0.0, 0.0]);
        assert_eq!(p.at(0.375), [15.0, 0.0]);
        assert_eq!(p.at(0.75), [30.0, 0.0]);
        assert_eq!(p.at(1.0), [30.0, 10.0]);
        let still = path(&[Free([5.0, 5.0]), Free([5.0, 5.0]), Free([5.0, 5.0])]).unwrap();
        assert_eq!((still.at(0.3), still.shift_at(0.9)), ([5.0, 5.0], [0.0, 0.0]));
    }

    #[test]
    fn with_times_the_object_waits_before_and_after() {
        use PathPoint::Timed;
        let p = path(&[Timed([10.0, 0.0, 0.25]), Timed([20.0, 8.0, 0.75])]).unwrap();
        assert_eq!((p.at(0.0), p.at(0.5), p.at(1.0)), ([10.0, 0.0], [15.0, 4.0], [20.0, 8.0]));
        assert_eq!(p.shift_at(0.5), [5.0, 4.0]);
    }

    #[test]
    fn paths_that_make_no_sense_are_refused() {
        use PathPoint::{Free, Timed};
        for (points, words) in [
            (vec![Free([1.0, 1.0])], "2 to 10000 points, got 1"),
            (vec![Free([1.0, 1.0]), Timed([2.0, 1.0, 0.5])], "1 of 2 points have a time"),
            (vec![Timed([1.0, 1.0, 0.0]), Timed([2.0, 1.0, 1.5])], "got 1.5"),
            (vec![Timed([1.0, 1.0, 0.5]), Timed([2.0, 1.0, 0.5])], "ascending"),
            (vec![Free([f32::NAN, 1.0]), Free([2.0, 1.0])], "NaN"),
        ] {
            let e = path(&points).unwrap_err().to_string();
            assert!(e.contains(words) && e.contains("field path"), "{e}");
        }
    }
}
