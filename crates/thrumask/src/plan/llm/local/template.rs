//! How a conversation is written down for a model.

use super::{super::prompt::Message, tokens::Vocabulary};

/// The forms that are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Template {
    /// Llama 3: headers between `<|start_header_id|>` and `<|end_header_id|>`.
    Llama3,
    /// ChatML: `<|im_start|>` and `<|im_end|>`.
    ChatMl,
    /// Llama 2: `[INST]`, with the task between `<<SYS>>`.
    Llama2,
    /// Mistral: `[INST]`, with the task before the first question.
    Mistral,
    /// None of these: names and paragraphs.
    Plain,
}

impl Template {
    /// The one whose marks stand in a file's template.
    pub fn of(template: Option<&str>) -> Self {
        let text = template.unwrap_or_default();
        let marks = [
            ("<|start_header_id|>", Self::Llama3),
            ("<|im_start|>", Self::ChatMl),
            ("<<SYS>>", Self::Llama2),
            ("[INST]", Self::Mistral),
        ];
        marks
            .into_iter()
            .find(|(mark, _)| text.contains(mark))
            .map_or(Self::Plain, |(_, form)| form)
    }

    /// A conversation that begins with the task and ends with a question, up to where the answer begins.
    pub fn tokens(self, talk: &[Message], vocabulary: &Vocabulary) -> Vec<u32> {
        let mut page = Page { vocabulary, ids: Vec::new(), text: String::new() };
        page.ids.extend(vocabulary.start());
        match self {
            Self::Llama3 => {
                for message in talk {
                    page.header(message.role);
                    page.write(&[&message.content]);
                    page.mark("<|eot_id|>");
                }
                page.header("assistant");
            }
            Self::ChatMl => {
                for message in talk {
                    page.mark("<|im_start|>");
                    page.write(&[message.role, "\n", &message.content]);
                    page.mark("<|im_end|>");
                    page.write(&["\n"]);
                }
                page.mark("<|im_start|>");
                page.write(&["assistant\n"]);
            }
            Self::Llama2 | Self::Mistral => page.instructions(talk, self == Self::Llama2),
            Self::Plain => {
                for message in talk {
                    page.write(&[message.role, ": ", &message.content, "\n\n"]);
                }
                page.write(&["assistant:"]);
            }
        }
        page.flush();
        page.ids
    }
}

/// A conversation that is being written.
struct Page<'a> {
    vocabulary: &'a Vocabulary,
    ids: Vec<u32>,
    /// What is written but not in tokens yet: pieces of one text are cut into tokens together.
    text: String,
}

impl Page<'_> {
    fn write(&mut self, texts: &[&str]) {
        texts.iter().for_each(|text| self.text.push_str(text));
    }

    fn flush(&mut self) {
        self.ids.extend(self.vocabulary.encode(&std::mem::take(&mut self.text)));
    }

    /// A mark, as a token of its own where the model has one.
    fn mark(&mut self, name: &str) {
        match self.vocabulary.control(name) {
            Some(id) => {
                self.flush();
                self.ids.push(id);
            }
            None => self.text.push_str(name),
        }
    }

    /// The head of one of Llama 3's messages.
    fn header(&mut self, role: &str) {
        self.mark("<|start_header_id|>");
        self.write(&[role]);
        self.mark("<|end_header_id|>");
        self.write(&["\n\n"]);
    }

    /// Questions between `[INST]` and `[/INST]`, the task within the first of them.
    fn instructions(&mut self, talk: &[Message], marked: bool) {
        let mut task = None;
        for message in talk {
            match message.role {
                "system" => task = Some(&message.content),
                "assistant" => {
                    self.write(&[" ", &message.content]);
                    self.flush();
                    self.ids.extend(self.vocabulary.end());
                    if marked {
                        self.ids.extend(self.vocabulary.start());
                    }
                }
                _ => {
                    self.mark("[INST]");
                    match task.take() {
                        Some(task) if marked => self.write(&[" <<SYS>>\n", task, "\n<</SYS>>\n\n"]),
                        Some(task) => self.write(&[" ", task, "\n\n"]),
                        None => self.write(&[" "]),
                    }
                    self.write(&[&message.content, " "]);
                    self.mark("[/INST]");
                }
            }
        }
    }
}
