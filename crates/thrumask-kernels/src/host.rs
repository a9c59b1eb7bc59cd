//! CPU memory of the `flex` backend, as the kernels see it.

use std::cell::RefCell;
use std::marker::PhantomData;
use std::mem::MaybeUninit;

use burn::backend::ops::FloatTensorOps;
use burn::backend::{Flex, tensor::FloatTensor};
use burn::tensor::TensorData;

use crate::dense;
use crate::matrix::View;
use crate::memory;
use crate::simd;
use crate::target::Target;
use crate::team;

/// The tensor of the backend.
pub(crate) type FlexTensor = FloatTensor<Flex>;

/// A tensor of 32-bit floats whose rows (last axis) are contiguous and equally far apart.
///
/// Slices of a wider tensor along the last axis have this form, so they need no copy, and so does a row
/// repeated for all (with a distance of 0).
#[derive(Clone, Debug)]
pub(crate) struct Host(FlexTensor);

/// Whether a tensor is a matrix whose columns lie one after the other, without gaps, as a view with its two
/// axes exchanged does.
pub(crate) fn is_turned(tensor: &FlexTensor) -> bool {
    let layout = tensor.layout();
    let (shape, strides) = (layout.shape().to_vec(), layout.strides());
    match (shape.as_slice(), strides) {
        (&[rows, columns], &[1, step]) => rows > 1 && columns > 1 && step == rows as isize,
        _ => false,
    }
}

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
    /// Takes a tensor over, copying it when its rows do not have the form. One value in all places, as
    /// the gradient of a sum, becomes one row.
    pub fn new(tensor: FlexTensor) -> Self {
        let host = Self(tensor);
        if host.row_stride().is_some() {
            return host;
        }
        let layout = host.0.layout();
        let shape = layout.shape().clone();
        if layout.strides().iter().any(|&stride| stride != 0) {
            return host.contiguous();
        }
        let value = host.0.storage::<f32>()[layout.start_offset()];
        let width = shape.to_vec().last().copied().unwrap_or(1);
        let mut row = vec![1; shape.num_dims()];
        row[shape.num_dims() - 1] = width;
        let row = FlexTensor::from_data(TensorData::new(vec![value; width], row));
        Self(<Flex as FloatTensorOps<Flex>>::float_expand(row, shape))
    }

    /// Takes over a matrix of which [`is_turned`] holds. It has no rows, only [`Host::matrix`].
    pub fn turned(tensor: FlexTensor) -> Self {
        Self(tensor)
    }

    /// Takes over any view. It may have no rows, only [`Host::contiguous`].
    pub fn view(tensor: FlexTensor) -> Self {
        Self(tensor)
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

    /// The same values in row-major order, copied when there are gaps; a turned matrix as it is.
    pub fn dense(self) -> Self {
        if is_turned(&self.0) { self } else { self.contiguous() }
    }

    /// The same values in row-major order, copied when there are gaps.
    pub fn contiguous(self) -> Self {
        if self.0.is_contiguous() {
            return self;
        }
        match dense::copied(&self.0) {
            Some(values) => Self::from_vec(values, &self.dims()),
            None => Self(self.0.to_contiguous()),
        }
    }

    /// The values of a contiguous tensor.
    pub fn values(&self) -> &[f32] {
        let layout = self.0.layout();
        assert!(layout.is_contiguous(), "values of a tensor with gaps");
        &self.0.storage::<f32>()[layout.start_offset()..][..layout.num_elements()]
    }

    /// A matrix, contiguous ([`Host::contiguous`]) or with its axes exchanged.
    pub fn matrix(&self) -> View<'_> {
        let (layout, dims) = (self.0.layout(), self.dims());
        let [rows, columns] = [dims[0], dims[1]];
        let data = &self.0.storage::<f32>()[layout.start_offset()..][..rows * columns];
        if is_turned(&self.0) {
            return View { data, row: 1, column: rows };
        }
        assert!(layout.is_contiguous(), "a matrix with gaps");
        View { data, row: columns, column: 1 }
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
                None if stride == 0 || stride >= width as isize => {
                    step = Some((stride, stride * size as isize))
                }
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
/// the first value of each chunk, and the chunk.
///
/// # Panics
/// When `fill` leaves values of a chunk unfilled.
pub(crate) fn build(
    len: usize,
    chunk: usize,
    fill: impl Fn(usize, &mut Target) + Sync,
) -> Vec<f32> {
    let mut values = Vec::with_capacity(len);
    fill_spare(&mut values, len, chunk, fill);
    values
}

/// As [`build`], for `len` more values of a vector with room for them.
pub(crate) fn fill_spare(
    values: &mut Vec<f32>,
    len: usize,
    chunk: usize,
    fill: impl Fn(usize, &mut Target) + Sync,
) {
    let chunk = chunk.max(1);
    let spare: &mut [MaybeUninit<f32>] = &mut values.spare_capacity_mut()[..len];
    let past = memory::outgrows_caches(len);
    team::chunks(spare, chunk, |i, out| fill_whole(out, past, |to| fill(i * chunk, to)));
    // SAFETY: the chunks cover all `len` values, and each was filled.
    unsafe { values.set_len(values.len() + len) };
}

/// Values of a cache line.
pub(crate) const LINE: usize = 16;

/// Fills fresh memory, `past` the caches or not.
///
/// # Panics
/// When `fill` leaves values unfilled.
pub(crate) fn fill_whole(
    memory: &mut [MaybeUninit<f32>],
    past: bool,
    fill: impl FnOnce(&mut Target),
) {
    let mut target = if past { Target::past(memory) } else { Target::fresh(memory) };
    fill(&mut target);
    if past {
        simd::settle();
    }
    assert!(target.is_full(), "{} values of a task were not filled", target.len());
}

/// Number of values that make a task of their own.
pub(crate) const CHUNK: usize = 16 * 1024;

/// About [`CHUNK`] values in whole rows of `width` values.
pub(crate) fn whole_rows(width: usize) -> usize {
    (CHUNK / width.max(1)).max(1) * width.max(1)
}

/// A row-major matrix that parallel tasks fill, each its own elements. Elements are floats, or memory for
/// them.
#[derive(Clone, Copy)]
pub(crate) struct Shared<'a, T = f32> {
    start: *mut T,
    len: usize,
    stride: usize,
    borrow: PhantomData<&'a mut [T]>,
}

