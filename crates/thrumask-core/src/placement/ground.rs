//! The first frame without its objects: what lies behind them, as the rest of the picture suggests.

use std::ops::RangeInclusive;

use super::sources::{Color, Planes, Sources, VOICES};
use crate::{LabelMap, Picture, Size};

/// The ground that shows once objects move away: patches of the known ground are copied to where they go on best with
/// what lies around (Criminisi, Pérez and Toyama, "Region filling and object removal by exemplar-based image
/// inpainting", 2004), shifted by the mean difference of the colours, for grounds that shade. Of the few that fit about
/// as well the median is taken: what only one of them has, like a cloud beyond what was compared, stays out. Patches go
/// where most of them is known and what is known is plain; the order along edges that the paper prefers was worse on
/// the drawn world (23 and 24.5 dB), and in plain places there is least to mistake.
pub(super) struct Ground<'a> {
    picture: &'a Picture,
    first: &'a LabelMap,
    /// Colours without the objects; `None` where nothing is known to copy.
    colors: Vec<Option<[f32; 3]>>,
}

/// Half of a patch's side in pixels without its centre, at least, and as a share of the picture's longer side. Where no
/// patch of that size is known as a whole, halves of it are tried, down to one pixel.
const RADIUS: (usize, usize) = (4, 24);
/// How far from an object nothing is copied from: masks that are found are often a pixel too small.
const RIM: usize = 2;
/// What those may cost: a multiple of the least, and this much for each pixel that was compared.
const ALIKE: (f32, f32) = (1.5, 4.0);
/// At this deviation of the known colours from their mean, in levels, a place counts half as plain as without any.
const PLAIN: f32 = 60.0;

impl<'a> Ground<'a> {
    /// Of a picture with these objects on it.
    ///
    /// # Panics
    /// When the two differ in size.
    pub fn new(picture: &'a Picture, first: &'a LabelMap) -> Self {
        let known = (0..first.ids().len())
            .map(|i| around(i, first.size(), RIM).all(|n| first.ids()[n] == 0));
        assert_eq!(picture.size(), first.size(), "size of picture and masks");
        let colors = Planes::new(picture);
        let mut filling = Filling { size: first.size(), colors, known: known.collect() };
        filling.run();
        let colors = filling.known.iter().enumerate();
        let colors = colors.map(|(i, &known)| known.then(|| filling.colors.at(i)));
        Self { picture, first, colors: colors.collect() }
    }

