//! The file that says how pictures are put together, and how their objects move.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use thrumask_core::{
    Error, ObjectPrompt, PromptPlan, Result,
    control::{DrawnPath, PathPoint},
    fsio,
};

/// The longest file that is read, in bytes.
pub(super) const MAX_BYTES: u64 = 4 << 20;
/// The most objects of a collage: as many as colours are told apart surely.
const MAX_OBJECTS: usize = 8;

/// All collages of a file (TOML).
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collages {
    /// In the order of the file.
    pub collage: Vec<Collage>,
}

/// One picture and what happens in it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Collage {
    /// Its name.
    pub name: String,
    /// What a user would write.
    pub caption: String,
    /// What lies behind all objects, over the square from 0 to 1.
    pub background: Source,
    /// From the furthest to the nearest.
    pub object: Vec<CutOut>,
}

/// One object: a cut-out that is moved.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CutOut {
    /// What it is called.
    pub name: String,
    /// What is said of it.
    pub prompt: String,
    /// What it looks like; drawn ones over the square from -0.5 to 0.5.
    pub cut: Source,
    /// Side of that square, or the longest side of what is cut out of a picture, as a share of the
    /// picture's side.
    pub scale: f32,
    /// Where its centre goes, in shares of the picture, as in a control file: `[x, y]`, or `[x, y, time]`.
    pub path: Vec<PathPoint>,
    /// How far it turns clockwise on the way, in degrees.
    #[serde(default)]
    pub turn: f32,
    /// How many times as large it is at the end.
    #[serde(default = "one")]
    pub grow: f32,
}

/// Where something to look at comes from: shapes, or a picture.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Source {
    /// Shapes, each over those before it.
    #[serde(default)]
    pub draw: Vec<Shape>,
    /// A picture or video, relative to the folder of pictures.
    pub file: Option<PathBuf>,
    /// Which frame of a video.
    #[serde(default)]
    pub frame: usize,
    /// Part of the picture for a background: left, top, width and height in its pixels.
    pub window: Option<[f32; 4]>,
    /// What is cut out of the picture for an object: corners of a polygon in its pixels.
    #[serde(default)]
    pub outline: Vec<[f32; 2]>,
}

/// One shape; exactly one of its forms is given.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shape {
    /// Colour, `#rrggbb`.
    pub fill: String,
    /// Colour at the shape's lower end, where it changes on the way down.
    pub lower: Option<String>,
    /// Centre and radii: x, y, across, down.
    pub oval: Option<[f32; 4]>,
    /// Left, top, width, height and radius of the corners.
    pub slab: Option<[f32; 5]>,
    /// Corners.
    pub polygon: Option<Vec<[f32; 2]>>,
    /// Points that a smooth closed outline is pulled by.
    pub blob: Option<Vec<[f32; 2]>>,
    /// A bar with round ends: from x, y to x, y, and its width.
    pub bar: Option<[f32; 5]>,
}

fn one() -> f32 {
    1.0
}

impl Collages {
    /// Reads a file and checks everything that can be checked without its pictures.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read; [`Error::Format`] when it is no such file;
    /// [`Error::Invalid`] for values out of range, with collage and field.
    pub fn read(path: &Path) -> Result<Self> {
        let text = fsio::read_text_limited(path, MAX_BYTES)?;
        let what = path.display().to_string();
        let collages: Self =
            toml::from_str(&text).map_err(|e| Error::format(&what, e.to_string()))?;
        if collages.collage.is_empty() {
            return Err(Error::invalid(what, "expected at least one [[collage]], got none"));
        }
        collages.collage.iter().try_for_each(Collage::check)?;
        Ok(collages)
    }
}

