//! Number types of tensors in files.

use burn::tensor::FloatDType;
use half::{bf16, f16};
use serde::{Deserialize, Serialize};

/// How the numbers of a tensor lie in a file, little-endian.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Number {
    F64,
    F32,
    F16,
    BF16,
    I64,
    I32,
    I16,
    I8,
    U64,
    U32,
    U16,
    U8,
    Bool,
}

impl Number {
    /// All of them.
    pub const ALL: [Self; 13] = [
        Self::F64,
        Self::F32,
        Self::F16,
        Self::BF16,
        Self::I64,
        Self::I32,
        Self::I16,
        Self::I8,
        Self::U64,
        Self::U32,
        Self::U16,
        Self::U8,
        Self::Bool,
    ];

    /// Bytes of one number.
    pub const fn width(self) -> usize {
        match self {
            Self::F64 | Self::I64 | Self::U64 => 8,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F16 | Self::BF16 | Self::I16 | Self::U16 => 2,
            Self::I8 | Self::U8 | Self::Bool => 1,
        }
    }

    /// The name that safetensors files use.
    pub const fn name(self) -> &'static str {
        match self {
            Self::F64 => "F64",
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::BF16 => "BF16",
            Self::I64 => "I64",
            Self::I32 => "I32",
            Self::I16 => "I16",
            Self::I8 => "I8",
            Self::U64 => "U64",
            Self::U32 => "U32",
            Self::U16 => "U16",
            Self::U8 => "U8",
            Self::Bool => "BOOL",
        }
    }

    /// Whether it has a fraction.
    pub const fn is_float(self) -> bool {
        matches!(self, Self::F64 | Self::F32 | Self::F16 | Self::BF16)
    }

    /// The numbers of `data` as f32; large whole ones and f64 are rounded.
    pub(super) fn to_f32(self, data: &[u8]) -> Vec<f32> {
        /// Reads all numbers of a type.
        macro_rules! all {
            ($number:ty, $to:expr) => {
                data.as_chunks()
                    .0
                    .iter()
                    .map(|&bytes| $to(<$number>::from_le_bytes(bytes)))
                    .collect()
            };
        }
        match self {
            Self::F64 => all!(f64, |v| v as f32),
            Self::F32 => all!(f32, |v| v),
            Self::F16 => all!(f16, f16::to_f32),
            Self::BF16 => all!(bf16, bf16::to_f32),
            Self::I64 => all!(i64, |v| v as f32),
            Self::I32 => all!(i32, |v| v as f32),
            Self::I16 => all!(i16, f32::from),
            Self::I8 => all!(i8, f32::from),
            Self::U64 => all!(u64, |v| v as f32),
            Self::U32 => all!(u32, |v| v as f32),
            Self::U16 => all!(u16, f32::from),
            Self::U8 | Self::Bool => all!(u8, f32::from),
        }
    }
}

/// Number types that weights are written with, and kept in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum FloatType {
    #[default]
    F32,
    F16,
    BF16,
}

impl FloatType {
    /// The same among all number types.
    pub const fn number(self) -> Number {
        match self {
            Self::F32 => Number::F32,
            Self::F16 => Number::F16,
            Self::BF16 => Number::BF16,
        }
    }

    /// The same among the types of tensors.
    pub(crate) const fn of_tensors(self) -> FloatDType {
        match self {
            Self::F32 => FloatDType::F32,
            Self::F16 => FloatDType::F16,
            Self::BF16 => FloatDType::BF16,
        }
    }

    /// Values, each rounded to the nearest that the type has.
    pub(super) fn bytes(self, values: &[f32]) -> Vec<u8> {
        match self {
            Self::F32 => values.iter().flat_map(|v| v.to_le_bytes()).collect(),
            Self::F16 => values.iter().flat_map(|&v| f16::from_f32(v).to_le_bytes()).collect(),
            Self::BF16 => values.iter().flat_map(|&v| bf16::from_f32(v).to_le_bytes()).collect(),
        }
    }
}
