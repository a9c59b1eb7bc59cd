//! Weights that stay in their mapped files: the same results to the bit, and no copy of them.
#![allow(clippy::unwrap_used)]

mod common;

use std::{
    fs::OpenOptions,
    io::{Read, Seek, SeekFrom, Write},
    path::Path,
};

use burn::{
    module::Module,
    tensor::{DType, Device, Tensor},
};
use common::{SIDE, TEXT, bits, normal, tensor, unet_config, values};
use thrumask_nn::{
    backbone::{
        Denoiser, DenoiserInput, ObjectLayers,
        unet::{Unet, names},
    },
    layers::{Context, Convolution, Init, KeyMask, Linear},
    weights::{
        FloatType, Keeping, Number, TensorFile, TensorSource, load_public, parameters, parted,
        write_public,
    },
};

fn input() -> DenoiserInput {
    let noise = |name: &str| {
        let shape = [1, 2, 3, SIDE, SIDE];
        tensor(normal(name, 3, shape), shape, &Device::flex())
    };
    let text = tensor(normal("text", 3, [1, 4, TEXT]), [1, 4, TEXT], &Device::flex());
    DenoiserInput {
        latents: noise("latents"),
        time: vec![300.0],
        conditions: noise("conditions").into(),
        text: Context::new(text, KeyMask::Lengths(vec![4])),
        objects: Vec::new(),
    }
}

fn written<M: Module>(
    module: &M,
    rename: impl Fn(&str) -> String,
    folder: &Path,
    float: FloatType,
) -> std::path::PathBuf {
    let path = folder.join(format!("{float:?}.safetensors"));
    write_public(module, rename, &path, float, &mut |_, _| Ok(())).unwrap();
    path
}

#[test]
fn a_network_of_mapped_weights_gives_the_same_bits() {
    let (config, folder) = (unet_config(ObjectLayers::NONE), tempfile::tempdir().unwrap());
    let network = Unet::new(&mut Init::new(5, &Device::flex()), &config).unwrap();
    let types = [FloatType::F32, FloatType::F16, FloatType::BF16];
    for stored in types {
        let path = written(&network, names::diffusers, folder.path(), stored);
        for float in types {
            let read = |mapped: bool| {
                let kept = Keeping { float, mapped };
                let init = Init::from(&Device::flex()).keeping(float);
                let source = kept.open(&path).unwrap();
                let unet = Unet::load_stage("unet", &source, &config, init).unwrap();
                // The file may be closed and gone: the mapping stays.
                drop(source);
                (bits(&unet.predict(&input()).unwrap()), parameters(&unet))
            };
            assert!(read(true) == read(false), "{stored:?} kept as {float:?}");
        }
    }
}

/// Overwrites the first number of a tensor in a safetensors file with that of twice its size.
fn double_first(path: &Path, name: &str) {
    let file = TensorFile::open(path).unwrap();
    let first = file.values(name).unwrap()[0] * 2.0;
    let raw = file.raw(name).unwrap().to_vec();
    let width = file.infos().find(|(n, _)| *n == name).unwrap().1.bytes as usize
        / file.values(name).unwrap().len();
    let mut all = Vec::new();
    OpenOptions::new().read(true).open(path).unwrap().read_to_end(&mut all).unwrap();
    let at = all.windows(raw.len()).rposition(|w| w == raw).unwrap();
    let bytes = match width {
        2 => half::f16::from_f32(first).to_le_bytes().to_vec(),
        _ => first.to_le_bytes().to_vec(),
    };
    let mut open = OpenOptions::new().write(true).open(path).unwrap();
    open.seek(SeekFrom::Start(at as u64)).unwrap();
    open.write_all(&bytes).unwrap();
}

/// What a network says before and after its file is changed beneath it.
fn before_and_after<M: Module>(
    [stored, kept]: [FloatType; 2],
    mapped: bool,
    make: impl Fn(&mut Init) -> M,
    says: impl Fn(&M) -> Vec<f32>,
) -> [Vec<f32>; 2] {
    let folder = tempfile::tempdir().unwrap();
    let module = make(&mut Init::new(7, &Device::flex()));
    let path = written(&module, str::to_owned, folder.path(), stored);
    let source = Keeping { float: kept, mapped }.open(&path).unwrap();
    let blank = make(&mut Init::from(&Device::flex()).keeping(kept));
    let module = load_public("module", &source, blank, str::to_owned).unwrap();
    let before = says(&module);
    double_first(&path, "weight");
    [before, says(&module)]
}

