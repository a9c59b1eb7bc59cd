//! The first frame without its objects: what lies behind them, as the rest of the picture suggests.

use std::ops::RangeInclusive;

use crate::{LabelMap, Picture, Size, labels::Joined};

/// The ground that shows once objects move away: patches of the known ground are copied to where they go on best with
/// what lies around (Criminisi, Pérez and Toyama, "Region filling and object removal by exemplar-based image
/// inpainting", 2004), shifted by the mean difference of the colours, for grounds that shade. Patches go where most of
/// them is known; the order along edges that the paper prefers was worse on the drawn world (23 and 24.5 dB).
pub(super) struct Ground<'a> {
    picture: &'a Picture,
    first: &'a LabelMap,
    /// Colours without the objects; `None` where nothing is known to copy.
    colors: Vec<Option<[f32; 3]>>,
}

/// Half of a patch's side in pixels without its centre, at least, and as a share of the picture's longer side.
const RADIUS: (usize, usize) = (3, 32);
/// How far a patch may come from, in pixels, along each axis.
const REACH: usize = 48;
/// What a shift of the colours costs, as a share of what it explains.
const SHIFT: f32 = 0.2;
/// What a pixel of distance costs, squared, beside a squared difference of colours in levels.
const FAR: f32 = 0.02;

impl<'a> Ground<'a> {
    /// Of a picture with these objects on it.
    ///
    /// # Panics
    /// When the two differ in size.
    pub fn new(picture: &'a Picture, first: &'a LabelMap) -> Self {
        let colors = picture.rgb().as_chunks::<3>().0.iter().map(|rgb| rgb.map(f32::from));
        let known = (0..first.ids().len()).map(|i| first.ids()[i] == 0 && !rim(first, i));
        let mut filling =
            Filling { size: first.size(), colors: colors.collect(), known: known.collect() };
        filling.run();
        let colors = filling.colors.into_iter().zip(filling.known);
        Self { picture, first, colors: colors.map(|(c, known)| known.then_some(c)).collect() }
    }

    /// The colour of the ground at pixel `i` of a frame with these objects. What lies on the rim of an object has some
    /// of its colour, which is right only as long as the object is there.
    pub fn color(&self, i: usize, labels: &LabelMap) -> Option<[f32; 3]> {
        let stays = || {
            let beside = Joined::Corners.neighbours(i, self.first.size());
            let ids = beside.map(|n| (self.first.ids()[n], labels.ids()[n]));
            let mut ids = ids.filter(|&(id, _)| id != 0).peekable();
            ids.peek().is_none() || ids.any(|(id, now)| id == now)
        };
        match self.first.ids()[i] == 0 && stays() {
            true => Some(self.picture.rgb().as_chunks::<3>().0[i].map(f32::from)),
            false => self.colors[i],
        }
    }
}

/// Whether pixel `i` lies beside an object.
fn rim(labels: &LabelMap, i: usize) -> bool {
    Joined::Corners.neighbours(i, labels.size()).any(|n| labels.ids()[n] != 0)
}

/// A picture that is being filled.
struct Filling {
    size: Size,
    colors: Vec<[f32; 3]>,
    known: Vec<bool>,
}

impl Filling {
    fn run(&mut self) {
        let Size { width, height } = self.size;
        let radius = (width.max(height) / RADIUS.1).max(RADIUS.0);
        // How far each pixel is to be trusted: what was copied less than what was there.
        let mut trust: Vec<f32> = self.known.iter().map(|&known| f32::from(known)).collect();
        let whole = |&i: &usize| {
            let [columns, rows] = self.patch(i, radius);
            let full = 2 * radius;
            columns.end() - columns.start() == full
                && rows.end() - rows.start() == full
                && rows.clone().all(|y| columns.clone().all(|x| self.known[y * width + x]))
        };
        let sources: Vec<usize> = (0..self.size.area()).filter(whole).collect();
        let mut open: Vec<usize> = (0..self.size.area()).filter(|&i| !self.known[i]).collect();
        let mut worth: Vec<f32> = trust.iter().map(|_| -1.0).collect();
        open.iter().for_each(|&i| worth[i] = self.trust(&trust, i, radius));
        while let Some(&at) =
            open.iter().max_by(|&&a, &&b| worth[a].total_cmp(&worth[b]).then(b.cmp(&a)))
        {
            let Some(copied) = self.best(&sources, at, radius) else { return };
            let certain = worth[at];
            let [columns, rows] = self.patch(at, radius);
            for (i, color) in copied {
                (self.colors[i], self.known[i], trust[i]) = (color, true, certain);
            }
            open.retain(|&i| !self.known[i]);
            // Those whose patch meets the one that was filled.
            let near = |range: &RangeInclusive<usize>, v: usize| {
                v + radius >= *range.start() && v <= range.end() + radius
            };
            for &i in open.iter().filter(|&&i| near(&columns, i % width) && near(&rows, i / width))
            {
                worth[i] = self.trust(&trust, i, radius);
            }
        }
    }

    /// The columns and rows of the patch around a pixel, within the picture.
    fn patch(&self, i: usize, radius: usize) -> [RangeInclusive<usize>; 2] {
        let Size { width, height } = self.size;
        let span = |v: usize, end: usize| v.saturating_sub(radius)..=(v + radius).min(end - 1);
        [span(i % width, width), span(i / width, height)]
    }

