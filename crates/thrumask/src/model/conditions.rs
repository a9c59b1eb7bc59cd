//! From pictures, masks and prompts to what a denoiser sees; training and inference share it.

use std::borrow::Cow;

use burn::tensor::Tensor;
use rayon::prelude::*;
use thrumask_core::{
    FlowField, LabelMap, Picture, PromptPlan, Trajectory, flow::advect_all,
    placement::carry_picture, trajectory::colored,
};
use thrumask_nn::{
    autoencoder::LatentCodec,
    backbone::{Conditions, DenoiserInput, ObjectContext, ObjectGrid},
    diffusion::guidance::Keep,
    layers::{Context, KeyMask},
    pixels::pixels_from_frames,
    text::{PromptEncoder, Tokenizer},
};

use super::{MotionForm, StageConfig, StageKind, flow_wheel};
use crate::{
    Result,
    plan::{in_known_words, with_known_names},
};

/// The conditions of one sample, all at the model's size.
#[derive(Debug, Clone, Copy)]
pub struct SceneConditions<'a> {
    /// x(0).
    pub picture: &'a Picture,
    /// s(0); needed by stage 1, and by stage 2 when it follows flow.
    pub masks: &'a LabelMap,
    /// ŝ; needed by stage 2 when it follows masks.
    pub trajectory: Option<&'a Trajectory>,
    /// The flow of each frame to the next; needed by stage 2 when it follows flow.
    pub flow: Option<&'a [FlowField]>,
    /// Caption, motion prompt and object prompts.
    pub plan: &'a PromptPlan,
}

impl<'a> SceneConditions<'a> {
    /// The motion as a video: what stage 1 learns to make and stage 2 follows.
    ///
    /// # Errors
    /// When the motion is missing in this form, or does not have the model's length.
    pub fn motion_video(&self, config: &StageConfig) -> Result<Vec<Picture>> {
        match config.form {
            MotionForm::Masks => Ok(self.given()?.frames().iter().map(colored).collect()),
            MotionForm::Flow => {
                let flow = self.given_flow(config)?;
                Ok(flow_wheel(config.video.size)?.clip(flow, 1.0)?.frames().to_vec())
            }
        }
    }

    /// The objects' masks in every frame, which masked attention follows: ŝ, or the first masks moved
    /// along the flow.
    fn moved(&self, config: &StageConfig) -> Result<Cow<'a, Trajectory>> {
        match config.form {
            MotionForm::Masks => Ok(Cow::Borrowed(self.given()?)),
            MotionForm::Flow => {
                let (flow, objects) = (self.given_flow(config)?, self.plan.objects.len());
                Ok(Cow::Owned(advect_all(self.masks, objects, flow, 1.0)?))
            }
        }
    }

    /// x(0) in each frame, carried along the masks.
    fn carried(&self, config: &StageConfig) -> Result<Vec<Picture>> {
        let (masks, size) = (self.moved(config)?, self.picture.size());
        match masks.size() == size {
            true => Ok(carry_picture(self.picture, masks.frames())),
            false => {
                Err(thrumask_core::Error::mismatch("size of a trajectory", size, masks.size())
                    .into())
            }
        }
    }

    fn given(&self) -> Result<&'a Trajectory> {
        self.trajectory.ok_or_else(|| missing("a trajectory"))
    }

    fn given_flow(&self, config: &StageConfig) -> Result<&'a [FlowField]> {
        let flow = self.flow.ok_or_else(|| missing("flow"))?;
        let expected = config.video.frames.saturating_sub(1);
        match flow.len() == expected {
            true => Ok(flow),
            false => {
                Err(thrumask_core::Error::mismatch("flow fields", expected, flow.len()).into())
            }
        }
    }
}

/// The conditions of a batch, ready for any number of denoising steps.
#[derive(Debug, Clone)]
pub struct Prepared {
    conditions: Conditions,
    text: Context,
    objects: Vec<ObjectContext>,
}

