//! Label maps at other sizes. Ids are names, not amounts, so nothing is ever averaged.

use crate::{LabelMap, Result, Size, rle::check_size};

impl LabelMap {
    /// The map at another size: each pixel takes the id found at its centre.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] when `size` is empty or too large.
    pub fn resize_nearest(&self, size: Size) -> Result<Self> {
        check_size(size)?;
        let from = self.size();
        // Centre of target pixel i, in source pixels: (i + 1/2)·source/target, in whole numbers.
        let source = |i: usize, source: usize, target: usize| (2 * i + 1) * source / (2 * target);
        let columns: Vec<usize> =
            (0..size.width).map(|x| source(x, from.width, size.width)).collect();
        let mut ids = Vec::with_capacity(size.area());
        for y in 0..size.height {
            let start = source(y, from.height, size.height) * from.width;
            let row = &self.ids()[start..start + from.width];
            ids.extend(columns.iter().map(|&x| row[x]));
        }
        Self::new(size, ids)
    }

    /// The map at another size, meant for smaller ones: each cell takes the id that covers most of
    /// its area, source pixels on a cell's edge counting by the part that lies inside. Of ids that
    /// cover equally much the lowest wins, as in an argmax over one-hot channels.
    ///
    /// # Errors
    /// [`crate::Error::Invalid`] when `size` is empty or too large.
    pub fn downsample_majority(&self, size: Size) -> Result<Self> {
        check_size(size)?;
        let from = self.size();
        let columns: Vec<_> = (0..size.width).map(|x| spans(x, from.width, size.width)).collect();
        let mut ids = Vec::with_capacity(size.area());
        let mut covered = [0u64; 256];
        let mut touched = Vec::new();
        for y in 0..size.height {
            let rows = spans(y, from.height, size.height);
            for span in &columns {
                for &(row, height) in &rows {
                    for &(column, width) in span {
                        let id = self.id_at(column, row);
                        if covered[usize::from(id)] == 0 {
                            touched.push(id);
                        }
                        covered[usize::from(id)] += height * width;
                    }
                }
                let most = |&id: &u8| (covered[usize::from(id)], std::cmp::Reverse(id));
                ids.push(touched.iter().copied().max_by_key(most).unwrap_or(0));
                touched.drain(..).for_each(|id| covered[usize::from(id)] = 0);
            }
        }
        Self::new(size, ids)
    }
}

/// The source pixels that cell `i` of `target` cells covers, each with the covered length, in
/// units of which a source pixel has `target` and a cell `source`.
fn spans(i: usize, source: usize, target: usize) -> Vec<(usize, u64)> {
    let (start, end) = (i * source, (i + 1) * source);
    (start / target..end.div_ceil(target))
        .map(|p| (p, (end.min((p + 1) * target) - start.max(p * target)) as u64))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn map(width: usize, ids: &[u8]) -> LabelMap {
        LabelMap::new(Size::new(width, ids.len() / width), ids.to_vec()).unwrap()
    }

    #[test]
    fn the_majority_counts_edge_pixels_by_their_part() {
        // Cells of 1.5 pixels: object 2 has 1 of the first 1.5, object 3 a half of it.
        assert_eq!(map(3, &[2, 3, 3]).downsample_majority(Size::new(2, 1)).unwrap().ids(), [2, 3]);
        // A tie goes to the lowest id.
        assert_eq!(map(2, &[7, 4]).downsample_majority(Size::new(1, 1)).unwrap().ids(), [4]);
        assert_eq!(map(2, &[7, 0, 7, 7]).downsample_majority(Size::new(1, 1)).unwrap().ids(), [7]);
    }

    proptest! {
        #[test]
        fn whole_factors_come_back(
            w in 1usize..9, h in 1usize..9, k in 1usize..5, seed in proptest::collection::vec(0u8..4, 64)
        ) {
            let small = LabelMap::new(Size::new(w, h), seed[..w * h].to_vec()).unwrap();
            let large = small.resize_nearest(Size::new(w * k, h * k)).unwrap();
            prop_assert_eq!(&large.resize_nearest(small.size()).unwrap(), &small);
            prop_assert_eq!(&large.downsample_majority(small.size()).unwrap(), &small);
        }

        #[test]
        fn any_size_works_and_invents_no_id(
            w in 1usize..20, h in 1usize..20, w2 in 1usize..40, h2 in 1usize..40, id in 0u8..255
        ) {
            let mut ids = vec![id; w * h];
            ids[0] = 9;
            let from = LabelMap::new(Size::new(w, h), ids).unwrap();
            let to = Size::new(w2, h2);
            for made in [from.resize_nearest(to).unwrap(), from.downsample_majority(to).unwrap()] {
                prop_assert!(made.ids().iter().all(|v| *v == id || *v == 9));
            }
        }
    }

    #[test]
    fn empty_sizes_are_refused() {
        assert!(map(1, &[1]).resize_nearest(Size::new(0, 3)).is_err());
        assert!(map(1, &[1]).downsample_majority(Size::new(3, 0)).is_err());
    }
}
