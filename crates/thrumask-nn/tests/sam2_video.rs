//! SAM 2 on videos: what holds whatever the weights are.
#![allow(clippy::unwrap_used)]

use burn::tensor::{Device, Tensor, TensorData};
use thrumask_core::{Picture, Size};
use thrumask_nn::{
    Result,
    diffusion::noise::Noise,
    layers::Init,
    perception::sam2::{
        PointKind, PromptPoint, Sam2Config,
        video::{
            Behavior, Direction, FrameMasks, Memories, Propagation, Sam2Video, TrackerTargets,
            VideoSession, tracker_loss,
        },
    },
    weights::{gradients, parameters},
};

const SIZE: Size = Size { width: 40, height: 30 };

fn network() -> Sam2Video {
    Sam2Video::new(&mut Init::new(5, &Device::flex()), &Sam2Config::test()).unwrap()
}

/// Noise in colours.
fn video(frames: usize) -> Vec<Picture> {
    let picture = |t: usize| {
        let noise = Noise::new(t as u64, "video").normals(0, SIZE.area() * 3);
        let rgb = noise.iter().map(|v| (128.0 + 60.0 * v).clamp(0.0, 255.0) as u8).collect();
        Picture::new(SIZE, rgb).unwrap()
    };
    (0..frames).map(picture).collect()
}

/// Whether each pixel lies in a rectangle: left, top, right, bottom.
fn rectangle([x0, y0, x1, y1]: [usize; 4]) -> Vec<bool> {
    let inside =
        |i: usize| (x0..x1).contains(&(i % SIZE.width)) && (y0..y1).contains(&(i / SIZE.width));
    (0..SIZE.area()).map(inside).collect()
}

fn run(
    network: &Sam2Video,
    session: &mut VideoSession,
    video: &[Picture],
    from: usize,
    direction: Direction,
) -> Vec<FrameMasks> {
    let mut found = Vec::new();
    let way = Propagation { from, direction, most: None };
    let mut each = |masks| -> Result<()> {
        found.push(masks);
        Ok(())
    };
    network.propagate(session, video, way, &mut each).unwrap();
    found
}

/// What was found of one object.
fn of(found: &[FrameMasks], object: u8) -> Vec<(usize, Vec<f32>, f32)> {
    let one = |masks: &FrameMasks| {
        let found = masks.objects.iter().find(|o| o.object == object);
        found.map(|o| (masks.frame, o.logits.clone(), o.score))
    };
    found.iter().filter_map(one).collect()
}

fn begin(frames: usize, objects: &[u8]) -> VideoSession {
    let mut session = VideoSession::new(frames, SIZE);
    for &object in objects {
        match object {
            1 => session.set_mask(1, 1, rectangle([4, 4, 20, 18])).unwrap(),
            2 => session.add_points(2, 1, &[([30.0, 20.0], true), ([5.0, 5.0], false)]).unwrap(),
            _ => session.set_box(object, 2, [10.0, 8.0, 30.0, 25.0]).unwrap(),
        }
    }
    session
}

#[test]
fn an_object_does_not_depend_on_others() {
    let (network, video) = (network(), video(5));
    let (mut all, mut alone) = (begin(5, &[1, 2, 3]), begin(5, &[2]));
    for (from, direction) in [(1, Direction::Forward), (2, Direction::Backward)] {
        let together = run(&network, &mut all, &video, from, direction);
        let single = run(&network, &mut alone, &video, from, direction);
        assert_eq!(of(&together, 2), of(&single, 2));
        assert_ne!(of(&together, 2), of(&together, 3));
        assert_eq!(together[0].objects.iter().map(|o| o.object).collect::<Vec<_>>(), [1, 2, 3]);
    }
}

#[test]
fn a_removed_object_was_never_there_and_a_new_one_may_come_later() {
    let (network, video) = (network(), video(5));
    let (mut with, mut without) = (begin(5, &[1, 2]), begin(5, &[1]));
    run(&network, &mut with, &video, 1, Direction::Forward);
    run(&network, &mut without, &video, 1, Direction::Forward);
    assert!(with.remove(2) && !with.remove(2));
    assert_eq!(with.objects(), [1]);
    let found = run(&network, &mut with, &video, 1, Direction::Backward);
    assert_eq!(found, run(&network, &mut without, &video, 1, Direction::Backward));
    // Object 3 is prompted on frame 2 after the others were followed.
    with.set_box(3, 2, [10.0, 8.0, 30.0, 25.0]).unwrap();
    let found = run(&network, &mut with, &video, 0, Direction::Forward);
    let mut alone = begin(5, &[3]);
    assert_eq!(of(&found, 3), of(&run(&network, &mut alone, &video, 0, Direction::Forward), 3));
}

