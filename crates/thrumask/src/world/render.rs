//! Draws a scene: frames in colour, and exact masks of what is seen.
//!
//! The mask of an object is where the anti-aliased union of its parts covers at least half of the
//! pixel and no nearer object does. Masks are drawn without colour and at any resolution.

use thrumask_core::{Clip, LabelMap, Picture, Result, Size, Trajectory};
use tiny_skia::{FillRule, Mask, Paint, Pixmap, Transform};

use super::looks::{Coat, Look};
use super::scene::{Pose, Scene, SceneObject};
use super::skin::Skin;
use super::sprites;

/// Coverage from which a pixel belongs to an object, of 255.
const HALF: u8 = 128;

/// A square window of the picture that holds one object.
struct Window {
    /// Column and row of its top left corner; may lie outside of the picture.
    corner: [i32; 2],
    /// Side in pixels.
    side: u32,
    /// From sprite coordinates to pixels of the window.
    transform: Transform,
}

impl Window {
    fn new(object: &SceneObject, pose: &Pose, size: usize) -> Self {
        let scale = pose.scale * size as f32;
        // No sprite reaches further than 0.72 from its centre, however it is turned.
        let reach = (0.72 * scale).ceil() as i32 + 1;
        let (cx, cy) = (pose.at[0] * size as f32, pose.at[1] * size as f32);
        let corner = [cx.floor() as i32 - reach, cy.floor() as i32 - reach];
        let flip = if object.faces_left { -scale } else { scale };
        let transform = Transform::from_translate(cx - corner[0] as f32, cy - corner[1] as f32)
            .pre_rotate(pose.angle)
            .pre_scale(flip, scale);
        Self { corner, side: (2 * reach + 1) as u32, transform }
    }

    /// Calls `f` with the index in the picture and in the window of every pixel in both.
    fn for_each_inside(&self, size: usize, mut f: impl FnMut(usize, usize)) {
        let side = self.side as i32;
        let bounds = |corner: i32| {
            let low = (-corner).clamp(0, side);
            (low, (size as i32 - corner).clamp(low, side))
        };
        let (x0, x1) = bounds(self.corner[0]);
        let (y0, y1) = bounds(self.corner[1]);
        for y in y0..y1 {
            let row = (y + self.corner[1]) as usize * size;
            for x in x0..x1 {
                f(row + (x + self.corner[0]) as usize, (y * side + x) as usize);
            }
        }
    }
}

/// Coverage of one object in its window, or `None` when the window is empty.
fn coverage(object: &SceneObject, pose: &Pose, window: &Window) -> Option<Mask> {
    let mut mask = Mask::new(window.side, window.side)?;
    for part in sprites::parts(object.kind, pose.phase, true) {
        mask.fill_path(&part.path, FillRule::Winding, true, window.transform);
    }
    Some(mask)
}

/// Indices of the objects from the furthest to the nearest.
fn back_to_front(objects: &[SceneObject]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..objects.len()).collect();
    order.sort_by_key(|&i| objects[i].depth);
    order
}

/// Masks of the objects for which `wanted` holds, in every frame.
fn masks_of(scene: &Scene, size: usize, wanted: impl Fn(usize) -> bool) -> Result<Trajectory> {
    let order = back_to_front(&scene.objects);
    let frames = (0..scene.frames).map(|t| {
        let mut labels = LabelMap::empty(Size::new(size, size));
        for &i in order.iter().filter(|&&i| wanted(i)) {
            let (object, pose) = (&scene.objects[i], scene.seen(i, t));
            let window = Window::new(object, &pose, size);
            if let Some(mask) = coverage(object, &pose, &window) {
                let (ids, seen) = (labels.ids_mut(), mask.data());
                window.for_each_inside(size, |to, from| {
                    if seen[from] >= HALF {
                        ids[to] = i as u8 + 1;
                    }
                });
            }
        }
        labels
    });
    Trajectory::new(frames.collect(), scene.objects.len(), scene.fps)
}

/// Visible masks of all objects at `size` × `size` pixels.
pub(super) fn masks(scene: &Scene, size: usize) -> Result<Trajectory> {
    masks_of(scene, size, |_| true)
}

/// The mask of object `index` alone, as if nothing stood before it.
pub(super) fn amodal(scene: &Scene, index: usize, size: usize) -> Result<Trajectory> {
    masks_of(scene, size, |i| i == index)
}

/// All frames in colour at `size` × `size` pixels.
pub(super) fn clip(scene: &Scene, size: usize) -> Result<Clip> {
    let studio = Studio::new(scene, size)?;
    Clip::new((0..scene.frames).map(|t| studio.frame(t)).collect(), scene.fps)
}

