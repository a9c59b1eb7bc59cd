//! One video to its samples, or to the reasons why there are none.

use serde::{Deserialize, Serialize};
use thrumask_core::{
    Clip, Error, ObjectPrompt, Picture, PromptPlan, Trajectory, media::stream_frames,
};

use super::{
    About, MaskOrigin, Measures, MotionMeasure, PrepareConfig,
    latents::LatentEncoder,
    masks::{Objects, at_frames, prompts_of, squared_picture},
    sample::{LATENTS, files},
    slice::{Slicer, Window},
    source::{Item, MasksAt},
};
use crate::{Result, plan::Planner, segment::Segmenter, tracker::Tracker};

/// SA-V's videos have so many frames a second, and every fourth of them is annotated.
const SAV_FPS: f64 = 24.0;
/// Less of a clip's frames may be distinct when its video has fewer of them than the clip.
const LEAST_DISTINCT: f32 = 0.75;

/// Why a video, a scene or a clip is no sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The video or what stands beside it cannot be read or understood.
    Unreadable,
    /// There is no caption, and one is needed.
    NoCaption,
    /// There are no masks, and nothing that finds and follows objects.
    NoTracker,
    /// The caption names nothing that can move.
    NothingMoves,
    /// A scene is shorter than a clip.
    Short,
    /// The video has too few frames a second.
    Slow,
    /// Too dark.
    Dark,
    /// Too bright.
    Bright,
    /// Nothing in it is sharp.
    Blurred,
    /// Nothing moves.
    Static,
    /// Too much moves.
    Wild,
    /// The camera trembles.
    Shaky,
    /// No object is there in the first frame, large enough.
    NoObjects,
    /// The masks do not fit the video.
    MasksMismatch,
    /// Objects could not be found or followed.
    TrackingFailed,
}

impl Reason {
    /// Its word in files.
    pub fn word(self) -> String {
        let word = serde_json::to_value(self).ok();
        word.and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
    }
}

/// A video, scene or clip that is left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rejected {
    /// Where the video lies.
    pub source: String,
    /// The second at which the clip or scene begins; none for the whole video.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<f64>,
    /// Why, as a word to count.
    pub reason: Reason,
    /// Why, as a sentence.
    pub words: String,
}

/// What finds and measures.
#[derive(Clone, Copy)]
pub struct Tools<'a> {
    /// Takes captions apart.
    pub planner: &'a dyn Planner,
    /// Finds objects in first frames; also gives names to masklets.
    pub segmenter: Option<&'a dyn Segmenter>,
    /// Follows them.
    pub tracker: Option<&'a dyn Tracker>,
    /// Measures motion.
    pub motion: &'a dyn MotionMeasure,
    /// Encodes samples, where their latents are kept.
    pub encoder: Option<&'a LatentEncoder>,
}

/// What became of a video.
#[derive(Debug, Default)]
pub(super) struct Made {
    /// Files of the samples, by their names.
    pub files: Vec<(String, Vec<u8>)>,
    /// What each sample is, with its key.
    pub samples: Vec<(String, About)>,
    /// What is left out.
    pub rejected: Vec<Rejected>,
    /// Scenes that were found.
    pub scenes: usize,
}

/// Makes a video's samples. What is wrong with the video is in the result.
///
/// # Errors
/// What `progress` returns, which is asked at each frame.
pub(super) fn made(
    item: &Item,
    config: &PrepareConfig,
    tools: &Tools<'_>,
    progress: &mut dyn FnMut() -> Result<()>,
) -> Result<Made> {
    let mut work = Work { item, config, tools, made: Made::default() };
    if let Some((reason, words)) = work.run(progress)? {
        work.reject(None, reason, words);
    }
    Ok(work.made)
}

/// What is wrong, as a word and as a sentence.
type Fault = (Reason, String);

fn unreadable(error: impl std::fmt::Display) -> Fault {
    (Reason::Unreadable, error.to_string())
}

/// Why a video is not read to its end.
enum Stop {
    /// It was asked for.
    Asked(crate::Error),
    /// There are samples enough, or nothing can become one.
    Enough,
}

/// What is known of a video before it is decoded.
struct Begun {
    plan: PromptPlan,
    masks: Option<Trajectory>,
    /// Frames a second of its samples.
    fps: f32,
}

/// A sample that is made.
struct Ready {
    key: String,
    about: About,
    files: Vec<(String, Vec<u8>)>,
}

struct Work<'a> {
    item: &'a Item,
    config: &'a PrepareConfig,
    tools: &'a Tools<'a>,
    made: Made,
}

