//! Scores on a coarse grid, and label maps painted from them at a picture's full size.

use rayon::prelude::*;
use thrumask_core::{
    LabelMap, Picture, PixelBox, Result, Size,
    labels::{self, Joined},
};

/// Scores of one object on a grid that is laid over a part of the picture: above 0 where the object
/// is. Beyond the part the object is nowhere.
#[derive(Debug, Clone, PartialEq)]
pub struct ScoreGrid {
    /// The part of the picture that the grid covers.
    pub area: PixelBox,
    /// Pixels beyond this box do not belong to the object, whatever the scores between cells.
    pub clip: PixelBox,
    /// Columns and rows of the grid.
    pub size: Size,
    /// One score for each cell, row-major.
    pub scores: Vec<f32>,
}

impl ScoreGrid {
    /// No object anywhere.
    pub fn nothing() -> Self {
        Self::over(PixelBox { x0: 0, y0: 0, x1: 0, y1: 0 }, Size::new(0, 0), Vec::new())
    }

    /// Scores of a grid of `size` over `area`.
    pub fn over(area: PixelBox, size: Size, scores: Vec<f32>) -> Self {
        Self { area, clip: area, size, scores }
    }

    /// The cells above 0.
    pub fn mask(&self) -> Vec<bool> {
        self.scores.iter().map(|&s| s > 0.0).collect()
    }

    /// Lowers every cell outside of `keep` to below 0.
    pub fn restrict(&mut self, keep: &[bool]) {
        for (score, keep) in self.scores.iter_mut().zip(keep) {
            if !keep {
                *score = score.min(-0.5);
            }
        }
    }

    /// The part of the picture, in pixels, that can come out above 0.
    fn reach(&self) -> Option<PixelBox> {
        let b = bounds(&self.mask(), self.size)?;
        let along = |cell: usize, cells: usize, start: usize, end: usize| {
            start as f64 + cell as f64 * (end - start) as f64 / cells as f64
        };
        let PixelBox { x0, y0, x1, y1 } = self.area;
        let x = |cell| along(cell, self.size.width, x0, x1);
        let y = |cell| along(cell, self.size.height, y0, y1);
        let reach = PixelBox {
            x0: (x(b.x0.saturating_sub(1)).floor() as usize).max(self.clip.x0),
            y0: (y(b.y0.saturating_sub(1)).floor() as usize).max(self.clip.y0),
            x1: (x((b.x1 + 1).min(self.size.width)).ceil() as usize).min(self.clip.x1),
            y1: (y((b.y1 + 1).min(self.size.height)).ceil() as usize).min(self.clip.y1),
        };
        Some(reach).filter(|r| r.area() > 0)
    }
}

/// Two neighbouring cells and the share of the second, at the centre of a pixel.
fn between(pixel: usize, start: usize, end: usize, cells: usize) -> (usize, usize, f32) {
    let at = (pixel - start) as f32 + 0.5;
    let at = (at * cells as f32 / (end - start) as f32 - 0.5).clamp(0.0, (cells - 1) as f32);
    let low = at as usize;
    (low, (low + 1).min(cells - 1), at - low as f32)
}

