use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};

use thrumask_core::{LabelMap, Size};

use super::*;
use crate::plan::{Planner, RulePlanner};

mod leaving;

const SPLITS: [Split; 4] = [Split::Train, Split::Validation, Split::Test, Split::Compositional];

fn config() -> WorldConfig {
    WorldConfig::default()
}

fn scenes(split: Split, count: u64) -> Vec<Scene> {
    (0..count).into_par_iter().map(|i| scene(&config(), split, i).unwrap()).collect()
}

fn hash_of(sample: &Sample) -> u64 {
    let mut h = DefaultHasher::new();
    sample.clip.frames().iter().for_each(|f| f.rgb().hash(&mut h));
    sample.masks.frames().iter().for_each(|f| f.ids().hash(&mut h));
    format!("{:?} {:?}", sample.plan, sample.objects).hash(&mut h);
    h.finish()
}

fn words(text: &str) -> Vec<String> {
    text.split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase).collect()
}

#[test]
fn samples_do_not_depend_on_the_threads_or_on_what_was_made_before() {
    let alone: Vec<u64> =
        [5, 0, 3].map(|i| hash_of(&sample(&config(), Split::Train, i).unwrap())).to_vec();
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let all = pool.install(|| samples(&config(), Split::Train, 0..6)).unwrap();
        assert_eq!(alone, [5, 0, 3].map(|i: usize| hash_of(&all[i])));
    }
}

#[test]
fn splits_share_no_scene() {
    let mut seen = HashSet::new();
    for split in SPLITS {
        for s in scenes(split, 250) {
            let places: Vec<u32> =
                s.objects.iter().flat_map(|o| o.poses[0].at.map(f32::to_bits)).collect();
            assert!(seen.insert((s.plan.caption.clone(), places)), "{split:?}: {}", s.plan.caption);
        }
    }
}

#[test]
fn held_out_pairs_occur_only_in_the_compositional_split_and_there_in_every_scene() {
    let novel = |t: &ObjectTruth| held_out(t.kind, t.color, t.action);
    for split in SPLITS {
        for s in scenes(split, 250) {
            let any = s.truth().iter().any(novel);
            assert_eq!(any, split == Split::Compositional, "{split:?}: {}", s.plan.caption);
        }
    }
}

#[test]
fn the_table_of_held_out_pairs_leaves_every_word_in_training() {
    let pairs = Kind::ALL.iter().flat_map(|&k| Action::ALL.iter().map(move |&a| (k, a)));
    let possible: Vec<_> = pairs.filter(|&(k, a)| can_do(k, a)).collect();
    let share = |held: usize, all: usize| held as f32 / all as f32;
    let held = possible.iter().filter(|&&(k, a)| held_out_kind(k, a)).count();
    assert!((0.10..=0.15).contains(&share(held, possible.len())), "{held}");
    let colors = Color::ALL.iter().flat_map(|&c| Action::ALL.iter().map(move |&a| (c, a)));
    let held = colors.filter(|&(c, a)| held_out_color(c, a)).count();
    assert!((0.10..=0.15).contains(&share(held, 8 * Action::ALL.len())), "{held}");
    for &a in Action::ALL {
        let kinds = Kind::ALL.iter().filter(|&&k| can_do(k, a) && !held_out_kind(k, a)).count();
        assert!(kinds >= 11, "{a:?}: {kinds}");
        assert_eq!(Color::ALL.iter().filter(|&&c| !held_out_color(c, a)).count(), 7);
    }
}

#[test]
fn everything_occurs_in_training() {
    let all = scenes(Split::Train, 600);
    let truth: Vec<ObjectTruth> = all.iter().flat_map(Scene::truth).collect();
    for k in Kind::ALL {
        assert!(truth.iter().any(|t| t.kind == *k), "{k:?}");
    }
    for c in Color::ALL {
        assert!(truth.iter().any(|t| t.color == *c), "{c:?}");
    }
    for a in Action::ALL {
        let count = truth.iter().filter(|t| t.action == *a).count();
        assert!(count >= 20, "{a:?}: {count} of {}", truth.len());
    }
    for t in Texture::ALL {
        assert!(truth.iter().any(|o| o.texture == *t), "{t:?}");
    }
    for s in SizeClass::ALL {
        assert!(truth.iter().any(|o| o.size == *s), "{s:?}");
    }
    for f in Family::ALL {
        assert!(all.iter().any(|s| s.backdrop.family == *f), "{f:?}");
    }
    for n in 1..=4 {
        assert!(all.iter().any(|s| s.objects.len() == n), "{n} objects");
    }
}

