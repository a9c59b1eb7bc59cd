use std::collections::{BTreeMap, BTreeSet};

use burn::tensor::Device;
use thrumask_core::{
    LabelMap, MaskSet, ObjectPrompt, Picture, PixelBox, PromptPlan, Size, control::Point,
};
use thrumask_nn::{
    layers::{Init, Rotary},
    perception::grounded::GroundedConfig,
    text::{TextEncoderConfig, Vocabulary},
};

use super::*;

fn plan(names: &[&str]) -> PromptPlan {
    let object = |name: &&str| ObjectPrompt {
        name: (*name).to_owned(),
        prompt: format!("The {name} moves."),
    };
    PromptPlan {
        caption: "A scene.".into(),
        motion: "They move.".into(),
        objects: names.iter().map(object).collect(),
    }
}

/// A disc of `inner` with a thin dark rim on a background of soft stripes.
fn disc(size: Size, centre: [f32; 2], radius: f32, inner: [u8; 3]) -> (Picture, LabelMap) {
    let mut picture = Picture::filled(size, [0; 3]);
    let mut truth = LabelMap::empty(size);
    for y in 0..size.height {
        for x in 0..size.width {
            let (dx, dy) = (x as f32 + 0.5 - centre[0], y as f32 + 0.5 - centre[1]);
            let d = dx.hypot(dy);
            let stripe = if (x / 5 + y / 7).is_multiple_of(2) { 10 } else { 0 };
            let color = match d {
                d if d <= radius * 0.93 => inner,
                d if d <= radius => [40, 20, 20],
                _ => [120 + stripe, 150 + stripe, 110 + stripe],
            };
            picture.set_pixel(x, y, color);
            if d <= radius {
                truth.ids_mut()[y * size.width + x] = 1;
            }
        }
    }
    (picture, truth)
}

fn overlap(a: &LabelMap, b: &LabelMap, id: u8) -> f32 {
    let pairs = || a.ids().iter().zip(b.ids());
    let both = pairs().filter(|&(&a, &b)| a == id && b == id).count();
    let any = pairs().filter(|&(&a, &b)| a == id || b == id).count();
    both as f32 / any.max(1) as f32
}

fn on(x: f32, y: f32) -> Point {
    Point { x, y, inside: true }
}

#[test]
fn a_box_is_cut_to_what_is_in_it() {
    for side in [40, 96, 700] {
        let s = side as f32;
        let (centre, r) = ([0.4 * s, 0.55 * s], 0.21 * s);
        let (picture, truth) = disc(Size::new(side, side), centre, r, [210, 60, 50]);
        let bounds = [centre[0] - r, centre[1] - r, centre[0] + r, centre[1] + r];
        let boxes = BTreeMap::from([(1, bounds)]);
        let found = from_boxes(&picture, &plan(&["ball"]), &boxes).unwrap();
        let iou = overlap(&found.masks.labels, &truth, 1);
        assert!(iou > 0.9, "IoU {iou} at {side}");
        assert!(found.notes.is_empty() && found.scores[0] > 0.5);
    }
}

#[test]
fn a_box_on_plain_ground_becomes_an_ellipse_and_says_so() {
    let picture = Picture::filled(Size::new(80, 60), [90, 120, 30]);
    let boxes = BTreeMap::from([(1, [20.0, 10.0, 60.0, 50.0])]);
    let found = from_boxes(&picture, &plan(&["ghost"]), &boxes).unwrap();
    let share = found.masks.labels.area_of(1) as f32 / 1600.0;
    assert!((share - std::f32::consts::FRAC_PI_4).abs() < 0.05, "{share}");
    assert!(found.notes[0].contains("ghost"), "{:?}", found.notes);
}

#[test]
fn masks_from_boxes_keep_to_their_boxes() {
    let (picture, _) = disc(Size::new(300, 200), [100.0, 100.0], 60.0, [30, 60, 220]);
    let boxes = BTreeMap::from([(1, [70.0, 80.0, 130.0, 120.0]), (2, [200.0, 0.0, 300.0, 200.0])]);
    let found = from_boxes(&picture, &plan(&["ball", "wall"]), &boxes).unwrap();
    for (id, [x0, y0, x1, y1]) in boxes {
        let b = found.masks.box_of(id).unwrap();
        assert!(b.x0 as f32 >= x0 && b.y0 as f32 >= y0, "{id}: {b:?}");
        assert!(b.x1 as f32 <= x1 && b.y1 as f32 <= y1, "{id}: {b:?}");
    }
}

