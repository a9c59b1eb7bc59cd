//! The values of a row dealt out to as many rows as a convolution's stride, and gathered again.

use std::mem::MaybeUninit;

use crate::simd::Simd;

/// Deals `from` out to `step` rows in turn: value `i` goes to place `(front + i) / step` of row
/// `(front + i) % step`, zeros to all places that are left. Row `n` has `width` places from `n * apart` on.
///
/// # Panics
/// When a row is too short, or `to` has no room for them.
#[inline(always)]
pub(super) fn deal<S: Simd>(
    simd: S,
    from: &[f32],
    front: usize,
    step: usize,
    to: &mut [MaybeUninit<f32>],
    shape: [usize; 2],
) {
    // A step that the compiler knows needs no divisions.
    match step {
        1 => copy(simd, from, front, &mut to[..shape[0]]),
        2 => deal_in_two(simd, from, front, to, shape),
        4 => deal_by(simd, from, front, 4, to, shape),
        step => deal_by(simd, from, front, step, to, shape),
    }
}

/// [`deal`] to one row.
#[inline(always)]
fn copy<S: Simd>(simd: S, from: &[f32], front: usize, to: &mut [MaybeUninit<f32>]) {
    let len = from.len();
    if len == 0 {
        to.fill(MaybeUninit::new(0.0));
        return;
    }
    zeros_around(to, front, len);
    let to = &mut to[front..front + len];
    if len < S::LANES {
        to.write_copy_of_slice(from);
        return;
    }
    let mut at = 0;
    loop {
        let x = simd.read(&from[at..]);
        // SAFETY: room for a vector, as there is one to read.
        unsafe { simd.store(to[at..][..S::LANES].as_mut_ptr().cast(), x) };
        if at + S::LANES == len {
            return;
        }
        // The last vector may lie over the one before, with the same values.
        at = (at + S::LANES).min(len - S::LANES);
    }
}

/// [`deal`] to two rows, by far the most frequent: the values with even numbers to one, the others to the other.
#[inline(always)]
fn deal_in_two<S: Simd>(
    simd: S,
    from: &[f32],
    front: usize,
    to: &mut [MaybeUninit<f32>],
    [width, apart]: [usize; 2],
) {
    assert!(apart >= width, "rows of {width} values, {apart} apart");
    let (first, second) = to[..apart + width].split_at_mut(apart);
    let (even, odd) = if front.is_multiple_of(2) { (first, second) } else { (second, first) };
    let (even, odd) = (&mut even[..width], &mut odd[..width]);
    let pairs = from.len() / 2;
    let [at_even, at_odd] = [front / 2, front.div_ceil(2)];
    zeros_around(even, at_even, from.len() - pairs);
    zeros_around(odd, at_odd, pairs);
    let (even, odd) = (&mut even[at_even..], &mut odd[at_odd..]);
    if pairs < S::LANES {
        for (i, &x) in from.iter().enumerate() {
            let to = if i % 2 == 0 { &mut *even } else { &mut *odd };
            to[i / 2].write(x);
        }
        return;
    }
    let mut at = 0;
    loop {
        let read = |i: usize| simd.read(&from[2 * at + i..]);
        let [evens, odds] = simd.unzip(read(0), read(S::LANES));
        for (to, x) in [(&mut *even, evens), (&mut *odd, odds)] {
            let to = &mut to[at..][..S::LANES];
            // SAFETY: room for a vector.
            unsafe { simd.store(to.as_mut_ptr().cast(), x) };
        }
        if at + S::LANES == pairs {
            break;
        }
        // The last vectors may lie over those before, with the same values.
        at = (at + S::LANES).min(pairs - S::LANES);
    }
    if let [.., last] = from[2 * pairs..] {
        even[pairs].write(last);
    }
}

/// Zeros before place `at` of a row and from `count` places behind it on. There are seldom more than a few.
#[inline(always)]
fn zeros_around(row: &mut [MaybeUninit<f32>], at: usize, count: usize) {
    let (front, rest) = row.split_at_mut(at);
    for to in front.iter_mut().chain(&mut rest[count..]) {
        to.write(0.0);
    }
}

