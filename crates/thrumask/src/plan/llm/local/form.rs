//! The form that an answer must have, byte for byte: a question's JSON schema as an automaton.
//!
//! The JSON is without spaces and with its fields in the schema's order, as in the examples that the
//! model is shown. Of escapes, texts may hold `\"` alone: nothing else that needs one passes as a name or
//! a prompt.

use serde_json::Value;

/// What may come in a place.
#[derive(Debug)]
pub(super) enum Form {
    /// Any text.
    Text,
    /// Any number of one thing.
    List(Box<Form>),
    /// Fields, each with what stands before it: `{"name":`, `,"prompt":`.
    Record(Vec<(String, Form)>),
}

impl Form {
    /// The form of a schema made of texts, lists, and objects whose fields are all required; `None` for
    /// other schemas.
    pub fn of(schema: &Value) -> Option<Self> {
        match schema["type"].as_str()? {
            "string" => Some(Self::Text),
            "array" => Some(Self::List(Box::new(Self::of(&schema["items"])?))),
            "object" => {
                let fields = schema["required"].as_array()?.iter().enumerate();
                let field = |(i, name): (usize, &Value)| {
                    let mark = if i == 0 { '{' } else { ',' };
                    Some((
                        format!("{mark}{name}:"),
                        Self::of(&schema["properties"][name.as_str()?])?,
                    ))
                };
                Some(Self::Record(fields.map(field).collect::<Option<_>>()?))
            }
            _ => None,
        }
    }

    /// The place before the first byte.
    pub fn start(&self) -> Place<'_> {
        let mut place = Place { todo: Vec::new() };
        place.push(self);
        place
    }
}

