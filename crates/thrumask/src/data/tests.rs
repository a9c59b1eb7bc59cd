//! Folders to shards and back, with tools of the tests' own.

use std::{fs, path::Path};

use burn::tensor::Device;
use thrumask_core::{LabelMap, MaskSet, Picture, PromptPlan, Size, Trajectory, fsio};
use thrumask_nn::{
    autoencoder::{Autoencoder, AutoencoderConfig},
    layers::Init,
};

use super::{
    config::PrepareConfig,
    item::{Reason, Tools},
    prepare::{Job, Part, Summary, prepare},
    sample::MaskOrigin,
    shards::{DataConfig, Shards},
    *,
};
use crate::{
    Result,
    models::Models,
    plan::RulePlanner,
    progress::{Progress, Silent},
    segment::{Segmentation, Segmenter},
    tracker::Tracker,
    world::{self, Split, WorldConfig},
};

const WORLD: WorldConfig = WorldConfig {
    size: 48,
    frames: 16,
    objects: 1..=2,
    interactions: 0.0,
    looks: 0.0,
    leaving: 0.0,
    fps: 8.0,
};

pub(crate) fn config() -> PrepareConfig {
    let mut config =
        PrepareConfig { size: 24, frames: 8, samples_per_shard: 3, ..PrepareConfig::default() };
    // Small sprites change few pixels.
    config.filter.motion[0] = 1e-5;
    config
}

pub(crate) fn tools<'a>() -> Tools<'a> {
    Tools {
        planner: &RulePlanner,
        segmenter: None,
        tracker: None,
        motion: &FrameDifference,
        encoder: None,
    }
}

/// Videos of the world as `thrumask world` writes them.
pub(crate) fn world_videos(folder: &Path, count: u64) {
    for i in 0..count {
        let sample = world::sample(&WORLD, Split::Test, i).unwrap();
        let file = |ending: &str| folder.join(format!("v-{i:03}.{ending}"));
        sample.clip.write(file("mp4")).unwrap();
        sample.masks.write_json(file("trajectory.json")).unwrap();
        sample.plan.write(file("plan.json")).unwrap();
    }
}

fn run(
    input: &Path,
    out: &Path,
    part: &str,
    config: &PrepareConfig,
    tools: Tools<'_>,
    progress: &mut dyn Progress,
) -> Result<Summary> {
    let part: Part = part.parse().unwrap();
    prepare(&Job { input, manifest: None, out, part, config, tools }, progress)
}

/// Names and bytes of everything in a folder.
fn contents(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let names = fsio::list_names(folder).unwrap().into_iter();
    names.map(|n| (n.clone(), fs::read(folder.join(n)).unwrap())).collect()
}

/// Stops after so many frames.
struct StopAfter(usize);

impl Progress for StopAfter {
    fn step(&mut self, _: &str, _: usize, _: usize) -> Result<()> {
        self.0 = self.0.checked_sub(1).ok_or(thrumask_core::Error::Interrupted)?;
        Ok(())
    }
}

