//! A scene: everything about a sample before it is drawn.

use thrumask_core::{Clip, FlowField, Picture, PromptPlan, Result, Trajectory};

use super::backdrop::Backdrop;
use super::flow;
use super::looks::Look;
use super::render;
use super::vocabulary::{Action, Color, Kind, SizeClass, Texture};

/// Where an object is in one frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Pose {
    /// Centre, as fractions of the picture's side, `[x, y]` with `y` down.
    pub at: [f32; 2],
    /// Longest side of the upright sprite, as a fraction of the picture's side.
    pub scale: f32,
    /// Turn in degrees, clockwise.
    pub angle: f32,
    /// Phase of wheels, legs, wings, tail or flame, in radians.
    pub phase: f32,
}

/// One object of a scene.
#[derive(Debug, Clone, PartialEq)]
pub struct SceneObject {
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
    /// Index of the object that the action names or that pushes this one.
    pub other: Option<usize>,
    /// Whether the words leave open how far, how often or which way it moves.
    pub open: bool,
    /// Whether it is mirrored to face left.
    pub faces_left: bool,
    /// Place in the order of drawing; greater is nearer to the viewer.
    pub depth: usize,
    /// Seed of the details of its texture.
    pub skin_seed: u64,
    /// Where it is in each frame.
    pub poses: Vec<Pose>,
}

/// A sample before it is drawn; it can be drawn at any resolution, and its masks without colour.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// Number of frames.
    pub frames: usize,
    /// Frames per second.
    pub fps: f32,
    /// The background.
    pub backdrop: Backdrop,
    /// How it is painted and filmed; `None` as a drawing.
    pub look: Option<Look>,
    /// Objects in the order in which the caption mentions them; index `i` has id `i + 1`.
    pub objects: Vec<SceneObject>,
    /// Caption, motion prompt and object prompts.
    pub plan: PromptPlan,
    /// How many scenes were thrown away before this one because the written rule would have
    /// misjudged an action in their true masks.
    pub rejected: usize,
}

impl Scene {
    /// Where the object at `index` is seen in frame `t`: its pose, moved by a shaking camera.
    pub(super) fn seen(&self, index: usize, t: usize) -> Pose {
        let pose = self.objects[index].poses[t];
        let by = self.look.as_ref().map_or([0.0; 2], |look| look.shake(t));
        Pose { at: [0, 1].map(|axis| pose.at[axis] + by[axis]), ..pose }
    }

    /// What the first frame would be without objects and grain, at `size` × `size` pixels.
    ///
    /// # Errors
    /// As [`Scene::clip`].
    pub fn background(&self, size: usize) -> Result<Picture> {
        render::background(self, size)
    }

    /// Exact visible masks at `size` × `size` pixels.
    ///
    /// # Errors
    /// None for a scene from [`super::scene`]; those of [`Trajectory::new`] for an edited one.
    pub fn masks(&self, size: usize) -> Result<Trajectory> {
        render::masks(self, size)
    }

    /// The mask of the object at `index` alone, as if nothing stood before it, with its usual id.
    ///
    /// # Errors
    /// As [`Scene::masks`].
    pub fn amodal(&self, index: usize, size: usize) -> Result<Trajectory> {
        render::amodal(self, index, size)
    }

    /// The true optical flow of what is seen, of each frame to the next: one field fewer than frames.
    /// The background moves with the camera, and a point of an object moves by the change of its pose; that
    /// wheels, legs, wings, tails, sails and flames move of themselves is left out.
    ///
    /// # Errors
    /// As [`Scene::masks`].
    pub fn flow(&self, size: usize) -> Result<Vec<FlowField>> {
        flow::flow(self, size)
    }

    /// All frames in colour at `size` × `size` pixels.
    ///
    /// # Errors
    /// `Error::Invalid` when `size` is 0 or too large to draw.
    pub fn clip(&self, size: usize) -> Result<Clip> {
        render::clip(self, size)
    }

    /// The first frame in colour at `size` × `size` pixels.
    ///
    /// # Errors
    /// As [`Scene::clip`].
    pub fn first_frame(&self, size: usize) -> Result<Picture> {
        render::first_frame(self, size)
    }
}
