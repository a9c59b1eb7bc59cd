//! What hangs together in a mask.

use super::LabelMap;
use crate::Size;

/// What joins two cells of a mask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Joined {
    /// A common edge: four neighbours.
    Edges,
    /// A common edge or corner: eight neighbours.
    Corners,
}

impl Joined {
    /// The neighbours of a cell that lie on a grid.
    pub fn neighbours(self, i: usize, size: Size) -> impl Iterator<Item = usize> {
        const AROUND: [[isize; 2]; 8] =
            [[-1, 0], [1, 0], [0, -1], [0, 1], [-1, -1], [1, -1], [-1, 1], [1, 1]];
        let count = if self == Self::Edges { 4 } else { 8 };
        let (x, y) = (i % size.width, i / size.width);
        AROUND[..count].iter().filter_map(move |&[dx, dy]| {
            let x = x.checked_add_signed(dx).filter(|&x| x < size.width)?;
            let y = y.checked_add_signed(dy).filter(|&y| y < size.height)?;
            Some(y * size.width + x)
        })
    }
}

/// The connected pieces of the set cells of a mask, each as its cells, in order of first cell.
///
/// # Shapes
/// `mask` is row-major `[H·W]` of `size`.
///
/// # Panics
/// When it has fewer cells than `size`.
pub fn pieces(mask: &[bool], size: Size, joined: Joined) -> Vec<Vec<usize>> {
    let mut left = mask.to_vec();
    let mut found = Vec::new();
    for start in 0..left.len() {
        if !std::mem::take(&mut left[start]) {
            continue;
        }
        let mut piece = vec![start];
        let mut next = 0;
        while next < piece.len() {
            for n in joined.neighbours(piece[next], size) {
                if std::mem::take(&mut left[n]) {
                    piece.push(n);
                }
            }
            next += 1;
        }
        found.push(piece);
    }
    found
}

impl LabelMap {
    /// Without stray pieces of objects: those smaller than `share` of the object's largest piece (0 to 1) go
    /// to whichever label, background or another object, they border on most.
    pub fn without_strays(&self, share: f32) -> Self {
        let mut cleaned = self.clone();
        for id in self.ids_present() {
            let all = pieces(&self.mask_of(id), self.size, Joined::Corners);
            let largest = all.iter().map(Vec::len).max().unwrap_or(0);
            for piece in all.iter().filter(|p| (p.len() as f32) < share * largest as f32) {
                let around = self.around(piece, id);
                piece.iter().for_each(|&i| cleaned.ids[i] = around);
            }
        }
        cleaned
    }

    /// The label with the most edges to a piece of object `id`, the lowest of several.
    fn around(&self, piece: &[usize], id: u8) -> u8 {
        let mut edges = [0usize; 256];
        let beside = piece.iter().flat_map(|&i| Joined::Edges.neighbours(i, self.size));
        beside.map(|n| self.ids[n]).filter(|&v| v != id).for_each(|v| edges[usize::from(v)] += 1);
        let most = edges.iter().max().copied().unwrap_or(0);
        edges.iter().position(|&n| n == most).unwrap_or(0) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn labels(rows: &[&str]) -> LabelMap {
        let size = Size::new(rows[0].len(), rows.len());
        let ids = rows.iter().flat_map(|row| row.bytes().map(|b| b.saturating_sub(b'0')));
        LabelMap::new(size, ids.collect()).unwrap()
    }

    #[test]
    fn corners_join_more_than_edges() {
        let mask = labels(&["1010", "0100", "0001"]).mask_of(1);
        let size = Size::new(4, 3);
        assert_eq!(pieces(&mask, size, Joined::Edges), [vec![0], vec![2], vec![5], vec![11]]);
        assert_eq!(pieces(&mask, size, Joined::Corners), [vec![0, 5, 2], vec![11]]);
        assert!(pieces(&[false; 12], size, Joined::Corners).is_empty());
    }

    #[test]
    fn strays_become_what_lies_around_them() {
        let map = labels(&["11110000", "11110100", "11110000", "11222220", "00222120", "00222220"]);
        let cleaned =
            labels(&["11110000", "11110000", "11110000", "11222220", "00222220", "00222220"]);
        assert_eq!(map.without_strays(0.2), cleaned);
        // As large as it has to be, or nothing to be measured by.
        assert_eq!(map.without_strays(1.0 / 14.0), map);
        assert_eq!(map.without_strays(0.0), map);
        assert_eq!(cleaned.without_strays(1.0), cleaned);
        // Halves of what another object hides in the middle stay.
        let hidden = labels(&["1122111", "1122111"]);
        assert_eq!(hidden.without_strays(0.3), hidden);
        // A map of one object alone has nothing around it.
        let full = labels(&["11", "11"]);
        assert_eq!(full.without_strays(1.0), full);
    }
}
