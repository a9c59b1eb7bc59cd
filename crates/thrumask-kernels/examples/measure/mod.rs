//! Time and memory of what is compared with PyTorch; `benches/peers/shared.py` counts in the same way.

// Not every example needs everything here.
#![allow(dead_code)]

use std::time::Instant;

/// As the program has it.
#[global_allocator]
static ALLOCATOR: thrumask_kernels::LineAllocator = thrumask_kernels::LineAllocator;

/// Milliseconds of each run, for so many seconds after a first one; with none, of a single run.
pub fn time(seconds: f64, mut run: impl FnMut()) -> Vec<f64> {
    let mut once = || {
        let at = Instant::now();
        run();
        at.elapsed().as_secs_f64() * 1e3
    };
    if seconds == 0.0 {
        return vec![once()];
    }
    once();
    let (start, mut samples) = (Instant::now(), Vec::new());
    while samples.len() < 5 || start.elapsed().as_secs_f64() < seconds {
        samples.push(once());
    }
    samples
}

/// Resident memory of this process from now on, in MiB; 0 where the system does not tell.
pub struct Memory {
    earlier: f64,
    start: f64,
    code: f64,
}

impl Memory {
    /// Starts to watch.
    pub fn new() -> Self {
        let earlier = resident_mib("VmHWM:");
        // From now on the peak is that of what follows.
        let _ = std::fs::write("/proc/self/clear_refs", "5");
        Self { earlier, start: resident_mib("VmRSS:"), code: resident_mib("RssFile:") }
    }

    /// The most that was held beyond what was held at the start, without code and embedded files that
    /// were read since: how much of a program is in memory says nothing of an operator.
    pub fn extra(&self) -> f64 {
        resident_mib("VmHWM:") - self.start - (resident_mib("RssFile:") - self.code)
    }

    /// What the whole process holds now that is no part of a file.
    pub fn own(&self) -> f64 {
        resident_mib("RssAnon:")
    }

    /// The most that the whole process held at any time.
    pub fn peak(&self) -> f64 {
        self.earlier.max(resident_mib("VmHWM:"))
    }
}

/// A line of /proc/self/status.
fn resident_mib(field: &str) -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix(field)).unwrap_or("0 kB");
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or(0.0) / 1024.0
}