#[test]
fn videos_become_the_same_shards_whoever_stops_when_and_training_reads_them() {
    let dir = tempfile::tempdir().unwrap();
    let videos = dir.path().join("videos");
    fs::create_dir(&videos).unwrap();
    world_videos(&videos, 5);
    fs::write(videos.join("empty.mp4"), "").unwrap();
    let encoder = LatentEncoder::new(Models::embedded().autoencoder().unwrap()).unwrap();
    let config = || PrepareConfig { latents: Some(LatentNumber::F16), ..config() };
    let tools = || Tools { encoder: Some(&encoder), ..tools() };
    let [whole, cut] = ["whole", "cut"].map(|n| dir.path().join(n));
    let first = run(&videos, &whole, "1/2", &config(), tools(), &mut Silent).unwrap();
    assert!(!first.complete);
    let second = run(&videos, &whole, "0/2", &config(), tools(), &mut Silent).unwrap();
    assert!(second.complete);
    assert_eq!((first.videos + second.videos, first.samples + second.samples), (6, 10));
    assert_eq!(first.rejected.len() + second.rejected.len(), 1);

    for part in ["0/2", "1/2"] {
        let mut stops = 0;
        // Each time it comes a little further.
        while let Err(e) = run(&videos, &cut, part, &config(), tools(), &mut StopAfter(21)) {
            assert!(e.is_interrupted(), "{e}");
            stops += 1;
            assert!(stops < 50);
        }
        assert!(stops >= 1, "{stops}");
    }
    assert_eq!(contents(&whole), contents(&cut));
    // A run that has ended does nothing again.
    let again = run(&videos, &cut, "0/2", &config(), tools(), &mut StopAfter(1)).unwrap();
    assert_eq!((again.samples, again.complete), (second.samples, true));
    assert_eq!(contents(&whole), contents(&cut));
    for (changed, words) in [
        (PrepareConfig { size: 32, ..config() }, "another configuration"),
        (PrepareConfig { latents: None, ..config() }, "another configuration"),
        (config(), "2 processes"),
    ] {
        let part = if words == "2 processes" { "0/3" } else { "0/2" };
        let e = run(&videos, &cut, part, &changed, tools(), &mut Silent).unwrap_err().to_string();
        assert!(e.contains(words), "{e}");
    }

    // Latents of another autoencoder are another preparation.
    let other = Autoencoder::new(&mut Init::new(1, &Device::flex()), &AutoencoderConfig::nano());
    let other = LatentEncoder::new(other.unwrap().into()).unwrap();
    let with = |encoder| Tools { encoder, ..tools() };
    let e = run(&videos, &cut, "0/2", &config(), with(Some(&other)), &mut Silent).unwrap_err();
    assert!(e.to_string().contains("other tools"), "{e}");
    let e = run(&videos, &cut, "0/2", &config(), with(None), &mut Silent).unwrap_err();
    assert!(e.to_string().contains("latents: expected an autoencoder"), "{e}");

    let data = DataConfig { shards: vec!["whole/*.tar".into()], validation: 0.2 };
    let shards = Shards::open(&data, dir.path()).unwrap();
    assert_eq!(shards.latent_counts(), [(encoder.fingerprint(), 10)].into());
    assert_eq!((shards.count(Split::Train), shards.count(Split::Validation)), (8, 2));
    let about = |split, i| {
        let sample = shards.sample(split, i, 7).unwrap();
        (sample.plan, sample.masks)
    };
    // Both samples of one video are apart from all others.
    let apart = [0, 1].map(|i| about(Split::Validation, i).0.caption);
    assert_eq!(apart[0], apart[1]);
    let pass: Vec<_> = (0..8).map(|i| about(Split::Train, i)).collect();
    assert!(pass.iter().all(|(plan, _)| plan.caption != apart[0]));
    let different = (0..8).filter(|&i| pass.iter().filter(|p| **p == pass[i]).count() == 1);
    assert_eq!(different.count(), 8);

    // What is read back is what the world drew.
    let i = (0..shards.len()).find(|&i| shards.key(i) == "v-002-001").unwrap();
    let (sample, about) = shards.read(i).unwrap();
    let truth = world::sample(&WORLD, Split::Test, 2).unwrap();
    assert_eq!((about.start, about.masks), (1.0, MaskOrigin::Given));
    assert_eq!(sample.plan.objects, truth.plan.objects);
    for (t, (frame, map)) in sample.clip.frames().iter().zip(sample.masks.frames()).enumerate() {
        let size = Size::new(24, 24);
        let expected = truth.masks.frames()[8 + t].downsample_majority(size).unwrap();
        assert_eq!(*map, expected, "frame {t}");
        let drawn = truth.clip.frames()[8 + t].resize(size).unwrap();
        let apart = drawn.rgb().iter().zip(frame.rgb()).map(|(a, b)| u32::from(a.abs_diff(*b)));
        let mean = f64::from(apart.sum::<u32>()) / drawn.rgb().len() as f64;
        assert!(mean < 6.0, "frame {t}: {mean} levels");
    }
    let (listed, sheet) =
        inspect::inspect(vec![whole.join("shard-0000-of-0002-00000.tar")], 2, &mut Silent).unwrap();
    assert_eq!((listed.len(), sheet.is_some()), (4, true));
}

#[test]
fn a_broken_shard_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let files = [("a.mp4".to_owned(), Vec::new()), ("a.json".to_owned(), Vec::new())];
    let tar = [archive::written(&files).unwrap(), archive::END.to_vec()].concat();
    fs::write(dir.path().join("x.tar"), tar).unwrap();
    let open = |shard: &str| {
        let data = DataConfig { shards: vec![shard.to_owned()], validation: 0.1 };
        Shards::open(&data, dir.path()).err().unwrap().to_string()
    };
    assert!(open("x.tar").contains("a: expected .mp4, .json, .masks.json"), "{}", open("x.tar"));
    assert!(open("y.tar").contains("y.tar"));
    assert!(open("y*.tar").contains("got no file of this name"));
}

