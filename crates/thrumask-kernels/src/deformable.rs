//! Multi-scale deformable attention (Zhu et al., "Deformable DETR", ICLR 2021, eq. 3): a query looks at a few
//! places of each level of a pyramid of features, which need not lie on its grid.

use std::sync::Arc;

use burn::tensor::Tensor;

use crate::bridge::{self, FusedOp};
use crate::host::{Host, Rows, build, whole_rows};
use crate::reference;
use crate::simd::basic::Dot;
use crate::simd::{self, Kernel, Lanes, Simd};
use crate::target::Target;
use crate::team;

/// For each query and head, the sum over levels and points of weight times the features at a place, found by
/// linear interpolation between the centres of cells; beyond the borders features are zero.
///
/// # Shapes
/// - `value`: `[B, S, C]`, the cells of all levels one after the other, row-major; `C` in `heads` parts
/// - `locations`: `[B, Q, heads·L·P·2]`: column and row of each place as shares of the level, 0 to 1 within it
/// - `weights`: `[B, Q, heads·L·P]`
/// - `levels`: rows and columns of each of the `L` levels
/// - returns `[B, Q, C]`
///
/// # Panics
/// When shapes disagree.
pub fn deformable_attention(
    value: Tensor<3>,
    locations: Tensor<3>,
    weights: Tensor<3>,
    heads: usize,
    levels: &[[usize; 2]],
) -> Tensor<3> {
    let ([batch, cells, channels], [rows, queries, places]) = (value.dims(), weights.dims());
    assert!(heads > 0 && channels % heads == 0, "{channels} channels in {heads} heads");
    assert_eq!(cells, levels.iter().map(|[h, w]| h * w).sum::<usize>(), "cells of all levels");
    let each = heads * levels.len();
    assert!(each > 0 && places % each == 0, "{places} places of {each} heads and levels");
    assert_eq!(rows, batch, "batch rows of values and weights");
    assert_eq!(locations.dims(), [batch, queries, 2 * places], "two coordinates for each weight");
    if !bridge::is_fast(&value) {
        return reference::deformable_attention(value, locations, weights, heads, levels);
    }
    let op = Deformable { heads, points: places / each, levels: levels.into() };
    bridge::apply3(op, value, locations.into_dispatch(), weights.into_dispatch())
}

#[derive(Clone, Debug)]
struct Deformable {
    heads: usize,
    points: usize,
    levels: Arc<[[usize; 2]]>,
}

/// A place between four cells, of which some may lie beyond the borders.
struct Place {
    /// The cell of each corner: above left and right, below left and right.
    cells: [usize; 4],
    /// 1 for a corner that is there.
    there: [f32; 4],
    /// How far right and below the first corner.
    share: [f32; 2],
}

impl Place {
    /// `None` when all corners lie beyond the borders, or the place is not a number.
    #[inline(always)]
    fn of([x, y]: [f32; 2], start: usize, [height, width]: [usize; 2]) -> Option<Self> {
        let (x, y) = (x * width as f32 - 0.5, y * height as f32 - 0.5);
        if !(x > -1.0 && y > -1.0 && x < width as f32 && y < height as f32) {
            return None;
        }
        let (left, top) = (x.floor(), y.floor());
        let share = [x - left, y - top];
        let (left, top) = (left as isize, top as isize);
        let (mut cells, mut there) = ([0; 4], [0.0; 4]);
        for (i, (cell, there)) in cells.iter_mut().zip(&mut there).enumerate() {
            let (column, row) = (left + (i % 2) as isize, top + (i / 2) as isize);
            let inside =
                (0..width as isize).contains(&column) && (0..height as isize).contains(&row);
            if inside {
                (*cell, *there) = (start + row as usize * width + column as usize, 1.0);
            } else {
                *cell = start;
            }
        }
        Some(Self { cells, there, share })
    }

