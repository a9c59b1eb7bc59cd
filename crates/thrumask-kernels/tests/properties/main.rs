//! What holds for operators of any shape, for inputs that lie in memory in any way, and for values that
//! are not numbers, infinite or huge, with each instruction set.

// Helpers of tests and examples may unwrap as the tests themselves do.
#![allow(clippy::unwrap_used)]

#[path = "../common/mod.rs"]
mod common;
#[path = "../exact/mod.rs"]
mod exact;
mod layouts;
mod masks;
mod shapes;
mod special;

#[test]
fn every_instruction_set_passes() {
    common::pass_with_fewer_instructions(&["layouts::", "masks::", "shapes::", "special::"]);
}
