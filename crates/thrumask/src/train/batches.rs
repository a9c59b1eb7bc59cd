//! Batches made ahead, in order, on a thread of their own.

use std::ops::Range;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError, sync_channel};
use std::time::Duration;

use burn::tensor::Device;
use rayon::prelude::*;
use thrumask_core::Error;

use crate::Result;

/// How many batches wait at most.
const AHEAD: usize = 2;

/// How long a thread of the pool without other work sleeps before it looks again.
const PAUSE: Duration = Duration::from_micros(200);

/// The batches that are made.
pub struct Batches<B>(Receiver<Result<B>>);

impl<B> Batches<B> {
    /// The next one, as soon as it is made. A thread of the pool works for others meanwhile: making the
    /// batch may need it.
    ///
    /// # Errors
    /// That of making it; [`Error::Invalid`] after the last.
    pub fn next(&self) -> Result<B> {
        loop {
            match self.0.try_recv() {
                Ok(batch) => return batch,
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {}
            }
            if rayon::yield_now() == Some(rayon::Yield::Executed) {
                continue;
            }
            match self.0.recv_timeout(PAUSE) {
                Ok(batch) => return batch,
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        Err(Error::invalid("batches", "the loader stopped").into())
    }
}

/// Runs `body` with a source that yields `make(first)`, `make(first + 1)`, … up to `make(end - 1)`.
pub fn with_batches<B: Send, R>(
    first: u64,
    end: u64,
    make: impl Fn(u64) -> Result<B> + Send,
    body: impl FnOnce(&Batches<B>) -> R,
) -> R {
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(AHEAD);
        let maker = scope.spawn(move || {
            for step in first..end {
                // The receiver is gone when the run stops early.
                if sender.send(make(step)).is_err() {
                    break;
                }
            }
        });
        let batches = Batches(receiver);
        let result = body(&batches);
        drop(batches);
        // Whoever makes the last batch may still need a thread of the pool, and this may be its only one.
        while !maker.is_finished() {
            if rayon::yield_now() != Some(rayon::Yield::Executed) {
                std::thread::sleep(PAUSE);
            }
        }
        result
    })
}

/// `make(first)`, `make(first + 1)`, … in order. Beside a graphics card all threads are free for that; where
/// networks run on the processor, the threads have operators to run, and this one makes them one by one.
///
/// # Errors
/// The first of `make`.
pub fn made<T: Send, E: Send>(
    indices: Range<u64>,
    device: &Device,
    make: impl Fn(u64) -> std::result::Result<T, E> + Sync,
) -> std::result::Result<Vec<T>, E> {
    in_order(indices, device.clone().without_autodiff() != Device::flex(), make)
}

/// As [`made`], on all threads or on this one.
fn in_order<T: Send, E: Send>(
    indices: Range<u64>,
    on_all_threads: bool,
    make: impl Fn(u64) -> std::result::Result<T, E> + Sync,
) -> std::result::Result<Vec<T>, E> {
    match on_all_threads {
        true => indices.into_par_iter().map(&make).collect(),
        false => indices.map(&make).collect(),
    }
}

#[cfg(test)]
mod tests {
    use rayon::prelude::*;

    use super::*;

    /// The sum of the first so many numbers, made on the pool.
    fn sum(step: u64) -> Result<u64> {
        Ok((0..step * 1000).into_par_iter().sum())
    }

    #[test]
    fn batches_come_in_order_on_the_only_thread_of_a_pool_too() {
        // `make` runs outside of the pool, and asks the global one; a pool of one thread that waited
        // without working would block both. The global pool of the tests may have more threads, so the
        // work is sent into the small pool explicitly.
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        let found = pool.install(|| {
            with_batches(
                3,
                8,
                |step| pool.install(|| sum(step)),
                |batches| (3..8).map(|_| batches.next().unwrap()).collect::<Vec<_>>(),
            )
        });
        let expected: Vec<u64> = (3..8).map(|step| sum(step).unwrap()).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn an_early_end_on_the_only_thread_of_a_pool_waits_for_the_batch_in_the_making() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
        for _ in 0..20 {
            let make = |step| {
                // Long enough that the body has ended before the pool is asked for.
                std::thread::sleep(Duration::from_millis(2));
                pool.install(|| sum(step))
            };
            pool.install(|| with_batches(3, 8, make, |_| ()));
        }
    }

    #[test]
    fn all_threads_make_what_one_makes() {
        let make = |index: u64| if index < 90 { Ok(index * index) } else { Err(index) };
        for indices in [0..0, 3..4, 5..80] {
            let expected: Vec<u64> = indices.clone().map(|i| i * i).collect();
            for on_all in [false, true] {
                assert_eq!(in_order(indices.clone(), on_all, make), Ok(expected.clone()));
            }
        }
        assert!((90..100).contains(&in_order(0..100, true, make).unwrap_err()));
        assert_eq!(in_order(0..100, false, make), Err(90));
    }

    #[test]
    fn an_early_end_and_the_end_of_the_batches_stop_neither_side() {
        assert_eq!(with_batches(0, 1000, Ok, |batches| batches.next().unwrap()), 0);
        with_batches(0, 1, Ok, |batches| {
            assert_eq!(batches.next().unwrap(), 0);
            assert!(batches.next().unwrap_err().to_string().contains("the loader stopped"));
        });
    }
}
