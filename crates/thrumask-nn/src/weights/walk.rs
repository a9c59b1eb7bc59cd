//! Walking a module's float parameters in their fixed order of declaration.

use std::sync::Arc;

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::{AllocationProperty, Bytes, DType, Gradients, Tensor, TensorData, Transaction},
};

use crate::pixels::{host_data, host_values};

/// One parameter on the host.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameter {
    /// Path of field names, joined by dots: `blocks.0.attention.query.weight`.
    pub name: String,
    /// Sizes of the axes.
    pub shape: Vec<usize>,
    /// Values, row-major.
    pub values: Vec<f32>,
}

/// The path of fields while a module is walked. The variant of an enum is no part of it: there is
/// never more than one.
#[derive(Default)]
struct Path(Vec<String>);

impl Path {
    fn enter(&mut self, name: &str, container: &str) {
        if !container.starts_with("Enum:") {
            self.0.push(name.to_owned());
        }
    }

    fn exit(&mut self, container: &str) {
        if !container.starts_with("Enum:") {
            self.0.pop();
        }
    }

    fn name(&self) -> String {
        self.0.join(".")
    }
}

struct Visit<F> {
    path: Path,
    seen: F,
}

impl<F: FnMut(Parameter)> ModuleVisitor for Visit<F> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.path.exit(container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let tensor = param.val();
        (self.seen)(Parameter {
            name: self.path.name(),
            shape: tensor.dims().to_vec(),
            values: host_values(tensor),
        });
    }
}

/// Shows every float parameter, one after the other, in the order of declaration.
pub fn visit_values<M: Module>(module: &M, seen: impl FnMut(Parameter)) {
    module.visit(&mut Visit { path: Path::default(), seen });
}

/// All float parameters, in the order of declaration.
pub fn parameters<M: Module>(module: &M) -> Vec<Parameter> {
    let mut found = Vec::new();
    visit_values(module, |parameter| found.push(parameter));
    found
}

struct VisitShapes<F> {
    path: Path,
    seen: F,
}

impl<F: FnMut(&str, &[usize])> ModuleVisitor for VisitShapes<F> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.path.exit(container);
    }

    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        (self.seen)(&self.path.name(), param.lazy_shape().as_slice());
    }
}

/// Shows name and shape of every float parameter, in the order of declaration, without its values.
pub fn visit_shapes<M: Module>(module: &M, seen: impl FnMut(&str, &[usize])) {
    module.visit(&mut VisitShapes { path: Path::default(), seen });
}

struct CollectGradients<'a> {
    gradients: &'a mut Gradients,
    /// Those that there are.
    read: Transaction,
    /// Of which parameters.
    there: Vec<bool>,
}

impl ModuleVisitor for CollectGradients<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let gradient = param.val().grad_remove(self.gradients);
        self.there.push(gradient.is_some());
        if let Some(gradient) = gradient {
            self.read = std::mem::take(&mut self.read).register(gradient);
        }
    }
}

/// The gradient of each parameter, in the order of [`parameters`]; `None` where there is none. All are read
/// at once, since a graphics card is waited for at each reading.
pub fn gradients<M: Module>(module: &M, mut gradients: Gradients) -> Vec<Option<Vec<f32>>> {
    let (read, there) = (Transaction::default(), Vec::new());
    let mut walk = CollectGradients { gradients: &mut gradients, read, there };
    module.visit(&mut walk);
    let mut found = walk.read.execute().into_iter();
    let next = |there: bool| if there { found.next().map(host_data) } else { None };
    walk.there.into_iter().map(next).collect()
}

struct Freeze<F> {
    path: Path,
    is_frozen: F,
}

impl<F: Fn(&str) -> bool> ModuleMapper for Freeze<F> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.path.exit(container);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match (self.is_frozen)(&self.path.name()) {
            true => param.set_require_grad(false),
            false => param,
        }
    }
}

/// The module, without gradients of the parameters that `is_frozen` says by name: what depends on no other is
/// then not kept for the backward pass.
pub fn frozen<M: Module>(module: M, is_frozen: impl Fn(&str) -> bool) -> M {
    module.map(&mut Freeze { path: Path::default(), is_frozen })
}

struct Empty<F> {
    index: usize,
    is_left: F,
}

impl<F: Fn(usize) -> bool> ModuleMapper for Empty<F> {
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        self.index += 1;
        if !(self.is_left)(self.index - 1) {
            return param;
        }
        // One number that stands everywhere.
        param.map(|tensor| Tensor::<D>::zeros([1; D], &tensor.device()).expand(tensor.dims()))
    }
}

/// Numbers as their bytes.
struct SharedValues(Arc<Vec<f32>>);

impl AsRef<[u8]> for SharedValues {
    fn as_ref(&self) -> &[u8] {
        bytemuck::cast_slice(&self.0)
    }
}

struct Replace<F> {
    path: Path,
    index: usize,
    value: F,
}

/// What a parameter is replaced by.
pub(super) enum New {
    /// As many values as its shape holds, row-major.
    Values(Vec<f32>),
    /// The same, held by somebody else too.
    Shared(Arc<Vec<f32>>),
    /// A tensor of its shape, or, `turned`, a matrix with its axes exchanged, of any type with a fraction.
    InPlace { data: TensorData, dtype: DType, turned: bool },
}

