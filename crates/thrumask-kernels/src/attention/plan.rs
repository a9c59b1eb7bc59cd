use std::sync::Arc;

use super::{PromptVisibility, TokenGroups};

/// Which queries attend to which keys.
#[derive(Clone, Debug)]
pub(super) enum Plan {
    /// Every query to the first keys of its batch row, all of them when `None`.
    Dense(Option<Arc<[usize]>>),
    /// Every token to its group.
    Groups(TokenGroups),
    /// Every token to the prompts it sees.
    Prompts(PromptVisibility),
}

/// Some tokens of a batch row.
#[derive(Clone, Copy)]
pub(super) enum Tokens<'a> {
    /// A run of so many, from a first one on.
    Run(usize, usize),
    /// These.
    List(&'a [u32]),
}

impl<'a> Tokens<'a> {
    /// How many.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Tokens::Run(_, count) => *count,
            Tokens::List(list) => list.len(),
        }
    }

    /// The number of the `i`-th token.
    #[inline]
    pub fn at(&self, i: usize) -> usize {
        match self {
            Tokens::Run(first, _) => first + i,
            Tokens::List(list) => list[i] as usize,
        }
    }

    /// `count` of them from the `start`-th on, or as many as there are.
    #[inline]
    pub fn part(&self, start: usize, count: usize) -> Tokens<'a> {
        let count = count.min(self.len() - start);
        match self {
            Tokens::Run(first, _) => Tokens::Run(first + start, count),
            Tokens::List(list) => Tokens::List(&list[start..start + count]),
        }
    }
}

impl Plan {
    /// Whether every query and every key is in a set, none in two.
    pub fn is_whole(&self, [queries, keys]: [usize; 2]) -> bool {
        matches!(self, Plan::Dense(None)) && queries > 0 && keys > 0
    }

    /// Each set of queries of batch row `row` with the keys that all of them see, which may be none, in a
    /// fixed order. Every query is in one set.
    ///
    /// A list rather than a callback: closures would not take on the instruction set of the kernel
    /// that loops over them.
    pub fn sets(&self, row: usize, [queries, keys]: [usize; 2]) -> Vec<(Tokens<'_>, Tokens<'_>)> {
        match self {
            Plan::Dense(lens) => {
                let keys = lens.as_ref().map_or(keys, |lens| lens[row]);
                vec![(Tokens::Run(0, queries), Tokens::Run(0, keys))]
            }
            Plan::Groups(groups) => {
                groups.groups(row).map(|group| (Tokens::List(group), Tokens::List(group))).collect()
            }
            Plan::Prompts(visible) => visible
                .sets(row)
                .map(|(queries, keys)| (Tokens::List(queries), Tokens::List(keys)))
                .collect(),
        }
    }
}
