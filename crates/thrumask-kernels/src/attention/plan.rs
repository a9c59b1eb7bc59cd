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
    /// The first so many.
    First(usize),
    /// These.
    List(&'a [u32]),
}

impl Tokens<'_> {
    /// How many.
    #[inline]
    pub fn len(&self) -> usize {
        match self {
            Tokens::First(count) => *count,
            Tokens::List(list) => list.len(),
        }
    }

    /// The number of the `i`-th token.
    #[inline]
    pub fn at(&self, i: usize) -> usize {
        match self {
            Tokens::First(_) => i,
            Tokens::List(list) => list[i] as usize,
        }
    }
}

impl Plan {
    /// Each set of queries of batch row `row` with the keys that all of them see, in a fixed order.
    /// Every query is in one set at most; sets without keys are left out.
    ///
    /// A list rather than a callback: closures would not take on the instruction set of the kernel
    /// that loops over them.
    pub fn sets(&self, row: usize, [queries, keys]: [usize; 2]) -> Vec<(Tokens<'_>, Tokens<'_>)> {
        match self {
            Plan::Dense(lens) => {
                let keys = lens.as_ref().map_or(keys, |lens| lens[row]);
                let seen = keys > 0 && queries > 0;
                seen.then_some((Tokens::First(queries), Tokens::First(keys))).into_iter().collect()
            }
            Plan::Groups(groups) => {
                groups.groups(row).map(|group| (Tokens::List(group), Tokens::List(group))).collect()
            }
            Plan::Prompts(visible) => visible
                .sets(row)
                .filter(|(_, keys)| !keys.is_empty())
                .map(|(queries, keys)| (Tokens::List(queries), Tokens::List(keys)))
                .collect(),
        }
    }
}
