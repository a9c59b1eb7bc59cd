//! Places of maps: the largest of four, windows, and what lies between cells.

use super::Array;

/// The largest of each 2×2 places of `x [B, H, W, C]`.
pub fn max_of_four(x: &Array<f64>) -> Vec<f64> {
    let [batch, height, width, channels] = sizes(x);
    let mut out = Vec::new();
    for i in 0..batch * (height / 2) * (width / 2) {
        let (image, row) = (i / (width / 2) / (height / 2), i / (width / 2) % (height / 2));
        let first = (image * height + 2 * row) * width + i % (width / 2) * 2;
        for c in 0..channels {
            let four = [0, 1, width, width + 1].map(|step| x.values[(first + step) * channels + c]);
            out.push(four.into_iter().fold(f64::NEG_INFINITY, f64::max));
        }
    }
    out
}

/// Where each value of windows of `[B, H, W, C]` maps lies in the maps; `None` beyond them.
fn places(
    [batch, height, width, channels]: [usize; 4],
    [high, wide]: [usize; 2],
) -> Vec<Option<usize>> {
    let (down, across) = (height.div_ceil(high), width.div_ceil(wide));
    let mut found = Vec::new();
    for window in 0..batch * down * across {
        let (image, top, left) =
            (window / across / down, window / across % down * high, window % across * wide);
        for (row, column) in (0..high).flat_map(|row| (0..wide).map(move |column| (row, column))) {
            let (row, column) = (top + row, left + column);
            let first = ((image * height + row) * width + column) * channels;
            let inside = row < height && column < width;
            found.extend((0..channels).map(|c| inside.then_some(first + c)));
        }
    }
    found
}

/// The windows of `x [B, H, W, C]`, zero beyond it.
pub fn split(x: &Array<f64>, window: [usize; 2]) -> Vec<f64> {
    let value = |place: Option<usize>| place.map_or(0.0, |place| x.values[place]);
    places(sizes(x), window).into_iter().map(value).collect()
}

/// The maps `[B, H, W, C]` that have these windows.
pub fn merge(x: &Array<f64>, dims: [usize; 4], window: [usize; 2]) -> Vec<f64> {
    let mut out = vec![0.0; dims.iter().product()];
    for (place, x) in places(dims, window).into_iter().zip(&x.values) {
        if let Some(place) = place {
            out[place] = *x;
        }
    }
    out
}

/// `x [..]` with its four axes in another order.
pub fn exchanged(x: &Array<f64>, axes: [usize; 4]) -> Vec<f64> {
    let from: [usize; 4] = sizes(x);
    let to = axes.map(|axis| from[axis]);
    let value = |i: usize| {
        let mut place = [0; 4];
        let mut rest = i;
        for axis in (0..4).rev() {
            place[axes[axis]] = rest % to[axis];
            rest /= to[axis];
        }
        x.values[place.into_iter().zip(from).fold(0, |at, (place, size)| at * size + place)]
    };
    (0..x.values.len()).map(value).collect()
}

/// Deformable attention of `value [B, S, C]` at `locations [B, Q, heads·L·P·2]` with
/// `weights [B, Q, heads·L·P]`: a hat of the width of two cells around each place.
pub fn deformable(
    [value, locations, weights]: [&Array<f64>; 3],
    heads: usize,
    levels: &[[usize; 2]],
) -> Vec<f64> {
    let ([_, cells, channels], queries) = (sizes(value), weights.dims[1]);
    let points = weights.dims[2] / heads / levels.len();
    let hat = |d: f64| (1.0 - d.abs()).max(0.0);
    let mut out = Vec::new();
    for i in 0..weights.dims[0] * queries * channels {
        let (query, channel) = (i / channels, i % channels);
        let head = channel / (channels / heads);
        let (mut sum, mut start) = (0.0, query / queries * cells);
        for (l, &[height, width]) in levels.iter().enumerate() {
            for point in 0..points {
                let at = ((query * heads + head) * levels.len() + l) * points + point;
                let x = locations.values[2 * at] * width as f64 - 0.5;
                let y = locations.values[2 * at + 1] * height as f64 - 0.5;
                for cell in 0..height * width {
                    let (row, column) = ((cell / width) as f64, (cell % width) as f64);
                    let value = value.values[(start + cell) * channels + channel];
                    sum += weights.values[at] * hat(x - column) * hat(y - row) * value;
                }
            }
            start += height * width;
        }
        out.push(sum);
    }
    out
}

fn sizes<const D: usize>(x: &Array<f64>) -> [usize; D] {
    x.dims[..].try_into().unwrap()
}
