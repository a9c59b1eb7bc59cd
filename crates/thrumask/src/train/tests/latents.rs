//! Trainings from shards with and without latents.

use std::{fs, path::Path};

use super::*;
use crate::{
    data::{
        Job, LatentEncoder, LatentNumber, Part, PrepareConfig, Tools, prepare,
        tests::{config, tools, world_videos},
    },
    progress::Silent,
};

fn autoencoder(seed: u64) -> Autoencoder {
    Autoencoder::new(&mut Init::new(seed, &Device::flex()), &LATENTS).unwrap()
}

/// A folder with the autoencoder of `seed`, as it is read back.
fn base(root: &Path, name: &str, seed: u64) -> (std::path::PathBuf, LatentEncoder) {
    let base = root.join(name);
    fs::create_dir(&base).unwrap();
    let path = base.join("autoencoder.safetensors");
    fs::write(&path, write_autoencoder(&autoencoder(seed)).unwrap()).unwrap();
    let codec = crate::model::open_autoencoder(&path, &Device::flex()).unwrap();
    (base, LatentEncoder::new(codec).unwrap())
}

/// Shards of three videos with two samples each.
fn shards(root: &Path, out: &Path, latents: Option<(LatentNumber, &LatentEncoder)>) {
    let videos = root.join("videos");
    if !videos.exists() {
        fs::create_dir(&videos).unwrap();
        world_videos(&videos, 3);
    }
    let (number, encoder) = latents.unzip();
    // The nano patches have three frames.
    let config = PrepareConfig { frames: 6, latents: number, ..config() };
    let (tools, part) = (Tools { encoder, ..tools() }, Part::default());
    let job = Job { input: &videos, manifest: None, out, part, config: &config, tools };
    assert_eq!(prepare(&job, &mut Silent).unwrap().samples, 6);
}

/// What a training ends with: its whole state, its losses and scores, and what it said before.
#[derive(Debug, PartialEq)]
struct Trained {
    state: Vec<u8>,
    losses: Vec<f32>,
    scores: std::collections::BTreeMap<String, f64>,
    notices: Vec<String>,
}

fn trained(task: &str, base: &Path) -> Trained {
    let task = format!("task={task}");
    let overrides = [&*task, "data=\"shards/*.tar\"", "run.steps=3", "run.validate_every=3"];
    let config = read(&overrides).unwrap();
    let folder = base.join(&task);
    let (mut losses, mut scores, mut notices) = (Vec::new(), Default::default(), Vec::new());
    let mut hear = |report| match report {
        Report::Notice(words) => notices.push(words),
        Report::Step { loss, .. } => losses.push(loss),
        Report::Validation { scores: found, .. } => scores = found,
    };
    let device = Device::flex().autodiff();
    let outcome = train_configured(&config, base, &folder, &device, &|| false, &mut hear).unwrap();
    assert_eq!(outcome, Outcome::Finished);
    let state = fs::read(folder.join("checkpoint.safetensors")).unwrap();
    Trained { state, losses, scores, notices }
}

#[test]
fn a_training_on_kept_latents_is_that_which_encodes_to_the_bit() {
    let root = tempfile::tempdir().unwrap();
    let root = root.path();
    let [plain, kept, half] = ["plain", "kept", "half"].map(|name| base(root, name, 1));
    let (other, _) = base(root, "other", 2);
    let out = |base: &Path| base.join("shards");
    shards(root, &out(&plain.0), None);
    shards(root, &out(&kept.0), Some((LatentNumber::F32, &kept.1)));
    shards(root, &out(&half.0), Some((LatentNumber::F16, &half.1)));
    for task in ["motion", "video", "ti2v"] {
        let [encoded, exact, rounded] = [&plain, &kept, &half].map(|(base, _)| trained(task, base));
        assert_eq!(encoded.losses.len(), 3);
        assert!(encoded == exact, "{task}: {:?}, {:?}", encoded.losses, exact.losses);
        // That they differ at all shows that the kept ones are looked at.
        assert_ne!(encoded.losses, rounded.losses, "{task}");
        for (a, b) in encoded.losses.iter().zip(&rounded.losses) {
            assert!((a - b).abs() < 5e-3 * a, "{task}: {a}, {b}");
        }
        assert_eq!((exact.notices.len(), rounded.notices.len()), (0, 0), "{exact:?}");
    }

    // Those of another autoencoder are not, which is said once.
    fs::rename(out(&kept.0), out(&other)).unwrap();
    let stale = trained("motion", &other);
    assert_eq!(stale.notices.len(), 1, "{:?}", stale.notices);
    let expected = "0 of 6 samples have latents of this autoencoder, 6 have those of another one";
    assert!(stale.notices[0].contains(expected), "{:?}", stale.notices);
    fs::remove_dir_all(out(&other)).unwrap();
    fs::remove_dir_all(other.join("task=motion")).unwrap();
    fs::rename(out(&plain.0), out(&other)).unwrap();
    let encoded = trained("motion", &other);
    assert!(stale.state == encoded.state && stale.losses == encoded.losses);
    assert_eq!(encoded.notices, [""; 0]);

    // Where only some samples have them, all is as without, but for rounding where they are rounded.
    let tar = "shard-0000-of-0001-00000.tar";
    let mixed = out(&half.0);
    fs::copy(out(&other).join(tar), mixed.join("other.tar")).unwrap();
    fs::remove_dir_all(half.0.join("task=motion")).unwrap();
    let mixed = trained("motion", &half.0);
    assert_eq!(mixed.notices.len(), 1);
    assert!(mixed.notices[0].starts_with("6 of "), "{:?}", mixed.notices);
}
