//! Convolutions with three taps along an axis in fewer products: four outputs in a row from six products
//! instead of twelve (Winograd's F(4, 3); Lavin and Gray, *Fast Algorithms for Convolutional Neural
//! Networks*, 2016), nested over both axes of an image, or over the frames of a video alone.
//!
//! Inputs, weights and outputs are brought to points at which the convolution is a product of matrices of
//! channels, one for each point. Sums are rounded otherwise than those of the plain loop: the error is
//! some 1e-6 of the largest value.

use rayon::prelude::*;

use super::correlate::Finish;
use super::geometry::{Geometry, Lattice, spread};
use crate::host::{Aligned, Shared};
use crate::simd::{self, Kernel, Lanes, Simd};
use crate::tile::{Even, Left, product};

/// Outputs of a tile along an axis, and its points.
const OUT: usize = 4;
const POINTS: usize = 6;

/// Values of the inputs at their points that are held at once, in bytes, about.
const HELD: usize = 2 << 20;

/// Tiles whose products are made in one task.
const COLUMNS: usize = 256;

/// Channels from which on it pays.
const CHANNELS: usize = 12;

/// Whether the method serves a convolution, and pays.
pub(super) fn serves(of: &Geometry) -> bool {
    let axes = matches!(of.kernel, [1, 3, 3] | [3, 1, 1]);
    let long = (0..3).all(|i| of.kernel[i] == 1 || of.out()[i] >= OUT);
    axes && long && of.stride == [1; 3] && of.inputs >= CHANNELS && of.outputs >= CHANNELS
}

/// Neighbouring tiles of one image.
#[derive(Clone, Copy)]
struct Run {
    image: usize,
    /// Where the first tile starts in a channel of the lattice, and in one of the output.
    from: usize,
    to: usize,
    /// How many tiles, and before how many others in the same pass.
    len: usize,
    at: usize,
    /// Rows (frames) of outputs of a tile that there are, and values in a row of tiles.
    rows: usize,
    width: usize,
}

/// A convolution for which [`serves`] holds, of `x [B, I, size]`, with the bias and perhaps a SiLU.
pub(super) fn convolve(
    of: &Geometry,
    x: &[f32],
    w: &[f32],
    b: Option<&[f32]>,
    silu: bool,
) -> Vec<f32> {
    let plane = of.kernel[1] == 3;
    let points = if plane { POINTS * POINTS } else { POINTS };
    let lattice = lattice(of);
    let from = spread(x, of.stored(), of.magnify, &lattice);
    let weights = weights(of, w, points);
    let size = of.out();
    let volume: usize = size.iter().product();
    let mut out = vec![0.0; of.batch * of.outputs * volume];
    let most = (HELD / 4 / points / of.inputs.max(of.outputs)).clamp(64, 4096);
    let places: Vec<usize> = (0..points)
        .map(|i| if plane { [0, i / POINTS, i % POINTS] } else { [i, 0, 0] })
        .map(|at| lattice.place(at))
        .collect();
    let passes = passes(of, &lattice, most);
    let tiles = |runs: &[Run]| runs.last().map_or(0, |run| run.at + run.len);
    let longest = passes.iter().map(|runs| tiles(runs)).max().unwrap_or(0);
    // The last vector of a run may write past it. An odd number of cache lines keeps rows apart.
    let stride = 16 * ((longest + 16).div_ceil(16) | 1);
    let mut values = zeros(points * of.inputs * stride);
    let mut sums = zeros(points * of.outputs * stride);
    for runs in passes {
        let tiles = tiles(&runs);
        let held = Shared::new(&mut values, stride);
        (0..of.inputs).into_par_iter().for_each(|channel| {
            let from = (&from[..], lattice.channel(), &places[..]);
            simd::run(Forth { of, from, channel, runs: &runs, plane, to: held });
        });
        let to = Shared::new(&mut sums, stride);
        let blocks = tiles.div_ceil(COLUMNS);
        (0..points * blocks).into_par_iter().with_max_len(1).for_each(|task| {
            let (point, first) = (task / blocks, task % blocks * COLUMNS);
            let columns = COLUMNS.min(tiles - first);
            simd::run(Multiply {
                of,
                weights: &weights,
                values: &values,
                point,
                first,
                columns,
                to,
            });
        });
        let done = Shared::new(&mut out, volume);
        (0..of.outputs).into_par_iter().for_each(|channel| {
            let finish = Finish { bias: b.map_or(0.0, |b| b[channel]), silu };
            simd::run(Back {
                of,
                sums: &sums,
                stride,
                channel,
                runs: &runs,
                plane,
                finish,
                out: done,
            });
        });
    }
    out
}

