//! The world: a deterministic procedural generator of captioned videos of several objects, with
//! exact instance masks, order of depth and occlusion.
//!
//! [`scene`] makes a [`Scene`] from a configuration, a split and an index, and nothing else; a scene
//! draws its frames and its masks at any resolution, apart from each other. [`sample`] does all of
//! it at the configured size.

mod backdrop;
mod caption;
mod cast;
mod flow;
pub(crate) mod font;
pub mod judge;
mod layout;
mod looks;
mod manner;
mod motion;
mod redraw;
mod render;
mod rng;
mod scene;
mod sheet;
mod skin;
mod sprites;
#[cfg(test)]
mod tests;
mod verbs;
mod vocabulary;
mod words;

use std::ops::{Range, RangeInclusive};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use thrumask_core::{Clip, Error, PromptPlan, Result, Trajectory};

pub use backdrop::{Backdrop, Family};
pub use looks::Look;
pub use scene::{Pose, Scene, SceneObject};
pub use sheet::contact_sheet;
pub(crate) use sheet::paste;
pub(crate) use sprites::{Fill, Pen};
pub use vocabulary::{
    Action, Color, Kind, SizeClass, Texture, can_do, held_out, held_out_color, held_out_kind,
};

pub use words::words;

use rng::Rng;

/// Resolutions at which the written rule checks the masks of a new scene.
const CHECK_SIZES: [usize; 2] = [48, 96];

/// What to generate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorldConfig {
    /// Width and height of the pictures in pixels, at least 16.
    pub size: usize,
    /// Frames per clip, at least 8.
    pub frames: usize,
    /// Frames per second, above 0. It changes no motion, which fills the clip whatever its length.
    pub fps: f32,
    /// Number of objects, 1 to 4.
    pub objects: RangeInclusive<usize>,
    /// Share of the scenes of two and more objects in which two of them interact, 0 to 1.
    pub interactions: f32,
    /// Share of the scenes that look like no drawing: random textures, light, focus, grain and a shaking
    /// camera, 0 to 1; see [`Look`].
    pub looks: f32,
    /// Share of the scenes whose objects, but for those that involve each other, start anywhere, so that
    /// some go on over the picture's edge, 0 to 1. In the others all stay in view.
    pub leaving: f32,
}

impl Default for WorldConfig {
    fn default() -> Self {
        Self {
            size: 96,
            frames: 12,
            fps: 8.0,
            objects: 1..=4,
            interactions: 0.35,
            looks: 0.0,
            leaving: 0.0,
        }
    }
}

impl WorldConfig {
    /// Refuses values out of range.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the name of the field, its range and its value.
    pub fn validate(&self) -> Result<()> {
        let check = |ok: bool, field: &str, range: &str, got: String| {
            let reason = || format!("expected {range}, got {got}");
            if ok { Ok(()) } else { Err(Error::invalid(format!("world.{field}"), reason())) }
        };
        let (low, high) = (*self.objects.start(), *self.objects.end());
        check((16..=4096).contains(&self.size), "size", "16 to 4096", self.size.to_string())?;
        check((8..=1024).contains(&self.frames), "frames", "8 to 1024", self.frames.to_string())?;
        let fps_fits = self.fps.is_finite() && self.fps > 0.0;
        check(fps_fits, "fps", "a positive number", self.fps.to_string())?;
        let objects_fit = 1 <= low && low <= high && high <= 4;
        check(objects_fit, "objects", "a range within 1 to 4", format!("{low} to {high}"))?;
        let shares =
            [(self.interactions, "interactions"), (self.looks, "looks"), (self.leaving, "leaving")];
        for (share, field) in shares {
            check((0.0..=1.0).contains(&share), field, "0 to 1", share.to_string())?;
        }
        Ok(())
    }
}