/// Finds everything in the middle.
struct Middle;

impl Segmenter for Middle {
    fn name(&self) -> &str {
        "middle"
    }

    fn segment(&self, picture: &Picture, plan: &PromptPlan) -> Result<Segmentation> {
        let size = picture.size();
        let mut labels = LabelMap::empty(size);
        for y in size.height / 3..size.height * 2 / 3 {
            for x in size.width / 3..size.width * 2 / 3 {
                labels.ids_mut()[y * size.width + x] = 1;
            }
        }
        let masks = MaskSet::new(labels, plan.objects.len())?;
        Ok(Segmentation { masks, scores: vec![1.0; plan.objects.len()], notes: Vec::new() })
    }
}

/// Leaves objects where they are, or fails.
struct Still {
    fails: bool,
}

impl Tracker for Still {
    fn name(&self) -> &str {
        "still"
    }

    fn track(&self, frames: &[Picture], first: &MaskSet, fps: f32) -> Result<Trajectory> {
        if self.fails {
            return Err(thrumask_core::Error::invalid("tracker", "lost its way").into());
        }
        assert_eq!(frames[0].size(), first.labels.size());
        Ok(Trajectory::new(vec![first.labels.clone(); frames.len()], first.objects, fps)?)
    }
}

/// The reasons of everything that was left out.
fn reasons(out: &Path) -> Vec<(String, Reason)> {
    let text = fs::read_to_string(out.join("rejected.jsonl")).unwrap();
    let lines = text.lines().map(|line| serde_json::from_str::<Rejected>(line).unwrap());
    lines.map(|r| (r.source, r.reason)).collect()
}

#[test]
fn without_masks_a_tracker_follows_what_is_found_or_the_reason_is_listed() {
    let dir = tempfile::tempdir().unwrap();
    let videos = dir.path().join("videos");
    fs::create_dir(&videos).unwrap();
    for (name, caption) in [("a", "A dog runs."), ("b", ""), ("c", "The sky is blue.")] {
        let clip = world::sample(&WORLD, Split::Test, 1).unwrap().clip;
        clip.write(videos.join(format!("{name}.mp4"))).unwrap();
        fs::write(videos.join(format!("{name}.txt")), caption).unwrap();
    }
    let with = |tracker: Option<&dyn Tracker>, out: &str| {
        let out = dir.path().join(out);
        let tools = Tools { segmenter: Some(&Middle), tracker, ..tools() };
        let summary = run(&videos, &out, "0/1", &config(), tools, &mut Silent).unwrap();
        (summary.samples, reasons(&out))
    };
    let names = ["a.mp4", "b.mp4", "c.mp4"].map(str::to_owned);
    let (samples, left_out) = with(None, "none");
    assert_eq!(samples, 0);
    assert_eq!(left_out, names.clone().map(|n| (n, Reason::NoTracker)));
    let [a, b, c] = names;
    let rest = [(b, Reason::NoCaption), (c, Reason::NothingMoves)];
    let (samples, left_out) = with(Some(&Still { fails: false }), "still");
    assert_eq!((samples, &left_out[..]), (2, &rest[..]));
    let (samples, left_out) = with(Some(&Still { fails: true }), "fails");
    let failed = (a, Reason::TrackingFailed);
    assert_eq!((samples, left_out), (0, [&[failed.clone(), failed][..], &rest].concat()));
    let shards =
        Shards::index(vec![dir.path().join("still/shard-0000-of-0001-00000.tar")]).unwrap();
    let (sample, about) = shards.read(0).unwrap();
    assert_eq!((about.masks, about.plan.objects[0].name.as_str()), (MaskOrigin::Tracked, "dog"));
    assert!((sample.masks.frames()[7].area_of(1) as i32 - 64).abs() < 20);
}

/// The folder of real files, or nothing, said loudly.
fn real_data() -> Option<std::path::PathBuf> {
    let data = std::env::var_os("THRUMASK_TEST_DATA");
    if data.is_none() {
        eprintln!("skipped: THRUMASK_TEST_DATA is not set");
    }
    data.map(Into::into)
}

