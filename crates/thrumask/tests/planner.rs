//! The rule-based planner against plans written by hand, against the world's own plans, and
//! against any text at all.
//!
//! Suite `developed` is what the rules were developed on; its first run came to 126 of 148 plans
//! exact and an object F1 of 0.90; its last twelve captions are of the development half of the world's paraphrases and
//! of the like, all of which the rules misread before. The captions of `held-out` were written before the
//! planner had seen them: the first run came to 28 of 40 exact and F1 0.76 (0.83 without one caption
//! of seven ducklings), which is what to expect of captions from elsewhere. Its failures were used
//! afterwards (and one expectation that broke the canonical form was put right), so that its figure
//! now is no longer one for unseen text.

#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use thrumask::eval::plans::{Judged, Score, Suite, judge};
use thrumask::plan::{MAX_CAPTION_CHARS, Planner, RulePlanner};
use thrumask::progress::Silent;
use thrumask::world::{Split, WorldConfig, scene};
use thrumask_core::{MAX_OBJECTS, PromptPlan};

fn plan(caption: &str) -> PromptPlan {
    RulePlanner.plan(caption).unwrap()
}

/// The rules on a suite; what they get wrong is printed.
fn judged(suite: &str) -> Score {
    let suite = Suite::open(suite).unwrap();
    let Judged { score, misses, .. } = judge(&RulePlanner, &suite, &mut Silent).unwrap();
    misses.iter().for_each(|miss| println!("{}: {miss:#?}", suite.name));
    println!("{}: {score}", suite.name);
    score
}

#[test]
fn agrees_with_plans_written_by_hand() {
    let score = judged("developed");
    assert!(score.plans >= 160 && score.exact_share() >= 0.97, "{score}");
    assert!(score.objects.f1() >= 0.98 && score.prompts.f1() >= 0.98, "{score}");
}

#[test]
fn agrees_with_plans_of_captions_set_aside() {
    let score = judged("held-out");
    assert!(score.plans >= 40 && score.exact_share() >= 0.9, "{score}");
    assert!(score.objects.f1() >= 0.93 && score.prompts.f1() >= 0.93, "{score}");
}

#[test]
fn agrees_with_plans_of_the_papers_captions_and_of_public_photographs() {
    let score = judged("paper");
    assert!(score.plans >= 5 && score.objects.f1() >= 0.9 && score.prompts.f1() >= 0.9, "{score}");
}

#[test]
fn gives_the_plans_of_the_world() {
    let config = WorldConfig::default();
    let plans: Vec<PromptPlan> = (0..500)
        .flat_map(|i| [(Split::Test, i), (Split::Compositional, i)])
        .map(|(split, i)| scene(&config, split, i).unwrap().plan)
        .collect();
    let world = Suite { name: "world".into(), plans };
    let score = judge(&RulePlanner, &world, &mut Silent).unwrap().score;
    println!("world: {score}");
    assert!(score.exact_share() >= 0.99, "{score}");
}

#[test]
fn refuses_what_is_no_sentence() {
    for (caption, word) in
        [("", "empty"), (" \t\n\u{3000}", "empty"), (&*"dog ".repeat(25_000), "at most")]
    {
        let error = RulePlanner.plan(caption).unwrap_err().to_string();
        assert!(error.starts_with("caption: ") && error.contains(word), "{error}");
    }
    let kinds =
        ["dogs", "cats", "cars", "birds", "bees", "boats", "balls", "buses", "cows", "pigs"];
    let crowd: Vec<String> = kinds.iter().map(|kind| format!("20 {kind}")).collect();
    let caption = format!("{} and 20 owls, 20 hens, 20 ants and 20 bats run.", crowd.join(", "));
    let error = RulePlanner.plan(&caption).unwrap_err().to_string();
    assert!(error.contains("at most 255 objects"), "{error}");
}

#[test]
fn numbers_and_sides_name_the_objects() {
    let names = |caption: &str| -> Vec<String> {
        plan(caption).objects.into_iter().map(|object| object.name).collect()
    };
    assert_eq!(names("Two parrots fly."), ["first parrot", "second parrot"]);
    assert_eq!(names("Twenty ants march.").len(), 20);
    assert_eq!(names("A hundred ants march."), ["ants"]);
    assert_eq!(names("The left fox runs and the right fox sits."), ["left fox", "right fox"]);
    assert!(names("The calm sea under a grey sky.").is_empty());
}

#[test]
fn who_is_told_of_does_nothing_to_itself() {
    for (caption, name, prompt) in [
        ("A boy throws a ball to the dog, which catches it.", "dog", "The dog catches the ball."),
        ("Someone throws a ball to the dog, which catches it.", "dog", "The dog catches the ball."),
        ("A car drives away with a truck following it.", "truck", "The truck follows the car."),
        ("A man walks his dog, which pulls him.", "dog", "The dog pulls the man."),
        (
            "The ball is sent rolling to the right by the dog.",
            "dog",
            "The dog pushes the ball to the right.",
        ),
    ] {
        let plan = plan(caption);
        let found = plan.objects.iter().find(|object| object.name == name).map(|o| &*o.prompt);
        assert_eq!(found, Some(prompt), "{caption}");
    }
}

/// Nested and repeated words as far as a caption goes: no panic, and no waiting either.
#[test]
fn reads_long_chains() {
    for unit in ["the dog which ", "dog and ", "the cat's ", "a bee with a bee ", "running ", "is "]
    {
        check(unit.repeat(MAX_CAPTION_CHARS / unit.len()).trim_end()).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn plans_any_text(caption in any::<String>()) {
        check(&caption)?;
    }

    #[test]
    fn plans_any_words(words in prop::collection::vec(word(), 1..60)) {
        check(&words.join(" "))?;
    }
}

/// Words that the rules know, in any order, and marks between them.
fn word() -> impl Strategy<Value = &'static str> {
    prop::sample::select(
        "the a two both another other one of and while , . ; which that its their dog dogs \
         red big left right car leaves water runs is are jumping chased by to from with on in each \
         it they she not doesn't can will there camera slowly then before 's 12 first group bouncing \
         été 猫 — \" zorp zorps zorping Dog's"
            .split_whitespace()
            .collect::<Vec<_>>(),
    )
}

fn check(caption: &str) -> Result<(), TestCaseError> {
    let first = RulePlanner.plan(caption);
    let Ok(plan) = first else {
        let empty = caption.trim().is_empty();
        let long = caption.chars().count() > MAX_CAPTION_CHARS;
        let error = first.map_err(|e| e.to_string()).unwrap_err();
        prop_assert!(empty || long || error.contains("objects"), "{error}");
        return Ok(());
    };
    prop_assert_eq!(&plan.caption, caption);
    prop_assert_eq!(&RulePlanner.plan(caption).unwrap(), &plan);
    prop_assert!(!plan.motion.trim().is_empty() && plan.objects.len() <= MAX_OBJECTS);
    let mut names: Vec<&String> = plan.objects.iter().map(|object| &object.name).collect();
    prop_assert!(names.iter().all(|name| !name.trim().is_empty()));
    prop_assert!(plan.objects.iter().all(|object| object.prompt.len() > 1));
    names.sort();
    names.dedup();
    prop_assert_eq!(names.len(), plan.objects.len(), "names are unique");
    Ok(())
}
