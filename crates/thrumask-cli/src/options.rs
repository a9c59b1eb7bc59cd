//! Options that several subcommands share, and the settings they stand for.

use std::{collections::BTreeMap, num::NonZeroUsize, path::PathBuf};

use burn::tensor::Device;
use clap::{Args, error::ErrorKind};
use serde_json::{Value, json};
use thrumask::{
    DeviceName, Result,
    pipeline::{self, Mode, Run, Settings},
    plan::{LlmConfig, NEEDS_FEATURE},
};
use thrumask_core::Error;

use crate::terminal::Terminal;

/// Where objects are.
#[derive(Debug, Args)]
#[command(next_help_heading = "Given masks (in place of what the segmenter would find)")]
pub struct GivenMasks {
    /// All masks: a palette PNG (index = object id), or a folder with one PNG per object (1.png).
    #[arg(long, value_name = "FILE|DIR")]
    masks: Option<String>,
    /// Boxes around objects, in pixels of the picture: "1:x0,y0,x1,y1;2:...".
    #[arg(long, value_parser = boxes)]
    boxes: Option<Boxes>,
    /// Points on objects (or beside, with a 0): "1:x,y;1:x,y,0;2:...".
    #[arg(long, value_parser = points)]
    points: Option<Points>,
    /// A SAM 2.1 that cuts objects out of boxes and points, in place of colour: a folder as transformers has it, or
    /// a file of its authors (sam2.1_hiera_tiny.pt) [default: sam2/ of --models, if it has one].
    #[arg(long, value_name = "FILE|DIR")]
    masker: Option<String>,
}

/// Boxes by object id. (Types of their own, so that the parser does not take them for lists.)
type Boxes = BTreeMap<u8, [f32; 4]>;
/// Points by object id.
type Points = BTreeMap<u8, Vec<[f32; 3]>>;

fn boxes(text: &str) -> std::result::Result<Boxes, String> {
    pipeline::parse_boxes(text)
}

fn points(text: &str) -> std::result::Result<Points, String> {
    pipeline::parse_points(text)
}

impl GivenMasks {
    /// What was typed, as settings.
    pub fn typed(&self) -> Value {
        table(&[
            ("given.masks", self.masks.as_ref().map(absolute)),
            ("given.boxes", self.boxes.as_ref().map(|b| json!(b))),
            ("given.points", self.points.as_ref().map(|p| json!(p))),
            ("masker", self.masker.as_ref().map(absolute)),
        ])
    }
}

/// A control file.
#[derive(Debug, Args)]
pub struct GivenControl {
    /// A control file: names, prompts, masks, boxes, points, paths of objects (`thrumask schema`).
    #[arg(long, value_name = "FILE")]
    control: Option<String>,
}

impl GivenControl {
    /// What was typed, as settings.
    pub fn typed(&self) -> Value {
        table(&[("given.control", self.control.as_ref().map(absolute))])
    }
}

/// How objects move.
#[derive(Debug, Args)]
pub struct GivenMotion {
    #[command(flatten)]
    control: GivenControl,
    /// The whole trajectory: JSON, a video in palette colours, or a folder of PNG masks.
    #[arg(long, value_name = "FILE|DIR")]
    trajectory: Option<String>,
}

impl GivenMotion {
    /// What was typed, as settings.
    pub fn typed(&self) -> Value {
        let mut typed = self.control.typed();
        let given = table(&[("given.trajectory", self.trajectory.as_ref().map(absolute))]);
        pipeline::merge(&mut typed, &given);
        typed
    }
}

/// Who takes the caption apart.
#[derive(Debug, Args)]
#[command(next_help_heading = "Planner")]
pub struct PlannerOptions {
    /// Who takes the caption apart: rules, or a language model (llm) of a server with OpenAI's
    /// interface or in a file, of which the rules take over when it cannot be used [default: rules].
    #[arg(long, value_parser = ["rules", "llm"])]
    planner: Option<String>,
    /// The server's address [default: http://localhost:11434/v1, Ollama on this machine].
    #[arg(long, value_name = "URL")]
    llm_url: Option<String>,
    /// The model, as the server calls it; or, in a build with models in files and without --llm-url, a
    /// file in GGUF, for which no server is needed.
    #[arg(long, value_name = "NAME|FILE.gguf")]
    llm_model: Option<String>,
    /// Seconds that one request may take [default: 120].
    #[arg(long, value_name = "SECONDS")]
    llm_timeout: Option<f64>,
    /// How often a request is sent while the server is busy or away [default: 3].
    #[arg(long, value_name = "N")]
    llm_attempts: Option<u32>,
    /// The environment variable with the server's key [default: THRUMASK_LLM_KEY].
    #[arg(long, value_name = "NAME")]
    llm_key_variable: Option<String>,
}