/// Paints the grids of objects 1, 2, … on a map of `size`: each pixel goes to the object of the
/// highest score above 0. Scores are interpolated linearly, so edges are smooth at any size.
///
/// # Errors
/// As [`LabelMap::new`].
pub fn paint(size: Size, grids: &[ScoreGrid]) -> Result<LabelMap> {
    let reaches: Vec<Option<PixelBox>> = grids.iter().map(ScoreGrid::reach).collect();
    let columns: Vec<Vec<(usize, usize, f32)>> = grids
        .iter()
        .zip(&reaches)
        .map(|(grid, reach)| {
            let columns = reach.map_or(0..0, |r| r.x0..r.x1);
            let cells = grid.size.width;
            columns.map(|x| between(x, grid.area.x0, grid.area.x1, cells)).collect()
        })
        .collect();
    let mut ids = vec![0u8; size.area()];
    ids.par_chunks_mut(size.width.max(1)).enumerate().for_each(|(y, row)| {
        let mut best: Vec<f32> = Vec::new();
        for (i, (grid, reach)) in grids.iter().zip(&reaches).enumerate() {
            let Some(reach) = reach.filter(|r| (r.y0..r.y1).contains(&y)) else { continue };
            best.resize(size.width, 0.0);
            let (up, down, t) = between(y, grid.area.y0, grid.area.y1, grid.size.height);
            let line = |r: usize| &grid.scores[r * grid.size.width..(r + 1) * grid.size.width];
            let (up, down) = (line(up), line(down));
            for (x, &(left, right, s)) in (reach.x0..reach.x1).zip(&columns[i]) {
                let above = up[left] + (up[right] - up[left]) * s;
                let below = down[left] + (down[right] - down[left]) * s;
                let score = above + (below - above) * t;
                if score > best[x] {
                    (best[x], row[x]) = (score, i as u8 + 1);
                }
            }
        }
    });
    LabelMap::new(size, ids)
}

/// A part of a picture, reduced for working on it.
#[derive(Debug, Clone)]
pub struct Patch {
    /// Which part, in pixels of the whole picture.
    pub area: PixelBox,
    /// The part itself; its pixels are called cells here.
    pub picture: Picture,
}

impl Patch {
    /// The part of a picture in `area`, which is not empty, at a size at which its longer side has
    /// at most `side` cells; never enlarged.
    ///
    /// # Errors
    /// As [`Picture::resize`].
    pub fn new(picture: &Picture, area: PixelBox, side: usize) -> Result<Self> {
        let part = Size::new(area.x1 - area.x0, area.y1 - area.y0);
        let longest = part.width.max(part.height);
        let scaled = |n: usize| if longest > side { (n * side / longest).max(1) } else { n };
        let target = Size::new(scaled(part.width), scaled(part.height));
        if part == picture.size() {
            return Ok(Self { area, picture: picture.resize(target)? });
        }
        let line = |y: usize| {
            let start = (y * picture.size().width + area.x0) * 3;
            picture.rgb()[start..start + part.width * 3].iter().copied()
        };
        let cut = Picture::new(part, (area.y0..area.y1).flat_map(line).collect())?;
        Ok(Self { area, picture: cut.resize(target)? })
    }

    /// Columns and rows.
    pub fn size(&self) -> Size {
        self.picture.size()
    }

    /// Number of cells.
    pub fn cells(&self) -> usize {
        self.size().area()
    }

    /// The centre of a cell, in pixels of the whole picture.
    pub fn centre(&self, cell: usize) -> [f32; 2] {
        let (size, area) = (self.size(), self.area);
        let along = |i: usize, n: usize, start: usize, end: usize| {
            start as f32 + (i as f32 + 0.5) * (end - start) as f32 / n as f32
        };
        let x = along(cell % size.width, size.width, area.x0, area.x1);
        [x, along(cell / size.width, size.height, area.y0, area.y1)]
    }

    /// The cell at a place in pixels of the whole picture, `None` beside the patch.
    pub fn cell_at(&self, [x, y]: [f32; 2]) -> Option<usize> {
        let along = |v: f32, n: usize, start: usize, end: usize| {
            let share = (v - start as f32) / (end - start) as f32;
            (0.0..1.0).contains(&share).then(|| ((share * n as f32) as usize).min(n - 1))
        };
        let (size, area) = (self.size(), self.area);
        let row = along(y, size.height, area.y0, area.y1)?;
        Some(row * size.width + along(x, size.width, area.x0, area.x1)?)
    }

