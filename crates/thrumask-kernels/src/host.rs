//! CPU memory of the `flex` backend, as the kernels see it.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::mem::MaybeUninit;

use burn::backend::{Flex, tensor::FloatTensor};
use burn::tensor::TensorData;
use rayon::prelude::*;

/// The tensor of the backend.
pub(crate) type FlexTensor = FloatTensor<Flex>;

/// A tensor of 32-bit floats whose rows (last axis) are contiguous and equally far apart.
///
/// Slices of a wider tensor along the last axis have this form, so they need no copy.
#[derive(Clone, Debug)]
pub(crate) struct Host(FlexTensor);

/// Rows of a [`Host`]: row `i` starts at `i * stride`.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'a> {
    /// From the first value of the first row to the last of the last.
    pub data: &'a [f32],
    /// Distance between rows.
    pub stride: usize,
    /// Length of a row.
    pub width: usize,
}

impl<'a> Rows<'a> {
    /// Row `i`.
    #[inline]
    pub fn row(&self, i: usize) -> &'a [f32] {
        &self.data[i * self.stride..][..self.width]
    }
}

impl Host {
    /// Takes a tensor over, copying it when its rows do not have the form.
    pub fn new(tensor: FlexTensor) -> Self {
        let host = Self(tensor);
        if host.row_stride().is_some() { host } else { Self(host.0.to_contiguous()) }
    }

    /// A tensor of values in row-major order.
    pub fn from_vec(values: Vec<f32>, dims: &[usize]) -> Self {
        Self(FlexTensor::from_data(TensorData::new(values, dims.to_vec())))
    }

    /// The tensor of the backend.
    pub fn into_tensor(self) -> FlexTensor {
        self.0
    }

    /// Sizes of the axes.
    pub fn dims(&self) -> Vec<usize> {
        self.0.layout().shape().to_vec()
    }

    /// Number of values.
    pub fn len(&self) -> usize {
        self.0.layout().num_elements()
    }

    /// The same values in row-major order, copied when there are gaps.
    pub fn contiguous(self) -> Self {
        if self.0.is_contiguous() { self } else { Self(self.0.to_contiguous()) }
    }

    /// The values of a contiguous tensor.
    pub fn values(&self) -> &[f32] {
        let layout = self.0.layout();
        assert!(layout.is_contiguous(), "values of a tensor with gaps");
        &self.0.storage::<f32>()[layout.start_offset()..][..layout.num_elements()]
    }

    /// The rows along the last axis.
    pub fn rows(&self) -> Rows<'_> {
        let layout = self.0.layout();
        let width = layout.shape().to_vec().last().copied().unwrap_or(1);
        let count = self.len().checked_div(width).unwrap_or(0);
        let stride = self.row_stride().unwrap_or(width);
        let span = if count == 0 { 0 } else { (count - 1) * stride + width };
        let data = &self.0.storage::<f32>()[layout.start_offset()..][..span];
        Rows { data, stride, width }
    }

    /// The values, when they are contiguous and nothing else refers to them.
    pub fn unique(&mut self) -> Option<&mut [f32]> {
        let offsets = self.0.layout().contiguous_offsets();
        let (start, end) = offsets?;
        self.0.try_storage_mut::<f32>().map(|all| &mut all[start..end])
    }

    /// Changes values in place when possible, in a copy otherwise. `change` gets the number of the
    /// first value of each chunk of `chunk` values, and the chunk; chunks run in parallel.
    pub fn map(mut self, chunk: usize, change: impl Fn(usize, &mut [f32]) + Sync) -> Self {
        let chunk = chunk.max(1);
        if let Some(values) = self.unique() {
            let chunks = values.par_chunks_mut(chunk).enumerate();
            chunks.for_each(|(i, values)| change(i * chunk, values));
            return self;
        }
        let dims = self.dims();
        let rows = self.rows();
        let values = if rows.stride == rows.width || rows.width == 0 {
            let from = self.values();
            build(from.len(), chunk, |at, out| {
                out.copy_from_slice(&from[at..at + out.len()]);
                change(at, out);
            })
        } else {
            assert_eq!(chunk % rows.width, 0, "chunks of whole rows");
            build(self.len(), chunk, |at, out| {
                for (i, out) in out.chunks_exact_mut(rows.width).enumerate() {
                    out.copy_from_slice(rows.row(at / rows.width + i));
                }
                change(at, out);
            })
        };
        Self::from_vec(values, &dims)
    }

    /// The values to change in place, in a copy when something else refers to them.
    pub fn into_values(mut self) -> Self {
        if self.unique().is_some() { self } else { self.map(CHUNK, |_, _| {}) }
    }

    fn row_stride(&self) -> Option<usize> {
        let layout = self.0.layout();
        let (shape, strides) = (layout.shape().to_vec(), layout.strides());
        let Some((&width, outer)) = shape.split_last() else { return Some(1) };
        if layout.num_elements() == 0 {
            return Some(width);
        }
        if width > 1 && strides[outer.len()] != 1 {
            return None;
        }
        // From the inside out, each axis must step over all of the one inside it.
        let mut step: Option<(isize, isize)> = None; // (row stride, expected stride)
        for (&size, &stride) in outer.iter().zip(strides).rev() {
            if size == 1 {
                continue;
            }
            match step {
                None if stride >= width as isize => step = Some((stride, stride * size as isize)),
                Some((row, expected)) if stride == expected => {
                    step = Some((row, expected * size as isize));
                }
                _ => return None,
            }
        }
        Some(step.map_or(width, |(row, _)| row as usize))
    }
}