#[test]
fn the_rule_agrees_with_the_truth_on_every_object_and_few_scenes_are_thrown_away_for_it() {
    for (split, count) in [(Split::Test, 500), (Split::Compositional, 300)] {
        let all = scenes(split, count);
        all.par_iter().enumerate().for_each(|(i, s)| {
            let judged = judge::judge_all(&s.masks(96).unwrap());
            for (id, (j, t)) in judged.iter().zip(s.truth()).enumerate() {
                assert!(judge::is_right(j.as_ref(), &t), "{split:?} {i}, {id}: {j:?}, {t:?}");
            }
        });
        let rejected: usize = all.iter().map(|s| s.rejected).sum();
        assert!(rejected * 20 < all.len(), "{split:?}: {rejected} for {count}");
    }
}

#[test]
fn the_rule_agrees_with_the_truth_at_other_lengths() {
    for frames in [8, 16, 24] {
        let config = WorldConfig { frames, ..config() };
        for i in 0..40 {
            let s = scene(&config, Split::Validation, i).unwrap();
            assert_eq!(s.masks(96).unwrap().frames().len(), frames);
            assert!(
                judge::agrees(&s.masks(96).unwrap(), &s.truth(), |_| true),
                "{frames} frames, {i}"
            );
        }
    }
}

#[test]
fn the_rule_sees_rest_in_a_static_picture_and_nothing_in_an_empty_one() {
    for s in scenes(Split::Test, 40) {
        let masks = s.masks(96).unwrap();
        let (n, size) = (s.objects.len(), masks.size());
        let still = vec![masks.frames()[0].clone(); 12];
        let still = Trajectory::new(still, n, 8.0).unwrap();
        for id in 1..=n as u8 {
            assert_eq!(judge::judge_action(&still, id), Some(Action::Rest.into()), "{id}");
        }
        let empty = Trajectory::new(vec![LabelMap::empty(size); 12], n, 8.0).unwrap();
        assert_eq!(judge::judge_all(&empty), vec![None; n]);
        assert_eq!(judge::judge_action(&masks, n as u8 + 1), None);
        assert_eq!(judge::judge_action(&masks, 0), None);
    }
}

#[test]
fn the_rule_bears_coarse_masks() {
    let (mut right, mut all) = (0, 0);
    for s in scenes(Split::Validation, 200) {
        let judged = judge::judge_all(&s.masks(24).unwrap());
        let truth = s.truth();
        right += judged.iter().zip(&truth).filter(|(j, t)| judge::is_right(j.as_ref(), t)).count();
        all += truth.len();
    }
    assert!(right * 100 >= all * 96, "{right} of {all}");
}

#[test]
fn the_rule_follows_masks_that_are_mirrored() {
    for s in scenes(Split::Test, 60) {
        let masks = s.masks(96).unwrap();
        let flip = |f: &LabelMap| {
            let rows = f.ids().chunks_exact(96);
            LabelMap::new(f.size(), rows.flat_map(|r| r.iter().rev().copied()).collect()).unwrap()
        };
        let frames = masks.frames().iter().map(flip).collect();
        let mirrored = Trajectory::new(frames, masks.objects(), 8.0).unwrap();
        for (j, t) in judge::judge_all(&mirrored).iter().zip(s.truth()) {
            let expected = match t.action {
                Action::MoveLeft => Action::MoveRight,
                Action::MoveRight => Action::MoveLeft,
                other => other,
            };
            assert_eq!(j.map(|j| j.action), Some(expected), "{}", s.plan.caption);
        }
    }
}

#[test]
fn ids_are_the_order_of_mention_and_masks_are_where_the_objects_are() {
    for s in scenes(Split::Train, 200) {
        let masks = s.masks(96).unwrap();
        assert_eq!(s.plan.objects.len(), s.objects.len());
        assert_eq!(masks.objects(), s.objects.len());
        for (i, o) in s.objects.iter().enumerate() {
            let b = masks.frames()[0].box_of(i as u8 + 1).unwrap();
            let (x, y) = b.center();
            let far = (x / 96.0 - o.poses[0].at[0]).hypot(y / 96.0 - o.poses[0].at[1]);
            assert!(far < 0.25 * o.poses[0].scale + 0.01, "{}: {far}", s.plan.caption);
            let area = masks.frames()[0].area_of(i as u8 + 1);
            assert!(area > 45, "{}: {area} pixels", s.plan.caption);
        }
        let text = words(&s.plan.caption);
        // Objects told apart by their sides share their noun, and are left out here.
        let nouns = s.plan.objects.iter().map(|o| o.name.as_str()).filter(|n| !n.contains(' '));
        let places: Vec<_> = nouns.map(|n| text.iter().position(|w| w == n).unwrap()).collect();
        assert!(places.is_sorted(), "{}", s.plan.caption);
    }
}