    /// A box around cells, in pixels of the whole picture.
    pub fn whole_box(&self, b: PixelBox) -> PixelBox {
        let (size, area) = (self.size(), self.area);
        let (width, height) = (area.x1 - area.x0, area.y1 - area.y0);
        PixelBox {
            x0: area.x0 + b.x0 * width / size.width,
            y0: area.y0 + b.y0 * height / size.height,
            x1: area.x0 + (b.x1 * width).div_ceil(size.width),
            y1: area.y0 + (b.y1 * height).div_ceil(size.height),
        }
    }
}

/// The box with its left, upper, right and lower side moved out, within a picture of `size`.
pub fn grown(b: PixelBox, by: [usize; 4], size: Size) -> PixelBox {
    PixelBox {
        x0: b.x0.saturating_sub(by[0]),
        y0: b.y0.saturating_sub(by[1]),
        x1: (b.x1 + by[2]).min(size.width),
        y1: (b.y1 + by[3]).min(size.height),
    }
}

/// How far a place lies from the centre of a box, 1 on the ellipse inside it.
pub fn from_centre(b: PixelBox, [x, y]: [f32; 2]) -> f32 {
    let (cx, cy) = b.center();
    let (w, h) = ((b.x1 - b.x0) as f32 / 2.0, (b.y1 - b.y0) as f32 / 2.0);
    ((x - cx) / w).hypot((y - cy) / h)
}

/// Whether a place lies in a box.
pub fn contains(b: PixelBox, [x, y]: [f32; 2]) -> bool {
    (b.x0 as f32..b.x1 as f32).contains(&x) && (b.y0 as f32..b.y1 as f32).contains(&y)
}

/// Intersection over union of two masks of one size.
pub fn agreement(a: &[bool], b: &[bool]) -> f32 {
    let both = a.iter().zip(b).filter(|(a, b)| **a && **b).count();
    let any = a.iter().zip(b).filter(|(a, b)| **a || **b).count();
    both as f32 / any.max(1) as f32
}

/// The smallest box around the set cells of a mask.
pub fn bounds(mask: &[bool], size: Size) -> Option<PixelBox> {
    let mut found: Option<PixelBox> = None;
    for (i, _) in mask.iter().enumerate().filter(|&(_, &m)| m) {
        let (x, y) = (i % size.width, i / size.width);
        let b = found.get_or_insert(PixelBox { x0: x, y0: y, x1: x + 1, y1: y + 1 });
        b.x0 = b.x0.min(x);
        b.x1 = b.x1.max(x + 1);
        b.y1 = y + 1;
    }
    found
}

/// The four neighbours of a cell that lie on the grid.
pub fn neighbours(i: usize, size: Size) -> impl Iterator<Item = usize> {
    Joined::Edges.neighbours(i, size)
}

/// The pieces of a mask that hang together over edges, each as its cells, in order of first cell.
pub fn pieces(mask: &[bool], size: Size) -> Vec<Vec<usize>> {
    labels::pieces(mask, size, Joined::Edges)
}

/// The mask without pieces smaller than `share` of its largest one.
pub fn without_specks(mask: &[bool], size: Size, share: f32) -> Vec<bool> {
    let pieces = pieces(mask, size);
    let largest = pieces.iter().map(Vec::len).max().unwrap_or(0);
    let mut kept = vec![false; mask.len()];
    let large = |p: &&Vec<usize>| p.len() as f32 >= share * largest as f32;
    pieces.iter().filter(large).flatten().for_each(|&i| kept[i] = true);
    kept
}

/// The mask with its holes filled: a hole is what no path outside of the mask joins to the edge of
/// the grid.
pub fn without_holes(mask: &[bool], size: Size) -> Vec<bool> {
    let outside: Vec<bool> = mask.iter().map(|m| !m).collect();
    let mut filled = vec![true; mask.len()];
    let at_edge = |i: &usize| {
        let (x, y) = (i % size.width, i / size.width);
        x == 0 || y == 0 || x + 1 == size.width || y + 1 == size.height
    };
    for piece in pieces(&outside, size).iter().filter(|p| p.iter().any(at_edge)) {
        piece.iter().for_each(|&i| filled[i] = false);
    }
    filled
}