/// Which scenes: those of different splits come from different random streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Split {
    /// To train on.
    Train,
    /// To choose checkpoints on.
    Validation,
    /// To report on.
    Test,
    /// To report on: every scene holds a pair of kind or colour and action that is in no other
    /// split (see [`held_out`]).
    Compositional,
}

impl Split {
    /// Its word in a table.
    pub fn word(self) -> &'static str {
        match self {
            Self::Train => "training",
            Self::Validation => "validation",
            Self::Test => "held-out",
            Self::Compositional => "compositional",
        }
    }
}

/// Who an object is, beside what the plan says of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ObjectTruth {
    /// What it is.
    pub kind: Kind,
    /// Its colour.
    pub color: Color,
    /// How its body is painted.
    pub texture: Texture,
    /// Its size in the first frame.
    pub size: SizeClass,
    /// What it does.
    pub action: Action,
    /// Id of the object that the action names or that pushes this one.
    pub other: Option<u8>,
    /// Whether the words leave open how far, how often or which way it moves: another draw of the
    /// same words may then differ from the truth by more than a little.
    pub open: bool,
}

/// A captioned video with its truth.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// Frames in colour.
    pub clip: Clip,
    /// Visible masks; ids are the order of mention in the caption, from 1.
    pub masks: Trajectory,
    /// Caption, motion prompt and object prompts.
    pub plan: PromptPlan,
    /// The objects, in order of mention.
    pub objects: Vec<ObjectTruth>,
}

impl Scene {
    /// The truth about every object, in order of mention.
    pub fn truth(&self) -> Vec<ObjectTruth> {
        let truth = |o: &SceneObject| ObjectTruth {
            kind: o.kind,
            color: o.color,
            texture: o.texture,
            size: o.size,
            action: o.action,
            other: o.other.map(|i| i as u8 + 1),
            open: o.open,
        };
        self.objects.iter().map(truth).collect()
    }

    /// Draws everything at `size` × `size` pixels.
    ///
    /// # Errors
    /// As [`Scene::clip`].
    pub fn sample(&self, size: usize) -> Result<Sample> {
        let (clip, masks) = (self.clip(size)?, self.masks(size)?);
        Ok(Sample { clip, masks, plan: self.plan.clone(), objects: self.truth() })
    }
}

/// Scene `index` of a split: a pure function of its arguments, of which `size` and `fps` change
/// nothing but how it is drawn.
///
/// A scene in whose true masks the written rule of [`judge`] would misjudge an action is thrown
/// away and drawn again from the next random stream; [`Scene::rejected`] counts that. Objects that leave
/// the picture ([`WorldConfig::leaving`]) may be misjudged: too little may be seen of them.
///
/// # Errors
/// [`Error::Invalid`] for a configuration out of range.
pub fn scene(config: &WorldConfig, split: Split, index: u64) -> Result<Scene> {
    drawn(config, split, index).map(|drawn| drawn.scene)
}

/// A scene, the cast it was staged from, whether its objects may leave the picture, and the stream that its
/// words came from.
struct Drawn {
    scene: Scene,
    roles: Vec<cast::Role>,
    leaving: bool,
    words: Rng,
}

fn drawn(config: &WorldConfig, split: Split, index: u64) -> Result<Drawn> {
    config.validate()?;
    let mut rejected = 0;
    for attempt in 0.. {
        let stream = |purpose: u64| Rng::keyed(&[split as u64, index, attempt, purpose]);
        let roles = cast::cast(config, split, &mut stream(0));
        let leaving = stream(5).chance(config.leaving);
        let staged = layout::stage(&roles, config.frames, leaving, &mut stream(1));
        let Some(objects) = staged else { continue };
        let mut look = stream(2);
        let backdrop = Backdrop { family: look.pick(Family::ALL), seed: look.bits() };
        let plan = caption::write(&roles, &objects, backdrop.family, &[], &mut stream(3));
        let (frames, fps) = (config.frames, config.fps);
        let mut filming = stream(4);
        let random = filming.chance(config.looks);
        let look = random.then(|| Look::random(frames, &mut filming));
        let scene = Scene { frames, fps, backdrop, look, objects, plan, rejected };
        if readable(&scene, &roles, leaving)? {
            return Ok(Drawn { scene, roles, leaving, words: stream(3) });
        }
        rejected += 1;
    }
    unreachable!("the loop ends only by returning")
}