fn zeros(len: usize) -> Aligned {
    Aligned::build(len, 1 << 16, |_, to| _ = to.zeros())
}

/// The input with every fourth value of an axis of tiles together.
fn lattice(of: &Geometry) -> Lattice {
    let size = of.out();
    if of.kernel[1] == 3 {
        let dims = [1, size[1].div_ceil(OUT) + 1, size[2].div_ceil(OUT) + 1];
        return Lattice { front: of.padding, step: [1, OUT, OUT], dims, tail: 0 };
    }
    let dims = [size[0].next_multiple_of(OUT) + 2, size[1], size[2]];
    Lattice { front: of.padding, step: [1; 3], dims, tail: 0 }.spaced()
}

/// Runs of tiles, in passes of at most `most` tiles (or one run).
fn passes(of: &Geometry, lattice: &Lattice, most: usize) -> Vec<Vec<Run>> {
    let size = of.out();
    let mut runs = Vec::new();
    for image in 0..of.batch {
        if of.kernel[1] == 3 {
            for y in 0..size[1].div_ceil(OUT) {
                runs.push(Run {
                    image,
                    from: y * lattice.dims[2],
                    to: y * OUT * size[2],
                    len: size[2].div_ceil(OUT),
                    at: 0,
                    rows: OUT.min(size[1] - y * OUT),
                    width: size[2],
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
                runs.push(Run { image, from, to, len, at: 0, rows, width: area });
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

/// The weights at the points, `[points, O, I]`.
fn weights(of: &Geometry, w: &[f32], points: usize) -> Aligned {
    let mut all = zeros(points * of.outputs * of.inputs);
    let shared = Shared::new(&mut all, of.inputs);
    (0..of.outputs).into_par_iter().for_each(|output| {
        let mut values = vec![0.0; points * of.inputs];
        for input in 0..of.inputs {
            let w = &w[(output * of.inputs + input) * of.taps()..][..of.taps()];
            let mut at = |point: usize, value| values[point * of.inputs + input] = value;
            if points == POINTS {
                let found = bring([w[0], w[1], w[2]]);
                found.into_iter().enumerate().for_each(|(i, value)| at(i, value));
                continue;
            }
            let rows = [0, 3, 6].map(|row| bring([w[row], w[row + 1], w[row + 2]]));
            for column in 0..POINTS {
                let found = bring(rows.map(|row| row[column]));
                let places = found.into_iter().enumerate();
                places.for_each(|(i, value)| at(i * POINTS + column, value));
            }
        }
        for (point, values) in values.chunks_exact(of.inputs).enumerate() {
            // SAFETY: this task alone writes the rows of this output.
            unsafe { shared.piece(point * of.outputs + output, 0, of.inputs) }
                .copy_from_slice(values);
        }
    });
    all
}

/// Three taps at the points 0, 1, -1, 2, -2 and infinity.
fn bring([a, b, c]: [f32; 3]) -> [f32; POINTS] {
    let (even, odd) = (a + c, b);
    let (far, double) = (a + 4.0 * c, 2.0 * b);
    let (sixth, part) = (-1.0 / 6.0, 1.0 / 24.0);
    [
        0.25 * a,
        sixth * (even + odd),
        sixth * (even - odd),
        part * (far + double),
        part * (far - double),
        c,
    ]
}

/// Six inputs at the points.
#[inline(always)]
fn forth<S: Simd>(s: S, d: [S::V; POINTS]) -> [S::V; POINTS] {
    let [two, four, five] = [2.0, 4.0, 5.0].map(|x| s.splat(x));
    let even = s.fnma(four, d[2], d[4]);
    let odd = s.fnma(four, d[1], d[3]);
    let (far, step) = (s.sub(d[4], d[2]), s.sub(d[3], d[1]));
    [
        s.fma(four, d[0], s.fnma(five, d[2], d[4])),
        s.add(even, odd),
        s.sub(even, odd),
        s.fma(two, step, far),
        s.fnma(two, step, far),
        s.fma(four, d[1], s.fnma(five, d[3], d[5])),
    ]
}

/// Four outputs from the values at the points.
#[inline(always)]
fn back<S: Simd>(s: S, m: [S::V; POINTS]) -> [S::V; OUT] {
    let (even, odd) = (s.add(m[1], m[2]), s.sub(m[1], m[2]));
    let (far, step) = (s.add(m[3], m[4]), s.sub(m[3], m[4]));
    [
        s.add(m[0], s.add(even, far)),
        s.fma(s.splat(2.0), step, odd),
        s.fma(s.splat(4.0), far, even),
        s.add(m[5], s.fma(s.splat(8.0), step, odd)),
    ]
}

/// One channel of the inputs of a pass at the points: `to[point, channel, tile]`.
struct Forth<'a> {
    of: &'a Geometry,
    /// The lattices, the size of a channel, and where a tile's inputs lie.
    from: (&'a [f32], usize, &'a [usize]),
    channel: usize,
    runs: &'a [Run],
    plane: bool,
    to: Shared<'a>,
}

impl Kernel for Forth<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { of, from: (from, size, places), channel, runs, plane, to } = self;
        let reach = places.iter().max().copied().unwrap_or(0);
        for run in runs {
            let start = (run.image * of.inputs + channel) * size + run.from;
            for at in (0..run.len).step_by(S::LANES) {
                let from = &from[start + at..][..reach + S::LANES];
                // SAFETY: places lie within `reach` of the start. This task alone writes the rows of
                // this channel, and `stride` leaves room for a vector behind the last tile.
                unsafe {
                    let read = |i: usize| s.load(from.as_ptr().add(*places.get_unchecked(i)));
                    let write = |point: usize, value: S::V| {
                        let to = to.piece(point * of.inputs + channel, run.at + at, S::LANES);
                        s.store(to.as_mut_ptr(), value);
                    };
                    if !plane {
                        let mut d = [s.splat(0.0); POINTS];
                        for (i, d) in d.iter_mut().enumerate() {
                            *d = read(i);
                        }
                        for (i, value) in forth(s, d).into_iter().enumerate() {
                            write(i, value);
                        }
                        continue;
                    }
                    let mut rows = [[s.splat(0.0); POINTS]; POINTS];
                    for (y, row) in rows.iter_mut().enumerate() {
                        let mut d = [s.splat(0.0); POINTS];
                        for (x, d) in d.iter_mut().enumerate() {
                            *d = read(y * POINTS + x);
                        }
                        *row = forth(s, d);
                    }
                    for x in 0..POINTS {
                        let mut d = [s.splat(0.0); POINTS];
                        for (d, row) in d.iter_mut().zip(&rows) {
                            *d = row[x];
                        }
                        for (y, value) in forth(s, d).into_iter().enumerate() {
                            write(y * POINTS + x, value);
                        }
                    }
                }
            }
        }
    }
}

/// The products of one point for some tiles.
struct Multiply<'a> {
    of: &'a Geometry,
    /// `[points, O, I]`.
    weights: &'a [f32],
    /// `[points, I, stride]`.
    values: &'a [f32],
    point: usize,
    first: usize,
    columns: usize,
    /// `[points, O, stride]`.
    to: Shared<'a>,
}

impl Kernel for Multiply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let Self { of, weights, values, point, first, columns, to } = self;
        let (inputs, outputs) = (of.inputs, of.outputs);
        let vectors = columns.div_ceil(S::LANES);
        let (start, stride) = to.tile(point * outputs, first, [outputs, vectors * S::LANES]);
        let weights = &weights[point * outputs * inputs..][..outputs * inputs];
        let right = &values[point * inputs * stride + first..];
        assert!(right.len() >= (inputs - 1) * stride + vectors * S::LANES);
        let left = Left::strided::<S>(weights.as_ptr(), inputs, 1);
        let shape = [outputs, vectors, inputs];
        // SAFETY: the operands were just checked; this task alone writes these columns of this point.
        unsafe { product(simd, shape, left, right.as_ptr(), Even(stride), start, stride, None) };
    }
}

