//! Texts as the network reads them: phrases that end with a full stop, and do not see each other.

use std::ops::Range;

use crate::{Error, Result};

/// Token ids of equally long rows, and what follows from where their phrases end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Texts {
    /// `B` rows of `L` ids.
    pub ids: Vec<Vec<u32>>,
    /// Tokens of each row, without padding.
    pub lengths: Vec<usize>,
    /// Where each token stands in its phrase, from 0 on.
    pub positions: Vec<Vec<u32>>,
    /// `B × L × L`: whether a token (second) sees another (third) while texts are read: those of one phrase
    /// with the sign that ends it see each other, and all themselves.
    pub visible: Vec<bool>,
    /// The tokens of each phrase of each row, without the sign that ends it; empty phrases are none.
    pub phrases: Vec<Vec<Range<usize>>>,
}

impl Texts {
    /// Rows of token ids, filled up with `padding`. `delimiters` begin and end texts and end phrases.
    ///
    /// As in the reference, a block that ends with the very last token of the longest row is none.
    ///
    /// # Errors
    /// [`Error::Shape`] when there is no row, or one is empty or longer than `limit`.
    pub fn new(rows: &[Vec<u32>], delimiters: &[u32], padding: u32, limit: usize) -> Result<Self> {
        let lengths: Vec<usize> = rows.iter().map(Vec::len).collect();
        let tokens = lengths.iter().copied().max().unwrap_or(0);
        if tokens > limit || tokens == 0 || lengths.contains(&0) {
            return Err(Error::shape("tokens of a text", format!("1 to {limit}"), &lengths));
        }
        let mut found = Self {
            ids: Vec::new(),
            lengths,
            positions: Vec::new(),
            visible: Vec::with_capacity(rows.len() * tokens * tokens),
            phrases: Vec::new(),
        };
        for row in rows {
            let mut ids = row.clone();
            ids.resize(tokens, padding);
            found.push(ids, delimiters);
        }
        Ok(found)
    }

    fn push(&mut self, ids: Vec<u32>, delimiters: &[u32]) {
        let tokens = ids.len();
        // Of each token, its block: from behind the delimiter before to the next one.
        let mut blocks: Vec<Option<Range<usize>>> = vec![None; tokens];
        let mut phrases = Vec::new();
        let mut start = 0;
        for end in (0..tokens).filter(|&i| delimiters.contains(&ids[i])) {
            if end > start {
                phrases.push(start..end);
            }
            if end > 0 && end + 1 < tokens {
                blocks[start..=end].fill(Some(start..end + 1));
            }
            start = end + 1;
        }
        for (i, block) in blocks.iter().enumerate() {
            let seen = |j: usize| i == j || block.as_ref().is_some_and(|block| block.contains(&j));
            self.visible.extend((0..tokens).map(seen));
        }
        let position = |(i, block): (usize, &Option<Range<usize>>)| {
            block.as_ref().map_or(0, |block| (i - block.start) as u32)
        };
        self.positions.push(blocks.iter().enumerate().map(position).collect());
        self.phrases.push(phrases);
        self.ids.push(ids);
    }

    /// Number of rows.
    pub fn rows(&self) -> usize {
        self.ids.len()
    }

    /// Tokens of a row, padding included.
    pub fn tokens(&self) -> usize {
        self.ids.first().map_or(0, Vec::len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DELIMITERS: [u32; 4] = [101, 102, 1012, 1029];

    #[test]
    fn phrases_see_themselves_alone() {
        // [CLS] red car . black car . [SEP]
        let long = vec![101, 7, 8, 1012, 9, 8, 1012, 102];
        let short = vec![101, 7, 1012, 102];
        let texts = Texts::new(&[long, short], &DELIMITERS, 0, 256).unwrap();
        assert_eq!(texts.phrases[0], [1..3, 4..6]);
        assert_eq!(texts.phrases[1..], [std::iter::once(1..2).collect::<Vec<_>>()]);
        assert_eq!(texts.positions[0], [0, 0, 1, 2, 0, 1, 2, 0]);
        assert_eq!(texts.positions[1], [0, 0, 1, 0, 0, 0, 0, 0]);
        assert_eq!((texts.lengths.clone(), texts.tokens()), (vec![8, 4], 8));
        let sees = |row: usize, i: usize, j: usize| texts.visible[(row * 8 + i) * 8 + j];
        assert!(
            sees(0, 1, 3) && sees(0, 3, 1) && !sees(0, 3, 4) && !sees(0, 0, 1) && sees(0, 0, 0)
        );
        assert!(sees(1, 5, 5) && !sees(1, 5, 6) && !sees(1, 3, 4));
    }

    #[test]
    fn odd_texts() {
        let texts = |row: &[u32]| Texts::new(&[row.to_vec()], &DELIMITERS, 0, 6);
        assert!(texts(&[]).is_err() && texts(&[1; 7]).is_err());
        // Nothing named, twice; then a name that nothing ends.
        let none = texts(&[101, 1012, 1012, 102]).unwrap();
        assert!(none.phrases[0].is_empty() && none.positions[0] == [0; 4]);
        let open = texts(&[101, 5, 6, 102]).unwrap();
        assert_eq!(open.phrases[0], [std::ops::Range { start: 1, end: 3 }]);
        assert!(!open.visible[4 + 2], "it ends with the last token, so it is no block");
    }
}