/// Whether the written rule reads every action off the true masks; with `leaving`, that of every object which
/// stays in view.
fn readable(scene: &Scene, roles: &[cast::Role], leaving: bool) -> Result<bool> {
    let stays = |(o, role)| !leaving || layout::boxes_of(o, role).iter().all(layout::in_view);
    let stay: Vec<bool> = scene.objects.iter().zip(roles).map(stays).collect();
    let truth = scene.truth();
    for size in CHECK_SIZES {
        if !judge::agrees(&scene.masks(size)?, &truth, |i| stay[i]) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Scene `index` with the same first frame and the same words, but every motion drawn again: within
/// the narrow band of its words, and anew where they leave open how far or which way round
/// ([`ObjectTruth::open`]). It is what a model that understood every word might make in place of the
/// truth. A pure function of its arguments.
///
/// An object for whose motion no other draw fits keeps it; so do all when the written rule would
/// misjudge each of many draws.
///
/// # Errors
/// As [`scene`].
pub fn another_draw(config: &WorldConfig, split: Split, index: u64, seed: u64) -> Result<Scene> {
    const ATTEMPTS: u64 = 20;
    /// Tells these streams from those of [`drawn`].
    const PURPOSE: u64 = 16;
    let Drawn { scene, roles, leaving, .. } = drawn(config, split, index)?;
    for attempt in 0..ATTEMPTS {
        let mut rng = Rng::keyed(&[split as u64, index, attempt, PURPOSE, seed]);
        let again = redraw::redraw(&scene, &roles, leaving, &mut rng);
        if readable(&again, &roles, leaving)? {
            return Ok(again);
        }
    }
    Ok(scene)
}

/// Scene `index` in other words: the objects that move straight and that no other involves are told to
/// go the opposite way. With the words stands, for each object, the action that follows them, `None` for
/// those of which nothing else is said. A model that heeds its words follows them from the same first
/// frame, where it stays in view. A pure function of its arguments.
///
/// # Errors
/// As [`scene`].
pub fn opposite_words(
    config: &WorldConfig,
    split: Split,
    index: u64,
) -> Result<(PromptPlan, Vec<Option<Action>>)> {
    let Drawn { scene, roles, mut words, .. } = drawn(config, split, index)?;
    let opposite = |i: usize| match roles[i].action {
        _ if roles.iter().any(|r| r.other == Some(i)) => None,
        Action::MoveLeft => Some(Action::MoveRight),
        Action::MoveRight => Some(Action::MoveLeft),
        Action::MoveUp => Some(Action::MoveDown),
        Action::MoveDown => Some(Action::MoveUp),
        _ => None,
    };
    let actions: Vec<Option<Action>> = (0..roles.len()).map(opposite).collect();
    let turned: Vec<usize> = (0..roles.len()).filter(|&i| actions[i].is_some()).collect();
    let family = scene.backdrop.family;
    Ok((caption::write(&roles, &scene.objects, family, &turned, &mut words), actions))
}

/// Sample `index` of a split at the configured size: a pure function of its arguments.
///
/// # Errors
/// As [`scene`].
pub fn sample(config: &WorldConfig, split: Split, index: u64) -> Result<Sample> {
    scene(config, split, index)?.sample(config.size)
}

/// The samples of a range of indices, made on all cores; the same as one by one.
///
/// # Errors
/// As [`scene`].
pub fn samples(config: &WorldConfig, split: Split, indices: Range<u64>) -> Result<Vec<Sample>> {
    indices.into_par_iter().map(|i| sample(config, split, i)).collect()
}
