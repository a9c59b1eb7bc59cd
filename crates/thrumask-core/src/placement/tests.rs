use std::{collections::BTreeMap, f32::consts::TAU};

use super::{
    cutout::{Cutout, Seen},
    fit::placements,
    sight::Sight,
    *,
};
use crate::{LabelMap, Picture, Size, labels::Joined, palette};

const SIZE: Size = Size::new(48, 40);

/// A boot: nothing that a turn brings onto itself.
fn is_boot([x, y]: [f32; 2]) -> bool {
    (10.0..16.0).contains(&x) && (8.0..24.0).contains(&y)
        || (10.0..24.0).contains(&x) && (18.0..24.0).contains(&y)
}

/// Labels of points by a rule.
fn drawn(label: impl Fn([f32; 2]) -> u8) -> LabelMap {
    LabelMap::new(SIZE, (0..SIZE.area()).map(|i| label(point(i, SIZE))).collect()).unwrap()
}

fn boot() -> LabelMap {
    drawn(|p| u8::from(is_boot(p)))
}

/// The boot at a placement.
fn placed(at: &Placement) -> LabelMap {
    let first = boot();
    let source = at.source(Cutout::all(&first)[0].center);
    drawn(|p| u8::from(is_boot(source(p))))
}

/// A placement in relation to where the boot is at first.
fn moved(by: [f32; 2], degrees: f32, scale: f32) -> Placement {
    let first = boot();
    let [x, y] = Cutout::all(&first)[0].center;
    Placement { center: [x + by[0], y + by[1]], angle: degrees.to_radians(), scale }
}

/// Nothing known of turns.
fn none() -> BTreeMap<u8, Turn> {
    BTreeMap::new()
}

fn overlap(a: &LabelMap, b: &LabelMap, id: u8) -> f32 {
    let pairs = || a.mask_of(id).into_iter().zip(b.mask_of(id));
    let both = pairs().filter(|&(a, b)| a && b).count();
    both as f32 / pairs().filter(|&(a, b)| a || b).count() as f32
}

/// The masks in colours, as dim and as far blurred as a network that is not sure paints them.
fn unsure(labels: &LabelMap) -> Picture {
    let mut shares: Vec<f32> = labels.ids().iter().map(|&id| f32::from(id)).collect();
    for _ in 0..6 {
        let mean = |i: usize| {
            let near: Vec<usize> = Joined::Corners.neighbours(i, SIZE).chain([i]).collect();
            near.iter().map(|&n| shares[n]).sum::<f32>() / near.len() as f32
        };
        shares = (0..shares.len()).map(mean).collect();
    }
    let color = |share: f32| palette::color_of(1).map(|v| (f32::from(v) * share) as u8);
    Picture::new(SIZE, shares.into_iter().flat_map(color).collect()).unwrap()
}

fn snapped(picture: &Picture) -> LabelMap {
    let label = |rgb: &[u8; 3]| palette::snap(*rgb, 1, palette::SNAP_THRESHOLD);
    LabelMap::new(SIZE, picture.rgb().as_chunks().0.iter().map(label).collect()).unwrap()
}

#[test]
fn placements_are_found_in_masks() {
    let first = boot();
    let path: Vec<Placement> = (0..6)
        .map(|i| i as f32)
        .map(|i| moved([2.5 * i, 0.7 * i], 9.0 * i, 1.06f32.powf(i)))
        .collect();
    let mut frames = vec![first.clone()];
    frames.extend(path[1..].iter().map(placed));
    let sights: Vec<Sight> = frames.iter().map(|f| Sight::new(f, None, 1)).collect();
    let found = placements(&Cutout::all(&first)[0], &sights, false, None);
    for (found, at) in found.iter().zip(&path) {
        let found = found.unwrap();
        let off = (found.center[0] - at.center[0]).hypot(found.center[1] - at.center[1]);
        assert!(off < 0.7, "{found:?}, {at:?}");
        assert!((found.angle - at.angle).abs() < 4f32.to_radians(), "{found:?}, {at:?}");
        assert!((found.scale / at.scale).ln().abs() < 0.05, "{found:?}, {at:?}");
    }
    let carried = carry_masks(&frames, None, &none());
    assert_eq!(carried[0], first);
    for (carried, frame) in carried.iter().zip(&frames) {
        assert!(overlap(carried, frame, 1) > 0.88, "{}", overlap(carried, frame, 1));
    }
}

