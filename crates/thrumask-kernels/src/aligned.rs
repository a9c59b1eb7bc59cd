//! Values that start with a cache line.

use std::mem::MaybeUninit;
use std::ops::{Deref, DerefMut};

use crate::host::{CHUNK, LINE, fill_spare};
use crate::target::Target;

/// Values from the start of a cache line on: whole vectors of them never lie across two lines, which
/// would halve the speed of a matrix product.
pub(crate) struct Aligned {
    memory: Vec<f32>,
    skip: usize,
}

impl Aligned {
    /// Room for `len` values, none of which is there yet.
    pub fn room(len: usize) -> Self {
        let mut memory: Vec<f32> = Vec::with_capacity(len + LINE);
        let skip = memory.as_ptr().align_offset(64).min(LINE);
        memory.resize(skip, 0.0);
        // What is read before it was written shows in the tests.
        #[cfg(debug_assertions)]
        memory.spare_capacity_mut().fill(MaybeUninit::new(f32::NAN));
        Self { memory, skip }
    }

    /// The first `len` values, there or not, as memory.
    ///
    /// # Safety
    /// What is written there are values: nothing uninitialised.
    ///
    /// # Panics
    /// When there is no room for them.
    pub unsafe fn memory(&mut self, len: usize) -> &mut [MaybeUninit<f32>] {
        assert!(self.skip + len <= self.memory.capacity(), "room for {len} values");
        // SAFETY: inside of the vector's own memory; values stay values by promise.
        unsafe {
            let start = self.memory.as_mut_ptr().cast::<MaybeUninit<f32>>().add(self.skip);
            std::slice::from_raw_parts_mut(start, len)
        }
    }

    /// Takes the first `len` values to be there.
    ///
    /// # Safety
    /// They were written by way of [`memory`](Self::memory).
    ///
    /// # Panics
    /// When there is no room for them.
    pub unsafe fn fill(&mut self, len: usize) {
        assert!(self.skip + len <= self.memory.capacity(), "room for {len} values");
        // SAFETY: room was just checked; written by promise.
        unsafe { self.memory.set_len(self.skip + len) };
    }

    /// As [`build`](crate::host::build).
    pub fn build(len: usize, chunk: usize, fill: impl Fn(usize, &mut Target) + Sync) -> Self {
        let Self { mut memory, skip } = Self::room(len);
        fill_spare(&mut memory, len, chunk, fill);
        Self { memory, skip }
    }

    /// Zeros, made in parallel.
    pub fn zeros(len: usize) -> Self {
        Self::build(len, CHUNK, |_, to| _ = to.zeros())
    }
}

impl Deref for Aligned {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.memory[self.skip..]
    }
}

impl DerefMut for Aligned {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.memory[self.skip..]
    }
}
