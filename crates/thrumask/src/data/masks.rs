//! The masks of a clip: given ones at its frames, or found ones followed; which objects count, and what
//! each is called.

use thrumask_core::{LabelMap, ObjectPrompt, Picture, PromptPlan, Size, Trajectory};

use super::{config::Framing, config::MaskConfig, slice::Window};
use crate::{Result, segment::Segmenter};

/// Object ids in each frame of a clip, and what each object is called.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Objects {
    /// One map a frame, all of one size.
    pub frames: Vec<LabelMap>,
    /// One for each id from 1.
    pub prompts: Vec<ObjectPrompt>,
}

/// The given masks at the frames of a window; an error is a sentence.
pub(super) fn at_frames(
    masks: &Trajectory,
    window: &Window,
) -> std::result::Result<Vec<LabelMap>, String> {
    let (video, own) = (window.frames[0].size(), masks.size());
    if !video.has_aspect_of(own) {
        return Err(format!("masks of {own} do not have the aspect of the video, {video}"));
    }
    let map = |&time: &f64| {
        let index = (time * f64::from(masks.fps())).round() as usize;
        masks.frames().get(index).cloned().ok_or_else(|| {
            let end = masks.frames().len() as f32 / masks.fps();
            format!("the masks end at second {end:.2}, the clip goes on to {time:.2}")
        })
    };
    window.times.iter().map(map).collect()
}

/// What each given object is called: as the plan's objects where these are meant, by their number or
/// names; else as the one that is found by name in the first frame where the mask is; else not at all.
///
/// # Errors
/// That of `segmenter`.
pub(super) fn prompts_of(
    masks: &Trajectory,
    own_ids: bool,
    plan: &PromptPlan,
    first: (&Picture, &LabelMap),
    segmenter: Option<&dyn Segmenter>,
    least_overlap: f32,
) -> Result<Vec<ObjectPrompt>> {
    let unnamed = |i: usize| {
        let name = masks.names().get(i).cloned().flatten();
        ObjectPrompt {
            name: name.unwrap_or_else(|| format!("object {}", i + 1)),
            prompt: String::new(),
        }
    };
    let count = masks.objects();
    if own_ids && plan.objects.len() == count {
        return Ok(plan.objects.clone());
    }
    let same = |a: &str, b: &str| a.trim().eq_ignore_ascii_case(b.trim());
    if masks.names().iter().any(Option::is_some) {
        let by_name = |i: usize| {
            let name = masks.names().get(i).cloned().flatten().unwrap_or_default();
            let meant = plan.objects.iter().find(|o| same(&o.name, &name));
            meant.cloned().unwrap_or_else(|| unnamed(i))
        };
        return Ok((0..count).map(by_name).collect());
    }
    let mut prompts: Vec<ObjectPrompt> = (0..count).map(unnamed).collect();
    if let (Some(segmenter), false) = (segmenter, plan.objects.is_empty()) {
        let (picture, labels) = first;
        let found = segmenter.segment(picture, plan)?.masks.labels;
        let found = found.resize_nearest(labels.size())?;
        let overlaps = overlaps(labels, &found, count, plan.objects.len());
        for (object, row) in plan.objects.iter().zip(overlaps) {
            let best = row.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
            if let Some((i, _)) = best.filter(|(_, overlap)| **overlap >= least_overlap) {
                prompts[i] = object.clone();
            }
        }
    }
    Ok(prompts)
}

/// Intersection over union of each found object with each given one.
fn overlaps(given: &LabelMap, found: &LabelMap, givens: usize, founds: usize) -> Vec<Vec<f32>> {
    let mut both = vec![vec![0u32; givens]; founds];
    let (mut of_given, mut of_found) = (vec![0u32; givens + 1], vec![0u32; founds + 1]);
    for (&g, &f) in given.ids().iter().zip(found.ids()) {
        let (g, f) = (usize::from(g), usize::from(f));
        of_given[g] += 1;
        of_found[f] += 1;
        if g > 0 && f > 0 {
            both[f - 1][g - 1] += 1;
        }
    }
    let share = |f: usize, g: usize, both: u32| {
        both as f32 / (of_found[f + 1] + of_given[g + 1] - both).max(1) as f32
    };
    let row = |(f, row): (usize, &Vec<u32>)| {
        row.iter().enumerate().map(|(g, &both)| share(f, g, both)).collect()
    };
    both.iter().enumerate().map(row).collect()
}

