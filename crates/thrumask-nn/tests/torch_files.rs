//! Checkpoints of PyTorch: real ones, and broken or malicious bytes.

#![allow(clippy::unwrap_used)]

use std::path::PathBuf;

use burn::tensor::Device;
use proptest::prelude::*;
use thrumask_core::Picture;
use thrumask_nn::{
    perception::lpips::{Lpips, LpipsConfig, merged},
    weights::WeightFile,
};

const ARCHIVE: &[u8] = include_bytes!("parity/lpips/archive.pt");
const STREAM: &[u8] = include_bytes!("parity/lpips/stream.pth");

/// The folder of real files, if the machine has it.
fn data() -> Option<PathBuf> {
    let folder = std::env::var("THRUMASK_TEST_DATA").ok().map(PathBuf::from);
    if folder.is_none() {
        eprintln!("skipped: THRUMASK_TEST_DATA is not set");
    }
    folder
}

fn read(folder: &std::path::Path, name: &str) -> WeightFile {
    WeightFile::read_torch(name, &std::fs::read(folder.join(name)).unwrap()).unwrap()
}

#[test]
fn the_public_weights_give_the_published_distances() {
    let Some(data) = data() else { return };
    let folder = data.join("lpips-squeeze");
    let device = Device::flex();
    let all = read(&folder, "lpips_squeeze.pt");
    let lins = read(&folder, "squeeze.pth");
    let picture = |name: &str| Picture::read(folder.join(name)).unwrap();
    let (reference, others) = (picture("ex_ref.png"), [picture("ex_p0.png"), picture("ex_p1.png")]);
    let mut backbone = all.clone();
    backbone.tensors.retain(|name, _| !name.starts_with("lin"));
    // In one file, or the backbone and the channels' weights in two.
    for file in [all, merged(vec![backbone, lins])] {
        let lpips = Lpips::load("squeeze", &file, &LpipsConfig::squeeze(), &device).unwrap();
        let references = [reference.clone(), reference.clone()];
        let found = lpips.distances(&references, &others).unwrap();
        println!("LPIPS {found:?}");
        assert!((found[0] - 0.711).abs() < 1e-3 && (found[1] - 0.148).abs() < 1e-3, "{found:?}");
        let same = lpips.distances(&references, &references).unwrap();
        assert_eq!(same, [0.0, 0.0]);
        assert!(lpips.distances(&references, &others[..1]).is_err());
    }
}

#[test]
fn real_checkpoints_of_other_networks_are_read() {
    let Some(data) = data() else { return };
    let raft = read(&data.join("raft-small"), "raft-small.pth");
    assert_eq!(raft.tensors.len(), 106);
    let numbers: usize = raft.tensors.values().map(|(_, values)| values.len()).sum();
    assert_eq!(numbers, 990_162);
    assert_eq!(raft.tensors["module.fnet.conv1.weight"].0, [32, 3, 7, 7]);
    for name in ["taef2_encoder.pth", "taef2_decoder.pth"] {
        let file = read(&data.join("taef2"), name);
        assert_eq!(file.tensors.len(), 79, "{name}");
        assert!(file.tensors.values().all(|(_, v)| v.iter().all(|v| v.is_finite())));
    }
    // A pickled module names its classes: it is refused, not run.
    let bytes = std::fs::read(data.join("cfm-2d/otcfm_v1.pt")).unwrap();
    let error = WeightFile::read_torch("otcfm", &bytes).unwrap_err().to_string();
    assert!(error.contains("torchcfm.models.models.MLP"), "{error}");
}

/// A stream of pickles whose third one is `pickle`, without storages.
fn stream_of(pickle: &[u8]) -> Vec<u8> {
    let mut bytes = STREAM[..15].to_vec();
    bytes.extend(b"\x80\x02M\xe9\x03.\x80\x02}.");
    bytes.extend(pickle);
    bytes.extend(b"\x80\x02].");
    bytes
}

/// The same with one storage of four numbers.
fn stored(pickle: &[u8]) -> Vec<u8> {
    let mut bytes = stream_of(pickle);
    bytes.truncate(bytes.len() - 4);
    bytes.extend(b"\x80\x02]U\x01sa.");
    bytes.extend(4u64.to_le_bytes());
    bytes.extend([1f32, 2.0, 3.0, 4.0].iter().flat_map(|v| v.to_le_bytes()));
    bytes
}

/// A dictionary with one view "t" of the storage.
fn view(offset: u8, shape: [u8; 2], strides: [u8; 2]) -> Vec<u8> {
    let pair = |p: [u8; 2]| [b'K', p[0], b'K', p[1], 0x86];
    let mut pickle = b"\x80\x02}U\x01tctorch._utils\n_rebuild_tensor_v2\n(".to_vec();
    pickle.extend(b"(U\x07storagectorch\nFloatStorage\nU\x01sU\x03cpuK\x04NtQ");
    pickle.extend([b'K', offset]);
    pickle.extend(pair(shape));
    pickle.extend(pair(strides));
    pickle.extend(b"\x89NtRs.");
    pickle
}