#[test]
fn what_only_moves_neither_turns_nor_grows() {
    let masks: Vec<LabelMap> =
        (0..6).map(|i| placed(&moved([3.0 * i as f32, 0.0], 0.0, 1.0))).collect();
    let painted: Vec<Picture> = masks.iter().map(unsure).collect();
    let seen: Vec<LabelMap> = painted.iter().map(snapped).collect();
    let sights = seen.iter().zip(&painted).map(|(s, p)| Sight::new(s, Some(p), 1));
    let found = placements(&Cutout::all(&masks[0])[0], &sights.collect::<Vec<_>>(), true, None);
    let stiff = |p: &Placement| (p.angle, p.scale) == (0.0, 1.0);
    assert!(found.iter().flatten().all(stiff), "{found:?}");
}

#[test]
fn outlines_come_back_where_the_network_is_unsure() {
    let path = |i: usize| moved([3.0 * i as f32, 1.5 * i as f32], 0.0, 1.0);
    let truth: Vec<LabelMap> = (0..6).map(|i| placed(&path(i))).collect();
    let painted: Vec<Picture> = truth.iter().map(unsure).collect();
    let mut seen: Vec<LabelMap> = painted.iter().map(snapped).collect();
    seen[0] = truth[0].clone();
    let carried = carry_masks(&seen, Some(&painted), &none());
    for i in 1..6 {
        let [before, after] = [&seen[i], &carried[i]].map(|m| overlap(m, &truth[i], 1));
        assert!(after > 0.9 && before < 0.75, "frame {i}: {before} to {after}");
    }
}

#[test]
fn a_steady_turn_is_found_under_the_blur() {
    let truth: Vec<LabelMap> =
        (0..9).map(|i| placed(&moved([8.0, 3.0], 45.0 * i as f32, 1.0))).collect();
    // It lies in the middle from the beginning, so that nothing of it leaves the picture.
    let painted: Vec<Picture> = truth.iter().map(unsure).collect();
    let mut seen: Vec<LabelMap> = painted.iter().map(snapped).collect();
    seen[0] = truth[0].clone();
    let sights = seen.iter().zip(&painted).map(|(s, p)| Sight::new(s, Some(p), 1));
    let found = placements(&Cutout::all(&truth[0])[0], &sights.collect::<Vec<_>>(), true, None);
    for (i, found) in found.iter().enumerate() {
        let off = (found.unwrap().angle - TAU / 8.0 * i as f32).to_degrees();
        assert!(off.abs() < 15.0, "frame {i}: {off} degrees off, {found:?}");
    }
}

