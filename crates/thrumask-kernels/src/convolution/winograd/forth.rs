//! Inputs, or gradients of outputs, at the points, one channel at a time.

use std::marker::PhantomData;
use std::mem::MaybeUninit;
use std::ops::Range;

use super::rules::{Adjoint, OUT, POINTS, Rule};
use super::tiles::{Run, Tiling, count};
use super::windows::{Reads, Window};
use crate::aligned::Aligned;
use crate::host::{LINE, Scratch, Shared};
use crate::simd::{self, Kernel, Simd};
use crate::team;

/// What values along an axis are brought to the points by.
pub(super) trait Transform {
    /// Values that it reads, and points that it gives.
    const READS: usize;
    const POINTS: usize;
    /// Of the first `READS` values, whatever the others are; the first `POINTS` count.
    fn of<S: Simd>(s: S, d: [S::V; POINTS]) -> [S::V; POINTS];
}

/// The parts of what tiles read along an axis.
pub(super) trait Parts: Send + Sync {
    const COUNT: usize;
    type First: Transform;
    type Second: Transform;
}

/// The inputs of tiles.
pub(super) struct Inputs<R>(PhantomData<R>);

/// The gradients of the outputs of tiles.
pub(super) struct Gradients<R>(PhantomData<R>);

/// [`Rule::forth`] of a part.
pub(super) struct Input<R, const PART: usize>(PhantomData<R>);

/// [`Adjoint::back_forth`]
pub(super) struct Gradient<R>(PhantomData<R>);

impl<R: Rule> Parts for Inputs<R> {
    const COUNT: usize = R::STRIDE;
    type First = Input<R, 0>;
    type Second = Input<R, 1>;
}

impl<R: Adjoint> Parts for Gradients<R> {
    const COUNT: usize = 1;
    type First = Gradient<R>;
    type Second = Gradient<R>;
}

impl<R: Rule, const PART: usize> Transform for Input<R, PART> {
    const READS: usize = R::POINTS - PART;
    const POINTS: usize = R::POINTS - PART;

    #[inline(always)]
    fn of<S: Simd>(s: S, d: [S::V; POINTS]) -> [S::V; POINTS] {
        R::forth(s, d)
    }
}

impl<R: Adjoint> Transform for Gradient<R> {
    const READS: usize = R::OUT;
    const POINTS: usize = R::POINTS;

    #[inline(always)]
    fn of<S: Simd>(s: S, d: [S::V; POINTS]) -> [S::V; POINTS] {
        let mut y = [s.splat(0.0); OUT];
        y.copy_from_slice(&d[..OUT]);
        R::back_forth(s, y)
    }
}

/// All channels of a pass at the points: `to[matrix, channel, stride]`, of which a pass fills as many columns as it has
/// tiles. Behind them are values too.
pub(super) fn forth<P: Parts>(
    tiling: &Tiling,
    runs: &[Run],
    reads: &Reads,
    (from, channels): (&[f32], usize),
    to: &mut Aligned,
    stride: usize,
) {
    let windows = Window::all(tiling, runs, reads);
    let len = channels * stride * reads.parts.iter().map(|part| part.matrices.len()).sum::<usize>();
    let fresh = to.len() < len;
    // SAFETY: tasks write values, and of fresh memory every one: those of the tiles, and what is behind them.
    unsafe {
        let memory = Shared::new(to.memory(len), stride);
        team::each(channels, |channel| {
            simd::run(Forth {
                by: PhantomData::<P>,
                from,
                channels,
                channel,
                runs,
                reads,
                windows: &windows,
                plane: tiling.plane,
                behind: if fresh { count(runs)..stride } else { 0..0 },
                to: memory,
            });
        });
        to.fill(len);
    }
}

/// One channel of a pass.
struct Forth<'a, P> {
    by: PhantomData<P>,
    /// Volumes `[images, channels, D, H, W]`, and their channels.
    from: &'a [f32],
    channels: usize,
    channel: usize,
    runs: &'a [Run],
    reads: &'a Reads,
    /// Over frames there are none.
    windows: &'a [Window],
    plane: bool,
    /// Columns to be filled besides those of the tiles.
    behind: Range<usize>,
    to: Shared<'a, MaybeUninit<f32>>,
}

impl<P: Parts> Kernel for Forth<'_, P> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        for matrix in self.reads.parts.iter().flat_map(|part| &part.matrices) {
            let row = matrix * self.channels + self.channel;
            // SAFETY: this task alone has its channel.
            let behind = unsafe { self.to.piece(row, self.behind.start, self.behind.len()) };
            behind.fill(MaybeUninit::new(0.0));
        }
        if self.windows.is_empty() {
            return self.frames(s);
        }
        let mut most = [0; 2];
        for Window { planes, .. } in self.windows {
            most = [most[0].max(planes.len()), most[1].max(planes.room())];
        }
        let values = most[0].next_multiple_of(LINE);
        let mut memory = Scratch::take(values + most[1]);
        let (values, room) = memory.values().split_at_mut(values);
        for (run, window) in self.runs.iter().zip(self.windows) {
            window.planes.deal(s, self.volume(run.image), values, room);
            if !self.plane {
                self.line::<S, P::First>(s, values, run, window);
                continue;
            }
            self.tiles::<S, P::First, P::First>(s, values, run, window, 0);
            if P::COUNT > 1 {
                self.tiles::<S, P::First, P::Second>(s, values, run, window, 1);
                self.tiles::<S, P::Second, P::First>(s, values, run, window, 2);
                self.tiles::<S, P::Second, P::Second>(s, values, run, window, 3);
            }
        }
    }
}

