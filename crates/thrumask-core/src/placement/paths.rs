//! Where all objects of a first frame lie in each frame.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::{Placement, Turn, cutout::Cutout, fit::placements, leaving::left, sight::Sight};
use crate::{LabelMap, Picture};

/// The objects of a first frame, and where each lies in every frame.
pub(super) struct Paths<'a>(Vec<(Cutout<'a>, Vec<Option<Placement>>)>);

impl<'a> Paths<'a> {
    /// Of all objects of the first of `frames`, fitted to them, or to how `painted` shows them;
    /// `turns` tells of those, by id, that are known to turn.
    pub fn new(
        frames: &'a [LabelMap],
        painted: Option<&[Picture]>,
        turns: &BTreeMap<u8, Turn>,
    ) -> Self {
        let path = |cutout: Cutout<'a>| {
            let sight = |(f, labels)| Sight::new(labels, painted.map(|p| &p[f]), cutout.id);
            let sights: Vec<Sight> = frames.iter().enumerate().map(sight).collect();
            let turn = turns.get(&cutout.id).copied();
            (cutout, placements(&cutout, &sights, painted.is_some(), turn))
        };
        let cutouts = frames.first().map_or(Vec::new(), Cutout::all);
        Self(cutouts.into_par_iter().map(path).collect())
    }

    /// What has left before frame `f`, and where it was last.
    pub fn left(&self, f: usize) -> Vec<(Cutout<'a>, Placement)> {
        let gone = |(cutout, path): &(Cutout<'a>, Vec<Option<Placement>>)| {
            let (since, last) = left(cutout, path)?;
            (since <= f).then_some((*cutout, last))
        };
        self.0.iter().filter_map(gone).collect()
    }

    /// What lies anywhere in frame `f`.
    pub fn at(&self, f: usize) -> Vec<(Cutout<'a>, Placement)> {
        self.0.iter().filter_map(|(cutout, path)| Some((*cutout, path[f]?))).collect()
    }
}
