//! Initial parameters, drawn from a named, counter-based stream in the order of construction.

use burn::{
    module::{Param, ParamId},
    tensor::{Device, Tensor, TensorData},
};

use crate::diffusion::noise::Noise;

/// Where new parameters come from.
///
/// A parameter is drawn when it is first looked at, from its place in the stream: one that is read from
/// a file instead costs nothing.
#[derive(Debug)]
pub struct Init {
    device: Device,
    noise: Noise,
    position: u64,
}

impl Init {
    /// Parameters for `device`, drawn from the stream "init" of `seed`.
    pub fn new(seed: u64, device: &Device) -> Self {
        Self { device: device.clone(), noise: Noise::new(seed, "init"), position: 0 }
    }

    /// The device of the parameters.
    pub fn device(&self) -> &Device {
        &self.device
    }

    /// Normal numbers of standard deviation `std`.
    pub fn normal<const D: usize>(&mut self, shape: [usize; D], std: f32) -> Param<Tensor<D>> {
        let (noise, position) = (self.noise, self.position);
        let count = shape.iter().product::<usize>();
        self.position += count as u64;
        self.lazy(shape, move || {
            let mut values = noise.normals(position, count);
            values.iter_mut().for_each(|v| *v *= std);
            values
        })
    }

    /// One value everywhere.
    pub fn constant<const D: usize>(&self, shape: [usize; D], value: f32) -> Param<Tensor<D>> {
        self.lazy(shape, move || vec![value; shape.iter().product()])
    }

    fn lazy<const D: usize>(
        &self,
        shape: [usize; D],
        values: impl FnOnce() -> Vec<f32> + Send + Sync + 'static,
    ) -> Param<Tensor<D>> {
        let make = move |device: &Device, require_grad: bool| {
            let tensor = Tensor::from_data(TensorData::new(values(), shape), device);
            tensor.set_require_grad(require_grad)
        };
        Param::uninitialized(ParamId::new(), make, self.device.clone(), true, shape.into())
    }
}
