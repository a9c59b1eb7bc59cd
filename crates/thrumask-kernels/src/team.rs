//! Loops of short tasks on the threads of the pool.
//!
//! A small network is a hundred operators of a tenth of a millisecond each, and waking a sleeping thread
//! takes half of that, twice: for the helper, and for the caller who fell asleep over its wait. So helpers
//! stay for a while when a loop is over and look for the next one, and the caller never waits for a helper
//! that has not come. A helper is a job of the pool like others, and does the pool's other work in between.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::ptr::null_mut;
use std::sync::atomic::Ordering::{Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicPtr, AtomicU64, AtomicUsize};
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rayon::prelude::*;

/// How long a helper without work stays.
const STAY: Duration = Duration::from_micros(300);

/// Looks for work in vain until the time is looked at, and until a thread offers its core to others.
const LOOKS: u32 = 64;

/// Runs `task(0)`, …, `task(count - 1)`, in any order and side by side. All are done when it returns.
///
/// # Panics
/// When a task does.
pub(crate) fn each(count: usize, task: impl Fn(usize) + Sync) {
    let threads = rayon::current_num_threads();
    if count < 2 || threads < 2 {
        (0..count).for_each(task);
    } else if count > u32::MAX as usize || TEAM.taken.swap(true, SeqCst) {
        // A loop inside of another, or of another caller.
        (0..count).into_par_iter().with_max_len(1).for_each(&task);
    } else {
        let _taken = Taken;
        TEAM.call(threads - 1);
        TEAM.run(count, &task);
    }
}

/// Runs `task` for chunks of `len` values, the last of which may be shorter, with the number of each.
///
/// # Panics
/// When a task does.
pub(crate) fn chunks<T: Send>(values: &mut [T], len: usize, task: impl Fn(usize, &mut [T]) + Sync) {
    struct Start<T>(*mut T);
    // SAFETY: each task takes another chunk of values that may be sent.
    unsafe impl<T: Send> Sync for Start<T> {}
    impl<T> Start<T> {
        /// # Safety
        /// The values are inside of the slice, and nothing else uses them.
        unsafe fn chunk<'a>(&self, at: usize, len: usize) -> &'a mut [T] {
            // SAFETY: promised by the caller.
            unsafe { std::slice::from_raw_parts_mut(self.0.add(at), len) }
        }
    }
    let (start, all, len) = (Start(values.as_mut_ptr()), values.len(), len.max(1));
    each(all.div_ceil(len), |i| {
        let at = i * len;
        // SAFETY: chunks of the slice that is borrowed here, each of one task.
        task(i, unsafe { start.chunk(at, len.min(all - at)) });
    });
}

/// The results of `task(0)`, …, `task(count - 1)`.
///
/// # Panics
/// When a task does.
pub(crate) fn map<T: Send>(count: usize, task: impl Fn(usize) -> T + Sync) -> Vec<T> {
    let mut results: Vec<Option<T>> = (0..count).map(|_| None).collect();
    chunks(&mut results, 1, |i, result| result[0] = Some(task(i)));
    results.into_iter().flatten().collect()
}

/// The loop that is going on.
struct Loop<'a> {
    task: &'a (dyn Fn(usize) + Sync),
    /// The first task that is left, and in the upper half the one behind the last.
    left: AtomicU64,
    /// What the first task that panicked said.
    panic: Mutex<Option<Box<dyn Any + Send>>>,
}

impl Loop<'_> {
    /// Takes a task: the caller from the front and helpers from the back, so that much the same threads
    /// treat the same parts of one tensor after the other, and find them in their caches.
    fn take(&self, front: bool) -> Option<usize> {
        let less = |left: u64| {
            let some = (left as u32) < (left >> 32) as u32;
            some.then(|| if front { left + 1 } else { left - (1 << 32) })
        };
        let left = self.left.fetch_update(SeqCst, SeqCst, less).ok()?;
        Some(if front { left as u32 } else { (left >> 32) as u32 - 1 } as usize)
    }

    /// Does what is left; says whether that was anything.
    fn work(&self, front: bool) -> bool {
        let mut done = false;
        while let Some(i) = self.take(front) {
            done = true;
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| (self.task)(i))) {
                let mut first = self.panic.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert(panic);
            }
        }
        done
    }
}

/// Those who help with one loop at a time.
struct Team {
    /// Whether a caller has it.
    taken: AtomicBool,
    /// The caller's loop.
    task: AtomicPtr<Loop<'static>>,
    /// Helpers that may be looking at it.
    inside: AtomicUsize,
    /// Helpers that there are, or that are on their way.
    helpers: AtomicUsize,
}

static TEAM: Team = Team {
    taken: AtomicBool::new(false),
    task: AtomicPtr::new(null_mut()),
    inside: AtomicUsize::new(0),
    helpers: AtomicUsize::new(0),
};

/// Gives the team back.
struct Taken;

impl Drop for Taken {
    fn drop(&mut self) {
        TEAM.taken.store(false, SeqCst);
    }
}

