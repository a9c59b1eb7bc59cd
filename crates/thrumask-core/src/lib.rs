//! The domain of thrumask, without tensors: prompt plan, masks, trajectory, clip, control file,
//! run directory, and the reading and writing of pictures and video.
//!
//! Axis legend used everywhere: `B` batch, `T` frames, `C` channels, `H W` rows and columns,
//! `N` tokens, `L` text tokens, `S` objects. Palette index 0 is background; object ids start at 1.

pub mod clip;
pub mod control;
pub mod error;
pub mod fingerprint;
pub mod flow;
pub mod fsio;
pub mod geometry;
pub mod labels;
pub mod masks;
pub mod media;
pub mod palette;
pub mod picture;
pub mod placement;
pub mod plan;
pub mod rle;
pub mod run_dir;
pub mod tables;
pub mod trajectory;

pub use clip::Clip;
pub use control::Control;
pub use error::{Error, Result};
pub use fingerprint::Fingerprint;
pub use flow::{FlowField, FlowWheel};
pub use geometry::{PixelBox, Size};
pub use labels::{ColorMatch, LabelMap};
pub use masks::MaskSet;
pub use media::WriteOptions;
pub use picture::Picture;
pub use plan::{ObjectPrompt, PromptPlan};
pub use rle::Rle;
pub use run_dir::{PlanOrigin, RunDir, RunRecord, StageRecord};
pub use tables::TextTable;
pub use trajectory::Trajectory;

/// The most objects one scene may hold: palette indices are bytes and 0 is background.
pub const MAX_OBJECTS: usize = 255;

/// The longest side of a picture, mask or video frame that is read, in pixels.
pub const MAX_SIDE: usize = 16_384;

/// The most pixels of one picture, mask or video frame that is read: 64 megapixels.
pub const MAX_PIXELS: usize = 64 << 20;

/// The most pixels of all frames of a video or trajectory together: a clip in memory takes three
/// bytes for each.
pub const MAX_CLIP_PIXELS: usize = 512 << 20;
