//! Our full-size networks against every tensor that the public ones have, in each layout they are
//! published in.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

use burn::{module::Module, tensor::Device};
use thrumask_nn::{
    Error, Result,
    autoencoder::kl::{AutoencoderKl, KlConfig, KlNaming},
    backbone::{
        ObjectLayer, ObjectLayers,
        unet::{Unet, UnetConfig},
    },
    layers::Init,
    perception::{
        grounding_dino::{GroundingDino, GroundingDinoConfig},
        sam2::{Sam2, Sam2Config, Sam2Naming, video::Sam2Video},
    },
    text::clip::{self, ClipText, ClipTextConfig},
    weights::{LoadReport, TensorSource, public_shapes},
};

/// A file of which only names and shapes are known; its values are zero.
#[derive(Default)]
struct Shapes(BTreeMap<String, Vec<usize>>);

impl TensorSource for Shapes {
    fn shapes(&self) -> BTreeMap<&str, &[usize]> {
        self.0.iter().map(|(name, shape)| (name.as_str(), shape.as_slice())).collect()
    }

    fn values(&self, name: &str) -> Result<Vec<f32>> {
        let shape = self.0.get(name).ok_or_else(|| Error::weights(name, "no such tensor"))?;
        Ok(vec![0.0; shape.iter().product()])
    }
}

impl Shapes {
    fn of(rows: impl IntoIterator<Item = (String, Vec<usize>)>) -> Self {
        Self(rows.into_iter().collect())
    }
}

/// The paths of a module's modules that hold parameters, as a network's naming sees them.
fn paths<M: Module>(module: &M) -> BTreeSet<String> {
    let seen = RefCell::new(BTreeSet::new());
    public_shapes(module, |path| {
        seen.borrow_mut().insert(path.to_owned());
        path.to_owned()
    });
    seen.into_inner()
}

/// A path without its last part.
fn module_of(name: &str) -> String {
    name.rsplit_once('.').unwrap().0.to_owned()
}

/// Of each tensor: names of diffusers, of diffusers before 0.18, of the original; the shape in the
/// original, and in diffusers.
type KlRow = (String, String, String, Vec<usize>, Vec<usize>);

#[test]
fn autoencoder() {
    let rows: Vec<KlRow> = serde_json::from_str(include_str!("vae.json")).unwrap();
    assert_eq!(rows.len(), 248);
    let (device, config) = (Device::flex(), KlConfig::sd15());
    let load =
        |what: &str, shapes: Shapes| AutoencoderKl::load(what, &shapes, &config, &device).map(drop);
    load("diffusers", Shapes::of(rows.iter().map(|r| (r.0.clone(), r.4.clone())))).unwrap();
    load("older", Shapes::of(rows.iter().map(|r| (r.1.clone(), r.4.clone())))).unwrap();
    load("original", Shapes::of(rows.iter().map(|r| (r.2.clone(), r.3.clone())))).unwrap();
    let mut all =
        Shapes::of(rows.iter().map(|r| (format!("first_stage_model.{}", r.2), r.3.clone())));
    all.0.insert("model.diffusion_model.out.2.bias".into(), vec![4]);
    load("one file", all).unwrap();
    // Where the same tensor lies in each.
    let known: BTreeSet<[String; 3]> =
        rows.iter().map(|r| [&r.0, &r.1, &r.2].map(|name| module_of(name))).collect();
    let network = AutoencoderKl::new(&mut Init::new(0, &device), &config).unwrap();
    let namings = [KlNaming::Diffusers, KlNaming::OldDiffusers, KlNaming::Original];
    let ours: BTreeSet<[String; 3]> =
        paths(&network).iter().map(|path| namings.map(|n| n.rename(path, 4))).collect();
    assert_eq!(ours, known);
}

/// Of each tensor: name in a folder, name in a file with all networks, shape.
type ClipRow = (String, String, Vec<usize>);

