//! What tiles read of a channel.

use super::planes::Planes;
use super::tiles::{Run, Tiling};
use crate::convolution::geometry::Geometry;

/// Which values tiles read, of the inputs or of the gradients of the outputs.
pub(super) struct Reads {
    /// Size of a volume in memory, and how many times it is magnified.
    pub stored: [usize; 3],
    magnify: [usize; 3],
    /// Zeros around the volume, and coordinates between neighbouring tiles.
    pub front: [usize; 3],
    pub step: [usize; 3],
    /// How far tiles reach along each axis.
    reach: [usize; 3],
    pub parts: Vec<Part>,
}

/// The values of tiles whose coordinates have the same rests by the step of the kernel.
pub(super) struct Part {
    /// Padded coordinates from the start of a tile.
    places: Vec<[usize; 3]>,
    /// The matrices that they go to.
    pub matrices: Vec<usize>,
}

impl Part {
    /// Frames from the start of a tile.
    pub fn frames(&self) -> impl Iterator<Item = usize> + use<'_> {
        self.places.iter().map(|place| place[0])
    }
}

impl Reads {
    /// The inputs of tiles.
    pub fn inputs(of: &Geometry, tiling: &Tiling) -> Self {
        let parts = tiling.parts().map(|rests| {
            let count = rests.map(|rest| tiling.along - rest);
            let at =
                |[y, x]: [usize; 2]| [y * tiling.stride + rests[0], x * tiling.stride + rests[1]];
            Part { places: places(tiling, count, at), matrices: tiling.matrices_at(rests) }
        });
        let (front, step, magnify) = (of.padding, tiling.step(), of.magnify);
        Self::new(of.stored(), magnify, front, step, parts.collect())
    }

    /// The gradients of the outputs of tiles.
    pub fn gradients(of: &Geometry, tiling: &Tiling) -> Self {
        let long = tiling.out.into_iter().max().unwrap_or(1);
        let points = (0..tiling.points()).collect();
        let part = Part { places: places(tiling, [long; 2], |at| at), matrices: points };
        Self::new(of.out(), [1; 3], [0; 3], tiling.out, vec![part])
    }

    fn new(
        stored: [usize; 3],
        magnify: [usize; 3],
        front: [usize; 3],
        step: [usize; 3],
        parts: Vec<Part>,
    ) -> Self {
        let places = || parts.iter().flat_map(|part| &part.places);
        let reach = [0, 1, 2].map(|axis| places().map(|at| at[axis] + 1).max().unwrap_or(1));
        Self { stored, magnify, front, step, reach, parts }
    }
}

/// Coordinates of the values of a tile, row by row; along one axis, of a row.
fn places(
    tiling: &Tiling,
    [high, wide]: [usize; 2],
    at: impl Fn([usize; 2]) -> [usize; 2],
) -> Vec<[usize; 3]> {
    if tiling.plane {
        return (0..high * wide)
            .map(|i| at([i / wide, i % wide]))
            .map(|[y, x]| [0, y, x])
            .collect();
    }
    let along = |x: usize| tiling.out.map(|out| if out > 1 { x } else { 0 });
    (0..wide).map(|i| along(at([0, i])[1])).collect()
}

/// What a run reads of a channel.
pub(super) struct Window {
    pub planes: Planes,
    /// Where the values of the first tile lie, of each part.
    pub places: Vec<Vec<usize>>,
}

impl Window {
    /// The windows of the runs of a pass. Over frames there are none.
    pub fn all(tiling: &Tiling, runs: &[Run], reads: &Reads) -> Vec<Self> {
        if tiling.over_frames() {
            return Vec::new();
        }
        let inner = |of: [usize; 3]| [of[1], of[2]];
        let of_run = |run: &Run| {
            let planes = Planes {
                stored: inner(reads.stored),
                magnify: inner(reads.magnify),
                front: inner(reads.front),
                origin: run.row * reads.step[1],
                step: inner(reads.step),
                reach: reads.reach[2],
                rows: run.len / run.apart + (reads.reach[1] - 1) / reads.step[1],
                columns: run.apart,
            };
            let place =
                |part: &Part| part.places.iter().map(|at| planes.place(inner(*at))).collect();
            Self { planes, places: reads.parts.iter().map(place).collect() }
        };
        runs.iter().map(of_run).collect()
    }
}
