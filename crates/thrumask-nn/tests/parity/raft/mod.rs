//! RAFT against its authors' code, with weights and pictures of a rule that both sides know; and the real
//! small weights on two frames where `THRUMASK_TEST_DATA` has them.

use std::{collections::BTreeMap, path::Path};

use burn::tensor::{Device, Tensor, TensorData};
use thrumask_core::Picture;
use thrumask_nn::{
    layers::Init,
    perception::raft::{Raft, RaftConfig, RaftNaming, RaftOptions, Similarities, carried},
    weights::{WeightFile, public_shapes},
};

use crate::fixture::{BLOCK, Fixture, MODEL, values};

/// As in the exporter.
const SEED: u64 = 5;
const SIZE: [usize; 2] = [136, 152];
const STEP: usize = 4;
const REAL_STEP: usize = 16;

fn fixture() -> Fixture {
    Fixture::read(include_bytes!("fixture.safetensors"))
}

/// `SplitMix64` of the places from `start` on, its upper 24 bits as numbers in [-1, 1).
fn uniform(start: u64, count: usize) -> Vec<f32> {
    let value = |i: u64| {
        let z = (start + i + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) >> 40) as f32 / 8_388_608.0 - 1.0
    };
    (0..count as u64).map(value).collect()
}

/// Weights of the rule, under the authors' names.
fn weights(config: &RaftConfig) -> WeightFile {
    let network = Raft::new(&mut Init::new(0, &Device::flex()), config).unwrap();
    let shapes = public_shapes(&network, |path| RaftNaming::Original.rename(path, config));
    let (mut file, mut start) = (WeightFile::default(), SEED << 40);
    for (name, shape) in shapes {
        let count = shape.iter().product::<usize>();
        let mut values = uniform(start, count);
        start += count as u64;
        let inputs = count / shape[0];
        for value in &mut values {
            *value = match shape.len() {
                1 if name.ends_with("running_var") => 1.0 + 0.5 * *value,
                1 if name.ends_with(".weight") => 1.0 + 0.1 * *value,
                1 => 0.1 * *value,
                _ => *value * (6.0 / inputs as f64).sqrt() as f32,
            };
        }
        file.tensors.insert(name, (shape, values));
    }
    file
}

fn network(config: &RaftConfig) -> Raft {
    Raft::load("rule", &weights(config), config, &Device::flex()).unwrap()
}

/// First and second pictures in [-1, 1].
fn pictures() -> [Tensor<4>; 2] {
    let [height, width] = SIZE;
    let shape = [2, 3, height, width];
    let count = shape.iter().product::<usize>();
    let levels = uniform(1 << 40, 2 * count);
    [0, 1].map(|i| {
        let level = |v: &f32| ((v + 1.0) * 128.0).floor() / 127.5 - 1.0;
        let pixels = levels[i * count..(i + 1) * count].iter().map(level).collect::<Vec<_>>();
        Tensor::from_data(TensorData::new(pixels, shape), &Device::flex())
    })
}

/// A flow to start from.
fn start() -> Tensor<4> {
    let shape = [2, 2, SIZE[0] / 8, SIZE[1] / 8];
    let flow = uniform(2 << 40, shape.iter().product()).iter().map(|v| 3.0 * v).collect::<Vec<_>>();
    Tensor::from_data(TensorData::new(flow, shape), &Device::flex())
}

/// Every so many pixels along both axes.
fn sampled(flow: &Tensor<4>, step: usize) -> Vec<f32> {
    let [.., height, width] = flow.dims();
    let values = values(flow.clone());
    let of = |(i, v): (usize, &f32)| {
        let (y, x) = (i / width % height, i % width);
        (y % step == 0 && x % step == 0).then_some(*v)
    };
    values.iter().enumerate().filter_map(of).collect()
}

