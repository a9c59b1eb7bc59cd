//! Values that are not numbers, infinite, huge or all alike, and tensors without values.

use crate::common::with_threads;
use crate::exact::*;
use thrumask_kernels::ConvolutionOptions;

/// Kernels keep their working memory for the next; what is in it must not matter.
#[test]
fn what_others_leave_in_working_memory_has_no_influence() {
    with_threads(1, || {
        let operators = every_operator();
        let before: Vec<Outcome> = operators.iter().map(Operator::run).collect();
        let mut spoilt = attention([1, 200, 300, 1, 70], None, 1);
        spoilt.inputs.iter_mut().for_each(|x| x.values.fill(f32::NAN));
        for (operator, before) in operators.iter().zip(before) {
            let nothing = spoilt.run();
            assert!(nothing.out.iter().all(|x| x.is_nan()));
            assert!(operator.run().same(&before), "{}", operator.name);
        }
    });
}

/// Rows that an operator treats one by one: the others keep their bits when one is spoilt.
#[test]
fn a_spoilt_row_stays_alone() {
    let dims = [2, 7, 21];
    let mut operators = vec![
        softmax(dims, 4.0, 1),
        layer_norm(dims, 2),
        layer_norm_modulate(dims, 3),
        rms_norm(dims, 21, 4),
        rms_norm(dims, 7, 5),
        linear(dims, 20, true, 6),
        gated_residual(dims, false, 7),
        rope([2, 7, 1, 10], 8),
    ];
    for function in Function::ALL {
        operators.push(pointwise(function, dims, 4.0, 9));
    }
    for mut operator in operators {
        let before = operator.run();
        let width = operator.inputs[0].dims[2];
        operator.inputs[0].values[3 * width..4 * width].fill(f32::NAN);
        let after = operator.run();
        for (before, after) in [(&before.out, &after.out), (&before.grads[0], &after.grads[0])] {
            let width = before.len() / 14;
            for (row, (before, after)) in before.chunks(width).zip(after.chunks(width)).enumerate()
            {
                assert!(row == 3 || before == after, "row {row} of {}", operator.name);
            }
        }
        assert!(after.out[3 * after.out.len() / 14].is_nan(), "{}", operator.name);
    }
}

#[test]
fn groups_of_channels_stay_alone() {
    for silu in [false, true] {
        let mut operator = group_norm([2, 6, 4, 5], 3, silu, 1);
        let before = operator.run();
        operator.inputs[0].values[40..80].fill(f32::INFINITY);
        let after = operator.run();
        for (before, after) in [(&before.out, &after.out), (&before.grads[0], &after.grads[0])] {
            for (i, (before, after)) in before.chunks(40).zip(after.chunks(40)).enumerate() {
                assert!(i == 1 || before == after, "group {i}");
            }
        }
    }
}

#[test]
fn norms_of_values_that_are_all_alike() {
    for value in [0.0, 1.0, -300.0] {
        for mut operator in [
            layer_norm([2, 3, 37], 1),
            layer_norm_modulate([2, 3, 37], 2),
            rms_norm([2, 3, 36], 9, 3),
            group_norm([2, 6, 3, 5], 2, false, 4),
            group_norm([2, 6, 3, 5], 2, true, 5),
        ] {
            operator.inputs[0].values.fill(value);
            // The deviation is the root of what is added to the variance, a hundredth.
            operator.tolerance = [1e-5, 1e-5];
            check(&operator, SOME);
        }
    }
}

/// The variance is that of the distances from the mean, not a difference of large squares.
#[test]
fn norms_of_values_far_from_zero() {
    for mut operator in [
        layer_norm([2, 3, 150], 1),
        layer_norm_modulate([2, 3, 150], 2),
        group_norm([2, 6, 7, 11], 2, false, 3),
        group_norm([2, 6, 7, 11], 2, true, 4),
    ] {
        operator.inputs[0].values.iter_mut().for_each(|x| *x += 3000.0);
        operator.tolerance = [1e-3, 1e-3];
        check(&operator, SOME);
    }
}

