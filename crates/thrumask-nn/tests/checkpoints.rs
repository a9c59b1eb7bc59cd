//! Checkpoints as they lie on disks: every format read and converted, shards and folders checked, broken
//! and malicious bytes refused.

#![allow(clippy::unwrap_used)]

use std::{
    fs,
    path::{Path, PathBuf},
};

use proptest::prelude::*;
use thrumask_nn::weights::{
    Checkpoint, Conversion, FloatType, Format, TensorFile, TensorSource, WeightFile, convert,
    only_prefix, recognise, renamed, without_prefix,
};

const GGUF: &[u8] = include_bytes!("parity/gguf/fixture.gguf");
const ARCHIVE: &[u8] = include_bytes!("parity/lpips/archive.pt");
const STREAM: &[u8] = include_bytes!("parity/lpips/stream.pth");

/// A folder that disappears.
struct Place(tempfile::TempDir);

impl Place {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> PathBuf {
        fs::create_dir_all(self.at(name).parent().unwrap()).unwrap();
        fs::write(self.at(name), bytes).unwrap();
        self.at(name)
    }

    /// What is wrong with a path.
    fn refuses(&self, name: &str) -> String {
        Checkpoint::open(self.at(name)).unwrap_err().to_string()
    }
}

/// Safetensors bytes by hand: a header as given, and data.
fn bytes_of(header: &str, data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), data].concat()
}

fn weights(names: &[&str]) -> Vec<u8> {
    let mut file = WeightFile::default();
    for (i, name) in names.iter().enumerate() {
        let values = (0..6).map(|v| (v + 10 * i) as f32 / 8.0).collect();
        file.tensors.insert((*name).to_owned(), (vec![2, 3], values));
    }
    file.write(false).unwrap()
}

/// All values by name.
fn values(source: &dyn TensorSource) -> Vec<(String, Vec<usize>, Vec<f32>)> {
    let all = source.shapes();
    all.iter().map(|(n, s)| (n.to_string(), s.to_vec(), source.values(n).unwrap())).collect()
}

fn quietly(source: &Path, out: &Path, how: Conversion) -> thrumask_nn::Result<Vec<PathBuf>> {
    convert(&Checkpoint::open(source)?, out, how, &mut |_, _| Ok(()))
}

#[test]
fn the_content_tells_the_format_and_every_number_type_becomes_f32() {
    let place = Place::new();
    for (bytes, format) in
        [(GGUF, Format::Gguf), (ARCHIVE, Format::TorchArchive), (STREAM, Format::TorchStream)]
    {
        let file = place.write("anything.bin", bytes);
        assert_eq!(Checkpoint::open(&file).unwrap().format(), format);
        // From the disk as from memory.
        let memory = TensorFile::read("memory", bytes).unwrap();
        assert!(values(&Checkpoint::open(&file).unwrap()) == values(&memory));
    }
    let mut header = Vec::new();
    let mut data: Vec<u8> = Vec::new();
    let mut add = |name: &str, bytes: &[u8]| {
        let from = data.len();
        data.extend(bytes);
        header.push(format!(
            "\"{name}\":{{\"dtype\":\"{name}\",\"shape\":[1],\"data_offsets\":[{from},{}]}}",
            data.len()
        ));
    };
    add("F64", &(-2.5f64).to_le_bytes());
    add("F32", &(-2.5f32).to_le_bytes());
    add("F16", &half::f16::from_f32(-2.5).to_le_bytes());
    add("BF16", &half::bf16::from_f32(-2.5).to_le_bytes());
    add("I64", &(-3i64).to_le_bytes());
    add("I32", &(-3i32).to_le_bytes());
    add("I16", &(-3i16).to_le_bytes());
    add("I8", &(-3i8).to_le_bytes());
    add("U64", &200u64.to_le_bytes());
    add("U32", &200u32.to_le_bytes());
    add("U16", &200u16.to_le_bytes());
    add("U8", &[200]);
    add("BOOL", &[1]);
    add("F8_E4M3", &[1]);
    let bytes = bytes_of(&format!("{{{}}}", header.join(",")), &data);
    let file = TensorFile::read("all", &bytes).unwrap();
    for (name, info) in file.infos() {
        let expected = match name {
            "F8_E4M3" => {
                let error = file.values(name).unwrap_err().to_string();
                assert!(error.contains("all") && error.contains("F8_E4M3"), "{error}");
                continue;
            }
            "BOOL" => 1.0,
            _ if name.starts_with('U') => 200.0,
            _ if name.starts_with('I') => -3.0,
            _ => -2.5,
        };
        assert_eq!(info.kind.to_string(), name);
        assert_eq!(file.values(name).unwrap(), [expected], "{name}");
    }
}

