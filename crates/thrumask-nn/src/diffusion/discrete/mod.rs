//! Diffusion with discrete timesteps, for the U-Net backbone.
//!
//! x_t = √ᾱ_t·x₀ + √(1 − ᾱ_t)·ε for t = 0 (nearly data) to T − 1 (nearly noise, or noise alone with zero
//! terminal SNR). Betas, timesteps and solvers follow diffusers 0.42.1 except where a comment says
//! otherwise. Shares are held in float64, so that nothing is lost near t = T − 1.

mod ddim;
mod dpm_solver;
mod euler;
mod lcm;
mod levels;
mod sigmas;
mod solve;
mod spacing;
mod target;

pub use ddim::Ddim;
pub use dpm_solver::DpmSolver;
pub use euler::Euler;
pub use lcm::Lcm;
pub use levels::{BetaCurve, Level, Levels, NoiseSchedule};
pub use solve::{Solver, Step};
pub use spacing::Spacing;
pub use target::{Split, Target, noised};

pub(super) use solve::solve;
