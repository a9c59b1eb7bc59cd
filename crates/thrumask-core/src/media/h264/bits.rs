//! Bits of H.264 headers: fixed and Exp-Golomb numbers, and the bytes that keep start codes out of
//! the payload (ITU-T H.264, sections 7.3.1, 7.4.1 and 9.1).

/// Reads bits, most significant first; `None` past the end.
pub(super) struct BitReader<'a> {
    bytes: &'a [u8],
    /// Number of bits read.
    pub position: usize,
}

impl<'a> BitReader<'a> {
    pub fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, position: 0 }
    }

    pub fn bit(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.position / 8)?;
        let bit = byte >> (7 - self.position % 8) & 1;
        self.position += 1;
        Some(bit == 1)
    }

    /// An unsigned number of `n` bits, at most 32.
    pub fn bits(&mut self, n: u32) -> Option<u32> {
        (0..n).try_fold(0u32, |v, _| Some(v << 1 | u32::from(self.bit()?)))
    }

    /// An unsigned Exp-Golomb number.
    pub fn ue(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        Some((1u32 << zeros) - 1 + self.bits(zeros)?)
    }

    /// A signed Exp-Golomb number.
    pub fn se(&mut self) -> Option<i32> {
        let code = i64::from(self.ue()?);
        let value = if code % 2 == 1 { (code + 1) / 2 } else { -code / 2 };
        i32::try_from(value).ok()
    }
}

/// Writes bits, most significant first.
#[derive(Default)]
pub(super) struct BitWriter {
    bits: Vec<bool>,
}

impl BitWriter {
    pub fn bit(&mut self, bit: bool) {
        self.bits.push(bit);
    }

    pub fn bits(&mut self, value: u32, n: u32) {
        (0..n).rev().for_each(|i| self.bit(value >> i & 1 == 1));
    }

    pub fn ue(&mut self, value: u32) {
        let code = value + 1;
        let length = 32 - code.leading_zeros();
        self.bits(0, length - 1);
        self.bits(code, length);
    }

    /// The bytes, ended as a payload must be: a one, then zeros.
    pub fn finish(mut self) -> Vec<u8> {
        self.bit(true);
        let byte = |c: &[bool]| (0..8).fold(0, |v, i| v << 1 | u8::from(c.get(i) == Some(&true)));
        self.bits.chunks(8).map(byte).collect()
    }
}

/// A payload without the bytes that keep start codes out of it.
pub(super) fn unescaped(nal: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(nal.len());
    let mut zeros = 0;
    for &byte in nal {
        if zeros >= 2 && byte == 3 {
            zeros = 0;
            continue;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

/// A payload with the bytes that keep start codes out of it.
pub(super) fn escaped(payload: &[u8]) -> Vec<u8> {
    let mut out: Vec<u8> = Vec::with_capacity(payload.len());
    let mut zeros = 0;
    for &byte in payload {
        if zeros >= 2 && byte <= 3 {
            out.push(3);
            zeros = 0;
        }
        zeros = if byte == 0 { zeros + 1 } else { 0 };
        out.push(byte);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_escapes_round_trip() {
        let mut w = BitWriter::default();
        (0..40).for_each(|v| w.ue(v));
        w.bits(0x155, 9);
        let bytes = w.finish();
        let mut r = BitReader::new(&bytes);
        assert!((0..40).all(|v| r.ue() == Some(v)));
        assert_eq!(r.bits(9), Some(0x155));
        assert_eq!(r.bit(), Some(true));
        for payload in [&[0, 0, 1][..], &[0, 0, 0, 0, 0, 3], &[5, 0, 0, 2, 9], &[]] {
            let safe = escaped(payload);
            assert!(!safe.windows(3).any(|w| w[0] == 0 && w[1] == 0 && w[2] < 3), "{safe:?}");
            assert_eq!(unescaped(&safe), payload);
        }
        assert_eq!(BitReader::new(&[0; 9]).ue(), None);
    }

    #[test]
    fn signed_numbers() {
        // Codes 0 to 4 stand for 0, 1, -1, 2, -2.
        let mut w = BitWriter::default();
        (0..5).for_each(|v| w.ue(v));
        let bytes = w.finish();
        let mut r = BitReader::new(&bytes);
        assert_eq!([0, 1, -1, 2, -2].map(Some), [r.se(), r.se(), r.se(), r.se(), r.se()]);
    }
}