#[test]
fn shards_are_one_checkpoint_and_must_agree_with_their_index() {
    let place = Place::new();
    place.write("m-1.safetensors", &weights(&["a", "b"]));
    place.write("m-2.safetensors", &weights(&["c"]));
    let index = |map: &str, total: u32| {
        let text = format!("{{\"metadata\":{{\"total_size\":{total}}},\"weight_map\":{{{map}}}}}");
        place.write("m.safetensors.index.json", text.as_bytes());
    };
    const A: &str = "\"a\":\"m-1.safetensors\"";
    const B: &str = "\"b\":\"m-1.safetensors\"";
    index(&format!("{A},{B},\"c\":\"m-2.safetensors\""), 72);
    let opened = Checkpoint::open(place.at("m.safetensors.index.json")).unwrap();
    assert_eq!(opened.files().count(), 2);
    assert_eq!(opened.shapes().into_keys().collect::<Vec<_>>(), ["a", "b", "c"]);
    assert_eq!(opened.values("b").unwrap()[0], 1.25);
    assert_eq!(Checkpoint::open(place.at("")).unwrap().files().count(), 2, "a folder of shards");
    for (map, total, words) in [
        (format!("{A},{B},\"c\":\"m-2.safetensors\""), 73, "73 bytes of tensors in all, got 72"),
        (format!("{A},\"c\":\"m-2.safetensors\""), 72, "b of m-1.safetensors is not in the index"),
        (format!("{A},{B},\"c\":\"m-1.safetensors\""), 72, "c is not in m-1.safetensors"),
        (format!("{A},{B},\"c\":\"m-3.safetensors\""), 72, "shard m-3.safetensors is missing"),
        (format!("{A},{B},\"c\":\"../m-2.safetensors\""), 72, "expected a file's name"),
        (format!("{A},{B},\"d\":\"m-2.safetensors\""), 72, "and 1 more"),
        ("3".to_owned(), 72, "expected an index of shards"),
    ] {
        index(&map, total);
        let error = place.refuses("m.safetensors.index.json");
        assert!(error.contains(words) && error.contains("m.safetensors.index.json"), "{error}");
    }
}

#[test]
fn a_folder_says_which_file_is_taken() {
    let place = Place::new();
    let taken = |folder: &str| -> String {
        let opened = Checkpoint::open(place.at(folder)).unwrap();
        let file = opened.files().next().unwrap();
        file.file_name().unwrap().to_string_lossy().into_owned()
    };
    fs::create_dir(place.at("unet")).unwrap();
    assert!(place.refuses("unet").contains("found none"));
    for (name, bytes) in [
        ("odd.pt", STREAM),
        ("diffusion_pytorch_model.bin", ARCHIVE),
        ("diffusion_pytorch_model.fp16.safetensors", &weights(&["half"])),
        ("diffusion_pytorch_model.safetensors", &weights(&["full"])),
    ] {
        place.write(&format!("unet/{name}"), bytes);
        assert_eq!(taken("unet"), name);
    }
    let error = place.refuses("");
    assert!(error.contains("name one of its folders: unet"), "{error}");
    place.write("unet/model.safetensors", &weights(&["other"]));
    let error = place.refuses("unet");
    assert!(error.contains("diffusion_pytorch_model.safetensors, model.safetensors"), "{error}");
    place.write("odd/one.pt", STREAM);
    assert_eq!(taken("odd"), "one.pt");
    place.write("odd/two.pt", STREAM);
    assert!(place.refuses("odd").contains("one.pt, two.pt"));
    assert!(place.refuses("gone").contains("gone"));
}

#[test]
fn names_may_lose_their_prefix() {
    let bytes = weights(&["module.a.x", "module.b", "step"]);
    let file = TensorFile::read("file", &bytes).unwrap();
    let names = |source: &dyn TensorSource| {
        source.shapes().into_keys().map(str::to_owned).collect::<Vec<_>>()
    };
    let without = without_prefix(&file, "module.").unwrap();
    assert_eq!(names(&without), ["a.x", "b", "step"]);
    assert_eq!(without.values("b").unwrap(), file.values("module.b").unwrap());
    let only = only_prefix(&without, "a.");
    assert_eq!(names(&only), ["x"]);
    assert_eq!(only.values("x").unwrap(), file.values("module.a.x").unwrap());
    assert!(only.values("b").is_err() && only.values("a.x").is_err());
    let same = renamed(&file, |_| Some("x".into())).err().unwrap().to_string();
    assert!(same.contains("module.a.x") && same.contains("module.b"), "{same}");
}

