use serde_json::json;
use thrumask_nn::diffusion::schedule::Schedule;

use super::*;
use crate::pipeline::typed;

const MODEL: VideoShape = VideoShape { size: 96, frames: 12 };
const INPUT: Size = Size::new(40, 20);

#[test]
fn tables_are_laid_over_each_other_key_by_key() {
    let made = Settings::default()
        .overlaid("a", &json!({"seed": u64::MAX, "motion": {"steps": 8}}))
        .unwrap()
        .overlaid("b", &json!({"fps": 12, "motion": {"guidance": {"text": 2.5}}}))
        .unwrap();
    assert_eq!((made.seed, made.fps, made.motion.steps), (u64::MAX, 12.0, 8));
    assert_eq!(made.motion.guidance.text, 2.5);
    assert_eq!(made.video, Sampling::usual(StageKind::Video, BackboneKind::Dit, false));
}

#[test]
fn a_schedule_of_another_kind_replaces_the_whole_schedule() {
    let over = json!({"video": {"schedule": {"kind": "linear_quadratic", "emulated": 250}}});
    let made = Settings::default().overlaid("a", &over).unwrap();
    assert_eq!(made.video.schedule, Schedule::LinearQuadratic { emulated: 250 }.into());
    let over = json!({"video": {"schedule": {"kind": "uniform"}}});
    assert_eq!(made.overlaid("b", &over).unwrap().video.schedule, Schedule::Uniform.into());
    let over = json!({"motion": {"schedule": {"shift": 4.0}}});
    let made = Settings::default().overlaid("c", &over).unwrap();
    assert_eq!(made.motion.schedule, Schedule::Shifted { shift: 4.0 }.into());
}

#[test]
fn sampling_comes_with_the_backbone_and_with_whose_models_they_are() {
    let steps = |over: Value| {
        let made = Settings::default().overlaid("a", &over).unwrap();
        (made.motion.steps, made.video.steps)
    };
    assert_eq!(steps(json!({})), (1, 4));
    assert_eq!(steps(json!({"models": "x"})), (4, 4));
    assert_eq!(steps(json!({"models": "x", "motion": {"steps": 2}})), (2, 4));
    assert_eq!(steps(json!({"backbone": "unet"})), (1, 1));
    assert_eq!(steps(json!({"backbone": "unet", "models": "x"})), (8, 8));
    assert_eq!(steps(json!({"backbone": "unet", "motion": {"steps": 3}})), (3, 1));
    // What was set before stays.
    let mine = Settings::default().overlaid("a", &json!({"motion": {"steps": 3}})).unwrap();
    let mine = mine.overlaid("b", &json!({"models": "x"})).unwrap();
    assert_eq!((mine.motion.steps, mine.video.steps), (3, 4));
}

#[test]
fn unknown_keys_and_wrong_types_are_named() {
    let says = |over: Value, words: [&str; 2]| {
        let e = Settings::default().overlaid("it", &over).unwrap_err().to_string();
        assert!(words.iter().all(|w| e.contains(w)), "{e}");
    };
    says(json!({"sede": 1}), ["it: sede", "unknown field"]);
    says(json!({"motion": {"stepz": 1}}), ["it: motion.stepz", "unknown field"]);
    says(json!({"motion": {"steps": "many"}}), ["it: motion.steps", "many"]);
    says(json!({"seed": -1}), ["it: seed", "-1"]);
    says(json!({"frame_chunk": 0}), ["it: frame_chunk", "0"]);
    says(json!({"video": {"schedule": {"kind": "bent"}}}), ["it", "bent"]);
    says(json!({"video": {"schedule": {"shaft": 1}}}), ["it", "shaft"]);
}

#[test]
fn nothing_is_left_open_and_a_configuration_resolves_to_itself() {
    let over = json!({"frames": 6, "seed": 7, "given": {"boxes": {"1": [0, 0, 4, 5]}}});
    let config = Settings::default().overlaid("a", &over).unwrap().resolve(INPUT, MODEL).unwrap();
    assert_eq!((config.frames, config.size), (6, 192));
    assert_eq!(config.settings().resolve(INPUT, MODEL).unwrap(), config);
    let json = serde_json::to_string(&config).unwrap();
    assert_eq!(serde_json::from_str::<Config>(&json).unwrap(), config);
}

#[test]
fn values_out_of_range_are_refused_with_the_range() {
    let says = |over: Value, words: &str| {
        let settings = Settings::default().overlaid("a", &over).unwrap();
        let e = settings.resolve(INPUT, MODEL).unwrap_err().to_string();
        assert!(e.contains(words), "{e}");
    };
    says(json!({"frames": 13}), "frames: expected 1 to 12, as many as the models make, got 13");
    says(json!({"frames": 0}), "got 0");
    says(json!({"fps": 0}), "fps: expected a number from 0.1 to 240, got 0");
    says(json!({"motion": {"steps": 0}}), "motion.steps: expected 1 to 1000, got 0");
    says(json!({"video": {"guidance": {"text": -1}}}), "video.guidance.text");
    says(json!({"motion": {"guidance_rescale": 1.5}}), "motion.guidance_rescale");
    says(json!({"size": 7}), "size");
}

#[test]
fn typed_values() {
    assert_eq!(typed("18446744073709551615"), json!(u64::MAX));
    assert_eq!(typed("2.5"), json!(2.5));
    assert_eq!(typed("\"a b\""), json!("a b"));
    assert_eq!(typed("uniform"), json!("uniform"));
    assert_eq!(typed("[1, 2]"), json!([1, 2]));
    assert_eq!(nested("a.b", 1.into()), json!({"a": {"b": 1}}));
}

#[test]
fn files_are_read_relative_to_their_folder() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.toml");
    std::fs::write(
        &path,
        "seed = 3\nmasker = \"sam2\"\n[given]\nmasks = \"m.png\"\n[motion]\nsteps = 9\n",
    )
    .unwrap();
    let made = Settings::default().overlaid_file(&path).unwrap();
    assert_eq!((made.seed, made.motion.steps), (3, 9));
    assert_eq!(made.given.masks, Some(folder.path().join("m.png")));
    assert_eq!((made.masker, made.models), (Some(folder.path().join("sam2")), None));
    std::fs::write(&path, "seed = = 3\n").unwrap();
    let e = Settings::default().overlaid_file(&path).unwrap_err().to_string();
    assert!(e.contains("a.toml") && e.contains("line 1") && !e.contains('\n'), "{e}");
}
