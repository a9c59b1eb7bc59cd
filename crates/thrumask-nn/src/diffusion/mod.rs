//! Flow matching without models: the probability path, time schedules, the Euler solver, guidance
//! and noise. Small pure functions over tensors and numbers.

pub mod guidance;
pub mod noise;
pub mod path;
pub mod schedule;
pub mod solver;
