//! The network with its tokens and pictures.

use std::path::Path;

use burn::tensor::Device;
use thrumask_core::{Picture, fsio};

use super::{
    Fit, Found, GroundingDino, GroundingDinoConfig, PictureSettings, Texts, Thresholds, suppressed,
};
use crate::{
    Error, Result,
    layers::Init,
    text::bert::WordPieces,
    weights::{Checkpoint, Keeping},
};

/// The longest file beside the weights, in bytes.
const MAX_TEXT: u64 = 64 << 20;

/// Finds what texts name in pictures.
#[derive(Debug)]
pub struct GroundedDetector {
    network: GroundingDino,
    pieces: WordPieces,
    settings: PictureSettings,
    device: Device,
}

/// What lies in a folder.
struct Parts {
    what: String,
    weights: Checkpoint,
    config: GroundingDinoConfig,
    pieces: WordPieces,
    settings: PictureSettings,
}

impl Parts {
    fn open(folder: &Path, kept: Keeping) -> Result<Self> {
        let beside = |name: &str| -> Result<Option<String>> {
            let file = folder.join(name);
            match file.is_file() {
                true => Ok(Some(fsio::read_text_limited(file, MAX_TEXT)?)),
                false => Ok(None),
            }
        };
        let weights = kept.open(folder)?;
        let what = folder.display().to_string();
        let config = match beside("config.json")? {
            Some(text) => GroundingDinoConfig::from_transformers(&text)?,
            None => GroundingDinoConfig::recognise(&what, &weights)?,
        };
        let [vocabulary, tokenizer, settings] = GroundedDetector::BESIDE;
        let pieces = match (beside(vocabulary)?, beside(tokenizer)?) {
            (Some(vocabulary), _) => WordPieces::from_vocabulary(&vocabulary, true)?,
            (None, Some(json)) => WordPieces::from_tokenizer_json(&json)?,
            (None, None) => {
                let reason = "expected a vocab.txt or tokenizer.json, got neither";
                return Err(Error::config(what, reason));
            }
        };
        let settings = match beside(settings)? {
            Some(text) => PictureSettings::from_transformers(&text)?,
            None => PictureSettings::default(),
        };
        Ok(Self { what, weights, config, pieces, settings })
    }
}

/// Refuses pieces whose ids the network does not have.
fn check_pieces(pieces: &WordPieces, config: &GroundingDinoConfig) -> Result<()> {
    let (size, known) = (pieces.size(), config.text.vocabulary);
    if size > known {
        let reason = format!("expected at most {known} ids, as the network has, got {size}");
        return Err(Error::config("BERT vocabulary", reason));
    }
    Ok(())
}

impl GroundedDetector {
    /// What may lie beside a `config.json` and weights.
    pub const BESIDE: [&str; 3] = ["vocab.txt", "tokenizer.json", "preprocessor_config.json"];

    /// A detector of its parts.
    ///
    /// # Errors
    /// [`Error::Config`] when a piece has an id that the network does not have.
    pub fn new(
        network: GroundingDino,
        pieces: WordPieces,
        settings: PictureSettings,
        device: &Device,
    ) -> Result<Self> {
        check_pieces(&pieces, network.config())?;
        Ok(Self { network, pieces, settings, device: device.clone() })
    }

    /// The detector in a folder: `config.json`, weights, `vocab.txt` or `tokenizer.json`, and
    /// `preprocessor_config.json` if there is one. Without a `config.json`, as beside files of the original
    /// implementation, the public size that the weights have. Weights are kept as `kept`
    /// says.
    ///
    /// # Errors
    /// [`thrumask_core::Error`] when a file cannot be read; as [`GroundingDino::load`], [`WordPieces`] and
    /// [`PictureSettings::from_transformers`] otherwise.
    pub fn open(folder: &Path, kept: Keeping, device: &Device) -> Result<Self> {
        let Parts { what, weights, config, pieces, settings } = Parts::open(folder, kept)?;
        let init = Init::from(device).keeping(kept.float);
        let network = GroundingDino::load(&what, &weights, &config, init)?;
        Self::new(network, pieces, settings, device)
    }

    /// Looks whether a detector is in a folder and its parts fit each other, without reading values.
    ///
    /// # Errors
    /// As [`GroundedDetector::open`].
    pub fn check(folder: &Path) -> Result<()> {
        let Parts { what, weights, config, pieces, .. } = Parts::open(folder, Keeping::default())?;
        check_pieces(&pieces, &config)?;
        let report = GroundingDino::check(&weights, &config, &Device::flex())?;
        match report.is_complete() {
            true => Ok(()),
            false => Err(Error::weights(what, report.to_string())),
        }
    }

    /// The network.
    pub fn network(&self) -> &GroundingDino {
        &self.network
    }

    /// One text of phrases: lower-case, each with a full stop behind it. Full stops and question marks within a
    /// phrase become spaces, as they would end it.
    fn caption(phrases: &[&str]) -> String {
        let phrase = |phrase: &&str| {
            let words = phrase.to_lowercase().replace(['.', '?'], " ");
            words.split_whitespace().collect::<Vec<_>>().join(" ") + ". "
        };
        phrases.iter().map(phrase).collect::<String>().trim_end().to_owned()
    }

