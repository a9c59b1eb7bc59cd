//! The colour wheel of the Middlebury flow benchmark (Baker et al., "A Database and Evaluation
//! Methodology for Optical Flow", IJCV 2011): hue is the direction, saturation the speed, white no
//! motion.

use super::FlowField;
use crate::{Clip, Error, Picture, Result};

/// Steps of the six sectors of the wheel: red to yellow, green, cyan, blue, magenta and red again.
/// They are uneven because the eye tells some hues apart better than others.
const SECTORS: [usize; 6] = [15, 6, 4, 11, 13, 6];
/// Colours of the rim.
const COLORS: usize = 55;

/// Draws flow in colours and reads it back, with one greatest speed for all pictures.
#[derive(Debug, Clone, PartialEq)]
pub struct FlowWheel {
    /// Displacement in pixels that has a colour of the rim.
    greatest: f32,
    rim: [[f64; 3]; COLORS],
}

impl FlowWheel {
    /// A wheel on whose rim stands a displacement of `greatest` pixels. What moves further is drawn as
    /// if it moved so far; the benchmark darkens it, which would lose its direction on the way back.
    ///
    /// # Errors
    /// [`Error::Invalid`] when `greatest` is not a positive number.
    pub fn new(greatest: f32) -> Result<Self> {
        if !(greatest.is_finite() && greatest > 0.0) {
            let reason = format!("expected a positive number, got {greatest}");
            return Err(Error::invalid("greatest displacement of a flow wheel", reason));
        }
        Ok(Self { greatest, rim: rim() })
    }

    /// The colours of a field.
    pub fn picture(&self, flow: &FlowField) -> Picture {
        let mut picture = Picture::filled(flow.size(), [255; 3]);
        for (rgb, &v) in picture.rgb_mut().chunks_exact_mut(3).zip(flow.vectors()) {
            rgb.copy_from_slice(&self.color(v));
        }
        picture
    }

    /// The field in a picture: of each colour the nearest point of the wheel. Colours of the wheel
    /// have one channel at its highest level, so that is where the highest channel is raised to.
    pub fn read(&self, picture: &Picture) -> FlowField {
        let vectors = picture.rgb().chunks_exact(3).map(|c| self.vector([c[0], c[1], c[2]]));
        FlowField { size: picture.size(), vectors: vectors.collect() }
    }

    /// The video of N − 1 fields: N frames, of which the last is blank, since nothing follows it.
    ///
    /// # Errors
    /// [`Error::Invalid`] without a field or with a rate that is not positive; [`Error::Mismatch`]
    /// when fields differ in size.
    pub fn clip(&self, flows: &[FlowField], fps: f32) -> Result<Clip> {
        let Some(first) = flows.first() else {
            return Err(Error::invalid("flow video", "expected at least one field, got none"));
        };
        let mut frames: Vec<Picture> = flows.iter().map(|f| self.picture(f)).collect();
        frames.push(Picture::filled(first.size(), [255; 3]));
        Clip::new(frames, fps)
    }

    /// The N − 1 fields of a video of N frames; its last frame is not looked at.
    pub fn read_clip(&self, clip: &Clip) -> Vec<FlowField> {
        let (_, frames) = clip.frames().split_last().unwrap_or((&clip.frames()[0], &[]));
        frames.iter().map(|p| self.read(p)).collect()
    }

    fn color(&self, [dx, dy]: [f32; 2]) -> [u8; 3] {
        let (u, v) = (f64::from(dx / self.greatest), f64::from(dy / self.greatest));
        let speed = u.hypot(v).min(1.0);
        if speed == 0.0 {
            return [255; 3];
        }
        // The rim begins at motion to the right and goes round by way of motion downwards.
        let turn = (-v).atan2(-u) / std::f64::consts::PI;
        let place = (turn + 1.0) / 2.0 * (COLORS - 1) as f64;
        let before = place as usize;
        let share = place - before as f64;
        let (a, b) = (self.rim[before], self.rim[(before + 1) % COLORS]);
        std::array::from_fn(|c| {
            let hue = (1.0 - share) * a[c] + share * b[c];
            (255.0 * (1.0 - speed * (1.0 - hue))) as u8
        })
    }

    fn vector(&self, color: [u8; 3]) -> [f32; 2] {
        let levels = color.map(f32::from);
        let (mut high, mut low) = (0, 0);
        for c in 1..3 {
            high = if levels[c] > levels[high] { c } else { high };
            low = if levels[c] < levels[low] { c } else { low };
        }
        let speed = 1.0 - levels[low] / 255.0;
        if high == low || speed == 0.0 {
            return [0.0; 2];
        }
        let middle = 3 - high - low;
        // How far the middle channel has risen, on the rim.
        let risen = (1.0 - (1.0 - levels[middle] / 255.0) / speed).clamp(0.0, 1.0);
        // Sector, and whether the middle channel rises or falls along it.
        let (sector, rises) = match (high, low) {
            (0, 2) => (0, true),
            (1, 2) => (1, false),
            (1, 0) => (2, true),
            (2, 0) => (3, false),
            (2, 1) => (4, true),
            _ => (5, false),
        };
        let start: usize = SECTORS[..sector].iter().sum();
        let along = if rises { risen } else { 1.0 - risen } * SECTORS[sector] as f32;
        // Beyond the last colour the rim closes: both of its ends are motion to the right.
        let place = (start as f32 + along).min((COLORS - 1) as f32);
        let angle = (place / (COLORS - 1) as f32 * 2.0 - 1.0) * std::f32::consts::PI;
        let length = speed * self.greatest;
        [-angle.cos() * length, -angle.sin() * length]
    }
}