#[cfg(test)]
mod tests {
    use super::*;

    fn disc(side: usize, centre: f32, radius: f32) -> ScoreGrid {
        let at = |i: usize| {
            let (x, y) = ((i % side) as f32 + 0.5, (i / side) as f32 + 0.5);
            radius - ((x - centre).powi(2) + (y - centre).powi(2)).sqrt()
        };
        let area = PixelBox { x0: 0, y0: 0, x1: side, y1: side };
        ScoreGrid::over(area, Size::new(side, side), (0..side * side).map(at).collect())
    }

    #[test]
    fn painting_keeps_shape_and_area_at_any_size() {
        for side in [7, 20, 160, 500] {
            let mut grid = disc(20, 10.0, 6.0);
            grid.area = PixelBox { x0: 0, y0: 0, x1: side, y1: side };
            grid.clip = grid.area;
            let labels = paint(Size::new(side, side), &[ScoreGrid::nothing(), grid]).unwrap();
            let share = labels.area_of(2) as f32 / (side * side) as f32;
            let exact = std::f32::consts::PI * 36.0 / 400.0;
            assert!((share - exact).abs() < 0.06, "{side}: {share} of {exact}");
            assert_eq!(labels.ids_present(), [2]);
        }
    }

    #[test]
    fn the_higher_score_wins_and_a_part_stays_in_its_place() {
        let low = disc(20, 10.0, 5.0);
        let mut high = disc(20, 10.0, 5.0);
        high.scores.iter_mut().for_each(|s| *s *= 2.0);
        let labels = paint(Size::new(20, 20), &[low, high.clone()]).unwrap();
        assert_eq!(labels.ids_present(), [2]);
        high.area = PixelBox { x0: 30, y0: 10, x1: 50, y1: 30 };
        high.clip = high.area;
        let labels = paint(Size::new(60, 40), &[high]).unwrap();
        let found = labels.box_of(1).unwrap();
        assert!(found.x0 >= 30 && found.x1 <= 50 && found.y0 >= 10 && found.y1 <= 30);
        assert_eq!(
            labels.area_of(1),
            paint(Size::new(20, 20), &[disc(20, 10.0, 5.0)]).unwrap().area_of(1)
        );
    }

    #[test]
    fn specks_go_and_holes_are_filled() {
        let rows = ["........", ".####..#", ".#..#...", ".####...", "........"];
        let mask: Vec<bool> = rows.iter().flat_map(|r| r.bytes().map(|b| b == b'#')).collect();
        let size = Size::new(8, 5);
        let whole = without_holes(&without_specks(&mask, size, 0.2), size);
        assert_eq!(whole.iter().filter(|m| **m).count(), 12);
        assert!(!whole[8 + 7], "the speck is gone");
        assert!(without_holes(&[true; 4], Size::new(2, 2)).iter().all(|m| *m));
    }

    #[test]
    fn patches_and_pixels_lie_on_each_other() {
        let picture = Picture::filled(Size::new(300, 200), [7; 3]);
        let patch =
            Patch::new(&picture, PixelBox { x0: 50, y0: 20, x1: 250, y1: 120 }, 64).unwrap();
        assert_eq!(patch.size(), Size::new(64, 32));
        for cell in [0, 63, 64, 2047] {
            assert_eq!(patch.cell_at(patch.centre(cell)), Some(cell));
        }
        assert_eq!(patch.cell_at([49.0, 30.0]), None);
        assert_eq!(patch.cell_at([250.0, 30.0]), None);
        let all = PixelBox { x0: 0, y0: 0, x1: 64, y1: 32 };
        assert_eq!(patch.whole_box(all), patch.area);
    }
}
