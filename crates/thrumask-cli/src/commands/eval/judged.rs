//! Which models are judged.

use std::{collections::BTreeMap, path::PathBuf};

use anyhow::{Result, bail};
use clap::Args;
use serde::Deserialize;
use serde_json::Value;
use thrumask::{eval::Subjects, models};
use thrumask_nn::backbone::BackboneKind;

use crate::options::DeviceOption;

/// The models to judge.
#[derive(Debug, Args)]
pub struct Judged {
    /// Folder of models to judge (autoencoder.safetensors, motion.safetensors, video.safetensors,
    /// ti2v.safetensors, segmenter.safetensors, tracker.safetensors; those that are there), in place of the built-in ones;
    /// or vae/, motion/, video/ and ti2v/ as diffusers lays them out, with text_encoder/ and tokenizer/.
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// Whose built-in stages, where none are named: those of the diffusion transformer or of the U-Net.
    #[arg(long, value_parser = ["dit", "unet"], default_value = "dit")]
    backbone: String,
    /// One autoencoder in place of the others.
    #[arg(long, value_name = "FILE_OR_DIR")]
    autoencoder: Option<PathBuf>,
    /// One model of stage 1 in place of the others.
    #[arg(long, value_name = "FILE_OR_DIR")]
    motion: Option<PathBuf>,
    /// One model of stage 2 in place of the others.
    #[arg(long, value_name = "FILE_OR_DIR")]
    video: Option<PathBuf>,
    /// A model without trajectories, to compare with.
    #[arg(long, value_name = "FILE_OR_DIR")]
    ti2v: Option<PathBuf>,
    /// One segmenter in place of the others.
    #[arg(long, value_name = "FILE")]
    segmenter: Option<PathBuf>,
    /// One tracker in place of the others: finds the objects of videos again (J and F of the tracker).
    #[arg(long, value_name = "FILE")]
    tracker: Option<PathBuf>,
    /// Public weights of LPIPS with SqueezeNet (PyTorch checkpoints, or a folder of them): also
    /// measures how different the videos of stage 2 look from the true ones.
    #[arg(long, value_name = "DIR_OR_FILES", value_delimiter = ',')]
    lpips: Vec<PathBuf>,
    #[command(flatten)]
    device: DeviceOption,
}

impl Judged {
    /// Whether they come from a folder, in the place of those built into the program.
    pub fn others(&self) -> bool {
        self.models.is_some()
    }

    /// The models to judge: those named one by one, else those of the folder, else the built-in ones
    /// (when no folder is given).
    pub fn subjects(&self) -> Result<Subjects> {
        let device = self.device.open()?;
        let mut files = match &self.models {
            Some(folder) => {
                let files = Subjects::files_in(folder)?;
                if files.is_empty() {
                    bail!("--models: expected model files in {}, got none", folder.display());
                }
                files
            }
            None => BTreeMap::new(),
        };
        let named = [
            ("autoencoder", &self.autoencoder),
            ("motion", &self.motion),
            ("video", &self.video),
            ("ti2v", &self.ti2v),
            ("segmenter", &self.segmenter),
            ("tracker", &self.tracker),
        ];
        for (role, file) in named {
            if let Some(file) = file {
                files.insert(role.to_owned(), file.clone());
            }
        }
        let mut subjects = Subjects::read(&files, self.models.as_deref(), &device)?;
        if self.models.is_none() {
            let backbone = BackboneKind::deserialize(Value::from(self.backbone.as_str()))?;
            let models = models::Models::embedded().with_backbone(backbone);
            let baseline = (backbone == BackboneKind::Unet).then_some(&models::TI2V);
            let built_in = models::NAMES.iter().chain([&models::TRACKER]).chain(baseline);
            for role in built_in.filter(|role| !files.contains_key(**role)) {
                let bytes = models.bytes(role)?;
                subjects.add(role, &format!("built-in {role}"), &bytes, &device)?;
            }
        }
        if !self.lpips.is_empty() {
            subjects.add_lpips(&self.lpips, &device)?;
        }
        Ok(subjects)
    }
}
