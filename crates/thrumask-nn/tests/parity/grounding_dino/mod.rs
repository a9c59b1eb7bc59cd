//! Grounding DINO against transformers' `GroundingDinoForObjectDetection`, its parts and its processor.

use burn::tensor::Device;
use thrumask_core::{Picture, Size};
use thrumask_nn::{
    layers::Init,
    perception::{
        grounding_dino::{
            GroundingDino, GroundingDinoConfig, PictureSettings, Pictures, Texts, Thresholds,
        },
        swin::{Swin, SwinConfig},
    },
    text::bert::BertConfig,
    weights::{Checkpoint, TensorSource, load_public, only_prefix},
};

use crate::fixture::{BLOCK, Fixture, MODEL, values};

const DELIMITERS: [u32; 4] = [101, 102, 1012, 1029];

fn fixture() -> Fixture {
    Fixture::read(include_bytes!("fixture.safetensors"))
}

fn load(fixture: &Fixture) -> GroundingDino {
    let config = GroundingDinoConfig::from_transformers(&fixture.0.metadata["config"]).unwrap();
    assert_eq!(config, GroundingDinoConfig::test());
    let state = only_prefix(&fixture.0, "state.");
    GroundingDino::load("fixture", &state, &config, &Device::flex()).unwrap()
}

/// The pictures and texts of a case.
fn inputs(fixture: &Fixture, case: &str) -> (Pictures, Texts) {
    let lengths = fixture.numbers(&format!("{case}.lengths"));
    let ids = fixture.numbers(&format!("{case}.ids"));
    let rows = ids.chunks(ids.len() / lengths.len()).zip(lengths);
    let rows: Vec<Vec<u32>> =
        rows.map(|(row, length)| row[..length].iter().map(|&id| id as u32).collect()).collect();
    let sizes = fixture.numbers(&format!("{case}.sizes"));
    let pixels = fixture.tensor(&format!("{case}.pixels"), &Device::flex());
    let sizes = sizes.chunks(2).map(|size| [size[0], size[1]]).collect();
    (Pictures { pixels, sizes }, Texts::new(&rows, &DELIMITERS, 0, 32).unwrap())
}

#[test]
fn swin_and_bert() {
    let fixture = fixture();
    let network = load(&fixture);
    let config = network.config().backbone.clone();
    let state = only_prefix(&fixture.0, "state.model.backbone.conv_encoder.model.");
    let names: Vec<String> = state.shapes().keys().map(ToString::to_string).collect();
    assert!(
        names.iter().any(|name| name == "swin.layernorm.weight"),
        "files have more than is needed"
    );
    let state = state.without("swin.layernorm.weight").without("swin.layernorm.bias");
    let blank = Swin::new(&mut Init::new(0, &Device::flex()), &config).unwrap();
    let rename = |path: &str| {
        let parts: Vec<&str> = path.split('.').collect();
        thrumask_nn::perception::swin::names::rename(&parts, &config)
    };
    let swin = load_public("swin", &state, blank, rename).unwrap();
    for case in ["one", "two"] {
        let (pictures, texts) = inputs(&fixture, case);
        let features = swin.forward(pictures.pixels).unwrap();
        assert_eq!(features.len(), 2);
        for (i, features) in features.iter().enumerate() {
            let image = features.image();
            assert_eq!(image.dims().to_vec(), fixture.shape(&format!("{case}.features.{i}")));
            fixture.close(&format!("{case}.features.{i}"), &values(image), BLOCK);
        }
        fixture.close(&format!("{case}.read"), &values(network.read(&texts).unwrap()), BLOCK);
    }
}

#[test]
fn logits_and_boxes_of_pictures_alone_and_filled_up() {
    let fixture = fixture();
    let network = load(&fixture);
    for case in ["one", "two"] {
        let (pictures, texts) = inputs(&fixture, case);
        let scored = network.forward(&pictures, &texts).unwrap();
        fixture.close(&format!("{case}.boxes"), &values(scored.boxes), MODEL);
        let tokens = texts.tokens();
        let mut logits = values(scored.logits);
        let queries = network.config().queries;
        for (i, logit) in logits.iter_mut().enumerate() {
            if i % tokens >= texts.lengths[i / tokens / queries] {
                *logit = 0.0;
            }
        }
        fixture.close(&format!("{case}.logits"), &logits, MODEL);
    }
}

