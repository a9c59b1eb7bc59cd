//! Where networks run: on the processor, or, in a build with the feature `gpu`, on a graphics card.

use std::{fmt, str::FromStr};

use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use thrumask_core::Error;

use crate::Result;

/// A device by its name: `cpu`, `gpu` (the first graphics card) or `gpu:1`.
///
/// Same seed, same bytes holds on the processor, whatever its threads. A graphics card adds in an order of its
/// own, so that its results differ from the processor's in the last digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum DeviceName {
    /// The processor, with the kernels of `thrumask-kernels`.
    #[default]
    Cpu,
    /// A graphics card by its number, through Vulkan or what else the system has.
    Gpu(usize),
}

impl DeviceName {
    /// The device.
    ///
    /// # Errors
    /// [`Error::Invalid`] when this build has no graphics cards, or the machine no such one.
    pub fn open(self) -> Result<Device> {
        match self {
            Self::Cpu => Ok(Device::flex()),
            Self::Gpu(number) => Ok(gpu(number)?),
        }
    }
}

#[cfg(feature = "gpu")]
fn gpu(number: usize) -> std::result::Result<Device, Error> {
    use burn::tensor::DeviceType;
    let devices: Vec<Device> = Device::enumerate(DeviceType::Wgpu).into_iter().collect();
    let count = devices.len();
    devices.into_iter().nth(number).ok_or_else(|| {
        let reason = format!("expected a graphics card number {number}, found {count} in all");
        Error::invalid("device", reason)
    })
}

#[cfg(not(feature = "gpu"))]
fn gpu(_number: usize) -> std::result::Result<Device, Error> {
    let reason = "expected cpu: this build has no graphics cards (build with --features gpu)";
    Err(Error::invalid("device", reason))
}

impl FromStr for DeviceName {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (kind, number) = text.split_once(':').unwrap_or((text, "0"));
        match (kind, number.parse()) {
            ("cpu", Ok(0)) if !text.contains(':') => Ok(Self::Cpu),
            ("gpu", Ok(number)) => Ok(Self::Gpu(number)),
            _ => Err(format!("expected cpu, gpu or gpu:NUMBER, got {text:?}")),
        }
    }
}

impl TryFrom<String> for DeviceName {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        text.parse()
    }
}

impl From<DeviceName> for String {
    fn from(name: DeviceName) -> Self {
        name.to_string()
    }
}

impl fmt::Display for DeviceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.write_str("cpu"),
            Self::Gpu(0) => f.write_str("gpu"),
            Self::Gpu(number) => write!(f, "gpu:{number}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_as_they_are_written() {
        for (text, name) in
            [("cpu", DeviceName::Cpu), ("gpu", DeviceName::Gpu(0)), ("gpu:2", DeviceName::Gpu(2))]
        {
            assert_eq!(text.parse(), Ok(name));
            assert_eq!(name.to_string(), text);
        }
        assert_eq!("gpu:0".parse(), Ok(DeviceName::Gpu(0)));
        for text in ["", "cuda", "gpu:", "gpu:x", "cpu:0", "cpu:1", "gpu:-1"] {
            let error = text.parse::<DeviceName>().unwrap_err();
            assert!(error.contains("expected cpu, gpu or gpu:NUMBER"), "{error}");
        }
    }

    #[test]
    fn the_processor_is_there_and_a_card_that_is_not_is_named() {
        assert_eq!(DeviceName::default().open().unwrap(), Device::flex());
        let error = DeviceName::Gpu(99).open().unwrap_err().to_string();
        assert!(error.contains("device: expected"), "{error}");
    }
}