/// One channel of the outputs of a pass.
struct Back<'a> {
    of: &'a Geometry,
    /// `[points, O, stride]`.
    sums: &'a [f32],
    stride: usize,
    channel: usize,
    runs: &'a [Run],
    plane: bool,
    finish: Finish,
    out: Shared<'a>,
}

impl Kernel for Back<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { of, sums, stride, channel, runs, plane, finish, out } = self;
        let read =
            |point: usize, at: usize| s.read(&sums[(point * of.outputs + channel) * stride + at..]);
        for run in runs {
            let image = run.image * of.outputs + channel;
            for at in (0..run.len).step_by(S::LANES) {
                let tiles = S::LANES.min(run.len - at);
                if !plane {
                    let mut m = [s.splat(0.0); POINTS];
                    for (i, m) in m.iter_mut().enumerate() {
                        *m = read(i, run.at + at);
                    }
                    for (row, value) in back(s, m).into_iter().enumerate().take(run.rows) {
                        // SAFETY: this task alone writes this channel.
                        let to = unsafe { out.piece(image, run.to + row * run.width + at, tiles) };
                        s.write_at(to, 0, finish.of(s, value, []));
                    }
                    continue;
                }
                let mut rows = [[s.splat(0.0); OUT]; POINTS];
                for (y, row) in rows.iter_mut().enumerate() {
                    let mut m = [s.splat(0.0); POINTS];
                    for (x, m) in m.iter_mut().enumerate() {
                        *m = read(y * POINTS + x, run.at + at);
                    }
                    *row = back(s, m);
                }
                let mut lanes = [[[0.0; 16]; OUT]; OUT];
                for x in 0..OUT {
                    let mut m = [s.splat(0.0); POINTS];
                    for (m, row) in m.iter_mut().zip(&rows) {
                        *m = row[x];
                    }
                    for (lanes, value) in lanes.iter_mut().zip(back(s, m)) {
                        s.write(&mut lanes[x], finish.of(s, value, []));
                    }
                }
                let from = at * OUT;
                let width = (OUT * tiles).min(run.width - from);
                for (row, lanes) in lanes.iter().enumerate().take(run.rows) {
                    // SAFETY: this task alone writes this channel.
                    let to = unsafe { out.piece(image, run.to + row * run.width + from, width) };
                    let rest = width % OUT;
                    for (tile, to) in to.chunks_exact_mut(OUT).enumerate() {
                        for (to, lanes) in to.iter_mut().zip(lanes) {
                            *to = lanes[tile];
                        }
                    }
                    let (to, lanes) = (&mut to[width - rest..], &lanes[..rest]);
                    to.iter_mut().zip(lanes).for_each(|(to, lanes)| *to = lanes[width / OUT]);
                }
            }
        }
    }
}