#[test]
fn memory_is_bounded_and_what_is_forgotten_was_not_needed() {
    let (network, frames) = (network(), 20);
    let video = video(frames);
    let (mut bounded, mut whole) = (begin(frames, &[1]), begin(frames, &[1]));
    bounded.behavior.kept_frames = 0;
    whole.behavior.kept_frames = usize::MAX;
    let least = Sam2Config::test().memory.frames.max(Sam2Config::test().memory.object_pointers);
    let way = Propagation { from: 1, direction: Direction::Forward, most: None };
    for frame in 1..frames {
        network.step(&mut bounded, &video[..], frame, Direction::Forward).unwrap();
        assert!(bounded.kept(1) <= least + 1, "{} kept at {frame}", bounded.kept(1));
    }
    let mut bounded = begin(frames, &[1]);
    bounded.behavior.kept_frames = 0;
    let found = run(&network, &mut bounded, &video, 1, Direction::Forward);
    assert_eq!(found, run(&network, &mut whole, &video, 1, way.direction));
    assert_eq!(whole.kept(1), frames - 1);
}

#[test]
fn prompts_of_a_frame_follow_each_other_and_the_box_stands_first() {
    let (network, video) = (network(), video(2));
    let (a, b) = (([12.0, 9.0], true), ([33.0, 25.0], false));
    let bounds = [5.0, 4.0, 22.0, 17.0];
    let look = |prompts: &dyn Fn(&mut VideoSession) -> Result<()>| {
        let mut session = VideoSession::new(2, SIZE);
        prompts(&mut session).unwrap();
        network.step(&mut session, &video[..], 0, Direction::Forward).unwrap()
    };
    let once = look(&|s| s.add_points(7, 0, &[a, b]));
    assert_eq!(once, look(&|s| s.add_points(7, 0, &[a]).and_then(|()| s.add_points(7, 0, &[b]))));
    assert_ne!(once, look(&|s| s.add_points(7, 0, &[a])));
    let boxed = look(&|s| s.set_box(7, 0, bounds).and_then(|()| s.add_points(7, 0, &[a])));
    assert_eq!(boxed, look(&|s| s.add_points(7, 0, &[a]).and_then(|()| s.set_box(7, 0, bounds))));
    // Of two boxes or masks, the later; a mask and points do not stand together.
    let mask = rectangle([4, 4, 20, 18]);
    let masked = look(&|s| s.set_mask(7, 0, mask.clone()));
    let late = look(&|s| s.set_box(7, 0, bounds).and_then(|()| s.set_mask(7, 0, mask.clone())));
    assert_eq!(masked, late);
    let other = rectangle([1, 1, 9, 9]);
    let pointed = look(&|s| {
        s.set_mask(7, 0, other.clone())?;
        s.add_points(7, 0, &[a, b])
    });
    assert_eq!(pointed, once);
}

#[test]
fn a_correction_changes_its_frame_and_those_after_it() {
    let (network, video) = (network(), video(6));
    for behavior in [Behavior::default(), Behavior::transformers()] {
        let mut session = begin(6, &[1]);
        session.behavior = behavior;
        let before = run(&network, &mut session, &video, 1, Direction::Forward);
        session.set_mask(1, 3, rectangle([22, 10, 38, 28])).unwrap();
        assert_eq!(session.pending(), [3]);
        let after = run(&network, &mut session, &video, 1, Direction::Forward);
        assert!(session.pending().is_empty());
        assert_eq!(before[..2], after[..2]);
        for (before, after) in before[2..].iter().zip(&after[2..]) {
            assert_ne!(before, after, "frame {}", before.frame);
        }
        let corrected = &after[2].objects[0];
        assert!(corrected.mask_at(SIZE)[20 * SIZE.width + 30]);
        assert_eq!(corrected.score, 10.0);
        // It stays when it is passed again, until it is taken back.
        let again = run(&network, &mut session, &video, 3, Direction::Forward);
        assert_eq!(again[0], after[2]);
        session.clear_prompts(1, 3);
        assert_eq!(before, run(&network, &mut session, &video, 1, Direction::Forward));
    }
}