#[test]
fn boxes_above_the_threshold_and_their_tokens() {
    let fixture = fixture();
    let (pictures, texts) = inputs(&fixture, "two");
    let scored = load(&fixture).forward(&pictures, &texts).unwrap();
    let thresholds = Thresholds { box_score: 0.5, text: 0.4, overlap: 0.8 };
    let found = scored.found(&texts, thresholds, 256);
    let words: Vec<Vec<Vec<u32>>> = serde_json::from_str(&fixture.0.metadata["words"]).unwrap();
    for (i, ([width, height], found)) in
        [[200.0, 100.0], [50.0, 300.0]].into_iter().zip(&found).enumerate()
    {
        let bounds = |b: [f32; 4]| [b[0] * width, b[1] * height, b[2] * width, b[3] * height];
        let boxes: Vec<f32> = found.iter().flat_map(|f| bounds(f.bounds)).collect();
        let scores: Vec<f32> = found.iter().map(|f| f.score).collect();
        fixture.close(&format!("found.{i}.scores"), &scores, MODEL);
        fixture.close(&format!("found.{i}.boxes"), &boxes, MODEL);
        let named = found.iter().map(|f| f.tokens.iter().map(|&t| texts.ids[i][t]).collect());
        assert_eq!(named.collect::<Vec<Vec<u32>>>(), words[i]);
    }
}

#[test]
fn a_phrase_is_read_the_same_whatever_the_others_are() {
    let fixture = fixture();
    let network = load(&fixture);
    let read = |rows: &[Vec<u32>]| {
        let texts = Texts::new(rows, &DELIMITERS, 0, 32).unwrap();
        let tokens = texts.tokens();
        values(network.read(&texts).unwrap())
            .chunks(tokens * 32)
            .map(<[f32]>::to_vec)
            .collect::<Vec<_>>()
    };
    let row = |others: &[u32]| [&[101, 301, 302, 1012], others, &[1012, 102]].concat();
    let a = read(&[row(&[400, 401])]);
    let b = read(&[row(&[500, 501]), row(&[500, 501, 502, 503, 504])]);
    let own = 32..4 * 32;
    for other in &b {
        let apart = a[0][own.clone()].iter().zip(&other[own.clone()]).map(|(a, b)| (a - b).abs());
        assert!(apart.fold(0.0, f32::max) < 1e-5, "the first phrase");
    }
    assert!(
        a[0][4 * 32..6 * 32].iter().zip(&b[0][4 * 32..6 * 32]).any(|(a, b)| (a - b).abs() > 1e-2)
    );
    // A word of its own phrase counts.
    let mut changed = row(&[400, 401]);
    changed[2] = 303;
    let c = read(&[changed]);
    assert!(a[0][32..64].iter().zip(&c[0][32..64]).any(|(a, b)| (a - b).abs() > 1e-2));
}

#[test]
fn padding_and_neighbours_change_nothing() {
    let fixture = fixture();
    let network = load(&fixture);
    let (pictures, texts) = inputs(&fixture, "two");
    let both = network.forward(&pictures, &texts).unwrap();
    let mut other = pictures.clone();
    let [_, channels, height, width] = other.pixels.dims();
    let first = other.pixels.clone().narrow(0, 0, 1);
    let noise = first.clone() * 0.0 + 3.0;
    other.pixels = burn::tensor::Tensor::cat(vec![first, noise], 0);
    assert_eq!(other.pixels.dims(), [2, channels, height, width]);
    let changed = network.forward(&other, &texts).unwrap();
    let rows = |x: burn::tensor::Tensor<3>| {
        let half = x.dims()[1] * x.dims()[2];
        values(x).chunks(half).map(<[f32]>::to_vec).collect::<Vec<_>>()
    };
    let (a, b) = (rows(both.boxes), rows(changed.boxes));
    assert_eq!(a[0], b[0]);
    assert_ne!(a[1], b[1]);
}

