//! The measures themselves: small pure functions of masks and pictures.

use thrumask_core::{LabelMap, Picture, Size};

/// Signal-to-noise ratios are cut off here, in decibels, so that equal pictures have one and means
/// exist.
pub const MAX_PSNR: f32 = 60.0;

/// Region similarity J of one object: intersection over union of its masks in two label maps of
/// equal size; `None` when it is in neither.
pub fn region(a: &LabelMap, b: &LabelMap, id: u8) -> Option<f32> {
    let (mut both, mut any) = (0usize, 0usize);
    for (&x, &y) in a.ids().iter().zip(b.ids()) {
        both += usize::from(x == id && y == id);
        any += usize::from(x == id || y == id);
    }
    (any > 0).then(|| both as f32 / any as f32)
}

/// How far apart two boundary pixels may lie to count as the same, in pixels: 0.8 % of the
/// picture's diagonal, rounded up (Perazzi et al., "A Benchmark Dataset and Evaluation Methodology
/// for Video Object Segmentation", CVPR 2016, and its public tool).
pub fn boundary_tolerance(size: Size) -> usize {
    let diagonal = (size.width as f32).hypot(size.height as f32);
    (0.008 * diagonal).ceil().max(1.0) as usize
}

/// Boundary accuracy F of one object in `found` against `truth`: the harmonic mean of precision and
/// recall of its boundary pixels, matched within `tolerance` pixels; `None` when the object is in
/// neither, 0 when it is in one only.
pub fn boundary_f(found: &LabelMap, truth: &LabelMap, id: u8, tolerance: usize) -> Option<f32> {
    let size = found.size();
    let (f, t) = (boundary(found, id), boundary(truth, id));
    if f.is_empty() && t.is_empty() {
        return None;
    }
    if f.is_empty() || t.is_empty() {
        return Some(0.0);
    }
    let precision = matched(&f, &near(&t, size, tolerance));
    let recall = matched(&t, &near(&f, size, tolerance));
    let sum = precision + recall;
    Some(if sum > 0.0 { 2.0 * precision * recall / sum } else { 0.0 })
}

/// Pixels of the object with a direct neighbour outside of it. An object that fills the picture
/// has its boundary at the picture's edge.
fn boundary(labels: &LabelMap, id: u8) -> Vec<usize> {
    let (w, h) = (labels.size().width, labels.size().height);
    let ids = labels.ids();
    let inside = |x: usize, y: usize| x < w && y < h && ids[y * w + x] == id;
    let edge = |&i: &usize| {
        let (x, y) = (i % w, i / w);
        let all = inside(x.wrapping_sub(1), y)
            && inside(x + 1, y)
            && inside(x, y.wrapping_sub(1))
            && inside(x, y + 1);
        ids[i] == id && !all
    };
    (0..ids.len()).filter(edge).collect()
}

/// Whether a pixel lies within `radius` of one of `points`.
fn near(points: &[usize], size: Size, radius: usize) -> Vec<bool> {
    let (w, h) = (size.width, size.height);
    let mut out = vec![false; size.area()];
    for &i in points {
        let (x, y) = (i % w, i / w);
        for ny in y.saturating_sub(radius)..(y + radius + 1).min(h) {
            for nx in x.saturating_sub(radius)..(x + radius + 1).min(w) {
                let (dx, dy) = (nx.abs_diff(x), ny.abs_diff(y));
                out[ny * w + nx] |= dx * dx + dy * dy <= radius * radius;
            }
        }
    }
    out
}

/// Share of `points` at which `near` holds.
fn matched(points: &[usize], near: &[bool]) -> f32 {
    points.iter().filter(|&&i| near[i]).count() as f32 / points.len() as f32
}

/// Peak signal-to-noise ratio of two pictures of one size, in decibels, at most [`MAX_PSNR`].
pub fn psnr(a: &Picture, b: &Picture) -> f32 {
    let squares: u64 =
        a.rgb().iter().zip(b.rgb()).map(|(&x, &y)| u64::from(x.abs_diff(y)).pow(2)).sum();
    let mean = squares as f64 / a.rgb().len().max(1) as f64;
    if mean == 0.0 {
        return MAX_PSNR;
    }
    (10.0 * (255.0 * 255.0 / mean).log10()).min(f64::from(MAX_PSNR)) as f32
}

