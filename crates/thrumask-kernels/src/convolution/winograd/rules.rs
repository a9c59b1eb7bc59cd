//! Ways along one axis: to the points 0, 1, -1, 2, -2 (or not) and infinity, and back.

use crate::simd::Simd;

/// Most points of a way, and most taps and outputs.
pub(super) const POINTS: usize = 6;
pub(super) const TAPS: usize = 5;
pub(super) const OUT: usize = 4;

/// How the outputs of a tile come of fewer products along an axis. The inputs of a tile in steps are dealt out to parts,
/// one for each rest of their coordinate by the step, whose products are added at the points.
pub(super) trait Rule: Copy + Send + Sync {
    /// Taps of the kernel, and the step that it goes in.
    const TAPS: usize;
    const STRIDE: usize;
    /// Outputs of a tile.
    const OUT: usize;
    /// Points of the first part, of which the next has the last one less; as many are the inputs that a part reads.
    const POINTS: usize;

    /// The taps that the inputs of a part meet, at the points.
    fn bring<S: Simd>(s: S, part: usize, taps: [S::V; TAPS]) -> [S::V; POINTS];
    /// Inputs at the points.
    fn forth<S: Simd>(s: S, d: [S::V; POINTS]) -> [S::V; POINTS];
    /// Outputs from the values at the points.
    fn back<S: Simd>(s: S, m: [S::V; POINTS]) -> [S::V; OUT];
}

/// The ways that gradients take, of a rule in steps of one.
pub(super) trait Adjoint: Rule {
    /// The gradient of the taps from that of their values at the points: the adjoint of [`bring`](Rule::bring).
    fn bring_back(u: [f32; POINTS]) -> [f32; TAPS];
    /// The gradient of the values at the points from that of the outputs: the adjoint of [`back`](Rule::back).
    fn back_forth<S: Simd>(s: S, y: [S::V; OUT]) -> [S::V; POINTS];
}

/// Three taps: four outputs from six products instead of twelve, Winograd's F(4, 3).
#[derive(Clone, Copy)]
pub(super) struct Three;

/// Five taps: two outputs from six products instead of ten, Winograd's F(2, 5).
#[derive(Clone, Copy)]
pub(super) struct Five;

/// Three taps in steps of two: four outputs from nine products instead of twelve. The inputs with even coordinates meet
/// the first and the last tap, those between them the other: Winograd's F(4, 2) at five points, and at four of them.
#[derive(Clone, Copy)]
pub(super) struct Halves;

