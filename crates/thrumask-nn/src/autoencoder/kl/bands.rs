//! Pictures in bands of rows, so that what is made on the way fits into little memory.
//!
//! A convolution needs some rows around a band, and a group norm two numbers of the whole picture. Both
//! are given here, so a picture in bands becomes what it becomes as a whole, up to rounding: there are no
//! seams to blend.

use burn::tensor::{Tensor, TensorData};

use crate::{layers::GroupNorm, pixels::host_values};

/// Rows around a band that [`Bands::map`] shows: as two 3×3 convolutions need, and even, so that what
/// halves the size sees pairs of rows as in the whole picture.
pub(super) const MARGIN: usize = 2;

/// A batch of pictures, cut into bands of rows from top to bottom; each `[B, C, rows, W]`.
#[derive(Debug)]
pub(super) struct Bands(Vec<Tensor<4>>);

impl Bands {
    /// The whole picture as one band.
    ///
    /// # Shapes
    /// - `x`: `[B, C, H, W]`
    pub fn whole(x: Tensor<4>) -> Self {
        Self(vec![x])
    }

    /// The picture in bands of `rows` rows, the last of them perhaps shorter; as it is when `None`. Each
    /// resolution has bands of as many rows of its own: shorter ones would save little memory, and cost
    /// what convolutions do once for each band.
    ///
    /// `rows` is at least [`MARGIN`], which a band shows to the next, and even.
    pub fn regroup(self, rows: Option<usize>) -> Self {
        let Some(rows) = rows else { return self };
        let mut out = Vec::new();
        let (mut open, mut height) = (Vec::new(), 0);
        for band in self.0 {
            let (mut start, end) = (0, band.dims()[2]);
            while start < end {
                let count = (rows - height).min(end - start);
                open.push(band.clone().narrow(2, start, count));
                (start, height) = (start + count, height + count);
                if height == rows {
                    out.push(joined(std::mem::take(&mut open)));
                    height = 0;
                }
            }
        }
        if !open.is_empty() {
            out.push(joined(open));
        }
        Self(out)
    }

    /// # Shapes
    /// - returns `[B, C, H, W]`
    pub fn join(self) -> Tensor<4> {
        joined(self.0)
    }

    /// Applies what keeps, halves or doubles the rows, looks at no more than [`MARGIN`] rows around, and
    /// takes everything outside of what it is shown as zero. A band is let go as soon as the next one is
    /// made.
    ///
    /// # Shapes
    /// - `f`: `[B, C, rows, W]` to `[B, C', rows', W']`
    pub fn map(self, f: impl Fn(Tensor<4>) -> Tensor<4>) -> Self {
        let mut out = Vec::with_capacity(self.0.len());
        let mut above: Option<Tensor<4>> = None;
        let mut bands = self.0.into_iter().peekable();
        while let Some(band) = bands.next() {
            let below = bands.peek().map(|next| head(next.clone()));
            let kept = bands.peek().map(|_| tail(band.clone()));
            out.push(cored(&f, above.take(), band, below));
            above = kept;
        }
        Self(out)
    }

    /// How `norm` treats each band of `f` of the picture: by the moments of all of it. A whole picture is
    /// left to the norm itself.
    ///
    /// # Shapes
    /// - `f`: `[B, C, rows, W]` to `[B, C', rows, W']`, as in [`Self::map`]
    pub fn norm<'a>(
        &self,
        norm: &'a GroupNorm,
        f: impl Fn(Tensor<4>) -> Tensor<4>,
    ) -> BandNorm<'a> {
        if self.0.len() == 1 {
            return BandNorm::Own(norm);
        }
        let mut total: Vec<Moments> = Vec::new();
        for (i, band) in self.0.iter().enumerate() {
            let above = i.checked_sub(1).map(|i| tail(self.0[i].clone()));
            let below = self.0.get(i + 1).map(|next| head(next.clone()));
            let found = moments(cored(&f, above, band.clone(), below), norm.groups);
            total.resize(found.len(), Moments::default());
            total.iter_mut().zip(found).for_each(|(total, found)| total.add(found));
        }
        let device = norm.gamma.val().device();
        let [gamma, beta] = [&norm.gamma, &norm.beta].map(|p| host_values(p.val()));
        let (channels, groups) = (gamma.len(), norm.groups);
        let (mut gain, mut shift) = (Vec::new(), Vec::new());
        for (i, group) in total.iter().enumerate() {
            let inverse = 1.0 / (group.variance() + f64::from(norm.epsilon)).sqrt();
            for c in 0..channels / groups {
                let c = i % groups * (channels / groups) + c;
                let a = f64::from(gamma[c]) * inverse;
                gain.push(a as f32);
                shift.push((f64::from(beta[c]) - group.mean * a) as f32);
            }
        }
        let shape = [total.len() / groups, channels, 1, 1];
        let tensor = |v: Vec<f32>| Tensor::from_data(TensorData::new(v, shape), &device);
        BandNorm::Shared(Box::new([gain, shift].map(tensor)))
    }
}