#[test]
fn conversions_keep_the_values_and_shards_are_read_back() {
    const MOST: u64 = 1000;
    let place = Place::new();
    for (i, bytes) in [GGUF, ARCHIVE, STREAM].into_iter().enumerate() {
        let source = place.write(&format!("source-{i}"), bytes);
        let before = values(&Checkpoint::open(&source).unwrap());
        let out = place.at(&format!("{i}.safetensors"));
        let files = quietly(&source, &out, Conversion::default()).unwrap();
        assert_eq!(files, std::slice::from_ref(&out));
        assert!(values(&Checkpoint::open(&out).unwrap()) == before);
        // The same conversion, the same bytes.
        let first = fs::read(&out).unwrap();
        quietly(&source, &out, Conversion::default()).unwrap();
        assert!(first == fs::read(&out).unwrap());

        let how = Conversion { max_shard_bytes: Some(MOST), ..Conversion::default() };
        let out = place.at(&format!("s{i}/model.safetensors"));
        fs::create_dir(out.parent().unwrap()).unwrap();
        let files = quietly(&source, &out, how).unwrap();
        assert!(files.len() > 2, "{files:?}");
        assert!(files[files.len() - 1].ends_with("model.safetensors.index.json"));
        let sharded = Checkpoint::open(out.parent().unwrap()).unwrap();
        assert_eq!(sharded.files().count(), files.len() - 1);
        assert!(values(&sharded) == before);
        // One file of this name beside the index would be ambiguous.
        let error = quietly(&source, &out, Conversion::default()).unwrap_err().to_string();
        assert!(error.contains("model.safetensors.index.json"), "{error}");
        for shard in &files[..files.len() - 1] {
            let sizes: Vec<u64> =
                TensorFile::open(shard).unwrap().infos().map(|(_, info)| info.bytes).collect();
            assert!(sizes.len() == 1 || sizes.iter().sum::<u64>() <= MOST, "{sizes:?}");
        }
    }
}

#[test]
fn conversions_to_fewer_bits_round_and_never_overflow() {
    let place = Place::new();
    let mut file = WeightFile::default();
    file.tensors.insert("w".into(), (vec![3], vec![1.0 + 1.0 / 4096.0, -7.03, 60_000.0]));
    let source = place.write("in.safetensors", &file.write(false).unwrap());
    for (float, relative) in [(FloatType::F16, 2048.0), (FloatType::BF16, 256.0)] {
        let how = Conversion { float: Some(float), ..Conversion::default() };
        let out = place.at("out.safetensors");
        quietly(&source, &out, how).unwrap();
        let opened = Checkpoint::open(&out).unwrap();
        assert_eq!(opened.infos().next().unwrap().1.bytes, 6);
        for (a, b) in opened.values("w").unwrap().iter().zip(&file.tensors["w"].1) {
            assert!((a - b).abs() <= b.abs() / relative, "{a} {b}");
        }
    }
    file.tensors.insert("large".into(), (vec![1], vec![1e5]));
    let source = place.write("in.safetensors", &file.write(false).unwrap());
    let how = Conversion { float: Some(FloatType::F16), ..Conversion::default() };
    let out = place.at("large.safetensors");
    let error = quietly(&source, &out, how).unwrap_err().to_string();
    assert!(error.contains("large") && error.contains("100000"), "{error}");
    assert!(!out.exists());
    assert!(quietly(&source, &place.at("out.bin"), how).is_err());
    // Whole numbers stay what they are.
    let gguf = place.write("in.gguf", GGUF);
    quietly(&gguf, &out, how).unwrap();
    let opened = Checkpoint::open(&out).unwrap();
    let kind = |name: &str| {
        opened.infos().find(|(n, _)| *n == name).map(|(_, info)| info.kind.to_string()).unwrap()
    };
    assert_eq!((kind("ids").as_str(), kind("Q4_K.weight").as_str()), ("I32", "F16"));
}

