// Object 1 by a mask and object 2 by points, followed forward; both corrected later and followed on; then
// backward. Shared with `examples/parity_case.rs`; the reference's side is `propagations` in `export.py`.

use std::collections::BTreeMap;

use burn::tensor::{Device, Tensor, TensorData};
use thrumask_core::Size;
use thrumask_nn::{
    perception::sam2::video::{
        Behavior, Direction, FrameMasks, Propagation, Sam2Video, VideoSession,
    },
    weights::WeightFile,
};

/// Pixels of the pictures that one number of the file stands for, each way.
const CELL: usize = 8;

/// Numbers for cells, as numbers for pixels.
pub fn large(file: &WeightFile, name: &str) -> Tensor<4> {
    let (shape, values) = &file.tensors[name];
    let [.., rows, columns] = shape[..] else { panic!("{name} of shape {shape:?}") };
    let planes = values.len() / rows / columns;
    let device = Device::flex();
    let x = Tensor::<4>::from_data(
        TensorData::new(values.clone(), [planes, 1, rows, columns]),
        &device,
    );
    let x: Tensor<5> = x.reshape([planes, rows, 1, columns, 1]);
    let x = x.expand([planes, rows, CELL, columns, CELL]);
    x.reshape([shape[0], planes / shape[0], rows * CELL, columns * CELL])
}

/// Adds the points of a tensor of columns, rows and labels; the labels 2 and 3 are a box.
fn prompt(session: &mut VideoSession, object: u8, frame: usize, file: &WeightFile, name: &str) {
    let rows: Vec<[f32; 3]> =
        file.tensors[name].1.chunks_exact(3).map(|r| [r[0], r[1], r[2]]).collect();
    if let [[x0, y0, 2.0], [x1, y1, 3.0], ..] = rows[..] {
        session.set_box(object, frame, [x0, y0, x1, y1]).unwrap();
    }
    let points: Vec<([f32; 2], bool)> =
        rows.iter().filter(|r| r[2] < 2.0).map(|&[x, y, label]| ([x, y], label == 1.0)).collect();
    session.add_points(object, frame, &points).unwrap();
}

/// Logits and scores by the names of the reference.
pub fn propagations(network: &Sam2Video, file: &WeightFile) -> BTreeMap<String, Vec<f32>> {
    let video = large(file, "video");
    let [frames, _, side, _] = video.dims();
    let (first, later) = (frames / 3, frames / 3 + 2);
    let mut session = VideoSession::new(frames, Size::new(side, side));
    session.behavior = Behavior::transformers();
    let mask = large_mask(file, side);
    session.set_mask(1, first, mask).unwrap();
    prompt(&mut session, 2, first, file, "points");
    let mut found = BTreeMap::new();
    let mut run = |name: &str, session: &mut VideoSession, from, direction| {
        let way = Propagation { from, direction, most: None };
        let mut note = |masks: FrameMasks| {
            let FrameMasks { frame, objects } = masks;
            let logits = objects.iter().flat_map(|o| o.logits.clone()).collect();
            found.insert(format!("{name}.{frame}.logits"), logits);
            let scores = objects.iter().map(|o| o.score).collect();
            found.insert(format!("{name}.{frame}.scores"), scores);
            Ok(())
        };
        network.propagate(session, &video, way, &mut note).unwrap();
    };
    run("forward", &mut session, first, Direction::Forward);
    prompt(&mut session, 1, later, file, "correction.1");
    prompt(&mut session, 2, later, file, "correction.2");
    run("corrected", &mut session, later, Direction::Forward);
    run("backward", &mut session, first, Direction::Backward);
    found
}

fn large_mask(file: &WeightFile, side: usize) -> Vec<bool> {
    let cells = &file.tensors["mask"].1;
    let at = |i: usize| cells[i / side / CELL * (side / CELL) + i % side / CELL] > 0.5;
    (0..side * side).map(at).collect()
}
