//! The Fréchet distance of two sets of feature vectors, each taken for a normal distribution (Dowson
//! and Landau, 1982; for generated pictures Heusel et al., 2017):
//! ‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2 (Σ₁^½ Σ₂ Σ₁^½)^½).

use thrumask_core::{Error, Result};

/// A normal distribution fitted to feature vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct Gaussian {
    mean: Vec<f64>,
    /// Unbiased covariance, row by row.
    covariance: Vec<f64>,
}

impl Gaussian {
    /// Mean and unbiased covariance of some vectors.
    ///
    /// # Errors
    /// [`Error::Invalid`] for less than two vectors, or vectors of different lengths.
    pub fn fit(vectors: &[&[f32]]) -> Result<Self> {
        let width = vectors.first().map_or(0, |v| v.len());
        if vectors.len() < 2 || width == 0 || vectors.iter().any(|v| v.len() != width) {
            let reason = format!("expected two or more of one length, got {}", vectors.len());
            return Err(Error::invalid("feature vectors", reason));
        }
        let count = vectors.len() as f64;
        let mut mean = vec![0f64; width];
        for v in vectors {
            mean.iter_mut().zip(*v).for_each(|(m, &x)| *m += f64::from(x) / count);
        }
        let mut covariance = vec![0f64; width * width];
        for v in vectors {
            let off: Vec<f64> = v.iter().zip(&mean).map(|(&x, m)| f64::from(x) - m).collect();
            for (row, &a) in covariance.chunks_exact_mut(width).zip(&off) {
                row.iter_mut().zip(&off).for_each(|(c, &b)| *c += a * b / (count - 1.0));
            }
        }
        Ok(Self { mean, covariance })
    }

    /// The root of its covariance, for distances from it.
    pub fn rooted(self) -> Rooted {
        let width = self.mean.len();
        let (values, vectors) = eigen(&self.covariance, width);
        let mut root = vec![0f64; width * width];
        for (value, vector) in values.iter().zip(vectors.chunks_exact(width)) {
            let value = value.max(0.0).sqrt();
            for (row, a) in root.chunks_exact_mut(width).zip(vector) {
                row.iter_mut().zip(vector).for_each(|(r, b)| *r += value * a * b);
            }
        }
        Rooted { of: self, root }
    }
}

/// A distribution with the root of its covariance.
#[derive(Debug, Clone, PartialEq)]
pub struct Rooted {
    of: Gaussian,
    root: Vec<f64>,
}

impl Rooted {
    /// The distance of another distribution, at least 0.
    ///
    /// # Errors
    /// [`Error::Mismatch`] when their vectors differ in length.
    pub fn distance(&self, other: &Gaussian) -> Result<f64> {
        let width = self.of.mean.len();
        if other.mean.len() != width {
            return Err(Error::mismatch("length of features", width, other.mean.len()));
        }
        let inner = product(&self.root, &product(&other.covariance, &self.root, width), width);
        let (values, _) = eigen(&inner, width);
        let roots: f64 = values.iter().map(|v| v.max(0.0).sqrt()).sum();
        let trace = |m: &[f64]| m.iter().step_by(width + 1).sum::<f64>();
        let means = self.of.mean.iter().zip(&other.mean).map(|(a, b)| (a - b).powi(2));
        let spread = trace(&self.of.covariance) + trace(&other.covariance) - 2.0 * roots;
        Ok((means.sum::<f64>() + spread).max(0.0))
    }
}

/// Product of two square matrices.
fn product(a: &[f64], b: &[f64], width: usize) -> Vec<f64> {
    let mut out = vec![0f64; width * width];
    for (out, a) in out.chunks_exact_mut(width).zip(a.chunks_exact(width)) {
        for (&a, b) in a.iter().zip(b.chunks_exact(width)) {
            out.iter_mut().zip(b).for_each(|(o, &b)| *o += a * b);
        }
    }
    out
}

/// Sweeps over all pairs of axes after which Jacobi's method has long ended.
const SWEEPS: usize = 40;

/// Eigenvalues of a symmetric matrix, and the vectors of each as rows, by Jacobi's cyclic method (Golub
/// and Van Loan, "Matrix Computations", 8.5).
fn eigen(matrix: &[f64], width: usize) -> (Vec<f64>, Vec<f64>) {
    let mut a = matrix.to_vec();
    let mut vectors = vec![0f64; width * width];
    vectors.iter_mut().step_by(width + 1).for_each(|v| *v = 1.0);
    let scale: f64 = a.iter().map(|v| v * v).sum();
    for _ in 0..SWEEPS {
        let rest = |i: usize| a[i * width..i * width + i].iter().map(|v| v * v).sum::<f64>();
        if (0..width).map(rest).sum::<f64>() <= scale * 1e-28 {
            break;
        }
        for p in 0..width {
            for q in p + 1..width {
                let off = a[p * width + q];
                if off == 0.0 {
                    continue;
                }
                // The turn of axes p and q that makes their product vanish.
                let theta = (a[q * width + q] - a[p * width + p]) / (2.0 * off);
                let t = theta.signum() / (theta.abs() + theta.hypot(1.0));
                let cosine = 1.0 / t.hypot(1.0);
                let sine = t * cosine;
                turn(&mut a, p, q, width, cosine, sine);
                for row in a.chunks_exact_mut(width) {
                    let (x, y) = (row[p], row[q]);
                    (row[p], row[q]) = (cosine * x - sine * y, sine * x + cosine * y);
                }
                turn(&mut vectors, p, q, width, cosine, sine);
            }
        }
    }
    (a.iter().step_by(width + 1).copied().collect(), vectors)
}