fn joined(mut bands: Vec<Tensor<4>>) -> Tensor<4> {
    if bands.len() == 1 { bands.remove(0) } else { Tensor::cat(bands, 2) }
}

fn head(x: Tensor<4>) -> Tensor<4> {
    let rows = x.dims()[2];
    x.narrow(2, 0, MARGIN.min(rows))
}

fn tail(x: Tensor<4>) -> Tensor<4> {
    let rows = x.dims()[2];
    x.narrow(2, rows - MARGIN.min(rows), MARGIN.min(rows))
}

/// `f` of a band between the rows above and below it, without what it makes of those.
fn cored(
    f: &impl Fn(Tensor<4>) -> Tensor<4>,
    above: Option<Tensor<4>>,
    band: Tensor<4>,
    below: Option<Tensor<4>>,
) -> Tensor<4> {
    let rows_of = |x: &Option<Tensor<4>>| x.as_ref().map_or(0, |x| x.dims()[2]);
    let (before, rows, after) = (rows_of(&above), band.dims()[2], rows_of(&below));
    if before + after == 0 {
        return f(band);
    }
    let shown: Vec<_> = above.into_iter().chain([band]).chain(below).collect();
    let out = f(Tensor::cat(shown, 2));
    let scaled = |n: usize| n * out.dims()[2] / (before + rows + after);
    let (before, rows) = (scaled(before), scaled(rows));
    out.narrow(2, before, rows)
}

/// What a group norm does to a band.
#[derive(Debug)]
pub(super) enum BandNorm<'a> {
    /// The norm of what it is given.
    Own(&'a GroupNorm),
    /// `gain · x + shift`, both `[B, C, 1, 1]`.
    Shared(Box<[Tensor<4>; 2]>),
}

impl BandNorm<'_> {
    /// # Shapes
    /// - `x`: `[B, C, rows, W]`
    /// - returns the same shape, after a SiLU
    pub fn silu(&self, x: Tensor<4>) -> Tensor<4> {
        match self {
            Self::Own(norm) => norm.forward_silu(x),
            Self::Shared(affine) => {
                let [gain, shift] = affine.as_ref().clone();
                thrumask_kernels::silu(x * gain + shift)
            }
        }
    }
}

/// Count, mean and sum of squared deviations of numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
struct Moments {
    count: f64,
    mean: f64,
    squares: f64,
}

impl Moments {
    /// Joins two sets of numbers (Chan, Golub and LeVeque, 1983, eq. 2.1).
    fn add(&mut self, other: Self) {
        let count = self.count + other.count;
        let apart = other.mean - self.mean;
        self.mean += apart * other.count / count;
        self.squares += other.squares + apart * apart * self.count * other.count / count;
        self.count = count;
    }

    fn variance(&self) -> f64 {
        self.squares / self.count
    }
}

/// The moments of each group of each picture of a band, picture by picture.
fn moments(x: Tensor<4>, groups: usize) -> Vec<Moments> {
    let [batch, channels, rows, width] = x.dims();
    let count = channels / groups * rows * width;
    let x = x.reshape([batch * groups, count]); // [B·G, C/G·rows·W]
    let mean = x.clone().mean_dim(1); // [B·G, 1]
    let apart = x - mean.clone();
    let variance = (apart.clone() * apart).mean_dim(1); // [B·G, 1]
    let moments = host_values(mean).into_iter().zip(host_values(variance));
    let of = |(mean, variance): (f32, f32)| Moments {
        count: count as f64,
        mean: f64::from(mean),
        squares: f64::from(variance) * count as f64,
    };
    moments.map(of).collect()
}
