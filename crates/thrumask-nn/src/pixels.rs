//! Pictures and clips as tensors of pixels in [-1, 1], and back.

use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;
use thrumask_core::{Clip, Picture, Size};

use crate::{Error, Result};

/// Equally long, equally sized videos as one tensor in [-1, 1].
///
/// # Shapes
/// - `videos`: `B` videos of `T` pictures of `H × W`
/// - returns `[B, 3, T, H, W]`
///
/// # Errors
/// [`Error::Shape`] without a video, or when lengths or sizes differ.
pub fn pixels_from_frames(videos: &[&[Picture]], device: &Device) -> Result<Tensor<5>> {
    let first = videos.first().and_then(|v| v.first());
    let first = first.ok_or_else(|| Error::shape("videos", "at least one frame", 0))?;
    let (frames, Size { width, height }) = (videos[0].len(), first.size());
    let plane = width * height;
    for video in videos {
        if video.len() != frames {
            return Err(Error::shape("video length", frames, video.len()));
        }
        if let Some(other) = video.iter().find(|picture| picture.size() != first.size()) {
            return Err(Error::shape("frame", first.size(), other.size()));
        }
    }
    let mut data = vec![0f32; videos.len() * 3 * frames * plane];
    data.par_chunks_mut(plane.max(1)).enumerate().for_each(|(i, to)| {
        let (b, c, t) = (i / frames / 3, i / frames % 3, i % frames);
        let levels = videos[b][t].rgb().iter().skip(c).step_by(3);
        to.iter_mut().zip(levels).for_each(|(to, &level)| *to = f32::from(level) / 127.5 - 1.0);
    });
    let shape = [videos.len(), 3, frames, height, width];
    Ok(Tensor::from_data(TensorData::new(data, shape), device))
}

/// The videos in a tensor of pixels; values outside [-1, 1] are clamped.
///
/// # Shapes
/// - `pixels`: `[B, 3, T, H, W]`
///
/// # Errors
/// [`Error::Shape`] when there are not three channels, or no frame.
pub fn clips_from_pixels(pixels: Tensor<5>, fps: f32) -> Result<Vec<Clip>> {
    let [batch, channels, frames, height, width] = pixels.dims();
    if channels != 3 {
        return Err(Error::shape("pixel channels", 3, channels));
    }
    let data = host_values(pixels);
    let plane = width * height;
    let level = |v: f32| ((v.clamp(-1.0, 1.0) + 1.0) * 127.5).round() as u8;
    (0..batch)
        .map(|b| {
            let pictures = (0..frames).map(|t| {
                let at = |c: usize, i: usize| data[((b * 3 + c) * frames + t) * plane + i];
                let rgb = (0..plane).flat_map(|i| (0..3).map(move |c| level(at(c, i))));
                Ok(Picture::new(Size::new(width, height), rgb.collect())?)
            });
            Ok(Clip::new(pictures.collect::<Result<_>>()?, fps)?)
        })
        .collect()
}

/// All values of a float tensor, row-major, on the host.
pub fn host_values<const D: usize>(tensor: Tensor<D>) -> Vec<f32> {
    host_data(tensor.into_data())
}

/// The values of data that was read from a device, row-major.
pub fn host_data(data: TensorData) -> Vec<f32> {
    data.convert::<f32>().try_into_vec::<f32>().unwrap_or_default()
}
