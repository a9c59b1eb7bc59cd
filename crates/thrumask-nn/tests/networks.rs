//! The networks as a whole: object counts, parameter counts, locality, gradients, and results that
//! depend on neither batch neighbours nor threads.

#![allow(clippy::unwrap_used, clippy::single_range_in_vec_init, clippy::type_complexity)]

mod common;

use burn::tensor::{Device, Tensor};
use common::*;
use thrumask_core::{LabelMap, Size, Trajectory};
use thrumask_nn::{
    autoencoder::{Autoencoder, AutoencoderConfig},
    backbone::{
        Denoiser, DenoiserInput, FirstFrame, ObjectContext, ObjectGrid, ObjectLayers,
        dit::{Dit, DitConfig},
        groups::Visibility,
    },
    layers::{Context, Init, KeyMask},
    text::{TextEncoder, TextEncoderConfig, Vocabulary},
    weights::{gradients, parameters, with_values},
};

/// Two frames in which objects `1..=count` lie side by side.
fn trajectory(count: usize) -> Trajectory {
    let size = Size::new(16, 16);
    let ids: Vec<u8> = (0..size.area()).map(|i| (i * (count + 1) / size.area()) as u8).collect();
    let frame = LabelMap::new(size, ids).unwrap();
    Trajectory::new(vec![frame.clone(), frame], count, 8.0).unwrap()
}

/// As the stages build it: with no object, one prompt that does not exist.
fn objects_of(trajectory: &Trajectory, grid: [usize; 3], prompts: Tensor<3>) -> ObjectContext {
    let grid = ObjectGrid::new(trajectory, grid, Visibility::Box).unwrap();
    let count = trajectory.objects();
    let padded = prompts.dims()[1] / count.max(1);
    let lengths = vec![if count == 0 { vec![0] } else { vec![padded; count] }];
    let grids = [grid];
    let visible = ObjectGrid::visibility(&grids, &lengths, padded).unwrap();
    ObjectContext {
        groups: ObjectGrid::groups(&grids).unwrap(),
        prompts: Context::new(prompts, KeyMask::Prompts(visible)),
    }
}

#[test]
fn no_object_and_twenty_objects_work() {
    let masked = config(layers(MASKED, MASKED));
    let device = Device::flex().autodiff();
    let network = network(&masked, 1, &device);
    for count in [0, 1, 20] {
        let shape = [1, 2 * count.max(1), TEXT];
        let prompts = tensor(normal("prompts", 1, shape), shape, &device).require_grad();
        let objects = objects_of(&trajectory(count), masked.grid(), prompts.clone());
        let out = network.predict(&input(&masked, 1, 1, Some(objects), &device)).unwrap();
        assert!(values(&out).iter().all(|v| v.is_finite()), "{count} objects");
        let found = (out.clone() * out).sum().backward();
        let to_prompts = prompts.grad(&found).map_or(vec![0.0; 2 * TEXT], |g| values(&g));
        for (i, prompt) in to_prompts.chunks_exact(2 * TEXT).enumerate() {
            assert!(prompt.iter().all(|g| g.is_finite()));
            let heard = prompt.iter().any(|&g| g != 0.0);
            assert_eq!(heard, count > 0, "prompt {i} of {count} objects");
        }
        assert!(gradients(&network, found).iter().flatten().flatten().all(|g| g.is_finite()));
    }
}

#[test]
fn without_objects_masked_self_attention_is_attention_over_all() {
    let (masked, unmasked) = (config(layers(MASKED, MASKED)), config(layers(UNMASKED, ABSENT)));
    let device = Device::flex();
    let a = network(&masked, 2, &device);
    let mut file = thrumask_nn::weights::WeightFile::default();
    file.insert_module("", &a);
    let (b, report) = file.load_report("", network(&unmasked, 3, &device));
    assert!(report.missing.is_empty() && report.mis_shaped.is_empty(), "{report}");
    let shape = [1, 2, TEXT];
    let prompts = tensor(normal("prompts", 2, shape), shape, &device);
    let objects = objects_of(&trajectory(0), masked.grid(), prompts);
    let a = a.predict(&input(&masked, 2, 1, Some(objects), &device)).unwrap();
    let b = b.predict(&input(&unmasked, 2, 1, None, &device)).unwrap();
    for (a, b) in values(&a).iter().zip(values(&b)) {
        assert!((a - b).abs() < 1e-5, "{a} against {b}");
    }
}