#[test]
fn models_are_recognised_by_their_names() {
    let looks = |names: &[&str]| {
        let bytes = weights(names);
        recognise(&TensorFile::read("file", &bytes).unwrap())
    };
    let motion = "down_blocks.0.motion_modules.0.transformer_blocks.0.attn1.to_q.weight";
    let resnet = "down_blocks.0.resnets.0.conv1.weight";
    let time = "time_embedding.linear_1.weight";
    assert_eq!(looks(&[motion]).unwrap(), "AnimateDiff motion adapter (diffusers)");
    assert_eq!(looks(&[resnet, time]).unwrap(), "diffusion U-Net (diffusers)");
    assert!(looks(&[resnet, time, motion]).unwrap().contains("with motion modules"));
    let key = "down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.weight";
    assert!(looks(&[resnet, time, key]).unwrap().ends_with("text of width 3"));
    let clip = ["encoder.layers.0.self_attn.q_proj.weight", "embeddings.token_embedding.weight"];
    assert_eq!(looks(&clip).unwrap(), "CLIP text encoder of width 3");
    let sam = ["vision_encoder.backbone.pos_embed", "mask_decoder.iou_token.weight"];
    assert_eq!(looks(&sam).unwrap(), "Segment Anything 2, pictures only");
    let video = [&sam[..], &["memory_attention.layer_norm.bias"]].concat();
    assert_eq!(looks(&video).unwrap(), "Segment Anything 2");
    assert_eq!(looks(&["weight"]), None);
}

#[test]
fn headers_that_lie_are_refused() {
    let entry = |name: &str, shape: &str, from: u64, to: u64| {
        format!("\"{name}\":{{\"dtype\":\"F32\",\"shape\":{shape},\"data_offsets\":[{from},{to}]}}")
    };
    for (header, words) in [
        (entry("a", "[2]", 0, 8), "expected 8 bytes of tensors, got 16"),
        (entry("a", "[4]", 0, 99), "broken"),
        (entry("a", "[9999999999,9999999999,9999999999]", 0, 16), "broken"),
        (format!("{},{}", entry("a", "[4]", 0, 16), entry("b", "[2]", 8, 16)), "broken"),
        (format!("{},{}", entry("a", "[1]", 0, 4), entry("b", "[2]", 8, 16)), "broken"),
        ("\"a\":3".to_owned(), "broken"),
    ] {
        let bytes = bytes_of(&format!("{{{header}}}"), &[0; 16]);
        let error = TensorFile::read("lies", &bytes).unwrap_err().to_string();
        assert!(error.contains("lies") && error.contains(words), "{header}: {error}");
    }
    let long = [&u64::MAX.to_le_bytes()[..], b"{}"].concat();
    assert!(TensorFile::read("long", &long).unwrap_err().to_string().contains("at most"));
    let pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n";
    let error = TensorFile::read("pointer", pointer).unwrap_err().to_string();
    assert!(error.contains("pointer of Git LFS"), "{error}");
    assert!(TensorFile::read("empty", b"").is_err());
}

#[test]
fn a_broken_archive_never_gives_other_values() {
    let read = |bytes: &[u8]| -> thrumask_nn::Result<Vec<Vec<f32>>> {
        let file = TensorFile::read("archive", bytes)?;
        file.infos().map(|(name, _)| file.values(name)).collect()
    };
    let (right, mut errors) = (read(ARCHIVE).unwrap(), 0);
    for at in (0..ARCHIVE.len()).step_by(61) {
        let mut bytes = ARCHIVE.to_vec();
        bytes[at] ^= 1 << (at % 8);
        match read(&bytes) {
            Ok(values) => assert!(values == right, "byte {at}"),
            Err(e) => errors += usize::from(e.to_string().contains("check sum")),
        }
    }
    assert!(errors > 50, "{errors}");
}

/// A GGUF file of these entries of metadata and tensors.
fn gguf(entries: &[&[u8]], tensors: &[(&str, &[u64], u32, u64)], data: usize) -> Vec<u8> {
    let text = |t: &str| [&(t.len() as u64).to_le_bytes()[..], t.as_bytes()].concat();
    let mut bytes = b"GGUF\x03\0\0\0".to_vec();
    bytes.extend((tensors.len() as u64).to_le_bytes());
    bytes.extend((entries.len() as u64).to_le_bytes());
    entries.iter().for_each(|e| bytes.extend(*e));
    for (name, shape, kind, at) in tensors {
        bytes.extend(text(name));
        bytes.extend((shape.len() as u32).to_le_bytes());
        shape.iter().for_each(|n| bytes.extend(n.to_le_bytes()));
        bytes.extend(kind.to_le_bytes());
        bytes.extend(at.to_le_bytes());
    }
    bytes.resize(bytes.len().next_multiple_of(32) + data, 0);
    bytes
}

