//! Stable Diffusion's autoencoder on a part of a video at a time: frames and bands of rows change
//! nothing, and frames do not see each other.
#![allow(clippy::unwrap_used)]

use burn::tensor::{Device, Tensor, TensorData};
use thrumask_nn::{
    autoencoder::kl::{AutoencoderKl, KlConfig, Portions},
    diffusion::noise::Noise,
    layers::Init,
    pixels::host_values,
};

/// How far a video in bands may lie from the whole one, as [`Portions::rows`] says.
const BOUND: f32 = 1e-4;

fn network() -> AutoencoderKl {
    // The depth of the full size, so that errors add up as there.
    let config = KlConfig {
        channels: vec![8, 8, 16, 16],
        blocks: 2,
        norm_groups: 4,
        scaling_factor: 1.0,
        ..KlConfig::sd15()
    };
    AutoencoderKl::new(&mut Init::new(7, &Device::flex()), &config).unwrap()
}

/// Normal numbers whose mean and deviation change from the top to the bottom, so that the moments of a
/// band are not those of the picture.
fn uneven(shape: [usize; 5], seed: u64) -> Tensor<5> {
    let count: usize = shape.iter().product();
    let plane = shape[3] * shape[4];
    let mut values = Noise::new(seed, "test").normals(0, count);
    for (i, v) in values.iter_mut().enumerate() {
        let down = (i % plane / shape[4]) as f32 / shape[3] as f32;
        *v = *v * (0.2 + down) + 2.0 * down - 1.0;
    }
    Tensor::from_data(TensorData::new(values, shape), &Device::flex())
}

fn apart(a: Tensor<5>, b: Tensor<5>) -> f32 {
    assert_eq!(a.dims(), b.dims());
    let pairs = host_values(a).into_iter().zip(host_values(b));
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn deviation(x: Tensor<5>) -> f32 {
    let values = host_values(x);
    let mean = values.iter().sum::<f32>() / values.len() as f32;
    (values.iter().map(|v| (v - mean).powi(2)).sum::<f32>() / values.len() as f32).sqrt()
}

#[test]
fn bands_have_no_seams() {
    let kl = network();
    // Last bands of all heights, bands of the least height, an odd one, a picture lower than a band.
    for (height, rows) in [(72, 16), (96, 32), (40, 1), (56, 9), (64, 48), (24, 64), (128, 64)] {
        let pixels = uneven([1, 3, 2, height, 40], 1);
        let latents = uneven([1, 4, 2, height / 8, 5], 2);
        let encode = |portions| kl.encode(pixels.clone(), portions).unwrap();
        let decode = |portions| kl.decode(latents.clone(), portions).unwrap();
        let (encoded, decoded) = (encode(Portions::FRAMES), decode(Portions::FRAMES));
        assert!(deviation(encoded.clone()) > 0.3 && deviation(decoded.clone()) > 0.3);
        let bands = Portions::bands(rows);
        let (in_bands, out_of_bands) = (encode(bands), decode(bands));
        let found = [apart(encoded, in_bands), apart(decoded, out_of_bands)];
        println!("{height} rows in bands of {rows}: {found:?}");
        assert!(found.iter().all(|&d| d < BOUND), "{height} rows in bands of {rows}: {found:?}");
    }
}

#[test]
fn bands_by_themselves_would_differ() {
    // What the test above can see: bands that know nothing of each other.
    let kl = network();
    let latents = uneven([1, 4, 1, 12, 5], 2);
    let whole = kl.decode(latents.clone(), Portions::FRAMES).unwrap();
    let parts = (0..3).map(|i| {
        let part = latents.clone().narrow(3, 4 * i, 4);
        kl.decode(part, Portions::FRAMES).unwrap()
    });
    let parts = Tensor::cat(parts.collect(), 3);
    assert!(apart(whole, parts) > 1000.0 * BOUND);
}

#[test]
fn portions_of_frames_change_nothing() {
    let kl = network();
    let pixels = uneven([2, 3, 3, 16, 24], 3);
    let encode = |x: &Tensor<5>, frames| {
        let portions = Portions { frames, rows: None };
        let latents = kl.encode(x.clone(), portions).unwrap();
        (host_values(latents.clone()), host_values(kl.decode(latents, portions).unwrap()))
    };
    let all = encode(&pixels, 6);
    for frames in [0, 1, 4] {
        assert!(encode(&pixels, frames) == all, "{frames} frames at a time");
    }
    // The second frame of the second video, by itself.
    let one = pixels.narrow(0, 1, 1).narrow(2, 1, 1);
    let (latents, back) = encode(&one, 1);
    let frame = |values: &[f32], channels: usize, plane: usize| -> Vec<f32> {
        let at = |c: usize| ((channels + c) * 3 + 1) * plane;
        (0..channels).flat_map(|c| values[at(c)..at(c) + plane].to_vec()).collect()
    };
    assert!(latents == frame(&all.0, 4, 2 * 3));
    assert!(back == frame(&all.1, 3, 16 * 24));
}

#[test]
fn what_does_not_fit_is_refused() {
    let kl = network();
    let pixels = |c, h| kl.encode(uneven([1, c, 1, h, 16], 4), Portions::FRAMES).is_err();
    assert!(pixels(4, 16) && pixels(3, 20) && !pixels(3, 16));
    assert!(kl.decode(uneven([1, 3, 1, 2, 2], 4), Portions::FRAMES).is_err());
    let posterior = kl.posterior(uneven([1, 3, 1, 16, 16], 4), Portions::FRAMES).unwrap();
    assert!(posterior.sample(uneven([1, 4, 1, 2, 3], 4)).is_err());
}
