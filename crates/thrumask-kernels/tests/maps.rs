//! Windows of maps and the largest of neighbours, against their references and their definitions.

// Helpers of tests and examples may unwrap as the tests themselves do.
#![allow(clippy::unwrap_used)]

mod common;

use burn::tensor::{Device, Tensor, TensorData};
use common::*;
use thrumask_kernels::{self as fast, reference};

const MAPS: [[usize; 4]; 5] =
    [[1, 4, 6, 5], [2, 5, 7, 33], [1, 1, 9, 3], [3, 8, 8, 16], [2, 3, 2, 1]];

/// Output and gradient of a function of a map.
fn outcome<const D: usize>(
    dims: [usize; 4],
    seed: u64,
    f: impl Fn(Tensor<4>) -> Tensor<D>,
) -> [Vec<f32>; 2] {
    let x = input(&noise(dims.iter().product(), seed), dims);
    let (out, grads) = backward_of(&f(x.clone()));
    [out, gradient(&x, &grads)]
}

#[test]
fn the_largest_of_four_agrees() {
    for dims in MAPS.into_iter().filter(|dims| dims[1] > 1) {
        let found = outcome(dims, 1, fast::max_of_four);
        assert_eq!(found, outcome(dims, 1, reference::max_of_four), "{dims:?}");
    }
    // Channels of a wider map need no copy.
    let part = |x: Tensor<4>| x.narrow(3, 4, 9);
    let found = outcome([2, 4, 6, 20], 2, |x| fast::max_of_four(part(x)));
    assert_eq!(found, outcome([2, 4, 6, 20], 2, |x| reference::max_of_four(part(x))));
}

#[test]
fn who_wins_is_as_a_search_in_order_finds_it() {
    // Every four of these, in one map of a row of pairs; odd ends beside them.
    let values = [1.0, 2.0, -0.0, 0.0, f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e-45];
    let fours = 8usize.pow(4);
    let four = |n: usize| [n / 512, n / 64 % 8, n / 8 % 8, n % 8].map(|i| values[i]);
    let width = 2 * fours + 1;
    let mut map = vec![7.0; 3 * width];
    for n in 0..fours {
        let at = 2 * n;
        [map[at], map[at + 1], map[width + at], map[width + at + 1]] = four(n);
    }
    // Each value in many channels, so that vectors and what is left of them both see it.
    let channels = 37;
    let wide: Vec<f32> = map.iter().flat_map(|&x| vec![x; channels]).collect();
    let x = input(&wide, [1, 3, width, channels]);
    let grads = fast::max_of_four(x.clone()).sum().backward();
    let found = gradient(&x, &grads);
    for n in 0..fours {
        let four = four(n);
        let won = (1..4).fold(0, |best, i| if four[i] > four[best] { i } else { best });
        for (i, at) in [2 * n, 2 * n + 1, width + 2 * n, width + 2 * n + 1].into_iter().enumerate()
        {
            let expected = f32::from(u8::from(i == won));
            let got = &found[at * channels..][..channels];
            assert!(got.iter().all(|&g| g == expected), "{four:?}: {got:?}");
        }
    }
    let rest = found.chunks_exact(channels).enumerate();
    let rest = rest.filter(|(at, _)| at / width == 2 || at % width == width - 1);
    assert!(rest.into_iter().all(|(_, got)| got.iter().all(|&g| g == 0.0)));
}

#[test]
fn the_first_of_equal_ones_gets_the_gradient() {
    let x = input(&[2.0, 2.0, 2.0, 1.0], [1, 2, 2, 1]);
    let grads = (fast::max_of_four(x.clone()) * 3.0).sum().backward();
    assert_eq!(gradient(&x, &grads), [3.0, 0.0, 0.0, 0.0]);
}

