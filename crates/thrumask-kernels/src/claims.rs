//! Checks what tasks that fill one [`Shared`](crate::host::Shared) matrix promise each other: that no two
//! of them write the same element. Only where debug assertions are on, as in `cargo xtask sanitize`.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{PoisonError, RwLock};

/// Which task wrote each element of a matrix; 0 is none.
type Writers = Vec<AtomicU64>;

/// The matrices, by where they start.
static MATRICES: RwLock<Option<HashMap<usize, Writers>>> = RwLock::new(None);

/// Tasks so far.
static TASKS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static CURRENT: Cell<u64> = const { Cell::new(0) };
}

fn number() -> u64 {
    TASKS.fetch_add(1, Relaxed) + 1
}

/// Everything that its thread writes while it lives is written by one task: the run of a kernel.
pub(crate) struct Task(u64);

impl Task {
    pub fn start() -> Self {
        Self(CURRENT.replace(number()))
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        CURRENT.set(self.0);
    }
}

/// A matrix that tasks are going to fill. Matrices that lay in the same place are gone.
pub(crate) fn open<T>(values: &mut [T]) {
    let range = values.as_ptr_range();
    let (start, end) = (range.start as usize, range.end as usize);
    let mut matrices = MATRICES.write().unwrap_or_else(PoisonError::into_inner);
    let matrices = matrices.get_or_insert_default();
    matrices
        .retain(|&other, writers| other >= end || other + writers.len() * size_of::<T>() <= start);
    matrices.insert(start, values.iter().map(|_| AtomicU64::new(0)).collect());
}

/// Says that the current task writes elements of a matrix; outside of a kernel, a task of their own.
///
/// # Panics
/// When another task does so too.
pub(crate) fn claim<T>(start: *const T, at: usize, len: usize) {
    let matrices = MATRICES.read().unwrap_or_else(PoisonError::into_inner);
    let found = matrices.as_ref().and_then(|matrices| matrices.get(&(start as usize)));
    let Some(writers) = found else { panic!("a matrix that was not opened") };
    let task = Some(CURRENT.get()).filter(|&task| task > 0).unwrap_or_else(number);
    for (i, writer) in writers[at..at + len].iter().enumerate() {
        let before = writer.swap(task, Relaxed);
        assert!(before == 0 || before == task, "two tasks write element {}", at + i);
    }
}

#[cfg(test)]
mod tests {
    use rayon::prelude::*;

    use crate::host::Shared;
    use crate::simd::{self, Kernel, Simd};

    /// Writes a row, twice.
    struct Row<'a>(Shared<'a>, usize);

    impl Kernel for Row<'_> {
        type Output = ();

        #[inline(always)]
        fn run<S: Simd>(self, _simd: S) {
            for value in [1.0, 2.0] {
                // SAFETY: as the tests promise, or fail to.
                unsafe { self.0.piece(self.1, 0, 3) }.fill(value);
            }
        }
    }

    #[test]
    fn a_row_for_each_task_is_fine_and_so_is_the_next_round() {
        let mut values = vec![0.0; 12];
        for _ in 0..2 {
            let shared = Shared::new(&mut values, 3);
            (0..4).into_par_iter().for_each(|row| simd::run(Row(shared, row)));
        }
        assert_eq!(values, [2.0; 12]);
    }

    #[test]
    #[should_panic(expected = "two tasks write element 3")]
    fn a_row_of_two_tasks_is_not() {
        let mut values = vec![0.0; 12];
        let shared = Shared::new(&mut values, 3);
        for row in [0, 1, 1] {
            simd::run(Row(shared, row));
        }
    }

    #[test]
    #[should_panic(expected = "two tasks write element 6")]
    fn tiles_that_overlap_are_not() {
        let mut values = vec![0.0; 12];
        let shared = Shared::new(&mut values, 3);
        shared.tile(0, 0, [3, 1]);
        shared.tile(1, 1, [2, 2]);
        shared.tile(2, 0, [1, 1]);
    }
}
