//! How the body of an object is painted: its colour and texture as shaders.

use tiny_skia::{
    Color as Rgba, FilterQuality, GradientStop, LinearGradient, Paint, Pattern, Pixmap, Point,
    Shader, SpreadMode, Transform,
};

use super::rng::Rng;
use super::scene::SceneObject;
use super::sprites::Fill;
use super::vocabulary::{Color, Texture};

/// Side in pixels of the tile that holds one spot.
const TILE: u32 = 24;

/// The paints of one object, made once for all frames.
pub(super) struct Skin {
    color: Color,
    texture: Texture,
    /// Distance from one stripe or spot to the next, in sprite units.
    pitch: f32,
    /// Slant of stripes, in sprite units over the object's height.
    slant: f32,
    /// One spot on the object's colour.
    tile: Option<Pixmap>,
}

impl Skin {
    /// The skin of an object for pictures of `size` pixels.
    pub fn new(object: &SceneObject, _size: usize) -> Self {
        let mut rng = Rng::keyed(&[object.skin_seed]);
        let pitch = rng.range(0.16, 0.24);
        let slant = rng.range(-0.5, 0.5);
        let tile = (object.texture == Texture::Spotted).then(|| spot(object.color)).flatten();
        Self { color: object.color, texture: object.texture, pitch, slant, tile }
    }

    /// The shader of a part, in sprite coordinates.
    pub fn shader(&self, fill: Fill) -> Shader<'_> {
        let base = self.color.rgb();
        match fill {
            Fill::Fixed(rgb) => Shader::SolidColor(opaque(rgb)),
            Fill::Tone(factor) => Shader::SolidColor(opaque(toned(base, factor))),
            Fill::Body => self.body().unwrap_or(Shader::SolidColor(opaque(base))),
        }
    }

    /// The shader of the body, `None` where plain colour does.
    fn body(&self) -> Option<Shader<'_>> {
        let first = self.color.rgb();
        let second = second_tone(self.color);
        match self.texture {
            Texture::Plain => None,
            Texture::Striped => {
                let p = self.pitch;
                let stops = stops(&[
                    (0.0, first),
                    (0.45, first),
                    (0.55, second),
                    (0.9, second),
                    (1.0, first),
                ]);
                gradient([0.0, 0.0], [p, p * self.slant], stops, SpreadMode::Repeat)
            }
            Texture::TwoTone => {
                let s = stops(&[(0.0, first), (0.48, first), (0.52, second), (1.0, second)]);
                gradient([0.0, -0.46], [0.0, 0.54], s, SpreadMode::Pad)
            }
            Texture::Shaded => {
                let s = stops(&[(0.0, second), (1.0, first)]);
                gradient([-0.45, 0.0], [0.45, 0.0], s, SpreadMode::Pad)
            }
            Texture::Spotted => {
                let tile = self.tile.as_ref()?.as_ref();
                let scale = self.pitch * 1.25 / TILE as f32;
                let place = Transform::from_scale(scale, scale).post_rotate(25.0);
                Some(Pattern::new(tile, SpreadMode::Repeat, FilterQuality::Bilinear, 1.0, place))
            }
        }
    }

    /// Colour of the outline: dark, but light around a black object so that it shows at night.
    pub fn rim(&self) -> [f32; 3] {
        match self.color {
            Color::Black => [128.0, 130.0, 140.0],
            other => other.rgb().map(|c| f32::from(c) * 0.22),
        }
    }
}

/// The other tone of a texture: of the same hue, so that the colour word stays true.
fn second_tone(color: Color) -> [u8; 3] {
    match color {
        Color::Black => [96, 96, 104],
        Color::White => [206, 208, 212],
        Color::Yellow => [255, 240, 140],
        other => toned(other.rgb(), 1.42),
    }
}

/// `rgb` times `factor`; above 1, mixed with white instead by the excess.
fn toned(rgb: [u8; 3], factor: f32) -> [u8; 3] {
    rgb.map(|c| {
        let c = f32::from(c);
        let out = if factor <= 1.0 { c * factor } else { c + (255.0 - c) * (factor - 1.0) };
        (out + 0.5) as u8
    })
}

fn opaque(rgb: [u8; 3]) -> Rgba {
    Rgba::from_rgba8(rgb[0], rgb[1], rgb[2], 255)
}

fn stops(list: &[(f32, [u8; 3])]) -> Vec<GradientStop> {
    list.iter().map(|&(at, rgb)| GradientStop::new(at, opaque(rgb))).collect()
}

fn gradient(
    from: [f32; 2],
    to: [f32; 2],
    stops: Vec<GradientStop>,
    mode: SpreadMode,
) -> Option<Shader<'static>> {
    let (a, b) = (Point::from_xy(from[0], from[1]), Point::from_xy(to[0], to[1]));
    LinearGradient::new(a, b, stops, mode, Transform::identity())
}

/// One tile: a spot of the second tone on the object's colour.
fn spot(color: Color) -> Option<Pixmap> {
    let mut tile = Pixmap::new(TILE, TILE)?;
    tile.fill(opaque(color.rgb()));
    let path = tiny_skia::PathBuilder::from_circle(12.0, 12.0, 6.5)?;
    let paint = Paint {
        shader: Shader::SolidColor(opaque(second_tone(color))),
        anti_alias: true,
        ..Paint::default()
    };
    tile.fill_path(&path, &paint, tiny_skia::FillRule::Winding, Transform::identity(), None);
    Some(tile)
}