#[test]
fn text_encoder() {
    let rows: Vec<ClipRow> = serde_json::from_str(include_str!("clip_l_text.json")).unwrap();
    assert_eq!(rows.len(), 196);
    let (device, config) = (Device::flex(), ClipTextConfig::vit_l_14());
    let load =
        |what: &str, shapes: Shapes| ClipText::load(what, &shapes, &config, &device).map(drop);
    load("folder", Shapes::of(rows.iter().map(|r| (r.0.clone(), r.2.clone())))).unwrap();
    let mut all = Shapes::of(rows.iter().map(|r| (r.1.clone(), r.2.clone())));
    all.0.insert("first_stage_model.quant_conv.bias".into(), vec![8]);
    let ids = "cond_stage_model.transformer.text_model.embeddings.position_ids";
    all.0.insert(ids.into(), vec![1, 77]);
    load("one file", all).unwrap();
    let known: BTreeSet<[String; 2]> =
        rows.iter().map(|r| [&r.0, &r.1].map(|name| module_of(name))).collect();
    let network = ClipText::new(&mut Init::new(0, &device), &config).unwrap();
    let both = |path: &String| {
        let path = clip::names::rename(path);
        [format!("text_model.{path}"), format!("{}{path}", clip::names::PREFIXES[0])]
    };
    assert_eq!(paths(&network).iter().map(both).collect::<BTreeSet<_>>(), known);
}

/// Of each tensor: name in diffusers' folders, in the original files, shape.
type UnetRow = (String, String, Vec<usize>);

/// Stable Diffusion 1.5 with AnimateDiff V3 as the paper's stage 2: two conditions, object layers in all
/// six attention blocks of the encoder.
#[test]
fn unet() {
    let read = |text: &str| serde_json::from_str::<Vec<UnetRow>>(text).unwrap();
    let [unet, motion] = [include_str!("unet.json"), include_str!("motion.json")].map(read);
    assert_eq!([unet.len(), motion.len()], [686, 520]);
    let folder = |rows: &[UnetRow]| Shapes::of(rows.iter().map(|r| (r.0.clone(), r.2.clone())));
    let file = |rows: &[UnetRow], prefix: &str| {
        Shapes::of(rows.iter().map(|r| (format!("{prefix}{}", r.1), r.2.clone())))
    };
    let config = UnetConfig {
        object_layers: ObjectLayers {
            blocks: 6,
            self_attention: ObjectLayer::Masked,
            cross_attention: ObjectLayer::Masked,
            gate_start: 0.0,
        },
        ..UnetConfig::sd15_animatediff_v3([16, 32, 32], 2)
    };
    let check = Unet::check_public;
    // Two folders; one folder; the original files, which hold more than the network.
    let report = check("folders", &[&folder(&unet), &folder(&motion)], &config).unwrap();
    assert_eq!(report.applied.len(), unet.len() + motion.len());
    let network = Unet::new(&mut Init::new(0, &Device::flex()), &config).unwrap();
    let shapes = public_shapes(&network, str::to_owned);
    let count: usize = shapes.values().map(|shape| shape.iter().product::<usize>()).sum();
    assert_eq!(count, 859_520_964 + 417_137_600 + own_parameters(&config));
    let mut one = folder(&unet);
    one.0.extend(folder(&motion).0);
    let table = "down_blocks.0.motion_modules.0.transformer_blocks.0.pos_embed.pe";
    one.0.insert(table.into(), vec![1, 32, 320]);
    check("one folder", &[&one], &config).unwrap();
    let (mut single, mut motion) = (file(&unet, ""), file(&motion, "module."));
    single.0.insert("cond_stage_model.logit_scale".into(), vec![]);
    let table = "module.down_blocks.0.motion_modules.0.temporal_transformer.transformer_blocks.0\
                 .attention_blocks.0.pos_encoder.pe";
    motion.0.insert(table.into(), vec![1, 32, 320]);
    check("original", &[&single, &motion], &config).unwrap();

    let plain = UnetConfig::sd15_animatediff_v3([16, 32, 32], 0);
    let refused = |sources: &[&dyn TensorSource], parts: [&str; 2]| {
        let error = check("spoiled", sources, &plain).unwrap_err().to_string();
        assert!(parts.iter().all(|part| error.contains(part)), "{error}");
    };
    refused(&[&folder(&unet)], ["520 missing", "motion_modules"]);
    refused(&[&one, &folder(&unet)], ["more than one file", "conv_in"]);
    one.0.insert("mid_block.resnets.0.norm1.weight".into(), vec![1281]);
    one.0.insert("extra".into(), vec![1]);
    refused(&[&one], ["1 unused: extra", "[1281] where [1280]"]);
}

/// Parameters of the object layers and of the channels for the conditions.
fn own_parameters(config: &UnetConfig) -> usize {
    let block = |c: usize| {
        let text = config.text_width;
        // Norm, four maps, the output's last without a bias, and a gate; the prompts' are narrower.
        (2 * c + 4 * c * c + 1) + (2 * c + 2 * c * c + 2 * text * c + 1)
    };
    let blocks: usize = [320, 640, 1280].map(|c| 2 * block(c)).iter().sum();
    blocks + 320 * config.condition_channels * 9
}

