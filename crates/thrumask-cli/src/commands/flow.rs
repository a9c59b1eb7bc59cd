//! `thrumask flow`: how far each pixel moves.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use serde_json::json;
use thrumask::{eval::displacement, pipeline::Reporter};
use thrumask_core::{
    Clip, FlowField, FlowWheel, Picture, WriteOptions, flow::is_flo, fsio::read_limited,
};
use thrumask_nn::perception::raft::{FlowTask, Raft, RaftOptions};

use crate::{
    options::{DeviceOption, TalkOptions, on_threads, start_threads},
    terminal::{self, Terminal},
};

/// Find how far each pixel moves from one picture to the next.
///
/// Flow comes from RAFT with public weights, small or large, as its authors or torchvision publish them. It
/// is written as .flo, or drawn in colours: hue is the direction, saturation the speed, white no motion. Of a
/// video, the drawing is a video with a last blank frame; .flo are numbered files. A .flo or, with
/// --read-colors, a drawing is read instead where one is given, without weights.
///
/// Prints how far pixels move in the mean and at most.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  thrumask flow a.png b.png --weights raft-small.pth --out flow.png
  thrumask flow a.png b.png --weights raft-small.pth --out flow.flo
  thrumask flow clip.mp4 --weights raft_large.safetensors --out flow.mp4 --greatest 20
  thrumask flow flow.mp4 --read-colors --greatest 20 --out fields/flow.flo")]
pub struct Flow {
    /// Two pictures, a video (MP4, GIF, WebP, folder of frames), or a .flo file.
    #[arg(required = true, num_args = 1..=2, value_name = "FILE")]
    inputs: Vec<PathBuf>,
    /// Public weights of RAFT: .pth, .safetensors or what else holds them.
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// What to write: .flo; .png for one field; .mp4, .gif, .webp or a folder (name/) for several.
    #[arg(long, value_name = "PATH")]
    out: Option<PathBuf>,
    /// Pixels of motion that are drawn in full colour; what moves further is drawn as that [default: the
    /// greatest motion].
    #[arg(long, value_name = "PIXELS")]
    greatest: Option<f32>,
    /// The input is a drawing of flow made with the same --greatest.
    #[arg(long, requires = "greatest", conflicts_with_all = ["weights", "iterations", "warm"])]
    read_colors: bool,
    /// How often the network changes each flow [default: 12].
    #[arg(long)]
    iterations: Option<usize>,
    /// Start each flow of a video from the one before.
    #[arg(long)]
    warm: bool,
    /// Threads to work with [default: all].
    #[arg(long)]
    threads: Option<usize>,
    #[command(flatten)]
    device: DeviceOption,
    #[command(flatten)]
    talk: TalkOptions,
}

/// Fields and the rate of the video that they are of.
struct Found {
    fields: Vec<FlowField>,
    fps: f32,
}

/// How fields are written.
enum Form {
    Flo,
    Png,
    Video,
}

/// Frames per second of what is no video.
const STILL_FPS: f32 = 8.0;
/// The longest file that is looked at for a mark.
const MAX_BYTES: u64 = 4 << 30;

impl Flow {
    /// Does it.
    pub fn run(self) -> Result<()> {
        if let Some(threads) = self.threads {
            start_threads(threads)?;
        }
        // Before the work is done.
        let form = self.out.as_deref().map(form_of).transpose()?;
        let wheel = self.greatest.map(FlowWheel::new).transpose()?;
        let found = self.found(wheel.as_ref())?;
        let count = found.fields.len();
        ensure!(
            count > 0,
            "expected at least two frames, between which something can move, got one"
        );
        let greatest = found.fields.iter().fold(0.0f32, |a, f| a.max(f.greatest()));
        let mean = found.fields.iter().map(FlowField::mean).sum::<f32>() / count as f32;
        // Where nothing moves any wheel draws white.
        let full = self.greatest.unwrap_or(if greatest > 0.0 { greatest } else { 1.0 });
        let files = match (&self.out, form) {
            (Some(out), Some(form)) => write(&found, out, &form, full)?,
            _ => Vec::new(),
        };
        if self.talk.json {
            return terminal::print_json(&json!({
                "fields": count, "size": found.fields[0].size(), "mean": mean, "greatest": greatest,
                "drawn_in_full": full, "files": files,
            }));
        }
        let size = found.fields[0].size();
        let mut text = format!(
            "{count} field{} of {size}: {mean:.2} pixels in the mean, {greatest:.2} at most\n",
            if count == 1 { "" } else { "s" }
        );
        files.iter().for_each(|file| text.push_str(&format!("{}\n", file.display())));
        terminal::print(&text)
    }

