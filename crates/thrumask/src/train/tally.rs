//! How good what a stage makes in validation is.

use std::collections::BTreeMap;

use crate::world::{Sample, judge};

/// Running sums of validation scores.
#[derive(Default)]
pub(super) struct Tally {
    objects: usize,
    judged: usize,
    right: usize,
    iou: f64,
    whole: usize,
    pieces: usize,
    clips: usize,
    squared_error: f64,
}

impl Tally {
    /// Judges a generated trajectory.
    pub(super) fn motion(&mut self, made: &Sample, truth: &Sample) {
        let judged = judge::judge_all(&made.masks);
        let frames = made.masks.frames().iter().zip(truth.masks.frames()).skip(1);
        let frames: Vec<_> = frames.collect();
        for i in 0..truth.masks.objects() {
            let id = i as u8 + 1;
            self.objects += 1;
            // What objects of real videos do is not known.
            if let Some(object) = truth.objects.get(i) {
                let judged = judged.get(i).and_then(Option::as_ref);
                self.judged += 1;
                self.right += usize::from(judge::is_right(judged, object));
            }
            let per_frame =
                frames.iter().map(|(m, t)| f64::from(judge::iou(&m.mask_of(id), &t.mask_of(id))));
            let iou = per_frame.sum::<f64>() / frames.len().max(1) as f64;
            self.iou += iou;
            self.whole += usize::from(iou >= 0.5);
            if let Some((last, _)) = frames.last() {
                self.pieces += judge::pieces(&last.mask_of(id), last.size(), 4);
            }
        }
    }

    /// Compares a generated clip with the true one.
    pub(super) fn video(&mut self, made: &Sample, truth: &Sample) {
        self.clips += 1;
        let pairs = made.clip.frames().iter().zip(truth.clip.frames()).skip(1);
        let mut sum = (0.0, 0usize);
        for (a, b) in pairs {
            for (&x, &y) in a.rgb().iter().zip(b.rgb()) {
                sum.0 += (f64::from(x) - f64::from(y)).powi(2);
            }
            sum.1 += a.rgb().len();
        }
        self.squared_error += sum.0 / sum.1.max(1) as f64;
    }

    /// Adds the means.
    pub(super) fn finish(self, scores: &mut BTreeMap<String, f64>) {
        if self.objects > 0 {
            let n = self.objects as f64;
            if self.judged > 0 {
                scores.insert("action_accuracy".into(), self.right as f64 / self.judged as f64);
            }
            scores.insert("mean_iou".into(), self.iou / n);
            scores.insert("iou_at_least_half".into(), self.whole as f64 / n);
            scores.insert("pieces_per_object".into(), self.pieces as f64 / n);
        }
        if self.clips > 0 {
            let mean = self.squared_error / self.clips as f64;
            scores.insert("psnr".into(), 10.0 * (255.0f64.powi(2) / mean.max(1e-9)).log10());
        }
    }
}
