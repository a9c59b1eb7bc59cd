use thrumask_core::{Picture, Size};

use super::*;
use crate::world::{Scene, Split, WorldConfig, judge, scene};

const SIZE: usize = 48;

fn filmed(count: u64) -> Vec<Scene> {
    let config = WorldConfig { looks: 1.0, ..WorldConfig::default() };
    (0..count).map(|i| scene(&config, Split::Train, i).unwrap()).collect()
}

fn drawn(index: u64) -> Scene {
    scene(&WorldConfig::default(), Split::Train, index).unwrap()
}

#[test]
fn looks_change_what_is_seen_and_not_what_happens() {
    for (i, scene) in filmed(12).into_iter().enumerate() {
        let plain = drawn(i as u64);
        // A scene that a shaking camera makes unreadable is drawn anew.
        if scene.rejected != plain.rejected {
            continue;
        }
        assert!(scene.look.is_some() && plain.look.is_none());
        assert_eq!((&scene.plan, &scene.objects), (&plain.plan, &plain.objects));
        assert_ne!(scene.first_frame(SIZE).unwrap(), plain.first_frame(SIZE).unwrap());
        // The first frame stands still.
        let first = |s: &Scene| s.masks(SIZE).unwrap().frames()[0].clone();
        assert_eq!(first(&scene), first(&plain));
        assert!(judge::agrees(&scene.masks(SIZE).unwrap(), &scene.truth(), |_| true));
    }
}

#[test]
fn the_share_of_looks_is_as_asked_and_the_same_at_any_size() {
    let config = WorldConfig { looks: 0.25, ..WorldConfig::default() };
    let looks =
        (0..200).filter(|&i| scene(&config, Split::Train, i).unwrap().look.is_some()).count();
    assert!((30..70).contains(&looks), "{looks}");
    let [small, large] = [48, 96]
        .map(|size| scene(&WorldConfig { size, looks: 1.0, ..config.clone() }, Split::Test, 3));
    assert_eq!(small.unwrap().look, large.unwrap().look);
    let bad = WorldConfig { looks: 1.5, ..config }.validate().unwrap_err().to_string();
    assert!(bad.contains("world.looks") && bad.contains("1.5"), "{bad}");
}

#[test]
fn a_shaking_camera_moves_background_masks_and_flow_alike() {
    let mut shaken = 0;
    for scene in filmed(40) {
        let look = scene.look.clone().unwrap();
        assert_eq!(look.shake(0), [0.0; 2]);
        let reach =
            (0..scene.frames).flat_map(|t| look.shake(t)).fold(0.0f32, |m, v| m.max(v.abs()));
        assert!(reach <= film::SHAKE, "{reach}");
        if reach == 0.0 {
            continue;
        }
        shaken += 1;
        let flow = scene.flow(SIZE).unwrap();
        let masks = scene.masks(SIZE).unwrap();
        for (t, field) in flow.iter().enumerate() {
            let by = [0, 1].map(|a| (look.shake(t + 1)[a] - look.shake(t)[a]) * SIZE as f32);
            let behind = masks.frames()[t].ids().iter().position(|&id| id == 0).unwrap();
            assert_eq!(field.vectors()[behind], by);
        }
    }
    assert!(shaken > 10, "{shaken}");
}

#[test]
fn the_background_is_what_the_first_frame_shows_around_the_objects() {
    let mut compared = 0;
    for scene in filmed(30) {
        let (first, behind) = (scene.first_frame(SIZE).unwrap(), scene.background(SIZE).unwrap());
        let labels = scene.masks(SIZE).unwrap().frames()[0].clone();
        let far = |i: usize| {
            let (x, y) = (i % SIZE, i / SIZE);
            let near = |a: usize, b: usize| a.abs_diff(b) <= 5;
            let taken = |j: usize| labels.ids()[j] != 0 && near(j % SIZE, x) && near(j / SIZE, y);
            !(0..SIZE * SIZE).any(taken)
        };
        let mut errors = Vec::new();
        for i in (0..SIZE * SIZE).step_by(7).filter(|&i| far(i)) {
            for c in 0..3 {
                errors.push(f32::from(first.rgb()[3 * i + c].abs_diff(behind.rgb()[3 * i + c])));
            }
        }
        if errors.len() > 100 {
            compared += 1;
            // Grain alone differs.
            let mean = errors.iter().sum::<f32>() / errors.len() as f32;
            assert!(mean < 8.0, "{mean}");
        }
    }
    assert!(compared > 15, "{compared}");
}

#[test]
fn textures_are_in_range_and_differ() {
    let mut seen = std::collections::HashSet::new();
    for seed in 0..40 {
        let mut rng = Rng::keyed(&[seed]);
        let weave = Weave::random(4.0, &mut rng);
        let paint = Paint::random(&mut rng);
        let places = (0..400).map(|i| [(i % 20) as f32 / 20.0, (i / 20) as f32 / 20.0]);
        let values: Vec<f32> = places.map(|p| weave.at(p)).collect();
        assert!(values.iter().all(|v| (0.0..=1.0).contains(v)));
        let (low, high) = values.iter().fold((1.0f32, 0.0f32), |(l, h), &v| (l.min(v), h.max(v)));
        assert!(high - low > 0.1, "{low} to {high}");
        assert!(values.iter().flat_map(|&v| paint.color(v)).all(|c| (0.0..=255.0).contains(&c)));
        seen.insert(values.iter().map(|v| (v * 9.0) as u8).collect::<Vec<_>>());
    }
    assert_eq!(seen.len(), 40);
}

#[test]
fn pictures_move_by_parts_of_pixels() {
    let mut picture = Picture::filled(Size::new(10, 10), [0; 3]);
    picture.set_pixel(4, 4, [200; 3]);
    let moved = film::shifted(&picture, [0.25, 0.05]);
    assert_eq!([(6, 4), (7, 4), (6, 5), (7, 5)].map(|(x, y)| moved.pixel(x, y)[0]), [50; 4]);
}
