//! One optimiser step on flat slices, in one pass over memory.

/// Settings of [`adamw_ema_step`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamwHyper {
    /// Learning rate of this step.
    pub lr: f32,
    /// Decay of the mean of gradients.
    pub beta1: f32,
    /// Decay of the mean of squared gradients.
    pub beta2: f32,
    /// Added to the root of the second moment.
    pub eps: f32,
    /// Decoupled weight decay; a step subtracts `lr * weight_decay * parameter`.
    pub weight_decay: f32,
    /// Number of this step, from 1; corrects the bias of both means.
    pub step: u64,
    /// Factor on the gradients, for clipping by the global norm.
    pub grad_scale: f32,
    /// Decay of the running average of the parameters (1 leaves it as it is).
    pub ema_decay: f32,
}

/// AdamW with decoupled weight decay, and the running average of the parameters, in one pass.
///
/// # Shapes
/// All slices have one length.
///
/// # Panics
/// When the lengths differ or `step` is 0.
pub fn adamw_ema_step(
    params: &mut [f32],
    grads: &[f32],
    mean: &mut [f32],
    square: &mut [f32],
    ema: &mut [f32],
    hyper: &AdamwHyper,
) {
    let len = params.len();
    assert_eq!([grads.len(), mean.len(), square.len(), ema.len()], [len; 4], "one length");
    assert!(hyper.step > 0, "steps count from 1");
    let steps = hyper.step.min(i32::MAX as u64) as i32;
    let mean_fix = 1.0 / (1.0 - f64::from(hyper.beta1).powi(steps));
    let square_fix = 1.0 / (1.0 - f64::from(hyper.beta2).powi(steps));
    let (mean_fix, square_fix) = ((f64::from(hyper.lr) * mean_fix) as f32, square_fix as f32);
    let keep = 1.0 - hyper.lr * hyper.weight_decay;
    for i in 0..len {
        let grad = grads[i] * hyper.grad_scale;
        mean[i] += (1.0 - hyper.beta1) * (grad - mean[i]);
        square[i] += (1.0 - hyper.beta2) * (grad * grad - square[i]);
        let root = (square[i] * square_fix).sqrt() + hyper.eps;
        params[i] = params[i] * keep - mean_fix * mean[i] / root;
        ema[i] += (1.0 - hyper.ema_decay) * (params[i] - ema[i]);
    }
}

/// Replaces a matrix by (nearly) its nearest semi-orthogonal one: five Newton-Schulz steps with the
/// quintic coefficients of Muon (3.4445, -4.7750, 2.0315), which bring all singular values to about
/// 0.7..1.2. A zero matrix stays zero.
///
/// # Shapes
/// `matrix` is row-major `[rows, cols]`.
///
/// # Panics
/// When `matrix` does not hold `rows * cols` values.
pub fn newton_schulz5(matrix: &mut [f32], rows: usize, cols: usize) {
    assert_eq!(matrix.len(), rows * cols, "a matrix of {rows} x {cols}");
    let norm = matrix.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt();
    let scale = 1.0 / (norm as f32 + 1e-7);
    matrix.iter_mut().for_each(|x| *x *= scale);
    // The Gram matrix is taken on the shorter side: x = (a + b g + c g²) x with g = x xᵀ, or the same
    // from the right with g = xᵀ x.
    let (side, left) = (rows.min(cols), rows <= cols);
    let mut gram = vec![0.0; side * side];
    let mut poly = vec![0.0; side * side];
    let mut next = vec![0.0; rows * cols];
    for _ in 0..5 {
        if left {
            product(&mut gram, [rows, rows, cols], (matrix, cols, 1), (matrix, 1, cols), None);
        } else {
            product(&mut gram, [cols, cols, rows], (matrix, 1, cols), (matrix, cols, 1), None);
        }
        poly.copy_from_slice(&gram);
        let square = (&gram[..], side, 1);
        product(&mut poly, [side, side, side], square, square, Some((-4.7750, 2.0315)));
        for i in 0..side {
            poly[i * side + i] += 3.4445;
        }
        if left {
            product(&mut next, [rows, cols, rows], (&poly, side, 1), (matrix, cols, 1), None);
        } else {
            product(&mut next, [rows, cols, cols], (matrix, cols, 1), (&poly, side, 1), None);
        }
        matrix.copy_from_slice(&next);
    }
}

/// `out = alpha * out + beta * lhs * rhs` for `mix = Some((alpha, beta))`, else `lhs * rhs`. Sizes are
/// rows and columns of `out` and the inner one; operands come with their row and column strides.
fn product(
    out: &mut [f32],
    [rows, cols, inner]: [usize; 3],
    (lhs, lhs_row, lhs_col): (&[f32], usize, usize),
    (rhs, rhs_row, rhs_col): (&[f32], usize, usize),
    mix: Option<(f32, f32)>,
) {
    assert!(out.len() >= rows * cols);
    assert!(lhs.len() >= rows * inner && rhs.len() >= inner * cols);
    let (alpha, beta) = mix.unwrap_or((0.0, 1.0));
    // SAFETY: dense operands in either order, of the sizes just checked; `out` is borrowed mutably.
    unsafe {
        gemm::gemm(
            rows,
            cols,
            inner,
            out.as_mut_ptr(),
            1,
            cols as isize,
            mix.is_some(),
            lhs.as_ptr(),
            lhs_col as isize,
            lhs_row as isize,
            rhs.as_ptr(),
            rhs_col as isize,
            rhs_row as isize,
            alpha,
            beta,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
