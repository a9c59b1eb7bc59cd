//! Public weights into a [`Unet`]: Stable Diffusion 1.5's, with or without AnimateDiff's motion modules,
//! in any of their layouts, as the start of a stage.

use std::collections::BTreeMap;

use burn::tensor::Device;

use super::{Unet, UnetConfig, names};
use crate::{
    Error, Result,
    layers::Init,
    weights::{
        LoadReport, Mapped, Renamed, TensorSource, load_public, public_check, public_report,
        renamed,
    },
};

/// What a file calls the modules it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Naming {
    /// diffusers' `unet/`, `motion_adapter/`, or both as one folder.
    Diffusers,
    /// Stable Diffusion's original single file; it holds other networks too.
    SingleFile,
    /// AnimateDiff's own checkpoints.
    AnimateDiff,
}

impl Naming {
    fn of(source: &dyn TensorSource) -> Self {
        let shapes = source.shapes();
        let any = |part: &str| shapes.keys().any(|name| name.contains(part));
        match (any(names::SINGLE_FILE), any(".temporal_transformer.")) {
            (true, _) => Self::SingleFile,
            (_, true) => Self::AnimateDiff,
            _ => Self::Diffusers,
        }
    }

    /// What precedes every name, where files were written from a wrapped network.
    const WRAPPER: &str = "module.";

    /// The name without what wraps it, when it is a parameter of a U-Net.
    fn own(self, name: &str) -> Option<&str> {
        let name = name.strip_prefix(Self::WRAPPER).unwrap_or(name);
        let foreign = self == Self::SingleFile && !name.starts_with(names::SINGLE_FILE);
        (!foreign && !names::is_table(name)).then_some(name)
    }
}

/// A tensor of one of the files.
struct Entry<'a> {
    source: &'a dyn TensorSource,
    /// Its name there.
    name: String,
    /// Its shape as the network wants it.
    shape: Vec<usize>,
}

/// Tensors of several files under one set of names, the first convolution as wide as a network's.
#[derive(Default)]
struct Joined<'a> {
    entries: BTreeMap<String, Entry<'a>>,
    /// The first convolution, and how many input channels it has in its file.
    widened: Option<(String, usize)>,
}

impl<'a> Joined<'a> {
    /// Adds the parameters of a file.
    fn add(&mut self, what: &str, source: &'a dyn TensorSource) -> Result<Naming> {
        let naming = Naming::of(source);
        for (name, shape) in source.shapes() {
            let Some(own) = naming.own(name) else { continue };
            let entry = Entry { source, name: name.to_owned(), shape: shape.to_vec() };
            if self.entries.insert(own.to_owned(), entry).is_some() {
                return Err(Error::weights(what, format!("{own} is in more than one file")));
            }
        }
        Ok(naming)
    }

    /// Gives the convolution `name` as many input channels, the new ones zero.
    fn widen(&mut self, name: String, inputs: usize) {
        if let Some(Entry { shape, .. }) = self.entries.get_mut(&name)
            && let [_, got, _, _] = shape.as_mut_slice()
            && *got < inputs
        {
            self.widened = Some((name, *got));
            *got = inputs;
        }
    }
}

impl TensorSource for Joined<'_> {
    fn shapes(&self) -> BTreeMap<&str, &[usize]> {
        self.entries.iter().map(|(name, entry)| (name.as_str(), &*entry.shape)).collect()
    }

    fn values(&self, name: &str) -> Result<Vec<f32>> {
        let entry = self.entries.get(name);
        let Entry { source, name: own, shape } =
            entry.ok_or_else(|| Error::weights(name, "no such tensor"))?;
        let values = source.values(own)?;
        let Some((_, inputs)) = self.widened.as_ref().filter(|(widened, _)| widened == name) else {
            return Ok(values);
        };
        let taps: usize = shape[2..].iter().product();
        let mut wide = vec![0.0; shape.iter().product()];
        let rows = wide.chunks_exact_mut(shape[1] * taps).zip(values.chunks_exact(inputs * taps));
        rows.for_each(|(wide, row)| wide[..row.len()].copy_from_slice(row));
        Ok(wide)
    }

    fn mapped(&self, name: &str) -> Option<Mapped> {
        let Entry { source, name: own, .. } = self.entries.get(name)?;
        let widened = self.widened.as_ref().is_some_and(|(widened, _)| widened == name);
        if widened { None } else { source.mapped(own) }
    }
}

