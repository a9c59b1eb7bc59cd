//! Cut-outs that move over a background: frames, and exact masks of what is seen.

use thrumask_core::{Clip, Error, LabelMap, Picture, Result, Size, Trajectory, control::DrawnPath};
use tiny_skia::{FilterQuality, Pixmap, PixmapPaint, Transform};

use super::{cutout::Album, document::Collage};

/// How much finer than the video everything is laid over each other.
const FINE: usize = 4;
/// Coverage from which a fine pixel belongs to an object, of 255.
const HALF: u8 = 128;

/// How an object moves.
#[derive(Debug, Clone)]
pub(super) struct Motion {
    /// In shares of the picture.
    way: DrawnPath,
    turn: f32,
    grow: f32,
}

/// A collage that can be played.
pub(super) struct Scene {
    side: usize,
    frames: usize,
    fps: f32,
    background: Picture,
    /// Each object at its largest.
    layers: Vec<Pixmap>,
    /// Longest side of each object at the beginning, in fine pixels.
    starts: Vec<f32>,
    motions: Vec<Motion>,
}

impl Scene {
    /// A collage at `side` × `side` pixels.
    ///
    /// # Errors
    /// As [`Album::layer`] and [`super::document::CutOut::way`].
    pub fn new(
        collage: &Collage,
        album: &mut Album,
        side: usize,
        frames: usize,
        fps: f32,
    ) -> Result<Self> {
        let fine = side * FINE;
        let background = album.background(&collage.background, fine)?;
        let (mut layers, mut starts, mut motions) = (vec![], vec![], vec![]);
        for object in &collage.object {
            let start = object.scale * fine as f32;
            let largest = (start * object.grow.max(1.0)).ceil() as usize;
            layers.push(album.layer(object, largest.max(1))?);
            starts.push(start);
            let way = object.way(&collage.name)?;
            motions.push(Motion { way, turn: object.turn, grow: object.grow });
        }
        Ok(Self { side, frames, fps, background, layers, starts, motions })
    }

    /// How each object moves.
    pub fn motions(&self) -> &[Motion] {
        &self.motions
    }

    /// The background at the video's size.
    ///
    /// # Errors
    /// None that a scene can have.
    pub fn background(&self) -> Result<Picture> {
        self.background.resize_linear(Size::new(self.side, self.side))
    }

    /// The video and the masks in it.
    ///
    /// # Errors
    /// [`Error::Invalid`] when an object is not seen in the first frame.
    pub fn play(&self) -> Result<(Clip, Trajectory)> {
        self.play_as(&self.motions)
    }

    /// The video in which each object moves from its own start as another one does.
    ///
    /// # Errors
    /// As [`Scene::play`].
    pub fn play_as(&self, motions: &[Motion]) -> Result<(Clip, Trajectory)> {
        let frames = (0..self.frames).map(|t| self.frame(motions, t));
        let (pictures, labels): (Vec<_>, Vec<_>) =
            frames.collect::<Result<Vec<_>>>()?.into_iter().unzip();
        let missing = (1..=self.layers.len() as u8).find(|&id| labels[0].area_of(id) == 0);
        if let Some(id) = missing {
            let reason =
                format!("expected every object in the first frame, got none of object {id}");
            return Err(Error::invalid("collage", reason));
        }
        let masks = Trajectory::new(labels, self.layers.len(), self.fps)?;
        Ok((Clip::new(pictures, self.fps)?, masks))
    }

    fn frame(&self, motions: &[Motion], t: usize) -> Result<(Picture, LabelMap)> {
        let fine = self.side * FINE;
        let size = Size::new(fine, fine);
        let mut picture = self.background.clone();
        let mut labels = LabelMap::empty(size);
        let time = t as f32 / (self.frames.max(2) - 1) as f32;
        for (i, (layer, by)) in self.layers.iter().zip(motions).enumerate() {
            let start = self.motions[i].way.at(0.0);
            let shift = by.way.shift_at(time);
            let at = [0, 1].map(|axis| (start[axis] + shift[axis]) * fine as f32);
            let grown = self.starts[i] * by.grow.powf(time);
            let (w, h) = (layer.width() as f32, layer.height() as f32);
            let scale = grown / w.max(h);
            let place = Transform::from_translate(-w / 2.0, -h / 2.0)
                .post_scale(scale, scale)
                .post_rotate(by.turn * time)
                .post_translate(at[0], at[1]);
            let Some(mut canvas) = Pixmap::new(fine as u32, fine as u32) else {
                return Err(Error::invalid(
                    "collage",
                    format!("expected a size to draw at, got {fine}"),
                ));
            };
            let paint = PixmapPaint { quality: FilterQuality::Bilinear, ..PixmapPaint::default() };
            canvas.draw_pixmap(0, 0, layer.as_ref(), &paint, place, None);
            let seen = canvas.data().chunks_exact(4);
            let under = picture.rgb_mut().chunks_exact_mut(3).zip(labels.ids_mut());
            for (pixel, (color, id)) in seen.zip(under) {
                let alpha = u32::from(pixel[3]);
                for (c, &own) in color.iter_mut().zip(pixel) {
                    *c = (u32::from(own) + (u32::from(*c) * (255 - alpha) + 127) / 255).min(255)
                        as u8;
                }
                if pixel[3] >= HALF {
                    *id = i as u8 + 1;
                }
            }
        }
        let small = Size::new(self.side, self.side);
        Ok((picture.resize_linear(small)?, labels.downsample_majority(small)?))
    }
}