/// Structural similarity of the brightness of two pictures of one size: the mean over all 7 × 7
/// windows (Wang et al., "Image quality assessment: from error visibility to structural
/// similarity", 2004, with its constants and a flat window).
pub fn ssim(a: &Picture, b: &Picture) -> f32 {
    const WINDOW: usize = 7;
    const C1: f64 = 6.5025; // (0.01 · 255)²
    const C2: f64 = 58.5225; // (0.03 · 255)²
    let (w, h) = (a.size().width, a.size().height);
    let window = WINDOW.min(w).min(h);
    let (la, lb) = (brightness(a), brightness(b));
    let (mut sum, mut count) = (0.0, 0usize);
    for y in 0..=h - window {
        for x in 0..=w - window {
            let (mut sa, mut sb, mut saa, mut sbb, mut sab) = (0.0, 0.0, 0.0, 0.0, 0.0);
            for row in y..y + window {
                for i in row * w + x..row * w + x + window {
                    let (p, q) = (la[i], lb[i]);
                    (sa, sb) = (sa + p, sb + q);
                    (saa, sbb, sab) = (saa + p * p, sbb + q * q, sab + p * q);
                }
            }
            let n = (window * window) as f64;
            let (ma, mb) = (sa / n, sb / n);
            let (va, vb, cov) = (saa / n - ma * ma, sbb / n - mb * mb, sab / n - ma * mb);
            let light = (2.0 * ma * mb + C1) / (ma * ma + mb * mb + C1);
            sum += light * (2.0 * cov + C2) / (va + vb + C2);
            count += 1;
        }
    }
    (sum / count.max(1) as f64) as f32
}

/// Brightness of each pixel in levels (BT.601 weights).
fn brightness(picture: &Picture) -> Vec<f64> {
    let weigh =
        |c: &[u8]| 0.299 * f64::from(c[0]) + 0.587 * f64::from(c[1]) + 0.114 * f64::from(c[2]);
    picture.rgb().chunks_exact(3).map(weigh).collect()
}

/// The colours of one object: a histogram of 6 × 6 × 6 bins over RGB in which each pixel is shared
/// linearly between the nearest bins, so that a small change of colour is a small change here.
#[derive(Debug, Clone, PartialEq)]
pub struct Colors(Vec<f32>);

/// Bins of [`Colors`] along each channel.
const BINS: usize = 6;

impl Colors {
    /// The colours of object `id`; `None` when it has fewer than `least` pixels.
    pub fn of(picture: &Picture, labels: &LabelMap, id: u8, least: usize) -> Option<Self> {
        let mut bins = vec![0f32; BINS * BINS * BINS];
        let mut pixels = 0;
        for (rgb, _) in picture.rgb().chunks_exact(3).zip(labels.ids()).filter(|(_, v)| **v == id) {
            pixels += 1;
            let place = |c: u8| {
                let at = f32::from(c) / 255.0 * (BINS - 1) as f32;
                let low = (at as usize).min(BINS - 2);
                (low, at - low as f32)
            };
            let [r, g, b] = [place(rgb[0]), place(rgb[1]), place(rgb[2])];
            for corner in 0..8 {
                let pick = |(low, part): (usize, f32), bit: usize| {
                    if corner >> bit & 1 == 1 { (low + 1, part) } else { (low, 1.0 - part) }
                };
                let [r, g, b] = [pick(r, 0), pick(g, 1), pick(b, 2)];
                bins[(r.0 * BINS + g.0) * BINS + b.0] += r.1 * g.1 * b.1;
            }
        }
        if pixels < least.max(1) {
            return None;
        }
        bins.iter_mut().for_each(|v| *v /= pixels as f32);
        Some(Self(bins))
    }

