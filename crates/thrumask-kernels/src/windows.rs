//! Maps in windows of places and back.

use burn::tensor::Tensor;

use crate::bridge::{self, FusedOp};
use crate::host::{Host, Rows, build};
use crate::reference;
use crate::target::Target;

/// The places of each window of a map, row by row; windows at the right and lower ends that reach beyond
/// the map are zero there.
///
/// # Shapes
/// `[B, H, W, C]` with windows of `[h, w]` gives `[B * ⌈H / h⌉ * ⌈W / w⌉, h * w, C]`.
///
/// # Panics
/// When a side of the windows is 0.
pub fn split_windows(x: Tensor<4>, window: [usize; 2]) -> Tensor<3> {
    let [batch, height, width, channels] = x.dims();
    let windows = Windows { batch, size: [height, width], window };
    windows.check();
    if window == windows.size {
        return x.reshape([batch, height * width, channels]);
    }
    if bridge::is_fast(&x) {
        return bridge::apply1(Move { windows, merge: false }, x);
    }
    reference::split_windows(x, window)
}

/// The map of `size` whose windows [`split_windows`] gave; what lies beyond it is dropped.
///
/// # Shapes
/// `[B * ⌈H / h⌉ * ⌈W / w⌉, h * w, C]` gives `[B, H, W, C]`.
///
/// # Panics
/// When the windows are not those of maps of that size.
pub fn merge_windows(x: Tensor<3>, size: [usize; 2], window: [usize; 2]) -> Tensor<4> {
    let [all, places, channels] = x.dims();
    let mut windows = Windows { batch: 0, size, window };
    windows.check();
    let [down, across] = windows.counts();
    assert_eq!(places, window[0] * window[1], "places of a window");
    assert!(all.is_multiple_of((down * across).max(1)), "{all} windows, {down} x {across} a map");
    windows.batch = all / (down * across).max(1);
    if window == size {
        return x.reshape([all, size[0], size[1], channels]);
    }
    if bridge::is_fast(&x) {
        return bridge::apply1(Move { windows, merge: true }, x);
    }
    reference::merge_windows(x, size, window)
}

/// Maps and their windows.
#[derive(Clone, Copy, Debug)]
struct Windows {
    batch: usize,
    /// Rows and columns of a map.
    size: [usize; 2],
    /// Rows and columns of a window.
    window: [usize; 2],
}

/// One of the two directions; each is the other's adjoint.
#[derive(Clone, Copy, Debug)]
struct Move {
    windows: Windows,
    merge: bool,
}

impl FusedOp<1> for Move {
    type Saved = ();
    const KEEPS_INPUT: [bool; 1] = [false];
    const KEEPS_OUTPUT: bool = false;

    fn forward(&self, [x]: [Host; 1]) -> (Host, ()) {
        let moved = if self.merge { self.windows.merge(&x) } else { self.windows.split(&x) };
        (moved, ())
    }

    fn backward(
        &self,
        grad: Host,
        _kept: [Option<Host>; 1],
        _output: Option<Host>,
        _saved: (),
        _wanted: [bool; 1],
    ) -> [Option<Host>; 1] {
        let back = Self { merge: !self.merge, ..*self };
        [Some(back.forward([grad]).0)]
    }
}

impl Windows {
    fn check(&self) {
        assert!(self.window.iter().all(|&side| side > 0), "windows of {:?}", self.window);
    }

    /// Windows down and across.
    fn counts(&self) -> [usize; 2] {
        [0, 1].map(|axis| self.size[axis].div_ceil(self.window[axis]))
    }

    /// A window at a time.
    fn split(&self, x: &Host) -> Host {
        let ([down, across], [high, wide]) = (self.counts(), self.window);
        let ([height, width], x) = (self.size, x.rows());
        let (count, one) = (self.batch * down * across, high * wide * x.width);
        let values = build(count * one, one, |at, out| {
            let window = at / one;
            let (line, column) = (window / across, window % across * wide);
            let top = line % down * high;
            let inside = wide.min(width - column);
            for row in top..(top + high).min(height) {
                let from = (line / down * height + row) * width + column;
                copy(x, from, inside, out);
                if inside < wide {
                    zeros(out, (wide - inside) * x.width);
                }
            }
            out.zeros();
        });
        Host::from_vec(values, &[count, high * wide, x.width])
    }

    /// A row of the map at a time.
    fn merge(&self, x: &Host) -> Host {
        let ([down, across], [high, wide]) = (self.counts(), self.window);
        let ([height, width], x) = (self.size, x.rows());
        let line = width * x.width;
        let values = build(self.batch * height * line, line, |at, out| {
            let (image, row) = (at / line / height, at / line % height);
            let first = (image * down + row / high) * across;
            for i in 0..across {
                let from = ((first + i) * high + row % high) * wide;
                copy(x, from, wide.min(width - i * wide), out);
            }
        });
        Host::from_vec(values, &[self.batch, height, width, x.width])
    }
}

/// Copies `count` rows.
fn copy(x: Rows, first: usize, count: usize, out: &mut Target) {
    if x.stride == x.width {
        let len = count * x.width;
        out.copy(Some(&x.data[first * x.width..][..len]), len);
        return;
    }
    for i in first..first + count {
        out.copy(Some(x.row(i)), x.width);
    }
}

/// `count` zeros.
fn zeros(out: &mut Target, count: usize) {
    const ZEROS: [f32; 256] = [0.0; 256];
    for at in (0..count).step_by(ZEROS.len()) {
        let len = ZEROS.len().min(count - at);
        out.copy(Some(&ZEROS[..len]), len);
    }
}
