//! Values that a task fills.

use std::mem::MaybeUninit;

use crate::simd::{self, Lanes, Simd};

/// The values that a task fills from front to back: fresh memory, or values to change.
///
/// Fresh memory is written once: filling it with zeros first would double the traffic to memory, and
/// element-wise operators on large tensors take the time of that traffic.
pub(crate) struct Target<'a> {
    rest: &'a mut [MaybeUninit<f32>],
    /// Whether the rest holds values.
    old: bool,
    /// Whether functions of places are written past the caches.
    past: bool,
}

impl<'a> Target<'a> {
    /// Memory without values.
    pub fn fresh(values: &'a mut [MaybeUninit<f32>]) -> Self {
        Self { rest: values, old: false, past: false }
    }

    /// Memory without values, to be filled past the caches: what it replaces there would have to be read
    /// first, a line at a time, and leaves them again before it is used. [`simd::settle`] comes after it.
    pub fn past(values: &'a mut [MaybeUninit<f32>]) -> Self {
        Self { past: true, ..Self::fresh(values) }
    }

    /// From here on the caches are not passed by: what is filled is soon read again.
    pub fn stay_near(&mut self) {
        self.past = false;
    }

    /// Values to change.
    pub fn old(values: &'a mut [f32]) -> Self {
        // SAFETY: the rest is private, and all that fills it writes values.
        Self { rest: unsafe { as_memory(values) }, old: true, past: false }
    }

    /// How many values are still to be filled.
    pub fn len(&self) -> usize {
        self.rest.len()
    }

    /// Whether all values were filled.
    pub fn is_full(&self) -> bool {
        self.rest.is_empty()
    }

    /// The next `len` values as they are.
    ///
    /// # Panics
    /// When the memory is fresh.
    #[inline(always)]
    pub fn values(&self, len: usize) -> &[f32] {
        assert!(self.old, "fresh memory has no values");
        // SAFETY: `old` says that the rest holds values.
        unsafe { &*(&raw const self.rest[..len] as *const [f32]) }
    }

    #[inline(always)]
    fn take(&mut self, len: usize) -> &'a mut [MaybeUninit<f32>] {
        let (next, rest) = std::mem::take(&mut self.rest).split_at_mut(len);
        self.rest = rest;
        next
    }

    /// Fills the next values with a function of `x` (of themselves when `None`) and of the slices of
    /// `with`, of `len` values each.
    ///
    /// # Panics
    /// When a slice has another length, or `x` is `None` and the memory fresh.
    #[inline(always)]
    pub fn apply<S: Simd, const N: usize>(
        &mut self,
        simd: S,
        f: impl Lanes<N>,
        x: Option<&[f32]>,
        with: [&[f32]; N],
        len: usize,
    ) -> &'a mut [f32] {
        assert!(x.map_or(self.old, |x| x.len() == len), "{len} values to start from");
        let to = self.take(len);
        let start = to.as_mut_ptr().cast::<f32>();
        // SAFETY: `start` is valid for writing `len` values, and `x` for reading as many: a slice of
        // that length, or values that `old` says are there. Afterwards all hold values.
        unsafe {
            let x = x.map_or(start.cast_const(), <[f32]>::as_ptr);
            simd::places(simd, f, x, with, start, len, self.past);
            written(to)
        }
    }

    /// Fills the next values with those of `x`; with `None` they keep their own.
    ///
    /// # Panics
    /// When `x` is `None` and the memory fresh.
    #[inline(always)]
    pub fn copy(&mut self, x: Option<&[f32]>, len: usize) -> &'a mut [f32] {
        assert!(x.map_or(self.old, |x| x.len() == len), "{len} values to start from");
        let to = self.take(len);
        if let Some(x) = x {
            // SAFETY: two slices of `len` values, one of them borrowed mutably.
            unsafe { to.as_mut_ptr().cast::<f32>().copy_from_nonoverlapping(x.as_ptr(), len) };
        }
        // SAFETY: just copied, or old.
        unsafe { written(to) }
    }

    /// Fills the rest with zeros.
    pub fn zeros(&mut self) -> &'a mut [f32] {
        let to = self.take(self.len());
        to.fill(MaybeUninit::new(0.0));
        // SAFETY: just filled.
        unsafe { written(to) }
    }

    /// Fills the rest by way of its pointer.
    ///
    /// # Safety
    /// `fill` writes every value of the rest, and reads none before.
    pub unsafe fn write(&mut self, fill: impl FnOnce(*mut f32)) -> &'a mut [f32] {
        // SAFETY: promised by the caller.
        unsafe { self.write_fresh(|to| fill(to.as_mut_ptr().cast())) }
    }

    /// Fills the rest as memory.
    ///
    /// # Safety
    /// `fill` writes every value of the rest.
    pub unsafe fn write_fresh(
        &mut self,
        fill: impl FnOnce(&mut [MaybeUninit<f32>]),
    ) -> &'a mut [f32] {
        let to = self.take(self.len());
        fill(to);
        // SAFETY: promised by the caller.
        unsafe { written(to) }
    }
}