/// Of each tensor: size, layout, name, shape; of the larger network only what is not in the smaller one.
type DinoRow = (String, String, String, Vec<usize>);

#[test]
fn grounding_dino() {
    let rows: Vec<DinoRow> = serde_json::from_str(include_str!("grounding_dino.json")).unwrap();
    let of = |sizes: &[&str], layout: &str| {
        let mut shapes = Shapes::default();
        for size in sizes {
            let own = rows.iter().filter(|row| row.0 == *size && row.1 == layout);
            shapes.0.extend(own.map(|row| (row.2.clone(), row.3.clone())));
        }
        shapes
    };
    let device = Device::flex();
    for (sizes, config, parameters, counts) in [
        (&["tiny"][..], GroundingDinoConfig::tiny(), 172_249_090, [980, 938]),
        (&["tiny", "base"][..], GroundingDinoConfig::base(), 232_313_216, [1184, 1106]),
    ] {
        let network = GroundingDino::new(&mut Init::new(0, &device), &config).unwrap();
        let shapes = public_shapes(&network, str::to_owned);
        let count: usize = shapes.values().map(|shape| shape.iter().product::<usize>()).sum();
        assert_eq!(count, parameters);
        for (layout, tensors) in ["transformers", "original"].into_iter().zip(counts) {
            let shapes = of(sizes, layout);
            assert_eq!(shapes.0.len(), tensors, "{layout}");
            assert_eq!(GroundingDinoConfig::recognise(layout, &shapes).unwrap(), config);
            let report = GroundingDino::check(&shapes, &config, &device).unwrap();
            assert!(report.is_complete(), "{layout}: {report}");
        }
    }
    // As the original files are published: under "model", from several devices, with labels of the training.
    let published = of(&["tiny"], "original").0;
    let mut published =
        Shapes::of(published.into_iter().map(|(n, shape)| (format!("model.module.{n}"), shape)));
    published.0.insert("model.module.label_enc.weight".into(), vec![2001, 256]);
    published.0.insert("model.module.bert.embeddings.position_ids".into(), vec![1, 512]);
    let config = GroundingDinoConfig::tiny();
    let check = |shapes: &Shapes| GroundingDino::check(shapes, &config, &device).unwrap();
    assert!(check(&published).is_complete());
    let gone = "model.module.transformer.decoder.layers.5.ca_text.in_proj_bias";
    published.0.remove(gone);
    published.0.insert("model.module.transformer.more".into(), vec![1]);
    let report = check(&published).to_string();
    for part in ["3 missing", "encoder_attn_text.query.bias", "1 unused: transformer.more"] {
        assert!(report.contains(part), "{part} in {report}");
    }
}

/// Of each tensor: name in transformers' folders, in the original files, shape in each. The kinds of points
/// are one tensor there and four here, the places of points two there and one here.
type Sam2Row = (String, String, Vec<usize>, Vec<usize>);

/// Whether a tensor is one of the memory's, by its name in transformers' folders.
fn is_memory(name: &str) -> bool {
    const NAMES: [&str; 9] = [
        "memory_attention.",
        "memory_encoder.",
        "mask_downsample.",
        "memory_temporal_positional_encoding",
        "no_memory_positional_encoding",
        "no_object_pointer",
        "object_pointer_proj.",
        "occlusion_spatial_embedding_parameter",
        "temporal_positional_encoding_projection_layer.",
    ];
    NAMES.iter().any(|start| name.starts_with(start))
}