#[test]
fn a_turn_that_no_frame_shows_goes_the_way_that_is_told() {
    // The mean of all turns looks the same from all sides.
    let first = placed(&moved([8.0, 3.0], 0.0, 1.0));
    let turned = (0..24).map(|i| placed(&moved([8.0, 3.0], 15.0 * i as f32, 1.0)));
    let mut shares = vec![0f32; SIZE.area()];
    for labels in turned {
        shares.iter_mut().zip(labels.ids()).for_each(|(s, &id)| *s += f32::from(id) / 24.0);
    }
    let color = |share: f32| palette::color_of(1).map(|v| (f32::from(v) * share) as u8);
    let mean = Picture::new(SIZE, shares.into_iter().flat_map(color).collect()).unwrap();
    let painted: Vec<Picture> = std::iter::once(unsure(&first)).chain(vec![mean; 6]).collect();
    let mut seen: Vec<LabelMap> = painted.iter().map(snapped).collect();
    seen[0] = first.clone();
    let sights = seen.iter().zip(&painted).map(|(s, p)| Sight::new(s, Some(p), 1));
    let sights: Vec<Sight> = sights.collect();
    let last = |told| {
        let found = placements(&Cutout::all(&first)[0], &sights, true, told);
        found.last().unwrap().unwrap().angle
    };
    let turn = |way, angle| Turn { way, angle };
    let ways = [Way::Clockwise, Way::Counterclockwise, Way::Either];
    let ways = ways.map(|way| last(Some(turn(way, None))));
    assert!(ways[0] > 0.5 && ways[1] < -0.5 && ways[2].abs() > 0.5, "{ways:?}");
    for half in [1.0, 2.0, 4.0].map(|halves| halves * TAU / 2.0) {
        assert_eq!(last(Some(turn(Way::Clockwise, Some(half)))), half);
        assert_eq!(last(Some(turn(Way::Counterclockwise, Some(half)))), -half);
        assert_eq!(last(Some(turn(Way::Either, Some(half)))).abs(), half);
    }
    let told = BTreeMap::from([(1, turn(Way::Clockwise, None))]);
    let [with, without] =
        [&told, &none()].map(|told| carry_masks(&seen, Some(&painted), told).pop().unwrap());
    assert_ne!(with, without);
}

#[test]
fn little_of_what_is_blurred_says_nothing() {
    let boots = [0.0, 4.0, 8.0, 12.0].map(|x| placed(&moved([x, 0.0], 0.0, 1.0)));
    // A tenth of the boot, and not where it is.
    let sliver = drawn(|[x, y]| u8::from((10.0..16.0).contains(&x) && (8.0..10.0).contains(&y)));
    let frames = [&boots[0], &boots[1], &sliver, &boots[3]].map(|f| Sight::new(f, None, 1));
    let cutouts = Cutout::all(&boots[0]);
    let third = |blurred| placements(&cutouts[0], &frames, blurred, None)[2].unwrap().center[0];
    let between = moved([8.0, 0.0], 0.0, 1.0).center[0];
    assert!((third(true) - between).abs() < 1.0, "{} of {between}", third(true));
    assert!((third(false) - between).abs() > 4.0, "{} of {between}", third(false));
}

#[test]
fn the_path_of_what_is_told_to_turn_is_smooth() {
    let frame = |i: usize| {
        let aside = [0.0, 2.0, -2.0][if i == 0 { 0 } else { 1 + i % 2 }];
        placed(&moved([8.0 + aside, 4.0], 30.0 * i as f32, 1.0))
    };
    let boots: Vec<LabelMap> = (0..7).map(frame).collect();
    let frames: Vec<Sight> = boots.iter().map(|f| Sight::new(f, None, 1)).collect();
    let told = Turn { way: Way::Clockwise, angle: Some(TAU / 2.0) };
    let path = placements(&Cutout::all(&boots[0])[0], &frames, true, Some(told));
    let across: Vec<f32> = path.iter().map(|placed| placed.unwrap().center[0]).collect();
    let steps = across[1..].windows(2).map(|pair| (pair[1] - pair[0]).abs());
    assert!(steps.fold(0.0, f32::max) < 1.5, "{across:?}");
}

#[test]
fn what_passes_behind_goes_on_and_stays_behind() {
    let post = |[x, _]: [f32; 2]| (22.0..34.0).contains(&x);
    let frame = |i: usize| {
        let at = moved([5.0 * i as f32, 0.0], 0.0, 1.0);
        let source = at.source(moved([0.0; 2], 0.0, 1.0).center);
        let box_ = move |p: [f32; 2]| (10.0..18.0).contains(&p[0]) && (8.0..16.0).contains(&p[1]);
        drawn(|p| if post(p) { 2 } else { u8::from(box_(source(p))) })
    };
    let mut frames: Vec<LabelMap> = (0..6).map(frame).collect();
    let truth = frames.clone();
    // Of what sticks out on both sides of the post only one sees nothing.
    for id in frames[2].ids_mut() {
        *id = if *id == 1 { 0 } else { *id };
    }
    let carried = carry_masks(&frames, None, &none());
    for (carried, truth) in carried.iter().zip(&truth) {
        assert_eq!(carried.mask_of(2), truth.mask_of(2));
    }
    assert!(overlap(&carried[2], &truth[2], 1) > 0.6 && overlap(&carried[5], &truth[5], 1) > 0.9);
}

