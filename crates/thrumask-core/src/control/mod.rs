//! The control file: what a person lays down for single objects, in place of what a stage would
//! have found. The rest is still planned, segmented and generated.
//!
//! ```json
//! { "version": 1,
//!   "objects": [
//!     { "id": 1, "name": "red car", "prompt": "The red car moves right.", "box": [40, 60, 90, 88],
//!       "path": [[65, 74], [120, 74, 0.5], [180, 40, 1]] },
//!     { "id": 2, "name": "dog", "mask": "dog.png" } ] }
//! ```

mod document;
mod load;
mod path;

use std::path::{Path, PathBuf};

pub use document::{Control, ControlObject, MaskSource, PathPoint, Place, Point};
pub use path::DrawnPath;

use crate::{Error, MAX_OBJECTS, ObjectPrompt, PromptPlan, Result, Size, fsio};

/// The version of the control file that is read.
pub const VERSION: u32 = 1;

/// The longest control file that is read, in bytes: masks may be given in it.
const MAX_BYTES: u64 = 64 << 20;

/// The most points of one object's path or prompt.
const MAX_POINTS: usize = 10_000;

/// The JSON schema of the control file.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Control).to_value()
}

impl Control {
    /// Reads a control file. Names of other files in it are relative to its folder.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read, otherwise as [`Control::from_json`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let text = fsio::read_text_limited(path, MAX_BYTES)?;
        let mut control = Self::from_json(&path.display().to_string(), &text)?;
        let folder = path.parent().unwrap_or(Path::new(""));
        for object in &mut control.objects {
            if let Some(MaskSource::File(file)) = &mut object.mask {
                *file = folder.join(&*file);
            }
            if let Some(file) = &mut object.masks {
                *file = folder.join(&*file);
            }
        }
        Ok(control)
    }

    /// A control file from JSON text, validated; `what` names the file in errors.
    ///
    /// # Errors
    /// [`Error::Format`] for malformed JSON and unknown fields; [`Error::Invalid`] for values that
    /// make no sense: both with the object and the field.
    pub fn from_json(what: &str, text: &str) -> Result<Self> {
        let control = document::parse(what, text)?;
        control.validate(what)?;
        Ok(control)
    }

    /// Checks what the types cannot.
    fn validate(&self, what: &str) -> Result<()> {
        if self.version != VERSION {
            let reason = format!("expected version {VERSION}, got {}", self.version);
            return Err(Error::format(what, reason));
        }
        if !(1..=MAX_OBJECTS).contains(&self.objects.len()) {
            let reason = format!("expected 1 to {MAX_OBJECTS} objects, got {}", self.objects.len());
            return Err(Error::invalid(what, reason));
        }
        for (i, object) in self.objects.iter().enumerate() {
            let id = object.id;
            if id == 0 {
                let place = format!("{what}: object at position {}, field id", i + 1);
                return Err(Error::invalid(place, "expected 1 to 255, got 0 (the background)"));
            }
            if self.objects[..i].iter().any(|o| o.id == id) {
                return Err(Error::invalid(format!("{what}: id {id}"), "is given twice"));
            }
            object.validate(&format!("{what}: object {id}"))?;
        }
        Ok(())
    }

    /// Checks that boxes and points lie on a picture of `size`. Paths may leave it.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the object and the field.
    pub fn check_size(&self, size: Size) -> Result<()> {
        for object in &self.objects {
            let place = |field: &str| format!("control: object {}, field {field}", object.id);
            let (w, h) = (size.width as f32, size.height as f32);
            match object.place() {
                Some(Place::Box([x0, y0, x1, y1])) if x0 < 0.0 || y0 < 0.0 || x1 > w || y1 > h => {
                    let reason =
                        format!("expected a box on the {size} picture, got {:?}", [x0, y0, x1, y1]);
                    return Err(Error::invalid(place("box"), reason));
                }
                Some(Place::Points(points)) => {
                    let on = |p: &Point| p.x >= 0.0 && p.y >= 0.0 && p.x < w && p.y < h;
                    if let Some(p) = points.iter().find(|p| !on(p)) {
                        let reason =
                            format!("expected points on the {size} picture, got {:?}", [p.x, p.y]);
                        return Err(Error::invalid(place("points"), reason));
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The object `id`, when the file says something of it.
    pub fn object(&self, id: u8) -> Option<&ControlObject> {
        self.objects.iter().find(|o| o.id == id)
    }

    /// The whole plan, when the file gives one: the motion, and a name and a prompt for objects
    /// 1, 2, … without gaps.
    pub fn plan(&self, caption: &str) -> Option<PromptPlan> {
        let motion = self.motion.clone()?;
        let objects = (1..=self.objects.len()).map(|id| {
            let object = self.object(u8::try_from(id).ok()?)?;
            Some(ObjectPrompt { name: object.name.clone()?, prompt: object.prompt.clone()? })
        });
        let objects = objects.collect::<Option<_>>()?;
        Some(PromptPlan { caption: caption.to_owned(), motion, objects })
    }

    /// Puts the file's motion, names and prompts in place of the plan's.
    ///
    /// # Errors
    /// [`Error::Invalid`] for an object that the plan does not have.
    pub fn override_plan(&self, plan: &mut PromptPlan) -> Result<()> {
        let count = plan.objects.len();
        if let Some(motion) = &self.motion {
            plan.motion.clone_from(motion);
        }
        for object in &self.objects {
            let Some(planned) = plan.objects.get_mut(usize::from(object.id) - 1) else {
                let reason = format!("the plan has {count} objects");
                return Err(Error::invalid(format!("control: object {}", object.id), reason));
            };
            if let Some(name) = &object.name {
                planned.name.clone_from(name);
            }
            if let Some(prompt) = &object.prompt {
                planned.prompt.clone_from(prompt);
            }
        }
        Ok(())
    }
}

impl ControlObject {
    /// Checks what the types cannot; `what` names file and object.
    fn validate(&self, what: &str) -> Result<()> {
        let bad = |field: &str, reason: String| {
            Err(Error::invalid(format!("{what}, field {field}"), reason))
        };
        for (field, text) in [("name", &self.name), ("prompt", &self.prompt)] {
            if text.as_ref().is_some_and(|t| t.trim().is_empty()) {
                return bad(field, "expected some words, got none".into());
            }
        }
        let given = [
            ("mask", self.mask.is_some()),
            ("box", self.bounds.is_some()),
            ("point", self.point.is_some()),
            ("points", self.points.is_some()),
        ];
        let given: Vec<&str> = given.into_iter().filter(|g| g.1).map(|g| g.0).collect();
        if let [first, second, ..] = given[..] {
            return bad(
                second,
                format!("expected one of mask, box, point, points; {first} is given"),
            );
        }
        if self.masks.is_some() {
            let other = given.first().copied().or(self.path.as_ref().map(|_| "path"));
            if let Some(other) = other {
                return bad(other, "says where the object is, but masks already says it".into());
            }
        }
        if self.masks.as_deref().is_some_and(|p| p.as_os_str().is_empty()) {
            return bad("masks", "expected a file or folder, got an empty name".into());
        }
        match &self.mask {
            Some(MaskSource::File(file)) if file.as_os_str().is_empty() => {
                return bad("mask", "expected a file, got an empty name".into());
            }
            Some(MaskSource::Rle(rle)) => {
                if let Err(e) = crate::Rle::try_from(rle) {
                    return bad("mask", e.to_string());
                }
            }
            _ => {}
        }
        if let Some([x0, y0, x1, y1]) = self.bounds
            && !([x0, y0, x1, y1].iter().all(|v| v.is_finite()) && x0 < x1 && y0 < y1)
        {
            let got = [x0, y0, x1, y1];
            return bad("box", format!("expected [x0, y0, x1, y1], x0 < x1, y0 < y1, got {got:?}"));
        }
        if let Some(points) = &self.points
            && !(1..=MAX_POINTS).contains(&points.len())
        {
            return bad("points", format!("expected 1 to {MAX_POINTS}, got {}", points.len()));
        }
        if let Some(Place::Points(points)) = self.place() {
            let field = given.first().copied().unwrap_or("points");
            if points.iter().any(|p| !(p.x.is_finite() && p.y.is_finite())) {
                return bad(field, "expected finite numbers".into());
            }
            if !points.iter().any(|p| p.inside) {
                return bad(field, "expected at least one point on the object".into());
            }
        }
        match &self.path {
            Some(points) => DrawnPath::new(&format!("{what}, field path"), points).map(|_| ()),
            None => Ok(()),
        }
    }
}

/// A name as it stands in the file, before it is made relative to the file's folder.
type FileName = PathBuf;

#[cfg(test)]
mod tests;