#[test]
fn a_point_grows_to_its_object() {
    for side in [60, 96, 400] {
        let s = side as f32;
        let (centre, r) = ([0.6 * s, 0.4 * s], 0.2 * s);
        let (picture, truth) = disc(Size::new(side, side), centre, r, [220, 200, 40]);
        let points = BTreeMap::from([(1, vec![on(centre[0] + 0.3 * r, centre[1])])]);
        let found = from_points(&picture, &plan(&["ball"]), &points).unwrap();
        let iou = overlap(&found.masks.labels, &truth, 1);
        assert!(iou > 0.8, "IoU {iou} at {side}");
    }
}

#[test]
fn points_beside_the_object_hold_it_back() {
    // Two halves of one colour, joined by nothing but their touch.
    let mut picture = Picture::filled(Size::new(80, 40), [20, 20, 20]);
    for y in 10..30 {
        for x in 10..70 {
            let color = if x < 40 { [200, 80, 60] } else { [190, 90, 70] };
            picture.set_pixel(x, y, color);
        }
    }
    let points = BTreeMap::from([(1, vec![on(20.0, 20.0)]), (2, vec![on(60.0, 20.0)])]);
    let found = from_points(&picture, &plan(&["a", "b"]), &points).unwrap();
    assert!(found.masks.labels.area_of(1) > 400 && found.masks.labels.area_of(2) > 400);
    let refused = vec![on(20.0, 20.0), Point { x: 60.0, y: 20.0, inside: false }];
    let points = BTreeMap::from([(1, refused)]);
    let found = from_points(&picture, &plan(&["a"]), &points).unwrap();
    assert_eq!(found.masks.labels.id_at(60, 20), 0);
    assert_eq!(found.masks.labels.id_at(20, 20), 1);
}

#[test]
fn bad_places_are_refused_and_tiny_pictures_work() {
    let (picture, _) = disc(Size::new(50, 40), [20.0, 20.0], 10.0, [200, 30, 30]);
    let one = plan(&["ball"]);
    let boxed = |id: u8, b: [f32; 4]| from_boxes(&picture, &one, &BTreeMap::from([(id, b)]));
    assert!(boxed(0, [1.0, 1.0, 9.0, 9.0]).is_err());
    assert!(boxed(2, [1.0, 1.0, 9.0, 9.0]).is_err());
    assert!(boxed(1, [60.0, 1.0, 90.0, 9.0]).is_err());
    assert!(boxed(1, [9.0, 1.0, 3.0, 9.0]).is_err());
    assert!(boxed(1, [f32::NAN, 1.0, 3.0, 9.0]).is_err());
    assert!(boxed(1, [-1e9, -1e9, 1e9, 1e9]).is_ok());
    let pointed = |p: Vec<Point>| from_points(&picture, &one, &BTreeMap::from([(1, p)]));
    assert!(pointed(vec![]).is_err());
    assert!(pointed(vec![on(50.0, 3.0)]).is_err());
    assert!(pointed(vec![Point { x: 3.0, y: 3.0, inside: false }]).is_err());
    let short = BTreeMap::from([(1, Place::Mask(vec![true; 7]))]);
    assert!(from_places(&picture, &one, &short).is_err());
    for size in [Size::new(1, 1), Size::new(1, 900), Size::new(3, 2)] {
        let picture = Picture::filled(size, [9, 9, 9]);
        let whole = [0.0, 0.0, size.width as f32, size.height as f32];
        let found = from_boxes(&picture, &one, &BTreeMap::from([(1, whole)])).unwrap();
        assert!(found.masks.labels.area_of(1) > 0, "{size}");
        let points = BTreeMap::from([(1, vec![on(0.5, 0.5)])]);
        assert_eq!(from_points(&picture, &one, &points).unwrap().masks.labels.size(), size);
    }
}

#[test]
fn given_masks_are_checked() {
    let picture = Picture::filled(Size::new(4, 3), [0; 3]);
    let masks = |width: usize, objects: usize| {
        let ids = (0..width * 3).map(|i| u8::from(i < 2)).collect();
        MaskSet::new(LabelMap::new(Size::new(width, 3), ids).unwrap(), objects).unwrap()
    };
    let two = plan(&["cat", "dog"]);
    let found = from_masks(&picture, &two, masks(4, 2)).unwrap();
    assert_eq!(found.scores, [1.0, 0.0]);
    assert!(found.notes.len() == 1 && found.notes[0].contains("dog"), "{:?}", found.notes);
    assert!(from_masks(&picture, &two, masks(5, 2)).is_err());
    assert!(from_masks(&picture, &two, masks(4, 3)).is_err());
}

fn tiny() -> SegmenterModel {
    let config = GroundedConfig {
        size: 32,
        cell_width: 8,
        width: 24,
        heads: 2,
        mask_channels: 4,
        text: TextEncoderConfig { width: 16, depth: 1, heads: 2, max_tokens: 12 },
        rotary: Rotary { pairs: [0, 3, 3], fastest: 1.6, slowest: 0.1 },
        ..GroundedConfig::nano()
    };
    let words = ["the", "ball", "cat", "moves", "."].map(String::from).to_vec();
    let vocabulary = Vocabulary::new(words).unwrap();
    SegmenterModel::fresh(&mut Init::new(3, &Device::flex()), config, vocabulary).unwrap()
}