    /// The fields: read, or found by the network.
    fn found(&self, wheel: Option<&FlowWheel>) -> Result<Found> {
        if let [one] = &self.inputs[..]
            && one.is_file()
            && is_flo(&read_limited(one, MAX_BYTES)?)
        {
            ensure!(!self.read_colors, "--read-colors: {} is a .flo file", one.display());
            return Ok(Found { fields: vec![FlowField::read_flo(one)?], fps: STILL_FPS });
        }
        if let (true, Some(wheel)) = (self.read_colors, wheel) {
            let [one] = &self.inputs[..] else {
                bail!("--read-colors: expected one drawing, got {}", self.inputs.len());
            };
            let clip = Clip::read(one)?;
            // A still picture is one field; of a video the last frame is blank.
            let fields = match clip.frames() {
                [picture] => vec![wheel.read(picture)],
                _ => wheel.read_clip(&clip),
            };
            return Ok(Found { fields, fps: clip.fps() });
        }
        let Some(weights) = &self.weights else {
            bail!("expected --weights FILE, the public weights of RAFT, got none");
        };
        let raft = Raft::open(weights, &self.device.open()?)?;
        let (frames, fps) = match &self.inputs[..] {
            [first, second] => (vec![Picture::read(first)?, Picture::read(second)?], STILL_FPS),
            inputs => {
                let clip = Clip::read(&inputs[0])?;
                (clip.frames().to_vec(), clip.fps())
            }
        };
        let mut options = RaftOptions::default();
        options.iterations = self.iterations.unwrap_or(options.iterations);
        let task = FlowTask { options, warm: self.warm };
        let mut terminal: Terminal = self.talk.reporter();
        terminal.begin("flow");
        let fields = on_threads(|| displacement::flows(&frames, &raft, &task, &mut terminal))?;
        Ok(Found { fields, fps })
    }
}

/// # Errors
/// When fields cannot be written there, with the choices.
fn form_of(out: &Path) -> Result<Form> {
    let extension = out.extension().map(|e| e.to_string_lossy().to_ascii_lowercase());
    match extension.as_deref() {
        Some("flo") => Ok(Form::Flo),
        Some("png") => Ok(Form::Png),
        _ => {
            Clip::check_path(out).context("--out, beside .flo and .png")?;
            Ok(Form::Video)
        }
    }
}

/// Writes the fields, and tells where.
fn write(found: &Found, out: &Path, form: &Form, full: f32) -> Result<Vec<PathBuf>> {
    if let Some(folder) = out.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("creating {}", folder.display()))?;
    }
    let wheel = FlowWheel::new(full)?;
    let count = found.fields.len();
    match form {
        Form::Flo if count == 1 => found.fields[0].write_flo(out)?,
        Form::Flo => {
            let stem = out.file_stem().unwrap_or_default().to_string_lossy();
            let path = |i: usize| out.with_file_name(format!("{stem}-{i:05}.flo"));
            for (i, field) in found.fields.iter().enumerate() {
                field.write_flo(path(i))?;
            }
            return Ok((0..count).map(path).collect());
        }
        Form::Png if count == 1 => wheel.picture(&found.fields[0]).write_png(out)?,
        Form::Png => bail!("--out: expected a video or .flo for {count} fields, got .png"),
        Form::Video => {
            let note = json!({"flow": {"drawn_in_full": full}}).to_string();
            let options = WriteOptions { note: Some(note), ..WriteOptions::default() };
            wheel.clip(&found.fields, found.fps)?.write_with(out, &options)?;
        }
    }
    Ok(vec![out.to_owned()])
}
