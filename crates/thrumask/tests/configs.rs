//! The configurations that come with the project are read as they stand.

// Helpers of tests may unwrap as the tests themselves do.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

use thrumask::{paper::PaperConfig, train::TrainConfig};

#[test]
fn every_configuration_is_understood() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../models/configs");
    let mut count = 0;
    for entry in fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        match path.file_name().is_some_and(|name| name == "paper.toml") {
            true => PaperConfig::read(&path, &[]).map(|_| ()).unwrap(),
            false => TrainConfig::read(&path, &[]).map(|_| ()).unwrap(),
        }
        count += 1;
    }
    assert!(count >= 12, "{count} in {}", folder.display());
}