fn agrees(name: &str, config: &RaftConfig) {
    let (fixture, raft, [first, second]) = (fixture(), network(config), pictures());
    let features = raft.features(first.clone()).unwrap();
    let eighth = features.dims()[1] / 8;
    let every = (0..eighth).map(|i| features.clone().narrow(1, 8 * i, 1)).collect();
    fixture.close(&format!("{name}.features"), &values(Tensor::cat(every, 1)), BLOCK);
    for similarities in [Similarities::AllPairs, Similarities::OnDemand] {
        let similarities = Some(similarities);
        for (case, iterations, start) in [("", 3, None), ("warm.", 1, Some(start()))] {
            let options = RaftOptions { iterations, similarities };
            let flow = raft.forward(first.clone(), second.clone(), start, &options).unwrap();
            fixture.close(&format!("{name}.{case}coarse"), &values(flow.coarse), MODEL);
            assert_eq!(flow.full.dims(), [2, 2, SIZE[0], SIZE[1]]);
            fixture.close(&format!("{name}.{case}full"), &sampled(&flow.full, STEP), MODEL);
        }
    }
}

#[test]
fn large() {
    agrees("large", &RaftConfig::large());
}

#[test]
fn small() {
    agrees("small", &RaftConfig::small());
}

#[test]
fn flow_is_carried_along_itself() {
    fixture().close("carried", &values(carried(start())), 0.0);
}

#[test]
fn weights_that_do_not_fit_are_named() {
    let (large, small) = (RaftConfig::large(), RaftConfig::small());
    let mut file = weights(&small);
    assert_eq!(RaftConfig::of("file", &file).unwrap(), small);
    let device = Device::flex();
    let error = Raft::load("file", &file, &large, &device).unwrap_err().to_string();
    assert!(error.contains("78 missing") && error.contains("30 unused"), "{error}");
    let bias = file.tensors.remove("cnet.conv1.bias").unwrap();
    file.tensors.insert("cnet.conv9.bias".into(), bias);
    let error = Raft::load("file", &file, &small, &device).unwrap_err().to_string();
    assert!(error.contains("1 missing: cnet.conv1.bias"), "{error}");
    assert!(error.contains("1 unused: cnet.conv9.bias"), "{error}");
    let error = RaftConfig::of("file", &WeightFile::default()).unwrap_err().to_string();
    assert!(error.contains("expected RAFT's flow_head"), "{error}");
}

#[test]
fn what_cannot_be_looked_at_is_refused() {
    let config = RaftConfig { widths: [4, 4, 4, 4], ..RaftConfig::small() };
    let raft = Raft::new(&mut Init::new(1, &Device::flex()), &config).unwrap();
    let pixels = |shape: [usize; 4]| Tensor::<4>::zeros(shape, &Device::flex());
    for shape in [[1, 3, 128, 132], [1, 3, 120, 128], [1, 4, 128, 128]] {
        let error = raft.features(pixels(shape)).unwrap_err().to_string();
        assert!(error.contains("expected"), "{shape:?}: {error}");
    }
    let [a, b] = [pixels([1, 3, 128, 136]), pixels([1, 3, 128, 128])];
    let options = RaftOptions::default();
    assert!(raft.forward(a.clone(), b, None, &options).is_err());
    let start = Some(Tensor::zeros([1, 2, 17, 16], &Device::flex()));
    let error = raft.forward(a.clone(), a.clone(), start, &options).unwrap_err().to_string();
    assert!(error.contains("flow to start from"), "{error}");
    let none = RaftOptions { iterations: 0, ..options };
    assert!(raft.forward(a.clone(), a, None, &none).is_err());
    let none = RaftConfig { compared: Vec::new(), ..config };
    assert!(Raft::new(&mut Init::new(1, &Device::flex()), &none).is_err());
}