impl Team {
    /// Calls helpers, up to so many. They come when they come.
    fn call(&'static self, wanted: usize) {
        let caller = thread::current().id();
        while self.helpers.load(Relaxed) < wanted {
            self.helpers.fetch_add(1, SeqCst);
            rayon::spawn(move || {
                // The caller may find the job while it waits for others of the pool.
                if thread::current().id() != caller {
                    self.help();
                }
                self.helpers.fetch_sub(1, SeqCst);
            });
        }
    }

    /// Runs a loop with those who are there.
    fn run(&self, count: usize, task: &(dyn Fn(usize) + Sync)) {
        let left = AtomicU64::new((count as u64) << 32);
        let this = Loop { task, left, panic: Mutex::new(None) };
        self.task.store((&raw const this).cast_mut().cast(), SeqCst);
        this.work(true);
        self.task.store(null_mut(), SeqCst);
        // Who came before sees the loop and is inside; who comes now finds none.
        let mut looks = 0;
        while self.inside.load(SeqCst) > 0 {
            pause(&mut looks);
        }
        if let Some(panic) = this.panic.into_inner().unwrap_or_else(PoisonError::into_inner) {
            resume_unwind(panic);
        }
    }

    /// Helps with loops until there has been none for a while.
    fn help(&self) {
        let (mut looks, mut since) = (0u32, Instant::now());
        loop {
            let others = || rayon::yield_now() == Some(rayon::Yield::Executed);
            if self.look() || (looks.is_multiple_of(4) && others()) {
                (looks, since) = (0, Instant::now());
            } else if looks.is_multiple_of(LOOKS) && since.elapsed() > STAY {
                return;
            }
            pause(&mut looks);
        }
    }

    /// Helps with the loop that is going on; says whether there was anything to do.
    fn look(&self) -> bool {
        if self.task.load(Relaxed).is_null() {
            return false;
        }
        self.inside.fetch_add(1, SeqCst);
        let found = self.task.load(SeqCst);
        // SAFETY: a caller takes its loop back, and then waits until nobody is inside, before it leaves.
        let done = !found.is_null() && unsafe { (*found).work(false) };
        if !found.is_null() {
            // All tasks are taken: nobody needs to look again.
            let _ = self.task.compare_exchange(found, null_mut(), SeqCst, SeqCst);
        }
        self.inside.fetch_sub(1, SeqCst);
        done
    }
}

/// A moment's pause, and now and then the core for others.
fn pause(looks: &mut u32) {
    *looks += 1;
    if looks.is_multiple_of(LOOKS) {
        thread::yield_now();
    } else {
        std::hint::spin_loop();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(threads: usize) -> rayon::ThreadPool {
        rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap()
    }

    #[test]
    fn every_task_runs_once() {
        for threads in [1, 2, 5] {
            pool(threads).install(|| {
                for count in (0..40).chain([1000]) {
                    let runs: Vec<AtomicUsize> = (0..count).map(|_| AtomicUsize::new(0)).collect();
                    each(count, |i| _ = runs[i].fetch_add(1, SeqCst));
                    assert!(runs.iter().all(|runs| runs.load(SeqCst) == 1), "{count} tasks");
                }
            });
        }
    }

    #[test]
    fn helpers_come() {
        pool(3).install(|| {
            let others = AtomicUsize::new(0);
            let (caller, start) = (thread::current().id(), Instant::now());
            while others.load(SeqCst) == 0 && start.elapsed() < Duration::from_secs(20) {
                each(8, |_| {
                    if thread::current().id() != caller {
                        others.fetch_add(1, SeqCst);
                    }
                    thread::sleep(Duration::from_millis(1));
                });
            }
            assert!(others.load(SeqCst) > 0, "all tasks on one thread");
        });
    }

    #[test]
    fn callers_side_by_side_and_inside_of_each_other() {
        let pool = pool(3);
        let sum = AtomicUsize::new(0);
        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    pool.install(|| {
                        for _ in 0..200 {
                            each(5, |i| each(4, |j| _ = sum.fetch_add(i * j, SeqCst)));
                        }
                    });
                });
            }
        });
        assert_eq!(sum.into_inner(), 4 * 200 * 10 * 6);
    }

    #[test]
    fn a_panic_reaches_the_caller_after_all_tasks() {
        pool(2).install(|| {
            let runs = AtomicUsize::new(0);
            let failed = catch_unwind(AssertUnwindSafe(|| {
                each(50, |i| {
                    runs.fetch_add(1, SeqCst);
                    assert!(i != 7, "task seven");
                });
            }));
            assert!(failed.unwrap_err().downcast_ref::<&str>().unwrap().contains("task seven"));
            assert_eq!(runs.into_inner(), 50);
            // And the team is free again.
            each(3, |_| {});
        });
    }

    #[test]
    fn chunks_and_results_are_in_order() {
        pool(2).install(|| {
            let mut values = vec![0; 23];
            chunks(&mut values, 5, |i, chunk| chunk.fill(i));
            let expected: Vec<usize> = (0..23).map(|i| i / 5).collect();
            assert_eq!(values, expected);
            assert_eq!(map(9, |i| i * i), (0..9).map(|i| i * i).collect::<Vec<_>>());
        });
    }
}