#[test]
fn model_files_come_back_the_same_and_broken_ones_are_refused() {
    let model = tiny();
    let bytes = write_segmenter(&model).unwrap();
    let read = read_segmenter("test", &bytes, &Device::flex()).unwrap();
    assert_eq!((&read.config, &read.vocabulary), (&model.config, &model.vocabulary));
    assert_eq!(write_segmenter(&read).unwrap(), bytes);
    assert!(read_segmenter("test", &bytes[..bytes.len() / 2], &Device::flex()).is_err());
    assert!(read_segmenter("test", b"nonsense", &Device::flex()).is_err());
}

#[test]
fn no_objects_many_objects_and_any_size() {
    let segmenter = NanoSegmenter::new(tiny());
    for size in [Size::new(1, 1), Size::new(200, 50), Size::new(33, 500)] {
        let (picture, _) = disc(size, [20.0, 20.0], 9.0, [200, 30, 30]);
        let none = segmenter.segment(&picture, &plan(&[])).unwrap();
        assert_eq!((none.masks.objects, none.scores.len()), (0, 0));
        assert!(none.masks.labels.ids().iter().all(|&id| id == 0));
        let many = segmenter.segment(&picture, &plan(&["ball"; 40])).unwrap();
        assert_eq!((many.masks.objects, many.scores.len()), (40, 40));
        assert_eq!(many.masks.labels.size(), size);
    }
    let (picture, _) = disc(Size::new(9, 9), [4.0, 4.0], 3.0, [200, 30, 30]);
    assert!(segmenter.segment(&picture, &plan(&["ball"; 256])).is_err());
}

#[test]
fn the_number_of_threads_changes_nothing() {
    let segmenter = NanoSegmenter::new(tiny());
    let (picture, _) = disc(Size::new(120, 90), [50.0, 40.0], 22.0, [200, 30, 30]);
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let texts = vec![vec!["ball. The ball moves.".to_owned(), "cat. It rests.".to_owned()]];
        let small = picture.resize(Size::new(32, 32)).unwrap();
        pool.install(|| segmenter.model().look(&[small], &texts).unwrap())
    };
    assert_eq!(run(1), run(3));
}

#[test]
fn unknown_words_and_missing_objects_are_told() {
    let segmenter = NanoSegmenter::new(tiny());
    let (picture, _) = disc(Size::new(60, 60), [30.0, 30.0], 12.0, [200, 30, 30]);
    let found = segmenter.segment(&picture, &plan(&["giraffe"])).unwrap();
    assert!(found.notes.iter().any(|n| n.contains("does not know giraffe")), "{:?}", found.notes);
    let raw = nano::RawMasks { logits: vec![vec![3.0; 32 * 32]; 2], presence: vec![0.9, 0.1] };
    let grids = nano::score_grids(&raw, 32, Size::new(60, 60));
    assert!(grids[0].mask().iter().all(|m| *m) && grids[1].scores.is_empty());
}

