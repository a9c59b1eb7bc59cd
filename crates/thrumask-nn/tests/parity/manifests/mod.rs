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
    layers::Init,
    text::clip::{self, ClipText, ClipTextConfig},
    weights::{TensorSource, public_shapes},
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
    let network = AutoencoderKl::new(&mut Init::blank(&device), &config).unwrap();
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
    let network = ClipText::new(&mut Init::blank(&device), &config).unwrap();
    let both = |path: &String| {
        let path = clip::names::rename(path);
        [format!("text_model.{path}"), format!("{}{path}", clip::names::PREFIXES[0])]
    };
    assert_eq!(paths(&network).iter().map(both).collect::<BTreeSet<_>>(), known);
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