#[test]
fn what_the_first_frame_hid_is_as_it_is_painted() {
    // A disc that comes in from the left, half of it outside at first.
    let frame = |i: usize| drawn(|[x, y]| u8::from((x - 4.0 * i as f32).hypot(y - 20.0) < 8.0));
    let frames: Vec<LabelMap> = (0..4).map(frame).collect();
    let carried = carry_masks(&frames, None, &none());
    for (carried, truth) in carried.iter().zip(&frames) {
        assert!(overlap(carried, truth, 1) > 0.9, "{}", overlap(carried, truth, 1));
    }
}

#[test]
fn what_is_not_found_is_left_as_it_is() {
    let nothing = LabelMap::empty(SIZE);
    // Object 2 was not in the first frame, object 1 is in no other.
    let other = drawn(|[x, y]| if x < 6.0 && y < 6.0 { 2 } else { 0 });
    let frames = [boot(), nothing.clone(), other.clone()];
    assert_eq!(carry_masks(&frames, None, &none()), frames);
    assert!(carry_masks(&[], None, &none()).is_empty());
    assert_eq!(
        carry_masks(&[nothing.clone(), nothing.clone()], None, &none()),
        [nothing.clone(), nothing]
    );
}

#[test]
fn looks_go_with_the_object_and_leave_the_background() {
    let first = boot();
    let own = |i: usize| [200, 10 * (i % SIZE.width) as u8, 5 * (i / SIZE.width) as u8];
    let color = |i: usize| if first.ids()[i] == 1 { own(i) } else { [20, 40, 60] };
    let picture = Picture::new(SIZE, (0..SIZE.area()).flat_map(color).collect()).unwrap();
    let frames = [first.clone(), placed(&moved([9.0, 5.0], 0.0, 1.0))];
    let carried = carry_picture(&picture, &frames);
    assert_eq!(carried[0], picture);
    for (i, &label) in frames[1].ids().iter().enumerate() {
        let (x, y) = (i % SIZE.width, i / SIZE.width);
        let got = carried[1].pixel(x, y);
        let want = if label == 1 { own(i - 5 * SIZE.width - 9) } else { [20, 40, 60] };
        let off = got.iter().zip(want).map(|(&a, b)| a.abs_diff(b)).max().unwrap();
        // A pixel on the rim may take its neighbour's colour.
        assert!(off <= 12, "{x}, {y}: {got:?}, {want:?}");
    }
    assert!(carry_picture(&picture, &[]).is_empty());
    // An object that nobody saw has the colours around it.
    let appeared = [LabelMap::empty(SIZE), boot()];
    let flat = Picture::filled(SIZE, [9, 8, 7]);
    assert_eq!(carry_picture(&flat, &appeared)[1], flat);
}

#[test]
fn what_left_does_not_turn_up_in_the_middle() {
    // It goes out to the right; later frames have it, or a speck of it, elsewhere.
    let way = [0.0, 12.0, 24.0, 32.0].map(|x| placed(&moved([x, 0.0], 0.0, 1.0)));
    let speck = drawn(|[x, y]| u8::from((4.0..7.0).contains(&x) && (30.0..33.0).contains(&y)));
    let empty = drawn(|_| 0);
    for stray in [placed(&moved([4.0, 10.0], 0.0, 1.0)), speck] {
        let frames: Vec<LabelMap> = way.iter().chain([&empty, &stray, &stray]).cloned().collect();
        let painted: Vec<Picture> = frames.iter().map(unsure).collect();
        let carried = carry_masks(&frames, Some(&painted), &none());
        assert!(carried[3].ids().contains(&1));
        for late in &carried[5..] {
            assert!(!late.ids().contains(&1));
        }
        // Masks that are sure stay: somebody may have drawn them.
        assert!(carry_masks(&frames, None, &none())[5].ids().contains(&1));
    }
}

