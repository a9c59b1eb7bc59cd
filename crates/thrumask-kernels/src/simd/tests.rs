//! Every operation of every instruction set that this processor has, against plain numbers.

use super::basic::{Dot, MulAdd};
use super::native::Call;
use super::*;

/// Runs a kernel with each instruction set that there is.
fn each(kernel: impl Kernel<Output = ()> + Copy) {
    kernel.run(Portable);
    #[cfg(target_arch = "x86_64")]
    {
        use pulp::x86::{V3, V3_128b, V4};
        if let Some(set) = V3::try_new() {
            set.vectorize(Call(kernel, set));
            set.vectorize(Call(kernel, V3_128b(set)));
        }
        if let Some(set) = V4::try_new() {
            set.vectorize(Call(kernel, set));
        }
    }
    #[cfg(target_arch = "aarch64")]
    if let Some(set) = pulp::aarch64::Neon::try_new() {
        set.vectorize(Call(kernel, set));
    }
}

/// Values of all kinds but NaN: ends, zeros, whole and broken ones.
fn values() -> Vec<f32> {
    let mut values = vec![0.0, -0.0, 1.0, -1.0, 0.5, -2.5, f32::MAX, f32::MIN, f32::MIN_POSITIVE];
    values.extend([f32::INFINITY, f32::NEG_INFINITY, 1e-40, -3e-39]);
    values.extend((0..51).map(|i| (i as f32 * 0.737 - 20.0) * 1.9f32.powi(i % 13 - 6)));
    values
}

/// The lanes of a vector.
fn lanes<S: Simd>(simd: S, x: S::V) -> Vec<f32> {
    let mut lanes = [0.0; 16];
    simd.write(&mut lanes, x);
    lanes[..S::LANES].to_vec()
}

/// Whether two numbers are the same, zeros of both signs and all NaN taken as one.
fn same(a: f32, b: f32) -> bool {
    a == b || a.is_nan() && b.is_nan()
}

#[derive(Clone, Copy)]
struct Arithmetic;

impl Kernel for Arithmetic {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let values = values();
        let turned = |by: usize| -> Vec<f32> {
            (0..values.len() + 16).map(|i| values[(i + by) % values.len()]).collect()
        };
        let a = turned(0);
        for by in 0..values.len() {
            let (b, c) = (turned(by), turned(7 * by + 3));
            for at in (0..values.len()).step_by(S::LANES) {
                let [x, y, z] = [&a, &b, &c].map(|from| simd.read(&from[at..]));
                let check = |name: &str, found: S::V, plain: &dyn Fn(f32, f32, f32) -> [f32; 2]| {
                    for (i, found) in lanes(simd, found).into_iter().enumerate() {
                        let [x, y, z] = [a[at + i], b[at + i], c[at + i]];
                        let expected = plain(x, y, z);
                        let ok = expected.iter().any(|&expected| same(found, expected));
                        assert!(ok, "{name} of {x} {y} {z}: {found} instead of {expected:?}");
                    }
                };
                check("add", simd.add(x, y), &|x, y, _| [x + y; 2]);
                check("sub", simd.sub(x, y), &|x, y, _| [x - y; 2]);
                check("mul", simd.mul(x, y), &|x, y, _| [x * y; 2]);
                check("div", simd.div(x, y), &|x, y, _| [x / y; 2]);
                check("max", simd.max(x, y), &|x, y, _| [if x > y { x } else { y }; 2]);
                check("min", simd.min(x, y), &|x, y, _| [if x < y { x } else { y }; 2]);
                // Rounded once or, portably, twice.
                check("fma", simd.fma(x, y, z), &|x, y, z| [x.mul_add(y, z), x * y + z]);
                check("fnma", simd.fnma(x, y, z), &|x, y, z| [(-x).mul_add(y, z), z - x * y]);
                check("sqrt", simd.sqrt(x), &|x, _, _| [x.sqrt(); 2]);
                check("choose", simd.choose(x, y, z), &|x, y, z| [if x < 0.0 { y } else { z }; 2]);
            }
        }
    }
}

#[test]
fn arithmetic_is_that_of_numbers() {
    each(Arithmetic);
}

#[derive(Clone, Copy)]
struct PastCaches;

