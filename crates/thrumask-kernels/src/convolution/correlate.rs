//! The inner loop of convolutions: products of weights with rows that lie at shifted places.

use std::mem::MaybeUninit;
use std::ops::Range;

use super::geometry::{Lattice, SLACK, Spread};
use super::phases::gather;
use super::sums::{Columns, Offsets, add};
use crate::host::{LINE, Scratch, Shared};
use crate::matrix::{DEPTH, GROUP, Packed};
use crate::simd::{self, Kernel, Lanes, Simd};
use crate::target::{Target, as_memory};
use crate::team;

/// `out[o, p] = bias[o] + sum_(i, tap) weights[o, i, tap] x[i, p + tap]` for the positions of some grids.
#[derive(Clone, Copy)]
pub(super) struct Correlation<'a> {
    /// `[images, inputs, stored]`
    pub x: &'a [f32],
    /// What is before the first value of `x`, how it is magnified, and its rows with all that is read of
    /// them; how many slices and rows there are is left open.
    pub spread: Spread,
    pub images: usize,
    pub inputs: usize,
    pub outputs: usize,
    pub parts: &'a [Part],
    pub bias: Option<&'a [f32]>,
    /// Whether `x * sigmoid(x)` of the sums is wanted.
    pub silu: bool,
    /// Size of the output.
    pub size: [usize; 3],
    /// Distance between the output positions of a grid.
    pub step: [usize; 3],
}

/// One of the grids that the output consists of.
pub(super) struct Part {
    /// `[outputs, inputs, taps]`
    pub weights: Packed,
    /// Padded coordinates that grid position 0 reads.
    pub taps: Vec<[usize; 3]>,
    /// Positions along each axis.
    pub grid: [usize; 3],
    /// Output position of the first grid position.
    pub start: [usize; 3],
}

/// Positions that are made together, about: their inputs stay in the second-level cache.
const SPAN: usize = 256;

/// Multiply-adds that take as long as to bring a value to where it is read, about.
const READ: usize = 6;

impl Correlation<'_> {
    /// Writes all positions of the grids in the output `[images, outputs, size]`, and no others.
    ///
    /// # Panics
    /// When a slice is too short for the grids.
    pub fn run(&self, out: &mut [MaybeUninit<f32>]) {
        let most = |axis: usize| self.parts.iter().map(|part| part.grid[axis]).max().unwrap_or(0);
        let [depth, height, width] = [0, 1, 2].map(most);
        if self.images * self.outputs * depth * height * width == 0 {
            return;
        }
        // What a band reads: behind its own rows as many as its kernel reaches.
        let reach = |axis: usize| {
            let taps = self.parts.iter().flat_map(|part| &part.taps);
            taps.map(|tap| tap[axis] / self.spread.lattice.step[axis]).max().unwrap_or(0)
        };
        // Bands of about one height.
        let row = self.spread.lattice.dims[2];
        let bands = simd::run(Bands { of: self, rows: height, reach: reach(1) });
        let dims = [1 + reach(0), height.div_ceil(bands) + reach(1), row];
        let lattice = Lattice { dims, ..self.spread.lattice }.spaced();
        let spread = Spread { lattice, ..self.spread };
        let offsets = |part: &Part| Offsets::new(self.inputs, &lattice, &part.taps);
        let offsets: Vec<Offsets> = self.parts.iter().map(offsets).collect();
        // What sums start from that are written where they belong at once.
        let starts = if self.is_direct() { simd::run(Starts(self)) } else { Vec::new() };
        let shared = Shared::new(out, self.size.iter().product());
        team::each(self.images * depth * bands, |task| {
            let (image, z, band) = (task / bands / depth, task / bands % depth, task % bands);
            let rows = [band * height / bands, (band + 1) * height / bands];
            let (offsets, starts) = (&offsets[..], &starts[..]);
            simd::run(Band { of: self, spread, offsets, starts, image, z, rows, out: shared });
        });
    }

    /// Whether the positions of a band follow each other in the output as they do among its sums, which are complete at
    /// once: they need not be kept.
    fn is_direct(&self) -> bool {
        let [part] = self.parts else { return false };
        let whole = part.grid[2] == self.size[2] && part.start[2] == 0 && self.step == [1; 3];
        let short = (1..=DEPTH).contains(&(self.inputs * part.taps.len()));
        whole && short && self.outputs > GROUP
    }
}