impl Work<'_> {
    fn reject(&mut self, start: Option<f64>, reason: Reason, words: String) {
        let source = self.item.name.clone();
        self.made.rejected.push(Rejected { source, start: start.map(millis), reason, words });
    }

    /// Caption, plan and masks.
    fn begin(&self) -> std::result::Result<Begun, Fault> {
        let (caption, given) = self.item.caption().map_err(unreadable)?;
        let masks = self.item.masks().map_err(unreadable)?;
        if masks.is_none() && self.tools.tracker.zip(self.tools.segmenter).is_none() {
            let words = "there are no masks beside it, and no tracker to find them";
            return Err((Reason::NoTracker, words.into()));
        }
        let plan = match (caption, given) {
            (_, Some(plan)) => plan,
            (Some(caption), None) => self.tools.planner.plan(&caption).map_err(unreadable)?,
            (None, None) if masks.is_some() && !self.config.require_captions => {
                PromptPlan { caption: String::new(), motion: String::new(), objects: Vec::new() }
            }
            (None, None) => return Err((Reason::NoCaption, "there is no caption".into())),
        };
        if masks.is_none() && plan.objects.is_empty() {
            let words = format!("nothing that can move is named in {:?}", plan.caption);
            return Err((Reason::NothingMoves, words));
        }
        let fps = masks.as_ref().map_or(self.config.fps, |m| self.config.fps.min(m.fps()));
        Ok(Begun { plan, masks, fps })
    }

    /// Goes through the frames. Returns what is wrong with the whole video.
    fn run(&mut self, progress: &mut dyn FnMut() -> Result<()>) -> Result<Option<Fault>> {
        let bytes = match self.item.video.read() {
            Ok(bytes) => bytes,
            Err(e) => return Ok(Some(unreadable(e))),
        };
        let begun = self.begin();
        let fps = begun.as_ref().map_or(self.config.fps, |b| b.fps);
        let PrepareConfig { frames, work_side, .. } = *self.config;
        let mut slicer = Slicer::new(frames, fps, work_side, self.config.cuts.clone());
        // Masklets belong to frames by their number, whatever the times in the file.
        let is_sav = matches!(self.item.masks, Some(MasksAt::Sav(_)));
        let (mut number, mut stop) = (0u32, None);
        let read = stream_frames(&self.item.name, &bytes, |picture, time| {
            if let Err(e) = progress() {
                stop = Some(Stop::Asked(e));
                return Err(Error::Interrupted);
            }
            // A video that is broken from the start is listed as that, whatever else is missing.
            let Ok(begun) = &begun else {
                stop = Some(Stop::Enough);
                return Err(Error::Interrupted);
            };
            let time = if is_sav { f64::from(number) / SAV_FPS } else { time };
            number += 1;
            for window in slicer.push(picture, time)? {
                self.clip(begun, &window);
            }
            if self.is_full() {
                stop = Some(Stop::Enough);
                return Err(Error::Interrupted);
            }
            Ok(())
        });
        let (begun, rate) = match (stop, read, begun) {
            (Some(Stop::Asked(e)), ..) => return Err(e),
            (None, Err(e), _) => return Ok(Some(unreadable(e))),
            (_, _, Err(fault)) => return Ok(Some(fault)),
            (Some(Stop::Enough), ..) => {
                self.made.scenes = self.made.samples.last().map_or(0, |(_, s)| s.scene + 1);
                return Ok(None);
            }
            (None, Ok(rate), Ok(begun)) => (begun, rate),
        };
        let last = if is_sav { 1.0 / SAV_FPS } else { 1.0 / f64::from(rate) };
        let (windows, short, scenes) = slicer.finish(last);
        windows.iter().for_each(|window| self.clip(&begun, window));
        self.made.scenes = scenes;
        for (scene, seconds) in short {
            let needed = frames as f32 / fps;
            let words =
                format!("scene {scene}: expected at least {needed:.2} s, got {seconds:.2} s");
            self.reject(None, Reason::Short, words);
        }
        Ok(None)
    }

    fn is_full(&self) -> bool {
        self.made.samples.len() >= self.config.clips_per_video
    }

    /// A window becomes a sample, or is listed.
    fn clip(&mut self, begun: &Begun, window: &Window) {
        if self.is_full() {
            return;
        }
        let start = window.times[0];
        match self.sample(begun, window) {
            Ok(Ready { key, about, files }) => {
                self.made.samples.push((key, about));
                self.made.files.extend(files);
            }
            Err((reason, words)) => self.reject(Some(start), reason, words),
        }
    }

    fn sample(&self, begun: &Begun, window: &Window) -> std::result::Result<Ready, Fault> {
        let config = self.config;
        let mut distinct = window.times.clone();
        distinct.dedup();
        if (distinct.len() as f32) < LEAST_DISTINCT * window.times.len() as f32 {
            let (got, all, fps) = (distinct.len(), window.times.len(), begun.fps);
            let words = format!("{got} frames in the place of {all}, at {fps} a second");
            return Err((Reason::Slow, words));
        }
        let measures = Measures::of(&window.frames, self.tools.motion).map_err(unreadable)?;
        if let Some(fault) = measures.fault(&config.filter, self.tools.motion) {
            return Err(fault);
        }
        let (objects, origin) = self.objects(begun, window)?;
        let Some(objects) = objects.selected(&config.masks) else {
            let words = "no object is there in the first frame, or none is large enough";
            return Err((Reason::NoObjects, words.into()));
        };
        let square = |p: &Picture| squared_picture(p, config.framing, config.size);
        let frames = window.frames.iter().map(square).collect::<Result<_>>().map_err(unreadable)?;
        let clip = Clip::new(frames, begun.fps).map_err(unreadable)?;
        let names = objects.prompts.iter().map(|p| Some(p.name.clone())).collect();
        let masks = objects
            .squared(config.framing, config.size)
            .and_then(|maps| Ok(Trajectory::new(maps, objects.prompts.len(), begun.fps)?))
            .and_then(|masks| Ok(masks.with_names(names)?))
            .map_err(unreadable)?;
        let key = format!("{}-{:03}", self.item.key, self.made.samples.len());
        let plan = PromptPlan { objects: objects.prompts, ..begun.plan.clone() };
        let about = About {
            version: About::VERSION,
            video: self.item.key.clone(),
            source: self.item.name.clone(),
            scene: window.scene,
            start: millis(window.times[0]),
            size: config.size,
            frames: config.frames,
            fps: begun.fps,
            plan,
            masks: origin,
            measures,
        };
        let mut files = files(&key, &clip, &masks, &about, config.qp).map_err(unreadable)?;
        if let Some((encoder, number)) = self.tools.encoder.zip(config.latents) {
            // Of the video as it is read back: that is what a training would encode.
            let clip = Clip::from_bytes(&key, &files[0].1).map_err(unreadable)?;
            let latents = encoder.file(&clip, &masks, number).map_err(unreadable)?;
            files.push((format!("{key}.{LATENTS}"), latents));
        }
        Ok(Ready { key, about, files })
    }

    /// The objects of a window, given or found.
    fn objects(
        &self,
        begun: &Begun,
        window: &Window,
    ) -> std::result::Result<(Objects, MaskOrigin), Fault> {
        let failed = |e: crate::Error| (Reason::TrackingFailed, e.to_string());
        let (first, tools) = (&window.frames[0], self.tools);
        if let Some(masks) = &begun.masks {
            let frames = at_frames(masks, window).map_err(|e| (Reason::MasksMismatch, e))?;
            let (is_own, origin) = match self.item.masks {
                Some(MasksAt::Sav(_)) => (false, MaskOrigin::Sav),
                _ => (true, MaskOrigin::Given),
            };
            let (plan, least) = (&begun.plan, self.config.masks.name_overlap);
            let seen = (first, &frames[0]);
            let prompts = prompts_of(masks, is_own, plan, seen, tools.segmenter, least);
            return Ok((Objects { frames, prompts: prompts.map_err(failed)? }, origin));
        }
        let Some((segmenter, tracker)) = tools.segmenter.zip(tools.tracker) else {
            return Err((Reason::NoTracker, "there is no tracker".into()));
        };
        let found = segmenter.segment(first, &begun.plan).map_err(failed)?;
        if found.masks.labels.ids_present().is_empty() {
            return Err((Reason::NoObjects, found.notes.join("; ")));
        }
        let tracked = tracker.track(&window.frames, &found.masks, begun.fps).map_err(failed)?;
        let (frames, expected) = (tracked.frames().to_vec(), window.frames.len());
        if frames.len() != expected {
            let words = format!("expected masks in {expected} frames, got {}", frames.len());
            return Err((Reason::TrackingFailed, words));
        }
        let prompts: Vec<ObjectPrompt> = begun.plan.objects.clone();
        Ok((Objects { frames, prompts }, MaskOrigin::Tracked))
    }
}

/// Seconds as they are written, in whole milliseconds.
fn millis(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}