    /// The share of each corner in the value at the place.
    #[inline(always)]
    fn shares(&self) -> [f32; 4] {
        let [x, y] = self.share;
        let whole = [(1.0 - x) * (1.0 - y), x * (1.0 - y), (1.0 - x) * y, x * y];
        std::array::from_fn(|i| whole[i] * self.there[i])
    }
}

/// `x` and four slices, each times a number.
#[derive(Clone, Copy)]
struct Corners([f32; 4]);

impl Lanes<4> for Corners {
    #[inline(always)]
    fn of<S: Simd>(self, simd: S, x: S::V, with: [S::V; 4]) -> S::V {
        let mut sum = x;
        for (share, corner) in self.0.into_iter().zip(with) {
            sum = simd.fma(simd.splat(share), corner, sum);
        }
        sum
    }
}

/// `x` and a slice times a number.
#[derive(Clone, Copy)]
struct Scaled(f32);

impl Lanes<1> for Scaled {
    #[inline(always)]
    fn of<S: Simd>(self, simd: S, x: S::V, [y]: [S::V; 1]) -> S::V {
        simd.fma(simd.splat(self.0), y, x)
    }
}

/// What both passes look at.
#[derive(Clone, Copy)]
struct Scene<'a> {
    op: &'a Deformable,
    value: Rows<'a>,
    locations: Rows<'a>,
    weights: Rows<'a>,
    /// Cells of a batch row.
    cells: usize,
    /// Queries of a batch row.
    queries: usize,
}

impl Scene<'_> {
    /// The corners' features of one head.
    #[inline(always)]
    fn corners(&self, place: &Place, row: usize, head: usize, size: usize) -> [&[f32]; 4] {
        let at = |cell: usize| &self.value.row(row * self.cells + cell)[head * size..][..size];
        place.cells.map(at)
    }
}

/// The rows of some queries.
struct Forward<'a, 'b> {
    scene: Scene<'a>,
    first: usize,
    out: &'a mut Target<'b>,
}

impl Kernel for Forward<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { scene, first, out } = self;
        let Deformable { heads, points, ref levels } = *scene.op;
        let (channels, size) = (scene.value.width, scene.value.width / heads);
        for (i, out) in out.zeros().chunks_exact_mut(channels).enumerate() {
            let query = first + i;
            let (row, weights) = (query / scene.queries, scene.weights.row(query));
            let locations = scene.locations.row(query);
            for (head, out) in out.chunks_exact_mut(size).enumerate() {
                let mut start = 0;
                for (l, &level) in levels.iter().enumerate() {
                    for point in 0..points {
                        let at = (head * levels.len() + l) * points + point;
                        let (weight, where_) =
                            (weights[at], [locations[2 * at], locations[2 * at + 1]]);
                        if let Some(place) = Place::of(where_, start, level) {
                            let corners = scene.corners(&place, row, head, size);
                            let shares = place.shares().map(|share| share * weight);
                            simd::change(simd, Corners(shares), out, corners);
                        }
                    }
                    start += level[0] * level[1];
                }
            }
        }
    }
}

/// The gradients of one head of a batch row: of its features `[S, D]`, and of its places and weights
/// `[Q, L·P·2]` and `[Q, L·P]`.
struct Backward<'a> {
    scene: Scene<'a>,
    grad: Rows<'a>,
    row: usize,
    head: usize,
}