/// The bias of each output, two vectors of it.
struct Starts<'a>(&'a Correlation<'a>);

impl Kernel for Starts<'_> {
    type Output = Vec<f32>;

    #[inline(always)]
    fn run<S: Simd>(self, _simd: S) -> Vec<f32> {
        let bias = |output| self.0.bias.map_or(0.0, |bias| bias[output]);
        (0..self.0.outputs * 2 * S::LANES).map(|at| bias(at / 2 / S::LANES)).collect()
    }
}

/// How many bands the rows of the grids are made in: about [`SPAN`] places each, or some more where fewer vectors are
/// left partly empty then.
struct Bands<'a> {
    of: &'a Correlation<'a>,
    rows: usize,
    /// Rows that a band reads behind its own.
    reach: usize,
}

impl Kernel for Bands<'_> {
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd>(self, _simd: S) -> usize {
        let Correlation { outputs, parts, ref spread, .. } = *self.of;
        let row = spread.lattice.dims[2];
        let least = self.rows.div_ceil((SPAN / row.max(1)).max(1));
        if outputs <= GROUP {
            return least;
        }
        let read: usize = spread.lattice.step.iter().product::<usize>() * row * READ;
        // Of an input channel, in multiply-adds.
        let cost = |bands: usize| -> usize {
            let of_band = |high: usize| {
                let made = |part: &Part| {
                    let places = (high * part.grid[2]).next_multiple_of(S::LANES);
                    places * part.taps.len() * outputs
                };
                parts.iter().map(made).sum::<usize>() + (high + self.reach) * read
            };
            let (high, higher) = (self.rows / bands, self.rows % bands);
            higher * of_band(high + 1) + (bands - higher) * of_band(high)
        };
        (least..=(2 * least).min(self.rows)).min_by_key(|&bands| cost(bands)).unwrap_or(least)
    }
}

/// Some rows of the grids.
struct Band<'a> {
    of: &'a Correlation<'a>,
    /// What is read, from the first row on.
    spread: Spread,
    /// Of each part.
    offsets: &'a [Offsets],
    /// Of a convolution that is [direct](Correlation::is_direct).
    starts: &'a [f32],
    image: usize,
    z: usize,
    rows: [usize; 2],
    out: Shared<'a, MaybeUninit<f32>>,
}

/// The sum with the bias, and its SiLU.
#[derive(Clone, Copy)]
pub(super) struct Finish {
    pub bias: f32,
    pub silu: bool,
}

impl Lanes<0> for Finish {
    #[inline(always)]
    fn of<S: Simd>(self, simd: S, x: S::V, []: [S::V; 0]) -> S::V {
        let x = simd.add(x, simd.splat(self.bias));
        if self.silu { simd.mul(x, simd.sigmoid(x)) } else { x }
    }
}

