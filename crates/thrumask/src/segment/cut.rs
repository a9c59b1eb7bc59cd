//! Cuts the object out of a box by colour: what looks like the surroundings of the box is
//! background, what does not is the object.
//!
//! After GrabCut (Rother, Kolmogorov, Blake 2004): a mixture of colours for object and background
//! each, fitted in turn with the cut. In place of the graph cut, mean-field updates with weights
//! that stop at edges: simpler, and near enough at this size.

use thrumask_core::{Picture, Size};

use super::canvas::{neighbours, without_holes, without_specks};

/// Colours of one mixture.
const COLORS: usize = 5;
/// How often mixtures and cut are fitted in turn.
const ROUNDS: usize = 4;
/// Mean-field updates of one cut.
const UPDATES: usize = 12;
/// How much a cell is drawn to a neighbour of equal colour.
const SMOOTHNESS: f32 = 1.1;
/// Scores do not go further than this from 0.
const LIMIT: f32 = 4.0;
/// Least spread of a colour, as a share of the full range: anti-aliasing and compression.
const LEAST_SPREAD: f32 = 0.03;

/// Outlines weaker than this many levels are none.
const FAINTEST: f32 = 8.0;

/// What is known of a cell before the cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hint {
    /// Surely background.
    Outside,
    /// Probably background.
    MaybeOutside,
    /// Probably the object.
    MaybeInside,
    /// Surely the object.
    Inside,
}

impl Hint {
    fn is_inside(self) -> bool {
        matches!(self, Self::MaybeInside | Self::Inside)
    }
}

type Rgb = [f32; 3];

/// One colour of a mixture.
#[derive(Debug, Clone, Copy)]
struct Blob {
    mean: Rgb,
    /// Variance of each channel.
    variance: Rgb,
    share: f32,
}

fn colors_of(picture: &Picture) -> Vec<Rgb> {
    let color = |p: &[u8]| std::array::from_fn(|c| f32::from(p[c]) / 255.0);
    picture.rgb().chunks_exact(3).map(color).collect()
}

fn distance(a: Rgb, b: Rgb) -> f32 {
    (0..3).map(|c| (a[c] - b[c]).powi(2)).sum()
}

/// A mixture of colours: k-means from far-apart starts, always the same ones for the same cells.
fn mixture(cells: &[Rgb]) -> Vec<Blob> {
    let Some(&first) = cells.first() else { return Vec::new() };
    let mut means = vec![first];
    let mut nearest: Vec<f32> = cells.iter().map(|&c| distance(c, first)).collect();
    while means.len() < COLORS {
        let furthest = (0..cells.len()).max_by(|&a, &b| nearest[a].total_cmp(&nearest[b]));
        let Some(far) = furthest.filter(|&i| nearest[i] > LEAST_SPREAD.powi(2)) else { break };
        means.push(cells[far]);
        let new = cells[far];
        nearest.iter_mut().zip(cells).for_each(|(n, &c)| *n = n.min(distance(c, new)));
    }
    let closest = |means: &[Rgb], c: Rgb| {
        let far = |i: &usize, j: &usize| distance(c, means[*i]).total_cmp(&distance(c, means[*j]));
        (0..means.len()).min_by(far).unwrap_or(0)
    };
    let mut blobs = Vec::new();
    for _ in 0..6 {
        let mut sums = vec![([0f32; 3], [0f32; 3], 0usize); means.len()];
        for &cell in cells {
            let (sum, squares, count) = &mut sums[closest(&means, cell)];
            for c in 0..3 {
                sum[c] += cell[c];
                squares[c] += cell[c] * cell[c];
            }
            *count += 1;
        }
        blobs = sums
            .iter()
            .filter(|(_, _, n)| *n > 0)
            .map(|&(sum, squares, n)| {
                let mean = sum.map(|s| s / n as f32);
                let spread = |c: usize| squares[c] / n as f32 - mean[c] * mean[c];
                let variance = std::array::from_fn(|c| spread(c).max(0.0) + LEAST_SPREAD.powi(2));
                Blob { mean, variance, share: n as f32 / cells.len() as f32 }
            })
            .collect();
        means = blobs.iter().map(|b: &Blob| b.mean).collect();
    }
    blobs
}

/// Logarithm of a mixture's density.
fn log_density(blobs: &[Blob], color: Rgb) -> f32 {
    let one = |b: &Blob| {
        let part = |c: usize| (color[c] - b.mean[c]).powi(2) / b.variance[c] + b.variance[c].ln();
        b.share.ln() - 0.5 * (0..3).map(part).sum::<f32>()
    };
    // The likeliest colour alone: it dominates the sum.
    blobs.iter().map(one).fold(f32::NEG_INFINITY, f32::max)
}