#[test]
fn masklets_of_sa_v_become_a_training_sample() {
    let Some(data) = real_data() else { return };
    let dir = tempfile::tempdir().unwrap();
    let annotation = data.join("sav-example/sav_000001_manual.json");
    let text = fs::read_to_string(&annotation).unwrap();
    let masklets = Trajectory::from_sav_json("sav", &text).unwrap();
    let videos = dir.path().join("videos");
    fs::create_dir(&videos).unwrap();
    fs::copy(&annotation, videos.join("sav_000001_manual.json")).unwrap();
    // Frame n of 24 a second shows the masklets of 6 a second, on a ground with some detail.
    let size = Size::new(120, 212);
    let frame = |n: usize| {
        let map = masklets.frames()[n / 4].resize_nearest(size).unwrap();
        let mut picture = thrumask_core::trajectory::colored(&map);
        for (i, (c, _)) in picture
            .rgb_mut()
            .chunks_exact_mut(3)
            .zip(map.ids())
            .enumerate()
            .filter(|(_, p)| *p.1 == 0)
        {
            let (x, y) = (i % size.width, i / size.width);
            c.fill(if (x / 6 + y / 6) % 2 == 0 { 200 } else { 150 });
        }
        picture
    };
    let clip = thrumask_core::Clip::new((0..72).map(frame).collect(), 24.0).unwrap();
    clip.write(videos.join("sav_000001.mp4")).unwrap();
    let out = dir.path().join("shards");
    let mut config = PrepareConfig { size: 32, ..config() };
    config.filter.shake = 1.0;
    let summary = run(&videos, &out, "0/1", &config, tools(), &mut Silent).unwrap();
    assert_eq!((summary.samples, summary.rejected.len()), (2, 0), "{summary:?}");
    let shards = Shards::index(vec![out.join("shard-0000-of-0001-00000.tar")]).unwrap();
    for i in 0..2 {
        let (sample, about) = shards.read(i).unwrap();
        assert_eq!((about.fps, about.masks, about.frames), (6.0, MaskOrigin::Sav, 8));
        assert!(about.plan.caption.is_empty());
        let first = &masklets.frames()[8 * i];
        let area = |id: u8| first.area_of(id) as f32 / first.size().area() as f32;
        let seen: Vec<u8> = (1..=5).filter(|&id| area(id) >= config.masks.least_area).collect();
        assert_eq!(sample.masks.objects(), seen.len());
        assert_eq!(sample.plan.objects[0].name, format!("object {}", seen[0]));
        for (t, map) in sample.masks.frames().iter().enumerate() {
            // What is too small is ground like any other.
            let mut truth = masklets.frames()[8 * i + t].clone();
            truth.ids_mut().iter_mut().filter(|id| !seen.contains(id)).for_each(|id| *id = 0);
            let truth = truth.downsample_majority(Size::new(32, 32)).unwrap();
            for (new, &old) in (1..=u8::MAX).zip(&seen) {
                let same = map.mask_of(new) == truth.mask_of(old);
                assert!(same, "frame {t}, masklet {old}");
            }
        }
    }
}

#[test]
fn real_clips_are_cut_filtered_and_followed() {
    let Some(data) = real_data() else { return };
    let dir = tempfile::tempdir().unwrap();
    let videos = dir.path().join("videos");
    fs::create_dir(&videos).unwrap();
    fs::copy(data.join("clips/01_dog.mp4"), videos.join("dog.mp4")).unwrap();
    fs::write(videos.join("dog.txt"), "A dog runs to the right.").unwrap();
    let tracker = Still { fails: false };
    let tools = Tools { segmenter: Some(&Middle), tracker: Some(&tracker), ..tools() };
    let mut config = PrepareConfig { clips_per_video: 1, work_side: 256, ..config() };
    config.filter.shake = 1.0;
    let out = dir.path().join("shards");
    let summary = run(&videos, &out, "0/1", &config, tools, &mut Silent).unwrap();
    assert_eq!(summary.samples, 1, "{:?}", reasons(&out));
    let shards = Shards::index(vec![out.join("shard-0000-of-0001-00000.tar")]).unwrap();
    let about = shards.about(0).unwrap();
    assert!((about.measures.brightness - 0.45).abs() < 0.3 && about.measures.motion > 0.002);
}