#[test]
fn captions_and_plans_keep_the_grammar() {
    let colors: Vec<&str> = Color::ALL.iter().map(|c| c.word()).collect();
    let kept_out = ["small", "little", "large", "big", "road", "night", "wall", "beach", "room"];
    for split in SPLITS {
        for s in scenes(split, 300) {
            let plan = &s.plan;
            for text in [&plan.caption, &plan.motion] {
                assert!(text.starts_with(|c: char| c.is_uppercase()) && text.ends_with('.'));
                for bad in ["  ", " ,", ",,", "{}", ".,", "..", " ;"] {
                    assert!(!text.contains(bad), "{text}");
                }
            }
            // "a little" says how far; "little" alone would be a size.
            let motion = words(&plan.motion.replace(" a little", ""));
            for word in colors.iter().chain(&kept_out) {
                assert!(!motion.contains(&word.to_string()), "{}", plan.motion);
            }
            let caption = words(&plan.caption);
            let mut names = HashSet::new();
            for (o, truth) in plan.objects.iter().zip(s.truth()) {
                assert!(names.insert(o.name.clone()), "{plan:?}");
                assert!(o.name.split(' ').all(|w| caption.contains(&w.to_string())), "{plan:?}");
                let low = plan.motion.to_lowercase();
                assert!(low.contains(&format!("the {}", o.name)) || low.contains("which"));
                assert!(o.prompt.starts_with("The ") && o.prompt.ends_with('.'), "{plan:?}");
                let noun = o.name.split(' ').next_back().unwrap();
                assert!(words(&o.prompt).contains(&noun.to_string()), "{plan:?}");
                let said = words(&o.prompt);
                let own = said.iter().take(4).find(|w| colors.contains(&w.as_str()));
                assert!(own.is_none_or(|w| w == truth.color.word()), "{plan:?}");
            }
        }
    }
}

#[test]
fn objects_of_one_kind_are_told_apart_by_their_true_sides() {
    let mut twins = 0;
    for s in scenes(Split::Train, 500) {
        for (i, a) in s.objects.iter().enumerate() {
            for (j, b) in s.objects.iter().enumerate().filter(|&(j, b)| j != i && b.kind == a.kind)
            {
                let side = if a.poses[0].at[0] < b.poses[0].at[0] { "left " } else { "right " };
                assert!(s.plan.objects[i].name.starts_with(side), "{:?} {i} {j}", s.plan);
                twins += 1;
            }
        }
    }
    assert!(twins > 50, "{twins}");
}

#[test]
fn colours_in_the_picture_are_the_colours_in_the_words() {
    let mut right = 0;
    let mut all = 0;
    for s in scenes(Split::Train, 150) {
        let (picture, masks) = (s.first_frame(96).unwrap(), s.masks(96).unwrap());
        for (i, o) in s.objects.iter().enumerate().filter(|(_, o)| o.texture == Texture::Plain) {
            let mut votes = [0usize; 8];
            let ids = masks.frames()[0].ids();
            for (rgb, _) in
                picture.rgb().chunks_exact(3).zip(ids).filter(|&(_, &v)| v == i as u8 + 1)
            {
                let far = |c: &Color| {
                    thrumask_core::palette::distance_squared(c.rgb(), [rgb[0], rgb[1], rgb[2]])
                };
                votes[Color::ALL.iter().min_by_key(|c| far(c)).unwrap().index()] += 1;
            }
            // Wheels, eyes and outlines are dark and windows light on objects of any colour.
            let own = votes[o.color.index()];
            let hue = (0..6).all(|c| c == o.color.index() || votes[c] <= own);
            right += usize::from(hue && 5 * own >= votes.iter().sum());
            all += 1;
        }
    }
    assert!(all > 30 && right * 20 >= all * 19, "{right} of {all}");
}

#[test]
fn hidden_parts_belong_to_the_nearer_object() {
    let mut hidden = 0;
    for s in scenes(Split::Train, 200) {
        let visible = s.masks(96).unwrap();
        let whole: Vec<_> = (0..s.objects.len()).map(|i| s.amodal(i, 96).unwrap()).collect();
        for t in 0..s.frames {
            for (p, &id) in visible.frames()[t].ids().iter().enumerate() {
                let here = (0..s.objects.len()).filter(|&i| whole[i].frames()[t].ids()[p] > 0);
                let nearest = here.clone().max_by_key(|&i| s.objects[i].depth);
                assert_eq!(usize::from(id), nearest.map_or(0, |i| i + 1));
                hidden += usize::from(here.count() > 1);
            }
        }
    }
    assert!(hidden > 1000, "{hidden}");
}

