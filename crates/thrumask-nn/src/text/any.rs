//! Any text encoder with its tokens, where a stage does not care which.

use burn::module::Module;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::Value;

use super::{
    TextEncoder, TextEncoderConfig, Vocabulary,
    clip::{ClipText, ClipTextConfig, ClipTokenizer},
};
use crate::{
    Cost, Error, Result,
    layers::{Context, Init, KeyMask},
};

/// Sizes of any text encoder.
///
/// In files that of CLIP is marked by `encoder = "clip"`; without a mark it is ours.
#[derive(Debug, Clone, PartialEq)]
pub enum PromptEncoderConfig {
    /// Of ours, which reads words.
    Words(TextEncoderConfig),
    /// Of CLIP's text tower.
    Clip(ClipTextConfig),
}

/// The key that tells which encoder a configuration is of.
const MARK: &str = "encoder";
/// What it says of CLIP's.
const CLIP: &str = "clip";

impl Serialize for PromptEncoderConfig {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Marked<'a> {
            encoder: &'static str,
            #[serde(flatten)]
            config: &'a ClipTextConfig,
        }
        match self {
            Self::Words(config) => config.serialize(serializer),
            Self::Clip(config) => Marked { encoder: CLIP, config }.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for PromptEncoderConfig {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let mut value = Value::deserialize(deserializer)?;
        let mark = value.as_object_mut().and_then(|fields| fields.remove(MARK));
        match mark.as_ref().map(|mark| mark.as_str()) {
            None => serde_json::from_value(value).map(Self::Words),
            Some(Some(CLIP)) => serde_json::from_value(value).map(Self::Clip),
            Some(_) => {
                let got = mark.unwrap_or_default();
                return Err(D::Error::custom(format_args!("{MARK}: expected {CLIP:?}, got {got}")));
            }
        }
        .map_err(D::Error::custom)
    }
}

impl PromptEncoderConfig {
    /// D: channels of the embeddings.
    pub fn width(&self) -> usize {
        match self {
            Self::Words(config) => config.width,
            Self::Clip(config) => config.width,
        }
    }

    /// The most tokens of one text.
    pub fn max_tokens(&self) -> usize {
        match self {
            Self::Words(config) => config.max_tokens,
            Self::Clip(config) => config.positions,
        }
    }

    /// What embedding one text of the most tokens takes.
    pub fn cost(&self) -> Cost {
        let (width, depth, hidden) = match self {
            Self::Words(config) => (config.width, config.depth, 3 * config.width),
            Self::Clip(config) => (config.width, config.depth, config.hidden),
        };
        let [tokens, width, depth, hidden] =
            [self.max_tokens(), width, depth, hidden].map(|n| n as f64);
        let attention = 8.0 * tokens * width * width + 4.0 * tokens * tokens * width;
        Cost {
            operations: depth * (attention + 4.0 * tokens * width * hidden),
            convolved: 0.0,
            floats: tokens * (5.0 * width + 2.0 * hidden),
        }
    }
}

/// Texts to what an encoder reads.
#[derive(Debug, Clone)]
pub enum Tokenizer {
    /// Words, each with an id.
    Words(Vocabulary),
    /// CLIP's byte pairs.
    Clip(ClipTokenizer),
}

impl Tokenizer {
    /// The words it knows, when it knows no others.
    pub fn vocabulary(&self) -> Option<&Vocabulary> {
        match self {
            Self::Words(vocabulary) => Some(vocabulary),
            Self::Clip(_) => None,
        }
    }
}

impl From<Vocabulary> for Tokenizer {
    fn from(vocabulary: Vocabulary) -> Self {
        Self::Words(vocabulary)
    }
}

impl From<ClipTokenizer> for Tokenizer {
    fn from(tokenizer: ClipTokenizer) -> Self {
        Self::Clip(tokenizer)
    }
}

/// Any text encoder.
#[derive(Module, Debug)]
pub enum PromptEncoder {
    /// Ours, which reads words.
    Words(TextEncoder),
    /// CLIP's text tower.
    Clip(ClipText),
}

fn foreign(expected: &str) -> Error {
    Error::config("tokens", format!("expected those of {expected}, got those of another encoder"))
}

impl PromptEncoder {
    /// An encoder with fresh parameters for what `tokenizer` gives.
    ///
    /// # Errors
    /// [`Error::Config`] when the sizes do not fit each other, or the tokens are not those of the encoder.
    pub fn new(
        init: &mut Init,
        config: &PromptEncoderConfig,
        tokenizer: &Tokenizer,
    ) -> Result<Self> {
        match (config, tokenizer) {
            (PromptEncoderConfig::Words(config), Tokenizer::Words(vocabulary)) => {
                Ok(Self::Words(TextEncoder::new(init, config, vocabulary.len())))
            }
            (PromptEncoderConfig::Clip(config), Tokenizer::Clip(_)) => {
                Ok(Self::Clip(ClipText::new(init, config)?))
            }
            (PromptEncoderConfig::Words(_), _) => Err(foreign("ours")),
            (PromptEncoderConfig::Clip(_), _) => Err(foreign("CLIP")),
        }
    }

