//! `plan.json`: what a person may edit between planning and segmenting.

use std::path::Path;

use crate::{Error, MAX_OBJECTS, PromptPlan, Result, fsio};

/// The longest plan file that is read, in bytes.
const MAX_BYTES: u64 = 16 << 20;

impl PromptPlan {
    /// Checks what the types cannot: at most [`MAX_OBJECTS`] objects, and no empty motion
    /// prompt, name or object prompt. `what` names the file in errors.
    ///
    /// # Errors
    /// [`Error::Invalid`] with the object and the field.
    pub fn validate(&self, what: &str) -> Result<()> {
        let count = self.objects.len();
        if count > MAX_OBJECTS {
            let reason = format!("expected at most {MAX_OBJECTS} objects, got {count}");
            return Err(Error::invalid(what, reason));
        }
        let mut fields = vec![("motion".to_owned(), &self.motion)];
        for (id, object) in (1..).zip(&self.objects) {
            fields.push((format!("name of object {id}"), &object.name));
            fields.push((format!("prompt of object {id}"), &object.prompt));
        }
        match fields.into_iter().find(|(_, text)| text.trim().is_empty()) {
            Some((field, _)) => {
                Err(Error::invalid(format!("{what}: {field}"), "expected some words, got none"))
            }
            None => Ok(()),
        }
    }

    /// A plan from JSON text, validated; `what` names the file in errors.
    ///
    /// # Errors
    /// [`Error::Format`] for malformed JSON, unknown or missing fields, with line and column;
    /// otherwise as [`PromptPlan::validate`].
    pub fn from_json(what: &str, text: &str) -> Result<Self> {
        let plan: Self = serde_json::from_str(text)
            .map_err(|e| Error::format(what, format!("expected a plan in JSON: {e}")))?;
        plan.validate(what)?;
        Ok(plan)
    }

    /// Reads a plan file.
    ///
    /// # Errors
    /// [`Error::Io`] when it cannot be read, otherwise as [`PromptPlan::from_json`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let text = fsio::read_text_limited(&path, MAX_BYTES)?;
        Self::from_json(&path.as_ref().display().to_string(), &text)
    }

    /// Writes the plan, one field a line, to be edited.
    ///
    /// # Errors
    /// As [`fsio::write_atomic`].
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        fsio::write_json(path, self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"caption":"A dog runs.","motion":"The dog runs.",
        "objects":[{"name":"dog","prompt":"A dog runs."}]}"#;

    #[test]
    fn plans_round_trip() {
        let dir = tempfile::tempdir().unwrap();
        let plan = PromptPlan::from_json("p", GOOD).unwrap();
        plan.write(dir.path().join("plan.json")).unwrap();
        assert_eq!(PromptPlan::read(dir.path().join("plan.json")).unwrap(), plan);
    }

    #[test]
    fn bad_plans_are_refused_with_what_is_wrong() {
        for (from, to, words) in [
            ("\"name\"", "\"nam\"", "unknown field `nam`"),
            ("\"name\":\"dog\",", "", "missing field `name`"),
            ("\"name\":\"dog\"", "\"name\":\" \"", "name of object 1"),
            ("\"motion\":\"The dog runs.\"", "\"motion\":\"\"", "motion"),
            ("]}", "", "line 2"),
        ] {
            assert!(GOOD.contains(from), "{from}");
            let e = PromptPlan::from_json("plan.json", &GOOD.replace(from, to)).unwrap_err();
            let e = e.to_string();
            assert!(e.contains(words) && e.contains("plan.json"), "{from} -> {to}: {e}");
        }
        let one = r#"{"name":"a","prompt":"b"}"#;
        let many = format!(r#"{{"caption":"","motion":"m","objects":[{}]}}"#, [one; 256].join(","));
        assert!(PromptPlan::from_json("p", &many).unwrap_err().to_string().contains("got 256"));
    }
}
