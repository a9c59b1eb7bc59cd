//! Weight files: strict loading says by name what does not fit, and broken bytes are errors.

#![allow(clippy::unwrap_used)]

mod common;

use burn::tensor::Device;
use common::*;
use proptest::prelude::*;
use thrumask_nn::{
    backbone::ObjectLayers,
    weights::{WeightFile, parameters},
};

fn file_of(layers: ObjectLayers) -> WeightFile {
    let mut file = WeightFile::default();
    file.insert_module("denoiser.", &network(&config(layers), 1, &Device::flex()));
    file.metadata.insert("stage".into(), "motion".into());
    file.metadata.insert("config".into(), "{\"width\": 12}".into());
    file
}

#[test]
fn a_file_gives_back_every_parameter() {
    let file = file_of(layers(MASKED, MASKED));
    let bytes = file.write(false).unwrap();
    let read = WeightFile::read("test", &bytes).unwrap();
    assert_eq!(read, file);
    assert_eq!(bytes, read.write(false).unwrap(), "the same file, the same bytes");
    let other = network(&config(layers(MASKED, MASKED)), 2, &Device::flex());
    let loaded = read.load_into("test", "denoiser.", other).unwrap();
    let original = network(&config(layers(MASKED, MASKED)), 1, &Device::flex());
    assert_eq!(parameters(&loaded), parameters(&original));
}

#[test]
fn half_precision_keeps_eleven_bits() {
    let file = file_of(ObjectLayers::NONE);
    let (full, half) = (file.write(false).unwrap(), file.write(true).unwrap());
    assert!(half.len() * 10 < full.len() * 7, "{} of {} bytes", half.len(), full.len());
    let read = WeightFile::read("test", &half).unwrap();
    assert_eq!(read.metadata, file.metadata);
    for (name, (shape, values)) in &file.tensors {
        let (got_shape, got) = &read.tensors[name];
        assert_eq!(shape, got_shape);
        for (a, b) in values.iter().zip(got) {
            assert!((a - b).abs() <= a.abs() / 2048.0 + 1e-7, "{name}: {a} became {b}");
        }
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let mut file = file_of(layers(MASKED, ABSENT));
    let target = || network(&config(layers(MASKED, ABSENT)), 2, &Device::flex());
    let gone = "denoiser.blocks.1.mlp.up.bias";
    let wrong = "denoiser.embed.weight";
    file.tensors.remove(gone);
    file.tensors.insert("denoiser.blocks.9.gate".into(), (vec![1], vec![0.0]));
    file.tensors.insert("text.words".into(), (vec![1], vec![0.0]));
    let shape = file.tensors[wrong].0.clone();
    file.tensors.insert(wrong.into(), (vec![3], vec![0.0; 3]));
    let (module, report) = file.load_report("denoiser.", target());
    assert_eq!(report.missing, [gone]);
    assert_eq!(report.unused, ["denoiser.blocks.9.gate"], "another prefix is not ours to judge");
    assert_eq!(report.mis_shaped, [(wrong.to_owned(), shape, vec![3])]);
    assert_eq!(report.applied.len(), parameters(&module).len() - 2);
    let error = file.load_into("stage1.safetensors", "denoiser.", target()).unwrap_err();
    let error = error.to_string();
    for word in ["stage1.safetensors", gone, wrong, "blocks.9.gate", "[3]"] {
        assert!(error.contains(word), "{word} in {error}");
    }
}

#[test]
fn other_number_types_are_refused() {
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::I64, vec![1], &[0; 8]);
    let bytes = safetensors::serialize([("ids", view.unwrap())], None).unwrap();
    let error = WeightFile::read("test", &bytes).unwrap_err().to_string();
    assert!(error.contains("ids") && error.contains("I64"), "{error}");
}

fn small_file() -> Vec<u8> {
    let mut file = WeightFile::default();
    file.tensors.insert("a".into(), (vec![2, 2], vec![1.0, 2.0, 3.0, 4.0]));
    file.tensors.insert("b.weight".into(), (vec![3], vec![0.5; 3]));
    file.metadata.insert("k".into(), "v".into());
    file.write(false).unwrap()
}

proptest! {
    #[test]
    fn truncated_files_are_errors(cut in 0usize..1000) {
        let bytes = small_file();
        let end = cut % bytes.len();
        prop_assert!(WeightFile::read("cut", &bytes[..end]).is_err());
    }

    #[test]
    fn flipped_bits_are_an_error_or_a_file(flips in proptest::collection::vec((0usize..4096, 0u32..8), 1..6)) {
        let mut bytes = small_file();
        let length = bytes.len();
        for (at, bit) in flips {
            bytes[at % length] ^= 1 << bit;
        }
        if let Ok(file) = WeightFile::read("flipped", &bytes) {
            for (shape, values) in file.tensors.values() {
                prop_assert_eq!(shape.iter().product::<usize>(), values.len());
            }
            let target = network(&config(ObjectLayers::NONE), 1, &Device::flex());
            prop_assert!(file.load_into("flipped", "", target).is_err());
        }
    }

    #[test]
    fn any_bytes_are_an_error_or_a_file(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = WeightFile::read("noise", &bytes);
    }
}