/// Turns rows p and q, of which q is the later.
fn turn(m: &mut [f64], p: usize, q: usize, width: usize, cosine: f64, sine: f64) {
    let (head, tail) = m.split_at_mut(q * width);
    let pairs = head[p * width..][..width].iter_mut().zip(&mut tail[..width]);
    for (x, y) in pairs {
        (*x, *y) = (cosine * *x - sine * *y, sine * *x + cosine * *y);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use thrumask_nn::diffusion::noise::Noise;

    use super::*;

    fn set(name: &str, count: usize, width: usize) -> Vec<Vec<f32>> {
        let values = Noise::new(3, name).normals(0, count * width);
        values.chunks_exact(width).map(<[f32]>::to_vec).collect()
    }

    fn fit(vectors: &[Vec<f32>]) -> Gaussian {
        Gaussian::fit(&vectors.iter().map(Vec::as_slice).collect::<Vec<_>>()).unwrap()
    }

    fn distance(a: &[Vec<f32>], b: &[Vec<f32>]) -> f64 {
        fit(a).rooted().distance(&fit(b)).unwrap()
    }

    #[test]
    fn equal_sets_are_at_no_distance_and_it_does_not_matter_who_asks() {
        let (a, b) = (set("a", 60, 12), set("b", 50, 12));
        assert!(distance(&a, &a) < 1e-9);
        let (ab, ba) = (distance(&a, &b), distance(&b, &a));
        assert!(ab > 0.1 && (ab - ba).abs() < 1e-9 * ab, "{ab} {ba}");
    }

    #[test]
    fn more_dimensions_than_vectors_work() {
        let (a, b) = (set("a", 9, 24), set("b", 7, 24));
        assert!(distance(&a, &a) < 1e-6);
        let (ab, ba) = (distance(&a, &b), distance(&b, &a));
        assert!((ab - ba).abs() < 1e-6 * ab, "{ab} {ba}");
    }

    /// Along axes the distance is the sum of (μ₁ − μ₂)² + (σ₁ − σ₂)².
    #[test]
    fn distributions_along_the_axes_have_a_closed_form() {
        let diagonal = |mean: [f64; 3], std: [f64; 3]| {
            let mut covariance = vec![0.0; 9];
            (0..3).for_each(|i| covariance[i * 4] = std[i] * std[i]);
            Gaussian { mean: mean.to_vec(), covariance }
        };
        let a = diagonal([0.0, 1.0, -2.0], [1.0, 0.5, 0.0]);
        let b = diagonal([0.5, 1.0, 1.0], [2.0, 0.25, 3.0]);
        let expected = 0.25 + 9.0 + 1.0 + 0.0625 + 9.0;
        assert!((a.rooted().distance(&b).unwrap() - expected).abs() < 1e-12);
    }

    #[test]
    fn too_few_or_uneven_vectors_are_refused() {
        assert!(Gaussian::fit(&[&[1.0, 2.0]]).is_err());
        assert!(Gaussian::fit(&[&[1.0, 2.0], &[1.0]]).is_err());
        let (a, b) = (fit(&set("a", 4, 2)), fit(&set("a", 4, 3)));
        assert!(a.rooted().distance(&b).is_err());
    }

    /// Made with NumPy and SciPy by `frechet/export.py`; the last case has fewer vectors than dimensions.
    #[test]
    fn the_public_formula_agrees() {
        let text = include_str!("frechet/fixture.json");
        let cases: Vec<serde_json::Value> = serde_json::from_str(text).unwrap();
        assert_eq!(cases.len(), 4);
        for case in cases {
            let set = |name: &str| -> Vec<Vec<f32>> {
                serde_json::from_value(case[name].clone()).unwrap()
            };
            let expected = case["distance"].as_f64().unwrap();
            let got = distance(&set("a"), &set("b"));
            assert!((got - expected).abs() < 1e-6 * expected, "{got} {expected}");
        }
    }

    proptest! {
        #[test]
        fn distances_keep_the_laws_of_distances(
            width in 1usize..7,
            counts in [2usize..12, 2usize..12],
            by in proptest::collection::vec(-3f32..3.0, 7),
            spread in 0.1f32..4.0,
        ) {
            let a = set("a", counts[0], width);
            let b: Vec<Vec<f32>> = set("b", counts[1], width)
                .iter()
                .map(|v| v.iter().map(|x| x * spread).collect())
                .collect();
            let ab = distance(&a, &b);
            let near = |x: f64, y: f64| (x - y).abs() < 1e-5 * (1.0 + x.abs());
            prop_assert!(ab >= 0.0 && near(ab, distance(&b, &a)));

            // Moved as a whole, a set is as far from itself as it was moved.
            let moved = |v: &Vec<f32>| v.iter().zip(&by).map(|(x, d)| x + d).collect();
            let away: Vec<Vec<f32>> = a.iter().map(moved).collect();
            let square: f64 = by[..width].iter().map(|&d| f64::from(d).powi(2)).sum();
            prop_assert!(near(square, distance(&a, &away)), "{square}");

            // The order of the axes, and that of the vectors, says nothing.
            let turned = |set: &[Vec<f32>]| -> Vec<Vec<f32>> {
                set.iter().rev().map(|v| v.iter().rev().copied().collect()).collect()
            };
            prop_assert!(near(ab, distance(&turned(&a), &turned(&b))));

            // Three times as large, nine times as far.
            let larger = |set: &[Vec<f32>]| -> Vec<Vec<f32>> {
                set.iter().map(|v| v.iter().map(|x| x * 3.0).collect()).collect()
            };
            prop_assert!(near(9.0 * ab, distance(&larger(&a), &larger(&b))));
        }
    }
}
