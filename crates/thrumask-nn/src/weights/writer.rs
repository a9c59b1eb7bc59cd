//! Public files, written a tensor at a time.

use std::{collections::HashMap, io::Write, path::Path};

use burn::module::Module;
use thrumask_core::fsio::PendingFile;

use super::{
    FloatType,
    public::{public_parameter, public_shape},
    safetensors::{Heading, write_header},
    walk,
};
use crate::Result;

/// Hears how many tensors of how many are written.
type Step<'a> = &'a mut dyn FnMut(usize, usize) -> Result<()>;

/// A file of tensors that is being written; it gets its name when all of it is there.
pub(super) struct TensorWriter<'a> {
    out: &'a Path,
    file: PendingFile,
    float: FloatType,
    done: usize,
    total: usize,
    step: Step<'a>,
}

impl<'a> TensorWriter<'a> {
    /// Begins a file of tensors of these names and shapes, in this order.
    pub fn begin<'b>(
        out: &'a Path,
        float: FloatType,
        shapes: impl Iterator<Item = (&'b str, &'b [usize])>,
        step: Step<'a>,
    ) -> Result<Self> {
        let mut file = PendingFile::begin(out)?;
        let headings: Vec<Heading<'_>> =
            shapes.map(|(name, shape)| (name, float.number(), shape)).collect();
        // The word by which Python's libraries know that the layouts are PyTorch's.
        let metadata = HashMap::from([("format".to_owned(), "pt".to_owned())]);
        write_header(&mut file, &headings, &metadata)?;
        Ok(Self { out, file, float, done: 0, total: headings.len(), step })
    }

    /// Writes the values of the next tensor.
    pub fn push(&mut self, values: &[f32]) -> Result<()> {
        (self.step)(self.done, self.total)?;
        let written = self.file.write_all(&self.float.bytes(values));
        written.map_err(|e| thrumask_core::Error::io("writing", self.out, e))?;
        self.done += 1;
        Ok(())
    }

    /// Gives the file its name.
    pub fn finish(self) -> Result<()> {
        (self.step)(self.done, self.total)?;
        Ok(self.file.commit()?)
    }
}

/// Writes a module's parameters as safetensors, under their public names and in their public layout, one
/// at a time. `rename` is as for [`load_public`](super::load_public); `step` hears how many of how many
/// are written.
///
/// # Errors
/// [`thrumask_core::Error`] when the file cannot be written; whatever `step` returns.
pub fn write_public<M: Module>(
    module: &M,
    rename: impl Fn(&str) -> String,
    out: &Path,
    float: FloatType,
    step: Step<'_>,
) -> Result<()> {
    let mut shapes: Vec<(String, Vec<usize>)> = Vec::new();
    walk::visit_shapes(module, |path, shape| shapes.push(public_shape(path, shape, &rename)));
    let named = shapes.iter().map(|(name, shape)| (name.as_str(), shape.as_slice()));
    let mut file = TensorWriter::begin(out, float, named, step)?;
    let mut written = Ok(());
    walk::visit_values(module, |parameter| {
        if written.is_ok() {
            written = file.push(&public_parameter(parameter, &rename).values);
        }
    });
    written?;
    file.finish()
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;
    use crate::{
        Error,
        backbone::unet::{Unet, UnetConfig, names},
        layers::Init,
        weights::{Checkpoint, TensorSource, public_tensors},
    };

    #[test]
    fn what_is_written_is_what_is_there_and_a_stop_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("a.safetensors");
        let device = Device::flex();
        let config = UnetConfig::tiny(2);
        let network = Unet::new(&mut Init::new(1, &device), &config).unwrap();
        let mut heard = Vec::new();
        let write = |out: &Path, step: Step<'_>| {
            write_public(&network, names::diffusers, out, FloatType::F32, step)
        };
        let stop = &mut |done: usize, _: usize| match done {
            3 => Err(Error::config("test", "stop")),
            _ => Ok(()),
        };
        assert!(write(&out, stop).unwrap_err().to_string().contains("stop"));
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
        write(&out, &mut |done, total| {
            heard.push((done, total));
            Ok(())
        })
        .unwrap();
        let expected = public_tensors(&network, names::diffusers);
        let count = expected.tensors.len();
        assert_eq!(heard, (0..=count).map(|done| (done, count)).collect::<Vec<_>>());
        let read = Checkpoint::open(&out).unwrap();
        assert_eq!(read.shapes(), expected.shapes());
        for name in expected.shapes().keys() {
            assert_eq!(read.values(name).unwrap(), expected.values(name).unwrap(), "{name}");
        }
        Unet::load_stage("a", &read, &config, &device).unwrap();
    }
}