/// Values as memory that is written before it is read, for what fills either.
///
/// # Safety
/// What is written there are values: nothing uninitialised, not even for a moment, as `values` are floats
/// again when the borrow ends, also by a panic.
#[inline(always)]
pub(crate) unsafe fn as_memory(values: &mut [f32]) -> &mut [MaybeUninit<f32>] {
    // SAFETY: the types have one layout, and the caller promises that floats stay floats.
    unsafe { &mut *(values as *mut [f32] as *mut [MaybeUninit<f32>]) }
}

/// # Safety
/// All values were written.
#[inline(always)]
unsafe fn written(values: &mut [MaybeUninit<f32>]) -> &mut [f32] {
    // SAFETY: promised by the caller; the types have one layout.
    unsafe { &mut *(values as *mut [MaybeUninit<f32>] as *mut [f32]) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Kernel, basic::Scale};

    struct Double<'a>(Target<'a>, Option<&'a [f32]>);

    impl Kernel for Double<'_> {
        type Output = Vec<f32>;

        #[inline(always)]
        fn run<S: Simd>(mut self, simd: S) -> Vec<f32> {
            let len = self.0.len();
            let done = self.0.apply(simd, Scale(2.0), self.1, [], len).to_vec();
            assert!(self.0.is_full());
            done
        }
    }

    #[test]
    fn any_length_is_filled_whole_and_in_place_alike() {
        for len in 0..70 {
            let x: Vec<f32> = (0..len).map(|i| i as f32 - 20.0).collect();
            let expected: Vec<f32> = x.iter().map(|x| 2.0 * x).collect();
            let mut fresh = vec![MaybeUninit::uninit(); len];
            let target = Target::fresh(&mut fresh);
            assert_eq!(simd::run(Double(target, Some(&x))), expected);
            for start in 0..len.min(17) {
                let target = Target::past(&mut fresh[start..]);
                assert_eq!(simd::run(Double(target, Some(&x[start..]))), expected[start..]);
                simd::settle();
            }
            let mut old = x.clone();
            assert_eq!(simd::run(Double(Target::old(&mut old), None)), expected);
            assert_eq!(old, expected);
        }
    }

    #[test]
    fn parts_are_filled_from_front_to_back() {
        let mut memory = vec![MaybeUninit::uninit(); 10];
        let mut target = Target::fresh(&mut memory);
        assert_eq!(target.copy(Some(&[1.0, 2.0, 3.0]), 3), &[1.0, 2.0, 3.0]);
        assert_eq!((target.len(), target.is_full()), (7, false));
        assert_eq!(target.zeros(), &[0.0; 7]);
        assert!(target.is_full());
    }

    #[test]
    #[should_panic(expected = "fresh memory has no values")]
    fn fresh_memory_is_not_read() {
        let mut memory = vec![MaybeUninit::uninit(); 4];
        Target::fresh(&mut memory).values(4);
    }

    #[test]
    #[should_panic(expected = "4 values to start from")]
    fn fresh_memory_is_not_changed() {
        let mut memory = vec![MaybeUninit::uninit(); 4];
        Target::fresh(&mut memory).copy(None, 4);
    }
}
