//! Positions that are not learned.

use burn::tensor::{Device, Tensor, TensorData};

/// Sines and cosines of the places of a map (Carion et al., "End-to-End Object Detection with
/// Transformers", 2020): rows in the first half of the channels, columns in the second, one turn over the
/// whole map at the shortest wavelength and the others up to 10,000 times longer.
///
/// # Shapes
/// - `size`: `[H, W]`
/// - returns `[1, width, H, W]`; `width` is a multiple of 4
pub fn sine_positions(width: usize, [height, columns]: [usize; 2], device: &Device) -> Tensor<4> {
    let half = width / 2;
    // Counted from 1 to the number of places, in turns of the whole.
    let wave = |channel: usize, place: usize, places: usize| {
        let turn = std::f32::consts::TAU * (place + 1) as f32 / (places as f32 + 1e-6);
        let angle = turn / 10_000f32.powf((channel / 2 * 2) as f32 / half as f32);
        if channel.is_multiple_of(2) { angle.sin() } else { angle.cos() }
    };
    let mut values = Vec::with_capacity(width * height * columns);
    for channel in 0..half {
        for row in 0..height {
            values.extend(std::iter::repeat_n(wave(channel, row, height), columns));
        }
    }
    for channel in 0..half {
        for _ in 0..height {
            values.extend((0..columns).map(|column| wave(channel, column, columns)));
        }
    }
    Tensor::from_data(TensorData::new(values, [1, width, height, columns]), device)
}
