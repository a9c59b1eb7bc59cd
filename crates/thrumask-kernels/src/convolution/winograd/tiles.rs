//! Which tiles there are, and where their values lie.

use super::points::{OUT, POINTS};
use crate::convolution::geometry::{Geometry, Lattice};

/// Neighbouring tiles of one image.
#[derive(Clone, Copy)]
pub(super) struct Run {
    pub image: usize,
    /// Where the first tile starts in a channel of the lattice, and in one of the output.
    pub from: usize,
    pub to: usize,
    /// How many tiles, and before how many others in the same pass.
    pub len: usize,
    pub at: usize,
    /// Rows (frames) of outputs that there are, and values in each.
    pub rows: usize,
    pub width: usize,
    /// Distance between two rows of tiles: those of narrow images make a run together, with what lies between them.
    pub apart: usize,
}

/// Tiles in a row of an image that are too few to fill vectors.
const FEW: usize = 8;

/// The input with every fourth value of an axis of tiles together.
pub(super) fn lattice(of: &Geometry) -> Lattice {
    let size = of.out();
    if of.kernel[1] == 3 {
        let dims = [1, size[1].div_ceil(OUT) + 1, size[2].div_ceil(OUT) + 1];
        return Lattice { front: of.padding, step: [1, OUT, OUT], dims, tail: 0 };
    }
    let dims = [size[0].next_multiple_of(OUT) + 2, size[1], size[2]];
    Lattice { front: of.padding, step: [1; 3], dims, tail: 0 }.spaced()
}

/// Runs of tiles, in passes of at most `most` tiles (or one run). With `gaps` a run may have columns that are no tiles,
/// between its rows.
pub(super) fn passes(of: &Geometry, lattice: &Lattice, most: usize, gaps: bool) -> Vec<Vec<Run>> {
    let size = of.out();
    let mut runs = Vec::new();
    for image in 0..of.batch {
        if of.kernel[1] == 3 {
            let (down, across) = (size[1].div_ceil(OUT), size[2].div_ceil(OUT));
            let apart = lattice.dims[2];
            let few = gaps && across <= FEW;
            let together = if few { (most / apart).clamp(1, down) } else { 1 };
            for y in (0..down).step_by(together) {
                let count = together.min(down - y);
                runs.push(Run {
                    image,
                    from: y * apart,
                    to: y * OUT * size[2],
                    len: (count - 1) * apart + across,
                    at: 0,
                    rows: (OUT * count).min(size[1] - y * OUT),
                    width: size[2],
                    apart,
                });
            }
            continue;
        }
        let [slice, _] = lattice.strides();
        let area = size[1] * size[2];
        for z in (0..size[0]).step_by(OUT) {
            for at in (0..area).step_by(most) {
                let len = most.min(area - at);
                let rows = OUT.min(size[0] - z);
                let (from, to) = (z * slice + at, z * area + at);
                runs.push(Run { image, from, to, len, at: 0, rows, width: area, apart: len });
            }
        }
    }
    let mut passes: Vec<Vec<Run>> = Vec::new();
    for mut run in runs {
        let end = passes.last().and_then(|pass| pass.last()).map_or(most, |run| run.at + run.len);
        if end + run.len > most {
            passes.push(Vec::new());
        } else {
            run.at = end;
        }
        if let Some(pass) = passes.last_mut() {
            pass.push(run);
        }
    }
    passes
}

/// Whether tiles extend over the rows and columns of images, or over the frames of videos.
pub(super) fn is_plane(of: &Geometry) -> bool {
    of.kernel[1] == 3
}

/// Points of a tile.
pub(super) fn points(of: &Geometry) -> usize {
    if is_plane(of) { POINTS * POINTS } else { POINTS }
}

/// Where the first `reach` values along each axis of a tile lie, from its start.
pub(super) fn places(of: &Geometry, lattice: &Lattice, reach: usize) -> Vec<usize> {
    let count = if is_plane(of) { reach * reach } else { reach };
    (0..count)
        .map(|i| if is_plane(of) { [0, i / reach, i % reach] } else { [i, 0, 0] })
        .map(|at| lattice.place(at))
        .collect()
}

/// Tiles of a pass.
pub(super) fn count(runs: &[Run]) -> usize {
    runs.last().map_or(0, |run| run.at + run.len)
}

/// Distance between the rows of a matrix with a column for each tile of a pass: room for a vector behind
/// the last one, and an odd number of cache lines, which keeps rows out of each other's way.
pub(super) fn stride(passes: &[Vec<Run>]) -> usize {
    let longest = passes.iter().map(|runs| count(runs)).max().unwrap_or(0);
    16 * ((longest + 16).div_ceil(16) | 1)
}