impl Kernel for PastCaches {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let values = values();
        for (start, len) in [(0, 64), (0, 48), (0, 33), (1, 32), (16, 16), (8, 8), (3, 5), (0, 0)] {
            let [x, with] = [&values[..len], &values[values.len() - len..]];
            let mut memory = [7.0; 96];
            let line = memory.as_ptr().align_offset(64);
            let to = memory[line + start..].as_mut_ptr();
            // SAFETY: all are valid for `len` values.
            unsafe { places(simd, MulAdd, x.as_ptr(), [with, with], to, len, true) };
            settle();
            let mut expected = [7.0; 96];
            let changed = &mut expected[line + start..][..len];
            changed.copy_from_slice(x);
            change(simd, MulAdd, changed, [with, with]);
            for (found, expected) in memory.iter().zip(&expected) {
                assert!(same(*found, *expected), "{found}, {expected}: {len} from {start} on");
            }
        }
    }
}

#[test]
fn what_is_stored_past_the_caches_is_the_same() {
    each(PastCaches);
}

#[derive(Clone, Copy)]
struct NotANumber;

impl Kernel for NotANumber {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let [nan, two] = [f32::NAN, 2.0].map(|x| simd.splat(x));
        let first = |x: S::V| lanes(simd, x)[0];
        for found in [
            simd.max(two, nan),
            simd.min(two, nan),
            simd.exp(nan),
            simd.exp_below_zero(nan),
            simd.sigmoid(nan),
        ] {
            assert!(first(found).is_nan());
        }
        for found in [simd.max(nan, two), simd.min(nan, two)].map(first) {
            assert!(found.is_nan() || found == 2.0, "{found} of NaN and 2");
        }
        assert_eq!(first(simd.choose(nan, nan, two)), 2.0, "NaN is not below zero");
        assert!(first(simd.scale2(nan, two)).is_nan());
    }
}

#[test]
fn not_a_number_comes_through() {
    each(NotANumber);
}

#[derive(Clone, Copy)]
struct Exponents;

impl Kernel for Exponents {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        for n in -126..=127 {
            let factors = [1.0f32, -1.5, 0.712_345_6, 1.398_765_4, 0.0];
            for a in factors {
                let found = lanes(simd, simd.scale2(simd.splat(a), simd.splat(n as f32)));
                assert_eq!(found, vec![a * 2f32.powi(n); S::LANES], "{a} * 2^{n}");
            }
        }
        for i in 0..=12_500 {
            let x = 2f32.powf(i as f32 * 0.01);
            let found = f64::from(lanes(simd, simd.inverse(simd.splat(x)))[0]);
            assert!((found * f64::from(x) - 1.0).abs() < 1.2e-7, "1 / {x}: {found}");
        }
    }
}

#[derive(Clone, Copy)]
struct Squares;

impl Kernel for Squares {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let mut rows = [simd.splat(-1.0); 16];
        for (i, row) in rows.iter_mut().enumerate().take(S::LANES) {
            *row = simd.read(&std::array::from_fn::<f32, 16, _>(|j| (100 * i + j) as f32));
        }
        simd.turn(&mut rows);
        for (j, row) in rows.into_iter().enumerate().take(S::LANES) {
            let expected: Vec<f32> = (0..S::LANES).map(|i| (100 * i + j) as f32).collect();
            assert_eq!(lanes(simd, row), expected, "column {j}");
        }
    }
}

#[test]
fn squares_are_turned() {
    each(Squares);
}

#[derive(Clone, Copy)]
struct Zips;

impl Kernel for Zips {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let numbers: Vec<f32> = (0..2 * S::LANES).map(|i| i as f32).collect();
        let all = |[a, b]: [S::V; 2]| [lanes(simd, a), lanes(simd, b)].concat();
        let [a, b] = [&numbers[..], &numbers[S::LANES..]].map(|from| simd.read(from));
        let every = |first: usize| numbers.iter().skip(first).step_by(2).copied();
        let sorted: Vec<f32> = every(0).chain(every(1)).collect();
        assert_eq!(all(simd.unzip(a, b)), sorted);
        let [a, b] = [&sorted[..], &sorted[S::LANES..]].map(|from| simd.read(from));
        assert_eq!(all(simd.zip(a, b)), numbers);
    }
}

#[test]
fn vectors_are_zipped() {
    each(Zips);
}

#[test]
fn numbers_are_scaled_and_inverted() {
    each(Exponents);
}

#[derive(Clone, Copy)]
struct Exponentials;