#[test]
fn the_baseline_has_as_many_parameters_as_the_model() {
    let count = |config: &DitConfig| -> usize {
        let network = network(config, 1, &Device::flex());
        parameters(&network).iter().map(|p| p.values.len()).sum()
    };
    let masked = count(&config(layers(MASKED, MASKED)));
    assert_eq!(masked, count(&config(layers(UNMASKED, UNMASKED))));
    let ablations = [(MASKED, ABSENT), (ABSENT, MASKED), (ABSENT, ABSENT)];
    let [own, cross, none] = ablations.map(|(s, c)| count(&config(layers(s, c))));
    assert!(none < own && own < masked && none < cross && cross < masked);
    assert_eq!(masked - none, (own - none) + (cross - none));
    let few = ObjectLayers { blocks: 1, ..layers(MASKED, MASKED) };
    assert_eq!(2 * (count(&config(few)) - none), masked - none, "one of two blocks");
}

#[test]
fn a_masked_network_without_objects_is_refused() {
    let device = Device::flex();
    let masked = config(layers(MASKED, ABSENT));
    let network = network(&masked, 1, &device);
    let error = network.predict(&input(&masked, 1, 1, None, &device)).unwrap_err();
    assert!(error.to_string().contains("objects"), "{error}");
}

#[test]
fn wrong_shapes_are_refused_by_name() {
    let device = Device::flex();
    let plain = config(ObjectLayers::NONE);
    let network = network(&plain, 1, &device);
    let good = input(&plain, 1, 2, None, &device);
    assert!(network.predict(&good).is_ok());
    let mut latents = good.clone();
    latents.latents = latents.latents.slice([0..2, 0..1]);
    let mut conditions = good.clone();
    conditions.conditions = conditions.conditions.latents.slice([0..1]).into();
    let mut time = good.clone();
    time.time.pop();
    let mut text = good.clone();
    text.text.tokens = text.text.tokens.slice([0..2, 0..5, 0..TEXT - 1]);
    let bad = [("latents", latents), ("conditions", conditions), ("time", time), ("text", text)];
    for (name, input) in bad {
        let error = network.predict(&input).unwrap_err().to_string();
        assert!(error.contains(name) && error.contains("expected"), "{name}: {error}");
    }
}

#[test]
fn impossible_configurations_are_refused_by_field() {
    let good = config(layers(MASKED, MASKED));
    let bad: [(&str, fn(&mut DitConfig)); 7] = [
        ("patch", |c| c.patch = [1, 3, 2]),
        ("patch", |c| c.patch = [0, 2, 2]),
        ("heads", |c| c.heads = 5),
        ("heads", |c| c.heads = 0),
        ("object_layers.blocks", |c| c.object_layers.blocks = 3),
        ("rotary.pairs", |c| c.width = 24),
        ("object_layers.gate_start", |c| c.object_layers.gate_start = 1.0),
    ];
    for (field, spoil) in bad {
        let mut config = good.clone();
        spoil(&mut config);
        let error = Dit::new(&mut Init::new(1, &Device::flex()), &config).unwrap_err();
        assert!(error.to_string().contains(field), "{field}: {error}");
    }
}

/// Without attention a token is alone, so a latent value reaches its own patch and no other.
#[test]
fn patches_come_out_where_they_went_in() {
    let mut plain = config(ObjectLayers::NONE);
    plain.latent_size = [2, 6, 8];
    plain.patch = [2, 3, 4];
    let device = Device::flex();
    let network = object_layers_only(network(&plain, 4, &device));
    let good = input(&plain, 4, 1, None, &device);
    let before = bits(&network.predict(&good).unwrap());
    for (t, y, x) in [(0, 0, 0), (1, 2, 3), (0, 3, 1), (1, 5, 7)] {
        let mut latents = values(&good.latents);
        latents[(t * 6 + y) * 8 + x] += 3.0;
        let latents = tensor(latents, good.latents.dims(), &device);
        let after = bits(&network.predict(&DenoiserInput { latents, ..good.clone() }).unwrap());
        for (i, (a, b)) in before.iter().zip(&after).enumerate() {
            let (column, row) = (i % 8, i / 8 % 6);
            let same_patch = (row / 3, column / 4) == (y / 3, x / 4);
            assert!(a == b || same_patch, "({t}, {y}, {x}) changed row {row}, column {column}");
        }
        assert_ne!(before, after);
    }
}

/// The gradient of the whole network, as a slope along one random direction in all parameters.
#[test]
fn gradients_are_slopes_and_reach_every_parameter() {
    for first_frame in [FirstFrame::None, FirstFrame::Residual, FirstFrame::Gated] {
        let mut config = config(layers(MASKED, MASKED));
        (config.first_frame, config.condition_channels) = (first_frame, 4);
        let objects = Objects::random(8, 2);
        let shape = objects.prompt_shape();
        let loss = |network: &Dit, device: &Device| {
            let prompts = tensor(normal("prompts", 8, shape), shape, device);
            let input = input(&config, 8, 2, Some(objects.context(prompts)), device);
            let out = network.predict(&input).unwrap();
            let weights = tensor(normal("weights", 8, out.dims()), out.dims(), device);
            (out * weights).sum()
        };
        let [slope, measured] = slopes(|device| network(&config, 8, device), loss);
        let error = (measured - slope).abs() / slope.abs().max(1.0);
        assert!(error < 0.02, "{first_frame:?}: slope {slope}, measured {measured}");
    }
}