impl PlannerOptions {
    /// What was typed, as settings.
    ///
    /// # Errors
    /// An error of usage, when the model is in a file and this program reads none.
    pub fn typed(&self) -> anyhow::Result<Value> {
        let text = |v: &Option<String>| v.as_ref().map(|v| json!(v));
        let named = LlmConfig { model: self.llm_model.clone(), ..LlmConfig::default() };
        let file = named.file().filter(|_| self.llm_url.is_none()).is_some();
        if file && !cfg!(feature = "llm") {
            let reason = format!("--llm-model: {NEEDS_FEATURE}\n");
            return Err(clap::Error::raw(ErrorKind::InvalidValue, reason).into());
        }
        let model =
            if file { self.llm_model.as_ref().map(absolute) } else { text(&self.llm_model) };
        Ok(table(&[
            ("planner", text(&self.planner)),
            ("llm.url", text(&self.llm_url)),
            ("llm.model", model),
            ("llm.timeout_secs", self.llm_timeout.map(|v| json!(v))),
            ("llm.attempts", self.llm_attempts.map(|v| json!(v))),
            ("llm.key_variable", text(&self.llm_key_variable)),
        ]))
    }
}

/// Settings of the stages.
#[derive(Debug, Args)]
#[command(next_help_heading = "Settings")]
pub struct SettingOptions {
    /// Seed of all noise: the same seed gives the same bytes [default: 0].
    #[arg(long)]
    seed: Option<u64>,
    /// Denoising steps of both stages [default: 1 of stage 1 and 4 of stage 2; 4 with --models; with
    /// --backbone unet 1, with --models too 8].
    #[arg(long)]
    steps: Option<usize>,
    /// How strongly picture and masks count, 1 = as trained [default: 1].
    #[arg(long, value_name = "SCALE")]
    image_guidance: Option<f32>,
    /// How strongly the prompts count, 1 = as trained [default: 1].
    #[arg(long, value_name = "SCALE")]
    text_guidance: Option<f32>,
    /// Frames per second [default: 8].
    #[arg(long)]
    fps: Option<f32>,
    /// Frames, up to those the models make [default: all, of the built-in ones 12].
    #[arg(long)]
    frames: Option<usize>,
    /// Longer side of the video in pixels, even [default: the shorter side is the models', 96 built-in].
    #[arg(long)]
    size: Option<usize>,
    /// Threads to work with [default: all].
    #[arg(long)]
    threads: Option<usize>,
    /// Frames that a U-Net works on at once where none sees another [default: all]. Fewer take less
    /// memory; the results are the same to the byte.
    #[arg(long, value_name = "N")]
    frame_chunk: Option<NonZeroUsize>,
    /// How networks in folders keep their weights in memory: 16 bits take half of it, and are what files in
    /// f16 or bf16 hold; the arithmetic is in 32 bits [default: f32].
    #[arg(long, value_name = "TYPE", value_parser = ["f32", "f16", "bf16"])]
    weights: Option<String>,
    /// Map the files of networks in folders instead of reading them: weights that have the type of --weights
    /// there stay where they lie, shared with other programs, and the system may take their memory back. The
    /// results are the same to the byte; the files must not change meanwhile.
    #[arg(long)]
    map_weights: bool,
    /// Folder of models to use in place of the built-in ones: files as `thrumask train` writes them, or
    /// folders as diffusers has them (docs/full-size.md). Without a segmenter, the built-in one is used; one with
    /// nothing but grounding_dino/ and sam2/ (docs/seeing.md) leaves the rest to the built-in models.
    #[arg(long, value_name = "DIR")]
    models: Option<String>,
    /// Where the networks run: cpu, or gpu or gpu:NUMBER in a build with graphics cards [default: cpu].
    #[arg(long, value_name = "DEVICE")]
    device: Option<DeviceName>,
    /// Which network removes the noise, the diffusion transformer or the U-Net [default: dit].
    #[arg(long, value_parser = ["dit", "unet"])]
    backbone: Option<String>,
    /// Settings from a TOML file, with the keys that run.json shows under "config".
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// One setting by its dotted key, such as motion.steps=8; may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = assignment)]
    set: Vec<(String, Value)>,
}

/// Where networks run.
#[derive(Debug, Args)]
pub struct DeviceOption {
    /// Where the networks run: cpu, or gpu or gpu:NUMBER in a build with graphics cards.
    #[arg(long, default_value_t)]
    device: DeviceName,
}

impl DeviceOption {
    /// The device.
    pub fn open(&self) -> Result<Device> {
        self.device.open()
    }
}

/// `key=value`.
pub fn assignment(text: &str) -> std::result::Result<(String, Value), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.trim().is_empty() => {
            Ok((key.trim().to_owned(), pipeline::typed(value.trim())))
        }
        _ => Err("expected KEY=VALUE, such as motion.steps=8".into()),
    }
}

impl SettingOptions {
    /// Settings with the configuration file, these options and `typed` ones laid over them, in this
    /// order, single ones (`--set`) last. Starts the threads that they ask for.
    pub fn laid_over(&self, base: Settings, typed: &[Value]) -> Result<Settings> {
        let mut settings = match &self.config {
            Some(file) => base.overlaid_file(file)?,
            None => base,
        };
        let mut over = self.typed();
        typed.iter().for_each(|table| pipeline::merge(&mut over, table));
        settings = settings.overlaid("command line", &over)?;
        let mut single = json!({});
        for (key, value) in &self.set {
            pipeline::merge(&mut single, &pipeline::nested(key, value.clone()));
        }
        let settings = settings.overlaid("--set", &single)?;
        start_threads(threads_of(&settings))?;
        Ok(settings)
    }