/// Says where things are from a list, by name.
struct Listed(Vec<(&'static str, Vec<Detection>)>);

impl Detector for Listed {
    fn name(&self) -> &str {
        "listed"
    }

    fn detect(&self, _: &Picture, names: &[&str]) -> Result<Vec<Vec<Detection>>> {
        let of = |name: &&str| self.0.iter().find(|(n, _)| n == name).map(|(_, d)| d.clone());
        Ok(names.iter().map(|name| of(name).unwrap_or_default()).collect())
    }
}

#[test]
fn a_detector_and_a_masker_make_a_segmenter() {
    let (picture, truth) = disc(Size::new(96, 96), [40.0, 50.0], 20.0, [210, 60, 50]);
    let found = Detection { bounds: [20.0, 30.0, 60.0, 70.0], score: 0.8, fit: 0.7 };
    let weak = Detection { bounds: [0.0, 0.0, 9.0, 9.0], score: 0.2, fit: 0.1 };
    let listed = Listed(vec![("ball", vec![found]), ("cat", vec![weak])]);
    let segmenter = DetectThenMask::new(listed, ColorMasker, 0.25);
    assert_eq!(segmenter.name(), "listed + colour");
    let made = segmenter.segment(&picture, &plan(&["ball", "cat", "dog"])).unwrap();
    assert!(overlap(&made.masks.labels, &truth, 1) > 0.9);
    assert_eq!(made.masks.labels.ids_present(), [1]);
    assert!(made.scores[0] > 0.5 && made.scores[1..] == [0.0, 0.0], "{:?}", made.scores);
    // Of each that was not found, its candidates' scores, and that it was not found.
    assert_eq!(made.notes.len(), 4, "{:?}", made.notes);
    assert!(made.notes[0].contains("cat") && made.notes[0].contains("0.20, less than 0.25"));
    assert!(made.notes[1].contains("no box fits \"dog\""), "{:?}", made.notes);
    let none = segmenter.segment(&picture, &plan(&[])).unwrap();
    assert!(none.notes.is_empty() && none.masks.objects == 0);
    let wordless = segmenter.segment(&picture, &plan(&["!", "ball"])).unwrap();
    assert_eq!(wordless.masks.labels.ids_present(), [2]);
}

/// Masks that fill their boxes, with a certainty of each.
struct Filled(Vec<f32>);

impl Masker for Filled {
    fn name(&self) -> &str {
        "filled"
    }

    fn cut(&self, picture: &Picture, sought: &[Sought]) -> Result<Vec<Cut>> {
        // At half the picture's size.
        let Size { width, height } = picture.size();
        let size = Size::new(width / 2, height / 2);
        let whole = PixelBox { x0: 0, y0: 0, x1: width, y1: height };
        let one = |(object, sure): (&Sought, &f32)| {
            let Within::Box(b) = object.within() else { panic!("no box") };
            let inside = |i: usize| {
                let (x, y) = ((i % size.width * 2) as f32 + 1.0, (i / size.width * 2) as f32 + 1.0);
                b[0] < x && x < b[2] && b[1] < y && y < b[3]
            };
            let logit = |i| if inside(i) { *sure } else { -*sure };
            let grid = ScoreGrid::over(whole, size, (0..size.area()).map(logit).collect());
            Cut { grid, score: 0.5, note: None }
        };
        Ok(sought.iter().zip(&self.0).map(one).collect())
    }
}

#[test]
fn overlaps_go_to_the_surest_and_what_is_covered_is_said() {
    let picture = Picture::filled(Size::new(80, 60), [90; 3]);
    let one = |bounds: [f32; 4]| vec![Detection { bounds, score: 0.9, fit: 0.9 }];
    let boxes = [[10.0, 10.0, 50.0, 50.0], [12.0, 10.0, 48.0, 50.0], [60.0, 10.0, 70.0, 20.0]];
    let names = ["man", "bike", "dog"];
    let listed = || Listed(names.iter().zip(boxes).map(|(n, b)| (*n, one(b))).collect());
    let run = |sure: Vec<f32>| {
        let segmenter = DetectThenMask::new(listed(), Filled(sure), 0.25);
        segmenter.segment(&picture, &plan(&names)).unwrap()
    };
    let made = run(vec![1.0, 3.0, 2.0]);
    let areas = [1, 2, 3].map(|id| made.masks.labels.area_of(id));
    assert!(areas[1] > 1300 && areas[0] < 300 && (80..=120).contains(&areas[2]), "{areas:?}");
    assert_eq!(made.notes.len(), 1, "{:?}", made.notes);
    assert!(made.notes[0].contains("man") && made.notes[0].contains('%'), "{:?}", made.notes);
    assert!((made.scores[2] - 0.45).abs() < 1e-6);
    let made = run(vec![3.0, 1.0, 2.0]);
    assert!(
        made.notes.iter().any(|n| n.contains("bike") && n.contains("not found")),
        "{:?}",
        made.notes
    );
    let few = DetectThenMask::new(listed(), Filled(vec![1.0]), 0.25);
    assert!(few.segment(&picture, &plan(&names)).is_err(), "three boxes, one mask");
}

#[test]
fn given_objects_keep_their_pixels_and_the_rest_is_found() {
    let (picture, _) = disc(Size::new(96, 96), [40.0, 50.0], 20.0, [210, 60, 50]);
    let whole = Detection { bounds: [20.0, 30.0, 60.0, 70.0], score: 0.9, fit: 0.9 };
    let listed = Listed(vec![("ball", vec![whole]), ("dot", vec![whole])]);
    let segmenter = DetectThenMask::new(listed, ColorMasker, 0.25);
    let mut mask = vec![false; 96 * 96];
    mask[50 * 96 + 36..50 * 96 + 44].fill(true);
    let places = BTreeMap::from([(2, Place::Mask(mask))]);
    let two = plan(&["ball", "dot"]);
    let given = from_places(&picture, &two, &places).unwrap();
    let made = segment_rest(&segmenter, &picture, &two, given, &BTreeSet::from([2])).unwrap();
    assert_eq!(made.masks.labels.area_of(2), 8);
    assert_eq!(made.scores[1], 1.0);
    assert!(made.masks.labels.area_of(1) > 900, "{}", made.masks.labels.area_of(1));
}