impl Objects {
    /// Only the objects that are there from the first frame on and large enough, the largest of them if
    /// there are too many, in their order and with ids from 1. `None` when none is left.
    pub(super) fn selected(self, config: &MaskConfig) -> Option<Self> {
        let first = self.frames.first()?;
        let least = (config.least_area * first.size().area() as f32).max(1.0);
        let mut areas = [0usize; 256];
        first.ids().iter().for_each(|&id| areas[usize::from(id)] += 1);
        let mut kept: Vec<usize> =
            (1..=self.prompts.len()).filter(|&id| areas[id] as f32 >= least).collect();
        kept.sort_by_key(|&id| (std::cmp::Reverse(areas[id]), id));
        kept.truncate(config.most_objects);
        kept.sort_unstable();
        if kept.is_empty() {
            return None;
        }
        let mut becomes = [0u8; 256];
        (1..=u8::MAX).zip(&kept).for_each(|(new, &old)| becomes[old] = new);
        let mut frames = self.frames;
        for id in frames.iter_mut().flat_map(|f| f.ids_mut()) {
            *id = becomes[usize::from(*id)];
        }
        let prompts = kept.iter().map(|&id| self.prompts[id - 1].clone()).collect();
        Some(Self { frames, prompts })
    }

    /// The maps at `side` × `side` pixels.
    ///
    /// # Errors
    /// `Error::Invalid` when the size is out of bounds.
    pub(super) fn squared(&self, framing: Framing, side: usize) -> Result<Vec<LabelMap>> {
        let size = Size::new(side, side);
        let one = |map: &LabelMap| {
            let (x, y, part) = framed(framing, map.size());
            let width = map.size().width;
            let rows =
                (y..y + part.height).flat_map(|row| &map.ids()[row * width + x..][..part.width]);
            let map = LabelMap::new(part, rows.copied().collect())?;
            Ok(match part.width >= side && part.height >= side {
                true => map.downsample_majority(size)?,
                false => map.resize_nearest(size)?,
            })
        };
        self.frames.iter().map(one).collect()
    }
}

/// The part of a picture that becomes the square: its left column, top row and size.
fn framed(framing: Framing, size: Size) -> (usize, usize, Size) {
    let side = size.width.min(size.height);
    match framing {
        Framing::Squash => (0, 0, size),
        Framing::Crop => ((size.width - side) / 2, (size.height - side) / 2, Size::new(side, side)),
    }
}