    /// Overlap of two histograms, 0 to 1: the sum of the lesser of both over all bins.
    pub fn similarity(&self, other: &Self) -> f32 {
        self.0.iter().zip(&other.0).map(|(a, b)| a.min(*b)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A 20 × 20 label map with object 1 in columns `x0..x1`, rows `y0..y1`.
    fn block(x0: usize, x1: usize, y0: usize, y1: usize) -> LabelMap {
        let inside = |i: usize| (x0..x1).contains(&(i % 20)) && (y0..y1).contains(&(i / 20));
        let ids = (0..400).map(|i| u8::from(inside(i))).collect();
        LabelMap::new(Size::new(20, 20), ids).unwrap()
    }

    #[test]
    fn region_of_known_overlaps() {
        let a = block(2, 6, 2, 6);
        assert_eq!(region(&a, &a, 1), Some(1.0));
        // 4 × 4 against 4 × 4 shifted by two columns: 8 of 24 pixels.
        assert_eq!(region(&a, &block(4, 8, 2, 6), 1), Some(8.0 / 24.0));
        assert_eq!(region(&a, &block(10, 14, 2, 6), 1), Some(0.0));
        assert_eq!(region(&a, &a, 2), None);
    }

    #[test]
    fn boundary_f_of_known_shapes() {
        let a = block(2, 12, 2, 12);
        assert_eq!(boundary(&a, 1).len(), 36);
        assert_eq!(boundary_f(&a, &a, 1, 1), Some(1.0));
        // Moved by one pixel: within a tolerance of 1, not of 0.
        let moved = block(3, 13, 2, 12);
        assert_eq!(boundary_f(&moved, &a, 1, 1), Some(1.0));
        // The two squares share the inner 8 pixels of top and bottom sides and both corners: 9 a
        // side of 36 boundary pixels.
        assert_eq!(boundary_f(&moved, &a, 1, 0), Some(18.0 / 36.0));
        assert_eq!(boundary_f(&block(2, 12, 14, 20), &a, 1, 1), Some(0.0));
        let nothing = LabelMap::empty(Size::new(20, 20));
        assert_eq!(boundary_f(&nothing, &a, 1, 1), Some(0.0));
        assert_eq!(boundary_f(&nothing, &nothing, 1, 1), None);
    }

    #[test]
    fn tolerance_is_that_of_davis() {
        assert_eq!(boundary_tolerance(Size::new(854, 480)), 8);
        assert_eq!(boundary_tolerance(Size::new(96, 96)), 2);
        assert_eq!(boundary_tolerance(Size::new(8, 8)), 1);
    }

    #[test]
    fn psnr_of_known_differences() {
        let size = Size::new(4, 4);
        let a = Picture::filled(size, [100; 3]);
        assert_eq!(psnr(&a, &a), MAX_PSNR);
        // Off by 25.5 levels would be 20 dB; by 51, 20·log10(5) = 13.98 dB.
        assert!((psnr(&a, &Picture::filled(size, [151; 3])) - 13.979).abs() < 1e-3);
    }

    #[test]
    fn ssim_sees_structure_and_not_only_error() {
        let size = Size::new(16, 16);
        let stripes = |low: u8, high: u8, period: usize| {
            let levels =
                (0..256usize).map(|i| if (i % 16 / period).is_multiple_of(2) { low } else { high });
            Picture::new(size, levels.flat_map(|v| [v; 3]).collect()).unwrap()
        };
        let a = stripes(80, 160, 2);
        assert!((ssim(&a, &a) - 1.0).abs() < 1e-6);
        // The same stripes a little brighter stay alike; the flat mean does not.
        let brighter = ssim(&a, &stripes(90, 170, 2));
        let flat = ssim(&a, &Picture::filled(size, [120; 3]));
        assert!(brighter > 0.95 && flat < 0.1, "{brighter} {flat}");
        // Opposite stripes are negatively similar.
        assert!(ssim(&a, &stripes(160, 80, 2)) < -0.5);
    }

    #[test]
    fn colours_of_one_object_are_compared_whatever_its_place() {
        let size = Size::new(20, 20);
        let mut a = Picture::filled(size, [0; 3]);
        let mut b = a.clone();
        for (x, y) in (2..6).flat_map(|x| (2..6).map(move |y| (x, y))) {
            a.set_pixel(x, y, [255, 0, 0]);
            b.set_pixel(x + 9, y + 9, [255, 0, 0]);
        }
        let (here, there) = (block(2, 6, 2, 6), block(11, 15, 11, 15));
        let colors = |p, l| Colors::of(p, l, 1, 1).unwrap();
        let red = colors(&a, &here);
        assert!((red.similarity(&colors(&b, &there)) - 1.0).abs() < 1e-5);
        assert!(red.similarity(&colors(&b, &here)) < 1e-5);
        // Half of the pixels red, half black.
        assert!((red.similarity(&colors(&b, &block(11, 15, 11, 19))) - 0.5).abs() < 1e-5);
        assert!(Colors::of(&a, &here, 1, 17).is_none());
    }
}