    /// Embeds texts. Ours pads them to the longest and hides the padding. CLIP pads them to all of its
    /// positions, and the padding is seen too: so Stable Diffusion was trained.
    ///
    /// # Shapes
    /// - `texts`: `B` texts of up to `L` tokens
    /// - returns `[B, L, D]` with the number of tokens of each row that are to be seen
    ///
    /// # Errors
    /// [`Error::Config`] when the tokens are not those of the encoder, [`Error::Shape`] when there is no
    /// text or CLIP has no such token.
    pub fn encode(&self, tokenizer: &Tokenizer, texts: &[&str]) -> Result<Context> {
        match (self, tokenizer) {
            (Self::Words(encoder), Tokenizer::Words(vocabulary)) => {
                Ok(encoder.encode(vocabulary, texts))
            }
            (Self::Clip(encoder), Tokenizer::Clip(tokenizer)) => {
                let length = encoder.config().positions;
                let ids: Vec<Vec<u32>> =
                    texts.iter().map(|text| tokenizer.encode_padded(text, length)).collect();
                let tokens = encoder.forward(&ids, 0)?; // [B, L, D]
                Ok(Context::new(tokens, KeyMask::Lengths(vec![length; texts.len()])))
            }
            (Self::Words(_), _) => Err(foreign("ours")),
            (Self::Clip(_), _) => Err(foreign("CLIP")),
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::{pixels::host_values, weights::parameters};

    fn init() -> Init {
        Init::new(1, &Device::flex())
    }

    fn clip() -> (PromptEncoderConfig, Tokenizer) {
        let tokenizer = ClipTokenizer::of_bytes(600, 601).unwrap();
        let config = ClipTextConfig { vocabulary: 602, ..ClipTextConfig::tiny() };
        (PromptEncoderConfig::Clip(config), tokenizer.into())
    }

    fn words() -> (PromptEncoderConfig, Tokenizer) {
        let vocabulary = Vocabulary::new(vec!["red".into(), "car".into()]).unwrap();
        let config = TextEncoderConfig { width: 8, depth: 1, heads: 2, max_tokens: 6 };
        (PromptEncoderConfig::Words(config), vocabulary.into())
    }

    #[test]
    fn a_configuration_says_which_encoder_it_is_of() {
        for (config, start) in [(clip().0, "{\"encoder\":\"clip\","), (words().0, "{\"width\":8,")]
        {
            let text = serde_json::to_string(&config).unwrap();
            assert!(text.starts_with(start), "{text}");
            assert_eq!(serde_json::from_str::<PromptEncoderConfig>(&text).unwrap(), config);
        }
        let read =
            |text: &str| serde_json::from_str::<PromptEncoderConfig>(text).unwrap_err().to_string();
        assert!(read(r#"{"encoder": "t5"}"#).contains("t5"));
        assert!(read(r#"{"encoder": "clip", "widths": 3}"#).contains("widths"));
    }

    #[test]
    fn padding_is_seen_by_clip_and_hidden_by_ours() {
        let texts = ["red car", "car"];
        for ((config, tokenizer), expected) in [(words(), [3, 2]), (clip(), [12, 12])] {
            let encoder = PromptEncoder::new(&mut init(), &config, &tokenizer).unwrap();
            let context = encoder.encode(&tokenizer, &texts).unwrap();
            let longest = expected.into_iter().max().unwrap();
            assert_eq!(context.tokens.dims(), [2, longest, config.width()]);
            assert!(matches!(context.mask, KeyMask::Lengths(seen) if seen == expected));
            // A text does not depend on its neighbours.
            let alone = host_values(encoder.encode(&tokenizer, &texts[..1]).unwrap().tokens);
            let among = host_values(context.tokens);
            assert!(alone.iter().zip(among).all(|(a, b)| (a - b).abs() < 1e-5));
        }
    }

    #[test]
    fn tokens_of_another_encoder_are_refused() {
        let ((ours, words), (theirs, pairs)) = (words(), clip());
        let refused = |config: &PromptEncoderConfig, tokens: &Tokenizer| {
            PromptEncoder::new(&mut init(), config, tokens).unwrap_err().to_string()
        };
        assert!(refused(&ours, &pairs).contains("ours"));
        assert!(refused(&theirs, &words).contains("CLIP"));
        let encoder = PromptEncoder::new(&mut init(), &theirs, &pairs).unwrap();
        assert!(encoder.encode(&words, &["a"]).is_err());
    }

    #[test]
    fn the_choice_is_no_part_of_names() {
        let (config, tokenizer) = words();
        let encoder = PromptEncoder::new(&mut init(), &config, &tokenizer).unwrap();
        let names: Vec<_> = parameters(&encoder).into_iter().map(|p| p.name).collect();
        assert_eq!(names[..2], ["words", "positions"]);
    }

    /// `torch.utils.flop_counter` (PyTorch 2.15) over transformers' `CLIPTextModel`: 13.2985 GFLOP.
    #[test]
    fn operations_are_counted_as_pytorch_counts_them() {
        let found = PromptEncoderConfig::Clip(ClipTextConfig::vit_l_14()).cost().operations;
        assert!((0.99..1.01).contains(&(found / 13.2985e9)), "{found}");
    }
}
