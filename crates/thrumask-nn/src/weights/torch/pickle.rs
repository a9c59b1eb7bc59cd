//! A reader of the few pickle operations that a file of tensors is made of.
//!
//! A pickle is a program for a stack machine that may call anything. This machine knows tensors,
//! ordered dictionaries and plain values; what else is named in a file is an error, and nothing is
//! ever called. Values lie in one list and refer to each other by position, so that memory grows
//! with the length of the file alone, and no value can be nested deeper than a walk goes.

use std::collections::HashMap;

use crate::weights::number::Number;

/// Position of a value in [`Pickle::values`].
pub(super) type Ref = usize;

/// What a file may name.
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
    Float,
    Text(String),
    List(Vec<Ref>),
    Tuple(Vec<Ref>),
    Dict(Vec<(Ref, Ref)>),
    Known(Known),
    Storage { key: String, number: Number, count: usize },
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

/// The longest pickle that is read, in bytes; the numbers are no part of it.
pub(super) const MAX_BYTES: usize = 16 << 20;
/// The most axes a tensor may have.
const MAX_AXES: usize = 16;

type Result<T> = std::result::Result<T, String>;

/// Reads one pickle from the start of `bytes`: its values, the last of them, and its length.
///
/// # Errors
/// A sentence that says what was expected or is not allowed.
pub(super) fn read(bytes: &[u8]) -> Result<(Pickle, Ref, usize)> {
    let mut machine = Machine {
        bytes: bytes.get(..MAX_BYTES).unwrap_or(bytes),
        at: 0,
        pickle: Pickle::default(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
    };
    loop {
        if let Some(result) = machine.step()? {
            return Ok((machine.pickle, result, machine.at));
        }
    }
}

struct Machine<'a> {
    bytes: &'a [u8],
    at: usize,
    pickle: Pickle,
    stack: Vec<Ref>,
    marks: Vec<usize>,
    memo: HashMap<u32, Ref>,
}