impl Collage {
    fn check(&self) -> Result<()> {
        let named = |field: &str| format!("collage {}, {field}", self.name);
        let count = self.object.len();
        if !(1..=MAX_OBJECTS).contains(&count) {
            let reason = format!("expected 1 to {MAX_OBJECTS}, got {count}");
            return Err(Error::invalid(named("objects"), reason));
        }
        self.background.check(&named("background"), false)?;
        for object in &self.object {
            let named = |field: &str| named(&format!("object {}, {field}", object.name));
            object.cut.check(&named("cut"), true)?;
            for (field, value, low, high) in [
                ("scale", object.scale, 0.02, 2.0),
                ("grow", object.grow, 0.1, 10.0),
                ("turn", object.turn, -3600.0, 3600.0),
            ] {
                if !(low..=high).contains(&value) {
                    let reason = format!("expected {low} to {high}, got {value}");
                    return Err(Error::invalid(named(field), reason));
                }
            }
            object.way(&self.name)?;
        }
        Ok(())
    }

    /// Caption and prompts; everything is said of the motion, as the paper's motion prompt has it.
    pub fn plan(&self) -> PromptPlan {
        let object = |o: &CutOut| ObjectPrompt { name: o.name.clone(), prompt: o.prompt.clone() };
        PromptPlan {
            caption: self.caption.clone(),
            motion: self.caption.clone(),
            objects: self.object.iter().map(object).collect(),
        }
    }
}

impl CutOut {
    /// Its way in the collage of a name.
    ///
    /// # Errors
    /// As [`DrawnPath::new`].
    pub fn way(&self, collage: &str) -> Result<DrawnPath> {
        DrawnPath::new(&format!("collage {collage}, object {}, path", self.name), &self.path)
    }
}

impl Source {
    fn check(&self, what: &str, cut: bool) -> Result<()> {
        let wrong = |reason: &str| Err(Error::invalid(what, reason));
        match (&self.file, self.draw.is_empty()) {
            (Some(_), false) | (None, true) => {
                return wrong("expected either shapes to draw or the file of a picture");
            }
            (None, false) => {}
            (Some(_), true) => {
                if cut && self.outline.len() < 3 {
                    return wrong("expected an outline of at least 3 points");
                }
                if self
                    .window
                    .is_some_and(|[x, y, w, h]| !(x >= 0.0 && y >= 0.0 && w > 0.0 && h > 0.0))
                {
                    return wrong("expected a window of left, top, width, height above 0");
                }
            }
        }
        self.draw.iter().try_for_each(|shape| shape.check(what))
    }
}

impl Shape {
    fn check(&self, what: &str) -> Result<()> {
        let forms = [
            self.oval.is_some(),
            self.slab.is_some(),
            self.polygon.as_ref().is_some_and(|p| p.len() >= 3),
            self.blob.as_ref().is_some_and(|p| p.len() >= 3),
            self.bar.is_some(),
        ];
        let given = forms.iter().filter(|given| **given).count();
        if given != 1 {
            let reason = "expected in each shape one of oval, slab, polygon, blob (of 3 points and more) and bar";
            return Err(Error::invalid(what, format!("{reason}, got {given}")));
        }
        self.colors(what).map(drop)
    }

    /// The colours at its upper and lower end.
    ///
    /// # Errors
    /// [`Error::Invalid`] when one is no `#rrggbb`.
    pub fn colors(&self, what: &str) -> Result<[[u8; 3]; 2]> {
        let upper = color(what, &self.fill)?;
        Ok([upper, self.lower.as_ref().map_or(Ok(upper), |text| color(what, text))?])
    }
}

fn color(what: &str, text: &str) -> Result<[u8; 3]> {
    let digits = text.strip_prefix('#').filter(|d| d.len() == 6 && d.is_ascii());
    let value = digits.and_then(|d| u32::from_str_radix(d, 16).ok());
    let Some(value) = value else {
        return Err(Error::invalid(what, format!("expected a colour as #rrggbb, got {text:?}")));
    };
    let [_, r, g, b] = value.to_be_bytes();
    Ok([r, g, b])
}