#[test]
fn the_real_small_network_on_two_frames() {
    let Ok(data) = std::env::var("THRUMASK_TEST_DATA") else {
        eprintln!("skipped: THRUMASK_TEST_DATA is not set");
        return;
    };
    let data = Path::new(&data).join("raft-small");
    let raft = Raft::open(data.join("raft-small.pth"), &Device::flex()).unwrap();
    assert_eq!(raft.config(), &RaftConfig::small());
    let [first, second] =
        ["frame_0016.png", "frame_0017.png"].map(|name| Picture::read(data.join(name)).unwrap());
    let expected = Fixture::read(include_bytes!("real.safetensors"));
    let [_, rows, columns] = expected.shape("flow")[..] else { panic!("a flow") };
    let expected = expected.values("flow");
    for similarities in [Similarities::AllPairs, Similarities::OnDemand] {
        let options = RaftOptions { iterations: 20, similarities: Some(similarities) };
        let flow = raft.flow(&first, &second, &options).unwrap();
        let mut errors = Vec::new();
        for (y, x) in (0..rows).flat_map(|y| (0..columns).map(move |x| (y, x))) {
            let of = |axis: usize| expected[(axis * rows + y) * columns + x];
            let [dx, dy] = flow.at(x * REAL_STEP, y * REAL_STEP);
            errors.push((dx - of(0)).hypot(dy - of(1)));
        }
        let mean = errors.iter().sum::<f32>() / errors.len() as f32;
        let worst = errors.iter().fold(0.0f32, |a, &b| a.max(b));
        println!("{similarities:?}: {mean:.1e} px apart in the mean, {worst:.1e} at most");
        assert!(mean < 1e-3, "{similarities:?}: {mean} px apart in the mean");
        assert!(worst < 1e-2, "{similarities:?}: {worst} px apart");
    }
}

/// Names of a tensor by the authors and in torchvision, and its shape.
type Row = (String, String, Vec<usize>);

/// Every tensor of the full-size networks in both namings, and the authors' files as they are.
#[test]
fn every_public_tensor_has_its_place() {
    let text = include_str!("../manifests/raft.json");
    let mut rows: BTreeMap<String, Vec<Row>> = serde_json::from_str(text).unwrap();
    for (name, config, count) in
        [("large", RaftConfig::large(), 5_260_431), ("small", RaftConfig::small(), 990_162)]
    {
        let rows = rows.remove(name).unwrap();
        let values = |row: &Row| row.2.iter().product::<usize>();
        assert_eq!(rows.iter().map(values).sum::<usize>(), count, "{name}");
        let is_count = |name: &str| name.ends_with("num_batches_tracked");
        for naming in [RaftNaming::Original, RaftNaming::Torchvision] {
            let called = |row: &Row| match naming {
                RaftNaming::Original => row.0.clone(),
                RaftNaming::Torchvision => row.1.clone(),
            };
            let mut file = WeightFile::default();
            for row in &rows {
                // The networks' own files have a word before each name, and shortcuts' norms twice.
                let prefix = if naming == RaftNaming::Original { "module." } else { "" };
                let tensor = (row.2.clone(), vec![0.5; values(row)]);
                let name = called(row);
                if let Some((block, leaf)) = name.split_once(".downsample.1.") {
                    file.tensors.insert(format!("{prefix}{block}.norm3.{leaf}"), tensor.clone());
                }
                file.tensors.insert(format!("{prefix}{name}"), tensor);
            }
            let twice = naming == RaftNaming::Torchvision;
            if twice {
                file.tensors.retain(|name, _| !name.contains(".norm3."));
            }
            assert_eq!(RaftConfig::of(name, &file).unwrap(), config);
            Raft::load(name, &file, &config, &Device::flex()).unwrap();
            let network = Raft::new(&mut Init::new(0, &Device::flex()), &config).unwrap();
            let ours = public_shapes(&network, |path| naming.rename(path, &config));
            let theirs: BTreeMap<String, Vec<usize>> = rows
                .iter()
                .filter(|row| !is_count(&row.0))
                .map(|row| (called(row), row.2.clone()))
                .collect();
            assert_eq!(ours, theirs, "{name}, {naming:?}");
        }
    }
}
