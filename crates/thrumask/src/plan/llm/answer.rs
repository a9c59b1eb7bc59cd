//! Reading answers: JSON, alone or within other text, and texts without anything that is no sentence.

use serde::{Deserialize, de::DeserializeOwned};
use thrumask_core::{MAX_OBJECTS, ObjectPrompt};

use super::super::assemble::sentence;

/// The longest answer that is looked at, in bytes.
const MAX_BYTES: usize = 256 << 10;
/// How many places in it are tried.
const MAX_STARTS: usize = 64;
/// The longest line of complaint, in characters.
const MAX_LINE: usize = 300;

#[derive(Deserialize)]
struct MotionAnswer {
    motion: String,
}

#[derive(Deserialize)]
struct ObjectsAnswer {
    objects: Vec<ObjectAnswer>,
}

#[derive(Deserialize)]
struct ObjectAnswer {
    name: String,
    prompt: String,
}

/// The motion prompt in an answer.
///
/// # Errors
/// What is wrong with it, in words for the model.
pub(super) fn motion(text: &str) -> Result<String, String> {
    let answer: MotionAnswer = object_in(text)?;
    Ok(sentence(&tidy(&answer.motion, "motion")?))
}

/// The objects in an answer.
///
/// # Errors
/// What is wrong with it, in words for the model.
pub(super) fn objects(text: &str) -> Result<Vec<ObjectPrompt>, String> {
    let answer: ObjectsAnswer = object_in(text)?;
    if answer.objects.len() > MAX_OBJECTS {
        let got = answer.objects.len();
        return Err(format!("expected at most {MAX_OBJECTS} objects, got {got}"));
    }
    let read = |object: ObjectAnswer| {
        let name = tidy(&object.name, "a name")?;
        let name = name.trim_end_matches(['.', ',', ';', ':']);
        let bare = ["the ", "a ", "an "].iter().find_map(|article| {
            let (front, rest) = name.split_at_checked(article.len())?;
            front.eq_ignore_ascii_case(article).then(|| rest.trim_start())
        });
        let prompt = sentence(&tidy(&object.prompt, "a prompt")?);
        Ok(ObjectPrompt { name: bare.unwrap_or(name).to_owned(), prompt })
    };
    answer.objects.into_iter().map(read).collect()
}

/// The first JSON object in a text that is of the wanted form: models think aloud before, and put
/// fences around.
fn object_in<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    if text.len() > MAX_BYTES {
        return Err(format!("it is far too long ({} bytes)", text.len()));
    }
    let text = text.rsplit_once("</think>").map_or(text, |(_, rest)| rest);
    let mut complaint = "expected one JSON object, got none".to_owned();
    for (i, (start, _)) in text.match_indices('{').take(MAX_STARTS).enumerate() {
        let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter::<T>();
        match values.next() {
            Some(Ok(value)) => return Ok(value),
            Some(Err(e)) if i == 0 => {
                complaint = format!("expected JSON of the form asked for: {e}")
            }
            _ => {}
        }
    }
    Err(complaint)
}

/// A text on one line with single spaces.
///
/// # Errors
/// When it holds characters that no sentence has, or no words.
fn tidy(text: &str, what: &str) -> Result<String, String> {
    let invisible = |c: char| {
        (c.is_control() && !c.is_whitespace())
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
            || matches!(c, '\u{feff}' | '\u{fffd}' | '\u{e0000}'..='\u{e007f}')
            || "<>[]{}|\\".contains(c)
    };
    match text.chars().find(|&c| invisible(c)) {
        Some(c) => Err(format!("{what} holds the character {:?}", c.escape_unicode().to_string())),
        None if !text.chars().any(char::is_alphanumeric) => Err(format!("{what} has no words")),
        None => Ok(text.split_whitespace().collect::<Vec<_>>().join(" ")),
    }
}

/// A text that came from elsewhere, to be shown: one line of moderate length, no control characters.
pub(super) fn one_line(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    let line: String = text.chars().take(4 * MAX_LINE).map(plain).collect();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(MAX_LINE) {
        Some((at, _)) => format!("{}…", &line[..at]),
        None => line,
    }
}