impl Kernel for Band<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let (Correlation { parts, outputs, step, .. }, lattice) = (self.of, &self.spread.lattice);
        let values = self.of.inputs * lattice.channel() + SLACK;
        let [values, row] = [values, self.spread.row()].map(|len| len.next_multiple_of(LINE));
        // What several groups of outputs read is brought together for them, from shifted places that most
        // vectors lie across the lines of, to whole lines.
        let panel = if *outputs > GROUP { (DEPTH + 1) * 2 * S::LANES } else { 0 };
        let height = self.rows[1] - self.rows[0];
        // An odd number of lines between the sums of two outputs, so that they lie in different places of
        // the first-level cache.
        let longest = LINE * ((height * (lattice.dims[2] + S::LANES)).div_ceil(LINE) | 1);
        let sums = if self.starts.is_empty() { step[2] * longest } else { 2 * S::LANES };
        let mut memory = Scratch::take(values + row + panel + outputs * sums);
        let (from, rest) = memory.values().split_at_mut(values);
        let (row, rest) = rest.split_at_mut(row);
        let (panel, sums) = rest.split_at_mut(panel);
        // Lanes behind the last position are multiplied too, and denormal numbers are slow.
        panel.fill(0.0);
        self.read(simd, row, from);
        if !self.starts.is_empty() {
            self.direct(simd, from, panel, sums);
            return;
        }
        // Parts whose places take turns in a row of the output.
        for (parts, offsets) in parts.chunks(step[2]).zip(self.offsets.chunks(step[2])) {
            let [depth, height, _] = parts[0].grid;
            let rows = self.rows[0]..self.rows[1].min(height);
            if rows.is_empty() || self.z >= depth {
                continue;
            }
            let (size, last) = (outputs * longest, parts.len() - 1);
            let mut done = 0;
            for (number, (part, offsets)) in parts.iter().zip(offsets).enumerate() {
                let columns = self.columns(simd, part, rows.len());
                let inner = offsets.each.len();
                // A part of the weights at a time, which stays near for all positions.
                let deep = if panel.is_empty() { inner.max(1) } else { DEPTH };
                for first in (0..inner.max(1)).step_by(deep) {
                    let taken = first..inner.min(first + deep);
                    for column in (0..columns.vectors).step_by(columns.step.max(1)) {
                        // What is complete is written at once: memory takes it while the next sums are made.
                        let complete = columns.rows_within((column + columns.step) * S::LANES);
                        let complete = complete.min(rows.len());
                        let finishes = number == last && taken.end == inner && done < complete;
                        if finishes {
                            self.fetch(simd, parts, rows.clone(), done..complete);
                        }
                        let to = &mut sums[number * size..][..size];
                        let reads = (&from[..], offsets, taken.clone());
                        let weights = (&part.weights, *outputs);
                        add(simd, weights, reads, panel, columns, column, (to, longest));
                        if finishes {
                            self.finish(simd, parts, rows.clone(), done..complete, (sums, longest));
                            done = complete;
                        }
                    }
                }
            }
            if done < rows.len() {
                self.finish(simd, parts, rows.clone(), done..rows.len(), (sums, longest));
            }
        }
    }
}