impl<F: FnMut(usize, &str, &[usize]) -> Option<New>> ModuleMapper for Replace<F> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.enter(name, container);
    }

    fn exit_module(&mut self, _name: &str, container: &str) {
        self.path.exit(container);
    }

    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let shape = param.lazy_shape().to_vec();
        let new = (self.value)(self.index, &self.path.name(), &shape);
        self.index += 1;
        // The old values may never have been made, and are not made for this.
        let (id, device) = (param.id, param.lazy_device());
        let new: Tensor<D> = match new {
            Some(New::Values(values)) => Tensor::from_data(TensorData::new(values, shape), &device),
            Some(New::Shared(values)) => {
                let bytes = ::bytes::Bytes::from_owner(SharedValues(values));
                let bytes = Bytes::from_shared(bytes, AllocationProperty::Native);
                Tensor::from_data(TensorData::from_bytes(bytes, shape, DType::F32), &device)
            }
            Some(New::InPlace { data, dtype, turned: false }) => {
                Tensor::from_data(data, (&device, dtype))
            }
            Some(New::InPlace { data, dtype, turned: true }) => {
                Tensor::from_data(data, (&device, dtype)).swap_dims(0, 1)
            }
            None => return param,
        };
        param.transform_for_load(new, id)
    }
}

/// The module with new parameter values: `value` gets index, name and shape of each parameter, in
/// the order of [`parameters`], and gives as many values as the shape holds, or `None` to keep it.
pub fn with_values<M: Module>(
    module: M,
    mut value: impl FnMut(usize, &str, &[usize]) -> Option<Vec<f32>>,
) -> M {
    replaced(module, |index, name, shape| value(index, name, shape).map(New::Values))
}

/// As [`with_values`], with values that the caller holds too: a device that computes in the host's memory
/// reads them there, others get a copy. They stay as they are as long as a module has them
/// ([`without_values`] gives them free).
pub fn with_shared_values<M: Module>(
    module: M,
    mut value: impl FnMut(usize) -> Option<Arc<Vec<f32>>>,
) -> M {
    replaced(module, |index, _, _| value(index).map(New::Shared))
}

/// The module without the values of the parameters of which `is_left` is true of their index: they keep
/// shape, device and kind for values to be put in their place, and are zeros until then.
pub fn without_values<M: Module>(module: M, is_left: impl Fn(usize) -> bool) -> M {
    module.map(&mut Empty { index: 0, is_left })
}

/// As [`with_values`], with tensors in place too.
pub(super) fn replaced<M: Module>(
    module: M,
    value: impl FnMut(usize, &str, &[usize]) -> Option<New>,
) -> M {
    module.map(&mut Replace { path: Path::default(), index: 0, value })
}

#[cfg(test)]
mod tests {
    use burn::tensor::Device;

    use super::*;

    #[derive(Module, Debug)]
    struct Pair {
        kept: Param<Tensor<1>>,
        learned: Param<Tensor<1>>,
    }

    #[test]
    fn what_is_frozen_has_no_gradient_and_the_rest_has_its_own() {
        let of = |values: [f32; 2]| {
            Param::from_tensor(Tensor::from_data(TensorData::from(values), &Device::flex()))
        };
        let pair = || Pair { kept: of([2.0, 3.0]), learned: of([5.0, 7.0]) };
        let found = |pair: Pair| {
            let product = pair.kept.val() * pair.learned.val();
            gradients(&pair, product.sum().backward())
        };
        let free = found(pair().train());
        assert_eq!(free, [Some(vec![5.0, 7.0]), Some(vec![2.0, 3.0])]);
        let half = found(frozen(pair().train(), |name| name == "kept"));
        assert_eq!(half, [None, Some(vec![2.0, 3.0])]);
    }

    #[test]
    fn shared_values_are_read_where_they_lie_and_are_free_again_without_the_module() {
        let of = |values: [f32; 2]| {
            Param::from_tensor(Tensor::from_data(TensorData::from(values), &Device::flex()))
        };
        let mut pair = Pair { kept: of([2.0, 3.0]), learned: of([5.0, 7.0]) }.train();
        let mut values = Arc::new(vec![11.0, 13.0]);
        for _ in 0..2 {
            pair = with_shared_values(pair, |index| (index == 1).then(|| values.clone())).train();
            let inside = pair.valid().learned.val().into_data();
            assert_eq!(inside.as_slice::<f32>().unwrap(), &**values);
            let product = pair.kept.val() * pair.learned.val();
            let found = gradients(&pair, product.sum().backward());
            assert_eq!(found, [Some(values.to_vec()), Some(vec![2.0, 3.0])]);
            assert!(Arc::strong_count(&values) > 1);
            pair = without_values(pair, |index| index == 1);
            assert_eq!(Arc::strong_count(&values), 1, "held by what is left of the module");
            assert_eq!(pair.learned.dims(), [2]);
            assert_eq!(pair.kept.val().into_data(), TensorData::from([2.0f32, 3.0]));
            values = Arc::new(vec![17.0, 19.0]);
        }
    }
}
