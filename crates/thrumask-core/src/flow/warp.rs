//! Pictures moved back along flow, and how well a flow explains two of them.

use super::FlowField;
use crate::{Error, Picture, Result, Size};

/// `second` as it would look if nothing had moved since the picture that `flow` starts from: at each pixel
/// the colour where the flow leads, interpolated between four pixels. `None` where it leads out of the
/// picture.
///
/// # Errors
/// [`Error::Mismatch`] when sizes differ.
pub fn moved_back(second: &Picture, flow: &FlowField) -> Result<Vec<Option<[f32; 3]>>> {
    let size = second.size();
    if flow.size() != size {
        return Err(Error::mismatch("size of a flow field", size, flow.size()));
    }
    let Size { width, height } = size;
    let color = |(i, &[dx, dy]): (usize, &[f32; 2])| {
        let (x, y) = ((i % width) as f32 + dx, (i / width) as f32 + dy);
        let inside = |at: f32, length: usize| at >= 0.0 && at <= (length - 1) as f32;
        if !inside(x, width) || !inside(y, height) {
            return None;
        }
        let (left, top) = (x as usize, y as usize);
        let (right, bottom) = ((left + 1).min(width - 1), (top + 1).min(height - 1));
        let (across, down) = (x - left as f32, y - top as f32);
        let between = |a: [u8; 3], b: [u8; 3], share: f32| -> [f32; 3] {
            std::array::from_fn(|c| f32::from(a[c]) * (1.0 - share) + f32::from(b[c]) * share)
        };
        let row = |y: usize| between(second.pixel(left, y), second.pixel(right, y), across);
        let (upper, lower) = (row(top), row(bottom));
        Some(std::array::from_fn(|c| upper[c] * (1.0 - down) + lower[c] * down))
    };
    Ok(flow.vectors().iter().enumerate().map(color).collect())
}

/// How far the colours of `first` lie from those where `flow` leads in `second`: the mean over channels
/// and pixels in levels, without pixels that leave the picture; 0 when all do.
///
/// # Errors
/// [`Error::Mismatch`] when sizes differ.
pub fn warp_error(first: &Picture, second: &Picture, flow: &FlowField) -> Result<f32> {
    if first.size() != second.size() {
        return Err(Error::mismatch("size of the second picture", first.size(), second.size()));
    }
    let (mut sum, mut count) = (0.0f64, 0usize);
    for (rgb, back) in first.rgb().chunks_exact(3).zip(moved_back(second, flow)?) {
        let Some(back) = back else { continue };
        sum += rgb.iter().zip(back).map(|(&a, b)| f64::from((f32::from(a) - b).abs())).sum::<f64>();
        count += 3;
    }
    Ok((sum / count.max(1) as f64) as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A picture whose colours rise with the column by 10 levels and with the row by 3.
    fn slope(shift: usize) -> Picture {
        let size = Size::new(12, 8);
        let mut picture = Picture::filled(size, [0; 3]);
        for (x, y) in (0..8).flat_map(|y| (0..12).map(move |x| (x, y))) {
            picture.set_pixel(x, y, [(10 * (x + shift) + 3 * y) as u8; 3]);
        }
        picture
    }

    #[test]
    fn the_true_flow_explains_what_moved() {
        // What was at column x is at column x - 2 in the second picture.
        let (first, second) = (slope(0), slope(2));
        let flow = |dx: f32| FlowField::new(first.size(), vec![[dx, 0.0]; 96]).unwrap();
        assert_eq!(warp_error(&first, &second, &flow(-2.0)).unwrap(), 0.0);
        assert_eq!(warp_error(&first, &second, &flow(0.0)).unwrap(), 20.0);
        assert!((warp_error(&first, &second, &flow(-1.5)).unwrap() - 5.0).abs() < 1e-3);
        let back = moved_back(&second, &flow(-2.0)).unwrap();
        assert_eq!(back.iter().filter(|c| c.is_none()).count(), 16, "two columns leave");
        assert_eq!(warp_error(&first, &second, &flow(-99.0)).unwrap(), 0.0);
    }

    #[test]
    fn sizes_must_agree() {
        let other = FlowField::still(Size::new(8, 12));
        assert!(moved_back(&slope(0), &other).is_err());
        let small = Picture::filled(Size::new(3, 3), [0; 3]);
        assert!(warp_error(&small, &slope(0), &FlowField::still(Size::new(12, 8))).is_err());
    }
}
