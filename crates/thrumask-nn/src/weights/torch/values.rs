//! The values that a pickle makes, and what is made of them: tensors, dictionaries and plain values.

use crate::weights::number::Number;

/// The most axes a tensor may have.
const MAX_AXES: usize = 16;
/// The most characters of a name that an error tells.
const MAX_NAME: usize = 200;

type Result<T> = std::result::Result<T, String>;

/// Position of a value in [`Pickle::values`].
pub(super) type Ref = usize;

/// What a file may name that means something here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Storage(Number),
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Nothing,
    Bool(bool),
    Int(i64),
    /// A number that is no size: with a fraction, or of more than 64 bits.
    Float,
    Bytes,
    Text(String),
    /// A list or a set.
    List(Vec<Ref>),
    Tuple(Vec<Ref>),
    Dict(Vec<(Ref, Ref)>),
    Known(Known),
    /// Something else that a file names, or what would be made with it; the texts of its name.
    Unknown {
        module: Ref,
        name: Ref,
    },
    Storage {
        key: String,
        number: Number,
        count: usize,
    },
    Tensor(Tensor),
}

/// A view of a storage.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Tensor {
    /// The storage's key, number type and length.
    pub storage: (String, Number, usize),
    /// First number.
    pub offset: usize,
    /// Sizes of the axes.
    pub shape: Vec<usize>,
    /// Numbers from one place to the next along each axis.
    pub strides: Vec<usize>,
}

/// Every value of a pickle.
#[derive(Debug, Default)]
pub(super) struct Pickle {
    pub values: Vec<Value>,
}

impl Pickle {
    /// Keeps a value.
    pub(super) fn add(&mut self, value: Value) -> Ref {
        self.values.push(value);
        self.values.len() - 1
    }

    /// What a file names, by two texts.
    pub(super) fn global(&self, module: Ref, name: Ref) -> Result<Value> {
        match (&self.values[module], &self.values[name]) {
            (Value::Text(of), Value::Text(is)) => {
                Ok(known(of, is).map_or(Value::Unknown { module, name }, Value::Known))
            }
            _ => Err("expected the name of a function or class".into()),
        }
    }

    /// The first of several values of which only a name is known: what is made of them is as unknown.
    pub(super) fn unknown(&self, parts: &[Ref]) -> Option<Value> {
        let mut parts = parts.iter().map(|&part| &self.values[part]);
        parts.find(|part| matches!(part, Value::Unknown { .. })).cloned()
    }

    /// A sentence that `wanted` should be where a value is, with the name of one that is unknown.
    pub(super) fn expected(&self, wanted: &str, at: Ref) -> String {
        let Value::Unknown { module, name } = self.values[at] else {
            return format!("expected {wanted}");
        };
        let [module, name] = [module, name].map(|part| match &self.values[part] {
            Value::Text(text) => text.chars().take(MAX_NAME).collect::<String>(),
            _ => String::new(),
        });
        format!("expected {wanted}, got {module}.{name}")
    }

    /// A text.
    pub(super) fn text(&self, at: Ref) -> Result<String> {
        match &self.values[at] {
            Value::Text(text) => Ok(text.clone()),
            _ => Err(self.expected("a text", at)),
        }
    }

    /// A number from 0 on.
    pub(super) fn size(&self, at: Ref) -> Result<usize> {
        let size = match self.values[at] {
            Value::Int(value) => usize::try_from(value).ok(),
            _ => None,
        };
        size.ok_or_else(|| self.expected("a number from 0 on", at))
    }

    fn sizes(&self, at: Ref) -> Result<Vec<usize>> {
        match &self.values[at] {
            Value::Tuple(sizes) if sizes.len() <= MAX_AXES => {
                sizes.iter().map(|&size| self.size(size)).collect()
            }
            _ => Err(self.expected(&format!("the sizes of at most {MAX_AXES} axes"), at)),
        }
    }

    /// What a known function would give of what is known.
    pub(super) fn call(&self, what: Ref, arguments: Ref) -> Result<Value> {
        if let Some(unknown) = self.unknown(&[what, arguments]) {
            return Ok(unknown);
        }
        let (Value::Known(what), Value::Tuple(arguments)) =
            (&self.values[what], &self.values[arguments])
        else {
            return Err("expected a known function and its arguments".into());
        };
        // The arguments that are looked at; hooks and the like come after them.
        let used = match what {
            Known::OrderedDict | Known::RebuildParameter => 1,
            Known::RebuildTensor => 4,
            Known::Storage(_) => 0,
        };
        if let Some(unknown) = self.unknown(&arguments[..used.min(arguments.len())]) {
            return Ok(unknown);
        }
        match (what, arguments.as_slice()) {
            (Known::OrderedDict, []) => Ok(Value::Dict(Vec::new())),
            (Known::OrderedDict, &[pairs]) => self.dict_of(pairs).map(Value::Dict),
            (Known::RebuildTensor, &[storage, offset, shape, strides, ..]) => {
                let Value::Storage { key, number, count } = &self.values[storage] else {
                    return Err("expected the storage of a tensor".into());
                };
                let (shape, strides) = (self.sizes(shape)?, self.sizes(strides)?);
                if shape.len() != strides.len() {
                    let (s, t) = (shape.len(), strides.len());
                    return Err(format!("expected {s} strides of a tensor, got {t}"));
                }
                let storage = (key.clone(), *number, *count);
                let offset = self.size(offset)?;
                Ok(Value::Tensor(Tensor { storage, offset, shape, strides }))
            }
            (Known::RebuildParameter, &[tensor, ..]) => match &self.values[tensor] {
                Value::Tensor(tensor) => Ok(Value::Tensor(tensor.clone())),
                _ => Err("expected the tensor of a parameter".into()),
            },
            (what, _) => Err(format!("{what:?} cannot be called with these arguments")),
        }
    }

    /// The entries that a list of pairs makes.
    pub(super) fn dict_of(&self, pairs: Ref) -> Result<Vec<(Ref, Ref)>> {
        let wrong = || "expected a list of pairs".to_owned();
        let Value::List(pairs) = &self.values[pairs] else { return Err(wrong()) };
        let pair = |&pair: &Ref| match &self.values[pair] {
            Value::List(pair) | Value::Tuple(pair) => match pair.as_slice() {
                &[key, value] => Ok((key, value)),
                _ => Err(wrong()),
            },
            _ => Err(wrong()),
        };
        pairs.iter().map(pair).collect()
    }
}

/// What means something here, by module and name.
fn known(module: &str, name: &str) -> Option<Known> {
    Some(match (module, name) {
        ("collections", "OrderedDict") => Known::OrderedDict,
        ("torch._utils", "_rebuild_tensor_v2" | "_rebuild_tensor") => Known::RebuildTensor,
        ("torch._utils", "_rebuild_parameter") => Known::RebuildParameter,
        ("torch", "DoubleStorage") => Known::Storage(Number::F64),
        ("torch", "FloatStorage") => Known::Storage(Number::F32),
        ("torch", "HalfStorage") => Known::Storage(Number::F16),
        ("torch", "BFloat16Storage") => Known::Storage(Number::BF16),
        ("torch", "LongStorage") => Known::Storage(Number::I64),
        ("torch", "IntStorage") => Known::Storage(Number::I32),
        ("torch", "ShortStorage") => Known::Storage(Number::I16),
        ("torch", "CharStorage") => Known::Storage(Number::I8),
        ("torch", "ByteStorage") => Known::Storage(Number::U8),
        ("torch", "BoolStorage") => Known::Storage(Number::Bool),
        _ => return None,
    })
}