#[test]
fn masks_are_the_same_at_other_resolutions() {
    for s in scenes(Split::Validation, 60) {
        let (fine, coarse) = (s.masks(192).unwrap(), s.masks(48).unwrap());
        for (f, c) in fine.frames().iter().zip(coarse.frames()) {
            // Each coarse pixel against the pixel at the middle of its 4 × 4 fine ones.
            let differ = (0..48 * 48)
                .filter(|i| c.ids()[*i] != f.id_at(i % 48 * 4 + 2, i / 48 * 4 + 2))
                .count();
            assert!(differ < 48 * 48 / 20, "{differ} in {}", s.plan.caption);
        }
    }
}

#[test]
fn configurations_out_of_range_are_refused_by_name() {
    let bad = [
        ("size", WorldConfig { size: 0, ..config() }),
        ("frames", WorldConfig { frames: 1, ..config() }),
        ("fps", WorldConfig { fps: f32::NAN, ..config() }),
        ("objects", WorldConfig { objects: 0..=2, ..config() }),
        ("objects", WorldConfig { objects: 1..=5, ..config() }),
        ("interactions", WorldConfig { interactions: 1.5, ..config() }),
        ("leaving", WorldConfig { leaving: -0.1, ..config() }),
    ];
    for (field, config) in bad {
        let error = scene(&config, Split::Train, 0).unwrap_err().to_string();
        assert!(error.contains(&format!("world.{field}")), "{error}");
    }
}

#[test]
fn contact_sheets_show_every_sample() {
    let samples = samples(&config(), Split::Test, 0..3).unwrap();
    let sheet = contact_sheet(&samples, 2).unwrap();
    let dark = sheet.rgb().chunks_exact(3).filter(|c| **c == [0, 0, 0]).count();
    assert!(dark > 3 * 6 * 96 * 96 / 2);
    assert!(sheet.size().width > 2 * 6 * 96 && sheet.size().height > 4 * 96);
    assert!(contact_sheet(&[], 2).is_err() && contact_sheet(&samples, 0).is_err());
}

#[test]
fn pieces_counts_what_hangs_together() {
    let rows = ["##..#", "#...#", "..#..", ".....", "#...."];
    let mask: Vec<bool> = rows.concat().bytes().map(|b| b == b'#').collect();
    let size = Size::new(5, 5);
    assert_eq!(judge::pieces(&mask, size, 1), 4);
    assert_eq!(judge::pieces(&mask, size, 2), 2);
    assert_eq!(judge::pieces(&[false; 25], size, 1), 0);
    assert_eq!(judge::iou(&mask, &mask), 1.0);
    assert_eq!(judge::iou(&mask, &[false; 25]), 0.0);
}

/// A change here is a change of the world: weights trained on the old one no longer fit it.
#[test]
fn the_first_captions_stay_what_they_are() {
    let caption = |split, index| scene(&config(), split, index).unwrap().plan.caption;
    assert_eq!(
        caption(Split::Train, 0),
        "The white plane slides leftwards and rightwards one time, while the black star on the left \
         heads away rightwards slowly, the small white dog rotates anticlockwise and the bird shrinks \
         a lot."
    );
    assert_eq!(caption(Split::Test, 1), "The green butterfly moves down some way.");
    assert_eq!(
        caption(Split::Compositional, 2),
        "The robot, which is green, grows a lot, the rocket, which is black, rests, the white cat on \
         the left moves in a zigzag to the left and the blue cat on the right moves fast downwards."
    );
}

#[test]
fn another_draw_keeps_the_first_frame_and_the_words_and_moves_otherwise() {
    let (mut moved, mut all) = (0, 0);
    for index in 0..40 {
        let truth = scene(&config(), Split::Test, index).unwrap();
        let again = another_draw(&config(), Split::Test, index, 0).unwrap();
        assert_eq!(again, another_draw(&config(), Split::Test, index, 0).unwrap());
        assert_eq!((&again.plan, &again.backdrop), (&truth.plan, &truth.backdrop));
        assert!(again.first_frame(96).unwrap() == truth.first_frame(96).unwrap(), "{index}");
        let masks = again.masks(96).unwrap();
        assert!(masks.frames()[0] == truth.masks(96).unwrap().frames()[0], "{index}");
        assert!(judge::agrees(&masks, &truth.truth(), |_| true), "{index}");
        for (a, b) in again.objects.iter().zip(&truth.objects) {
            let free = !matches!(b.action, Action::Rest | Action::Pushed);
            all += usize::from(free);
            moved += usize::from(free && a.poses != b.poses);
        }
    }
    assert!(moved * 10 >= all * 8, "{moved} of {all} objects move otherwise");
}