#[test]
fn what_comes_back_over_the_edge_is_back() {
    let way = [0.0, 12.0, 24.0, 34.0, 24.0, 12.0, 0.0];
    let frames: Vec<LabelMap> = way.iter().map(|&x| placed(&moved([x, 0.0], 0.0, 1.0))).collect();
    let painted: Vec<Picture> = frames.iter().map(unsure).collect();
    let carried = carry_masks(&frames, Some(&painted), &none());
    assert!(overlap(&carried[6], &frames[6], 1) > 0.9);
    assert!(carried[4].ids().contains(&1));
}

/// As [`Cutout::overlap`], a pixel after the other.
fn plain_overlap(cutout: &Cutout, at: &Placement, now: &Sight) -> f32 {
    let source = at.source(cutout.center);
    let step = ((2.0 * cutout.reach * at.scale / 24.0) as usize).max(1);
    let (mut both, mut mask, mut unknown) = (0f32, 0f32, 0f32);
    let [columns, rows] = cutout.covered(at);
    for y in rows.step_by(step) {
        for x in columns.clone().step_by(step) {
            let [[known], [share]] = now.shares::<1>(y, x..x + 1, 1);
            if known == 0.0 {
                continue;
            }
            match cutout.seen(source([x as f32 + 0.5, y as f32 + 0.5])) {
                Seen::Object => {
                    mask += 1.0;
                    both += share;
                }
                Seen::Hidden => unknown += share,
                Seen::Background => {}
            }
        }
    }
    let [both, mask, unknown] = [both, mask, unknown].map(|sum| sum * (step * step) as f32);
    both / (mask + (now.area - unknown).max(both) - both).max(1.0)
}

#[test]
fn placements_are_judged_as_pixel_by_pixel() {
    // A boot, with another object over its tip, then seen without and with the network's doubts.
    let first = drawn(|[x, y]| if x > 22.0 && y > 20.0 { 2 } else { u8::from(is_boot([x, y])) });
    let cutout = &Cutout::all(&first)[0];
    let hidden = |p: [f32; 2]| if p[0] > 30.0 { 2 } else { u8::from(is_boot([p[0] - 3.0, p[1]])) };
    let later = drawn(hidden);
    let painted = unsure(&drawn(|p| u8::from(is_boot([p[0] - 3.0, p[1]]))));
    let sights = [Sight::new(&later, None, 1), Sight::new(&later, Some(&painted), 1)];
    for (by, degrees, scale) in [
        ([0.0, 0.0], 0.0, 1.0),
        ([3.2, -1.7], 20.0, 0.8),
        ([-14.0, 9.0], 130.0, 1.3),
        ([25.0, 20.0], 45.0, 2.9),
        ([2.0, 1.0], -70.0, 4.3),
    ] {
        let [x, y] = cutout.center;
        let center = [x + by[0], y + by[1]];
        let at = Placement { center, angle: f32::to_radians(degrees), scale };
        let [sharp, soft] = sights.each_ref().map(|now| (cutout.overlap(&at, now), now));
        assert_eq!(sharp.0, plain_overlap(cutout, &at, sharp.1), "{at:?}");
        let plain = plain_overlap(cutout, &at, soft.1);
        assert!((soft.0 - plain).abs() <= 1e-6, "{at:?}: {} {plain}", soft.0);
    }
    assert!(cutout.overlap(&cutout.placement(), &sights[0]) > 0.2);
}