/// How strongly each cell is drawn to its right and to its lower neighbour: weakly over edges.
fn bonds(colors: &[Rgb], size: Size) -> Vec<[f32; 2]> {
    let pair = |i: usize| {
        let right = (i % size.width + 1 < size.width).then(|| distance(colors[i], colors[i + 1]));
        let down = colors.get(i + size.width).map(|&c| distance(colors[i], c));
        [right, down]
    };
    let pairs: Vec<[Option<f32>; 2]> = (0..colors.len()).map(pair).collect();
    let (sum, count) =
        pairs.iter().flatten().flatten().fold((0.0, 0), |(s, n): (f32, usize), d| (s + d, n + 1));
    let beta = 0.5 * count as f32 / sum.max(1e-6);
    let bond = |d: Option<f32>| d.map_or(0.0, |d| SMOOTHNESS * (0.05 + 0.95 * (-beta * d).exp()));
    pairs.iter().map(|p| p.map(bond)).collect()
}

/// One cut: scores from colours, smoothed along bonds.
fn cut(pull: &[f32], hints: &[Hint], bonds: &[[f32; 2]], size: Size) -> Vec<f32> {
    let fixed = |i: usize| match hints[i] {
        Hint::Inside => Some(LIMIT),
        Hint::Outside => Some(-LIMIT),
        _ => None,
    };
    let mut scores: Vec<f32> = (0..pull.len()).map(|i| fixed(i).unwrap_or(pull[i])).collect();
    for _ in 0..UPDATES {
        let leaning: Vec<f32> = scores.iter().map(|s| s.tanh()).collect();
        for (i, score) in scores.iter_mut().enumerate() {
            if fixed(i).is_some() {
                continue;
            }
            let drawn = neighbours(i, size).map(|n| {
                let bond = match n {
                    n if n == i + 1 => bonds[i][0],
                    n if n + 1 == i => bonds[n][0],
                    n if n > i => bonds[i][1],
                    n => bonds[n][1],
                };
                bond * leaning[n]
            });
            *score = (pull[i] + drawn.sum::<f32>()).clamp(-LIMIT, LIMIT);
        }
    }
    scores
}

/// Scores of the cells of a picture from hints: above 0 where the object is, in one piece as far as
/// the colours allow and without holes. `None` when colours do not tell the object from its
/// surroundings.
pub fn cut_out(picture: &Picture, hints: &[Hint]) -> Option<Vec<f32>> {
    let size = picture.size();
    let colors = colors_of(picture);
    let bonds = bonds(&colors, size);
    let open = |i: usize| !matches!(hints[i], Hint::Outside);
    let candidates = (0..hints.len()).filter(|&i| open(i)).count();
    let mut inside: Vec<bool> = hints.iter().map(|h| h.is_inside()).collect();
    let mut scores = Vec::new();
    for _ in 0..ROUNDS {
        let picked = |wanted: bool| -> Vec<Rgb> {
            let belongs = |i: &usize| inside[*i] == wanted;
            (0..colors.len()).filter(belongs).map(|i| colors[i]).collect()
        };
        let (object, background) = (mixture(&picked(true)), mixture(&picked(false)));
        if object.is_empty() || background.is_empty() {
            return None;
        }
        let pull = |i: usize| {
            let ratio = log_density(&object, colors[i]) - log_density(&background, colors[i]);
            let lean = if hints[i].is_inside() { 0.3 } else { -0.3 };
            (0.5 * ratio).clamp(-2.5, 2.5) + lean
        };
        let pulls: Vec<f32> = (0..colors.len()).map(pull).collect();
        scores = cut(&pulls, hints, &bonds, size);
        inside = scores.iter().map(|&s| s > 0.0).collect();
    }
    let whole = without_specks(&without_holes(&inside, size), size, 0.15);
    for (score, whole) in scores.iter_mut().zip(&whole) {
        *score = if *whole { score.max(0.5) } else { score.min(-0.5) };
    }
    let count = whole.iter().filter(|w| **w).count();
    let plausible = count * 20 >= candidates && count * 100 <= candidates * 99;
    (plausible && outline(picture, &whole) >= FAINTEST).then_some(scores)
}

/// Mean distance of colours over the outline of a mask, in levels; where the mask meets the edge of
/// the picture, there is none.
pub fn outline(picture: &Picture, mask: &[bool]) -> f32 {
    let color = |i: usize| &picture.rgb()[i * 3..i * 3 + 3];
    let square = |(a, b): (&u8, &u8)| u32::from(a.abs_diff(*b)).pow(2);
    let (mut sum, mut count) = (0f32, 0usize);
    for i in (0..mask.len()).filter(|&i| mask[i]) {
        count += 4 - neighbours(i, picture.size()).count();
        for n in neighbours(i, picture.size()).filter(|&n| !mask[n]) {
            let squares: u32 = color(i).iter().zip(color(n)).map(square).sum();
            sum += (squares as f32).sqrt();
            count += 1;
        }
    }
    sum / count.max(1) as f32
}