#[test]
fn weights_of_the_type_they_are_kept_in_are_not_copied() {
    let (f32, f16) = (FloatType::F32, FloatType::F16);
    let tokens = tensor(normal("x", 1, [1, 2, 5]), [1, 2, 5], &Device::flex());
    let frames = tensor(normal("x", 2, [1, 3, 6, 6]), [1, 3, 6, 6], &Device::flex());
    let map = |init: &mut Init| Linear::new(init, 5, 7, 1.0);
    let convolution = |init: &mut Init| Convolution::new(init, 3, 4, 1.0);
    let of_map = |map: &Linear| values(&map.forward(tokens.clone()));
    let of_convolution = |c: &Convolution| values(&c.forward(frames.clone()));
    for (types, mapped, in_place) in [
        ([f32, f32], true, true),
        ([f16, f16], true, true),
        ([f16, f32], true, false),
        ([f32, f16], true, false),
        ([f32, f32], false, false),
    ] {
        let [before, after] = before_and_after(types, mapped, map, of_map);
        assert_eq!(before != after, in_place, "map {types:?}");
        let [before, after] = before_and_after(types, mapped, convolution, of_convolution);
        assert_eq!(before != after, in_place, "convolution {types:?}");
    }
}

#[test]
fn what_changes_mapped_weights_gets_a_copy_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let map = Linear::without_bias(&mut Init::new(9, &Device::flex()), 4, 4, 1.0);
    let path = written(&map, str::to_owned, folder.path(), FloatType::F32);
    let before = std::fs::read(&path).unwrap();
    let source = Keeping { mapped: true, ..Keeping::default() }.open(&path).unwrap();
    let blank = Linear::without_bias(&mut Init::from(&Device::flex()), 4, 4, 1.0);
    let map = load_public("map", &source, blank, str::to_owned).unwrap();
    let weight: Tensor<2> = map.weight.val();
    drop((map, source));
    assert_eq!(weight.dtype(), DType::F32);
    let more = values(&(weight.clone() + 1.0));
    let expected: Vec<f32> = values(&weight).iter().map(|v| v + 1.0).collect();
    assert_eq!(more, expected);
    // The last to hold it may write where it is.
    assert_eq!(values(&(weight + 1.0)), expected);
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn parts_of_a_mapped_tensor_are_in_place_and_odd_places_are_not_taken() {
    let folder = tempfile::tempdir().unwrap();
    let map = Linear::new(&mut Init::new(3, &Device::flex()), 2, 6, 1.0);
    let path = written(&map, str::to_owned, folder.path(), FloatType::F32);
    let file = TensorFile::open_mapped(&path).unwrap();
    let names = |name: &str| Some(["q", "k", "v"].map(|p| format!("{p}.{name}")).to_vec());
    let view = parted(&file, names).unwrap();
    for name in ["q.weight", "k.weight", "v.bias"] {
        assert!(view.mapped(name).is_some(), "{name}");
        assert_eq!(view.values(name).unwrap().len(), if name.ends_with("bias") { 2 } else { 4 });
    }
    assert!(view.mapped("none").is_none());
    assert!(view.mapped("q.weight").unwrap().part([0, 3]).is_none(), "4 values in 3 parts");
    assert!(TensorFile::open(&path).unwrap().mapped("weight").is_none(), "read, not mapped");
    // A header whose length is no multiple of the numbers' width: they lie askew.
    let bytes = std::fs::read(&path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap());
    let header = std::str::from_utf8(&bytes[8..8 + length as usize]).unwrap();
    let header = format!("{} ", header);
    let odd = folder.path().join("odd.safetensors");
    let mut all = (header.len() as u64).to_le_bytes().to_vec();
    all.extend(header.as_bytes());
    all.extend(&bytes[8 + length as usize..]);
    std::fs::write(&odd, all).unwrap();
    let odd = TensorFile::open_mapped(&odd).unwrap();
    assert_eq!(odd.infos().next().unwrap().1.kind.to_string(), Number::F32.name());
    assert!(odd.mapped("weight").is_none());
    assert_eq!(odd.values("weight").unwrap(), file.values("weight").unwrap());
    let missing = TensorFile::open_mapped(folder.path().join("none")).unwrap_err().to_string();
    assert!(missing.contains("mapping") && missing.contains("none"), "{missing}");
    assert!(TensorFile::open_mapped(folder.path()).is_err());
}
