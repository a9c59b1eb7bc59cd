//! Broken files of every kind: each reader must answer with an error or a value, never panic, and
//! never ask for more memory than the largest picture takes.

// Helpers of tests and examples may unwrap as the tests themselves do.
#![allow(clippy::unwrap_used)]

use std::{
    alloc::{GlobalAlloc, Layout, System},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::atomic::{AtomicUsize, Ordering::Relaxed},
};

use thrumask_core::{
    Clip, ColorMatch, Control, LabelMap, Picture, PromptPlan, Rle, RunRecord, Size, Trajectory,
};

/// The longest single allocation asked for so far.
static LONGEST: AtomicUsize = AtomicUsize::new(0);

/// The system's allocator, with a note of the longest request.
struct Watching;

// SAFETY: every call goes to the system's allocator unchanged.
unsafe impl GlobalAlloc for Watching {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LONGEST.fetch_max(layout.size(), Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        LONGEST.fetch_max(layout.size(), Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        LONGEST.fetch_max(size, Relaxed);
        // SAFETY: as the caller promises.
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        // SAFETY: as the caller promises.
        unsafe { System.dealloc(old, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Watching = Watching;

/// No request may be longer: the largest picture in 16-bit RGBA, and some room.
const MOST: usize = thrumask_core::MAX_PIXELS * 9;

/// A small generator of the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n.max(1)
    }
}

/// How many times the usual number of rounds to run: `THRUMASK_FUZZ`, for a long night.
fn more() -> usize {
    std::env::var("THRUMASK_FUZZ").ok().and_then(|v| v.parse().ok()).unwrap_or(1)
}

/// Runs `read` on `good`, which it must accept, and on `rounds` broken versions of it.
fn batter<T>(
    name: &str,
    good: &[u8],
    rounds: usize,
    read: impl Fn(&[u8]) -> thrumask_core::Result<T>,
) {
    assert!(read(good).is_ok(), "{name}: {:?}", read(good).err());
    let rounds = rounds * more();
    let mut random = Random(name.len() as u64);
    let (mut errors, mut total) = (0, 0);
    let mut run = |bytes: &[u8], how: &str| {
        let caught = catch_unwind(AssertUnwindSafe(|| read(bytes).is_err()));
        let Ok(failed) = caught else { panic!("{name} panicked: {how}") };
        let longest = LONGEST.load(Relaxed);
        assert!(longest <= MOST, "{name} asked for {longest} bytes: {how}");
        errors += usize::from(failed);
        total += 1;
    };
    let step = good.len().div_ceil(rounds).max(1);
    for length in (0..good.len()).step_by(step) {
        run(&good[..length], &format!("cut at {length}"));
    }
    for round in 0..rounds {
        let mut bytes = good.to_vec();
        for _ in 0..1 + random.below(4) {
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => bytes[at] = [0, 255, 127, 128][random.below(4)],
                1 if bytes.len() > 8 => {
                    drop(bytes.drain(at..(at + 1 + random.below(4)).min(bytes.len())))
                }
                2 => bytes.insert(at, random.below(256) as u8),
                _ => bytes[at] ^= 1 << random.below(8),
            }
        }
        run(&bytes, &format!("round {round}"));
    }
    assert!(errors > 0 && total >= rounds, "{name}: {errors} errors in {total} rounds");
}

fn picture(size: Size) -> Picture {
    Picture::new(size, (0..size.area() * 3).map(|i| (i * i / 7 % 256) as u8).collect())
        .expect("sizes fit")
}

fn trajectory() -> Trajectory {
    let frame = |t: usize| {
        let ids = (0..12 * 9).map(|i| ((i + t) / 5 % 4) as u8).collect();
        LabelMap::new(Size::new(12, 9), ids).expect("sizes fit")
    };
    Trajectory::new((0..3).map(frame).collect(), 3, 8.0).expect("ids fit")
}

/// Third-party panics are caught by the readers; their messages would only be noise here.
fn quiet() {
    std::panic::set_hook(Box::new(|info| {
        if info.location().is_some_and(|l| l.file().contains("fuzz.rs")) {
            eprintln!("{info}");
        }
    }));
}

#[test]
fn pictures() {
    quiet();
    let p = picture(Size::new(13, 11));
    let read = |bytes: &[u8]| Picture::from_bytes("p", bytes);
    batter("png", &p.to_png().unwrap(), 600, read);
    let (w, h) = (13, 11);
    let mut jpeg = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 80)
        .encode(p.rgb(), w, h, image::ExtendedColorType::Rgb8)
        .unwrap();
    batter("jpeg", &jpeg, 600, read);
    let mut webp = Vec::new();
    image::codecs::webp::WebPEncoder::new_lossless(&mut webp)
        .encode(p.rgb(), w, h, image::ExtendedColorType::Rgb8)
        .unwrap();
    batter("webp", &webp, 600, read);
}

#[test]
fn animations() {
    quiet();
    let clip = Clip::new(vec![picture(Size::new(10, 6)); 3], 8.0).unwrap();
    let dir = tempfile::tempdir().unwrap();
    for name in ["a.gif", "a.webp"] {
        let path = dir.path().join(name);
        clip.write(&path).unwrap();
        let bytes = std::fs::read(&path).unwrap();
        batter(name, &bytes, 600, |b| Clip::from_bytes("a", b));
        batter(name, &bytes, 200, |b| Picture::from_bytes("a", b));
    }
}

#[test]
fn mp4() {
    quiet();
    let clip = Clip::new(vec![picture(Size::new(33, 16)); 3], 8.0).unwrap();
    let bytes = clip.to_mp4(&thrumask_core::WriteOptions::default()).unwrap();
    batter("mp4", &bytes, 1500, |b| Clip::from_bytes("v", b));
    // The index alone, which a random hit rarely finds in a long file.
    let index = bytes.windows(4).position(|w| w == b"mdat").unwrap();
    let (head, media) = bytes.split_at(index);
    batter("mp4 index", head, 1500, |b| Clip::from_bytes("v", &[b, media].concat()));
}

#[test]
fn masks() {
    quiet();
    let t = trajectory();
    let read = |b: &[u8]| LabelMap::from_png("m", b, ColorMatch::Exact);
    batter("palette png", &t.frames()[0].to_png().unwrap(), 600, read);
    let colors = t.to_clip().unwrap().frames()[0].to_png().unwrap();
    batter("colour png", &colors, 600, read);
}

#[test]
fn texts() {
    quiet();
    let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
    let json = trajectory().to_json().unwrap();
    batter("trajectory.json", json.as_bytes(), 1500, |b| Trajectory::from_json("t", &text(b)));
    let sav = r#"{"masklet":[[{"size":[2,3],"counts":"231"},null],[{"size":[2,3],"counts":"06"},
        {"size":[2,3],"counts":[6]}]],"video_id":"x"}"#;
    batter("sav.json", sav.as_bytes(), 600, |b| Trajectory::from_sav_json("s", &text(b)));
    let control = r#"{"version":1,"motion":"m","objects":[{"id":1,"name":"a","prompt":"b",
        "box":[1,2,3,4],"path":[[1,2,0],[3,4,1]]},{"id":2,"mask":{"size":[2,3],"counts":"231"}},
        {"id":3,"points":[[1,2],[3,4,0]]},{"id":4,"masks":"m.mp4"}]}"#;
    batter("control.json", control.as_bytes(), 2000, |b| Control::from_json("c", &text(b)));
    let plan = r#"{"caption":"A dog runs.","motion":"The dog runs.",
        "objects":[{"name":"dog","prompt":"A dog runs."}]}"#;
    batter("plan.json", plan.as_bytes(), 1000, |b| PromptPlan::from_json("p", &text(b)));
    let run = r#"{"format":1,"version":"0.1.0","seed":7,"config":{"steps":3},"weights":{},
        "stages":[{"name":"plan","inputs":"ab","seconds":0.5}]}"#;
    batter("run.json", run.as_bytes(), 1000, |b| RunRecord::from_json("r", &text(b)));
    let size = Size::new(64, 48);
    let mask: Vec<bool> = (0..size.area()).map(|i| i * i % 11 < 4).collect();
    let packed = Rle::encode(size, &mask).unwrap().packed();
    batter("rle", packed.as_bytes(), 3000, |b| Rle::parse(size, &text(b)));
}
