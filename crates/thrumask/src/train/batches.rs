//! Batches made ahead, in order, on a thread of their own.

use std::sync::mpsc::{Receiver, sync_channel};

use crate::Result;

/// How many batches wait at most.
const AHEAD: usize = 2;

/// Runs `body` with a source that yields `make(first)`, `make(first + 1)`, … up to `make(end - 1)`.
pub fn with_batches<B: Send, R>(
    first: u64,
    end: u64,
    make: impl Fn(u64) -> Result<B> + Send,
    body: impl FnOnce(&Receiver<Result<B>>) -> R,
) -> R {
    std::thread::scope(|scope| {
        let (sender, receiver) = sync_channel(AHEAD);
        scope.spawn(move || {
            for step in first..end {
                // The receiver is gone when the run stops early.
                if sender.send(make(step)).is_err() {
                    break;
                }
            }
        });
        let result = body(&receiver);
        drop(receiver);
        result
    })
}
