//! 95 % intervals by the bootstrap over scenes (Efron, 1979): objects of one scene share their
//! fate, so whole scenes are drawn again, with replacement.

use serde::{Deserialize, Serialize};
use thrumask_nn::diffusion::noise::Noise;

/// One scene's share of a figure: the figure is the sum of `sum` over that of `count`.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// Sum of the values.
    pub sum: f64,
    /// How many values there were (objects, frames or scenes).
    pub count: f64,
}

impl Tally {
    /// Adds one value.
    pub fn add(&mut self, value: f32) {
        self.sum += f64::from(value);
        self.count += 1.0;
    }
}

/// A figure with its interval.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Estimate {
    /// The mean over all values.
    pub mean: f64,
    /// Lower end of the 95 % interval.
    pub low: f64,
    /// Upper end of the 95 % interval.
    pub high: f64,
    /// How many values it is the mean of.
    pub count: usize,
}

/// The draws of scenes, the same for every figure of a table, so that figures can be compared.
#[derive(Debug, Clone)]
pub struct Resamples {
    scenes: usize,
    /// For each resample the index of each scene drawn.
    draws: Vec<u32>,
}

impl Resamples {
    /// `count` resamples of `scenes` scenes.
    pub fn new(scenes: usize, count: usize, seed: u64) -> Self {
        Self::named(scenes, count, seed, "bootstrap")
    }

    /// The same from the random stream of a name, for draws that do not depend on each other.
    pub fn named(scenes: usize, count: usize, seed: u64, name: &str) -> Self {
        let noise = Noise::new(seed, name);
        let draw = |i: u64| ((noise.uniform(i) * scenes as f32) as u32).min(scenes as u32 - 1);
        let total = if scenes == 0 { 0 } else { scenes * count };
        Self { scenes, draws: (0..total as u64).map(draw).collect() }
    }

    /// The scenes of each resample.
    pub fn draws(&self) -> impl Iterator<Item = &[u32]> {
        self.draws.chunks_exact(self.scenes.max(1))
    }

    /// The figure of one tally per scene, or `None` when nothing was counted.
    ///
    /// A resample in which nothing is counted says nothing and is left out.
    pub fn estimate(&self, tallies: &[Tally]) -> Option<Estimate> {
        let ratio = |t: Tally| (t.count > 0.0).then(|| t.sum / t.count);
        let total = |of: &mut dyn Iterator<Item = &Tally>| {
            of.fold(Tally::default(), |a, t| Tally { sum: a.sum + t.sum, count: a.count + t.count })
        };
        let all = total(&mut tallies.iter());
        let whole = ratio(all)?;
        let drawn =
            |draw: &[u32]| ratio(total(&mut draw.iter().filter_map(|&i| tallies.get(i as usize))));
        let means = self.draws().filter_map(drawn).collect();
        Some(interval(whole, means, all.count as usize))
    }
}

/// A figure that is `whole` over everything and `means` over each resample.
pub fn interval(whole: f64, mut means: Vec<f64>, count: usize) -> Estimate {
    means.sort_by(f64::total_cmp);
    // Between the two nearest ranks.
    let quantile = |q: f64| {
        let at = q * means.len().saturating_sub(1) as f64;
        let (low, part) = (at.floor() as usize, at.fract());
        let a = means.get(low).copied().unwrap_or(whole);
        let b = means.get(low + 1).copied().unwrap_or(a);
        a + (b - a) * part
    };
    let (low, high) = (quantile(0.025), quantile(0.975));
    // No figure is known to more digits than these, and so short numbers survive JSON exactly.
    let rounded = |v: f64| (v * 1e6).round() / 1e6;
    let [mean, low, high] = [whole, low, high].map(rounded);
    Estimate { mean, low, high, count }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tallies(values: &[f32]) -> Vec<Tally> {
        values.iter().map(|&v| Tally { sum: f64::from(v), count: 1.0 }).collect()
    }

    #[test]
    fn equal_scenes_leave_no_doubt_and_no_scene_no_figure() {
        let e = Resamples::new(9, 500, 0).estimate(&tallies(&[0.5; 9])).unwrap();
        assert_eq!((e.mean, e.low, e.high, e.count), (0.5, 0.5, 0.5, 9));
        assert!(Resamples::new(3, 10, 0).estimate(&[Tally::default(); 3]).is_none());
        assert!(Resamples::new(0, 10, 0).estimate(&[]).is_none());
    }

    #[test]
    fn figures_are_weighted_by_how_much_a_scene_holds() {
        let uneven = [Tally { sum: 4.0, count: 4.0 }, Tally { sum: 0.0, count: 1.0 }];
        let e = Resamples::new(2, 200, 0).estimate(&uneven).unwrap();
        assert_eq!((e.mean, e.low, e.high, e.count), (0.8, 0.0, 1.0, 5));
    }

    /// Samples of 60 from a known distribution: the interval holds its mean about 95 times in 100.
    #[test]
    fn intervals_cover_the_truth_about_as_often_as_they_say() {
        let noise = Noise::new(3, "coverage");
        let rounds = 300u64;
        let covered = (0..rounds).filter(|&round| {
            let sample: Vec<f32> = (0..60).map(|i| noise.uniform(round * 60 + i)).collect();
            let e = Resamples::new(60, 400, round).estimate(&tallies(&sample)).unwrap();
            e.low <= 0.5 && 0.5 <= e.high
        });
        let share = covered.count() as f64 / rounds as f64;
        assert!((0.90..=0.985).contains(&share), "{share}");
    }

    #[test]
    fn the_same_seed_gives_the_same_interval() {
        let values: Vec<f32> = (0..20).map(|i| (i * 7 % 11) as f32).collect();
        let of = |seed| Resamples::new(20, 300, seed).estimate(&tallies(&values)).unwrap();
        assert_eq!(of(1), of(1));
        assert_ne!(of(1), of(2));
    }
}