#[test]
fn an_object_that_is_not_there_has_no_pixels() {
    let (network, video) = (network(), video(2));
    let mut session = VideoSession::new(2, SIZE);
    session.set_mask(4, 0, vec![false; SIZE.area()]).unwrap();
    session.set_mask(9, 0, rectangle([4, 4, 20, 18])).unwrap();
    let found = network.step(&mut session, &video[..], 0, Direction::Forward).unwrap();
    let scores: Vec<f32> = found.objects.iter().map(|o| o.score).collect();
    assert_eq!(scores, [-10.0, 10.0]);
    assert_eq!(found.labels(SIZE).ids_present(), [9]);
    assert!(
        found.objects[1].mask_at(SIZE).iter().zip(rectangle([5, 5, 19, 17])).all(|(a, b)| *a || !b)
    );
}

#[test]
fn what_cannot_be_asked_is_refused() {
    let (network, video) = (network(), video(3));
    let mut session = VideoSession::new(3, SIZE);
    let point = ([1.0, 2.0], true);
    assert!(session.add_points(0, 0, &[point]).is_err());
    assert!(session.add_points(1, 3, &[point]).is_err());
    assert!(session.add_points(1, 0, &[]).is_err());
    assert!(session.add_points(1, 0, &[([f32::NAN, 0.0], true)]).is_err());
    assert!(session.set_box(1, 0, [0.0, 0.0, f32::INFINITY, 1.0]).is_err());
    assert!(session.set_mask(1, 0, vec![true; 5]).is_err());
    assert!(session.objects().is_empty());
    session.add_points(1, 2, &[point]).unwrap();
    let error = network.step(&mut session, &video[..], 0, Direction::Forward).unwrap_err();
    assert!(error.to_string().contains("prompts of object 1"), "{error}");
    assert!(network.step(&mut session, &video[..], 3, Direction::Forward).is_err());
    assert!(network.step(&mut session, &video[..1], 2, Direction::Forward).is_err());
    let way = Propagation { from: 3, direction: Direction::Forward, most: None };
    assert!(network.propagate(&mut session, &video[..], way, &mut |_| Ok(())).is_err());
}

/// Everything that takes part in following an object learns from a later frame.
#[test]
fn gradients_go_through_the_memory() {
    let device = Device::flex().autodiff();
    let config = Sam2Config::test();
    let network = Sam2Video::new(&mut Init::new(5, &device), &config).unwrap();
    let side = config.image_size;
    let noise = Noise::new(2, "gradient").normals(0, 2 * 3 * side * side);
    let data = TensorData::new(noise, [2, 3, side, side]);
    let pixels = Tensor::<4>::from_data(data, &device);
    let inside = |i: usize| f32::from(u8::from(i % side < side / 2 && i / side < side / 3));
    let mask: Vec<f32> = (0..side * side).map(inside).collect();
    let mask = Tensor::<4>::from_data(TensorData::new(mask, [1, 1, side, side]), &device);
    let see = |t: usize| network.image.image_encoder.forward(pixels.clone().narrow(0, t, 1));
    let point = PromptPoint { x: 9.0, y: 9.0, kind: PointKind::Inside };
    let first = see(0);
    let given = network.given(&first, mask.clone(), false).unwrap();
    let pointed = network.unremembered(&first);
    let pointed = network.decode(&first, pointed, &[vec![point]], None, false).unwrap();
    let memories = [&given, &pointed].map(|look| network.memory(&first, look, false));
    let recalled = Memories {
        maps: memories.iter().enumerate().map(|(i, m)| (m.map.clone(), i)).collect(),
        pointers: memories.iter().map(|m| (m.pointer.clone(), 0.5)).collect(),
    };
    let later = see(1);
    let features = network.remembered(&later, &recalled);
    let look = network.decode(&later, features, &[vec![]], None, false).unwrap();
    let loss = tracker_loss(&look.decoded, &TrackerTargets { masks: mask });
    let gradients = gradients(&network, loss.backward());
    let reached: Vec<String> = parameters(&network)
        .into_iter()
        .zip(gradients)
        .filter(|(_, g)| g.as_ref().is_some_and(|g| g.iter().any(|v| *v != 0.0)))
        .map(|(p, _)| p.name)
        .collect();
    for part in [
        "attention.blocks.0.memory.key",
        "attention.blocks.1.among.query",
        "encoder.fusions.0.scale",
        "encoder.mask.halvings.0",
        "image.image_encoder.trunk",
        "pointer_times",
        "times",
        "mask_quarter",
        "image.mask_decoder.masks.",
    ] {
        assert!(reached.iter().any(|name| name.starts_with(part)), "{part} is not in {reached:?}");
    }
}