    /// The colour of the ground at pixel `i` of a frame with these objects. What lies on the rim of an object has some
    /// of its colour, which is right only as long as the object is there.
    pub fn color(&self, i: usize, labels: &LabelMap) -> Option<[f32; 3]> {
        let stays = || {
            let beside = around(i, self.first.size(), 1);
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

/// The pixels of the square around pixel `i` within the picture, `radius` to each side.
fn around(i: usize, size: Size, radius: usize) -> impl Iterator<Item = usize> {
    let [columns, rows] = square(i, size, radius);
    rows.flat_map(move |y| columns.clone().map(move |x| y * size.width + x))
}

/// The columns and rows of that square.
fn square(i: usize, Size { width, height }: Size, radius: usize) -> [RangeInclusive<usize>; 2] {
    let span = |v: usize, end: usize| v.saturating_sub(radius)..=(v + radius).min(end - 1);
    [span(i % width, width), span(i / width, height)]
}

/// A picture that is being filled.
struct Filling {
    size: Size,
    colors: Planes,
    known: Vec<bool>,
}

impl Filling {
    fn run(&mut self) {
        let Size { width, height } = self.size;
        let most = (width.max(height) / RADIUS.1).max(RADIUS.0);
        let sizes = std::iter::successors(Some(most), |r| (*r > 1).then_some(r / 2));
        let Some((radius, sources)) =
            sizes.map(|r| (r, self.sources(r))).find(|(_, s)| !s.is_empty())
        else {
            return;
        };
        // How far each pixel is to be trusted: what was copied less than what was there.
        let mut trust: Vec<f32> = self.known.iter().map(|&known| f32::from(known)).collect();
        let mut open: Vec<usize> = (0..self.size.area()).filter(|&i| !self.known[i]).collect();
        let mut worth: Vec<f32> = trust.iter().map(|_| -1.0).collect();
        open.iter()
            .for_each(|&i| worth[i] = self.trust(&trust, i, radius) * self.plainness(i, radius));
        while let Some(&at) =
            open.iter().max_by(|&&a, &&b| worth[a].total_cmp(&worth[b]).then(b.cmp(&a)))
        {
            let Some(copied) = self.best(&sources, at, radius) else { return };
            let certain = self.trust(&trust, at, radius);
            let [columns, rows] = square(at, self.size, radius);
            for (i, color) in copied {
                self.colors.set(i, color);
                (self.known[i], trust[i]) = (true, certain);
            }
            open.retain(|&i| !self.known[i]);
            // Those whose patch meets the one that was filled.
            let near = |range: &RangeInclusive<usize>, v: usize| {
                v + radius >= *range.start() && v <= range.end() + radius
            };
            for &i in open.iter().filter(|&&i| near(&columns, i % width) && near(&rows, i / width))
            {
                worth[i] = self.trust(&trust, i, radius) * self.plainness(i, radius);
            }
        }
    }

    /// The pixels whose patches are known as a whole.
    fn sources(&self, radius: usize) -> Sources {
        let Size { width, height } = self.size;
        let inside = |v: usize, end: usize| v >= radius && v + radius < end;
        let whole = |i: usize| {
            inside(i % width, width)
                && inside(i / width, height)
                && around(i, self.size, radius).all(|n| self.known[n])
        };
        Sources::new(self.size, whole)
    }

    /// How far the patch around a pixel is to be trusted: the mean over it.
    fn trust(&self, trust: &[f32], i: usize, radius: usize) -> f32 {
        let [columns, rows] = square(i, self.size, radius);
        let count = columns.clone().count() * rows.clone().count();
        let sum = |y: usize| trust[y * self.size.width..][columns.clone()].iter().sum::<f32>();
        rows.map(sum).sum::<f32>() / count as f32
    }

    /// How plain the known part of that patch is, 1 without any deviation.
    fn plainness(&self, i: usize, radius: usize) -> f32 {
        let (mut sum, mut squares, mut count) = (Color::default(), 0f32, 0f32);
        for n in around(i, self.size, radius).filter(|&n| self.known[n]) {
            let color = self.colors.at(n);
            sum = std::array::from_fn(|c| sum[c] + color[c]);
            squares += color.iter().map(|v| v * v).sum::<f32>();
            count += 1.0;
        }
        let count = count.max(1.0);
        let of_mean: f32 = sum.iter().map(|v| (v / count).powi(2)).sum();
        PLAIN / (PLAIN + (squares / count - of_mean).max(0.0).sqrt())
    }

    /// What the best of the sources say of the unknown pixels of the patch around `at`; nothing without any source.
    fn best(&self, sources: &Sources, at: usize, radius: usize) -> Option<Vec<(usize, Color)>> {
        let pixels = around(at, self.size, radius);
        let (given, open): (Vec<usize>, Vec<usize>) = pixels.partition(|&i| self.known[i]);
        let found = sources.best(&self.colors, at, &given);
        let most = ALIKE.0 * found.first()?.cost + ALIKE.1 * given.len() as f32;
        let alike = found.iter().take_while(|source| source.cost <= most).count().max(1);
        // An odd number has a value in the middle.
        let voices = &found[..(alike - 1) / 2 * 2 + 1];
        let color = |i: usize| -> Color {
            std::array::from_fn(|c| {
                let mut said = [0f32; VOICES];
                let said = &mut said[..voices.len()];
                for (said, source) in said.iter_mut().zip(voices) {
                    *said = self.colors.at(i + source.from - at)[c] + source.shift[c];
                }
                said.sort_unstable_by(f32::total_cmp);
                said[said.len() / 2].clamp(0.0, 255.0)
            })
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