impl Band<'_> {
    /// Spreads what the band reads of all channels.
    #[inline(always)]
    fn read<S: Simd>(&self, simd: S, row: &mut [f32], to: &mut [f32]) {
        let Self { of, spread, .. } = self;
        let step = spread.lattice.step;
        let origin = [self.z * step[0], self.rows[0] * step[1]];
        let (volume, channel) = (spread.stored.iter().product::<usize>(), spread.lattice.channel());
        for (i, to) in to.chunks_exact_mut(channel).enumerate().take(of.inputs) {
            let from = &of.x[(self.image * of.inputs + i) * volume..][..volume];
            // The next channel's rows lie too far away to come by themselves.
            spread.fetch(simd, from.as_ptr().wrapping_add(volume), origin);
            // SAFETY: what is spread are values of the image and zeros.
            spread.window(simd, from, origin, row, unsafe { as_memory(to) });
        }
    }

    /// All sums of a [direct](Correlation::is_direct) convolution, written where they belong; `rest` is room for two vectors
    /// of each output.
    #[inline(always)]
    fn direct<S: Simd>(&self, simd: S, from: &[f32], panel: &mut [f32], rest: &mut [f32]) {
        let Self { of: Correlation { parts, outputs, .. }, starts, out, .. } = self;
        let ([part], [offsets]) = (parts, self.offsets) else { unreachable!("one part") };
        let (columns, wide) = (self.columns(simd, part, self.rows[1] - self.rows[0]), 2 * S::LANES);
        let (place, first) = (self.place(parts)(self.rows[0]), self.image * outputs);
        let rest = &mut rest[..outputs * wide];
        for column in (0..columns.vectors).step_by(2) {
            let at = column * S::LANES;
            let across = columns.step.min(columns.vectors - column);
            let count = (across * S::LANES).min(columns.rows * columns.width - at);
            for output in 0..*outputs {
                let line: *const f32 = out.address(first + output, place + at).cast();
                (0..=count).step_by(LINE).for_each(|at| simd.fetch(line.wrapping_add(at)));
            }
            let taken = 0..offsets.each.len();
            columns.bring(simd, (from, offsets, taken.clone()), panel, column);
            let whole = count == across * S::LANES;
            let to = if whole {
                let (to, apart) = out.tile(first, place + at, [*outputs, count]);
                (to.cast(), apart)
            } else {
                (rest.as_mut_ptr(), wide)
            };
            let (shape, start) = ([*outputs, across], Some((starts.as_ptr(), wide)));
            // SAFETY: the panel was just filled, and there are two vectors of `starts` and of `rest` for each output; this
            // task alone writes its rows of the output.
            unsafe {
                part.weights.times(simd, shape, taken, panel, to, start);
                if self.of.silu {
                    for output in 0..*outputs {
                        for vector in 0..across {
                            let to = to.0.add(output * to.1 + vector * S::LANES);
                            let x = simd.load(to);
                            simd.store(to, simd.mul(x, simd.sigmoid(x)));
                        }
                    }
                }
            }
            if whole {
                continue;
            }
            for (output, rest) in rest.chunks_exact(wide).enumerate() {
                // SAFETY: as above.
                let to = unsafe { out.piece(first + output, place + at, count) };
                to.write_copy_of_slice(&rest[..count]);
            }
        }
    }

    /// The positions of some rows of a part: one after the other where they are brought together, else with what lies
    /// between the rows.
    #[inline(always)]
    fn columns<S: Simd>(&self, _simd: S, part: &Part, rows: usize) -> Columns {
        let (apart, width) = (self.spread.lattice.dims[2], part.grid[2]);
        let panels = self.of.outputs > GROUP;
        let row = if panels { width } else { apart };
        let all = ((rows - 1) * row + width).div_ceil(S::LANES);
        let vectors = if width > 0 { all } else { 0 };
        Columns { vectors, step: if panels { 2 } else { vectors }, rows, width, row, apart }
    }

    /// Where row `i` of parts lies in an image's output.
    #[inline(always)]
    fn place(&self, parts: &[Part]) -> impl Fn(usize) -> usize + use<> {
        let Correlation { size, step, .. } = *self.of;
        let [first, top, _] = parts[0].start;
        let first = (first + self.z * step[0]) * size[1] + top;
        move |i| (first + i * step[1]) * size[2]
    }

    /// Asks for the lines that [`Band::finish`] will write, one of which would else be waited for at a time.
    #[inline(always)]
    fn fetch<S: Simd>(&self, simd: S, parts: &[Part], band: Range<usize>, rows: Range<usize>) {
        let Self { of, image, out, .. } = self;
        let place = self.place(parts);
        for output in 0..of.outputs {
            for i in rows.clone() {
                let row = out.address(image * of.outputs + output, place(band.start + i));
                let row: *const f32 = row.cast();
                (0..of.size[2]).step_by(LINE).for_each(|at| simd.fetch(row.wrapping_add(at)));
            }
        }
    }

    /// Writes the sums of some of a band's rows of parts where they belong, `len` for each output.
    #[inline(always)]
    fn finish<S: Simd>(
        &self,
        simd: S,
        parts: &[Part],
        band: Range<usize>,
        rows: Range<usize>,
        (sums, len): (&[f32], usize),
    ) {
        let Self { of, image, out, .. } = self;
        let columns: Vec<Columns> =
            parts.iter().map(|part| self.columns(simd, part, band.len())).collect();
        let place = self.place(parts);
        let mut lines = vec![(0, &sums[..0]); parts.len()];
        for output in 0..of.outputs {
            let finish = Finish { bias: of.bias.map_or(0.0, |bias| bias[output]), silu: of.silu };
            for i in rows.clone() {
                // SAFETY: this task alone writes these rows of the grids.
                let to = unsafe {
                    out.piece(image * of.outputs + output, place(band.start + i), of.size[2])
                };
                let line = |number: usize| {
                    let at = (number * of.outputs + output) * len + i * columns[number].row;
                    &sums[at..][..columns[number].width]
                };
                if of.step[2] == 1 {
                    let sums = line(0);
                    let mut to = Target::fresh(&mut to[parts[0].start[2]..][..sums.len()]);
                    to.apply(simd, finish, Some(sums), [], sums.len());
                    continue;
                }
                for (number, part) in parts.iter().enumerate() {
                    lines[number] = (part.start[2], line(number));
                }
                // Gradients, the ones with a step, have neither bias nor activation.
                gather(simd, &lines, of.step[2], to);
            }
        }
    }
}
