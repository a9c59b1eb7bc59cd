//! Which tiles there are, and where their values lie.

use super::rules::Rule;
use crate::convolution::geometry::Geometry;

/// How the outputs of a convolution are cut into tiles, along the one or two axes on which its kernel is longer than one.
#[derive(Clone, Debug)]
pub(super) struct Tiling {
    /// Size of the output.
    size: [usize; 3],
    /// Outputs of a tile along each axis; 1 where it does not extend.
    pub out: [usize; 3],
    /// Step of the kernel, which is the number of parts along an axis.
    pub stride: usize,
    /// Points along an axis.
    pub along: usize,
    /// Whether tiles extend over rows and columns, or along one axis alone.
    pub plane: bool,
    /// Matrices of channels at each point, one for each part that has it, in the order of the points: before each
    /// point, and in the end, how many there are.
    starts: Vec<usize>,
}

/// Neighbouring tiles of one image.
#[derive(Clone, Copy, Debug)]
pub(super) struct Run {
    pub image: usize,
    /// Which row of tiles (or tile of frames) the first tile is in, and at which column (position of a frame) it is.
    pub row: usize,
    pub column: usize,
    /// How many tiles, and before how many others in the same pass.
    pub len: usize,
    pub at: usize,
    /// Where the first tile starts in a channel of the output.
    pub to: usize,
    /// Rows (frames) of outputs that there are, and values in each.
    pub rows: usize,
    pub width: usize,
    /// Tiles in a row.
    pub apart: usize,
}

impl Tiling {
    /// The tiles of a convolution by a rule.
    pub fn new<R: Rule>(of: &Geometry) -> Self {
        let extends = of.kernel.map(|taps| taps > 1);
        let plane = extends.iter().filter(|extends| **extends).count() > 1;
        let (along, stride) = (R::POINTS, R::STRIDE);
        let parts = |point: usize| stride.min(along - point);
        let mut starts = vec![0];
        for point in 0..if plane { along * along } else { along } {
            let (y, x) = (point / along, point % along);
            let count = if plane { parts(y) * parts(x) } else { parts(x) };
            starts.push(starts[point] + count);
        }
        let out = extends.map(|extends| if extends { R::OUT } else { 1 });
        Self { size: of.out(), out, stride, along, plane, starts }
    }

    /// Whether tiles extend over frames.
    pub fn over_frames(&self) -> bool {
        self.out[0] > 1
    }

    /// Points of a tile.
    pub fn points(&self) -> usize {
        self.starts.len() - 1
    }

    /// Matrices of channels in all.
    pub fn matrices(&self) -> usize {
        self.starts[self.points()]
    }

    /// The first matrix of a point, and how many it has.
    pub fn matrices_of(&self, point: usize) -> [usize; 2] {
        [self.starts[point], self.starts[point + 1] - self.starts[point]]
    }

    /// Parts of a tile: the rests of the coordinates of its rows and columns (along one axis, of its columns) by the step
    /// of the kernel.
    pub fn parts(&self) -> impl Iterator<Item = [usize; 2]> + use<> {
        let (stride, high) = (self.stride, if self.plane { self.stride } else { 1 });
        (0..high * stride).map(move |part| [part / stride, part % stride])
    }

    /// The matrices of a part, in the order of the points that it has.
    pub fn matrices_at(&self, [y, x]: [usize; 2]) -> Vec<usize> {
        let wide = self.along - x;
        let across = |at: usize| self.stride.min(self.along - at);
        let high = if self.plane { self.along - y } else { 1 };
        (0..high * wide)
            .map(|i| (i / wide, i % wide))
            .map(|(row, column)| self.starts[row * self.along + column] + y * across(column) + x)
            .collect()
    }

    /// Coordinates of the input between neighbouring tiles, along each axis.
    pub fn step(&self) -> [usize; 3] {
        self.out.map(|out| if out > 1 { out * self.stride } else { 1 })
    }

    /// Runs of tiles, in passes of about at most `most` tiles. What of an image does not go into one pass is shared out
    /// evenly: each pass reads all weights.
    pub fn passes(&self, images: usize, most: usize) -> Vec<Vec<Run>> {
        let size = self.size;
        let mut runs = Vec::new();
        for image in 0..images {
            if self.over_frames() {
                let area = size[1] * size[2];
                let share = evenly(area, most);
                for row in 0..size[0].div_ceil(self.out[0]) {
                    for column in (0..area).step_by(share) {
                        let len = share.min(area - column);
                        let z = row * self.out[0];
                        let (rows, to) = (self.out[0].min(size[0] - z), z * area + column);
                        let at = 0;
                        let run =
                            Run { image, row, column, len, at, to, rows, width: area, apart: len };
                        runs.push(run);
                    }
                }
                continue;
            }
            let [_, high, wide] = self.out;
            let (down, across) = (size[1].div_ceil(high), size[2].div_ceil(wide));
            let together = down.div_ceil((down * across).div_ceil(most));
            for row in (0..down).step_by(together) {
                let count = together.min(down - row);
                let y = row * high;
                let (len, rows) = (count * across, (high * count).min(size[1] - y));
                let (to, width) = (y * size[2], size[2]);
                let run = Run { image, row, column: 0, len, at: 0, to, rows, width, apart: across };
                runs.push(run);
            }
        }
        let mut passes: Vec<Vec<Run>> = Vec::new();
        for mut run in runs {
            let end =
                passes.last().and_then(|pass| pass.last()).map_or(most, |run| run.at + run.len);
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
}

/// Lengths of about one size, whole vectors but for the last, that `count` (at least 1) is cut into, `most` or fewer as
/// far as whole vectors allow.
pub(super) fn evenly(count: usize, most: usize) -> usize {
    count.div_ceil(count.div_ceil(most)).next_multiple_of(16)
}

/// Tiles of a pass.
pub(super) fn count(runs: &[Run]) -> usize {
    runs.last().map_or(0, |run| run.at + run.len)
}

/// Distance between the rows of a matrix with a column for each tile of a pass: room for a vector behind
/// the last one, and an odd number of cache lines, which keeps rows out of each other's way.
pub(super) fn distance(passes: &[Vec<Run>]) -> usize {
    let longest = passes.iter().map(|runs| count(runs)).max().unwrap_or(0);
    16 * ((longest + 16).div_ceil(16) | 1)
}
