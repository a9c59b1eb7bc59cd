//! From trajectories to what each token may see: groups for masked self-attention (eq. 3), prompt
//! visibility for masked cross-attention (eq. 2).

use thrumask_core::{LabelMap, Trajectory};
use thrumask_kernels::{PromptVisibility, TokenGroups};

use crate::{Error, Result, layers::Context};

/// Object conditions of one batch, shared by all masked layers and steps.
#[derive(Debug, Clone)]
pub struct ObjectContext {
    /// The object of each token; background is group 0.
    pub groups: TokenGroups,
    /// Embedded object prompts `[B, S·L, D]`, visible inside the objects' boxes.
    pub prompts: Context,
}

/// Which object each token belongs to, and which objects' boxes it lies in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectGrid {
    /// Object id of each token, frame-major; 0 is background.
    pub ids: Vec<u8>,
    /// For each token, whether it lies in the box of object `1..=S`: `[N][S]`.
    pub in_box: Vec<Vec<bool>>,
    /// Number of objects.
    objects: usize,
}

/// How masked cross-attention sees an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Visibility {
    /// Inside the object's bounding box (the paper's).
    Box,
    /// Where the object's mask is.
    Mask,
}

impl ObjectGrid {
    /// Brings a trajectory to a `[T, H, W]` grid of tokens.
    ///
    /// A token belongs to the object that covers most of it, over the frames of its time window and
    /// the pixels of its cell (area-downsample, then argmax; ties go to the lower id). It sees the
    /// prompt of each object whose bounding box, in any frame of the window, overlaps its cell.
    ///
    /// # Errors
    /// [`Error::Shape`] when frames, rows or columns of the trajectory are fewer than the grid's.
    pub fn new(trajectory: &Trajectory, grid: [usize; 3], visibility: Visibility) -> Result<Self> {
        let [windows, rows, columns] = grid;
        let (size, frames) = (trajectory.size(), trajectory.frames().len());
        if frames < windows || size.height < rows || size.width < columns {
            let got = [frames, size.height, size.width];
            return Err(Error::shape("trajectory for the token grid", grid, got));
        }
        let objects = trajectory.objects();
        let mut ids = Vec::with_capacity(windows * rows * columns);
        let mut in_box = Vec::with_capacity(ids.capacity());
        for w in 0..windows {
            let window = &trajectory.frames()[w * frames / windows..(w + 1) * frames / windows];
            let boxes: Vec<_> = window
                .iter()
                .map(|f| (1..=objects).map(|id| f.box_of(id as u8)).collect::<Vec<_>>())
                .collect();
            for r in 0..rows {
                let ys = r * size.height / rows..(r + 1) * size.height / rows;
                for c in 0..columns {
                    let xs = c * size.width / columns..(c + 1) * size.width / columns;
                    let counts = count(window, objects, ys.clone(), xs.clone());
                    let most = counts.iter().copied().max().unwrap_or(0);
                    ids.push(counts.iter().position(|&n| n == most).unwrap_or(0) as u8);
                    let sees = |id: usize| match visibility {
                        Visibility::Mask => counts[id] > 0,
                        Visibility::Box => boxes.iter().any(|frame| {
                            frame[id - 1].is_some_and(|b| {
                                b.x0 < xs.end && xs.start < b.x1 && b.y0 < ys.end && ys.start < b.y1
                            })
                        }),
                    };
                    in_box.push((1..=objects).map(sees).collect());
                }
            }
        }
        Ok(Self { ids, in_box, objects })
    }

    /// A grid where nothing is known of `objects` objects: all background, in no box.
    pub fn background(objects: usize, grid: [usize; 3]) -> Self {
        let tokens = grid.iter().product();
        Self { ids: vec![0; tokens], in_box: vec![vec![false; objects]; tokens], objects }
    }

    /// The groups of a batch of grids of equally many tokens.
    ///
    /// # Errors
    /// [`Error::Shape`] without a grid or when token counts differ.
    pub fn groups(grids: &[Self]) -> Result<TokenGroups> {
        let tokens = common_tokens(grids)?;
        let ids: Vec<u16> = grids.iter().flat_map(|g| g.ids.iter().map(|&i| i.into())).collect();
        Ok(TokenGroups::new(&ids, grids.len(), tokens))
    }

    /// Who sees which prompt, for a batch of grids; `lengths[b][s]` is the number of valid tokens of
    /// object `s + 1`'s prompt, 0 for an object that does not exist, `padded` their padded number.
    ///
    /// # Errors
    /// [`Error::Shape`] without a grid or when token counts differ.
    pub fn visibility(
        grids: &[Self],
        lengths: &[Vec<usize>],
        padded: usize,
    ) -> Result<PromptVisibility> {
        let tokens = common_tokens(grids)?;
        let most = lengths.iter().map(Vec::len).max().unwrap_or(0);
        let mut visible = Vec::new();
        for grid in grids {
            for seen in &grid.in_box {
                visible.extend((0..most).map(|s| s < grid.objects && seen[s]));
            }
        }
        let fill = |row: &Vec<usize>| (0..most).map(|s| row.get(s).copied().unwrap_or(0)).collect();
        let lengths: Vec<usize> =
            lengths.iter().flat_map(|row| -> Vec<usize> { fill(row) }).collect();
        Ok(PromptVisibility::new(&visible, &lengths, [grids.len(), tokens, most], padded))
    }
}

/// Pixels of each id (index 0 is background) in a cell of a window.
fn count(
    window: &[LabelMap],
    objects: usize,
    ys: std::ops::Range<usize>,
    xs: std::ops::Range<usize>,
) -> Vec<usize> {
    let mut counts = vec![0usize; objects + 1];
    for frame in window {
        for y in ys.clone() {
            for x in xs.clone() {
                counts[usize::from(frame.id_at(x, y))] += 1;
            }
        }
    }
    counts
}

fn common_tokens(grids: &[ObjectGrid]) -> Result<usize> {
    let tokens = grids.first().map(|g| g.ids.len());
    let tokens = tokens.ok_or_else(|| Error::shape("object grids", "at least one", 0))?;
    match grids.iter().find(|g| g.ids.len() != tokens) {
        Some(g) => Err(Error::shape("tokens of an object grid", tokens, g.ids.len())),
        None => Ok(tokens),
    }
}
