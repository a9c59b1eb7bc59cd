//! A reader of the few pickle operations that a file of tensors is made of.
//!
//! A pickle is a program for a stack machine that may call anything. This machine knows tensors,
//! ordered dictionaries and plain values, and nothing is ever called. What else a file names, and
//! whatever would be made with it, is a value of which only that name is known: training leaves such
//! things beside the tensors, where nobody looks at them. In the place of a tensor, or of the dictionary
//! that holds them, they are an error with that name. Values lie in one list and refer to each other by
//! position, so that memory grows with the length of the file alone, and no value can be nested deeper
//! than a walk goes.

use std::collections::HashMap;

use super::values::{Known, Pickle, Ref, Value};

/// The longest pickle that is read, in bytes; the numbers are no part of it.
pub(super) const MAX_BYTES: usize = 16 << 20;

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
        let at = self.pickle.add(value);
        self.stack.push(at);
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
            0x8a | 0x8b => match self.unsigned(if op == 0x8a { 1 } else { 4 })? as usize {
                count @ 0..=8 => self.push_signed(count)?,
                count => {
                    self.take(count)?;
                    self.push(Value::Float);
                }
            },
            b'G' => {
                self.take(8)?;
                self.push(Value::Float);
            }
            b'X' | 0x8c | 0x8d => {
                let length = self.length(op)?;
                let text = self.text(length)?;
                self.push(Value::Text(text));
            }
            b'T' | b'U' => {
                // A text of Python 2 may be bytes of any kind.
                let length = self.length(op)?;
                let text = String::from_utf8(self.take(length)?.to_vec());
                self.push(text.map_or(Value::Bytes, Value::Text));
            }
            b'B' | b'C' | 0x8e | 0x96 => {
                let length = self.length(op)?;
                self.take(length)?;
                self.push(Value::Bytes);
            }
            b']' | 0x8f => self.push(Value::List(Vec::new())),
            b')' => self.push(Value::Tuple(Vec::new())),
            b'}' => self.push(Value::Dict(Vec::new())),
            b't' => {
                let items = self.above_mark()?;
                self.push(Value::Tuple(items));
            }
            0x91 => {
                let items = self.above_mark()?;
                self.push(Value::List(items));
            }
            b'1' => drop(self.above_mark()?),
            0x85..=0x87 => {
                let mut items = Vec::new();
                for _ in 0x84..op {
                    items.insert(0, self.pop()?);
                }
                self.push(Value::Tuple(items));
            }
            b'a' | b'e' | 0x90 => {
                let items = if op == b'a' { vec![self.pop()?] } else { self.above_mark()? };
                let list = self.top()?;
                match &mut self.pickle.values[list] {
                    Value::List(list) => list.extend(items),
                    Value::Unknown { .. } => {}
                    _ => return Err("expected a list to append to".into()),
                }
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
                let global = self.global()?;
                self.push(global);
            }
            0x93 => {
                let (name, module) = (self.pop()?, self.pop()?);
                let global = self.pickle.global(module, name)?;
                self.push(global);
            }
            b'i' => {
                let class = self.global()?;
                let class = self.pickle.add(class);
                let mut parts = self.above_mark()?;
                parts.insert(0, class);
                self.push_instance(&parts)?;
            }
            b'o' => {
                let parts = self.above_mark()?;
                self.push_instance(&parts)?;
            }
            0x81 => {
                let (arguments, class) = (self.pop()?, self.pop()?);
                self.push_instance(&[class, arguments])?;
            }
            0x92 => {
                let (named, arguments, class) = (self.pop()?, self.pop()?, self.pop()?);
                self.push_instance(&[class, arguments, named])?;
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
                // An ordered dictionary's own attributes, of which none is a tensor, or those of
                // something unknown.
                self.pop()?;
                let target = self.top()?;
                if !matches!(self.pickle.values[target], Value::Dict(_) | Value::Unknown { .. }) {
                    return Err("expected the state of a dictionary, got that of an object".into());
                }
            }
            other => return Err(format!("pickle operation 0x{other:02x} is not one of tensors")),
        }
        Ok(None)
    }

    /// How many bytes of a text or of bytes follow, as the operation writes it.
    fn length(&mut self, op: u8) -> Result<usize> {
        let length = self.unsigned(match op {
            b'X' | b'T' | b'B' => 4,
            0x8d | 0x8e | 0x96 => 8,
            _ => 1,
        })?;
        usize::try_from(length).map_err(|_| "the pickle is too long".into())
    }

    /// What two lines name.
    fn global(&mut self) -> Result<Value> {
        let [module, name] =
            [self.line()?, self.line()?].map(|line| self.pickle.add(Value::Text(line)));
        self.pickle.global(module, name)
    }

    /// The instance that a class and arguments would give: those that are known have none.
    fn push_instance(&mut self, parts: &[Ref]) -> Result<()> {
        let unknown = self.pickle.unknown(parts);
        self.push(unknown.ok_or("expected no instance of what tensors are made of, got one")?);
        Ok(())
    }

    fn push_signed(&mut self, count: usize) -> Result<()> {
        let value = self.signed(count)?;
        self.push(Value::Int(value));
        Ok(())
    }

    fn set_items(&mut self, items: &[Ref]) -> Result<()> {
        let dict = self.top()?;
        let (pairs, rest) = items.as_chunks::<2>();
        if !rest.is_empty() {
            return Err("expected a value for each key of a dictionary".into());
        }
        match &mut self.pickle.values[dict] {
            Value::Dict(dict) => dict.extend(pairs.iter().map(|&[key, value]| (key, value))),
            Value::Unknown { .. } => {}
            _ => return Err("expected a dictionary to put items into".into()),
        }
        Ok(())
    }

    /// The storage that a persistent id names: ("storage", its type, key, device, length), and in
    /// old files what it is a view of.
    fn storage(&self, id: Ref) -> Result<Value> {
        let wrong = || self.pickle.expected("the id of a storage", id);
        let Value::Tuple(parts) = &self.pickle.values[id] else { return Err(wrong()) };
        let (Some(&[word, number, key, _, count]), views) = (parts.first_chunk(), parts.get(5))
        else {
            return Err(wrong());
        };
        if views.is_some_and(|&v| self.pickle.values[v] != Value::Nothing) {
            return Err("storages that are views of others are not supported".into());
        }
        // A type of numbers that is not read here.
        if let Some(unknown) = self.pickle.unknown(&[number]) {
            return Ok(unknown);
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
