//! Tiny autoencoders against diffusers' `AutoencoderTiny` and TAEF2's definition, and the real TAEF2 where
//! `THRUMASK_TEST_DATA` has it.

use burn::tensor::{Device, Tensor};
use thrumask_core::{Picture, Size};
use thrumask_nn::{
    autoencoder::tiny::{TinyAutoencoder, TinyConfig},
    pixels::{clips_from_pixels, pixels_from_frames},
    weights::{WeightFile, only_prefix},
};

use crate::fixture::{BLOCK, Fixture, values};

fn fixture() -> Fixture {
    Fixture::read(include_bytes!("fixture.safetensors"))
}

fn narrow(pooled: bool) -> TinyConfig {
    TinyConfig { latent_channels: 3, width: 4, pooled }
}

fn plain(fixture: &Fixture) -> TinyAutoencoder {
    let state = only_prefix(&fixture.0, "plain.state.");
    TinyAutoencoder::load_diffusers("plain", &state, &narrow(false), &Device::flex()).unwrap()
}

fn pooled(fixture: &Fixture, config: &TinyConfig) -> thrumask_nn::Result<TinyAutoencoder> {
    let [encoder, decoder] =
        ["encoder", "decoder"].map(|half| only_prefix(&fixture.0, &format!("pooled.{half}.")));
    TinyAutoencoder::load("pooled", [&encoder, &decoder], config, &Device::flex())
}

#[test]
fn latents_and_pictures() {
    let (fixture, device) = (fixture(), Device::flex());
    let input = |name: &str| fixture.tensor::<4>(name, &device).swap_dims(0, 1).unsqueeze::<5>();
    let frames = |x: Tensor<5>| values(x.squeeze_dim::<4>(0).swap_dims(0, 1));
    let both = [("plain", plain(&fixture)), ("pooled", pooled(&fixture, &narrow(true)).unwrap())];
    for (case, network) in both {
        for count in [1, 2] {
            let encoded = network.encode(input("pixels"), count).unwrap();
            fixture.close(&format!("{case}.encoded"), &frames(encoded), BLOCK);
            let decoded = network.decode(input("latents"), count).unwrap();
            fixture.close(&format!("{case}.decoded"), &frames(decoded), BLOCK);
        }
        assert!(network.encode(input("pixels").narrow(3, 0, 12), 1).is_err());
        assert!(network.encode(input("pixels").narrow(1, 0, 2), 1).is_err());
        assert!(network.decode(input("latents").narrow(1, 0, 2), 1).is_err());
    }
}

#[test]
fn weights_that_do_not_fit_are_named() {
    let fixture = fixture();
    let error = pooled(&fixture, &narrow(false)).unwrap_err().to_string();
    assert!(error.contains("12 unused") && error.contains("11.pool.0.weight"), "{error}");
    let wide = TinyConfig { latent_channels: 5, ..narrow(true) };
    let error = pooled(&fixture, &wide).unwrap_err().to_string();
    assert!(error.contains("14.weight has shape [3, 4, 3, 3] where [5, 4, 3, 3]"), "{error}");
}

/// Photographs, left and top of a crop of 128 × 128, and the peak signal-to-noise ratio in dB that the
/// exporter's PyTorch reaches on it: most on smooth ones, less on busy ones.
const CROPS: [(&str, usize, usize, f64); 4] = [
    ("penguins", 0, 0, 40.82),
    ("penguins", 512, 144, 39.18),
    ("bear", 0, 0, 36.55),
    ("robot", 448, 224, 29.92),
];

#[test]
fn photographs_through_the_real_network() {
    let Ok(data) = std::env::var("THRUMASK_TEST_DATA") else {
        eprintln!("skipped: THRUMASK_TEST_DATA is not set");
        return;
    };
    let (data, device) = (std::path::Path::new(&data), Device::flex());
    let [encoder, decoder] = ["encoder", "decoder"].map(|half| {
        let bytes = std::fs::read(data.join(format!("taef2/taef2_{half}.pth"))).unwrap();
        WeightFile::read_torch(half, &bytes).unwrap()
    });
    let halves: [&dyn thrumask_nn::weights::TensorSource; 2] = [&encoder, &decoder];
    let network = TinyAutoencoder::load("TAEF2", halves, &TinyConfig::taef2(), &device).unwrap();
    for (name, left, top, expected) in CROPS {
        let photo = Picture::read(data.join(format!("photos/{name}.png"))).unwrap();
        let row = |y| (left..left + 128).flat_map(move |x| [x, y]);
        let at = (top..top + 128).flat_map(row).collect::<Vec<_>>();
        let rgb = at.chunks(2).flat_map(|at| photo.pixel(at[0], at[1])).collect();
        let crop = Picture::new(Size::new(128, 128), rgb).unwrap();
        let pixels = pixels_from_frames(&[std::slice::from_ref(&crop)], &device).unwrap();
        let latents = network.encode(pixels, 1).unwrap();
        assert_eq!(latents.dims(), [1, 32, 1, 16, 16]);
        let back = network.decode(latents, 1).unwrap();
        let back = clips_from_pixels(back, 1.0).unwrap().remove(0);
        let pairs = back.frames()[0].rgb().iter().zip(crop.rgb());
        let error: f64 = pairs.map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum();
        let ratio = 10.0 * (255f64.powi(2) / (error / crop.rgb().len() as f64)).log10();
        println!("{name} at {left}, {top}: {ratio:.2} dB");
        assert!((ratio - expected).abs() < 0.05, "{name} at {left}, {top}: {ratio} dB");
    }
}