/// A picture at `side` × `side` pixels.
///
/// # Errors
/// `Error::Invalid` when the size is out of bounds.
pub(super) fn squared_picture(picture: &Picture, framing: Framing, side: usize) -> Result<Picture> {
    let (x, y, part) = framed(framing, picture.size());
    let width = picture.size().width;
    let rows = (y..y + part.height)
        .flat_map(|row| &picture.rgb()[(row * width + x) * 3..][..part.width * 3]);
    Ok(Picture::new(part, rows.copied().collect())?.resize(Size::new(side, side))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::Segmentation;

    fn map(width: usize, ids: &[u8]) -> LabelMap {
        LabelMap::new(Size::new(width, ids.len() / width), ids.to_vec()).unwrap()
    }

    fn named(names: &[&str]) -> Vec<ObjectPrompt> {
        let object = |n: &&str| ObjectPrompt { name: (*n).into(), prompt: format!("A {n}.") };
        names.iter().map(object).collect()
    }

    #[test]
    fn small_late_and_surplus_objects_are_dropped_and_ids_follow() {
        let frames = vec![map(4, &[1, 2, 2, 2, 3, 3, 0, 0]), map(4, &[4, 4, 4, 2, 3, 3, 1, 0])];
        let all = Objects { frames, prompts: named(&["a", "b", "c", "d"]) };
        let config = |most_objects: usize, least_area: f32| MaskConfig {
            most_objects,
            least_area,
            ..MaskConfig::default()
        };
        let kept = all.clone().selected(&config(2, 0.0)).unwrap();
        assert_eq!(kept.prompts, named(&["b", "c"]));
        assert_eq!(kept.frames[1].ids(), [0, 0, 0, 1, 2, 2, 0, 0]);
        assert_eq!(all.clone().selected(&config(8, 0.3)).unwrap().prompts, named(&["b"]));
        assert_eq!(all.selected(&config(8, 0.5)), None);
    }

    #[test]
    fn squares_are_squashed_or_cut_from_the_middle() {
        let objects =
            Objects { frames: vec![map(4, &[1, 2, 3, 4, 1, 2, 3, 4])], prompts: named(&[]) };
        let ids = |framing| objects.squared(framing, 2).unwrap()[0].ids().to_vec();
        assert_eq!(ids(Framing::Squash), [1, 3, 1, 3]);
        assert_eq!(ids(Framing::Crop), [2, 3, 2, 3]);
    }

    #[test]
    fn masks_are_taken_when_frames_are_shown_and_must_fit() {
        let masks = Trajectory::new(vec![map(2, &[0, 1]), map(2, &[1, 0])], 1, 4.0).unwrap();
        let window = |times: &[f64], size: Size| Window {
            frames: vec![Picture::filled(size, [0; 3]); times.len()],
            times: times.to_vec(),
            scene: 0,
        };
        let wide = Size::new(80, 40);
        let got = at_frames(&masks, &window(&[0.0, 0.1, 0.26], wide)).unwrap();
        assert_eq!(got, [0, 0, 1].map(|i| masks.frames()[i].clone()));
        let late = at_frames(&masks, &window(&[0.0, 0.5], wide)).unwrap_err();
        assert!(late.contains("end at second 0.50"), "{late}");
        let tall = at_frames(&masks, &window(&[0.0], Size::new(40, 80))).unwrap_err();
        assert!(tall.contains("aspect"), "{tall}");
    }

    /// Finds the first object of a plan on the left, the second on the right.
    struct Sides;

    impl Segmenter for Sides {
        fn name(&self) -> &str {
            "sides"
        }

        fn segment(&self, picture: &Picture, plan: &PromptPlan) -> Result<Segmentation> {
            let width = picture.size().width;
            let ids = (0..picture.size().area()).map(|i| if i % width < width / 2 { 1 } else { 2 });
            let labels = LabelMap::new(picture.size(), ids.collect())?;
            let masks = thrumask_core::MaskSet::new(labels, plan.objects.len())?;
            Ok(Segmentation { masks, scores: vec![1.0; 2], notes: Vec::new() })
        }
    }

    #[test]
    fn given_objects_get_their_names_by_number_name_or_place() {
        let first = map(4, &[2, 2, 3, 0, 2, 2, 3, 1]);
        let masks = Trajectory::new(vec![first.clone()], 3, 6.0).unwrap();
        let objects = named(&["dog", "cat"]);
        let plan = PromptPlan { caption: "c".into(), motion: "m".into(), objects };
        let picture = Picture::filled(Size::new(8, 4), [0; 3]);
        let names = |masks: &Trajectory, own: bool, segmenter: Option<&dyn Segmenter>| {
            let prompts =
                prompts_of(masks, own, &plan, (&picture, &first), segmenter, 0.5).unwrap();
            prompts.into_iter().map(|p| p.name).collect::<Vec<_>>()
        };
        assert_eq!(names(&masks, true, None), ["object 1", "object 2", "object 3"]);
        assert_eq!(names(&masks, false, Some(&Sides)), ["object 1", "dog", "cat"]);
        let called = masks.with_names(vec![Some("Cat".into()), None, Some("ox".into())]).unwrap();
        assert_eq!(names(&called, true, None), ["cat", "object 2", "ox"]);
        let two = Trajectory::new(vec![map(2, &[1, 2])], 2, 6.0).unwrap();
        assert_eq!(names(&two, true, None), ["dog", "cat"]);
        assert_eq!(names(&two, false, None), ["object 1", "object 2"]);
    }
}
