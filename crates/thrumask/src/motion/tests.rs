use thrumask_core::{
    Clip, LabelMap, Trajectory, flow::advect_all, labels::Joined, placement::Way,
    trajectory::colored,
};
use thrumask_nn::pixels::{clips_from_pixels, pixels_from_frames};

use super::*;
use crate::{
    model::{MotionForm, Sampling, StageKind, flow_wheel},
    models::Models,
    plan::{Planner, RulePlanner},
    progress::Silent,
    world::{Action, Sample, Split, WorldConfig, judge, scene},
};

/// Mean overlap of moved with true masks over objects and frames, frame 0 left out.
fn overlap(moved: &Trajectory, truth: &Trajectory) -> f64 {
    let ids = 1..=truth.objects() as u8;
    let pairs = || moved.frames().iter().zip(truth.frames()).skip(1);
    let iou = |(m, t): (&LabelMap, &LabelMap), id| judge::iou(&m.mask_of(id), &t.mask_of(id));
    let sum: f32 = ids.flat_map(|id| pairs().map(move |pair| iou(pair, id))).sum();
    f64::from(sum) / (truth.objects() * (truth.frames().len() - 1)) as f64
}

/// What stage 1 is asked for of a sample of the world.
fn request<'a>(
    sample: &'a Sample,
    masks: &'a MaskSet,
    plan: &'a PromptPlan,
    outlines: Outlines,
) -> MotionRequest<'a> {
    MotionRequest {
        picture: &sample.clip.frames()[0],
        masks,
        plan,
        given: None,
        outlines,
        open_words: OpenWords::Left,
        seed: 0,
        fps: 8.0,
    }
}

#[test]
fn flow_outlives_its_colours_and_in_part_the_latents() {
    const SCENES: u64 = 8;
    let (models, world) = (Models::embedded(), WorldConfig::default());
    let autoencoder = models.autoencoder().unwrap();
    let wheel = flow_wheel(world.size).unwrap();
    let mut sums = [0.0f64; 3];
    for index in 0..SCENES {
        let scene = scene(&world, Split::Validation, index).unwrap();
        let (masks, flow) = (scene.masks(world.size).unwrap(), scene.flow(world.size).unwrap());
        let video = wheel.clip(&flow, 8.0).unwrap();
        let device = burn::tensor::Device::flex();
        let pixels = pixels_from_frames(&[video.frames()], &device).unwrap();
        let back = autoencoder.decode(autoencoder.encode(pixels).unwrap()).unwrap();
        let decoded = clips_from_pixels(back, 8.0).unwrap().remove(0);
        let read = [flow, wheel.read_clip(&video), wheel.read_clip(&decoded)];
        for (sum, flow) in sums.iter_mut().zip(read) {
            let first = &masks.frames()[0];
            let moved = advect_all(first, masks.objects(), &flow, 8.0).unwrap();
            *sum += overlap(&moved, &masks) / SCENES as f64;
        }
    }
    let [exact, colored, decoded] = sums;
    assert!(exact > 0.85 && colored > exact - 0.04, "{sums:?}");
    // The built-in autoencoder never saw such pictures, and pales them.
    assert!(decoded > 0.45, "{sums:?}");
}

#[test]
fn strays_of_the_network_are_dropped_and_what_was_given_is_kept() {
    let sample = scene(&WorldConfig::default(), Split::Test, 0).unwrap().sample(96).unwrap();
    let (truth, objects) = (sample.masks.frames(), sample.masks.objects());
    let speck = |frame: &LabelMap| {
        let mut frame = frame.clone();
        let free = |i: &usize| {
            let near = Joined::Corners.neighbours(*i, frame.size());
            near.chain([*i]).all(|n| frame.ids()[n] == 0)
        };
        let at = (0..frame.ids().len()).find(free).unwrap();
        frame.ids_mut()[at] = 1;
        frame
    };
    let specked: Vec<LabelMap> = truth.iter().map(speck).collect();
    let specked = Trajectory::new(specked, objects, 8.0).unwrap();
    let masks = MaskSet::new(truth[0].clone(), objects).unwrap();
    let asked = |given| MotionRequest {
        given,
        ..request(&sample, &masks, &sample.plan, Outlines::Painted)
    };
    let video = specked.to_clip().unwrap();
    let cleaned = asked(None).trajectory_from(&video).unwrap();
    assert_eq!(cleaned.frames(), truth);
    // What a person drew may have specks.
    let kept = asked(Some(&specked)).trajectory_from(&video).unwrap();
    assert_eq!(kept.frames()[1..], specked.frames()[1..]);
}

#[test]
fn carried_outlines_are_nearer_to_the_truth_than_painted_blur() {
    let (mut overlaps, scenes) = ([0.0; 2], 6);
    for index in 0..scenes {
        let sample = scene(&WorldConfig::default(), Split::Validation, index);
        let sample = sample.unwrap().sample(96).unwrap();
        let truth = &sample.masks;
        let blurred = truth.frames().iter().map(|frame| colored(frame).blurred(3.0)).collect();
        let video = Clip::new(blurred, 8.0).unwrap();
        let masks = MaskSet::new(truth.frames()[0].clone(), truth.objects()).unwrap();
        for (sum, outlines) in overlaps.iter_mut().zip([Outlines::Painted, Outlines::Carried]) {
            let asked = request(&sample, &masks, &sample.plan, outlines);
            let made = asked.trajectory_from(&video).unwrap();
            assert_eq!(made.frames()[0], truth.frames()[0]);
            *sum += overlap(&made, truth) / scenes as f64;
        }
    }
    let [painted, carried] = overlaps;
    assert!(carried > 0.85 && carried > painted + 0.1, "{overlaps:?}");
}