#[test]
fn a_sample_does_not_depend_on_its_neighbours() {
    let device = Device::flex();
    let masked = config(layers(MASKED, MASKED));
    let network = network(&masked, 9, &device);
    let objects = Objects::random(9, 4);
    let shape = objects.prompt_shape();
    let prompts = tensor(normal("prompts", 9, shape), shape, &device);
    let all = input(&masked, 9, 4, None, &device);
    let KeyMask::Lengths(lengths) = &all.text.mask else { panic!("texts have lengths") };
    let predict = |rows: &[usize]| {
        // Among others, a text is padded to another length.
        let lengths: Vec<usize> = rows.iter().map(|&b| lengths[b]).collect();
        let longest = lengths.iter().copied().max().unwrap();
        let text = pick(&all.text.tokens, rows).slice([0..rows.len(), 0..longest]);
        let input = DenoiserInput {
            latents: pick(&all.latents, rows),
            time: rows.iter().map(|&b| all.time[b]).collect(),
            conditions: pick(&all.conditions.latents, rows).into(),
            text: Context::new(text, KeyMask::Lengths(lengths)),
            objects: vec![objects.rows(rows).context(pick(&prompts, rows))],
        };
        network.predict(&input).unwrap()
    };
    let together = predict(&[0, 1, 2, 3]);
    let row = |out: &Tensor<5>, b: usize| out.clone().slice([b..b + 1]);
    for rows in [[3, 1, 0, 2], [1, 1, 1, 1], [2, 2, 1, 1]] {
        let out = predict(&rows);
        for (i, b) in rows.into_iter().enumerate() {
            assert_eq!(bits(&row(&out, i)), bits(&row(&together, b)), "row {b} among {rows:?}");
        }
    }
    for b in 0..4 {
        assert_eq!(bits(&predict(&[b])), bits(&row(&together, b)), "row {b} alone");
    }
}

/// Rows of a batch, in another order.
fn pick<const D: usize>(batch: &Tensor<D>, rows: &[usize]) -> Tensor<D> {
    Tensor::cat(rows.iter().map(|&b| batch.clone().narrow(0, b, 1)).collect(), 0)
}

#[test]
fn threads_do_not_change_a_bit() {
    let masked = config(layers(MASKED, MASKED));
    let run = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| {
            let device = Device::flex().autodiff();
            let network = network(&masked, 9, &device);
            let objects = Objects::random(9, 3);
            let shape = objects.prompt_shape();
            let prompts = tensor(normal("prompts", 9, shape), shape, &device);
            let input = input(&masked, 9, 3, Some(objects.context(prompts)), &device);
            let out = network.predict(&input).unwrap();
            let found = bits(&out);
            let gradients = gradients(&network, (out.clone() * out).sum().backward());
            let gradients = gradients.into_iter().flatten().flatten().map(f32::to_bits);
            (found, gradients.collect::<Vec<_>>())
        })
    };
    let one = run(1);
    assert!(one == run(2) && one == run(3));
}

#[test]
fn a_text_does_not_depend_on_its_neighbours() {
    let words = "a red blue car cat moves jumps to the left right".split(' ').map(str::to_owned);
    let vocabulary = Vocabulary::new(words.collect()).unwrap();
    let sizes = TextEncoderConfig { width: 12, depth: 2, heads: 3, max_tokens: 9 };
    let device = Device::flex();
    let encoder = TextEncoder::new(&mut Init::new(1, &device), &sizes, vocabulary.len());
    let long = "the red car moves to the right and the blue cat jumps";
    let texts = ["the red car moves to the left", "", long, "zebra"];
    let together = encoder.encode(&vocabulary, &texts);
    let KeyMask::Lengths(lengths) = &together.mask else { panic!("texts have lengths") };
    // No vector was ever trained for a zebra.
    assert_eq!(lengths, &[8, 1, 9, 1]);
    for (b, text) in texts.iter().enumerate() {
        let alone = encoder.encode(&vocabulary, &[text]);
        let row = together.tokens.clone().slice([b..b + 1, 0..lengths[b]]);
        assert_eq!(bits(&alone.tokens), bits(&row), "{text:?}");
    }
}

