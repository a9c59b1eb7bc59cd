//! The colour wheel of optical flow against the flow_vis package.

use thrumask_core::{FlowField, FlowWheel, Size};

use crate::fixture::Fixture;

#[test]
fn middlebury_wheel() {
    let fixture = Fixture::read(include_bytes!("fixture.safetensors"));
    let [height, width, 2] = *fixture.shape("flow") else { panic!("[H, W, 2]") };
    // A power of two as the greatest displacement leaves the shares of it as they are.
    let vectors = fixture.values("flow").chunks_exact(2).map(|v| [v[0] * 8.0, v[1] * 8.0]);
    let flow = FlowField::new(Size::new(width, height), vectors.collect()).unwrap();
    let picture = FlowWheel::new(8.0).unwrap().picture(&flow);
    let colors = fixture.values("colors");
    assert_eq!(picture.rgb().len(), colors.len());
    let off = |(&ours, &theirs): (&u8, &f32)| (f32::from(ours) - theirs).abs();
    let off: Vec<f32> = picture.rgb().iter().zip(colors).map(off).collect();
    // Levels are cut off, not rounded, so that the last bit of an arc tangent may take one away.
    assert!(off.iter().all(|&v| v <= 1.0), "{off:?}");
    let different = off.iter().filter(|&&v| v > 0.0).count();
    assert!(different * 100 <= off.len(), "{different} of {} levels differ", off.len());
}
