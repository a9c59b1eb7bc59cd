//! Initial parameters, drawn from a named, counter-based stream in the order of construction.

use burn::{
    module::Param,
    tensor::{Device, Tensor, TensorData},
};

use crate::diffusion::noise::Noise;

/// Where new parameters come from.
#[derive(Debug)]
pub struct Init {
    device: Device,
    noise: Option<Noise>,
    position: u64,
}

impl Init {
    /// Parameters for `device`, drawn from the stream "init" of `seed`.
    pub fn new(seed: u64, device: &Device) -> Self {
        Self { device: device.clone(), noise: Some(Noise::new(seed, "init")), position: 0 }
    }

    /// Zeros for `device` in place of drawn parameters: for networks whose weights are read, which at
    /// full size take long to draw. What is [`Self::constant`] stays so.
    pub fn blank(device: &Device) -> Self {
        Self { device: device.clone(), noise: None, position: 0 }
    }

    /// The device of the parameters.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Normal numbers of standard deviation `std`.
    pub fn normal<const D: usize>(&mut self, shape: [usize; D], std: f32) -> Param<Tensor<D>> {
        let Some(noise) = &self.noise else { return self.constant(shape, 0.0) };
        let count = shape.iter().product::<usize>();
        let mut values = noise.normals(self.position, count);
        self.position += count as u64;
        values.iter_mut().for_each(|v| *v *= std);
        Param::from_data(TensorData::new(values, shape), &self.device)
    }

    /// One value everywhere.
    pub fn constant<const D: usize>(&self, shape: [usize; D], value: f32) -> Param<Tensor<D>> {
        let values = vec![value; shape.iter().product()];
        Param::from_data(TensorData::new(values, shape), &self.device)
    }
}