/// Six inputs at 0, 1, -1, 2, -2 and infinity.
#[inline(always)]
fn forth_six<S: Simd>(s: S, d: [S::V; POINTS]) -> [S::V; POINTS] {
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

/// Taps at these points: the first and the last, and the sums of those with even and with odd numbers as they are
/// weighted at 1 and at 2.
#[inline(always)]
fn at_six<S: Simd>(
    s: S,
    [first, last]: [S::V; 2],
    [even, odd]: [S::V; 2],
    [far, double]: [S::V; 2],
) -> [S::V; POINTS] {
    let [quarter, sixth, part] = [0.25, -1.0 / 6.0, 1.0 / 24.0].map(|x| s.splat(x));
    [
        s.mul(quarter, first),
        s.mul(sixth, s.add(even, odd)),
        s.mul(sixth, s.sub(even, odd)),
        s.mul(part, s.add(far, double)),
        s.mul(part, s.sub(far, double)),
        last,
    ]
}

/// The adjoint of [`at_six`] without the last tap: that of the first, then of each sum.
fn back_from_six(u: [f32; POINTS]) -> [f32; 5] {
    let (near, side) = (u[1] + u[2], u[1] - u[2]);
    let (far, step) = (u[3] + u[4], u[3] - u[4]);
    [0.25 * u[0], -near / 6.0, -side / 6.0, far / 24.0, step / 24.0]
}

impl Rule for Three {
    const TAPS: usize = 3;
    const STRIDE: usize = 1;
    const OUT: usize = 4;
    const POINTS: usize = 6;

    #[inline(always)]
    fn bring<S: Simd>(s: S, _part: usize, [a, b, c, ..]: [S::V; TAPS]) -> [S::V; POINTS] {
        let (far, double) = (s.fma(s.splat(4.0), c, a), s.add(b, b));
        at_six(s, [a, c], [s.add(a, c), b], [far, double])
    }

    #[inline(always)]
    fn forth<S: Simd>(s: S, d: [S::V; POINTS]) -> [S::V; POINTS] {
        forth_six(s, d)
    }

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
}

impl Adjoint for Three {
    fn bring_back(u: [f32; POINTS]) -> [f32; TAPS] {
        let [first, even, odd, far, double] = back_from_six(u);
        [first + even + far, odd + 2.0 * double, even + 4.0 * far + u[5], 0.0, 0.0]
    }

    #[inline(always)]
    fn back_forth<S: Simd>(s: S, y: [S::V; OUT]) -> [S::V; POINTS] {
        let [two, four, eight] = [2.0, 4.0, 8.0].map(|x| s.splat(x));
        let (even, odd) = (s.add(y[0], y[2]), s.add(y[1], y[3]));
        let (far, step) = (s.fma(four, y[2], y[0]), s.fma(eight, y[3], s.mul(two, y[1])));
        [y[0], s.add(even, odd), s.sub(even, odd), s.add(far, step), s.sub(far, step), y[3]]
    }
}

impl Rule for Five {
    const TAPS: usize = 5;
    const STRIDE: usize = 1;
    const OUT: usize = 2;
    const POINTS: usize = 6;

    #[inline(always)]
    fn bring<S: Simd>(s: S, _part: usize, [a, b, c, d, e]: [S::V; TAPS]) -> [S::V; POINTS] {
        let four = s.splat(4.0);
        let (even, odd) = (s.add(a, s.add(c, e)), s.add(b, d));
        let far = s.fma(four, s.fma(four, e, c), a);
        let double = s.mul(s.splat(2.0), s.fma(four, d, b));
        at_six(s, [a, e], [even, odd], [far, double])
    }

    #[inline(always)]
    fn forth<S: Simd>(s: S, d: [S::V; POINTS]) -> [S::V; POINTS] {
        forth_six(s, d)
    }

    #[inline(always)]
    fn back<S: Simd>(s: S, m: [S::V; POINTS]) -> [S::V; OUT] {
        let sums = s.add(s.add(m[1], m[2]), s.add(m[3], m[4]));
        let step = s.sub(m[3], m[4]);
        let second = s.fma(s.splat(2.0), step, s.sub(m[1], m[2]));
        [s.add(m[0], sums), s.add(m[5], second), s.splat(0.0), s.splat(0.0)]
    }
}

impl Adjoint for Five {
    fn bring_back(u: [f32; POINTS]) -> [f32; TAPS] {
        let [first, even, odd, far, double] = back_from_six(u);
        [
            first + even + far,
            odd + 2.0 * double,
            even + 4.0 * far,
            odd + 8.0 * double,
            even + 16.0 * far + u[5],
        ]
    }

    #[inline(always)]
    fn back_forth<S: Simd>(s: S, [a, b, ..]: [S::V; OUT]) -> [S::V; POINTS] {
        let double = s.add(b, b);
        [a, s.add(a, b), s.sub(a, b), s.add(a, double), s.sub(a, double), b]
    }
}

impl Rule for Halves {
    const TAPS: usize = 3;
    const STRIDE: usize = 2;
    const OUT: usize = 4;
    const POINTS: usize = 5;

    // The points are 0, 1, -1, 2 and infinity, where the single tap of the second part has no value.
    #[inline(always)]
    fn bring<S: Simd>(s: S, part: usize, [a, b, c, ..]: [S::V; TAPS]) -> [S::V; POINTS] {
        let none = s.splat(0.0);
        let (first, second) = if part == 0 { (a, c) } else { (b, none) };
        let [half, sixth] = [0.5, 1.0 / 6.0].map(|x| s.splat(x));
        let zero = s.mul(half, first);
        [
            zero,
            s.fnma(half, second, s.sub(none, zero)),
            s.mul(sixth, s.sub(second, first)),
            s.mul(sixth, s.fma(s.splat(2.0), second, first)),
            second,
            none,
        ]
    }

    #[inline(always)]
    fn forth<S: Simd>(s: S, d: [S::V; POINTS]) -> [S::V; POINTS] {
        let [two, three] = [2.0, 3.0].map(|x| s.splat(x));
        let step = s.sub(d[3], d[1]);
        [
            s.fnma(two, d[2], s.fma(two, d[0], step)),
            s.fnma(two, d[1], s.sub(d[3], d[2])),
            s.fma(two, d[1], s.fnma(three, d[2], d[3])),
            step,
            s.fnma(two, step, s.sub(d[4], d[2])),
            s.splat(0.0),
        ]
    }

    #[inline(always)]
    fn back<S: Simd>(s: S, m: [S::V; POINTS]) -> [S::V; OUT] {
        let (even, odd) = (s.add(m[1], m[2]), s.sub(m[1], m[2]));
        [
            s.add(m[0], s.add(even, m[3])),
            s.fma(s.splat(2.0), m[3], odd),
            s.fma(s.splat(4.0), m[3], even),
            s.add(m[4], s.fma(s.splat(8.0), m[3], odd)),
        ]
    }
}
