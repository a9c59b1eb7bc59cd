//! Draws `examples/two-cars.png`: a blue car on the left and a red one on the right, staged by hand
//! in the world's style, so that it is a picture of no split.
//!
//!     cargo run --release -p thrumask-cli --example two_cars -- examples/two-cars.png

// Helpers of tests and examples may unwrap as the tests themselves do.
#![allow(clippy::unwrap_used)]

use anyhow::{Context, Result};
use thrumask::world::{
    Backdrop, Color, Family, Kind, Pose, SizeClass, Split, Texture, WorldConfig, scene,
};

/// Rows and columns of the picture.
const SIZE: usize = 384;

fn main() -> Result<()> {
    let output = std::env::args().nth(1).context("expected the file to write")?;
    // Any scene of two gives the frame that the two cars are put into.
    let config = WorldConfig { objects: 2..=2, ..WorldConfig::default() };
    let mut staged = scene(&config, Split::Test, 0)?;
    staged.backdrop = Backdrop { family: Family::Road, seed: 7 };
    let cars = [(Color::Red, [0.70, 0.68], false), (Color::Blue, [0.26, 0.66], false)];
    for (depth, (object, (color, at, faces_left))) in
        staged.objects.iter_mut().zip(cars).enumerate()
    {
        object.kind = Kind::Car;
        object.color = color;
        object.texture = Texture::Plain;
        object.size = SizeClass::Large;
        object.faces_left = faces_left;
        object.depth = depth;
        object.poses = vec![Pose { at, scale: 0.30, angle: 0.0, phase: 0.0 }; staged.frames];
    }
    staged.first_frame(SIZE)?.write_png(output)?;
    Ok(())
}