/// SAM 2.1 of the smallest and the largest size, all but the memory.
#[test]
fn segment_anything() {
    let read = |text: &str| serde_json::from_str::<Vec<Sam2Row>>(text).unwrap();
    for (rows, config, parameters) in [
        (read(include_str!("sam2_tiny.json")), Sam2Config::tiny(), 31_441_233),
        (read(include_str!("sam2_large.json")), Sam2Config::large(), 216_925_377),
    ] {
        let folder = Shapes::of(rows.iter().map(|r| (r.0.clone(), r.2.clone())));
        let file = Shapes::of(rows.iter().map(|r| (format!("model.{}", r.1), r.3.clone())));
        let check = |source: &Shapes| Sam2::check_public("sam", source, &config);
        for source in [&folder, &file] {
            assert_eq!(Sam2Config::of_public("sam", source).unwrap(), config);
        }
        assert!(Sam2Config::of_public("sam", &Shapes::default()).is_err());
        let report: LoadReport = check(&folder).unwrap();
        let pictures: Vec<&Sam2Row> = rows.iter().filter(|r| !is_memory(&r.0)).collect();
        let known: BTreeSet<&String> = pictures.iter().map(|r| &r.0).collect();
        assert_eq!(report.applied.iter().collect::<BTreeSet<_>>(), known);
        // Without the three further kinds of points, and with the places of points once more.
        assert_eq!(check(&file).unwrap().applied.len(), pictures.len() - 3);
        let network = Sam2::new(&mut Init::new(0, &Device::flex()), &config).unwrap();
        let shapes = public_shapes(&network, str::to_owned);
        let count: usize = shapes.values().map(|shape| shape.iter().product::<usize>()).sum();
        assert_eq!(count, parameters);
        // Where the same tensor lies in each.
        let both: BTreeSet<[String; 2]> = paths(&network)
            .iter()
            .map(|path| {
                [Sam2Naming::Transformers, Sam2Naming::Original].map(|n| n.rename(path, &config))
            })
            .collect();
        let kinds = |name: &str| match name.split_once("point_embeddings.") {
            Some((before, _)) => format!("{before}point_embeddings"),
            None => name.to_owned(),
        };
        let alone = |name: &str| {
            ["embed", "embedding", "embed_window", "matrix"].iter().any(|e| name.ends_with(e))
        };
        let module = |name: &str| match name.rsplit_once('.') {
            // Parameters that stand alone have no part after their path; the trunk's have.
            Some((module, leaf)) if !alone(name) || leaf.starts_with("pos_embed") => {
                module.to_owned()
            }
            _ => name.to_owned(),
        };
        let expected: BTreeSet<[String; 2]> =
            pictures.iter().map(|r| [module(&r.0), kinds(&module(&r.1))]).collect();
        assert_eq!(both, expected);

        let mut spoiled = Shapes::of(rows.iter().map(|r| (r.1.clone(), r.3.clone())));
        let (gone, changed) = ("no_mem_embed", "image_encoder.trunk.pos_embed");
        spoiled.0.remove(gone);
        spoiled.0.insert("more".into(), vec![1]);
        spoiled.0.insert(changed.into(), vec![1, 2, 7, 7]);
        let error = check(&spoiled).unwrap_err().to_string();
        for part in [gone, "1 unused: more", "has shape [1, 2, 7, 7]"] {
            assert!(error.contains(part), "{part} in {error}");
        }
    }
}

/// SAM 2.1 with its memory: every tensor of the folders and of the original files.
#[test]
fn segment_anything_in_videos() {
    let read = |text: &str| serde_json::from_str::<Vec<Sam2Row>>(text).unwrap();
    for (rows, config) in [
        (read(include_str!("sam2_tiny.json")), Sam2Config::tiny()),
        (read(include_str!("sam2_large.json")), Sam2Config::large()),
    ] {
        let folder = Shapes::of(rows.iter().map(|r| (r.0.clone(), r.2.clone())));
        let file = Shapes::of(rows.iter().map(|r| (format!("model.{}", r.1), r.3.clone())));
        let check = |source: &Shapes| Sam2Video::check_public("sam", source, &config);
        let known: BTreeSet<&String> = folder.0.keys().collect();
        let report = check(&folder).unwrap();
        assert_eq!(report.applied.iter().collect::<BTreeSet<_>>(), known);
        // Without the three further kinds of points, and with the places of points once more.
        assert_eq!(check(&file).unwrap().applied.len(), folder.0.len());
        let names =
            ["memory_attention.layers.3.cross_attn_image.k_proj.weight", "no_object_pointer"];
        for gone in names {
            let mut spoiled = Shapes(folder.0.clone());
            spoiled.0.remove(gone);
            let error = check(&spoiled).unwrap_err().to_string();
            assert!(error.contains(gone), "{gone} in {error}");
        }
    }
}

#[test]
fn a_tensor_of_another_size_is_named() {
    let rows: Vec<ClipRow> = serde_json::from_str(include_str!("clip_l_text.json")).unwrap();
    let mut shapes = Shapes::of(rows.into_iter().map(|r| (r.0, r.2)));
    let changed = "text_model.encoder.layers.11.mlp.fc1.weight";
    shapes.0.insert(changed.into(), vec![3072, 767]);
    let config = ClipTextConfig::vit_l_14();
    let error = ClipText::load("clip", &shapes, &config, &Device::flex()).unwrap_err();
    assert!(error.to_string().contains("[3072, 767] where [3072, 768]"), "{error}");
}
