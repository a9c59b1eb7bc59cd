//! What public files call the parts of a tiny autoencoder: pure functions from our paths of modules.

use super::{BLOCKS, LEVELS};

/// Public path of a part of the encoder: layers in the order in which they come.
pub(super) fn encoder_name(path: &str) -> String {
    let parts: Vec<&str> = path.split('.').collect();
    let number = |text: &str| text.parse::<usize>().unwrap_or_default();
    match parts[..] {
        ["input"] => "0".into(),
        ["block", ref rest @ ..] => format!("1.{}", inside(rest)),
        ["levels", i, "resample"] => format!("{}", 2 + (BLOCKS + 1) * number(i)),
        ["levels", i, "blocks", j, ref rest @ ..] => {
            format!("{}.{}", 3 + (BLOCKS + 1) * number(i) + number(j), inside(rest))
        }
        _ => format!("{}", 2 + (BLOCKS + 1) * LEVELS),
    }
}

/// Public path of a part of the decoder, its layers counted from `first`.
pub(super) fn decoder_name(path: &str, first: usize) -> String {
    let parts: Vec<&str> = path.split('.').collect();
    let number = |text: &str| text.parse::<usize>().unwrap_or_default();
    // A level: blocks, what doubles the size, convolution.
    let level = |i: &str| 3 + (BLOCKS + 2) * number(i) - first;
    let last = 3 + (BLOCKS + 2) * LEVELS - first;
    match parts[..] {
        ["input"] => format!("{}", 1 - first),
        ["levels", i, "resample"] => format!("{}", level(i) + BLOCKS + 1),
        ["levels", i, "blocks", j, ref rest @ ..] => {
            format!("{}.{}", level(i) + number(j), inside(rest))
        }
        ["block", ref rest @ ..] => format!("{last}.{}", inside(rest)),
        _ => format!("{}", last + 1),
    }
}

/// Public path of a part of a block.
fn inside(rest: &[&str]) -> String {
    let part = match rest {
        ["conv1"] => "conv.0",
        ["conv2"] => "conv.2",
        ["conv3"] => "conv.4",
        ["pool", "up"] => "pool.0",
        ["pool", "norm"] => "pool.1",
        ["pool", "down"] => "pool.3",
        other => return other.join("."),
    };
    part.into()
}

#[cfg(test)]
mod tests {
    use super::{decoder_name, encoder_name};

    #[test]
    fn layers_are_numbered_as_in_public_files() {
        for (ours, public) in [
            ("input", "0"),
            ("block.conv3", "1.conv.4"),
            ("levels.0.resample", "2"),
            ("levels.2.resample", "10"),
            ("levels.2.blocks.2.pool.down", "13.pool.3"),
            ("output", "14"),
        ] {
            assert_eq!(encoder_name(ours), public);
        }
        for (ours, original, diffusers) in [
            ("input", "1", "0"),
            ("levels.0.blocks.0.pool.up", "3.pool.0", "2.pool.0"),
            ("levels.0.resample", "7", "6"),
            ("levels.2.blocks.2.conv1", "15.conv.0", "14.conv.0"),
            ("levels.2.resample", "17", "16"),
            ("block.conv2", "18.conv.2", "17.conv.2"),
            ("output", "19", "18"),
        ] {
            assert_eq!(decoder_name(ours, 0), original);
            assert_eq!(decoder_name(ours, 1), diffusers);
        }
    }
}
