//! Initial parameters, drawn from a named, counter-based stream in the order of construction.

use burn::{
    module::{Param, ParamId},
    tensor::{Device, Tensor, TensorData},
};

use crate::{diffusion::noise::Noise, weights::FloatType};

/// Where new parameters come from.
///
/// A parameter is drawn when it is first looked at, from its place in the stream: one that is read from
/// a file instead costs nothing.
#[derive(Debug)]
pub struct Init {
    device: Device,
    noise: Noise,
    position: u64,
    kept: FloatType,
}

impl From<&Device> for Init {
    /// Of seed 0, for parameters that are read from files.
    fn from(device: &Device) -> Self {
        Self::new(0, device)
    }
}

impl Init {
    /// Parameters for `device`, drawn from the stream "init" of `seed`.
    pub fn new(seed: u64, device: &Device) -> Self {
        Self {
            device: device.clone(),
            noise: Noise::new(seed, "init"),
            position: 0,
            kept: FloatType::F32,
        }
    }

    /// Keeps weights, which are most of a network, rounded to the nearest of a type; norms and biases stay
    /// as they are. Layers compute in 32 bits all the same ([`wide`]). For networks that are not trained.
    pub fn keeping(self, kept: FloatType) -> Self {
        Self { kept, ..self }
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
        let drawn = self.lazy(shape, move || {
            let mut values = noise.normals(position, count);
            values.iter_mut().for_each(|v| *v *= std);
            values
        });
        match self.kept {
            FloatType::F32 => drawn,
            kept => {
                let round = move |x: Tensor<D>| x.cast(kept.of_tensors());
                drawn.init_mapper(round).load_mapper(round)
            }
        }
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
        // What is read may lie in 16 bits in its file.
        Param::uninitialized(ParamId::new(), make, self.device.clone(), true, shape.into())
            .load_mapper(in_32_bits)
    }
}

/// A parameter in 32 bits, however it is kept ([`Init::keeping`]).
pub fn wide<const D: usize>(parameter: &Param<Tensor<D>>) -> Tensor<D> {
    in_32_bits(parameter.val())
}

/// A tensor in 32 bits.
pub fn in_32_bits<const D: usize>(x: Tensor<D>) -> Tensor<D> {
    thrumask_kernels::widened(x)
}
