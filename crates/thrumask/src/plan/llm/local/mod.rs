//! A language model in a file, in this process: a GGUF file of the Llama family, on the processor.
//!
//! `gguf` the file → `tokens` its vocabulary, `template` the conversation in tokens → `network` how likely
//! each token is → the likeliest one that `form`, the question's schema, allows. So every answer is JSON of
//! the schema, and the same whenever the same is asked.

mod form;
mod gguf;
mod network;
mod template;
#[cfg(test)]
mod tests;
mod tokens;

use std::{
    path::Path,
    sync::{Mutex, PoisonError},
};

use super::{
    Chat, Reply,
    prompt::{Message, Question},
};
use crate::{Error, Result, progress::Progress};
use form::{Form, Place};
use gguf::Gguf;
use network::{Memory, Network, Shape};
use template::Template;
use tokens::Vocabulary;

/// The most tokens of an answer.
const MAX_ANSWER: usize = 1024;
/// How many tokens of a question are read at once. Where a question is cut does not depend on what is
/// already known of it, so that its numbers are the same to the last bit.
const PIECE: usize = 64;

/// A model whose weights are read when it is first asked.
pub(super) struct Local {
    name: String,
    shape: Shape,
    vocabulary: Vocabulary,
    template: Template,
    weights: Mutex<Weights>,
}

/// Weights in the file or in memory.
enum Weights {
    Closed(Gguf),
    Open(Box<Open>),
    /// They could not be read.
    Lost,
}

/// A network, and what it has read of each question.
struct Open {
    network: Network,
    memories: [Memory; Question::ALL.len()],
}

impl Local {
    /// Opens a model.
    ///
    /// # Errors
    /// As [`Gguf::open`]; [`thrumask_core::Error::Format`] when it is of an architecture or a vocabulary
    /// that is not known.
    pub fn open(path: &Path) -> Result<Self> {
        let gguf = Gguf::open(path)?;
        Ok(Self {
            name: path.display().to_string(),
            shape: Shape::of(&gguf)?,
            vocabulary: Vocabulary::of(&gguf)?,
            template: Template::of(gguf.text("tokenizer.chat_template")?),
            weights: Mutex::new(Weights::Closed(gguf)),
        })
    }

    /// Reads the weights if that has not been done.
    fn opened<'a>(
        &self,
        weights: &'a mut Weights,
        progress: &mut dyn Progress,
    ) -> Result<&'a mut Open> {
        if let Weights::Closed(_) = weights
            && let Weights::Closed(gguf) = std::mem::replace(weights, Weights::Lost)
        {
            let blocks = self.shape.blocks;
            let mut tick = |done: usize| progress.step("plan", done, blocks);
            let (shape, count) = (self.shape.clone(), self.vocabulary.len());
            let network = Network::read(gguf, &self.name, shape, count, &mut tick)?;
            let memories = Default::default();
            *weights = Weights::Open(Box::new(Open { network, memories }));
        }
        match weights {
            Weights::Open(open) => Ok(open),
            _ => Err(Error::hub(&self.name, "its weights could not be read")),
        }
    }

    /// Goes on with `ids` until the answer is whole, in at most `room` tokens.
    fn written(
        &self,
        open: &mut Open,
        ids: &[u32],
        (question, room): (Question, usize),
        progress: &mut dyn Progress,
    ) -> Result<Reply> {
        let form = Form::of(&question.schema())
            .ok_or_else(|| Error::hub(question.what(), "its schema has no form"))?;
        let memory = &mut open.memories[question as usize];
        open.network.reserve(memory, ids.len() + room)?;
        let known = memory.tokens.iter().zip(ids).take_while(|(a, b)| a == b).count();
        // The last piece is read again: what follows it is asked.
        let known = known.min(ids.len() - 1) / PIECE * PIECE;
        memory.tokens.truncate(known);
        let total = ids.len() + room;
        let mut likely = Vec::new();
        for piece in ids[known..].chunks(PIECE) {
            let done = memory.tokens.len();
            let tick = &mut || progress.step("plan", done, total);
            likely = open.network.forward(piece, memory, tick)?;
        }
        let (mut place, mut text, mut cut) = (form.start(), Vec::new(), false);
        for left in (0..room).rev() {
            let (id, next) = self.likeliest(&likely, &place, left, &mut cut)?;
            text.extend_from_slice(self.vocabulary.bytes(id).unwrap_or_default());
            place = next;
            if place.is_end() {
                break;
            }
            let done = memory.tokens.len();
            let tick = &mut || progress.step("plan", done, total);
            likely = open.network.forward(&[id], memory, tick)?;
        }
        // What was written was read token by token, which no question is.
        memory.tokens.truncate(ids.len());
        let text = String::from_utf8(text).map_err(|e| Error::hub(&self.name, e.to_string()))?;
        Ok(Reply { text, cut })
    }

    /// The likeliest token after which the answer can be whole within `left` more, and the place behind
    /// it; of equal ones the first. `cut` is set when a likelier one would take too many.
    fn likeliest<'a>(
        &self,
        likely: &[f32],
        place: &Place<'a>,
        left: usize,
        cut: &mut bool,
    ) -> Result<(u32, Place<'a>)> {
        let mut fits = |id: u32| {
            let next = place.after(self.vocabulary.bytes(id)?)?;
            let short = next.shortest() <= left;
            *cut |= !short;
            short.then_some((id, next))
        };
        let ids = || 0..likely.len() as u32;
        let of = |id: &u32| likely[*id as usize];
        let best = ids().max_by(|a, b| of(a).total_cmp(&of(b)).then(b.cmp(a)));
        if best.as_ref().is_none_or(|best| !of(best).is_finite()) {
            return Err(Error::hub(&self.name, "expected numbers of its network, got none"));
        }
        if let Some(found) = best.and_then(&mut fits) {
            return Ok(found);
        }
        let mut order: Vec<u32> = ids().collect();
        order.sort_unstable_by(|a, b| of(b).total_cmp(&of(a)).then(a.cmp(b)));
        let found = order.into_iter().find_map(fits);
        found.ok_or_else(|| Error::hub(&self.name, "none of its tokens goes on with JSON"))
    }
}

impl Chat for Local {
    fn reply(
        &self,
        talk: &[Message],
        question: Question,
        progress: &mut dyn Progress,
    ) -> Result<Reply> {
        let ids = self.template.tokens(talk, &self.vocabulary);
        let context = self.shape.context;
        let room = context.saturating_sub(ids.len()).min(MAX_ANSWER);
        if room < MAX_ANSWER / 4 {
            let needs = ids.len() + MAX_ANSWER / 4;
            let reason = format!("expected a context of at least {needs} tokens, got {context}");
            return Err(Error::hub(&self.name, reason));
        }
        let mut weights = self.weights.lock().unwrap_or_else(PoisonError::into_inner);
        let open = self.opened(&mut weights, progress)?;
        self.written(open, &ids, (question, room), progress)
    }
}
