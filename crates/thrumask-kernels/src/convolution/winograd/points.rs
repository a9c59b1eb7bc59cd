//! The transforms along one axis: to the points 0, 1, -1, 2, -2 and infinity, and back.

use crate::simd::Simd;

/// Outputs of a tile along an axis, and its points.
pub(super) const OUT: usize = 4;
pub(super) const POINTS: usize = 6;

/// Three taps at the points 0, 1, -1, 2, -2 and infinity.
#[inline(always)]
pub(super) fn bring<S: Simd>(s: S, [a, b, c]: [S::V; 3]) -> [S::V; POINTS] {
    let [quarter, sixth, part] = [0.25, -1.0 / 6.0, 1.0 / 24.0].map(|x| s.splat(x));
    let even = s.add(a, c);
    let (far, double) = (s.add(a, s.mul(s.splat(4.0), c)), s.add(b, b));
    [
        s.mul(quarter, a),
        s.mul(sixth, s.add(even, b)),
        s.mul(sixth, s.sub(even, b)),
        s.mul(part, s.add(far, double)),
        s.mul(part, s.sub(far, double)),
        c,
    ]
}

/// Six inputs at the points.
#[inline(always)]
pub(super) fn forth<S: Simd>(s: S, d: [S::V; POINTS]) -> [S::V; POINTS] {
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
pub(super) fn back<S: Simd>(s: S, m: [S::V; POINTS]) -> [S::V; OUT] {
    let (even, odd) = (s.add(m[1], m[2]), s.sub(m[1], m[2]));
    let (far, step) = (s.add(m[3], m[4]), s.sub(m[3], m[4]));
    [
        s.add(m[0], s.add(even, far)),
        s.fma(s.splat(2.0), step, odd),
        s.fma(s.splat(4.0), far, even),
        s.add(m[5], s.fma(s.splat(8.0), step, odd)),
    ]
}

/// The gradient of three taps from that of their values at the points: the adjoint of [`bring`].
pub(super) fn bring_back(u: [f32; POINTS]) -> [f32; 3] {
    let (near, side) = (u[1] + u[2], u[1] - u[2]);
    let (far, step) = (u[3] + u[4], u[3] - u[4]);
    [
        0.25 * u[0] - near / 6.0 + far / 24.0,
        -side / 6.0 + step / 12.0,
        -near / 6.0 + far / 6.0 + u[5],
    ]
}

/// The gradient of the values at the points from that of four outputs: the adjoint of [`back`].
#[inline(always)]
pub(super) fn back_forth<S: Simd>(s: S, y: [S::V; OUT]) -> [S::V; POINTS] {
    let [two, four, eight] = [2.0, 4.0, 8.0].map(|x| s.splat(x));
    let (even, odd) = (s.add(y[0], y[2]), s.add(y[1], y[3]));
    let (far, step) = (s.fma(four, y[2], y[0]), s.fma(eight, y[3], s.mul(two, y[1])));
    [y[0], s.add(even, odd), s.sub(even, odd), s.add(far, step), s.sub(far, step), y[3]]
}