#[inline(always)]
fn deal_by<S: Simd>(
    simd: S,
    from: &[f32],
    front: usize,
    step: usize,
    to: &mut [MaybeUninit<f32>],
    [width, apart]: [usize; 2],
) {
    for phase in 0..step {
        let to = &mut to[phase * apart..][..width];
        let first = front.saturating_sub(phase).div_ceil(step).min(width);
        let end = (front + from.len()).saturating_sub(phase).div_ceil(step).max(first);
        to[..first].fill(MaybeUninit::new(0.0));
        to[end..].fill(MaybeUninit::new(0.0));
    }
    // Whole turns, and what is before and behind them.
    let lead = ((step - front % step) % step).min(from.len());
    let turns = (from.len() - lead) / step;
    let with_vectors = step == 4 && turns >= S::LANES;
    let behind = if with_vectors { lead + turns * step } else { lead };
    let mut put = |i: usize| {
        to[(front + i) % step * apart + (front + i) / step].write(from[i]);
    };
    (0..lead).for_each(&mut put);
    (behind..from.len()).for_each(&mut put);
    if !with_vectors {
        return;
    }
    let place = (front + lead) / step;
    let mut at = 0;
    loop {
        let read = |i: usize| simd.read(&from[lead + at * step + i * S::LANES..]);
        let mut store = |phase: usize, x: S::V| {
            let to = &mut to[phase * apart + place + at..][..S::LANES];
            // SAFETY: room for a vector.
            unsafe { simd.store(to.as_mut_ptr().cast(), x) };
        };
        let [even, odd] = simd.unzip(read(0), read(1));
        let [even_on, odd_on] = simd.unzip(read(2), read(3));
        let ([a, c], [b, d]) = (simd.unzip(even, even_on), simd.unzip(odd, odd_on));
        store(0, a);
        store(1, b);
        store(2, c);
        store(3, d);
        if at + S::LANES == turns {
            return;
        }
        // The last vectors may lie over those before, with the same values.
        at = (at + S::LANES).min(turns - S::LANES);
    }
}

/// Puts the values of rows in turn into `to`: value `i` of a row to place `start + i * step`.
///
/// # Panics
/// When a value has no place.
#[inline(always)]
pub(super) fn gather<S: Simd>(
    simd: S,
    rows: &[(usize, &[f32])],
    step: usize,
    to: &mut [MaybeUninit<f32>],
) {
    let mut done = 0;
    if let (2, [(0, a), (1, b)] | [(1, b), (0, a)]) = (step, rows) {
        let len = a.len().min(b.len());
        assert!(to.len() >= 2 * len, "places for {len} values of two rows");
        while done + S::LANES <= len {
            let pair = simd.zip(simd.read(&a[done..]), simd.read(&b[done..]));
            for (x, to) in pair.into_iter().zip(to[2 * done..].chunks_exact_mut(S::LANES)) {
                // SAFETY: room for a vector.
                unsafe { simd.store(to.as_mut_ptr().cast(), x) };
            }
            done += S::LANES;
        }
    }
    for (start, row) in rows {
        for (i, &x) in row.iter().enumerate().skip(done) {
            to[start + i * step].write(x);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{self, Kernel};

    struct There {
        len: usize,
        front: usize,
        step: usize,
    }

    impl Kernel for There {
        type Output = ();

        #[inline(always)]
        fn run<S: Simd>(self, simd: S) {
            let Self { len, front, step } = self;
            let from: Vec<f32> = (0..len).map(|i| i as f32 + 1.0).collect();
            let width = (front + len).div_ceil(step) + 1;
            let mut rows = vec![MaybeUninit::new(-1.0); step * (width + 3)];
            deal(simd, &from, front, step, &mut rows, [width, width + 3]);
            // SAFETY: all were given a value.
            let rows: Vec<f32> = rows.into_iter().map(|x| unsafe { x.assume_init() }).collect();
            let value = |i: usize| i.checked_sub(front).and_then(|i| from.get(i).copied());
            for (phase, row) in rows.chunks(width + 3).enumerate() {
                for (place, &found) in row.iter().enumerate() {
                    let expected = value(place * step + phase).unwrap_or(0.0);
                    let expected = if place < width { expected } else { -1.0 };
                    assert_eq!(found, expected, "place {place} of row {phase}");
                }
            }
            let mut back = vec![MaybeUninit::new(-1.0); step * width];
            let rows: Vec<(usize, &[f32])> =
                rows.chunks(width + 3).map(|row| &row[..width]).enumerate().rev().collect();
            gather(simd, &rows, step, &mut back);
            for (i, x) in back.into_iter().enumerate() {
                // SAFETY: all were given a value.
                assert_eq!(unsafe { x.assume_init() }, value(i).unwrap_or(0.0), "value {i}");
            }
        }
    }

    #[test]
    fn rows_are_dealt_out_and_gathered() {
        for step in 1..6 {
            for front in 0..7 {
                for len in (0..40).chain([63, 64, 65, 127, 128, 131, 255]) {
                    simd::run(There { len, front, step });
                }
            }
        }
    }
}
