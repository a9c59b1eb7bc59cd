//! Tokens of merged pairs of bytes: the signs that stand for bytes, and merging the pairs of a word, the
//! first learned ones first.

use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

/// Stands for no symbol.
const NONE: usize = usize::MAX;

/// A symbol between its neighbours.
struct Symbol {
    id: u32,
    before: usize,
    after: usize,
}

/// The sign that stands for each byte in a vocabulary: itself where it can be seen, else one from 256 on.
pub fn byte_signs() -> Vec<char> {
    let mut hidden = 0;
    let sign = |byte: u8| match byte {
        b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => char::from(byte),
        _ => {
            hidden += 1;
            char::from_u32(255 + hidden).unwrap_or_default()
        }
    };
    (0..=255).map(sign).collect()
}

/// What is left of `symbols` when no pair can be merged, with the rank of each pair that can and what it
/// becomes: of all pairs, the one of the smallest rank, which was
/// learned first, is merged first, of equal ones the leftmost. Takes n·log n steps, so that a text of one long word is no
/// danger.
pub fn merged(symbols: Vec<u32>, merges: &HashMap<[u32; 2], (u32, u32)>) -> Vec<u32> {
    let count = symbols.len();
    let symbol = |(i, id): (usize, u32)| Symbol {
        id,
        before: i.wrapping_sub(1),
        after: if i + 1 < count { i + 1 } else { NONE },
    };
    let mut chain: Vec<Symbol> = symbols.into_iter().enumerate().map(symbol).collect();
    // Rank, place of the left symbol, and the pair as it was: an entry whose pair has changed is stale.
    let mut queue = BinaryHeap::new();
    let enqueue = |chain: &[Symbol], left: usize, queue: &mut BinaryHeap<_>| {
        let Some(after) = chain.get(left).and_then(|s| chain.get(s.after)) else { return };
        let pair = [chain[left].id, after.id];
        if let Some(&(rank, _)) = merges.get(&pair) {
            queue.push(Reverse((rank, left, pair)));
        }
    };
    (0..count).for_each(|left| enqueue(&chain, left, &mut queue));
    let mut gone = vec![false; count];
    while let Some(Reverse((_, left, pair))) = queue.pop() {
        let right = chain[left].after;
        if gone[left] || right == NONE || [chain[left].id, chain[right].id] != pair {
            continue;
        }
        let Some(&(_, id)) = merges.get(&pair) else { continue };
        let after = chain[right].after;
        (chain[left].id, chain[left].after, gone[right]) = (id, after, true);
        if let Some(next) = chain.get_mut(after) {
            next.before = left;
        }
        let before = chain[left].before;
        enqueue(&chain, before, &mut queue);
        enqueue(&chain, left, &mut queue);
    }
    let kept = chain.iter().zip(gone).filter(|(_, gone)| !gone);
    kept.map(|(symbol, _)| symbol.id).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// By the definition: looks for the first learned pair again after every merge.
    fn slowly(mut symbols: Vec<u32>, merges: &HashMap<[u32; 2], (u32, u32)>) -> Vec<u32> {
        loop {
            let pairs = symbols.windows(2).enumerate();
            let found = pairs.filter_map(|(i, p)| Some((merges.get(&[p[0], p[1]])?, i))).min();
            let Some((&(_, id), i)) = found else { return symbols };
            symbols.splice(i..i + 2, [id]);
        }
    }

    proptest! {
        #[test]
        fn as_the_definition_has_it(
            symbols in prop::collection::vec(0u32..4, 0..24),
            pairs in prop::collection::vec((0u32..8, 0u32..8), 0..12),
        ) {
            let mut merges = HashMap::new();
            for (rank, (a, b)) in pairs.into_iter().enumerate() {
                merges.entry([a, b]).or_insert((rank as u32, 4 + rank as u32));
            }
            prop_assert_eq!(merged(symbols.clone(), &merges), slowly(symbols, &merges));
        }
    }

    #[test]
    fn signs_of_bytes() {
        let signs = byte_signs();
        assert_eq!(signs[usize::from(b'a')], 'a');
        assert_eq!(signs[usize::from(b' ')], 'Ġ');
        assert_eq!((signs[0], signs[0xad], signs[0xff]), ('Ā', 'Ń', 'ÿ'));
        let distinct: std::collections::HashSet<char> = signs.iter().copied().collect();
        assert_eq!(distinct.len(), 256);
    }

    #[test]
    fn a_long_word_takes_no_time() {
        let merges = HashMap::from([([0, 0], (0, 1)), ([1, 1], (1, 2))]);
        assert_eq!(merged(vec![0; 1 << 20], &merges), vec![2; 1 << 18]);
    }
}