    /// The phrases as texts that the network can read: all in one, or in several where they are too long. Gives
    /// each text with the place of its first phrase.
    fn texts(&self, phrases: &[&str]) -> Result<Vec<(usize, Texts)>> {
        let limit = self.network.config().max_tokens.min(self.network.config().text.positions);
        let (mut found, mut first) = (Vec::new(), 0);
        while first < phrases.len() {
            let fits = |&end: &usize| {
                self.pieces.encode(&Self::caption(&phrases[first..end])).len() <= limit
            };
            let end = (first + 1..=phrases.len()).take_while(fits).last();
            let end = end.ok_or_else(|| {
                let reason = format!("expected at most {limit} tokens, got more");
                Error::config(format!("phrase {:?}", phrases[first]), reason)
            })?;
            let ids = self.pieces.encode(&Self::caption(&phrases[first..end]));
            let texts =
                Texts::new(&[ids], &self.pieces.delimiters(), self.pieces.padding(), limit)?;
            if texts.phrases[0].len() != end - first {
                let got = texts.phrases[0].len();
                return Err(Error::shape("phrases with words", end - first, got));
            }
            found.push((first, texts));
            first = end;
        }
        Ok(found)
    }

    /// The boxes around what phrases name, in pixels of the picture, the best first, none of which covers
    /// another of the same phrase.
    ///
    /// [`Found::phrases`] has a fit for each phrase; of those that were asked for apart, zeros.
    ///
    /// # Errors
    /// When a phrase has no words or is too long, or the picture cannot be worked on.
    pub fn detect(
        &self,
        picture: &Picture,
        phrases: &[&str],
        thresholds: Thresholds,
    ) -> Result<Vec<Found>> {
        let limit = self.network.config().max_tokens;
        let pictures = self.settings.prepare(std::slice::from_ref(picture), &self.device)?;
        let (width, height) = (picture.size().width as f32, picture.size().height as f32);
        let mut all = Vec::new();
        for (first, texts) in self.texts(phrases)? {
            let scored = self.network.forward(&pictures, &texts)?;
            for mut found in scored.found(&texts, thresholds, limit).into_iter().flatten() {
                let [x0, y0, x1, y1] = found.bounds;
                let side = |v: f32, most: f32| (v * most).clamp(0.0, most);
                found.bounds =
                    [side(x0, width), side(y0, height), side(x1, width), side(y1, height)];
                let own = std::mem::take(&mut found.phrases);
                found.phrases = vec![Fit::default(); phrases.len()];
                found.phrases[first..first + own.len()].copy_from_slice(&own);
                if found.bounds[0] < found.bounds[2] && found.bounds[1] < found.bounds[3] {
                    all.push(found);
                }
            }
        }
        // A box that is two things, say "person" and "rider", stays for both.
        let best = |f: &Found| {
            let scores = f.phrases.iter().enumerate();
            scores.max_by(|a, b| a.1.mean.total_cmp(&b.1.mean)).map_or(0, |(i, _)| i)
        };
        let mut kept = Vec::new();
        for phrase in 0..phrases.len() {
            let own = all.iter().filter(|f| best(f) == phrase).cloned().collect();
            kept.extend(suppressed(own, |f: &Found| f.score, |f| f.bounds, thresholds.overlap));
        }
        kept.sort_by(|a, b| b.score.total_cmp(&a.score));
        Ok(kept)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use thrumask_core::Size;

    fn detector(queries: usize) -> GroundedDetector {
        let device = Device::flex();
        let config = GroundingDinoConfig { queries, max_tokens: 14, ..GroundingDinoConfig::test() };
        let network = GroundingDino::new(&mut Init::new(4, &device), &config).unwrap();
        let settings = PictureSettings { shortest: 64, longest: 96, ..Default::default() };
        GroundedDetector::new(network, WordPieces::of_letters().unwrap(), settings, &device)
            .unwrap()
    }

    #[test]
    fn captions() {
        let caption = GroundedDetector::caption;
        assert_eq!(caption(&["Red  car", "A No. 5 bus."]), "red car. a no 5 bus.");
        assert_eq!(caption(&[]), "");
    }

    #[test]
    fn phrases_that_are_too_many_are_asked_for_apart() {
        let detector = detector(6);
        let texts = detector.texts(&["red", "car", "dog", "owl", "ox"]).unwrap();
        let firsts: Vec<usize> = texts.iter().map(|(first, _)| *first).collect();
        assert_eq!(firsts, [0, 3]);
        assert!(texts.iter().all(|(_, texts)| texts.tokens() <= 14));
        assert!(detector.texts(&["a very long name"]).is_err());
        assert!(detector.texts(&["red", "?"]).is_err(), "no words");
    }

    #[test]
    fn boxes_lie_on_the_picture_and_the_best_comes_first() {
        let detector = detector(9);
        let thresholds = Thresholds { box_score: 0.0, text: 0.0, overlap: 0.9 };
        for (width, height) in [(40, 30), (7, 90)] {
            let level = |i: usize| ((i * 7919) % 251) as u8;
            let size = Size::new(width, height);
            let picture = Picture::new(size, (0..size.area() * 3).map(level).collect()).unwrap();
            let found =
                detector.detect(&picture, &["car", "owl", "dog", "ox"], thresholds).unwrap();
            assert!(!found.is_empty());
            for f in &found {
                let [x0, y0, x1, y1] = f.bounds;
                assert!(0.0 <= x0 && x0 < x1 && x1 <= width as f32, "{:?}", f.bounds);
                assert!(0.0 <= y0 && y0 < y1 && y1 <= height as f32, "{:?}", f.bounds);
                assert_eq!(f.phrases.len(), 4);
            }
            assert!(found.windows(2).all(|pair| pair[0].score >= pair[1].score));
            assert!(detector.detect(&picture, &[], thresholds).unwrap().is_empty());
        }
    }
}