#[test]
fn the_encoder_looks_at_one_patch_and_the_decoder_a_few_around() {
    let sizes = AutoencoderConfig {
        frames: 2,
        patch: 4,
        latent_channels: 3,
        encoder_width: 8,
        decoder_width: 6,
        decoder_blocks: 1,
    };
    let device = Device::flex();
    let autoencoder = Autoencoder::new(&mut Init::new(2, &device), &sizes).unwrap();
    let autoencoder = autoencoder.normalised(vec![0.1, -0.2, 0.3], vec![0.5, 2.0, 1.5]).unwrap();
    let shape = [1, 3, 4, 24, 32];
    let pixels = normal("pixels", 2, shape);
    let encode =
        |pixels: &[f32]| autoencoder.encode(tensor(pixels.to_vec(), shape, &device)).unwrap();
    let latents = encode(&pixels);
    assert_eq!(latents.dims(), [1, 3, 2, 6, 8]);

    // Pixel (frame 3, row 9, column 14) of the green channel lies in latent (1, 2, 3).
    let mut other = pixels.clone();
    other[((4 + 3) * 24 + 9) * 32 + 14] += 1.0;
    let changed = encode(&other);
    let differs: Vec<usize> = (bits(&latents).iter().zip(bits(&changed)).enumerate())
        .filter(|(_, (a, b))| *a != b)
        .map(|(i, _)| i % (2 * 6 * 8))
        .collect();
    assert!(!differs.is_empty() && differs.iter().all(|&i| i == (6 + 2) * 8 + 3), "{differs:?}");

    // Two 3 × 3 convolutions see two latents around, in their own latent frame.
    let (a, b) = (autoencoder.decode(latents), autoencoder.decode(changed));
    assert_eq!(a.dims(), shape);
    let mut any = false;
    for (i, (a, b)) in bits(&a).iter().zip(bits(&b)).enumerate() {
        let (x, y, t) = (i % 32 / 4, i / 32 % 24 / 4, i / (32 * 24) % 4 / 2);
        let near = t == 1 && y.abs_diff(2) <= 2 && x.abs_diff(3) <= 2;
        assert!(*a == b || near, "latent ({t}, {y}, {x}) changed");
        any |= *a != b;
    }
    assert!(any);

    let odd = Tensor::<5>::zeros([1, 3, 3, 24, 32], &device);
    assert!(autoencoder.encode(odd).unwrap_err().to_string().contains("video size"));
}

#[test]
fn what_stays_the_same_is_made_once_for_a_generation() {
    let masked = config(layers(MASKED, MASKED));
    let device = Device::flex();
    let network = network(&masked, 1, &device);
    let shape = [1, 4, TEXT];
    let prompts = tensor(normal("prompts", 1, shape), shape, &device);
    let objects = objects_of(&trajectory(2), masked.grid(), prompts);
    let fresh = input(&masked, 1, 1, Some(objects), &device);
    let kept = DenoiserInput {
        conditions: fresh.conditions.clone().kept(),
        text: fresh.text.clone().kept(),
        objects: fresh
            .objects
            .iter()
            .map(|o| ObjectContext { prompts: o.prompts.clone().kept(), ..o.clone() })
            .collect(),
        ..fresh.clone()
    };
    let run = |network: &Dit, input: &DenoiserInput, time: f32| {
        values(&network.predict(&DenoiserInput { time: vec![time], ..input.clone() }).unwrap())
    };
    for time in [0.0, 0.3, 0.9] {
        assert_eq!(run(&network, &kept, time), run(&network, &fresh, time));
    }
    // Other parameters in the same place show what is still read.
    let changed = |what: &'static str| {
        let other = |_: usize, name: &str, shape: &[usize]| {
            let found = name.contains("cross_attention") && name.ends_with(what);
            found.then(|| normal("other", 3, [shape.iter().product(), 1]))
        };
        with_values(network.clone(), other)
    };
    // Conditions that are embedded already are not looked at again.
    let doubled = |of: &DenoiserInput| {
        let mut others = of.clone();
        others.conditions.latents = others.conditions.latents * 2.0;
        run(&network, &others, 0.3)
    };
    assert_eq!(doubled(&kept), run(&network, &fresh, 0.3));
    assert_ne!(doubled(&fresh), run(&network, &fresh, 0.3));
    for (what, read) in [("key.weight", false), ("value.weight", false), ("query.weight", true)] {
        let other = changed(what);
        assert_ne!(run(&other, &fresh, 0.3), run(&network, &fresh, 0.3), "{what} has a part");
        let same = run(&other, &kept, 0.3) == run(&network, &kept, 0.3);
        assert_eq!(!same, read, "{what}");
    }
}

#[test]
fn a_network_needs_no_conditions() {
    let plain = DitConfig { condition_channels: 0, ..config(ObjectLayers::NONE) };
    let device = Device::flex();
    let network = network(&plain, 1, &device);
    let out = network.predict(&input(&plain, 1, 2, None, &device)).unwrap();
    assert!(values(&out).iter().all(|x| x.is_finite()));
}