/// The first frame in colour at `size` × `size` pixels.
pub(super) fn first_frame(scene: &Scene, size: usize) -> Result<Picture> {
    Ok(Studio::new(scene, size)?.frame(0))
}

/// What the first frame would be without objects and grain, at `size` × `size` pixels.
pub(super) fn background(scene: &Scene, size: usize) -> Result<Picture> {
    let backdrop = scene.backdrop.picture(size)?;
    Ok(match &scene.look {
        None => backdrop,
        Some(look) => look.exposed(look.painted(backdrop)),
    })
}

/// What is made once for all frames of a scene.
struct Studio<'a> {
    scene: &'a Scene,
    backdrop: Picture,
    skins: Vec<Skin>,
    coats: Vec<Option<Coat>>,
}

impl<'a> Studio<'a> {
    fn new(scene: &'a Scene, size: usize) -> Result<Self> {
        let drawn = scene.backdrop.picture(size)?;
        let look: Option<&Look> = scene.look.as_ref();
        let backdrop = if let Some(look) = look { look.painted(drawn) } else { drawn };
        let skins = scene.objects.iter().map(|o| Skin::new(o, size)).collect();
        let coat = |(i, o): (usize, &SceneObject)| look.map(|look| look.coat(i, o.color.rgb()));
        let coats = scene.objects.iter().enumerate().map(coat).collect();
        Ok(Self { scene, backdrop, skins, coats })
    }

    fn frame(&self, t: usize) -> Picture {
        let look = self.scene.look.as_ref();
        let mut picture = match look {
            None => self.backdrop.clone(),
            Some(look) => look.behind(&self.backdrop, t),
        };
        for i in back_to_front(&self.scene.objects) {
            let (object, pose) = (&self.scene.objects[i], self.scene.seen(i, t));
            draw(&mut picture, object, &pose, &self.skins[i], self.coats[i].as_ref());
        }
        match look {
            None => picture,
            Some(look) => look.filmed(picture, t),
        }
    }
}

/// Paints one object over the picture.
fn draw(
    picture: &mut Picture,
    object: &SceneObject,
    pose: &Pose,
    skin: &Skin,
    coat: Option<&Coat>,
) {
    let size = picture.size().width;
    let window = Window::new(object, pose, size);
    let Some(mut layer) = Pixmap::new(window.side, window.side) else { return };
    let mut paint = Paint { anti_alias: true, ..Paint::default() };
    for part in sprites::parts(object.kind, pose.phase, false) {
        paint.shader = skin.shader(part.fill);
        layer.fill_path(&part.path, &paint, FillRule::Winding, window.transform, None);
    }
    let side = window.side as usize;
    let pixels = layer.data();
    let rim = skin.rim();
    let stroke = (size / 96).max(1);
    let middle = side as f32 / 2.0;
    let reach = pose.scale * size as f32 / 2.0;
    let (dark, slope) = coat.map_or((0.72, 0.16), |coat| (coat.rim, coat.light));
    let into_sprite = window.transform.invert().unwrap_or_default();
    let rgb = picture.rgb_mut();
    window.for_each_inside(size, |to, from| {
        let alpha = pixels[from * 4 + 3];
        if alpha == 0 {
            return;
        }
        // The outline runs inside the silhouette, so that it does not change the mask: it is where
        // a neighbour within its width is not covered.
        let (x, y) = (from % side, from / side);
        let at = |x: usize, y: usize| pixels[(y * side + x) * 4 + 3];
        let mut inner = u8::MAX;
        for d in 1..=stroke {
            let (left, right) = (x.saturating_sub(d), (x + d).min(side - 1));
            let (up, down) = (y.saturating_sub(d), (y + d).min(side - 1));
            inner = inner.min(at(left, y)).min(at(right, y)).min(at(x, up)).min(at(x, down));
        }
        let edge = dark * (1.0 - f32::from(inner) / 255.0);
        // Light falls from above.
        let light = 1.06 - slope * ((y as f32 - middle) / reach).clamp(-1.0, 1.0);
        let cover = f32::from(alpha) / 255.0;
        let mut own = [0, 1, 2].map(|c| f32::from(pixels[from * 4 + c]) / cover);
        if let Some(coat) = coat {
            let mut at = tiny_skia::Point::from_xy(x as f32 + 0.5, y as f32 + 0.5);
            into_sprite.map_point(&mut at);
            own = coat.over(own, [at.x, at.y]);
        }
        for c in 0..3 {
            let lit = (own[c] * light).min(255.0);
            let seen = lit + (rim[c] - lit) * edge;
            let under = f32::from(rgb[to * 3 + c]);
            rgb[to * 3 + c] = (under + (seen - under) * cover + 0.5) as u8;
        }
    });
}