/// A vector of `len` values made in parallel, in chunks of `chunk` values. `fill` gets the number of
/// the first value of each chunk and the chunk, filled with zeros (while it is in the cache, which
/// costs next to nothing).
pub(crate) fn build(len: usize, chunk: usize, fill: impl Fn(usize, &mut [f32]) + Sync) -> Vec<f32> {
    let mut values = Vec::with_capacity(len);
    let chunk = chunk.max(1);
    let spare: &mut [MaybeUninit<f32>] = &mut values.spare_capacity_mut()[..len];
    spare.par_chunks_mut(chunk).enumerate().for_each(|(i, out)| {
        for value in out.iter_mut() {
            value.write(0.0);
        }
        // SAFETY: every value of the chunk was just written.
        let out = unsafe { &mut *(out as *mut [MaybeUninit<f32>] as *mut [f32]) };
        fill(i * chunk, out);
    });
    // SAFETY: the chunks cover all `len` values, and each was written.
    unsafe { values.set_len(len) };
    values
}

/// Number of values that make a task of their own.
pub(crate) const CHUNK: usize = 16 * 1024;

/// About [`CHUNK`] values in whole rows of `width` values.
pub(crate) fn whole_rows(width: usize) -> usize {
    (CHUNK / width.max(1)).max(1) * width.max(1)
}

/// Cuts sets of `per` rows into tasks of whole rows that stay inside one set, at places that depend on
/// the sizes alone; each task comes with the number of its first row.
pub(crate) fn row_tasks(values: &mut [f32], width: usize, per: usize) -> Vec<(usize, &mut [f32])> {
    let step = (CHUNK / 2 / width.max(1)).max(1);
    let mut tasks = Vec::new();
    for (set, values) in values.chunks_mut((per * width).max(1)).enumerate() {
        for (i, values) in values.chunks_mut(step * width).enumerate() {
            tasks.push((set * per + i * step, values));
        }
    }
    tasks
}

/// Adds up the partial sums of the tasks of each set, in the order of the tasks. `tasks` holds the
/// first row of each, `partials` `width` values of each.
pub(crate) fn sum_tasks(
    firsts: &[usize],
    partials: &[f32],
    width: usize,
    per: usize,
    sets: usize,
) -> Vec<f32> {
    let mut sums = vec![0.0; sets * width];
    for (first, partial) in firsts.iter().zip(partials.chunks_exact(width)) {
        let set = first / per;
        for (sum, part) in sums[set * width..(set + 1) * width].iter_mut().zip(partial) {
            *sum += part;
        }
    }
    sums
}

/// A row-major matrix that parallel tasks fill, each its own elements.
#[derive(Clone, Copy)]
pub(crate) struct Shared<'a> {
    start: *mut f32,
    len: usize,
    stride: usize,
    borrow: PhantomData<&'a mut [f32]>,
}

// SAFETY: `piece` asks its callers for disjoint pieces, so threads never share an element.
unsafe impl Send for Shared<'_> {}
// SAFETY: as above.
unsafe impl Sync for Shared<'_> {}

impl<'a> Shared<'a> {
    /// A matrix with rows `stride` values apart.
    pub fn new(values: &'a mut [f32], stride: usize) -> Self {
        Self { start: values.as_mut_ptr(), len: values.len(), stride, borrow: PhantomData }
    }

    /// `width` values of a row.
    ///
    /// # Safety
    /// No other piece in use at the same time overlaps it.
    #[inline]
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn piece(&self, row: usize, column: usize, width: usize) -> &mut [f32] {
        let at = row * self.stride + column;
        assert!(at + width <= self.len, "piece outside of the matrix");
        // SAFETY: inside of the borrowed values, and disjoint from others by promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(at), width) }
    }

    /// First element of a tile, and the distance between its rows.
    pub fn tile(&self, top: usize, side: usize, [height, width]: [usize; 2]) -> (*mut f32, usize) {
        let last = (top + height - 1) * self.stride + side + width - 1;
        assert!(height > 0 && width > 0 && last < self.len, "tile outside of the matrix");
        (self.start.wrapping_add(top * self.stride + side), self.stride)
    }
}

/// Scratch values of any content, aligned to cache lines. The memory stays with the thread for the
/// next task.
///
/// Taken and given back rather than lent to a callback: a closure would not take on the instruction
/// set of the kernel that uses it.
pub(crate) struct Scratch {
    memory: Vec<f32>,
    skip: usize,
    len: usize,
}

thread_local! {
    static KEPT: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

impl Scratch {
    /// `len` values. A task that runs inside of another finds an empty vector and makes its own.
    pub fn take(len: usize) -> Self {
        let mut memory = KEPT.take();
        if memory.len() < len + 16 {
            memory.resize(len + 16, 0.0);
        }
        let skip = memory.as_ptr().align_offset(64).min(16);
        Self { memory, skip, len }
    }

    /// The values.
    pub fn values(&mut self) -> &mut [f32] {
        &mut self.memory[self.skip..self.skip + self.len]
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        KEPT.set(std::mem::take(&mut self.memory));
    }
}
