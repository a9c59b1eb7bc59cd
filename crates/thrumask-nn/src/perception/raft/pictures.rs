//! Flow of pictures and videos of any size.

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;
use thrumask_core::{FlowField, Picture, Size};

use super::{Raft, RaftOptions, STRIDE};
use crate::{Error, Result, pixels::host_values};

/// The shortest side of a picture, in pixels: below, the coarsest similarities are of a single row, which
/// the public network cannot look at.
pub const LEAST_SIDE: usize = 128;

/// Rows or columns before and after, so that a length is a multiple of 8: evenly, the odd one after.
fn padding(length: usize) -> [usize; 2] {
    let all = length.next_multiple_of(STRIDE) - length;
    [all / 2, all - all / 2]
}

/// A picture in [-1, 1], its edges repeated up to multiples of 8.
///
/// # Shapes
/// - returns `[1, 3, H', W']`
fn padded(picture: &Picture, device: &Device) -> Tensor<4> {
    let Size { width, height } = picture.size();
    let ([top, bottom], [left, right]) = (padding(height), padding(width));
    let (rows, columns) = (top + height + bottom, left + width + right);
    let inside =
        |at: usize, before: usize, length: usize| at.saturating_sub(before).min(length - 1);
    let mut values = vec![0.0; 3 * rows * columns];
    for (y, x) in (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x))) {
        let rgb = picture.pixel(inside(x, left, width), inside(y, top, height));
        for (c, level) in rgb.into_iter().enumerate() {
            values[(c * rows + y) * columns + x] = f32::from(level) / 127.5 - 1.0;
        }
    }
    Tensor::from_data(TensorData::new(values, [1, 3, rows, columns]), device)
}

/// The part of a flow that a picture of `size` was padded to.
///
/// # Shapes
/// - `flow`: `[1, 2, H', W']`
fn cropped(flow: Tensor<4>, size: Size) -> Result<FlowField> {
    let [_, _, rows, columns] = flow.dims();
    let ([top, _], [left, _]) = (padding(size.height), padding(size.width));
    let values = host_values(flow);
    let (dx, dy) = values.split_at(rows * columns);
    let lines = (top..top + size.height).flat_map(|y| (0..size.width).map(move |x| (y, left + x)));
    let vectors = lines.map(|(y, x)| [dx[y * columns + x], dy[y * columns + x]]).collect();
    Ok(FlowField::new(size, vectors)?)
}

/// How flow of a video is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct FlowTask {
    /// Of each pair.
    pub options: RaftOptions,
    /// Whether each pair starts from the flow of the one before ([`carried`]).
    pub warm: bool,
}

impl Raft {
    /// Flow from one picture to another.
    ///
    /// # Errors
    /// [`thrumask_core::Error::Mismatch`] when sizes differ or a side is below [`LEAST_SIDE`];
    /// [`Error::Config`] without an iteration.
    pub fn flow(
        &self,
        first: &Picture,
        second: &Picture,
        options: &RaftOptions,
    ) -> Result<FlowField> {
        let mut found = None;
        let task = FlowTask { options: *options, warm: false };
        self.flows::<Error>(&[first, second], &task, |_, flow| {
            found = Some(flow);
            Ok(())
        })?;
        found.ok_or_else(|| Error::shape("pictures", 2, 0))
    }

    /// Flow from each frame to the next, in their order; `visit` gets the number of the first of each pair.
    /// Every frame's features are made once.
    ///
    /// # Errors
    /// As [`Raft::flow`], and what `visit` returns.
    pub fn flows<E: From<Error>>(
        &self,
        frames: &[&Picture],
        task: &FlowTask,
        mut visit: impl FnMut(usize, FlowField) -> std::result::Result<(), E>,
    ) -> std::result::Result<(), E> {
        use burn::module::Module;
        let device = self.devices().into_iter().next().unwrap_or_else(Device::flex);
        let Some(size) = frames.first().map(|frame| frame.size()) else { return Ok(()) };
        let (mut before, mut start) = (None, None);
        for (i, frame) in frames.iter().enumerate() {
            if frame.size() != size {
                let what = format!("size of frame {i}");
                let error = thrumask_core::Error::mismatch(what, size, frame.size());
                return Err(Error::from(error).into());
            }
            if size.width < LEAST_SIDE || size.height < LEAST_SIDE {
                let expected = format!("at least {LEAST_SIDE} × {LEAST_SIDE} pixels");
                let error = thrumask_core::Error::mismatch("frame", expected, size);
                return Err(Error::from(error).into());
            }
            let pixels = padded(frame, &device);
            let features = self.features(pixels.clone())?;
            if let Some((pixels, first)) = before.take() {
                let context = self.context(pixels)?;
                let pair = [first, features.clone()];
                let flow = self.between(pair, &context, start.take(), &task.options)?;
                start = task.warm.then(|| carried(flow.coarse));
                visit(i - 1, cropped(flow.full, size)?)?;
            }
            before = Some((pixels, features));
        }
        Ok(())
    }
}

/// Flow carried along itself, for the next pair of a video to start from: at each position that of what
/// arrives nearest to it. What leaves the picture is left out; when all does, nothing moves.
///
/// # Shapes
/// - `flow`: `[B, 2, H, W]` in positions
/// - returns the same shape
pub fn carried(flow: Tensor<4>) -> Tensor<4> {
    let ([batch, _, height, width], device) = (flow.dims(), flow.device());
    let (values, positions) = (host_values(flow), height * width);
    let mut out = vec![0.0; values.len()];
    for (from, to) in values.chunks_exact(2 * positions).zip(out.chunks_exact_mut(2 * positions)) {
        let (dx, dy) = from.split_at(positions);
        let arrived: Vec<[f32; 4]> = (0..positions)
            .map(|i| {
                let place = [(i % width) as f32 + dx[i], (i / width) as f32 + dy[i]];
                [place[0], place[1], dx[i], dy[i]]
            })
            .filter(|[x, y, ..]| *x > 0.0 && *x < width as f32 && *y > 0.0 && *y < height as f32)
            .collect();
        let nearest = |i: usize| {
            let (x, y) = ((i % width) as f32, (i / width) as f32);
            let mut best = (f32::INFINITY, [0.0; 2]);
            for [u, v, dx, dy] in &arrived {
                let distance = (u - x).powi(2) + (v - y).powi(2);
                if distance < best.0 {
                    best = (distance, [*dx, *dy]);
                }
            }
            best.1
        };
        let found: Vec<[f32; 2]> = (0..positions).into_par_iter().map(nearest).collect();
        let (to_x, to_y) = to.split_at_mut(positions);
        for ((to_x, to_y), [dx, dy]) in to_x.iter_mut().zip(to_y).zip(found) {
            (*to_x, *to_y) = (dx, dy);
        }
    }
    Tensor::from_data(TensorData::new(out, [batch, 2, height, width]), &device)
}
