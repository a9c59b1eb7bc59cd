//! Which frames are remembered at a frame: a pure function of their numbers.

use super::super::MemoryConfig;

/// Which way an object is followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Direction {
    /// To later frames.
    Forward,
    /// To earlier frames.
    Backward,
}

impl Direction {
    /// The frame so many before `frame` on the way; `None` before the first.
    fn before(self, frame: usize, by: usize) -> Option<usize> {
        match self {
            Self::Forward => frame.checked_sub(by),
            Self::Backward => frame.checked_add(by),
        }
    }

    /// How many frames ago `then` was on the way; below 0 what is yet to come.
    fn ago(self, frame: usize, then: usize) -> f32 {
        let difference = frame as f32 - then as f32;
        if self == Self::Forward { difference } else { -difference }
    }
}

/// What a frame looks back at.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Choice {
    /// Frames remembered as maps, each with the row of the embedding of times: of prompted frames the last,
    /// of others 0 for the frame just before, and so on.
    pub maps: Vec<(usize, usize)>,
    /// Frames remembered as pointers, each with how long ago it was: 1 for as long ago as any can be.
    pub pointers: Vec<(usize, f32)>,
}

/// What `frame` of a video of `total` frames looks back at: the nearest prompted frames of `conditioning`, in
/// ascending order, and those just before it of which `is_tracked` tells that they were seen.
///
/// Prompted frames beyond [`MemoryConfig::prompted_frames`] count as tracked ones, as in the original; the
/// pointers of those to come are left out.
pub fn choose(
    config: &MemoryConfig,
    frame: usize,
    direction: Direction,
    total: usize,
    conditioning: &[usize],
    is_tracked: &dyn Fn(usize) -> bool,
) -> Choice {
    let nearest = nearest(conditioning, frame, config.prompted_frames.unwrap_or(usize::MAX));
    let seen =
        |then: usize| is_tracked(then) || conditioning.contains(&then) && !nearest.contains(&then);
    let mut choice = Choice::default();
    choice.maps.extend(nearest.iter().map(|&then| (then, config.frames - 1)));
    for by in (1..config.frames).rev() {
        let then = direction.before(frame, by).filter(|&then| seen(then));
        choice.maps.extend(then.map(|then| (then, by - 1)));
    }
    let longest = total.min(config.object_pointers);
    let share = |ago: f32| ago / longest.saturating_sub(1).max(1) as f32;
    let past = nearest.iter().map(|&then| (then, direction.ago(frame, then)));
    choice.pointers.extend(past.filter(|&(_, ago)| ago >= 0.0).map(|(t, ago)| (t, share(ago))));
    for by in 1..longest {
        let then = direction.before(frame, by).filter(|&then| then < total && seen(then));
        choice.pointers.extend(then.map(|then| (then, share(by as f32))));
    }
    choice
}

/// At most `most` of the prompted frames: the nearest before `frame`, the nearest from it on, then whichever
/// are nearest; in ascending order.
fn nearest(conditioning: &[usize], frame: usize, most: usize) -> Vec<usize> {
    if conditioning.len() <= most {
        return conditioning.to_vec();
    }
    let before = conditioning.iter().copied().filter(|&t| t < frame).max();
    let after = conditioning.iter().copied().filter(|&t| t >= frame).min();
    let mut taken: Vec<usize> = before.into_iter().chain(after).collect();
    let mut rest: Vec<usize> =
        conditioning.iter().copied().filter(|t| !taken.contains(t)).collect();
    rest.sort_by_key(|t| t.abs_diff(frame));
    taken.extend(rest.into_iter().take(most.saturating_sub(taken.len())));
    taken.truncate(most);
    taken.sort_unstable();
    taken
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::perception::sam2::Sam2Config;
    use Direction::{Backward, Forward};

    fn config(prompted_frames: Option<usize>) -> MemoryConfig {
        MemoryConfig { frames: 4, object_pointers: 5, prompted_frames, ..Sam2Config::tiny().memory }
    }

    #[test]
    fn prompted_frames_are_always_there_and_tracked_ones_for_a_while() {
        let seen = |then: usize| (1..10).contains(&then);
        let choice = choose(&config(None), 9, Forward, 20, &[0, 12], &seen);
        assert_eq!(choice.maps, [(0, 3), (12, 3), (6, 2), (7, 1), (8, 0)]);
        // The pointer of the frame to come is not there; four frames are as long ago as any can be.
        let expected = [(0, 2.25), (8, 0.25), (7, 0.5), (6, 0.75), (5, 1.0)];
        assert_eq!(choice.pointers, expected);
        let back = choose(&config(None), 9, Backward, 20, &[0, 12], &|then| then > 9);
        assert_eq!(back.maps, [(0, 3), (12, 3), (12, 2), (11, 1), (10, 0)]);
        assert_eq!(back.pointers[0], (12, 0.75));
    }

    #[test]
    fn short_videos_and_first_frames_have_less_to_remember() {
        let choice = choose(&config(None), 1, Forward, 3, &[0], &|_| false);
        assert_eq!((choice.maps, choice.pointers), (vec![(0, 3)], vec![(0, 0.5)]));
        let last = choose(&config(None), 1, Backward, 2, &[1], &|_| true);
        assert_eq!(last.pointers, [(1, 0.0)]);
        assert!(choose(&config(None), 0, Forward, 1, &[], &|_| false).maps.is_empty());
    }

    #[test]
    fn of_many_prompted_frames_the_nearest_each_way_then_the_nearest() {
        let frames = [0, 3, 5, 9, 20];
        for (frame, most, expected) in [
            (6, 2, vec![5, 9]),
            (6, 3, vec![3, 5, 9]),
            (9, 2, vec![5, 9]),
            (30, 2, vec![9, 20]),
            (6, 1, vec![5]),
            (6, 5, frames.to_vec()),
        ] {
            assert_eq!(nearest(&frames, frame, most), expected, "{frame} {most}");
        }
        // Those that were not taken count as tracked.
        let choice = choose(&config(Some(1)), 6, Forward, 30, &frames, &|_| false);
        assert_eq!(choice.maps, [(5, 3), (3, 2)]);
        assert_eq!(choice.pointers, [(5, 0.25), (3, 0.75)]);
    }
}