/// What is still to come, the next last.
#[derive(Debug, Clone, Copy)]
enum Todo<'a> {
    /// These bytes, at least one.
    Bytes(&'a [u8]),
    /// The rest of a text and its closing quote.
    Text(Text),
    /// After `[`: an element or the end.
    First(&'a Form),
    /// After an element: another or the end.
    More(&'a Form),
}

/// Where within a text.
#[derive(Debug, Clone, Copy, Default)]
struct Text {
    escaped: bool,
    /// The bytes so far of a character of several.
    begun: [u8; 4],
    count: usize,
}

/// What may come after a text.
enum Read {
    More(Text),
    End,
}

impl Text {
    /// The text with one more byte; `None` when it does not fit.
    fn read(mut self, byte: u8) -> Option<Read> {
        if self.count > 0 || byte >= 0x80 {
            *self.begun.get_mut(self.count)? = byte;
            self.count += 1;
            match std::str::from_utf8(&self.begun[..self.count]) {
                Ok(_) => self.count = 0,
                Err(e) if e.error_len().is_some() => return None,
                Err(_) => {}
            }
            return (!self.escaped).then_some(Read::More(self));
        }
        match byte {
            b'"' if !self.escaped => return Some(Read::End),
            b'"' => self.escaped = false,
            _ if self.escaped => return None,
            b'\\' => self.escaped = true,
            0..0x20 | 0x7f => return None,
            _ => {}
        }
        Some(Read::More(self))
    }

    /// The fewest bytes up to and with the closing quote.
    fn shortest(self) -> usize {
        let whole = match self.begun[0] {
            _ if self.count == 0 => 0,
            0xf0.. => 4,
            0xe0.. => 3,
            _ => 2,
        };
        1 + usize::from(self.escaped) + whole.max(self.count) - self.count
    }
}

/// A place within an answer.
#[derive(Debug, Clone)]
pub(super) struct Place<'a> {
    todo: Vec<Todo<'a>>,
}

impl<'a> Place<'a> {
    /// Whether the answer is whole.
    pub fn is_end(&self) -> bool {
        self.todo.is_empty()
    }

    /// The fewest bytes that make the answer whole.
    pub fn shortest(&self) -> usize {
        let bytes = |todo: &Todo<'_>| match todo {
            Todo::Bytes(bytes) => bytes.len(),
            Todo::Text(text) => text.shortest(),
            Todo::First(_) | Todo::More(_) => 1,
        };
        self.todo.iter().map(bytes).sum()
    }

    /// The place after some more bytes; `None` when they do not fit, or go on behind the end.
    pub fn after(&self, bytes: &[u8]) -> Option<Self> {
        let mut place = self.clone();
        bytes.iter().try_for_each(|&byte| place.read(byte))?;
        Some(place)
    }

    fn read(&mut self, byte: u8) -> Option<()> {
        match self.todo.pop()? {
            Todo::Bytes([first, rest @ ..]) if *first == byte => {
                if !rest.is_empty() {
                    self.todo.push(Todo::Bytes(rest));
                }
            }
            Todo::Bytes(_) => return None,
            Todo::Text(text) => {
                if let Read::More(text) = text.read(byte)? {
                    self.todo.push(Todo::Text(text));
                }
            }
            Todo::First(_) | Todo::More(_) if byte == b']' => {}
            Todo::First(form) => {
                self.todo.push(Todo::More(form));
                self.push(form);
                return self.read(byte);
            }
            Todo::More(form) if byte == b',' => {
                self.todo.push(Todo::More(form));
                self.push(form);
            }
            Todo::More(_) => return None,
        }
        Some(())
    }

    /// Puts a form before what is to come.
    fn push(&mut self, form: &'a Form) {
        match form {
            Form::Text => self.todo.extend([Todo::Text(Text::default()), Todo::Bytes(b"\"")]),
            Form::List(item) => self.todo.extend([Todo::First(item), Todo::Bytes(b"[")]),
            Form::Record(fields) => {
                self.todo.push(Todo::Bytes(if fields.is_empty() { b"{}" } else { b"}" }));
                for (mark, form) in fields.iter().rev() {
                    self.push(form);
                    self.todo.push(Todo::Bytes(mark.as_bytes()));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{super::super::Question, *};
    use proptest::prelude::*;

    fn form(question: Question) -> Form {
        Form::of(&question.schema()).unwrap()
    }

    #[test]
    fn only_json_of_the_schema_fits() {
        let (objects, motion) = (form(Question::Objects), form(Question::Motion));
        for text in [
            r#"{"objects":[]}"#,
            r#"{"objects":[{"name":"dog","prompt":"The dog runs."}]}"#,
            r#"{"objects":[{"name":"猫","prompt":"\"é\""},{"name":"","prompt":"😀"}]}"#,
        ] {
            let end = objects.start().after(text.as_bytes()).unwrap();
            assert!(end.is_end() && end.shortest() == 0, "{text}");
            assert!(end.after(b" ").is_none());
            assert!(motion.start().after(text.as_bytes()).is_none());
        }
        for text in [
            &br#" {"motion":"#[..],
            br#"{ "motion":"#,
            br#"{"motion":["#,
            br#"{"motion":"a","#,
            br#"{"motion":"a"}}"#,
            br#"{"motion":"\n"#,
            b"{\"motion\":\"\n",
            b"{\"motion\":\"\xff",
            b"{\"motion\":\"\xc3(",
            b"{\"motion\":\"\xe9\"",
            b"{\"motion\":\"\xed\xa0\x80",
            b"{\"motion\":\"\\\xc3\xa9",
        ] {
            assert!(motion.start().after(text).is_none(), "{}", String::from_utf8_lossy(text));
        }
        for text in [r#"{"objects":[,"#, r#"{"objects":[{"name":"a"}"#, r#"{"objects":[{"prompt""#]
        {
            assert!(objects.start().after(text.as_bytes()).is_none(), "{text}");
        }
    }

    #[test]
    fn schemas_that_are_not_of_this_kind_have_no_form() {
        for schema in [r#"{"type":"number"}"#, r#"{"type":"array"}"#, "{}"] {
            assert!(Form::of(&serde_json::from_str(schema).unwrap()).is_none());
        }
    }

    proptest! {
        /// Whatever bytes are offered: what fits is whole in exactly as few bytes as it says, and is JSON.
        #[test]
        fn every_place_has_an_end(offers in prop::collection::vec(any::<u8>(), 0..400)) {
            for question in Question::ALL {
                let form = form(question);
                let (mut place, mut text) = (form.start(), Vec::new());
                let mut read = |byte: u8, place: &mut Place<'_>| match place.after(&[byte]) {
                    Some(next) => { text.push(byte); *place = next; true }
                    None => false,
                };
                for &byte in &offers {
                    read(byte, &mut place);
                    // What nothing but one byte can follow is gone past.
                    let forced = place.todo.last().and_then(|t| match t {
                        Todo::Bytes([first, ..]) => Some(*first),
                        _ => None,
                    });
                    if let Some(byte) = forced {
                        read(byte, &mut place);
                    }
                }
                while !place.is_end() {
                    let left = place.shortest();
                    let closing = (0..=255).find(|&byte| {
                        place.after(&[byte]).is_some_and(|next| next.shortest() + 1 == left)
                    });
                    prop_assert!(read(closing.unwrap(), &mut place));
                }
                let value: Value = serde_json::from_slice(&text).unwrap();
                let field = match question { Question::Objects => "objects", Question::Motion => "motion" };
                prop_assert_eq!(value.as_object().unwrap().keys().collect::<Vec<_>>(), [field]);
            }
        }
    }
}