    /// The named options as settings.
    fn typed(&self) -> Value {
        let mut entries = vec![
            ("seed".to_owned(), self.seed.map(Value::from)),
            ("fps".to_owned(), self.fps.map(|v| json!(v))),
            ("frames".to_owned(), self.frames.map(Value::from)),
            ("size".to_owned(), self.size.map(Value::from)),
            ("threads".to_owned(), self.threads.map(Value::from)),
            ("frame_chunk".to_owned(), self.frame_chunk.map(|v| json!(v))),
            ("weights".to_owned(), self.weights.as_ref().map(|v| json!(v))),
            ("map_weights".to_owned(), self.map_weights.then_some(Value::Bool(true))),
            ("models".to_owned(), self.models.as_ref().map(absolute)),
            ("device".to_owned(), self.device.map(|v| json!(v))),
            ("backbone".to_owned(), self.backbone.as_ref().map(|v| json!(v))),
        ];
        for stage in ["motion", "video"] {
            entries.push((format!("{stage}.steps"), self.steps.map(Value::from)));
            let (image, text) = (self.image_guidance, self.text_guidance);
            entries.push((format!("{stage}.guidance.image"), image.map(|v| json!(v))));
            entries.push((format!("{stage}.guidance.text"), text.map(|v| json!(v))));
        }
        let entries: Vec<_> = entries.iter().map(|(k, v)| (k.as_str(), v.clone())).collect();
        table(&entries)
    }
}

/// How many threads settings stand for.
pub fn threads_of(settings: &Settings) -> usize {
    let available = || std::thread::available_parallelism().map_or(1, usize::from);
    settings.threads.unwrap_or_else(available)
}

/// Starts this many threads to work with.
pub fn start_threads(threads: usize) -> Result<()> {
    if !(1..=1024).contains(&threads) {
        let reason = format!("expected 1 to 1024, got {threads}");
        return Err(Error::invalid("threads", reason).into());
    }
    let started = rayon::ThreadPoolBuilder::new().num_threads(threads).build_global();
    Ok(started.map_err(|e| Error::invalid("threads", e.to_string()))?)
}

/// Runs something on one of the threads, where operators start without a hand-over: of many small ones
/// that is a sixth of the time.
pub fn on_threads<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    rayon::scope(|_| work())
}

/// What a new run begins with.
#[derive(Debug, Args)]
pub struct NewRun {
    /// The input picture: PNG, JPEG, WebP or GIF, of any size and aspect.
    pub picture: PathBuf,
    /// What shall happen in it, in English.
    pub caption: String,
    /// Make everything anew, whatever is in the run directory.
    #[arg(long)]
    pub fresh: bool,
    #[command(flatten)]
    masks: GivenMasks,
    #[command(flatten)]
    motion: GivenMotion,
    #[command(flatten)]
    planner: PlannerOptions,
    #[command(flatten)]
    settings: SettingOptions,
}

impl NewRun {
    /// The defaults with what was typed laid over them.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        let typed = [self.masks.typed(), self.motion.typed(), self.planner.typed()?];
        Ok(self.settings.laid_over(Settings::default(), &typed)?)
    }
}

/// The run directory of a single stage.
#[derive(Debug, Args)]
pub struct StageOptions {
    /// The run directory.
    #[arg(long, value_name = "DIR")]
    run: PathBuf,
    /// Overwrite what was made or changed by hand.
    #[arg(long)]
    fresh: bool,
}

impl StageOptions {
    /// The run, with what was set when it began and what is typed now.
    pub fn resume<'a>(
        &self,
        settings: &SettingOptions,
        typed: &[Value],
        reporter: &'a mut Terminal,
    ) -> Result<Run<'a>> {
        let mode = if self.fresh { Mode::Fresh } else { Mode::Single };
        Run::resume(&self.run, |base| settings.laid_over(base, typed), mode, reporter)
    }
}

/// What the program says while it works.
#[derive(Debug, Args)]
pub struct TalkOptions {
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
    /// Say nothing but errors and results.
    #[arg(short, long)]
    pub quiet: bool,
}

impl TalkOptions {
    /// Who says it.
    pub fn reporter(&self) -> Terminal {
        Terminal::new(self.quiet)
    }
}

/// A table of the entries that are there, by dotted key.
fn table(entries: &[(&str, Option<Value>)]) -> Value {
    let mut table = json!({});
    for (key, value) in entries {
        if let Some(value) = value {
            pipeline::merge(&mut table, &pipeline::nested(key, value.clone()));
        }
    }
    table
}

/// A path that means the same from any folder, as later stages may be run from another one.
fn absolute(path: &String) -> Value {
    let absolute = std::path::absolute(path).ok();
    // The folder we are in may have a name that JSON cannot hold.
    let text = absolute.as_ref().and_then(|p| p.to_str()).unwrap_or(path);
    Value::from(text)
}
