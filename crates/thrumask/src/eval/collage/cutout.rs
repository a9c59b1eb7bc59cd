//! Shapes and pictures as layers to lay over each other.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use thrumask_core::{Error, Picture, Result, Size, media::read_frames};
use tiny_skia::{
    Color, FillRule, GradientStop, LinearGradient, Mask, Paint, PathBuilder, Pixmap, Point, Shader,
    SpreadMode, Transform,
};

use super::document::{CutOut, Shape, Source};
use crate::world::{Fill, Pen};

/// Pictures that were read before.
pub(super) struct Album {
    root: PathBuf,
    read: HashMap<(PathBuf, usize), Picture>,
}

impl Album {
    /// Pictures of a folder.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned(), read: HashMap::new() }
    }

    /// A frame of a picture or video.
    fn picture(&mut self, source: &Source) -> Result<&Picture> {
        let name = source.file.clone().unwrap_or_default();
        let path = self.root.join(&name);
        let key = (name, source.frame);
        if !self.read.contains_key(&key) {
            let (mut seen, mut wanted) = (0, None);
            read_frames(&path, |picture| {
                if seen == source.frame {
                    wanted = Some(picture);
                }
                seen += 1;
                Ok(())
            })?;
            let Some(picture) = wanted else {
                let what = format!("frame of {}", path.display());
                let reason = format!("expected one of {seen}, got {}", source.frame);
                return Err(Error::invalid(what, reason));
            };
            self.read.insert(key.clone(), picture);
        }
        Ok(&self.read[&key])
    }

    /// A background of `side` × `side` pixels.
    ///
    /// # Errors
    /// As [`read_frames`]; [`Error::Invalid`] when a window lies outside of its picture.
    pub fn background(&mut self, source: &Source, side: usize) -> Result<Picture> {
        let size = Size::new(side, side);
        if source.file.is_none() {
            let scale = Transform::from_scale(side as f32, side as f32);
            let canvas = drawn(&source.draw, side, scale)?;
            let rgb = canvas.data().chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]);
            return Picture::new(size, rgb.collect());
        }
        let picture = self.picture(source)?;
        let whole = picture.size();
        let all = [0.0, 0.0, whole.width as f32, whole.height as f32];
        let [x, y, w, h] = source.window.unwrap_or(all).map(|v| v.round() as usize);
        crop(picture, [x, y], Size::new(w, h))?.resize(size)
    }

    /// An object with its outline as a layer of at most `side` × `side` pixels.
    ///
    /// # Errors
    /// As [`Album::background`].
    pub fn layer(&mut self, object: &CutOut, side: usize) -> Result<Pixmap> {
        let source = &object.cut;
        if source.file.is_none() {
            let scale = side as f32;
            let place =
                Transform::from_scale(scale, scale).post_translate(scale / 2.0, scale / 2.0);
            return drawn(&source.draw, side, place);
        }
        let picture = self.picture(source)?;
        let ends = |axis: usize| {
            let values = source.outline.iter().map(|p| p[axis]);
            let (low, high) = (values.clone().fold(f32::MAX, f32::min), values.fold(0.0, f32::max));
            (low.max(0.0).floor() as usize, high.ceil() as usize)
        };
        let ((x0, x1), (y0, y1)) = (ends(0), ends(1));
        let own = Size::new(x1.saturating_sub(x0), y1.saturating_sub(y0));
        let cut = crop(picture, [x0, y0], own)?;
        let scale = side as f32 / own.width.max(own.height) as f32;
        let small = |v: usize| ((v as f32 * scale).round() as usize).max(1);
        let cut = cut.resize(Size::new(small(own.width), small(own.height)))?;
        let mut b = PathBuilder::new();
        for (i, [x, y]) in source.outline.iter().enumerate() {
            let (x, y) = ((x - x0 as f32) * scale, (y - y0 as f32) * scale);
            if i == 0 { b.move_to(x, y) } else { b.line_to(x, y) }
        }
        b.close();
        let Size { width, height } = cut.size();
        let (Some(mut layer), Some(mut mask), Some(path)) = (
            Pixmap::new(width as u32, height as u32),
            Mask::new(width as u32, height as u32),
            b.finish(),
        ) else {
            let what = format!("outline of {}", object.name);
            return Err(Error::invalid(what, "expected a polygon with an area, got none"));
        };
        mask.fill_path(&path, FillRule::Winding, true, Transform::identity());
        let pixels = layer.data_mut().chunks_exact_mut(4);
        for ((pixel, color), &alpha) in pixels.zip(cut.rgb().chunks_exact(3)).zip(mask.data()) {
            let share = |c: u8| ((u32::from(c) * u32::from(alpha) + 127) / 255) as u8;
            pixel.copy_from_slice(&[share(color[0]), share(color[1]), share(color[2]), alpha]);
        }
        Ok(layer)
    }
}

/// Part of a picture.
fn crop(picture: &Picture, corner: [usize; 2], size: Size) -> Result<Picture> {
    let whole = picture.size();
    let [x, y] = corner;
    // Numbers of a file may be of any size.
    let fits = |from: usize, count: usize, of: usize| {
        count > 0 && from.checked_add(count).is_some_and(|end| end <= of)
    };
    if !(fits(x, size.width, whole.width) && fits(y, size.height, whole.height)) {
        let got = format!("{} x {} pixels at {x}, {y}", size.width, size.height);
        let reason = format!("expected one within {} x {}, got {got}", whole.width, whole.height);
        return Err(Error::invalid("part of a picture", reason));
    }
    let row = |r: usize| {
        let start = ((y + r) * whole.width + x) * 3;
        &picture.rgb()[start..start + size.width * 3]
    };
    Picture::new(size, (0..size.height).flat_map(row).copied().collect())
}

/// Shapes on `side` × `side` pixels.
fn drawn(shapes: &[Shape], side: usize, place: Transform) -> Result<Pixmap> {
    let Some(mut canvas) = Pixmap::new(side as u32, side as u32) else {
        return Err(Error::invalid("collage", format!("expected a size to draw at, got {side}")));
    };
    for shape in shapes {
        let [upper, lower] = shape.colors("shape")?;
        let mut pen = Pen::default();
        let fill = Fill::Fixed(upper);
        if let Some([x, y, rx, ry]) = shape.oval {
            pen.ellipse([x, y], [rx, ry], 0.0, fill);
        } else if let Some([x, y, w, h, r]) = shape.slab {
            pen.slab([x, y], [w, h], r, fill);
        } else if let Some(points) = &shape.polygon {
            pen.polygon(points, fill);
        } else if let Some(points) = &shape.blob {
            pen.blob(points, fill);
        } else if let Some([x0, y0, x1, y1, width]) = shape.bar {
            pen.limb([x0, y0], [x1, y1], width, fill);
        }
        for part in pen.parts {
            let bounds = part.path.bounds();
            let stops =
                vec![GradientStop::new(0.0, opaque(upper)), GradientStop::new(1.0, opaque(lower))];
            let [a, b] = [bounds.top(), bounds.bottom()].map(|y| Point::from_xy(0.0, y));
            let fade = LinearGradient::new(a, b, stops, SpreadMode::Pad, Transform::identity());
            let shader = fade.unwrap_or(Shader::SolidColor(opaque(upper)));
            let paint = Paint { shader, anti_alias: true, ..Paint::default() };
            canvas.fill_path(&part.path, &paint, FillRule::Winding, place, None);
        }
    }
    Ok(canvas)
}

fn opaque([r, g, b]: [u8; 3]) -> Color {
    Color::from_rgba8(r, g, b, 255)
}