/// The colours of the rim in [0, 1]: in each sector one channel rises or falls over whole levels.
fn rim() -> [[f64; 3]; COLORS] {
    /// Channel that changes, and whether it rises, from the colour that begins each sector.
    const CHANGES: [(usize, bool); 6] =
        [(1, true), (0, false), (2, true), (1, false), (0, true), (2, false)];
    let mut rim = [[0.0; 3]; COLORS];
    let mut color = [255.0, 0.0, 0.0];
    let mut next = 0;
    for (steps, (channel, rises)) in SECTORS.into_iter().zip(CHANGES) {
        for i in 0..steps {
            let level = (255 * i / steps) as f64;
            color[channel] = if rises { level } else { 255.0 - level };
            rim[next] = color.map(|v| v / 255.0);
            next += 1;
        }
        color[channel] = if rises { 255.0 } else { 0.0 };
    }
    rim
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Size;

    fn there_and_back(wheel: &FlowWheel, v: [f32; 2]) -> [f32; 2] {
        let flow = FlowField::new(Size::new(1, 1), vec![v]).unwrap();
        wheel.read(&wheel.picture(&flow)).at(0, 0)
    }

    proptest! {
        #[test]
        fn what_was_drawn_is_read_back(
            greatest in 0.5f32..40.0, angle in 0.0f32..std::f32::consts::TAU, share in 0.0f32..=1.0
        ) {
            let wheel = FlowWheel::new(greatest).unwrap();
            let length = share * greatest;
            let v = [angle.cos() * length, angle.sin() * length];
            let back = there_and_back(&wheel, v);
            let error = (back[0] - v[0]).hypot(back[1] - v[1]);
            // Channels are cut off to whole levels: up to 1/255 in speed, and a few of 255 levels in the
            // 15 of 54 steps of a sector in direction.
            prop_assert!(error <= 0.02 * greatest, "{v:?} came back as {back:?}");
        }

        #[test]
        fn drift_of_the_colour_moves_the_vector_by_its_share(
            angle in 0.0f32..std::f32::consts::TAU, share in 0.3f32..=0.9,
            drift in proptest::array::uniform3(-15i16..=15)
        ) {
            let wheel = FlowWheel::new(10.0).unwrap();
            let v = [angle.cos() * share * 10.0, angle.sin() * share * 10.0];
            let color = wheel.color(v);
            let drifted = std::array::from_fn(|c| (i16::from(color[c]) + drift[c]).clamp(0, 255) as u8);
            let back = wheel.vector(drifted);
            let error = (back[0] - v[0]).hypot(back[1] - v[1]);
            // Two channels may drift apart by 30 levels of the 76 that tell a direction at the least share: 2.2 was seen.
            prop_assert!(error <= 3.0, "{v:?} came back as {back:?}");
        }
    }

    #[test]
    fn no_motion_is_white_and_what_is_too_fast_keeps_its_direction() {
        let wheel = FlowWheel::new(8.0).unwrap();
        assert_eq!(wheel.color([0.0, 0.0]), [255; 3]);
        assert_eq!(wheel.vector([255; 3]), [0.0; 2]);
        assert_eq!(wheel.vector([90; 3]), [0.0; 2], "no colour, no direction");
        let [x, y] = there_and_back(&wheel, [30.0, 40.0]);
        assert!((x - 4.8).abs() < 0.1 && (y - 6.4).abs() < 0.1, "{x} {y}");
        assert!(FlowWheel::new(0.0).is_err() && FlowWheel::new(f32::NAN).is_err());
    }

    #[test]
    fn a_video_has_one_frame_more_than_fields_and_ends_blank() {
        let (wheel, size) = (FlowWheel::new(4.0).unwrap(), Size::new(3, 2));
        let moving = FlowField::new(size, vec![[1.0, -2.0]; 6]).unwrap();
        let clip = wheel.clip(&[moving.clone(), FlowField::still(size)], 8.0).unwrap();
        assert_eq!(clip.frames().len(), 3);
        assert_eq!(clip.frames()[2], Picture::filled(size, [255; 3]));
        let back = wheel.read_clip(&clip);
        assert_eq!(back.len(), 2);
        assert_eq!(back[1], FlowField::still(size));
        let ([x, y], [u, v]) = (back[0].at(2, 1), moving.at(2, 1));
        assert!((x - u).abs() < 0.05 && (y - v).abs() < 0.05, "{x} {y}");
        assert!(wheel.clip(&[], 8.0).is_err());
    }
}
