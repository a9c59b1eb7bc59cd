use std::ops::Range;
use std::sync::Arc;

/// Which object prompts each token sees, for
/// [`grouped_cross_attention`](super::grouped_cross_attention).
///
/// Made once for a clip and shared by all layers: cloning copies a pointer. Tokens that see the same
/// set of prompts are grouped, so overlapping boxes cost little.
#[derive(Clone, Debug)]
pub struct PromptVisibility(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    batch: usize,
    tokens: usize,
    prompts: usize,
    padded: usize,
    visible: Vec<bool>,
    text_len: Vec<usize>,
    /// Per batch row the token numbers sorted by what they see.
    order: Vec<u32>,
    sets: Vec<Vec<Set>>,
}

/// Tokens of one batch row that see the same keys.
#[derive(Debug)]
struct Set {
    tokens: Range<usize>,
    keys: Vec<u32>,
}

impl PromptVisibility {
    /// Groups the tokens of each batch row by the set of prompts that they see.
    ///
    /// # Shapes
    /// `visible` holds `[B, N, S]` (true = sees the prompt), `text_len` `[B, S]` the number of valid
    /// text tokens of each prompt, at most `padded` (`L`).
    ///
    /// # Panics
    /// When a slice has another length or a text is longer than `padded`.
    pub fn new(
        visible: &[bool],
        text_len: &[usize],
        [batch, tokens, prompts]: [usize; 3],
        padded: usize,
    ) -> Self {
        assert_eq!(visible.len(), batch * tokens * prompts, "visibility of shape [B, N, S]");
        assert_eq!(text_len.len(), batch * prompts, "text lengths of shape [B, S]");
        assert!(text_len.iter().all(|&len| len <= padded), "texts of at most {padded} tokens");
        let mut order = Vec::with_capacity(batch * tokens);
        let mut sets = Vec::with_capacity(batch);
        for row in 0..batch {
            let seen = |token: u32| {
                let start = (row * tokens + token as usize) * prompts;
                &visible[start..start + prompts]
            };
            let start = order.len();
            order.extend(0..tokens as u32);
            let sorted = &mut order[start..];
            sorted.sort_by_key(|&token| seen(token));
            let mut row_sets = Vec::new();
            let mut at = start;
            for same in sorted.chunk_by(|&a, &b| seen(a) == seen(b)) {
                let mut keys = Vec::new();
                for (prompt, _) in seen(same[0]).iter().enumerate().filter(|(_, sees)| **sees) {
                    let first = (prompt * padded) as u32;
                    keys.extend(first..first + text_len[row * prompts + prompt] as u32);
                }
                row_sets.push(Set { tokens: at..at + same.len(), keys });
                at += same.len();
            }
            sets.push(row_sets);
        }
        let (visible, text_len) = (visible.to_vec(), text_len.to_vec());
        Self(Arc::new(Inner { batch, tokens, prompts, padded, visible, text_len, order, sets }))
    }

    /// Number of batch rows.
    pub fn batch(&self) -> usize {
        self.0.batch
    }

    /// Number of tokens in a batch row.
    pub fn tokens(&self) -> usize {
        self.0.tokens
    }

    /// Number of prompts `S` in a batch row.
    pub fn prompts(&self) -> usize {
        self.0.prompts
    }

    /// Number of text tokens `L` that every prompt is padded to.
    pub fn padded_len(&self) -> usize {
        self.0.padded
    }

    /// Whether a token sees a prompt of its batch row.
    pub fn sees(&self, row: usize, token: usize, prompt: usize) -> bool {
        self.0.visible[(row * self.0.tokens + token) * self.0.prompts + prompt]
    }

    /// Number of valid text tokens of a prompt.
    pub fn text_len(&self, row: usize, prompt: usize) -> usize {
        self.0.text_len[row * self.0.prompts + prompt]
    }

    /// The tokens of batch row `row` that see the same prompts, with the keys (`0..S * L`) they see,
    /// both in ascending order. The keys are empty for tokens that see nothing.
    pub fn sets(&self, row: usize) -> impl Iterator<Item = (&[u32], &[u32])> {
        self.0.sets[row].iter().map(|set| (&self.0.order[set.tokens.clone()], &set.keys[..]))
    }
}
