//! LPIPS against the package `lpips`, and checkpoints of both formats as PyTorch writes them.

use burn::tensor::Device;
use thrumask_nn::{
    perception::lpips::{Lpips, LpipsConfig},
    weights::WeightFile,
};

use crate::fixture::{BLOCK, Fixture, values};

const ARCHIVE: &[u8] = include_bytes!("archive.pt");
const STREAM: &[u8] = include_bytes!("stream.pth");

fn fixture() -> Fixture {
    Fixture::read(include_bytes!("fixture.safetensors"))
}

/// The widths of the exporter.
fn narrow() -> LpipsConfig {
    let fires = [[2, 3], [3, 4], [2, 4], [4, 5], [3, 5], [4, 6], [3, 6], [4, 7]];
    LpipsConfig { stem: 6, fires }
}

#[test]
fn distances() {
    let (fixture, device) = (fixture(), Device::flex());
    let file = WeightFile::read_torch("archive.pt", ARCHIVE).unwrap();
    let lpips = Lpips::load("archive.pt", &file, &narrow(), &device).unwrap();
    for case in ["even", "odd"] {
        let [x, y] = ["x", "y"].map(|n| fixture.tensor::<4>(&format!("{case}.{n}"), &device));
        let found = values(lpips.forward(x, y));
        fixture.close(&format!("{case}.out"), &found, BLOCK);
        assert_eq!(found[2], 0.0, "equal pictures");
    }
}

#[test]
fn checkpoints_of_both_formats() {
    let fixture = fixture();
    for (name, bytes) in [("archive.pt", ARCHIVE), ("stream.pth", STREAM)] {
        let file = WeightFile::read_torch(name, bytes).unwrap();
        let expected =
            fixture.0.tensors.iter().filter_map(|(n, t)| Some((n.strip_prefix("state.")?, t)));
        let mut count = 0;
        for (tensor, expected) in expected {
            assert_eq!(&file.tensors[tensor], expected, "{name}: {tensor}");
            count += 1;
        }
        assert_eq!(file.tensors.len(), count, "{name}");
    }
}

#[test]
fn weights_that_do_not_fit_are_named() {
    let device = Device::flex();
    let mut file = WeightFile::read_torch("stream.pth", STREAM).unwrap();
    let load = |file: &WeightFile, config: &LpipsConfig| {
        Lpips::load("stream.pth", file, config, &device).unwrap_err().to_string()
    };
    assert!(load(&file, &LpipsConfig::squeeze()).contains("stem.weight"));
    file.tensors.remove("lin3.model.1.weight");
    file.tensors.insert("net.slice9.1.weight".into(), (vec![1], vec![0.0]));
    let error = load(&file, &narrow());
    assert!(error.contains("lins.3") && error.contains("net.slice9.1.weight"), "{error}");
}