#[test]
fn a_mask_video_of_another_size_is_refused() {
    let sample = |size| {
        let world = WorldConfig { size, ..WorldConfig::default() };
        scene(&world, Split::Test, 0).unwrap().sample(size).unwrap()
    };
    let (sample, small) = (sample(96), sample(48));
    let masks = MaskSet::new(sample.masks.frames()[0].clone(), sample.masks.objects()).unwrap();
    for outlines in [Outlines::Painted, Outlines::Carried] {
        let asked = request(&sample, &masks, &sample.plan, outlines);
        let error = asked.trajectory_from(&small.masks.to_clip().unwrap()).unwrap_err();
        assert!(error.to_string().contains("96x96"), "{error}");
    }
}

#[test]
fn true_trajectories_hardly_have_strays() {
    let (mut all, mut changed) = (0, 0);
    for index in 0..60 {
        let scene = scene(&WorldConfig::default(), Split::Test, index).unwrap();
        for frame in scene.masks(96).unwrap().frames() {
            let cleaned = frame.without_strays(STRAY);
            let pairs = frame.ids().iter().zip(cleaned.ids());
            changed += pairs.filter(|(a, b)| a != b).count();
            all += frame.ids().iter().filter(|&&id| id != 0).count();
        }
    }
    assert!(changed * 1000 < all, "{changed} of {all} pixels");
}

#[test]
fn each_form_is_made_by_its_own_model() {
    let models = Models::embedded();
    let autoencoder = models.autoencoder().unwrap();
    let mut model = models.stage(StageKind::Motion).unwrap();
    let sampling =
        Sampling::usual(StageKind::Motion, thrumask_nn::backbone::BackboneKind::Dit, false);
    let made = generate_flows(&model.with(&autoencoder), &[], &sampling, &mut Silent);
    assert!(made.unwrap_err().to_string().contains("Flow"));
    model.config.form = MotionForm::Flow;
    let made = generate_mask_videos(&model.with(&autoencoder), &[], &sampling, &mut Silent);
    assert!(made.unwrap_err().to_string().contains("Masks"));
}

#[test]
fn what_its_words_say_to_spin_turns_whatever_is_painted() {
    let world = WorldConfig::default();
    let spinning = (0..200).find_map(|index| {
        let scene = scene(&world, Split::Validation, index).unwrap();
        let at = scene.objects.iter().position(|object| object.action == Action::Spin)?;
        Some((scene, at))
    });
    let (scene, at) = spinning.unwrap();
    let sample = scene.sample(96).unwrap();
    let (first, objects) = (&sample.masks.frames()[0], sample.masks.objects());
    let masks = MaskSet::new(first.clone(), objects).unwrap();
    // A network that understood nothing: everything stands still.
    let still = Clip::new(vec![colored(first); sample.masks.frames().len()], 8.0).unwrap();
    let moved = |prompt: Option<&str>| {
        let mut plan = sample.plan.clone();
        if let Some(prompt) = prompt {
            plan.objects[at].prompt = prompt.to_owned();
        }
        let asked = request(&sample, &masks, &plan, Outlines::Carried);
        let made = asked.trajectory_from(&still).unwrap();
        let id = at as u8 + 1;
        made.frames().iter().filter(|frame| frame.mask_of(id) != first.mask_of(id)).count()
    };
    assert_eq!(moved(Some("It stands still.")), 0);
    assert!(moved(None) > 6, "{}", moved(None));
}

#[test]
fn two_of_a_kind_turn_as_stage_1_is_told_by_their_sides() {
    let sample = scene(&WorldConfig::default(), Split::Test, 0).unwrap().sample(96).unwrap();
    let plan = RulePlanner.plan("The red car spins and the blue car jumps.").unwrap();
    let mut labels = LabelMap::empty(sample.masks.frames()[0].size());
    for (row, (at, id)) in (40..60).flat_map(|row| [(10, 1), (60, 2)].map(|car| (row, car))) {
        labels.ids_mut()[row * 96 + at..][..20].fill(id);
    }
    let masks = MaskSet::new(labels, 2).unwrap();
    let mut asked = request(&sample, &masks, &plan, Outlines::Carried);
    asked.open_words = OpenWords::Drawn;
    let model = Models::embedded().stage(StageKind::Motion).unwrap();
    let told = asked.told_words(&model.tokenizer).unwrap();
    assert!(told.contains("left car spins") && told.contains("right car jumps"), "{told}");
    // How far and which way round is drawn, and the outlines know it under the car's own name.
    let turns = asked.turns();
    assert_eq!(turns.keys().collect::<Vec<_>>(), [&1]);
    assert!(turns[&1].angle.is_some() && turns[&1].way != Way::Either, "{:?}", turns[&1]);
}
