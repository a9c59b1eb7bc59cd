//! Sizes of a [`super::Grounded`].

use serde::{Deserialize, Serialize};

use crate::{Error, Result, layers::Rotary, text::TextEncoderConfig};

/// Sizes of a text-grounded segmenter. A picture is cut into tokens, and each token into cells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroundedConfig {
    /// Rows and columns of the picture in pixels.
    pub size: usize,
    /// Rows and columns of a cell in pixels, even.
    pub cell: usize,
    /// Rows and columns of what a cell looks at, in cells: 3 is the cell and one cell around it.
    pub reach: usize,
    /// Rows and columns of a token in cells.
    pub merge: usize,
    /// Channels of a cell.
    pub cell_width: usize,
    /// Channels of a token and of an object query.
    pub width: usize,
    /// Attention heads; divides `width`.
    pub heads: usize,
    /// Blocks that see the picture alone.
    pub image_blocks: usize,
    /// Blocks in which picture and objects look at each other.
    pub fusion_blocks: usize,
    /// Hidden units of the perceptrons per channel.
    pub mlp_ratio: usize,
    /// Channels in which a token is compared with an object.
    pub match_width: usize,
    /// Channels in which a pixel is compared with an object.
    pub mask_channels: usize,
    /// Reads an object's text.
    pub text: TextEncoderConfig,
    /// Rotary positions of the tokens.
    pub rotary: Rotary,
}

impl GroundedConfig {
    /// The nano size: 96×96 pixels, 144 tokens, about 0.8 M parameters.
    pub fn nano() -> Self {
        Self {
            size: 96,
            cell: 4,
            reach: 3,
            merge: 2,
            cell_width: 48,
            width: 96,
            heads: 4,
            image_blocks: 2,
            fusion_blocks: 2,
            mlp_ratio: 2,
            match_width: 32,
            mask_channels: 16,
            text: TextEncoderConfig { width: 64, depth: 2, heads: 2, max_tokens: 48 },
            rotary: Rotary { pairs: [0, 6, 6], fastest: 1.6, slowest: 0.1 },
        }
    }

    /// Rows and columns of a token in pixels.
    pub fn token(&self) -> usize {
        self.cell * self.merge
    }

    /// Tokens along a side.
    pub fn grid(&self) -> usize {
        self.size / self.token().max(1)
    }

    /// Cells along a side.
    pub fn cells(&self) -> usize {
        self.size / self.cell.max(1)
    }

    /// Numbers that a cell sees: three colours of `reach` × `reach` cells.
    pub fn cell_values(&self) -> usize {
        3 * (self.reach * self.cell).pow(2)
    }

    /// Checks that the sizes fit each other.
    ///
    /// # Errors
    /// [`Error::Config`] naming the field.
    pub fn check(&self) -> Result<()> {
        let check = |ok: bool, what: &str, expected: String, got: usize| match ok {
            true => Ok(()),
            false => Err(Error::config(what, format!("expected {expected}, got {got}"))),
        };
        let positive = [
            ("size", self.size),
            ("cell", self.cell),
            ("reach", self.reach),
            ("merge", self.merge),
            ("cell_width", self.cell_width),
            ("width", self.width),
            ("heads", self.heads),
            ("fusion_blocks", self.fusion_blocks),
            ("mlp_ratio", self.mlp_ratio),
            ("match_width", self.match_width),
            ("mask_channels", self.mask_channels),
            ("text.width", self.text.width),
            ("text.heads", self.text.heads),
            ("text.max_tokens", self.text.max_tokens),
        ];
        for (what, got) in positive {
            check((1..=4096).contains(&got), what, "1 to 4096".into(), got)?;
        }
        let even_margin = ((self.reach - 1) * self.cell).is_multiple_of(2);
        check(even_margin, "cell", "an even number where reach is even".into(), self.cell)?;
        let (size, token, heads) = (self.size, self.token(), self.heads);
        check(size.is_multiple_of(token), "size", format!("a multiple of {token}"), size)?;
        let twice = format!("a multiple of twice the {heads} heads");
        check(self.width.is_multiple_of(2 * heads), "width", twice, self.width)?;
        let (width, heads) = (self.text.width, self.text.heads);
        let fits = width.is_multiple_of(heads);
        check(fits, "text.width", format!("a multiple of the {heads} heads"), width)?;
        let (pairs, half) = (self.rotary.pairs.iter().sum(), self.width / self.heads / 2);
        check(pairs == half, "rotary.pairs", format!("a sum of {half}"), pairs)
    }
}
