//! The real binary from a user's side. Nothing here depends on what the models learned.

// Helpers of tests and examples may unwrap as the tests themselves do.
#![allow(clippy::unwrap_used)]

mod adherence;
mod bad_input;
mod bench;
mod collage;
mod common;
mod control;
mod data;
mod determinism;
mod device;
mod editing;
mod flow;
mod folders;
mod formats;
mod interruption;
mod llm;
mod models;
mod objects;
mod public_training;
mod seeing;
mod single_file;
mod stages;
mod training;
mod unet;