#[test]
fn pictures_are_prepared_alike() {
    let fixture = fixture();
    let settings = PictureSettings { shortest: 12, longest: 18, ..Default::default() };
    for i in 0..4 {
        let name = format!("picture.{i}.levels");
        let (shape, levels) = (fixture.shape(&name), fixture.numbers(&name));
        let levels = levels.iter().map(|&level| level as u8).collect();
        let picture = Picture::new(Size::new(shape[1], shape[0]), levels).unwrap();
        let made = settings.prepare(&[picture], &Device::flex()).unwrap();
        let name = format!("picture.{i}.pixels");
        assert_eq!(made.pixels.dims().to_vec(), fixture.shape(&name));
        let (found, expected) = (values(made.pixels), fixture.values(&name));
        // Levels are rounded after each axis, and the two begin with another one: a level may be one off, which
        // noise shows more often than pictures do.
        let level = 1.0 / 255.0 / 0.224;
        let apart: Vec<f32> = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).collect();
        assert!(apart.iter().all(|&d| d < 1.01 * level), "{i}");
        let off = apart.iter().filter(|&&d| d > 1e-4).count();
        assert!(off * 4 <= apart.len(), "{i}: {off} of {} levels differ", apart.len());
    }
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut fixture = fixture();
    let network = load(&fixture);
    let (pictures, texts) = inputs(&fixture, "two");
    let one = Pictures { sizes: vec![[40, 40]], ..pictures.clone() };
    assert!(network.forward(&one, &texts).is_err(), "two texts, one picture");
    let large = Pictures { sizes: vec![[44, 40], [29, 61]], ..pictures.clone() };
    assert!(network.forward(&large, &texts).is_err(), "a picture beyond its pixels");
    let (mut unknown, mut far) = (texts.clone(), texts.clone());
    unknown.ids[0][1] = 1032;
    far.positions[0][1] = 32;
    assert!(network.read(&unknown).is_err() && network.read(&far).is_err());
    let few = Pictures {
        pixels: pictures.pixels.narrow(2, 0, 8).narrow(3, 0, 8),
        sizes: vec![[8, 8]; 2],
    };
    assert!(network.forward(&few, &texts).is_err(), "fewer cells than boxes");

    let config = GroundingDinoConfig::test();
    let refused = |fixture: &Fixture, parts: [&str; 2]| {
        let state = only_prefix(&fixture.0, "state.");
        let error =
            GroundingDino::load("state", &state, &config, &Device::flex()).unwrap_err().to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    };
    // A copy that is none.
    let first = fixture.0.tensors["state.bbox_embed.0.layers.2.bias"].clone();
    let copy = "state.model.decoder.bbox_embed.1.layers.2.bias";
    fixture.0.tensors.insert(copy.into(), first.clone());
    load(&fixture);
    fixture.0.tensors.insert(copy.into(), (first.0, vec![9.0; 4]));
    refused(&fixture, ["bbox_embed.0.layers.2.bias", "the same"]);
    fixture.0.tensors.remove(copy);
    let gone = "model.encoder.layers.0.fusion_layer.vision_param";
    let tensor = fixture.0.tensors.remove(&format!("state.{gone}")).unwrap();
    fixture.0.tensors.insert("state.model.more".into(), tensor);
    refused(&fixture, [gone, "1 unused: model.more"]);
}

/// The file and the outputs of the original implementation.
#[test]
fn the_original_files_and_what_they_say() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/parity/grounding_dino/original.pth");
    let weights = Checkpoint::open(file).unwrap();
    let fixture = Fixture::read(include_bytes!("original.safetensors"));
    let config = GroundingDinoConfig {
        backbone: SwinConfig {
            width: 4,
            depths: vec![1, 2, 1, 1],
            heads: vec![1, 2, 2, 2],
            mlp_ratio: 1.0,
            out: vec![2, 3, 4],
            ..SwinConfig::test()
        },
        text: BertConfig { positions: 16, width: 8, depth: 1, hidden: 8, ..BertConfig::test() },
        queries: 5,
        levels: 4,
        encoder_hidden: 16,
        decoder_hidden: 16,
        decoder_points: 1,
        ..GroundingDinoConfig::test()
    };
    let network = GroundingDino::load("original", &weights, &config, &Device::flex()).unwrap();
    let ids = fixture.numbers("ids").iter().map(|&id| id as u32).collect();
    let texts = Texts::new(&[ids], &DELIMITERS, 0, 16).unwrap();
    let pixels = fixture.tensor("pixels", &Device::flex());
    let scored = network.forward(&Pictures { pixels, sizes: vec![[64, 72]] }, &texts).unwrap();
    fixture.close("boxes", &values(scored.boxes), MODEL);
    fixture.close("logits", &values(scored.logits), MODEL);
}