impl<P: Parts> Forth<'_, P> {
    /// The channel of an image.
    fn volume(&self, image: usize) -> &[f32] {
        let volume = self.reads.stored.iter().product::<usize>();
        &self.from[(image * self.channels + self.channel) * volume..][..volume]
    }

    /// Where the values of some tiles at a matrix go.
    ///
    /// # Safety
    /// This task alone writes the rows of its channel.
    #[inline(always)]
    unsafe fn put<S: Simd>(&self, s: S, matrix: usize, at: usize, value: S::V) {
        // SAFETY: promised by the caller; there is room for a vector behind the last tile.
        unsafe {
            let to = self.to.piece(matrix * self.channels + self.channel, at, S::LANES);
            s.store(to.as_mut_ptr().cast(), value);
        }
    }

    /// Tiles over rows and columns, a part of them.
    #[inline(always)]
    fn tiles<S: Simd, Y: Transform, X: Transform>(
        &self,
        s: S,
        values: &[f32],
        run: &Run,
        window: &Window,
        part: usize,
    ) {
        let (places, matrices) = (&window.places[part][..], &self.reads.parts[part].matrices[..]);
        assert!(places.len() == Y::READS * X::READS && matrices.len() == Y::POINTS * X::POINTS);
        let reach = places.iter().max().copied().unwrap_or(0);
        for at in (0..run.len).step_by(S::LANES) {
            let from = &values[at..][..reach + S::LANES];
            let mut rows = [[s.splat(0.0); POINTS]; POINTS];
            for (y, row) in rows.iter_mut().enumerate().take(Y::READS) {
                let mut d = [s.splat(0.0); POINTS];
                for (x, d) in d.iter_mut().enumerate().take(X::READS) {
                    // SAFETY: as many places as reads, none further than `reach`.
                    *d = unsafe {
                        s.load(from.as_ptr().add(*places.get_unchecked(y * X::READS + x)))
                    };
                }
                *row = X::of(s, d);
            }
            for x in 0..X::POINTS {
                let mut d = [s.splat(0.0); POINTS];
                for (d, row) in d.iter_mut().zip(&rows) {
                    *d = row[x];
                }
                for (y, value) in Y::of(s, d).into_iter().enumerate().take(Y::POINTS) {
                    // SAFETY: as many matrices as points; this task alone has its channel.
                    unsafe {
                        let matrix = *matrices.get_unchecked(y * X::POINTS + x);
                        self.put(s, matrix, run.at + at, value);
                    }
                }
            }
        }
    }

    /// Tiles over rows or over columns.
    #[inline(always)]
    fn line<S: Simd, X: Transform>(&self, s: S, values: &[f32], run: &Run, window: &Window) {
        let ([places], [part]) = (&window.places[..], &self.reads.parts[..]) else {
            unreachable!("along a line in steps of one")
        };
        let (places, matrices) = (&places[..], &part.matrices[..]);
        assert!(places.len() == X::READS && matrices.len() == X::POINTS);
        let reach = places.iter().max().copied().unwrap_or(0);
        for at in (0..run.len).step_by(S::LANES) {
            let from = &values[at..][..reach + S::LANES];
            let mut d = [s.splat(0.0); POINTS];
            for (d, place) in d.iter_mut().zip(places) {
                *d = s.read(&from[*place..]);
            }
            for (value, matrix) in X::of(s, d).into_iter().zip(matrices) {
                // SAFETY: this task alone has its channel.
                unsafe { self.put(s, *matrix, run.at + at, value) };
            }
        }
    }

    /// Tiles over frames, whose values lie side by side as they are.
    #[inline(always)]
    fn frames<S: Simd>(&self, s: S) {
        assert!(P::COUNT == 1, "frames in steps of one");
        let [frames, height, width] = self.reads.stored;
        let area = height * width;
        let [part] = &self.reads.parts[..] else { unreachable!("one part") };
        for run in self.runs {
            let volume = self.volume(run.image);
            let first = run.row * self.reads.step[0];
            for at in (0..run.len).step_by(S::LANES) {
                let mut d = [s.splat(0.0); POINTS];
                for (d, z) in d.iter_mut().zip(part.frames()) {
                    let z = (first + z).checked_sub(self.reads.front[0]).filter(|z| *z < frames);
                    if let Some(z) = z {
                        let frame = &volume[z * area..][..area];
                        *d = s.read_at(frame, run.column + at, 0.0);
                    }
                }
                let values = <P::First as Transform>::of(s, d);
                for (value, matrix) in values.into_iter().zip(&part.matrices) {
                    // SAFETY: this task alone has its channel.
                    unsafe { self.put(s, *matrix, run.at + at, value) };
                }
            }
        }
    }
}