impl Kernel for Backward<'_> {
    type Output = [Vec<f32>; 3];

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) -> [Vec<f32>; 3] {
        let Self { scene, grad, row, head } = self;
        let Deformable { heads, points, ref levels } = *scene.op;
        let size = scene.value.width / heads;
        let places = levels.len() * points;
        let mut values = vec![0.0; scene.cells * size];
        let mut locations = vec![0.0; scene.queries * places * 2];
        let mut weights = vec![0.0; scene.queries * places];
        for i in 0..scene.queries {
            let query = row * scene.queries + i;
            let grad = &grad.row(query)[head * size..][..size];
            let mut start = 0;
            for (l, &level) in levels.iter().enumerate() {
                for point in 0..points {
                    let own = l * points + point;
                    let at = head * places + own;
                    let weight = scene.weights.row(query)[at];
                    let location = scene.locations.row(query);
                    let where_ = [location[2 * at], location[2 * at + 1]];
                    let Some(place) = Place::of(where_, start, level) else { continue };
                    let mut dots = [0.0; 4];
                    let corners = scene.corners(&place, row, head, size);
                    for ((dot, corner), there) in dots.iter_mut().zip(corners).zip(place.there) {
                        let [sum] = simd::fold(simd, Dot, [0.0], [grad, corner]);
                        *dot = there * simd.sum(sum);
                    }
                    let shares = place.shares();
                    for (cell, share) in place.cells.into_iter().zip(shares) {
                        let to = &mut values[cell * size..][..size];
                        simd::change(simd, Scaled(share * weight), to, [grad]);
                    }
                    let ([a, b, c, d], [x, y]) = (dots, place.share);
                    let across = (1.0 - y) * (b - a) + y * (d - c);
                    let down = (1.0 - x) * (c - a) + x * (d - b);
                    let to = i * places + own;
                    locations[2 * to] = weight * level[1] as f32 * across;
                    locations[2 * to + 1] = weight * level[0] as f32 * down;
                    weights[to] = shares.iter().zip(dots).map(|(share, dot)| share * dot).sum();
                }
                start += level[0] * level[1];
            }
        }
        [values, locations, weights]
    }
}

impl Deformable {
    fn scene<'a>(&'a self, value: &'a Host, locations: &'a Host, weights: &'a Host) -> Scene<'a> {
        let (cells, queries) = (value.dims()[1], weights.dims()[1]);
        let [value, locations, weights] = [value, locations, weights].map(Host::rows);
        Scene { op: self, value, locations, weights, cells, queries }
    }
}

impl FusedOp<3> for Deformable {
    type Saved = ();
    const KEEPS_INPUT: [bool; 3] = [true; 3];
    const KEEPS_OUTPUT: bool = false;

    fn forward(&self, [value, locations, weights]: [Host; 3]) -> (Host, ()) {
        let [batch, channels] = [0, 2].map(|axis| value.dims()[axis]);
        let scene = self.scene(&value, &locations, &weights);
        let dims = [batch, scene.queries, channels];
        // A query's work is that of several rows of values.
        let chunk = whole_rows(channels) / 8 / channels.max(1) * channels;
        let out = build(dims.iter().product(), chunk.max(channels), |at, out| {
            simd::run(Forward { scene, first: at / channels, out });
        });
        (Host::from_vec(out, &dims), ())
    }

    fn backward(
        &self,
        grad: Host,
        kept: [Option<Host>; 3],
        _output: Option<Host>,
        _saved: (),
        _wanted: [bool; 3],
    ) -> [Option<Host>; 3] {
        let [Some(value), Some(locations), Some(weights)] = kept else {
            unreachable!("deformable attention keeps its inputs")
        };
        let scene = self.scene(&value, &locations, &weights);
        let (batch, grad) = (value.dims()[0], grad.rows());
        let parts = team::map(batch * self.heads, |i| {
            let (row, head) = (i / self.heads, i % self.heads);
            simd::run(Backward { scene, grad, row, head })
        });
        // Each part holds a head's share of every row of its batch row.
        let joined = |which: usize, like: &Host| {
            let (dims, mut out) = (like.dims(), vec![0.0; like.len()]);
            let (rows, width) = (dims[1], dims[2]);
            let size = width / self.heads;
            for (i, part) in parts.iter().enumerate() {
                let (row, head) = (i / self.heads, i % self.heads);
                for (at, part) in part[which].chunks_exact(size.max(1)).enumerate() {
                    out[(row * rows + at) * width + head * size..][..size].copy_from_slice(part);
                }
            }
            Some(Host::from_vec(out, &dims))
        };
        [joined(0, &value), joined(1, &locations), joined(2, &weights)]
    }
}