impl<'a> Machine<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8]> {
        let end = self.at.checked_add(count);
        let found = end.and_then(|end| self.bytes.get(self.at..end));
        self.at = self.at.saturating_add(count);
        found.ok_or_else(|| "the pickle ends too early or is too long".to_owned())
    }

    fn byte(&mut self) -> Result<usize> {
        Ok(usize::from(self.take(1)?[0]))
    }

    /// A number of `count` bytes, at most 8, the least significant first.
    fn unsigned(&mut self, count: usize) -> Result<u64> {
        Ok(self.take(count)?.iter().rev().fold(0, |n, &b| n << 8 | u64::from(b)))
    }

    /// As [`Machine::unsigned`], in two's complement.
    fn signed(&mut self, count: usize) -> Result<i64> {
        let value = self.unsigned(count)?;
        let unused = 64 - 8 * count as u32;
        Ok(if count == 0 { 0 } else { (value << unused) as i64 >> unused })
    }

    fn text(&mut self, count: usize) -> Result<String> {
        let bytes = self.take(count)?.to_vec();
        String::from_utf8(bytes).map_err(|_| "expected text in UTF-8".to_owned())
    }

    fn line(&mut self) -> Result<String> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().take(256).position(|&b| b == b'\n');
        let text = self.text(length.ok_or("expected the end of a line")?)?;
        self.at += 1;
        Ok(text)
    }

    fn push(&mut self, value: Value) {
        self.stack.push(self.pickle.values.len());
        self.pickle.values.push(value);
    }

    fn pop(&mut self) -> Result<Ref> {
        // What lies below a mark is not reached past it.
        let floor = self.marks.last().copied().unwrap_or(0);
        if self.stack.len() <= floor {
            return Err("expected a value on the stack, got none".into());
        }
        self.stack.pop().ok_or_else(|| "expected a value on the stack, got none".into())
    }

    fn top(&self) -> Result<Ref> {
        self.stack.last().copied().ok_or_else(|| "expected a value on the stack, got none".into())
    }

    /// All values above the last mark.
    fn above_mark(&mut self) -> Result<Vec<Ref>> {
        let mark = self.marks.pop().ok_or("expected a mark on the stack, got none")?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    /// One operation; the result when it was the last.
    fn step(&mut self) -> Result<Option<Ref>> {
        let op = self.byte()? as u8;
        match op {
            b'.' => return self.pop().map(Some),
            0x80 => match self.byte()? {
                2..=5 => {}
                other => return Err(format!("expected a pickle of protocol 2 to 5, got {other}")),
            },
            0x95 => drop(self.take(8)?),
            b'(' => self.marks.push(self.stack.len()),
            b'0' => drop(self.pop()?),
            b'N' => self.push(Value::Nothing),
            0x88 | 0x89 => self.push(Value::Bool(op == 0x88)),
            b'J' => self.push_signed(4)?,
            b'K' | b'M' => {
                let value = self.unsigned(if op == b'K' { 1 } else { 2 })?;
                self.push(Value::Int(value as i64));
            }
            0x8a => {
                let count = self.byte()?;
                if count > 8 {
                    return Err(format!("expected a number of at most 8 bytes, got {count}"));
                }
                self.push_signed(count)?;
            }
            b'G' => {
                self.take(8)?;
                self.push(Value::Float);
            }
            b'X' | b'T' | 0x8c | b'U' => {
                let length = self.unsigned(if matches!(op, b'X' | b'T') { 4 } else { 1 })?;
                let text = self.text(length as usize)?;
                self.push(Value::Text(text));
            }
            b']' => self.push(Value::List(Vec::new())),
            b')' => self.push(Value::Tuple(Vec::new())),
            b'}' => self.push(Value::Dict(Vec::new())),
            b't' => {
                let items = self.above_mark()?;
                self.push(Value::Tuple(items));
            }
            0x85..=0x87 => {
                let mut items = Vec::new();
                for _ in 0x84..op {
                    items.insert(0, self.pop()?);
                }
                self.push(Value::Tuple(items));
            }
            b'a' | b'e' => {
                let items = if op == b'a' { vec![self.pop()?] } else { self.above_mark()? };
                let list = self.top()?;
                let Value::List(list) = &mut self.pickle.values[list] else {
                    return Err("expected a list to append to".into());
                };
                list.extend(items);
            }
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set_items(&[key, value])?;
            }
            b'u' => {
                let items = self.above_mark()?;
                self.set_items(&items)?;
            }
            b'h' | b'j' => {
                let slot = self.unsigned(if op == b'h' { 1 } else { 4 })? as u32;
                let value = self.memo.get(&slot).copied();
                self.stack.push(value.ok_or_else(|| format!("nothing is remembered as {slot}"))?);
            }
            b'q' | b'r' => {
                let slot = self.unsigned(if op == b'q' { 1 } else { 4 })? as u32;
                self.memo.insert(slot, self.top()?);
            }
            0x94 => {
                let value = self.top()?;
                self.memo.insert(self.memo.len() as u32, value);
            }
            b'c' => {
                let (module, name) = (self.line()?, self.line()?);
                self.push(Value::Known(known(&module, &name)?));
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let (name, module) = (self.pickle.text(name)?, self.pickle.text(module)?);
                self.push(Value::Known(known(&module, &name)?));
            }
            b'Q' => {
                let id = self.pop()?;
                let storage = self.storage(id)?;
                self.push(storage);
            }
            b'R' => {
                let (arguments, what) = (self.pop()?, self.pop()?);
                let value = self.pickle.call(what, arguments)?;
                self.push(value);
            }
            b'b' => {
                // An ordered dictionary's own attributes, of which none is a tensor.
                self.pop()?;
                let target = self.top()?;
                if !matches!(self.pickle.values[target], Value::Dict(_)) {
                    return Err("expected the state of a dictionary, got that of an object".into());
                }
            }
            other => return Err(format!("pickle operation 0x{other:02x} is not one of tensors")),
        }
        Ok(None)
    }

    fn push_signed(&mut self, count: usize) -> Result<()> {
        let value = self.signed(count)?;
        self.push(Value::Int(value));
        Ok(())
    }

    fn set_items(&mut self, items: &[Ref]) -> Result<()> {
        let dict = self.top()?;
        let Value::Dict(dict) = &mut self.pickle.values[dict] else {
            return Err("expected a dictionary to put items into".into());
        };
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return Err("expected a value for each key of a dictionary".into());
        }
        dict.extend(pairs.iter().map(|&[key, value]| (key, value)));
        Ok(())
    }

    /// The storage that a persistent id names: ("storage", its type, key, device, length), and in
    /// old files what it is a view of.
    fn storage(&self, id: Ref) -> Result<Value> {
        let wrong = || "expected the id of a storage".to_owned();
        let Value::Tuple(parts) = &self.pickle.values[id] else { return Err(wrong()) };
        let (Some(&[word, number, key, _, count]), views) = (parts.first_chunk(), parts.get(5))
        else {
            return Err(wrong());
        };
        if views.is_some_and(|&v| self.pickle.values[v] != Value::Nothing) {
            return Err("storages that are views of others are not supported".into());
        }
        let Value::Known(Known::Storage(number)) = self.pickle.values[number] else {
            return Err(wrong());
        };
        if self.pickle.text(word)? != "storage" {
            return Err(wrong());
        }
        let key = match &self.pickle.values[key] {
            Value::Int(key) => key.to_string(),
            _ => self.pickle.text(key)?,
        };
        Ok(Value::Storage { key, number, count: self.pickle.size(count)? })
    }
}

impl Pickle {
    /// A text.
    pub(super) fn text(&self, at: Ref) -> Result<String> {
        match &self.values[at] {
            Value::Text(text) => Ok(text.clone()),
            _ => Err("expected a text".into()),
        }
    }

    fn size(&self, at: Ref) -> Result<usize> {
        let size = match self.values[at] {
            Value::Int(value) => usize::try_from(value).ok(),
            _ => None,
        };
        size.ok_or_else(|| "expected a number from 0 on".into())
    }

    fn sizes(&self, at: Ref) -> Result<Vec<usize>> {
        match &self.values[at] {
            Value::Tuple(sizes) if sizes.len() <= MAX_AXES => {
                sizes.iter().map(|&size| self.size(size)).collect()
            }
            _ => Err(format!("expected the sizes of at most {MAX_AXES} axes")),
        }
    }

    /// What a known function would give.
    fn call(&self, what: Ref, arguments: Ref) -> Result<Value> {
        let (Value::Known(what), Value::Tuple(arguments)) =
            (&self.values[what], &self.values[arguments])
        else {
            return Err("expected a known function and its arguments".into());
        };
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

    fn dict_of(&self, pairs: Ref) -> Result<Vec<(Ref, Ref)>> {
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

/// What a file may name, by module and name.
fn known(module: &str, name: &str) -> Result<Known> {
    Ok(match (module, name) {
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
        _ => return Err(format!("expected only tensors and dictionaries, got {module}.{name}")),
    })
}
