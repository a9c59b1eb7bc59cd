//! Block types of GGUF: 32 or 256 values with a scale in common, and for the K types with scales of
//! groups of 16 or 32 under it.

use half::f16;

/// Small whole numbers that share their scales.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
#[allow(non_camel_case_types)]
pub enum Blocks {
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q4_K,
    Q5_K,
    Q6_K,
}

impl Blocks {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Q4_0,
        Self::Q4_1,
        Self::Q5_0,
        Self::Q5_1,
        Self::Q8_0,
        Self::Q4_K,
        Self::Q5_K,
        Self::Q6_K,
    ];

    /// Its number in files.
    pub(super) fn code(self) -> u64 {
        match self {
            Self::Q4_0 => 2,
            Self::Q4_1 => 3,
            Self::Q5_0 => 6,
            Self::Q5_1 => 7,
            Self::Q8_0 => 8,
            Self::Q4_K => 12,
            Self::Q5_K => 13,
            Self::Q6_K => 14,
        }
    }

    /// Its public name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Q4_0 => "Q4_0",
            Self::Q4_1 => "Q4_1",
            Self::Q5_0 => "Q5_0",
            Self::Q5_1 => "Q5_1",
            Self::Q8_0 => "Q8_0",
            Self::Q4_K => "Q4_K",
            Self::Q5_K => "Q5_K",
            Self::Q6_K => "Q6_K",
        }
    }

    /// Values of a block.
    pub const fn values(self) -> usize {
        match self {
            Self::Q4_K | Self::Q5_K | Self::Q6_K => 256,
            _ => 32,
        }
    }

    /// Bytes of a block.
    pub const fn bytes(self) -> usize {
        match self {
            Self::Q4_0 => 2 + 16,
            Self::Q4_1 => 4 + 16,
            Self::Q5_0 => 2 + 4 + 16,
            Self::Q5_1 => 4 + 4 + 16,
            Self::Q8_0 => 2 + 32,
            Self::Q4_K => 4 + 12 + 128,
            Self::Q5_K => 4 + 12 + 32 + 128,
            Self::Q6_K => 128 + 64 + 16 + 2,
        }
    }

    /// The values of whole blocks.
    pub(in crate::weights) fn to_f32(self, data: &[u8]) -> Vec<f32> {
        let blocks = data.chunks_exact(self.bytes());
        let mut out = vec![0.0; blocks.len() * self.values()];
        for (block, out) in blocks.zip(out.chunks_exact_mut(self.values())) {
            match self {
                Self::Q4_0 => {
                    let d = half_at(block, 0);
                    nibbles(&block[2..], out, |q, _| (f32::from(q) - 8.0) * d);
                }
                Self::Q4_1 => {
                    let (d, low) = (half_at(block, 0), half_at(block, 2));
                    nibbles(&block[4..], out, |q, _| f32::from(q) * d + low);
                }
                Self::Q5_0 => {
                    let (d, high) = (half_at(block, 0), bits(&block[2..6]));
                    nibbles(&block[6..], out, |q, i| (f32::from(q | fifth(high, i)) - 16.0) * d);
                }
                Self::Q5_1 => {
                    let (d, low) = (half_at(block, 0), half_at(block, 2));
                    let high = bits(&block[4..8]);
                    nibbles(&block[8..], out, |q, i| f32::from(q | fifth(high, i)) * d + low);
                }
                Self::Q8_0 => {
                    let d = half_at(block, 0);
                    for (out, &q) in out.iter_mut().zip(&block[2..]) {
                        *out = f32::from(q as i8) * d;
                    }
                }
                Self::Q4_K => of_32(block, &block[16..], None, out),
                Self::Q5_K => of_32(block, &block[48..], Some(&block[16..48]), out),
                Self::Q6_K => of_16(block, out),
            }
        }
        out
    }
}

fn half_at(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// Four bytes as one row of bits.
fn bits(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |n, &b| n << 8 | u32::from(b))
}

/// Bit `i` as the fifth of a value.
fn fifth(high: u32, i: usize) -> u8 {
    ((high >> i & 1) as u8) << 4
}

/// 32 values of four bits: the lower halves of 16 bytes, then the upper ones.
fn nibbles(data: &[u8], out: &mut [f32], value: impl Fn(u8, usize) -> f32) {
    for (i, &byte) in data[..16].iter().enumerate() {
        out[i] = value(byte & 15, i);
        out[i + 16] = value(byte >> 4, i + 16);
    }
}

/// Scale and offset, of six bits each, of group `j` of eight.
fn scale_of(packed: &[u8], j: usize) -> (f32, f32) {
    let (scale, low) = match j {
        0..4 => (packed[j] & 63, packed[j + 4] & 63),
        _ => (
            packed[j + 4] & 15 | (packed[j - 4] >> 6) << 4,
            packed[j + 4] >> 4 | (packed[j] >> 6) << 4,
        ),
    };
    (f32::from(scale), f32::from(low))
}

/// Eight groups of 32 (Q4_K, and with the fifth bits Q5_K): two groups share 32 bytes.
fn of_32(block: &[u8], data: &[u8], fifths: Option<&[u8]>, out: &mut [f32]) {
    let (d, low) = (half_at(block, 0), half_at(block, 2));
    for (j, out) in out.chunks_exact_mut(32).enumerate() {
        let (scale, offset) = scale_of(&block[4..16], j);
        let (scale, offset) = (d * scale, low * offset);
        for (l, out) in out.iter_mut().enumerate() {
            let q = data[j / 2 * 32 + l] >> (j % 2 * 4) & 15;
            let high = fifths.map_or(0, |fifths| (fifths[l] >> j & 1) << 4);
            *out = scale * f32::from(q | high) - offset;
        }
    }
}

/// Sixteen groups of 16 with six bits a value (Q6_K): four groups of 32 share 64 bytes of lower and 32
/// of upper bits.
fn of_16(block: &[u8], out: &mut [f32]) {
    let (low, high, scales, d) =
        (&block[..128], &block[128..192], &block[192..208], half_at(block, 208));
    for (i, out) in out.iter_mut().enumerate() {
        let (half, part, l) = (i / 128, i / 32 % 4, i % 32);
        let nibble = low[half * 64 + part % 2 * 32 + l] >> (part / 2 * 4) & 15;
        let upper = high[half * 32 + l] >> (part * 2) & 3;
        let scale = f32::from(scales[i / 16] as i8);
        *out = d * scale * (f32::from(nibble | upper << 4) - 32.0);
    }
}