impl Prepared {
    /// Encodes pictures, masks and texts; `keep` says, per sample, what is not dropped.
    ///
    /// A dropped image leaves zero latents, no trajectory and no object groups; dropped texts are
    /// empty texts.
    ///
    /// # Errors
    /// When a condition is missing, or its size is not the model's.
    pub fn new(
        encoder: &PromptEncoder,
        config: &StageConfig,
        tokenizer: &Tokenizer,
        autoencoder: &LatentCodec,
        scenes: &[SceneConditions<'_>],
        keep: &[Keep],
    ) -> Result<Self> {
        let latents = visual_latents(config, autoencoder, scenes)?;
        Self::of_latents(encoder, config, tokenizer, latents, scenes, keep)
    }

    /// The same from what [`visual_latents`] made of the scenes, or [`joined_latents`] of theirs.
    pub(crate) fn of_latents(
        encoder: &PromptEncoder,
        config: &StageConfig,
        tokenizer: &Tokenizer,
        latents: Tensor<5>,
        scenes: &[SceneConditions<'_>],
        keep: &[Keep],
    ) -> Result<Self> {
        let images: Vec<f32> = keep.iter().map(|k| f32::from(u8::from(k.image))).collect();
        let images = Tensor::<1>::from_floats(images.as_slice(), &latents.device());
        let conditions = latents * images.reshape([scenes.len(), 1, 1, 1, 1]);

        let texts: Vec<Cow<'_, str>> = scenes
            .iter()
            .zip(keep)
            .map(|(scene, keep)| match (keep.text, config.kind, tokenizer.vocabulary()) {
                (false, ..) => Cow::Borrowed(""),
                (true, StageKind::Motion, Some(words)) => with_known_names(scene.plan, words),
                (true, StageKind::Motion, None) => Cow::Borrowed(scene.plan.motion.as_str()),
                (true, ..) => Cow::Borrowed(scene.plan.caption.as_str()),
            })
            .collect();
        let texts: Vec<&str> = texts.iter().map(|text| &**text).collect();
        let text = embedded(encoder, tokenizer, &texts)?;
        let objects = match config.kind {
            StageKind::Video => objects(encoder, config, tokenizer, scenes, keep)?,
            StageKind::Motion | StageKind::Ti2v => Vec::new(),
        };
        let device = text.tokens.device();
        Ok(Self { conditions: conditions.to_device(&device).into(), text, objects })
    }

    /// The same for one generation: keys and values of the texts and the embedding of the conditions are made in the
    /// first step alone.
    /// Only for parameters that do not change meanwhile.
    pub fn kept(self) -> Self {
        let kept = |o: ObjectContext| ObjectContext { prompts: o.prompts.kept(), ..o };
        let objects = self.objects.into_iter().map(kept).collect();
        Self { conditions: self.conditions.kept(), text: self.text.kept(), objects }
    }

    /// The denoiser's input for noisy latents at a time.
    ///
    /// # Shapes
    /// - `latents`: `[B, C, T, H, W]`
    /// - `time`: one number in [0, 1] per batch row
    pub fn input(&self, latents: Tensor<5>, time: Vec<f32>) -> DenoiserInput {
        DenoiserInput {
            latents,
            time,
            conditions: self.conditions.clone(),
            text: self.text.clone(),
            objects: self.objects.clone(),
        }
    }
}

/// E(x0) repeated over time, or of x0 carried along the trajectory, with E(s0) repeated (stage 1) or the latents of the motion video (stage 2)
/// behind it on channels.
///
/// # Shapes
/// - returns `[B, Cc, T, H, W]`
pub(super) fn visual_latents(
    config: &StageConfig,
    autoencoder: &LatentCodec,
    scenes: &[SceneConditions<'_>],
) -> Result<Tensor<5>> {
    let device = autoencoder.device();
    let picture = |pictures: Vec<&[Picture]>| -> Result<Tensor<5>> {
        Ok(autoencoder.encode_picture(pixels_from_frames(&pictures, &device)?)?)
    };
    let image = match config.carried {
        false => picture(scenes.iter().map(|s| std::slice::from_ref(s.picture)).collect())?,
        true => {
            let carried = scenes.par_iter().map(|s| s.carried(config));
            let videos = carried.collect::<Result<Vec<Vec<Picture>>>>()?;
            let videos: Vec<&[Picture]> = videos.iter().map(Vec::as_slice).collect();
            autoencoder.encode(pixels_from_frames(&videos, &device)?)?
        }
    };
    let motion = match config.kind {
        StageKind::Ti2v => None,
        StageKind::Motion => {
            let masks: Vec<Picture> = scenes.iter().map(|s| colored(s.masks)).collect();
            Some(picture(masks.iter().map(std::slice::from_ref).collect())?)
        }
        StageKind::Video => {
            let frames =
                scenes.iter().map(|s| s.motion_video(config)).collect::<Result<Vec<_>>>()?;
            let videos: Vec<&[Picture]> = frames.iter().map(Vec::as_slice).collect();
            Some(autoencoder.encode(pixels_from_frames(&videos, &device)?)?)
        }
    };
    Ok(joined_latents(config, image, motion))
}

/// What a stage sees, from latents: those of pictures are repeated over time.
///
/// # Shapes
/// - `image`: `[B, C, 1, H, W]`, or `[B, C, T, H, W]` of a picture that was carried along
/// - `motion`: none for TI2V, `[B, C, 1, H, W]` of s0 for stage 1, `[B, C, T, H, W]` for stage 2
/// - returns `[B, Cc, T, H, W]`
pub(crate) fn joined_latents(
    config: &StageConfig,
    image: Tensor<5>,
    motion: Option<Tensor<5>>,
) -> Tensor<5> {
    let [t, h, w] = config.denoiser.latent_size();
    let shape = [image.dims()[0], config.denoiser.latent_channels(), t, h, w];
    let parts = std::iter::once(image).chain(motion).map(|latents| latents.expand(shape));
    Tensor::cat(parts.collect(), 1)
}

/// Prompts as the network reads them: one that knows only some words gets them in those.
fn embedded(encoder: &PromptEncoder, tokenizer: &Tokenizer, texts: &[&str]) -> Result<Context> {
    let known = |text: &&'_ str| match tokenizer.vocabulary() {
        Some(vocabulary) => in_known_words(text, vocabulary).into_owned(),
        None => (*text).to_owned(),
    };
    let texts: Vec<String> = texts.iter().map(known).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    Ok(encoder.encode(tokenizer, &texts)?)
}

/// Groups, boxes and embedded prompts of every object, on each grid of the network's masked layers.
fn objects(
    encoder: &PromptEncoder,
    config: &StageConfig,
    tokenizer: &Tokenizer,
    scenes: &[SceneConditions<'_>],
    keep: &[Keep],
) -> Result<Vec<ObjectContext>> {
    let moved = scenes.iter().map(|scene| scene.moved(config)).collect::<Result<Vec<_>>>()?;
    // One object more than none keeps the tensors non-empty; nobody sees its prompt.
    let most = scenes.iter().map(|s| s.plan.objects.len()).max().unwrap_or(0).max(1);
    let mut texts = Vec::with_capacity(scenes.len() * most);
    for (scene, keep) in scenes.iter().zip(keep) {
        let prompt = |i: usize| scene.plan.objects.get(i).filter(|_| keep.text);
        texts.extend((0..most).map(|i| prompt(i).map_or("", |o| o.prompt.as_str())));
    }
    let Context { tokens, mask, .. } = embedded(encoder, tokenizer, &texts)?;
    let [_, padded, width] = tokens.dims();
    let KeyMask::Lengths(lengths) = mask else { return Err(missing("text lengths")) };
    let lengths: Vec<Vec<usize>> = scenes
        .iter()
        .zip(lengths.chunks_exact(most))
        .map(|(scene, lengths)| {
            let exists = |i: usize| i < scene.plan.objects.len();
            (0..most).map(|i| if exists(i) { lengths[i] } else { 0 }).collect()
        })
        .collect();
    let tokens = tokens.reshape([scenes.len(), most * padded, width]); // [B, S·L, D]
    let on = |grid: [usize; 3]| {
        let place = |(trajectory, keep): (&Cow<'_, Trajectory>, &Keep)| match keep.image {
            true => ObjectGrid::new(trajectory, grid, config.visibility),
            false => Ok(ObjectGrid::background(trajectory.objects(), grid)),
        };
        let grids = moved.iter().zip(keep).map(place).collect::<thrumask_nn::Result<Vec<_>>>()?;
        let visibility = ObjectGrid::visibility(&grids, &lengths, padded)?;
        let prompts = Context::new(tokens.clone(), KeyMask::Prompts(visibility));
        Ok(ObjectContext { groups: ObjectGrid::groups(&grids)?, prompts })
    };
    config.denoiser.object_grids().into_iter().map(on).collect()
}

fn missing(what: &str) -> crate::Error {
    thrumask_core::Error::invalid("conditions", format!("expected {what}, got none")).into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        model::VideoShape,
        models::Models,
        world::{self, Sample, Split, WorldConfig},
    };

    fn sample_of(world: &WorldConfig) -> Sample {
        world::sample(world, Split::Validation, 1).unwrap()
    }

    #[test]
    fn a_carried_picture_is_nearer_to_the_video_than_a_repeated_one() {
        let world = WorldConfig::default();
        let sample = sample_of(&world);
        let autoencoder = Models::embedded().autoencoder().unwrap();
        let video = VideoShape { size: world.size, frames: world.frames };
        let config = StageConfig::nano(StageKind::Video, &autoencoder.config(), video).unwrap();
        let scene = SceneConditions {
            picture: &sample.clip.frames()[0],
            masks: &sample.masks.frames()[0],
            trajectory: Some(&sample.masks),
            flow: None,
            plan: &sample.plan,
        };
        let channels = config.denoiser.latent_channels();
        let seen = |carried| {
            let config = StageConfig { carried, ..config.clone() };
            visual_latents(&config, &autoencoder, &[scene]).unwrap()
        };
        let [repeated, carried] = [false, true].map(seen);
        assert_eq!(repeated.dims(), carried.dims());
        let motion = |t: &Tensor<5>| t.clone().narrow(1, channels, channels).into_data();
        assert_eq!(motion(&repeated), motion(&carried));
        let device = autoencoder.device();
        let pixels = pixels_from_frames(&[sample.clip.frames()], &device).unwrap();
        let truth = autoencoder.encode(pixels).unwrap();
        let apart = |t: &Tensor<5>, from: usize, frames: usize| {
            let part = |t: &Tensor<5>| t.clone().narrow(2, from, frames);
            let error = part(&t.clone().narrow(1, 0, channels)) - part(&truth);
            (error.clone() * error).mean().into_scalar::<f32>()
        };
        let small = sample_of(&WorldConfig { size: 48, ..world });
        let mixed = SceneConditions { trajectory: Some(&small.masks), ..scene };
        let carried_config = StageConfig { carried: true, ..config.clone() };
        let error = visual_latents(&carried_config, &autoencoder, &[mixed]).unwrap_err();
        assert!(error.to_string().contains("size of a trajectory"), "{error}");
        let later = truth.dims()[2] - 1;
        assert!(apart(&repeated, 0, 1) < 1e-9 && apart(&carried, 0, 1) < 1e-9);
        let [repeated, carried] = [&repeated, &carried].map(|t| apart(t, 1, later));
        assert!(carried < 0.4 * repeated, "{carried} and {repeated}");
    }

    #[test]
    fn uncovered_ground_is_near_the_world_s_own() {
        let (mut squares, mut count) = (0.0, 0);
        for index in 0..24 {
            let Sample { clip, masks, .. } =
                world::sample(&WorldConfig::default(), Split::Validation, index).unwrap();
            let (frames, pictures) = (masks.frames(), clip.frames());
            let carried = carry_picture(&pictures[0], frames);
            for ((labels, made), truth) in frames.iter().zip(&carried).zip(pictures) {
                let uncovered = |i: &usize| labels.ids()[*i] == 0 && frames[0].ids()[*i] != 0;
                for i in (0..labels.ids().len()).filter(uncovered) {
                    let values = made.rgb()[3 * i..].iter().zip(&truth.rgb()[3 * i..]).take(3);
                    squares += values.map(|(a, b)| f64::from(a.abs_diff(*b)).powi(2)).sum::<f64>();
                    count += 3;
                }
            }
        }
        let decibels = 10.0 * (255.0f64.powi(2) * f64::from(count) / squares).log10();
        // The mean of what lies around has under 20.
        assert!(decibels > 25.0, "{decibels:.1} dB over {count} values");
    }
}
