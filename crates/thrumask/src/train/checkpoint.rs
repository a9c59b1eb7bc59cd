//! The whole state of a run in one safetensors file, written in one step.

use std::{path::Path, sync::Arc};

use burn::module::Module;
use thrumask_core::{Error, fsio::write_atomic};
use thrumask_nn::weights::WeightFile;

use super::{Optimizer, RunConfig, TrainConfig, optimizer::Slot};
use crate::{
    Result,
    model::files::{read_bytes, to_json},
};

/// File name of the newest checkpoint in a run's folder.
pub const CHECKPOINT: &str = "checkpoint.safetensors";

/// Prefix of the averaged parameters.
const AVERAGED: &str = "ema/";

/// Parts of a slot, by their prefix in the file.
type Part = (&'static str, fn(&mut Slot) -> &mut Vec<f32>);
const PARTS: [Part; 4] = [
    ("values/", |s| Arc::make_mut(&mut s.values)),
    (AVERAGED, |s| &mut s.ema),
    ("mean/", |s| &mut s.mean),
    ("square/", |s| &mut s.square),
];

/// Writes the state after `optimizer.step` steps.
///
/// # Errors
/// [`Error::Io`] when the folder cannot be written; the former checkpoint is then still whole.
pub fn save(folder: &Path, config: &TrainConfig, optimizer: &mut Optimizer) -> Result<()> {
    let mut file = WeightFile::default();
    for (prefix, part) in PARTS {
        for slot in &mut optimizer.slots {
            if part(slot).is_empty() {
                continue;
            }
            let (name, shape) = (format!("{prefix}{}", slot.name), slot.shape.clone());
            file.tensors.insert(name, (shape, part(slot).clone()));
        }
    }
    file.metadata.insert("config".into(), to_json("config", config)?);
    file.metadata.insert("step".into(), optimizer.step.to_string());
    write_atomic(folder.join(CHECKPOINT), &file.write(false)?)?;
    Ok(())
}

/// Restores the state of the newest checkpoint; `false` when there is none. The run may go on to another
/// number of steps than it was begun with.
///
/// # Errors
/// [`Error::Mismatch`] when the checkpoint belongs to another configuration; [`Error::Invalid`] when it has
/// taken more steps than the run shall have; as
/// [`WeightFile::read`] when it is broken.
pub fn restore(folder: &Path, config: &TrainConfig, optimizer: &mut Optimizer) -> Result<bool> {
    let path = folder.join(CHECKPOINT);
    if !path.exists() {
        return Ok(false);
    }
    let what = path.display().to_string();
    let bytes = std::fs::read(&path).map_err(|e| Error::io("reading", &path, e))?;
    let mut file = WeightFile::read(&what, &bytes)?;
    let theirs = file.metadata.get("config").cloned().unwrap_or_default();
    let same = serde_json::from_str::<TrainConfig>(&theirs).is_ok_and(|theirs| {
        // A run may be made longer or shorter, and look at itself more or less often.
        let RunConfig { steps, checkpoint_every, validate_every, .. } = config.run;
        let run = RunConfig { steps, checkpoint_every, validate_every, ..theirs.run };
        TrainConfig { run, ..theirs } == *config
    });
    if !same {
        let ours = to_json("config", config)?;
        return Err(Error::mismatch(format!("configuration of {what}"), ours, theirs).into());
    }
    let broken = |reason: String| crate::Error::from(Error::format(what.as_str(), reason));
    let step = file.metadata.get("step").and_then(|s| s.parse().ok());
    optimizer.step = step.ok_or_else(|| broken("no step in its metadata".into()))?;
    if optimizer.step > config.run.steps {
        let reason = format!("expected at least {}, the steps taken, got", optimizer.step);
        return Err(Error::invalid("run.steps", format!("{reason} {}", config.run.steps)).into());
    }
    for (prefix, part) in PARTS {
        for slot in &mut optimizer.slots {
            // Files of before 2026-11-28 have zeros for what a rule has no use for.
            if part(slot).is_empty() {
                continue;
            }
            let name = format!("{prefix}{}", slot.name);
            match file.tensors.remove(&name) {
                Some((shape, values)) if shape == slot.shape => *part(slot) = values,
                _ => return Err(broken(format!("no tensor {name} of shape {:?}", slot.shape))),
            }
        }
    }
    Ok(true)
}

/// A network with the parameters of a model file, or with the averaged ones of a checkpoint.
///
/// # Errors
/// [`Error::Io`] when the file cannot be read, [`thrumask_nn::Error::Weights`] when it is broken or has other
/// parameters than the network.
pub fn averaged<M: Module>(path: &Path, network: M) -> Result<M> {
    let what = path.display().to_string();
    let file = WeightFile::read(&what, &read_bytes(path)?)?;
    let prefix = match file.tensors.keys().any(|name| name.starts_with(AVERAGED)) {
        true => AVERAGED,
        false => "",
    };
    Ok(file.load_into(&what, prefix, network)?)
}

#[cfg(test)]
mod tests {
    use thrumask_nn::weights::Parameter;

    use super::*;

    #[test]
    fn squares_are_kept_where_a_rule_has_them_and_older_files_read_too() {
        let text = include_str!("../../../../models/configs/autoencoder.toml");
        let set = ["optimizer.matrix_rate=0.02".to_owned()];
        let config = TrainConfig::from_toml("a.toml", text, &set).unwrap();
        let fresh = || {
            let of = |name: &str| Parameter {
                name: name.into(),
                shape: vec![2, 2],
                values: vec![0.5, -1.0, 0.25, 2.0],
            };
            let both = vec![of("blocks.0.up.weight"), of("embed.weight")];
            Optimizer::new(config.optimizer.clone(), both)
        };
        let folder = tempfile::tempdir().unwrap();
        let mut optimizer = fresh();
        let gradient = || Some(vec![1.0, 2.0, -1.0, 0.5]);
        optimizer.step(vec![gradient(), gradient()], 100);
        save(folder.path(), &config, &mut optimizer).unwrap();
        let path = folder.path().join(CHECKPOINT);
        let mut file = WeightFile::read("it", &std::fs::read(&path).unwrap()).unwrap();
        assert!(file.tensors.contains_key("square/embed.weight"));
        let zeros = (vec![2, 2], vec![0.0; 4]);
        assert!(file.tensors.insert("square/blocks.0.up.weight".into(), zeros).is_none());

        let mut restored = fresh();
        assert!(restore(folder.path(), &config, &mut restored).unwrap());
        assert_eq!(restored, optimizer);
        std::fs::write(&path, file.write(false).unwrap()).unwrap();
        let mut restored = fresh();
        assert!(restore(folder.path(), &config, &mut restored).unwrap());
        assert_eq!(restored, optimizer);
    }
}
