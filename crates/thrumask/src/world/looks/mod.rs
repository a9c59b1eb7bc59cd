//! Random looks: the same scenes painted and filmed as no other is, so that a network that paints
//! cannot rely on flat colours, drawn outlines and still backgrounds (domain randomisation; Tobin et
//! al., IROS 2017).
//!
//! What happens in a scene stays as it is: objects, paths, words. A look changes how it is painted
//! ([`weave`]: procedural textures on bodies and background) and how it is filmed ([`film`]: light, focus,
//! grain, and a hand that shakes the camera). A word of colour may then no longer fit.

mod film;
#[cfg(test)]
mod tests;
mod weave;

use thrumask_core::Picture;

use self::{
    film::{Film, shake, shifted},
    weave::{Paint, Weave},
};
use super::rng::Rng;

/// How one scene looks.
#[derive(Debug, Clone, PartialEq)]
pub struct Look {
    /// Seed of all details of painting.
    seed: u64,
    /// How far the camera has moved the picture in each frame, as fractions of its side; nothing in
    /// the first.
    shake: Vec<[f32; 2]>,
    film: Film,
}

impl Look {
    /// A random look for a clip of `frames` frames.
    pub(super) fn random(frames: usize, rng: &mut Rng) -> Self {
        let seed = rng.bits();
        Self { seed, shake: shake(frames, rng), film: Film::random(rng) }
    }

    /// How far the camera has moved the picture in frame `t`, as fractions of its side.
    pub(super) fn shake(&self, t: usize) -> [f32; 2] {
        self.shake.get(t).copied().unwrap_or_default()
    }

    /// The background, painted anew or under a veil of texture.
    pub(super) fn painted(&self, mut backdrop: Picture) -> Picture {
        let mut rng = Rng::keyed(&[self.seed, 0]);
        let weave = Weave::random(rng.range(2.0, 9.0), &mut rng);
        let palette = Paint::random(&mut rng);
        // In half of the scenes nothing is left of the drawn background.
        let amount = if rng.chance(0.5) { 1.0 } else { rng.range(0.1, 0.7) };
        let side = backdrop.size().width;
        for (i, pixel) in backdrop.rgb_mut().chunks_exact_mut(3).enumerate() {
            let at = [i % side, i / side].map(|v| (v as f32 + 0.5) / side as f32);
            let woven = palette.color(weave.at(at));
            for (c, w) in pixel.iter_mut().zip(woven) {
                *c = (f32::from(*c) * (1.0 - amount) + w * amount + 0.5) as u8;
            }
        }
        backdrop
    }

    /// The background as the camera sees it in frame `t`.
    pub(super) fn behind(&self, painted: &Picture, t: usize) -> Picture {
        shifted(painted, self.shake(t))
    }

    /// How the body of the object at `index` is painted over its own colour.
    pub(super) fn coat(&self, index: usize, color: [u8; 3]) -> Coat {
        let mut rng = Rng::keyed(&[self.seed, 1 + index as u64]);
        let weave = Weave::random(rng.range(1.5, 7.0), &mut rng);
        // Most keep to the colour that their words name.
        let named = rng.chance(0.7);
        let paint = if named { Paint::around(color, &mut rng) } else { Paint::random(&mut rng) };
        let amount = if rng.chance(0.25) { 0.0 } else { rng.range(0.25, 0.95) };
        Coat { weave, paint, amount, rim: rng.range(0.0, 0.72), light: rng.range(-0.05, 0.3) }
    }

    /// A drawn frame as the film shows it.
    pub(super) fn filmed(&self, picture: Picture, t: usize) -> Picture {
        self.film.develop(picture, self.seed, t)
    }

    /// As [`Look::filmed`], without grain.
    pub(super) fn exposed(&self, picture: Picture) -> Picture {
        self.film.expose(picture)
    }
}

/// How one object is painted.
#[derive(Debug, Clone)]
pub(super) struct Coat {
    weave: Weave,
    paint: Paint,
    /// Share of the texture in what is seen of the body, 0 to 1.
    amount: f32,
    /// How dark its outline is drawn, 0 (not at all) to 1.
    pub rim: f32,
    /// How much brighter its upper end is than its lower one.
    pub light: f32,
}

impl Coat {
    /// `own` (0 to 255) with the texture at a place in sprite coordinates.
    pub fn over(&self, own: [f32; 3], at: [f32; 2]) -> [f32; 3] {
        if self.amount == 0.0 {
            return own;
        }
        let woven = self.paint.color(self.weave.at(at));
        [0, 1, 2].map(|c| own[c] + (woven[c] - own[c]) * self.amount)
    }
}
