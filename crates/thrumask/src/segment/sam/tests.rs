use std::collections::BTreeMap;

use thrumask_core::{ObjectPrompt, PromptPlan, control::Point};
use thrumask_nn::{
    layers::Init,
    perception::sam2::{Candidate, Sam2Config},
};

use super::*;
use crate::segment::{Place, from_places_by};

fn network(seed: u64) -> Sam2 {
    Sam2::new(&mut Init::new(seed, &Device::flex()), &Sam2Config::test()).unwrap()
}

fn picture() -> Picture {
    let level = |i: usize| ((i * 7919) % 251) as u8;
    let size = Size::new(60, 33);
    Picture::new(size, (0..size.area() * 3).map(level).collect()).unwrap()
}

fn plan() -> PromptPlan {
    let object = |name: &str| ObjectPrompt { name: name.into(), prompt: "It moves.".into() };
    PromptPlan {
        caption: "Two.".into(),
        motion: "They move.".into(),
        objects: vec![object("cat"), object("dog")],
    }
}

fn point(x: f32, y: f32, inside: bool) -> Point {
    Point { x, y, inside }
}

/// Places of the second object, with what the network is asked of them, and whether for several masks.
fn asked() -> [(Place, Prompt, bool); 4] {
    let points = |list: &[Point]| Prompt {
        points: list.iter().map(|p| ([p.x, p.y], p.inside)).collect(),
        ..Default::default()
    };
    let bounds = [[5.0, 4.0, 30.0, 20.0], [0.0, 0.0, 60.0, 33.0]];
    let boxed = |i: usize| {
        let prompt = Prompt { bounds: Some(bounds[i]), ..Default::default() };
        (Place::Box(bounds[i]), prompt, false)
    };
    let (one, two) =
        (vec![point(20.0, 20.0, true)], vec![point(4.0, 30.0, true), point(40.0, 6.0, false)]);
    let prompts = [points(&one), points(&two)];
    let [first, second] = prompts;
    [boxed(0), boxed(1), (Place::Points(one), first, true), (Place::Points(two), second, false)]
}

#[test]
fn objects_are_what_the_networks_best_masks_say() {
    let (picture, plan) = (picture(), plan());
    // Random networks see objects in some places and none in others.
    let (mut there, mut nothing) = (0, 0);
    for seed in 0..6 {
        let masks = SamMasks(network(seed));
        for (place, prompt, several) in asked() {
            let places = BTreeMap::from([(2, place)]);
            let made = from_places_by(&masks, &picture, &plan, &places).unwrap();
            assert_eq!(made, from_places_by(&masks, &picture, &plan, &places).unwrap());
            let image = masks.0.look(&picture).unwrap();
            let Candidate { mask, iou, object, .. } =
                image.masks(&prompt, several).unwrap().remove(0);
            let labels = &made.masks.labels;
            assert_eq!((labels.size(), labels.area_of(1)), (picture.size(), 0));
            let told = made.notes.iter().any(|n| n.contains("\"dog\"): sam 2 sees no object"));
            assert_eq!(told, object < 0.5, "{:?}", made.notes);
            match object >= 0.5 && mask.contains(&true) {
                true => {
                    there += 1;
                    assert_eq!(labels.mask_of(2), mask);
                    assert!((made.scores[1] - iou.clamp(0.0, 1.0) * object).abs() < 1e-6);
                }
                false => {
                    nothing += 1;
                    assert_eq!((labels.area_of(2), made.scores[1]), (0, 0.0));
                }
            }
        }
    }
    assert!(there > 0 && nothing > 0, "{there}, {nothing}");
}

#[test]
fn what_lies_beside_the_picture_or_the_plan_is_refused() {
    let (picture, plan, masks) = (picture(), plan(), SamMasks(network(3)));
    for (id, place) in [
        (3, Place::Box([0.0, 0.0, 9.0, 9.0])),
        (0, Place::Box([0.0, 0.0, 9.0, 9.0])),
        (1, Place::Box([70.0, 2.0, 80.0, 9.0])),
        (1, Place::Box([f32::NAN; 4])),
        (1, Place::Points(vec![point(60.0, 2.0, true)])),
        (1, Place::Points(vec![point(6.0, 2.0, false)])),
        (1, Place::Points(Vec::new())),
    ] {
        let places = BTreeMap::from([(id, place)]);
        assert!(from_places_by(&masks, &picture, &plan, &places).is_err(), "{places:?}");
    }
}