/// Mean overlap with the truth of another draw of the same words, over the objects: those of which
/// the words say everything, those of which they leave something open, and all of them.
#[test]
fn another_draw_of_said_motion_nearly_agrees_and_of_open_motion_less() {
    let config = WorldConfig { objects: 2..=4, ..config() };
    let overlaps = (0..64u64).into_par_iter().flat_map_iter(|index| {
        let truth = scene(&config, Split::Test, index).unwrap();
        let again = another_draw(&config, Split::Test, index, 0).unwrap();
        let (a, b) = (truth.masks(96).unwrap(), again.masks(96).unwrap());
        let seen = |masks: &Trajectory, t: usize, id: u8| -> Vec<bool> {
            masks.frames()[t].ids().iter().map(|&v| v == id).collect()
        };
        let overlap = |(i, o): (usize, ObjectTruth)| {
            let id = i as u8 + 1;
            let frames: Vec<f32> = (1..config.frames)
                .map(|t| (seen(&a, t, id), seen(&b, t, id)))
                .filter(|(a, b)| a.iter().chain(b).any(|&v| v))
                .map(|(a, b)| judge::iou(&a, &b))
                .collect();
            (o.action, o.open, frames.iter().sum::<f32>() / frames.len() as f32)
        };
        truth.truth().into_iter().enumerate().map(overlap).collect::<Vec<_>>()
    });
    let overlaps: Vec<(Action, bool, f32)> = overlaps.collect();
    let mean = |wanted: &dyn Fn(&(Action, bool, f32)) -> bool| {
        let of: Vec<f32> = overlaps.iter().filter(|o| wanted(o)).map(|o| o.2).collect();
        (of.len(), of.iter().sum::<f32>() / of.len().max(1) as f32)
    };
    for &action in Action::ALL {
        for open in [false, true] {
            let (n, iou) = mean(&|o| o.0 == action && o.1 == open);
            println!("{action:?} open {open}: {n}, {iou:.3}");
        }
    }
    let (said, open, all) = (mean(&|o| !o.1), mean(&|o| o.1), mean(&|_| true));
    println!("said {said:?}, open {open:?}, all {all:?}");
    assert!(said.1 > 0.9 && all.1 > 0.87 && open.1 < 0.8, "{said:?}, {open:?}, {all:?}");
    let share = open.0 as f32 / all.0 as f32;
    assert!((0.1..0.24).contains(&share), "{share}");
}

#[test]
fn opposite_words_differ_in_the_directions_of_straight_movements_alone() {
    let mut turned = 0;
    for (index, s) in scenes(Split::Test, 150).into_iter().enumerate() {
        let (plan, actions) = opposite_words(&config(), Split::Test, index as u64).unwrap();
        assert_eq!(actions.len(), s.objects.len());
        let changed = actions.iter().filter(|a| a.is_some()).count();
        assert_eq!(plan == s.plan, changed == 0, "{plan:?}");
        for ((new, old), (action, o)) in
            plan.objects.iter().zip(&s.plan.objects).zip(actions.iter().zip(&s.objects))
        {
            assert_eq!(new.name, old.name);
            let Some(action) = action else {
                assert_eq!(new.prompt, old.prompt);
                continue;
            };
            assert_ne!(*action, o.action);
            let straight = [
                (Action::MoveLeft, ["left.", "left ", "leftwards"]),
                (Action::MoveRight, ["right.", "right ", "rightwards"]),
                (Action::MoveUp, ["up", "upwards", "to the top"]),
                (Action::MoveDown, ["down", "downwards", "to the bottom"]),
            ];
            let (_, ways) = straight.iter().find(|(a, _)| a == action).unwrap();
            assert!(ways.iter().any(|way| new.prompt.contains(way)), "{action:?}: {}", new.prompt);
            turned += 1;
        }
        let read = RulePlanner.plan(&plan.caption).unwrap();
        assert_eq!(read.objects.len(), plan.objects.len(), "{}", plan.caption);
    }
    assert!(turned > 60, "{turned}");
}