    /// How far the patch around a pixel is to be trusted: the mean over it.
    fn trust(&self, trust: &[f32], i: usize, radius: usize) -> f32 {
        let [columns, rows] = self.patch(i, radius);
        let count = columns.clone().count() * rows.clone().count();
        let sum = |y: usize| trust[y * self.size.width..][columns.clone()].iter().sum::<f32>();
        rows.map(sum).sum::<f32>() / count as f32
    }

    /// What the best of the sources says of the unknown pixels of the patch around `at`; nothing without any source.
    fn best(&self, sources: &[usize], at: usize, radius: usize) -> Option<Vec<(usize, [f32; 3])>> {
        let width = self.size.width;
        let [columns, rows] = self.patch(at, radius);
        let pixels = rows.flat_map(|y| columns.clone().map(move |x| y * width + x));
        let (given, open): (Vec<usize>, Vec<usize>) = pixels.partition(|&i| self.known[i]);
        let apart = |from: usize| {
            [(from % width).abs_diff(at % width), (from / width).abs_diff(at / width)]
        };
        let moved = |i: usize, from: usize| i + from - at;
        // What it costs to take a patch from there, if less than `least`, and the shift of its colours.
        let cost = |from: usize, least: f32| {
            let [dx, dy] = apart(from);
            let far = FAR * (dx * dx + dy * dy) as f32;
            let (mut shift, mut squares) = ([0f32; 3], 0f32);
            for &i in &given {
                let (here, there) = (self.colors[i], self.colors[moved(i, from)]);
                let off: [f32; 3] = std::array::from_fn(|c| here[c] - there[c]);
                shift = std::array::from_fn(|c| shift[c] + off[c]);
                squares += off[0] * off[0] + off[1] * off[1] + off[2] * off[2];
            }
            let count = given.len().max(1) as f32;
            let explained = shift.iter().map(|v| v * v / count).sum::<f32>();
            let cost = squares - (1.0 - SHIFT) * explained + far;
            (cost < least).then(|| (cost, from, shift.map(|v| v / count)))
        };
        let near = sources.iter().copied().filter(|&from| apart(from).iter().all(|&d| d <= REACH));
        let none = (f32::INFINITY, at, [0.0; 3]);
        let found = near.fold(none, |best, from| cost(from, best.0).unwrap_or(best));
        let (_, from, shift) = match found.0.is_finite() {
            true => found,
            // None is near: the nearest.
            false => {
                let far = |from: &usize| apart(*from).iter().map(|d| d * d).sum::<usize>();
                cost(sources.iter().copied().min_by_key(far)?, f32::INFINITY)?
            }
        };
        let color = |i: usize| -> [f32; 3] {
            let there = self.colors[moved(i, from)];
            std::array::from_fn(|c| (there[c] + shift[c]).clamp(0.0, 255.0))
        };
        Some(open.into_iter().map(|i| (i, color(i))).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size::new(40, 32);

    /// A picture of levels, and what is made of the place of a red square in it.
    fn behind(level: impl Fn(usize, usize) -> u8) -> (Picture, Vec<Option<[f32; 3]>>) {
        let inside = |x: usize, y: usize| (14..24).contains(&x) && (10..20).contains(&y);
        let all = || (0..SIZE.area()).map(|i| (i % SIZE.width, i / SIZE.width));
        let truth = all().flat_map(|(x, y)| [level(x, y); 3]).collect();
        let seen =
            all().flat_map(|(x, y)| if inside(x, y) { [255, 0, 0] } else { [level(x, y); 3] });
        let labels = all().map(|(x, y)| u8::from(inside(x, y))).collect();
        let first = LabelMap::new(SIZE, labels).unwrap();
        let seen = Picture::new(SIZE, seen.collect()).unwrap();
        let ground = Ground::new(&seen, &first);
        let nothing = LabelMap::empty(SIZE);
        let colors = (0..SIZE.area()).map(|i| ground.color(i, &nothing)).collect();
        // Where the object stays, so does what lies beside it.
        let beside = 13 + 12 * SIZE.width;
        assert_eq!(ground.color(beside, &first), Some([f32::from(level(13, 12)); 3]));
        (Picture::new(SIZE, truth).unwrap(), colors)
    }

    /// The greatest error in levels.
    fn worst((truth, made): (Picture, Vec<Option<[f32; 3]>>)) -> f32 {
        let pairs = truth.rgb().as_chunks::<3>().0.iter().zip(made);
        pairs.map(|(rgb, made)| (made.unwrap()[1] - f32::from(rgb[1])).abs()).fold(0.0, f32::max)
    }

    #[test]
    fn patterns_go_on_behind_objects() {
        assert_eq!(worst(behind(|x, _| if x % 6 < 3 { 60 } else { 200 })), 0.0);
        assert_eq!(worst(behind(|x, y| if (x + y) % 8 < 4 { 60 } else { 200 })), 0.0);
        assert_eq!(worst(behind(|_, y| if y < 15 { 60 } else { 200 })), 0.0);
    }

    #[test]
    fn what_shades_goes_on_shading() {
        let off = worst(behind(|x, y| (40 + 3 * x + y) as u8));
        assert!(off <= 2.0, "{off}");
    }

    #[test]
    fn where_nothing_can_be_copied_nothing_is_known() {
        let small = Size::new(6, 6);
        let picture = Picture::filled(small, [5; 3]);
        let first = LabelMap::new(small, (0..36).map(|i| u8::from(i == 14)).collect()).unwrap();
        let ground = Ground::new(&picture, &first);
        let none = LabelMap::empty(small);
        assert_eq!(ground.color(0, &none), Some([5.0; 3]));
        assert_eq!((ground.color(14, &none), ground.color(13, &none)), (None, None));
    }
}
