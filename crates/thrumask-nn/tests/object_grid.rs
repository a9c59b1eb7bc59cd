//! From trajectories to token groups and prompt visibility, against a plain statement of the rules.

#![allow(clippy::unwrap_used, clippy::needless_range_loop)]

use proptest::prelude::*;
use thrumask_core::{LabelMap, Size, Trajectory};
use thrumask_nn::backbone::{ObjectGrid, groups::Visibility};

const OBJECTS: usize = 3;

/// Trajectories whose masks come in small blocks, with a token grid that may not divide them.
fn cases() -> impl Strategy<Value = (Trajectory, [usize; 3])> {
    (1usize..5, 1usize..4, 4usize..20, 4usize..20, 1usize..5).prop_flat_map(
        |(frames, windows, width, height, block)| {
            let size = Size::new(width, height);
            let blocks = width.div_ceil(block) * height.div_ceil(block);
            let picture = proptest::collection::vec(0u8..=OBJECTS as u8, blocks);
            let frames = proptest::collection::vec(picture, frames.max(windows));
            let grid = (1..=height.min(6), 1..=width.min(6));
            (frames, grid).prop_map(move |(frames, (rows, columns))| {
                let id = |picture: &[u8], i: usize| {
                    let (x, y) = (i % width / block, i / width / block);
                    picture[y * width.div_ceil(block) + x]
                };
                let maps = frames.iter().map(|picture| {
                    let ids = (0..size.area()).map(|i| id(picture, i)).collect();
                    LabelMap::new(size, ids).unwrap()
                });
                let trajectory = Trajectory::new(maps.collect(), OBJECTS, 8.0).unwrap();
                (trajectory, [windows, rows, columns])
            })
        },
    )
}

/// Frames, rows and columns of pixels that token number `token` covers.
fn cell(trajectory: &Trajectory, grid: [usize; 3], token: usize) -> [std::ops::Range<usize>; 3] {
    let [_, rows, columns] = grid;
    let size = trajectory.size();
    let at = [token / (rows * columns), token / columns % rows, token % columns];
    let whole = [trajectory.frames().len(), size.height, size.width];
    std::array::from_fn(|i| at[i] * whole[i] / grid[i]..(at[i] + 1) * whole[i] / grid[i])
}

proptest! {
    #[test]
    fn tokens_follow_the_rules((trajectory, grid) in cases()) {
        let boxes = ObjectGrid::new(&trajectory, grid, Visibility::Box).unwrap();
        let exact = ObjectGrid::new(&trajectory, grid, Visibility::Mask).unwrap();
        prop_assert_eq!(&boxes.ids, &exact.ids);
        prop_assert_eq!(boxes.ids.len(), grid.iter().product::<usize>());
        let mut covered = 0;
        for token in 0..boxes.ids.len() {
            let [ts, ys, xs] = cell(&trajectory, grid, token);
            let mut share = [0usize; OBJECTS + 1];
            let mut in_box = [false; OBJECTS];
            for t in ts {
                let frame = &trajectory.frames()[t];
                for y in ys.clone() {
                    for x in xs.clone() {
                        share[usize::from(frame.id_at(x, y))] += 1;
                        for id in 1..=OBJECTS {
                            let found = frame.box_of(id as u8);
                            in_box[id - 1] |= found.is_some_and(|b| b.contains(x, y));
                        }
                    }
                }
            }
            covered += share.iter().sum::<usize>();
            let own = usize::from(boxes.ids[token]);
            prop_assert!(share.iter().all(|&n| n <= share[own]), "{share:?}, chose {own}");
            prop_assert!(share[..own].iter().all(|&n| n < share[own]), "ties go to the lower id");
            prop_assert_eq!(&boxes.in_box[token], &in_box.to_vec());
            let touched: Vec<bool> = share[1..].iter().map(|&n| n > 0).collect();
            prop_assert_eq!(&exact.in_box[token], &touched);
        }
        let pixels = trajectory.frames().len() * trajectory.size().area();
        prop_assert_eq!(covered, pixels, "every pixel of every frame lies in one token");
    }

    #[test]
    fn batches_keep_rows_apart((trajectory, grid) in cases(), lengths in proptest::collection::vec(0usize..=4, OBJECTS)) {
        let grids = [
            ObjectGrid::new(&trajectory, grid, Visibility::Box).unwrap(),
            ObjectGrid::background(OBJECTS, grid),
        ];
        let tokens = grids[0].ids.len();
        let groups = ObjectGrid::groups(&grids).unwrap();
        prop_assert_eq!((groups.batch(), groups.tokens()), (2, tokens));
        prop_assert!(groups.ids()[tokens..].iter().all(|&id| id == 0));
        let visible = ObjectGrid::visibility(&grids, &[lengths.clone(), vec![2; OBJECTS]], 4).unwrap();
        for token in 0..tokens {
            prop_assert_eq!(groups.ids()[token], u16::from(grids[0].ids[token]));
            for prompt in 0..OBJECTS {
                prop_assert_eq!(visible.sees(0, token, prompt), grids[0].in_box[token][prompt]);
                prop_assert!(!visible.sees(1, token, prompt));
                prop_assert_eq!(visible.text_len(0, prompt), lengths[prompt]);
            }
        }
    }
}

/// Two frames: object 1 in the upper left, object 2 an angle around it, so that their boxes overlap.
fn angle() -> Trajectory {
    let size = Size::new(8, 8);
    let id = |i: usize| match (i % 8, i / 8) {
        (6.., _) | (_, 6..) => 2,
        (..4, ..4) => 1,
        _ => 0,
    };
    let frame = LabelMap::new(size, (0..64).map(id).collect()).unwrap();
    Trajectory::new(vec![frame, LabelMap::empty(size)], 2, 8.0).unwrap()
}

#[test]
fn overlapping_boxes_show_several_prompts() {
    let grid = ObjectGrid::new(&angle(), [2, 4, 4], Visibility::Box).unwrap();
    assert_eq!((grid.ids[0], &grid.in_box[0]), (1, &vec![true, true]));
    assert_eq!((grid.ids[2], &grid.in_box[2]), (0, &vec![false, true]));
    assert_eq!((grid.ids[3], &grid.in_box[3]), (2, &vec![false, true]));
    // Nobody is there in the second frame.
    assert!(grid.ids[16..].iter().all(|&id| id == 0));
    assert!(grid.in_box[16..].iter().flatten().all(|seen| !seen));
}

#[test]
fn a_window_sees_whoever_is_there_in_any_frame() {
    let grid = ObjectGrid::new(&angle(), [1, 4, 4], Visibility::Box).unwrap();
    // Half of the window's pixels are object 1, half background: the lower id wins.
    assert_eq!((grid.ids[0], &grid.in_box[0]), (0, &vec![true, true]));
}

#[test]
fn grids_that_do_not_fit_are_refused() {
    let trajectory = angle();
    for grid in [[3, 4, 4], [2, 9, 4], [2, 4, 9]] {
        let error = ObjectGrid::new(&trajectory, grid, Visibility::Box).unwrap_err().to_string();
        assert!(error.contains("token grid") && error.contains("[2, 8, 8]"), "{error}");
    }
    assert!(ObjectGrid::groups(&[]).is_err());
    let other = [ObjectGrid::background(1, [1, 2, 2]), ObjectGrid::background(1, [1, 2, 3])];
    assert!(ObjectGrid::groups(&other).is_err());
    assert!(ObjectGrid::visibility(&other, &[vec![1], vec![1]], 1).is_err());
}
