use burn::tensor::Tensor;

/// Multi-scale deformable attention; see [`crate::deformable_attention`].
///
/// # Shapes
/// `value` `[B, S, C]`, `locations` `[B, Q, heads·L·P·2]`, `weights` `[B, Q, heads·L·P]` give `[B, Q, C]`.
pub fn deformable_attention(
    value: Tensor<3>,
    locations: Tensor<3>,
    weights: Tensor<3>,
    heads: usize,
    levels: &[[usize; 2]],
) -> Tensor<3> {
    let ([batch, _, channels], [_, queries, places]) = (value.dims(), weights.dims());
    let (size, points) = (channels / heads, places / heads / levels.len());
    let locations = locations.reshape([batch, queries, heads, levels.len(), points, 2]);
    let weights = weights.reshape([batch, queries, heads, levels.len(), points]);
    let count = queries * points;
    let mut sum: Option<Tensor<4>> = None;
    let mut start = 0;
    for (l, &[height, width]) in levels.iter().enumerate() {
        let cells = height * width;
        let features = value.clone().narrow(1, start, cells);
        let features = features.reshape([batch, cells, heads, size]).swap_dims(1, 2); // [B, H, S, D]
        start += cells;
        let coordinate = |axis: usize, length: usize| {
            let of = locations.clone().narrow(3, l, 1).narrow(5, axis, 1);
            let of = of.reshape([batch, queries, heads, points]).swap_dims(1, 2);
            of.reshape([batch, heads, count, 1]) * length as f32 - 0.5 // [B, H, Q·P, 1]
        };
        let (x, y) = (coordinate(0, width), coordinate(1, height));
        let (left, top) = (x.clone().detach().floor(), y.clone().detach().floor());
        let (right_share, lower_share) = (x - left.clone(), y - top.clone());
        let mut at: Option<Tensor<4>> = None;
        for (dx, dy) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
            let (column, row) = (left.clone() + dx as f32, top.clone() + dy as f32);
            let beyond = column
                .clone()
                .lower_elem(0.0)
                .bool_or(column.clone().greater_elem(width as f32 - 0.5));
            let beyond = beyond.bool_or(row.clone().lower_elem(0.0));
            let beyond = beyond.bool_or(row.clone().greater_elem(height as f32 - 0.5));
            let inside = |x: Tensor<4>, length: usize| x.clamp(0.0, length as f32 - 1.0).int();
            let index = inside(row, height) * width as i32 + inside(column, width);
            let corner = features.clone().gather(2, index.expand([batch, heads, count, size]));
            let share =
                |of: &Tensor<4>, far: i32| if far == 1 { of.clone() } else { -of.clone() + 1.0 };
            let share = share(&right_share, dx) * share(&lower_share, dy);
            let part = corner * share.mask_fill(beyond, 0.0); // [B, H, Q·P, D]
            at = Some(at.map_or(part.clone(), |sum| sum + part));
        }
        let weight = weights.clone().narrow(3, l, 1).reshape([batch, queries, heads, points]);
        let weight = weight.swap_dims(1, 2).reshape([batch, heads, count, 1]);
        if let Some(at) = at {
            let points_sum =
                (at * weight).reshape([batch, heads, queries, points, size]).sum_dim(3);
            let points_sum = points_sum.reshape([batch, heads, queries, size]);
            sum = Some(sum.map_or(points_sum.clone(), |sum| sum + points_sum));
        }
    }
    match sum {
        Some(sum) => sum.swap_dims(1, 2).reshape([batch, queries, channels]),
        None => Tensor::zeros([batch, queries, channels], &value.device()),
    }
}
