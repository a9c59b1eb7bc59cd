use std::ops::Range;
use std::sync::Arc;

/// Which tokens belong together, for [`grouped_attention`](super::grouped_attention).
///
/// Made once for a clip and shared by all layers: cloning copies a pointer.
#[derive(Clone, Debug)]
pub struct TokenGroups(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    batch: usize,
    tokens: usize,
    ids: Vec<u16>,
    /// Per batch row the token numbers sorted by group, in ascending order within a group.
    order: Vec<u32>,
    /// Per batch row the ranges of `order` that hold one group each.
    spans: Vec<Vec<Range<usize>>>,
}

impl TokenGroups {
    /// Sorts the tokens of each batch row by their group. Any id may be used, in any number.
    ///
    /// # Shapes
    /// `ids` holds `[B, N]`, one id for each token.
    ///
    /// # Panics
    /// When `ids` does not hold `batch * tokens` values.
    pub fn new<I: Copy + Into<u16>>(ids: &[I], batch: usize, tokens: usize) -> Self {
        assert_eq!(ids.len(), batch * tokens, "one group id for each of {batch} x {tokens} tokens");
        let ids: Vec<u16> = ids.iter().map(|&id| id.into()).collect();
        let mut order = Vec::with_capacity(ids.len());
        let mut spans = Vec::with_capacity(batch);
        for row in 0..batch {
            let ids = &ids[row * tokens..(row + 1) * tokens];
            let start = order.len();
            order.extend(0..tokens as u32);
            let sorted = &mut order[start..];
            sorted.sort_by_key(|&token| ids[token as usize]);
            let mut row_spans = Vec::new();
            let mut at = start;
            for group in sorted.chunk_by(|&a, &b| ids[a as usize] == ids[b as usize]) {
                row_spans.push(at..at + group.len());
                at += group.len();
            }
            spans.push(row_spans);
        }
        Self(Arc::new(Inner { batch, tokens, ids, order, spans }))
    }

    /// Number of batch rows.
    pub fn batch(&self) -> usize {
        self.0.batch
    }

    /// Number of tokens in a batch row.
    pub fn tokens(&self) -> usize {
        self.0.tokens
    }

    /// The group of every token, `[B, N]`.
    pub fn ids(&self) -> &[u16] {
        &self.0.ids
    }

    /// The groups of batch row `row`, each as its token numbers in ascending order.
    pub fn groups(&self, row: usize) -> impl Iterator<Item = &[u32]> {
        self.0.spans[row].iter().map(|span| &self.0.order[span.clone()])
    }
}
