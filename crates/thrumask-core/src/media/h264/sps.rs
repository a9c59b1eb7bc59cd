//! The sequence parameter set of H.264: size and colours of a stream (ITU-T H.264, section 7.3.2.1
//! and annex E).

use super::bits::{BitReader, BitWriter, escaped, unescaped};
use crate::{
    Size,
    media::yuv::{ColorSpace, Matrix},
};

/// What matters here of a sequence parameter set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sps {
    /// Size of the shown pictures.
    pub size: Size,
    /// Colours, when the stream says.
    pub matrix: Option<Matrix>,
    /// Whether levels run from 0 to 255, when the stream says.
    pub full_range: Option<bool>,
    /// How many earlier pictures a picture may refer to.
    pub references: u32,
    /// Position of the bit that says whether usability information follows.
    vui_bit: usize,
}

impl Sps {
    /// Parses a NAL unit with its header byte; `None` when it is broken.
    pub fn parse(nal: &[u8]) -> Option<Self> {
        let payload = unescaped(nal.get(1..)?);
        let mut r = BitReader::new(&payload);
        let profile = r.bits(8)?;
        r.bits(16)?;
        r.ue()?;
        let mut chroma = 1;
        if matches!(
            profile,
            100 | 110 | 122 | 244 | 44 | 83 | 86 | 118 | 128 | 138 | 139 | 134 | 135
        ) {
            chroma = r.ue()?;
            if chroma == 3 {
                r.bit()?;
            }
            r.ue()?;
            r.ue()?;
            r.bit()?;
            if r.bit()? {
                for i in 0..if chroma == 3 { 12 } else { 8 } {
                    if r.bit()? {
                        skip_scaling_list(&mut r, if i < 6 { 16 } else { 64 })?;
                    }
                }
            }
        }
        r.ue()?;
        match r.ue()? {
            0 => drop(r.ue()?),
            1 => {
                r.bit()?;
                r.se()?;
                r.se()?;
                for _ in 0..r.ue()?.min(256) {
                    r.se()?;
                }
            }
            _ => {}
        }
        let references = r.ue()?;
        r.bit()?;
        let width = (r.ue()? as usize).checked_add(1)?.checked_mul(16)?;
        let units = (r.ue()? as usize).checked_add(1)?.checked_mul(16)?;
        let frames_only = r.bit()?;
        let fields = if frames_only { 1 } else { 2 };
        if !frames_only {
            r.bit()?;
        }
        r.bit()?;
        let height = units.checked_mul(fields)?;
        let mut crop = [0usize; 4];
        if r.bit()? {
            for side in &mut crop {
                *side = r.ue()? as usize;
            }
        }
        let unit_x = if matches!(chroma, 1 | 2) { 2 } else { 1 };
        let unit_y = if chroma == 1 { 2 } else { 1 } * fields;
        let cut = |a: usize, b: usize, unit: usize| a.checked_add(b)?.checked_mul(unit);
        let width = width.checked_sub(cut(crop[0], crop[1], unit_x)?)?;
        let height = height.checked_sub(cut(crop[2], crop[3], unit_y)?)?;
        let vui_bit = r.position;
        let mut sps = Self {
            size: Size::new(width, height),
            matrix: None,
            full_range: None,
            references,
            vui_bit,
        };
        if r.bit()? {
            sps.read_colors(&mut r)?;
        }
        Some(sps)
    }

    /// The colour part of the usability information.
    fn read_colors(&mut self, r: &mut BitReader) -> Option<()> {
        if r.bit()? && r.bits(8)? == 255 {
            r.bits(32)?;
        }
        if r.bit()? {
            r.bit()?;
        }
        if r.bit()? {
            r.bits(3)?;
            self.full_range = Some(r.bit()?);
            if r.bit()? {
                r.bits(16)?;
                self.matrix = matrix_of(r.bits(8)?);
            }
        }
        Some(())
    }

    /// The colours of the stream, or those that players assume.
    pub fn color_space(&self) -> ColorSpace {
        let assumed = ColorSpace::assumed_for(self.size);
        ColorSpace {
            matrix: self.matrix.unwrap_or(assumed.matrix),
            full_range: self.full_range.unwrap_or(assumed.full_range),
        }
    }
}

/// The weights that a code of ISO/IEC 23091-2 stands for, where they are supported.
pub(crate) fn matrix_of(code: u32) -> Option<Matrix> {
    match code {
        1 => Some(Matrix::Bt709),
        5 | 6 => Some(Matrix::Bt601),
        9 => Some(Matrix::Bt2020),
        _ => None,
    }
}

/// Skips a list of quantiser weights.
fn skip_scaling_list(r: &mut BitReader, length: usize) -> Option<()> {
    let (mut last, mut next) = (8i32, 8i32);
    for _ in 0..length {
        if next != 0 {
            next = last.wrapping_add(r.se()?).rem_euclid(256);
        }
        last = if next == 0 { last } else { next };
    }
    Some(())
}

/// The parameter set with usability information that says: square pixels, BT.709 in limited
/// range, frames in the order in which they are shown. One that already has some stays as it is;
/// `None` when it is broken.
pub(super) fn tagged(nal: &[u8]) -> Option<Vec<u8>> {
    let sps = Sps::parse(nal)?;
    let payload = unescaped(&nal[1..]);
    let mut r = BitReader::new(&payload);
    let mut w = BitWriter::default();
    while r.position < sps.vui_bit {
        w.bit(r.bit()?);
    }
    if r.bit()? {
        return Some(nal.to_vec());
    }
    w.bit(true);
    w.bit(true); // aspect_ratio_info_present_flag
    w.bits(1, 8); // square
    w.bit(false); // overscan_info_present_flag
    w.bit(true); // video_signal_type_present_flag
    w.bits(5, 3); // video_format: unspecified
    w.bit(false); // video_full_range_flag
    w.bit(true); // colour_description_present_flag
    [1, 1, 1].into_iter().for_each(|bt709| w.bits(bt709, 8));
    w.bit(false); // chroma_loc_info_present_flag
    w.bit(false); // timing_info_present_flag: the file says
    w.bit(false); // nal_hrd_parameters_present_flag
    w.bit(false); // vcl_hrd_parameters_present_flag
    w.bit(false); // pic_struct_present_flag
    w.bit(true); // bitstream_restriction_flag
    w.bit(true); // motion_vectors_over_pic_boundaries_flag
    w.ue(0); // max_bytes_per_pic_denom: no limit
    w.ue(0); // max_bits_per_mb_denom: no limit
    w.ue(16); // log2_max_mv_length_horizontal
    w.ue(16); // log2_max_mv_length_vertical
    w.ue(0); // max_num_reorder_frames: shown in coding order
    w.ue(sps.references); // max_dec_frame_buffering
    let mut out = vec![nal[0]];
    out.extend(escaped(&w.finish()));
    Some(out)
}