impl Kernel for Exponentials {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        let of = |x: f32| f64::from(lanes(simd, simd.exp(simd.splat(x)))[S::LANES - 1]);
        for i in 0..=17_500 {
            let x = i as f32 * 0.01 - 87.0;
            let expected = f64::from(x).exp();
            assert!((of(x) / expected - 1.0).abs() < 2e-7, "e^{x}: {} for {expected}", of(x));
            let sigmoid = f64::from(lanes(simd, simd.sigmoid(simd.splat(x)))[0]);
            let expected = 1.0 / (1.0 + f64::from(-x.max(-86.0)).exp());
            assert!((sigmoid / expected - 1.0).abs() < 4e-7, "sigmoid of {x}");
        }
        let below = |x: f32| f64::from(lanes(simd, simd.exp_below_zero(simd.splat(x)))[0]);
        for i in 0..=8_800 {
            let x = 1.0 - i as f32 * 0.01;
            let expected = f64::from(x).exp();
            let error = (below(x) / expected - 1.0).abs();
            assert!(
                error < 1.2e-7 * f64::from(1.0 + x.abs()),
                "e^{x}: {} for {expected}",
                below(x)
            );
        }
        for x in [-90.0, -1e30, f32::NEG_INFINITY] {
            assert!((1.1e-38..1.3e-38).contains(&below(x)), "e^{x}: {}", below(x));
        }
        assert_eq!([of(0.0), below(0.0)], [1.0; 2]);
        for x in [-88.0, -1e30, f32::NEG_INFINITY] {
            assert!((of(x) / f64::from(-87.3f32).exp() - 1.0).abs() < 2e-7, "e^{x}: {}", of(x));
        }
        for x in [89.0, 1e30, f32::INFINITY] {
            assert!((of(x) / 88f64.exp() - 1.0).abs() < 2e-7, "e^{x}: {}", of(x));
        }
    }
}

#[test]
fn exponentials_are_exact_to_their_last_bits() {
    each(Exponentials);
}

#[derive(Clone, Copy)]
struct Slices;

impl Kernel for Slices {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, simd: S) {
        assert!(S::LANES.is_power_of_two() && S::LANES <= 16, "{} lanes", S::LANES);
        let x: Vec<f32> = (0..200).map(|i| (i * 37 % 101) as f32 - 50.0).collect();
        let lanes_of = |from: &[f32]| from[..S::LANES].to_vec();
        assert_eq!(simd.sum(simd.read(&x)), lanes_of(&x).iter().sum::<f32>());
        let largest = lanes_of(&x).into_iter().fold(f32::NEG_INFINITY, f32::max);
        assert_eq!(simd.max_lane(simd.read(&x)), largest);
        for len in 0..x.len() / 2 {
            let (x, y) = (&x[..len], &x[len..2 * len]);
            for at in 0..len {
                let end = len.min(at + S::LANES);
                let mut found = lanes(simd, simd.read_at(x, at, 7.0));
                assert!(found.drain(end - at..).all(|fill| fill == 7.0));
                assert_eq!(found, &x[at..end]);
                let (mut to, mut expected) = (y.to_vec(), y.to_vec());
                simd.write_at(&mut to, at, simd.read_at(x, at, 7.0));
                expected[at..end].copy_from_slice(&x[at..end]);
                assert_eq!(to, expected);
            }
            // Whole numbers, so that any order of the sums gives the same.
            let expected: Vec<f32> = x.iter().zip(y).map(|(x, y)| x + x * y).collect();
            let mut to = x.to_vec();
            change(simd, MulAdd, &mut to, [x, y]);
            assert_eq!(to, expected);
            let [dot] = fold(simd, Dot, [0.0], [x, y]);
            assert_eq!(simd.sum(dot), x.iter().zip(y).map(|(x, y)| x * y).sum::<f32>());
        }
    }
}

#[test]
fn slices_of_any_length_are_treated_whole_and_not_further() {
    each(Slices);
}

#[test]
fn the_best_instruction_set_is_chosen() {
    struct Lanes;
    impl Kernel for Lanes {
        type Output = usize;

        #[inline(always)]
        fn run<S: Simd>(self, _simd: S) -> usize {
            S::LANES
        }
    }
    let lanes = run(Lanes);
    let asked = std::env::var("THRUMASK_SIMD").unwrap_or_default();
    #[cfg(target_arch = "x86_64")]
    let best = match (is_x86_feature_detected!("avx512dq"), is_x86_feature_detected!("fma")) {
        (true, _) if asked.is_empty() => 16,
        (_, true) if asked != "portable" => 8,
        _ => 4,
    };
    #[cfg(not(target_arch = "x86_64"))]
    let best = 4;
    assert_eq!(lanes, best, "lanes with THRUMASK_SIMD={asked}");
}