#[test]
fn softmax_of_masked_places() {
    let mut operator = softmax([2, 4, 37], 4.0, 1);
    for (i, x) in operator.inputs[0].values.iter_mut().enumerate() {
        match i % 5 {
            0 => *x = f32::NEG_INFINITY,
            1 => *x = -1e30,
            _ => {}
        }
    }
    let found = operator.run();
    for (i, (out, grad)) in found.out.iter().zip(&found.grads[0]).enumerate() {
        assert!(if i % 5 < 2 { *out == 0.0 && *grad == 0.0 } else { *out > 0.0 }, "{i}: {out}");
        assert!(grad.is_finite());
    }
    // A row of which all is masked, beside one that is as before.
    operator.inputs[0].values[37..74].fill(f32::NEG_INFINITY);
    let nothing = operator.run();
    for (nothing, found) in [(&nothing.out, &found.out), (&nothing.grads[0], &found.grads[0])] {
        assert!(nothing[37..74].iter().all(|x| *x == 0.0));
        assert_eq!((&nothing[..37], &nothing[74..]), (&found[..37], &found[74..]));
    }
    let mut alone = softmax([1, 1, 37], 4.0, 2);
    alone.inputs[0].values[9] = 1e30;
    let found = alone.run();
    assert!(found.out.iter().enumerate().all(|(i, x)| *x == f32::from(u8::from(i == 9))));
    assert!(found.grads[0].iter().all(|x| *x == 0.0));
}

#[test]
fn functions_far_from_zero() {
    for function in [Function::Gelu, Function::GeluTanh, Function::Silu] {
        let mut operator = pointwise(function, [1, 1, 5], 1.0, 1);
        operator.inputs[0].values = vec![-1e10, -1e3, 0.0, 1e3, 1e10];
        let found = operator.run();
        let weights = weights(5);
        let slopes = [0.0, 0.0, 0.5, 1.0, 1.0];
        let values = [0.0, 0.0, 0.0, 1e3, 1e10];
        for i in 0..5 {
            let (out, slope) = (found.out[i], found.grads[0][i] / weights[i]);
            assert!((out - values[i]).abs() < 1e-20, "{function:?} {i}: {out}");
            assert!((slope - slopes[i]).abs() < 1e-6, "{function:?} {i}: slope {slope}");
        }
    }
}

#[test]
fn tensors_without_values() {
    let options = ConvolutionOptions { stride: 1, padding: 1, magnify: 1, silu: false };
    let none =
        |tokens: usize| Prompts { visible: vec![true; tokens], lens: vec![2], count: 1, padded: 2 };
    for operator in [
        attention([2, 0, 5, 2, 8], None, 1),
        attention([2, 0, 5, 2, 8], Some(vec![3, 5]), 2),
        attention([2, 5, 0, 2, 8], None, 3),
        attention([2, 5, 0, 2, 8], Some(vec![0, 0]), 4),
        attention([0, 5, 5, 2, 8], None, 5),
        grouped([2, 0, 2, 8], vec![], 6),
        grouped([0, 5, 2, 8], vec![], 7),
        prompted([1, 0, 2, 8], none(0), 8),
        softmax([2, 0, 5], 1.0, 9),
        softmax([2, 5, 0], 1.0, 9),
        layer_norm([2, 5, 0], 9),
        layer_norm([2, 0, 5], 10),
        layer_norm([0, 3, 5], 11),
        layer_norm_modulate([2, 0, 5], 12),
        rms_norm([2, 0, 6], 3, 13),
        group_norm([0, 4, 3, 3], 2, false, 14),
        group_norm([2, 4, 0, 3], 2, true, 15),
        linear([2, 0, 5], 3, true, 16),
        linear([2, 0, 5], 3, false, 17),
        linear([2, 3, 0], 4, true, 18),
        linear([2, 3, 0], 4, false, 19),
        linear([2, 3, 5], 0, true, 19),
        rope([2, 0, 2, 4], 20),
        rope([0, 3, 2, 4], 21),
        gated_residual([2, 0, 5], false, 22),
        gated_residual([2, 0, 5], true, 23),
        conv2d([0, 3, 5, 5], 4, [3, 3], options, 24),
        conv2d([0, 12, 5, 5], 12, [3, 3], options, 25),
        conv2d([1, 0, 5, 5], 4, [3, 3], options, 25),
        conv2d([1, 3, 5, 5], 0, [3, 3], options, 25),
        temporal_conv([0, 3, 4, 2, 2], 4, 3, 26),
        pointwise(Function::Gelu, [2, 0, 5], 1.0, 27),
        pointwise(Function::Silu, [2, 5, 0], 1.0, 28),
    ] {
        check(&operator, SOME);
    }
}
