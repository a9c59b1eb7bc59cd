//! Networks that look at pictures and videos.

use burn::tensor::{Device, Tensor, TensorData};
use thrumask_nn::{
    perception::{
        grounding_dino::{GroundingDino, GroundingDinoConfig, Pictures, Texts},
        raft::{Raft, RaftConfig, RaftOptions, Similarities},
        sam2::{DecoderInput, PointKind, PromptPoint, Sam2, Sam2Config, video::Sam2Video},
    },
    weights::{WeightFile, only_prefix},
};

use super::{insert, tensor};

#[path = "../../tests/parity/sam2_video/scenario.rs"]
mod sam2_scenario;

/// Flow from one picture to another, by all pairs and on demand, small or large by the weights.
pub fn raft(file: &WeightFile, out: &mut WeightFile) {
    let state = only_prefix(file, "state.");
    let config = RaftConfig::of("state", &state).unwrap();
    let network = Raft::load("state", &state, &config, &Device::flex()).unwrap();
    for (name, similarities) in
        [("", Similarities::AllPairs), ("on_demand.", Similarities::OnDemand)]
    {
        let iterations = file.metadata["config"].parse().unwrap();
        let options = RaftOptions { iterations, similarities: Some(similarities) };
        let [first, second, start] = ["first", "second", "start"].map(|n| tensor::<4>(file, n));
        let flow = network.forward(first, second, Some(start), &options).unwrap();
        insert(out, &format!("{name}coarse"), flow.coarse);
        insert(out, &format!("{name}full"), flow.full);
    }
}

pub fn grounding_dino(file: &WeightFile, out: &mut WeightFile) {
    let config = GroundingDinoConfig::from_transformers(&file.metadata["config"]).unwrap();
    let state = only_prefix(file, "state.");
    let network = GroundingDino::load("state", &state, &config, &Device::flex()).unwrap();
    let numbers = |name: &str| file.tensors[name].1.iter().map(|&n| n as usize).collect::<Vec<_>>();
    let (ids, lengths) = (numbers("ids"), numbers("lengths"));
    let rows = ids.chunks(ids.len() / lengths.len()).zip(&lengths);
    let rows: Vec<Vec<u32>> =
        rows.map(|(row, &length)| row[..length].iter().map(|&id| id as u32).collect()).collect();
    let texts = Texts::new(&rows, &[101, 102, 1012, 1029], 0, config.max_tokens).unwrap();
    let sizes = numbers("sizes").chunks(2).map(|size| [size[0], size[1]]).collect();
    let pictures = Pictures { pixels: tensor::<4>(file, "pixels"), sizes };
    let scored = network.forward(&pictures, &texts).unwrap();
    insert(out, "read", network.read(&texts).unwrap());
    insert(out, "boxes", scored.boxes);
    // What stands in the place of padding means nothing.
    let padding = |row: &usize| {
        (0..texts.tokens()).map(|i| if i < *row { 1.0 } else { 0.0 }).collect::<Vec<f32>>()
    };
    let mask = TensorData::new(
        lengths.iter().flat_map(padding).collect(),
        [lengths.len(), 1, texts.tokens()],
    );
    insert(out, "logits", scored.logits * Tensor::<3>::from_data(mask, &Device::flex()));
}

/// Masks of a picture's objects, each of a box, of points, of both, and with a mask that is known roughly.
pub fn sam2(file: &WeightFile, out: &mut WeightFile) {
    let config = Sam2Config::from_transformers(&file.metadata["config"]).unwrap();
    let state = only_prefix(file, "state.");
    let network = Sam2::load("state", &state, &config, &Device::flex()).unwrap();
    let levels = network.image_encoder.forward(tensor(file, "pixels")).levels;
    for (i, level) in levels.iter().enumerate() {
        insert(out, &format!("level{i}"), level.clone());
    }
    let [finest, finer, features] = levels;
    let width = config.width;
    let features = features + network.no_memory.value.val().reshape([1, width, 1, 1]);
    let values = |name: &str| file.tensors[name].1.as_slice();
    let (objects, count) = (file.tensors["points"].0[0], file.tensors["points"].0[1]);
    let point = |at: &[f32], kind| PromptPoint { x: at[0], y: at[1], kind };
    let corners = |i: usize| {
        let bounds = &values("boxes")[4 * i..];
        vec![point(bounds, PointKind::TopLeft), point(&bounds[2..], PointKind::BottomRight)]
    };
    let points = |i: usize| -> Vec<PromptPoint> {
        let kinds = [PointKind::Outside, PointKind::Inside];
        let at = |j: usize| point(&values("points")[2 * j..], kinds[values("labels")[j] as usize]);
        (i * count..(i + 1) * count).map(at).collect()
    };
    for (case, boxed, pointed, masked) in
        [("box", true, false, false), ("points", false, true, false), ("all", true, true, true)]
    {
        let of = |i: usize| {
            let corners = if boxed { corners(i) } else { Vec::new() };
            [corners, if pointed { points(i) } else { Vec::new() }].concat()
        };
        let prompts: Vec<Vec<PromptPoint>> = (0..objects).map(of).collect();
        let mask = masked.then(|| tensor::<4>(file, "mask").repeat_dim(0, objects));
        let input = DecoderInput {
            features: features.clone(),
            fine: [finest.clone(), finer.clone()],
            positions: network.prompt_encoder.picture_positions(),
            prompts: network.prompt_encoder.forward(&prompts, mask).unwrap(),
        };
        for (multimask, name) in [(true, "several"), (false, "single")] {
            let found = network.mask_decoder.forward(input.clone(), multimask);
            insert(out, &format!("{case}.{name}.masks"), found.masks);
            insert(out, &format!("{case}.{name}.iou"), found.iou);
            insert(out, &format!("{case}.{name}.object"), found.object_score);
        }
    }
}

/// Logits and scores of two objects that are followed through a video.
pub fn sam2_video(file: &WeightFile, out: &mut WeightFile) {
    let config = Sam2Config::from_transformers(&file.metadata["config"]).unwrap();
    let state = only_prefix(file, "state.");
    let network = Sam2Video::load("state", &state, &config, &Device::flex()).unwrap();
    let side = config.mask_size();
    for (name, values) in sam2_scenario::propagations(&network, file) {
        let shape = match name.ends_with("logits") {
            true => vec![values.len() / side / side, side, side],
            false => vec![values.len()],
        };
        out.tensors.insert(name, (shape, values));
    }
}