impl<'a> Joined<'a> {
    /// The parameters of all files, the first convolution as wide as `config` has it, and what a module
    /// of ours is called among them.
    fn of(
        what: &str,
        sources: &[&'a dyn TensorSource],
        config: &UnetConfig,
    ) -> Result<(Self, impl Fn(&str) -> String)> {
        let mut joined = Self::default();
        let mut namings = Vec::new();
        for &source in sources {
            namings.push(joined.add(what, source)?);
        }
        let has = |naming| namings.contains(&naming);
        let (single, animatediff) = (has(Naming::SingleFile), has(Naming::AnimateDiff));
        let config = config.clone();
        let inputs = config.latent_channels + config.condition_channels;
        let rename = move |path: &str| match path.contains("motion_modules") {
            true if animatediff => names::animatediff(path),
            false if single => names::single_file(path, &config),
            _ => names::diffusers(path),
        };
        joined.widen(format!("{}.weight", rename("conv_in")), inputs);
        Ok((joined, rename))
    }
}

/// Passes a report in which nothing is amiss but that object layers are new.
fn judged(what: &str, mut report: LoadReport) -> Result<LoadReport> {
    report.missing.retain(|name| !name.contains(OBJECT_LAYERS));
    match report.is_complete() {
        true => Ok(report),
        false => Err(Error::weights(what, report.to_string())),
    }
}

impl Unet {
    /// A network that starts from public weights, given as the files or folders that hold them: U-Net
    /// and motion modules in one, or in two.
    ///
    /// Input channels that they do not have are zero, and object layers, which no public file has, are
    /// drawn from `seed` (their gates as the configuration has them: closed, when it says 0, so that the
    /// network is the public one).
    ///
    /// # Errors
    /// As [`Unet::check_public`], and [`Error::Weights`] when a tensor cannot be read.
    pub fn load_public(
        what: &str,
        sources: &[&dyn TensorSource],
        config: &UnetConfig,
        seed: u64,
        device: &Device,
    ) -> Result<Self> {
        let (joined, rename) = Joined::of(what, sources, config)?;
        let network = Self::new(&mut Init::new(seed, device), config)?;
        let (network, report) = public_report(&joined, network, rename)?;
        judged(what, report).map(|_| network)
    }

    /// What [`Unet::load_public`] would take, without reading or making any values.
    ///
    /// # Errors
    /// [`Error::Config`] as [`Unet::new`]; [`Error::Weights`] when a tensor is in more than one file,
    /// and with the whole report unless every parameter but those of object layers is there and fits,
    /// and nothing is left over.
    pub fn check_public(
        what: &str,
        sources: &[&dyn TensorSource],
        config: &UnetConfig,
    ) -> Result<LoadReport> {
        let (joined, rename) = Joined::of(what, sources, config)?;
        let network = Self::new(&mut Init::new(0, &Device::flex()), config)?;
        judged(what, public_check(&joined, &network, rename))
    }
}

/// The tensors of a stage, without the tables that Python's libraries write beside them.
fn parameters_of(source: &dyn TensorSource) -> Result<Renamed<'_>> {
    renamed(source, |name| (!names::is_table(name)).then(|| name.to_owned()))
}

impl Unet {
    /// A stage's network from a file in the naming of diffusers, in which everything is: the channels of
    /// the conditions and the object layers too.
    ///
    /// # Errors
    /// [`Error::Config`] as [`Unet::new`]; [`Error::Weights`] with the whole report unless every parameter
    /// fits and none is left over, or when a tensor cannot be read.
    pub fn load_stage(
        what: &str,
        source: &dyn TensorSource,
        config: &UnetConfig,
        init: impl Into<Init>,
    ) -> Result<Self> {
        let network = Self::new(&mut init.into(), config)?;
        load_public(what, &parameters_of(source)?, network, names::diffusers)
    }

    /// What [`Unet::load_stage`] would take, without reading or making any values.
    ///
    /// # Errors
    /// As [`Unet::load_stage`].
    pub fn check_stage(what: &str, source: &dyn TensorSource, config: &UnetConfig) -> Result<()> {
        let network = Self::new(&mut Init::new(0, &Device::flex()), config)?;
        let report = public_check(&parameters_of(source)?, &network, names::diffusers);
        match report.is_complete() {
            true => Ok(()),
            false => Err(Error::weights(what, report.to_string())),
        }
    }
}

/// What the names of object layers have and no others.
const OBJECT_LAYERS: &str = ".object_";
