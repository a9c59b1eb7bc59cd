//! Pictures as the network was trained on them.

use burn::tensor::{Device, Tensor, TensorData};
use serde::Deserialize;
use thrumask_core::{Picture, Size};

use crate::{Error, Result};

/// How pictures are prepared.
#[derive(Debug, Clone, PartialEq)]
pub struct PictureSettings {
    /// The shorter side, in pixels, …
    pub shortest: usize,
    /// … unless the longer one would be longer than this.
    pub longest: usize,
    /// What is taken from levels of 0 to 1.
    pub mean: [f32; 3],
    /// What they are divided by then.
    pub deviation: [f32; 3],
}

impl Default for PictureSettings {
    /// As public networks have it: 800 to 1333 pixels, ImageNet's colours.
    fn default() -> Self {
        Self {
            shortest: 800,
            longest: 1333,
            mean: [0.485, 0.456, 0.406],
            deviation: [0.229, 0.224, 0.225],
        }
    }
}

/// Pictures of one size.
#[derive(Debug, Clone)]
pub struct Pictures {
    /// `[B, 3, H, W]`: zero beyond a picture's own size.
    pub pixels: Tensor<4>,
    /// Rows and columns of each.
    pub sizes: Vec<[usize; 2]>,
}

impl PictureSettings {
    /// What a `preprocessor_config.json` of transformers says; the rest is as by default.
    ///
    /// # Errors
    /// [`Error::Config`] when it is no such file, or its sizes cannot be.
    pub fn from_transformers(json: &str) -> Result<Self> {
        let refuse = |reason: String| Error::config("preprocessor_config.json", reason);
        let keys = serde_json::from_str::<serde_json::Map<_, _>>(json);
        let public = keys.and_then(|keys| serde_json::from_value::<Public>(keys.into()));
        let public = public.map_err(|e| refuse(e.to_string()))?;
        let Self { shortest, longest, mean, deviation } = Self::default();
        let size =
            public.size.unwrap_or(PublicSize { shortest_edge: shortest, longest_edge: longest });
        let settings = Self {
            shortest: size.shortest_edge,
            longest: size.longest_edge,
            mean: public.image_mean.unwrap_or(mean),
            deviation: public.image_std.unwrap_or(deviation),
        };
        let positive = settings.deviation.iter().all(|&d| d > 0.0);
        if settings.shortest == 0 || settings.longest < settings.shortest || !positive {
            return Err(refuse(format!(
                "expected sizes and deviations above zero, got {settings:?}"
            )));
        }
        Ok(settings)
    }

    /// The size that a picture is brought to: the shorter side as asked for, or less where the longer one
    /// would be too long.
    pub fn fitted(&self, Size { width, height }: Size) -> Size {
        let (least, most) = (width.min(height) as f64, width.max(height) as f64);
        let (mut side, mut exact) = (self.shortest, self.shortest as f64);
        if most / least * exact > self.longest as f64 {
            exact = self.longest as f64 * least / most;
            side = exact.round_ties_even() as usize;
        }
        if (height <= width && height == side) || (width <= height && width == side) {
            return Size::new(width, height);
        }
        let other = |a: usize, b: usize| ((exact * a as f64 / b as f64) as usize).max(1);
        let side = side.max(1);
        if width < height {
            Size::new(side, other(height, width))
        } else {
            Size::new(other(width, height), side)
        }
    }

    /// Pictures of any sizes, each brought to its own and filled up to the largest.
    ///
    /// # Errors
    /// [`Error::Shape`] without a picture; as [`Picture::resize_linear`].
    pub fn prepare(&self, pictures: &[Picture], device: &Device) -> Result<Pictures> {
        let resized = |picture: &Picture| picture.resize_linear(self.fitted(picture.size()));
        let pictures: Vec<Picture> =
            pictures.iter().map(resized).collect::<thrumask_core::Result<_>>()?;
        let side = |of: fn(Size) -> usize| pictures.iter().map(|p| of(p.size())).max();
        let (Some(height), Some(width)) = (side(|s| s.height), side(|s| s.width)) else {
            return Err(Error::shape("pictures", "at least one", 0));
        };
        let mut values = vec![0f32; pictures.len() * 3 * height * width];
        for (picture, values) in pictures.iter().zip(values.chunks_exact_mut(3 * height * width)) {
            let columns = picture.size().width;
            for (i, rgb) in picture.rgb().chunks_exact(3).enumerate() {
                let at = i / columns * width + i % columns;
                for (c, &level) in rgb.iter().enumerate() {
                    let value = (f32::from(level) / 255.0 - self.mean[c]) / self.deviation[c];
                    values[c * height * width + at] = value;
                }
            }
        }
        let values = TensorData::new(values, [pictures.len(), 3, height, width]);
        let sizes = pictures.iter().map(|p| [p.size().height, p.size().width]).collect();
        Ok(Pictures { pixels: Tensor::from_data(values, device), sizes })
    }
}

/// `preprocessor_config.json` of transformers' `GroundingDinoImageProcessor`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Public {
    size: Option<PublicSize>,
    image_mean: Option<[f32; 3]>,
    image_std: Option<[f32; 3]>,
}

#[derive(Debug, Deserialize)]
struct PublicSize {
    shortest_edge: usize,
    longest_edge: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_fit() {
        let settings = PictureSettings::default();
        for ((width, height), expected) in [
            ((640, 480), (1066, 800)),
            ((480, 640), (800, 1066)),
            ((800, 800), (800, 800)),
            ((1920, 1080), (1333, 750)),
            ((4000, 800), (1333, 267)),
            ((1, 5000), (1, 1333)),
        ] {
            let fitted = settings.fitted(Size::new(width, height));
            assert_eq!((fitted.width, fitted.height), expected, "{width} x {height}");
        }
    }

    #[test]
    fn settings_are_read() {
        let read = PictureSettings::from_transformers;
        assert_eq!(read("{\"do_resize\": true}").unwrap(), PictureSettings::default());
        let other = read("{\"size\": {\"shortest_edge\": 20, \"longest_edge\": 30}}").unwrap();
        assert_eq!((other.shortest, other.longest), (20, 30));
        assert!(read("{\"size\": {\"shortest_edge\": 0, \"longest_edge\": 30}}").is_err());
        assert!(read("[]").is_err());
    }

    #[test]
    fn small_pictures_are_filled_up() {
        let settings = PictureSettings { shortest: 4, longest: 8, ..Default::default() };
        let pictures = [
            Picture::filled(Size::new(4, 4), [255, 0, 128]),
            Picture::filled(Size::new(16, 8), [0; 3]),
        ];
        let made = settings.prepare(&pictures, &Device::flex()).unwrap();
        assert_eq!(made.sizes, [[4, 4], [4, 8]]);
        assert_eq!(made.pixels.dims(), [2, 3, 4, 8]);
        let values = crate::pixels::host_values(made.pixels);
        assert!((values[0] - (1.0 - 0.485) / 0.229).abs() < 1e-6);
        assert_eq!(values[4], 0.0);
        assert!((values[96 + 7] + 0.485 / 0.229).abs() < 1e-6);
        assert!(settings.prepare(&[], &Device::flex()).is_err());
    }
}