#[test]
fn views_are_read_by_their_strides_and_stay_in_their_storage() {
    let read = |bytes: &[u8]| WeightFile::read_torch("view", &stored(bytes));
    let values = |bytes: &[u8]| read(bytes).unwrap().tensors["t"].clone();
    assert_eq!(values(&view(0, [2, 2], [2, 1])), (vec![2, 2], vec![1.0, 2.0, 3.0, 4.0]));
    assert_eq!(values(&view(0, [2, 2], [1, 2])), (vec![2, 2], vec![1.0, 3.0, 2.0, 4.0]));
    assert_eq!(values(&view(2, [1, 2], [9, 1])), (vec![1, 2], vec![3.0, 4.0]));
    assert_eq!(values(&view(9, [0, 2], [2, 1])), (vec![0, 2], vec![]));
    for (bad, words) in [
        (view(1, [2, 2], [2, 1]), "does not lie within"),
        (view(0, [2, 2], [9, 1]), "does not lie within"),
        (view(0, [200, 200], [0, 0]), "more numbers than"),
    ] {
        let error = read(&bad).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
}

#[test]
fn what_would_run_is_refused_by_name() {
    let says = |pickle: &[u8], words: &str| {
        let error = WeightFile::read_torch("evil", &stream_of(pickle)).unwrap_err().to_string();
        assert!(error.contains("evil") && error.contains(words), "{error}");
    };
    // In the place of the tensors' dictionary, of a tensor, and of a tensor's parts.
    says(b"\x80\x02cos\nsystem\nU\x04exit\x85R.", "got os.system");
    says(b"\x80\x04\x8c\x08builtins\x8c\x04eval\x93\x8c\x011\x85R.", "got builtins.eval");
    says(b"\x80\x02}U\x0astate_dictcos\nsystem\nU\x04exit\x85Rs.", "got os.system");
    says(b"\x80\x02}U\x01t}U\x01ucos\nsystem\nU\x04exit\x85Rss.", "t.u: expected a tensor");
    let good = view(0, [2, 2], [2, 1]);
    for (from, to) in [
        (&b"torch._utils\n_rebuild_tensor_v2"[..], &b"os\nsystem"[..]),
        (b"torch\nFloatStorage", b"os\nsystem"),
        (b"K\0K\x02K\x02\x86", b"K\0cos\nsystem\n)R"),
    ] {
        let at = good.windows(from.len()).position(|w| w == from).unwrap();
        let evil = [&good[..at], to, &good[at + from.len()..]].concat();
        says(&evil, "t: expected a tensor or a plain value, got os.system");
    }
    // By instances and their states too.
    for made in [
        &b"cos\nsystem\n)\x81}b"[..],
        b"cos\nsystem\n)}\x92",
        b"(cos\nsystem\nK\x01o",
        b"(K\x01ios\nsystem\n",
        b"ccollections\nOrderedDict\ncos\nsystem\n\x85R",
        b"ctorch._utils\n_rebuild_parameter\ncos\nsystem\n\x85R",
    ] {
        says(&[&b"\x80\x02}U\x01t"[..], made, b"s."].concat(), "got os.system");
    }
    // A long name is cut.
    let long = [&b"\x80\x04X\x10\x27\0\0"[..], &[b'a'; 10_000], b"\x8c\x01b\x93."].concat();
    let error = WeightFile::read_torch("evil", &stream_of(&long)).unwrap_err().to_string();
    assert!(error.contains("aaa.b") && error.len() < 400, "{error}");
    // Instances of what is known, and arguments that no tensor has.
    says(b"\x80\x02ccollections\nOrderedDict\n)\x81.", "no instance");
    says(b"\x80\x02ctorch\nFloatStorage\n)R.", "cannot be called");
    says(b"\x80\x02]K\x01a.", "expected a dictionary");
    says(b"\x80\x02}U\x01ah\x07s.", "remembered as 7");
    says(b"\x80\x02(0.", "stack");
    assert!(WeightFile::read_torch("text", b"hello").is_err());
    // A compressed archive without any reader for it, and one without tensors.
    assert!(
        WeightFile::read_torch("zip", b"PK\x05\x06\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0").is_err()
    );
}

/// A checkpoint as a training library writes it: other classes beside the tensors.
#[test]
fn what_lies_beside_the_tensors_is_neither_run_nor_needed() {
    let scalar = b"cnumpy.core.multiarray\nscalar\nq\x01\
        cnumpy\ndtype\nq\x02U\x02f4\x89\x88\x87Rq\x03\
        (K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\
        c_codecs\nencode\nq\x04X\x05\0\0\0\x00\x00\x00\xc2\x80U\x06latin1\x86R\x86R";
    let tensors = view(0, [2, 2], [2, 1]);
    // Without its protocol and its end.
    let tensors = &tensors[2..tensors.len() - 1];
    let callbacks = b"}cpytorch_lightning.callbacks.model_checkpoint\nModelCheckpoint\n\
        }U\x10best_model_score";
    let callbacks = [&callbacks[..], &scalar[..], b"ss"].concat();
    let beside: [&[u8]; 10] = [
        &callbacks,
        // A dictionary of a class, filled and given a state.
        b"ccollections\ndefaultdict\nc__builtin__\ndict\n\x85R(U\x01aK\x01u}b",
        b"carg\nNamespace\n)\x81}U\x02lrG?\xf0\0\0\0\0\0\0sb",
        b"carg\nList\n)}\x92(K\x01K\x02e\x8f(K\x01\x90\x86",
        // What would run.
        b"cos\nsystem\nU\x04exit\x85R",
        b"\x8c\x02os\x8c\x06system\x93)R",
        b"(U\x04exitios\nsystem\n",
        // Bytes, and a number of 16 bytes.
        b"(C\x01\xffB\x01\0\0\0\xff\x8e\x01\0\0\0\0\0\0\0\xff\
            \x96\x01\0\0\0\0\0\0\0\xffU\x01\xff\x91",
        b"\x8a\x100123456789abcdef",
        // A view of a storage of a kind that is not read.
        b"ctorch._utils\n_rebuild_tensor_v2\n(\
            (U\x07storagectorch\nQInt8Storage\nU\x01sU\x03cpuK\x04NtQK\0))\x89NtR",
    ];
    let mut pickle = b"\x80\x04}U\x05epochK\x05s".to_vec();
    for (i, value) in beside.iter().enumerate() {
        pickle.extend([b'U', 1, b'0' + i as u8]);
        pickle.extend(*value);
        pickle.push(b's');
    }
    pickle.extend(b"U\x0astate_dict");
    pickle.extend(tensors);
    pickle.extend(b"s.");
    let file = WeightFile::read_torch("lightning", &stored(&pickle)).unwrap();
    assert_eq!(file.tensors.len(), 1);
    assert_eq!(file.tensors["t"], (vec![2, 2], vec![1.0, 2.0, 3.0, 4.0]));
    // A length beyond the end.
    for bytes in [
        &b"\x8e\xff\xff\xff\xff\xff\xff\xff\xff"[..],
        b"\x8d\x09\0\0\0\0\0\0\0",
        b"\x8b\xff\xff\xff\xff",
    ] {
        let error = WeightFile::read_torch("long", &stream_of(bytes)).unwrap_err().to_string();
        assert!(error.contains("too early"), "{error}");
    }
}

/// A dictionary of dictionaries that holds itself, and one that doubles at each level.
#[test]
fn dictionaries_that_never_end_are_refused() {
    let own = b"\x80\x02}q\x00U\x01ah\x00s.";
    assert!(WeightFile::read_torch("own", &stream_of(own)).is_err());
    let mut double = b"\x80\x02}q\x00".to_vec();
    for level in 0..40u8 {
        double.extend([b'}', b'q', level + 1, b'(', b'K', 0, b'h', level, b'K', 1, b'h', level]);
        double.push(b'u');
    }
    double.push(b'.');
    assert!(WeightFile::read_torch("double", &stream_of(&double)).is_err());
    // Nested a million deep: neither read nor dropped by recursion.
    let mut deep = b"\x80\x02}U\x01a)".to_vec();
    deep.extend(vec![0x85; 1_000_000]);
    deep.extend(b"s.");
    assert!(WeightFile::read_torch("deep", &stream_of(&deep)).unwrap().tensors.is_empty());
}

fn sizes_fit(file: &WeightFile) -> bool {
    file.tensors.values().all(|(shape, values)| shape.iter().product::<usize>() == values.len())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(400) })]

    #[test]
    fn truncated_files_are_errors(cut in any::<prop::sample::Index>()) {
        for bytes in [ARCHIVE, STREAM] {
            let end = cut.index(bytes.len());
            prop_assert!(WeightFile::read_torch("cut", &bytes[..end]).is_err());
        }
    }

    #[test]
    fn flipped_bits_are_an_error_or_a_file(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0u32..8), 1..8),
        early in any::<bool>(),
    ) {
        for bytes in [ARCHIVE, STREAM] {
            let mut bytes = bytes.to_vec();
            // Half of the time where the pickle is, in place of the numbers.
            let range = if early { bytes.len() / 3 } else { bytes.len() };
            for (at, bit) in &flips {
                bytes[at.index(range)] ^= 1 << bit;
            }
            if let Ok(file) = WeightFile::read_torch("flipped", &bytes) {
                prop_assert!(sizes_fit(&file));
            }
        }
    }

    #[test]
    fn any_pickle_is_an_error_or_a_file(
        ops in prop::collection::vec(prop::sample::select(
            &b"\x80\x02(.0NKMJXU])}tauseqhrjcQRb\x85\x86\x87\x88\x89\x8a\x93\x94\x95\x01\x00\x03\n\
                BCoi1\x81\x8b\x8e\x8f\x90\x91\x92\x96"[..]
        ), 0..300),
    ) {
        if let Ok(file) = WeightFile::read_torch("noise", &stream_of(&ops)) {
            prop_assert!(sizes_fit(&file));
        }
    }

    #[test]
    fn any_bytes_are_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(WeightFile::read_torch("noise", &bytes).is_err());
    }
}
