//! The configurations that come with the project are read as they stand.

// Helpers of tests may unwrap as the tests themselves do.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

use thrumask::{
    paper::{PaperConfig, Trained, methods::Base},
    pipeline::Settings,
    train::TrainConfig,
};
use thrumask_nn::diffusion::{guidance::Guidance, sampler::Method};

#[test]
fn every_configuration_is_understood() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/configs");
    let mut count = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        match path.file_name().and_then(|name| name.to_str()) {
            Some("paper.toml") => _ = PaperConfig::read(&path, &[]).unwrap(),
            Some("full-animate.toml") => _ = Settings::default().overlaid_file(&path).unwrap(),
            _ => _ = TrainConfig::read(&path, &[]).unwrap(),
        }
        count += 1;
    }
    assert!(count >= 12, "{count} in {}", folder.display());
}

#[test]
fn guidance_of_a_file_stays_when_models_are_named() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/configs/full-animate.toml");
    let read = Settings::default().overlaid_file(&path).unwrap();
    let over = serde_json::json!({"models": "ttm", "backbone": "unet"});
    let made = read.overlaid("command line", &over).unwrap();
    for sampling in [made.motion, made.video] {
        assert_eq!(sampling.guidance, Guidance { image: 1.5, text: 7.5 });
        assert_eq!((sampling.steps, sampling.guidance_rescale), (50, 0.7));
        assert_eq!(sampling.schedule, Method::PAPER_UNET);
    }
}

/// What `bench paper` sets in small configurations, a person sets in the full-size ones.
#[test]
fn the_papers_comparisons_are_settings_of_the_full_size_configurations() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/configs");
    let read = |name: &str, set: &[&str]| {
        let set: Vec<String> = set.iter().map(|&set| set.to_owned()).collect();
        TrainConfig::read(&folder.join(name), &set).unwrap()
    };
    for model in Trained::ALL {
        let name = match model.base() {
            Base::Motion => "full-motion.toml",
            Base::Video => "full-video.toml",
        };
        let config = read(name, model.settings());
        assert_eq!(config == read(name, &[]), model.settings().is_empty(), "{model:?}");
        assert!(config.stage.is_some_and(|stage| stage.folder.is_some()), "{model:?}");
    }
    // The baseline differs from stage 2 in nothing else.
    assert_eq!(read("full-ti2v.toml", &[]), read("full-video.toml", Trained::Ti2v.settings()));
}

/// `models/nano/train.sh` runs the commands of the card one after the other.
#[test]
fn the_commands_of_the_card_are_understood_and_each_begins_where_another_ended() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let card = fs::read_to_string(root.join("models/nano/CARD.md")).unwrap();
    let commands: Vec<&str> =
        card.split('`').filter_map(|text| text.strip_prefix("thrumask train ")).collect();
    let mut made: Vec<String> = Vec::new();
    for command in &commands {
        let words: Vec<&str> = command.split(' ').collect();
        let after = |flag: &str| {
            let pairs = words.windows(2).filter(|pair| pair[0] == flag);
            pairs.map(|pair| pair[1].to_owned()).collect::<Vec<_>>()
        };
        let config = TrainConfig::read(&root.join(words[0]), &after("--set"))
            .unwrap_or_else(|error| panic!("{command}: {error}"));
        if let Some(start) = &config.run.start {
            let folder = start.parent().unwrap().to_str().unwrap();
            assert!(made.iter().any(|out| out == folder), "{command}: nothing made {folder}");
        }
        made.extend(after("--out"));
    }
    assert_eq!(made.len(), commands.len());
    assert!(made.len() >= 20 && made.contains(&"train/motion-6".to_owned()), "{made:?}");
}
