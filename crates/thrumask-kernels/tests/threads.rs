//! Every operator gives the same bytes on any number of threads: outputs, those without a record for a
//! backward pass too, and gradients.

// Helpers of tests and examples may unwrap as the tests themselves do.
#![allow(clippy::unwrap_used)]

mod common;
mod exact;

#[test]
fn every_instruction_set_passes() {
    common::pass_with_fewer_instructions(&["checks::"]);
}

/// What each instruction set must pass. Operators are large enough to be several tasks, of which the last ones
/// are shorter.
mod checks {
    use thrumask_kernels::ConvolutionOptions;

    use crate::common::{SAME, noise, with_threads};
    use crate::exact::*;

    /// Runs operators one after the other in a pool of one thread, and in larger ones.
    ///
    /// # Panics
    /// When an operator does not give the same bits in all pools.
    fn same_on_any_threads(operators: &[Operator]) {
        let unrecorded = |operator: &Operator| {
            let out = operator.run_untracked();
            Outcome { out, grads: Vec::new() }
        };
        let run = |threads: usize| {
            with_threads(threads, || {
                let both = |operator: &Operator| [operator.run(), unrecorded(operator)];
                operators.iter().map(both).collect::<Vec<_>>()
            })
        };
        let one = run(1);
        for threads in [2, 3, 5] {
            for ((operator, one), more) in operators.iter().zip(&one).zip(run(threads)) {
                let ways = ["recorded", "unrecorded"].into_iter().zip(one.iter().zip(&more));
                for (way, (one, more)) in ways {
                    assert!(one.same(more), "{}, {way}, on {threads} threads", operator.name);
                }
            }
        }
    }

    #[test]
    fn attention_of_all_kinds() {
        let ids = noise(2 * 700, 1).iter().map(|x| (x.abs() * 4.0) as u16).collect();
        let prompts = Prompts {
            visible: noise(2 * 800 * 5, 2).iter().map(|x| *x > -0.2).collect(),
            lens: vec![60, 0, 31, 60, 7, 60, 60, 1, 12, 59],
            count: 5,
            padded: 60,
        };
        same_on_any_threads(&[
            // Three heads to a task, one, and several tasks to a head in the forward pass.
            attention([4, 300, 260, 4, 16], None, 3),
            attention([4, 300, 260, 4, 16], Some(vec![260, 0, 131, 7]), 4),
            attention_to_itself([2, 510, 3, 16], 5),
            attention([1, 1100, 600, 3, 16], None, 6),
            grouped([2, 700, 2, 24], ids, 7),
            prompted([2, 800, 3, 16], prompts, 8),
        ]);
    }

    /// Three batch rows of rows that are no whole vectors.
    const ROWS: [usize; 3] = [3, 1000, 130];

    #[test]
    fn functions_of_places_and_rows() {
        let mut operators: Vec<Operator> = Vec::new();
        for function in Function::ALL {
            operators.push(pointwise(function, ROWS, 6.0, 11));
        }
        operators.push(softmax(ROWS, 6.0, 12));
        operators.push(rope([3, 1000, 5, 13], 13));
        same_on_any_threads(&operators);
    }

    /// The gradients of parameters are sums over all tasks.
    #[test]
    fn norms_and_residuals() {
        same_on_any_threads(&[
            layer_norm(ROWS, 21),
            layer_norm_modulate(ROWS, 22),
            rms_norm(ROWS, 130, 23),
            rms_norm(ROWS, 13, 24),
            group_norm([3, 32, 40, 41], 8, false, 25),
            group_norm([3, 32, 40, 41], 8, true, 26),
            gated_residual(ROWS, false, 27),
            gated_residual(ROWS, true, 28),
            gated_residual_of_itself(ROWS, 29),
        ]);
    }

    /// The sizes of their tasks are the only ones that depend on the number of threads.
    #[test]
    fn linear_layers() {
        same_on_any_threads(&[
            linear([3, 400, 130], 260, true, 31),
            linear([3, 400, 130], 260, false, 32),
            linear([1, 700, 300], 17, true, 33),
            linear([2, 20, 70], 500, true, 34),
        ]);
    }

    #[test]
    fn convolutions_of_images() {
        let strided = ConvolutionOptions { stride: 2, ..SAME };
        let magnified = ConvolutionOptions { magnify: 2, ..SAME };
        let point = ConvolutionOptions { padding: 0, ..SAME };
        same_on_any_threads(&[
            // In four by four outputs at once.
            conv2d([2, 24, 30, 33], 26, [3, 3], SAME, 41),
            conv2d([2, 24, 30, 33], 26, [3, 3], ConvolutionOptions { silu: true, ..SAME }, 42),
            conv2d([2, 13, 15, 17], 14, [3, 3], magnified, 43),
            // One by one.
            conv2d([6, 7, 40, 41], 9, [3, 3], SAME, 44),
            conv2d([6, 7, 40, 41], 9, [3, 3], ConvolutionOptions { silu: true, ..SAME }, 45),
            conv2d([6, 7, 15, 17], 9, [3, 3], magnified, 46),
            conv2d([6, 11, 40, 41], 14, [3, 3], strided, 47),
            conv2d([6, 30, 40, 41], 11, [3, 3], ConvolutionOptions { silu: true, ..strided }, 48),
            conv2d([3, 40, 30, 31], 33, [1, 1], point, 49),
            conv2d([3, 40, 30, 31], 33, [1, 1], ConvolutionOptions { stride: 2, ..point }, 50),
            conv2d([4, 3, 41, 44], 13, [4, 4], ConvolutionOptions { stride: 4, ..point }, 51),
            conv2d_same([4, 11, 20, 21], 14, [1, 5], 52),
            conv2d_same([4, 13, 20, 21], 14, [7, 3], 53),
            // In steps of two and of five taps, in fewer products.
            conv2d([6, 64, 40, 41], 70, [3, 3], strided, 54),
            conv2d([6, 13, 40, 41], 14, [3, 3], ConvolutionOptions { silu: true, ..strided }, 55),
            conv2d_same([4, 130, 40, 41], 64, [1, 5], 56),
            conv2d_same([4, 13, 20, 21], 14, [5, 1], 57),
        ]);
    }

    #[test]
    fn convolutions_of_videos() {
        same_on_any_threads(&[
            temporal_conv([2, 13, 9, 14, 15], 14, 3, 61),
            temporal_conv([4, 5, 8, 20, 21], 7, 3, 62),
            temporal_conv([2, 13, 7, 14, 15], 14, 5, 63),
        ]);
    }

    #[test]
    fn places_of_maps() {
        const LEVELS: &[[usize; 2]] = &[[20, 24], [10, 12], [5, 6]];
        same_on_any_threads(&[
            deformable([2, 500, 4, 17, 4], LEVELS, 0.6, 71),
            max_of_four([3, 61, 60, 33], 72),
            split_windows([3, 60, 61, 33], [7, 8], 73),
            merge_windows([3, 60, 61, 33], [7, 8], 74),
            exchanged([61, 30, 33, 3], [2, 0, 1, 3], 75),
            exchanged([61, 30, 5, 33], [2, 0, 1, 3], 76),
            exchanged([3, 2, 600, 40], [0, 1, 3, 2], 77),
            exchanged([90, 20, 9, 17], [0, 1, 3, 2], 78),
        ]);
    }
}
