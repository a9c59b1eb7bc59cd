//! What an object looks like: its cut-out from the first frame, and the colours in it.

use thrumask_core::{LabelMap, Picture};

use super::unlike;

/// Colours kept of an object.
const COLORS: usize = 8;
/// Rounds of k-means.
const ROUNDS: usize = 8;
/// How much of a pixel at the edge of a mask the object covers, on average: between half and all.
const EDGE_COVER: f32 = 0.75;
/// An object of fewer pixels cannot be followed.
const LEAST_PIXELS: usize = 4;

/// An object's cut-out.
#[derive(Debug, Clone)]
pub struct Template {
    /// Centre of its pixels, in pixels.
    pub center: [f32; 2],
    /// Offset from the centre and colour of each pixel.
    pub cells: Vec<([f32; 2], [f32; 3])>,
    /// The colours that occur in it.
    pub palette: Vec<[f32; 3]>,
    /// The mask of the first frame, to look up whether a point lies inside.
    mask: Vec<bool>,
    width: usize,
}

impl Template {
    /// The cut-out of object `id`, or `None` when it is not in the picture.
    pub fn new(background: &Picture, picture: &Picture, labels: &LabelMap, id: u8) -> Option<Self> {
        let (width, height) = (labels.size().width, labels.size().height);
        let mask = labels.mask_of(id);
        let pixels: Vec<(usize, usize)> =
            (0..mask.len()).filter(|&i| mask[i]).map(|i| (i % width, i / width)).collect();
        if pixels.len() < LEAST_PIXELS {
            return None;
        }
        let n = pixels.len() as f32;
        let center =
            pixels.iter().fold([0.0, 0.0], |s, p| [s[0] + p.0 as f32 / n, s[1] + p.1 as f32 / n]);
        let inside = |x: usize, y: usize| x < width && y < height && mask[y * width + x];
        let cell = |&(x, y): &(usize, usize)| {
            let offset = [x as f32 - center[0], y as f32 - center[1]];
            let edge = !(inside(x.wrapping_sub(1), y)
                && inside(x + 1, y)
                && inside(x, y.wrapping_sub(1))
                && inside(x, y + 1));
            // The background shines through at the edge.
            let own = if edge { EDGE_COVER } else { 1.0 };
            let (seen, behind) = (picture.pixel(x, y), background.pixel(x, y));
            let color = [0, 1, 2].map(|c| {
                let (seen, behind) = (f32::from(seen[c]), f32::from(behind[c]));
                (behind + (seen - behind) / own).clamp(0.0, 255.0)
            });
            (offset, color)
        };
        let cells: Vec<_> = pixels.iter().map(cell).collect();
        let palette = palette(&cells);
        Some(Self { center, cells, palette, mask, width })
    }

    /// Whether the point at `offset` from the centre lies inside.
    pub fn holds(&self, offset: [f32; 2]) -> bool {
        let (x, y) = (self.center[0] + offset[0], self.center[1] + offset[1]);
        let (x, y) = (x.round(), y.round());
        if x < 0.0 || y < 0.0 || x >= self.width as f32 {
            return false;
        }
        self.mask.get(y as usize * self.width + x as usize).copied().unwrap_or(false)
    }

    /// Squared distance to the nearest of the object's colours; see [`unlike`].
    pub fn unlike(&self, color: [f32; 3]) -> f32 {
        self.palette.iter().map(|p| unlike(color, *p)).fold(f32::MAX, f32::min)
    }
}

/// The most typical colours: k-means from starts that lie far apart.
fn palette(cells: &[([f32; 2], [f32; 3])]) -> Vec<[f32; 3]> {
    let mut centers = vec![cells[0].1];
    while centers.len() < COLORS {
        let nearest = |c: [f32; 3]| centers.iter().map(|k| unlike(c, *k)).fold(f32::MAX, f32::min);
        let furthest = cells.iter().map(|c| (nearest(c.1), c.1)).max_by(|a, b| a.0.total_cmp(&b.0));
        match furthest {
            Some((distance, color)) if distance > 0.05 => centers.push(color),
            _ => break,
        }
    }
    for _ in 0..ROUNDS {
        let mut sums = vec![[0f32; 4]; centers.len()];
        for (_, color) in cells {
            let nearest = (0..centers.len())
                .min_by(|&a, &b| unlike(*color, centers[a]).total_cmp(&unlike(*color, centers[b])));
            if let Some(sum) = nearest.map(|k| &mut sums[k]) {
                (0..3).for_each(|c| sum[c] += color[c]);
                sum[3] += 1.0;
            }
        }
        for (center, sum) in centers.iter_mut().zip(&sums).filter(|(_, s)| s[3] > 0.0) {
            *center = [sum[0] / sum[3], sum[1] / sum[3], sum[2] / sum[3]];
        }
    }
    centers
}