#[test]
fn windows_agree() {
    for dims in MAPS {
        let [_, height, width, _] = dims;
        for window in [[2, 2], [3, 4], [1, 1], [height, width], [7, 3]] {
            let found = outcome(dims, 3, |x| fast::split_windows(x, window));
            let plain = outcome(dims, 3, |x| reference::split_windows(x, window));
            assert_eq!(found, plain, "{dims:?} in {window:?}");
            let there_and_back = |x: Tensor<4>| {
                let windows = fast::split_windows(x, window);
                fast::merge_windows(windows, [height, width], window)
            };
            let [out, _] = outcome(dims, 3, there_and_back);
            assert_eq!(out, noise(out.len(), 3), "{dims:?} in {window:?}");
            let merged = |merge: fn(Tensor<3>, [usize; 2], [usize; 2]) -> Tensor<4>| {
                let windows = fast::split_windows(input(&noise(out.len(), 3), dims), window);
                let x = input(&noise(windows.dims().iter().product(), 4), windows.dims());
                let (out, grads) = backward_of(&merge(x.clone(), [height, width], window));
                [out, gradient(&x, &grads)]
            };
            assert_eq!(merged(fast::merge_windows), merged(reference::merge_windows));
        }
    }
    let part = |x: Tensor<4>| x.narrow(3, 4, 9);
    let found = outcome([2, 5, 6, 20], 2, |x| fast::split_windows(part(x), [2, 4]));
    assert_eq!(found, outcome([2, 5, 6, 20], 2, |x| reference::split_windows(part(x), [2, 4])));
}

#[test]
fn a_window_is_where_it_was() {
    let map = |rows: usize, columns: usize| -> Tensor<4> {
        let values: Vec<f32> = (0..rows * columns).map(|i| i as f32).collect();
        Tensor::from_data(TensorData::new(values, [1, rows, columns, 1]), &Device::flex())
    };
    let windows = values(&fast::split_windows(map(3, 4), [2, 3]));
    assert_eq!(windows[..12], [0.0, 1.0, 2.0, 4.0, 5.0, 6.0, 3.0, 0.0, 0.0, 7.0, 0.0, 0.0]);
    assert_eq!(windows[12..], [8.0, 9.0, 10.0, 0.0, 0.0, 0.0, 11.0, 0.0, 0.0, 0.0, 0.0, 0.0]);
    assert_eq!(values(&fast::max_of_four(map(3, 4))), [5.0, 7.0]);
}

/// What an ordinary copy makes of a view, and what ours does.
fn both<const D: usize>(view: Tensor<D>) -> [Vec<f32>; 2] {
    [values(&view), values(&fast::dense(view))]
}

#[test]
fn views_become_dense() {
    let x = |dims: [usize; 6]| {
        let data = TensorData::new(noise(dims.iter().product(), 7), dims);
        Tensor::<6>::from_data(data, &Device::flex())
    };
    // Patches, few and many of them; long runs; more than a task; views with the last axis elsewhere.
    for dims in
        [[2, 3, 4, 2, 3, 2], [3, 7, 1, 40, 3, 17], [9, 30, 11, 3, 2, 5], [1, 2, 5, 1, 300, 37]]
    {
        for axes in [
            [0, 2, 4, 1, 3, 5],
            [4, 3, 2, 1, 0, 5],
            [0, 1, 3, 2, 4, 5],
            [5, 1, 2, 4, 3, 0],
            [0, 1, 2, 3, 5, 4],
        ] {
            let [plain, ours] = both(x(dims).permute(axes));
            assert!(plain == ours, "{dims:?} as {axes:?}");
            // Of a part, which begins behind others and has gaps.
            let part = x(dims).slice([0..dims[0], dims[1] / 2..dims[1]]).narrow(5, 1, dims[5] - 1);
            let [plain, ours] = both(part.permute(axes));
            assert!(plain == ours, "a part of {dims:?} as {axes:?}");
        }
    }
    // Values that are repeated, and rows that run backwards.
    let [plain, ours] = both(x([1, 1, 5, 1, 3, 4]).expand([2, 3, 5, 7, 3, 4]));
    assert_eq!(plain, ours);
    let [plain, ours] = both(x([2, 3, 4, 2, 3, 2]).flip([2, 4]).permute([0, 2, 4, 1, 3, 5]));
    assert_eq!(plain, ours);
    let [plain, ours] = both(x([2, 0, 4, 2, 3, 2]).permute([0, 2, 4, 1, 3, 5]));
    assert_eq!((plain, ours), (Vec::new(), Vec::new()));
}

#[test]
fn with_fewer_instructions() {
    pass_with_fewer_instructions(&["the_largest_of_four_agrees", "views_become_dense"]);
}