#[test]
fn gguf_headers_that_lie_are_refused() {
    let good = gguf(&[], &[("a", &[4], 0, 0), ("b", &[32, 2], 8, 32)], 100);
    let file = TensorFile::read("good", &good).unwrap();
    assert_eq!(file.shapes()["b"], [2, 32]);
    let unknown = gguf(&[], &[("a", &[4], 99, 0), ("b", &[4], 0, 32)], 48);
    let file = TensorFile::read("unknown", &unknown).unwrap();
    assert_eq!(file.values("b").unwrap(), [0.0; 4]);
    assert!(file.values("a").unwrap_err().to_string().contains("GGUF-99"));
    let list = |kind: u32, length: u64| {
        let head = [&1u64.to_le_bytes()[..], b"k", &9u32.to_le_bytes(), &kind.to_le_bytes()];
        [&head.concat()[..], &length.to_le_bytes()].concat()
    };
    let nested = [&list(9, 1)[..], &[9, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0].repeat(9)].concat();
    for (bytes, words) in [
        (gguf(&[], &[("a", &[4], 0, 0), ("b", &[4], 0, 0)], 64), "reaches into"),
        (gguf(&[], &[("a", &[4], 0, 0), ("a", &[4], 0, 32)], 64), "two tensors"),
        (gguf(&[], &[("a", &[4], 0, 8)], 64), "multiple of 32"),
        (gguf(&[], &[("a", &[40], 0, 0)], 64), "within the file"),
        (gguf(&[], &[("a", &[4], 0, 1 << 63)], 64), "within the file"),
        (gguf(&[], &[("a", &[1 << 40, 1 << 40], 0, 0)], 64), "memory"),
        (gguf(&[], &[("a", &[u64::MAX], 0, 0)], 64), "memory"),
        (gguf(&[], &[("a", &[33], 8, 0)], 64), "multiple of 32 values"),
        (gguf(&[], &[("a", &[1; 17], 0, 0)], 64), "16 axes"),
        (gguf(&[&list(0, u64::MAX)], &[], 64), "too early"),
        (gguf(&[&list(8, u64::MAX)], &[], 64), "too long"),
        (gguf(&[&nested], &[], 640), "nested"),
        (b"GGUF\0\0\0\x03".to_vec(), "little-endian"),
        (b"GGUF\x09\0\0\0".to_vec(), "version 2 or 3, got 9"),
        ([&good[..8], &[255; 16]].concat(), "at most"),
    ] {
        let error = TensorFile::read("lies", &bytes).unwrap_err().to_string();
        assert!(error.contains(words), "{words}: {error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(300) })]

    #[test]
    fn truncated_files_are_errors(cut in any::<prop::sample::Index>()) {
        let safetensors = weights(&["a", "b"]);
        // The last tensor of a GGUF file is followed by less than 32 bytes of nothing.
        for bytes in [&GGUF[..GGUF.len() - 31], ARCHIVE, STREAM, &safetensors] {
            prop_assert!(TensorFile::read("cut", &bytes[..cut.index(bytes.len())]).is_err());
        }
    }

    #[test]
    fn flipped_bits_are_an_error_or_a_file(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0u32..8), 1..8),
    ) {
        let safetensors = weights(&["a", "b"]);
        for bytes in [GGUF, &safetensors] {
            let mut bytes = bytes.to_vec();
            // In the header, where sizes and places are.
            let range = bytes.len().min(900);
            for (at, bit) in &flips {
                bytes[at.index(range)] ^= 1 << bit;
            }
            if let Ok(file) = TensorFile::read("flipped", &bytes) {
                for (name, info) in file.infos() {
                    if let Ok(values) = file.values(name) {
                        prop_assert_eq!(values.len(), info.values());
                    }
                }
            }
        }
    }

    #[test]
    fn any_bytes_are_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200), gguf in any::<bool>()) {
        let start: &[u8] = if gguf { b"GGUF\x03\0\0\0\x02\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0" } else { b"" };
        let _ = TensorFile::read("noise", &[start, &bytes].concat());
    }
}