// SAFETY: `piece` asks its callers for disjoint pieces, so threads never share an element.
unsafe impl<T: Send> Send for Shared<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Shared<'_, T> {}

impl<'a, T> Shared<'a, T> {
    /// A matrix with rows `stride` values apart.
    pub fn new(values: &'a mut [T], stride: usize) -> Self {
        #[cfg(debug_assertions)]
        crate::claims::open(values);
        Self { start: values.as_mut_ptr(), len: values.len(), stride, borrow: PhantomData }
    }

    /// `width` values of a row.
    ///
    /// # Safety
    /// No other piece in use at the same time overlaps it.
    #[inline]
    #[allow(clippy::mut_from_ref)]
    pub unsafe fn piece(&self, row: usize, column: usize, width: usize) -> &mut [T] {
        let at = row * self.stride + column;
        assert!(at + width <= self.len, "piece outside of the matrix");
        #[cfg(debug_assertions)]
        crate::claims::claim(self.start, at, width);
        // SAFETY: inside of the borrowed values, and disjoint from others by promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(at), width) }
    }

    /// Where a value of a row lies, to be asked for.
    pub fn address(&self, row: usize, column: usize) -> *const T {
        self.start.wrapping_add(row * self.stride + column)
    }

    /// First element of a tile, and the distance between its rows.
    pub fn tile(&self, top: usize, side: usize, [height, width]: [usize; 2]) -> (*mut T, usize) {
        let last = (top + height - 1) * self.stride + side + width - 1;
        assert!(height > 0 && width > 0 && last < self.len, "tile outside of the matrix");
        #[cfg(debug_assertions)]
        for row in top..top + height {
            crate::claims::claim(self.start, row * self.stride + side, width);
        }
        (self.start.wrapping_add(top * self.stride + side), self.stride)
    }
}

/// A vector of `len` values that `fill` writes in any order.
///
/// # Safety
/// `fill` writes every value.
pub(crate) unsafe fn filled(len: usize, fill: impl FnOnce(&mut [MaybeUninit<f32>])) -> Vec<f32> {
    // SAFETY: promised by the caller.
    let [values] = unsafe { filled_together([len], |[values]| fill(values)) };
    values
}

/// As [`filled`], several vectors at once.
///
/// # Safety
/// `fill` writes every value.
pub(crate) unsafe fn filled_together<const N: usize>(
    lens: [usize; N],
    fill: impl FnOnce([&mut [MaybeUninit<f32>]; N]),
) -> [Vec<f32>; N] {
    let mut all = lens.map(Vec::with_capacity);
    let mut each = lens.into_iter();
    fill(all.each_mut().map(|values: &mut Vec<f32>| {
        let len = each.next().unwrap_or_default();
        &mut values.spare_capacity_mut()[..len]
    }));
    for (values, len) in all.iter_mut().zip(lens) {
        // SAFETY: promised by the caller.
        unsafe { values.set_len(len) };
    }
    all
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
        if memory.len() < len + LINE {
            memory.resize(len + LINE, 0.0);
        }
        let skip = memory.as_ptr().align_offset(64).min(LINE);
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
