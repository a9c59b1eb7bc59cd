//! A tiny bitmap font for contact sheets: capitals of 3 × 5 dots.

use thrumask_core::Picture;

/// Dots from one letter to the next.
const ADVANCE: usize = 4;
/// Dots from one line to the next.
const LINE: usize = 7;

/// Five rows of three dots: one octal digit a row, from the top.
const fn glyph(letter: u8) -> u16 {
    match letter.to_ascii_uppercase() {
        b'A' => 0o25755,
        b'B' => 0o65656,
        b'C' => 0o34443,
        b'D' => 0o65556,
        b'E' => 0o74647,
        b'F' => 0o74644,
        b'G' => 0o34553,
        b'H' => 0o55755,
        b'I' => 0o72227,
        b'J' => 0o11152,
        b'K' => 0o55655,
        b'L' => 0o44447,
        b'M' => 0o57755,
        b'N' => 0o65555,
        b'O' => 0o25552,
        b'P' => 0o65644,
        b'Q' => 0o25573,
        b'R' => 0o65655,
        b'S' => 0o34216,
        b'T' => 0o72222,
        b'U' => 0o55557,
        b'V' => 0o55552,
        b'W' => 0o55775,
        b'X' => 0o55255,
        b'Y' => 0o55222,
        b'Z' => 0o71247,
        b'0' => 0o75557,
        b'1' => 0o26227,
        b'2' => 0o61247,
        b'3' => 0o61216,
        b'4' => 0o55711,
        b'5' => 0o74616,
        b'6' => 0o34757,
        b'7' => 0o71122,
        b'8' => 0o75757,
        b'9' => 0o75716,
        b'.' => 0o00002,
        b',' => 0o00024,
        b';' => 0o02024,
        b':' => 0o02020,
        b'-' => 0o00700,
        b'\'' => 0o22000,
        _ => 0,
    }
}

/// Breaks `text` between words into at most `most` lines that fit `width` pixels at `scale` pixels
/// a dot; what does not fit is left out.
pub(crate) fn wrap(text: &str, width: usize, scale: usize, most: usize) -> Vec<String> {
    let fits = (width / (ADVANCE * scale)).max(1);
    let mut lines = vec![String::new()];
    for word in text.split_whitespace() {
        let line = lines.last_mut();
        match line {
            Some(line) if line.is_empty() => line.push_str(word),
            Some(line) if line.len() + 1 + word.len() <= fits => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_string()),
        }
    }
    lines.truncate(most);
    lines
}

/// Height in pixels of `lines` lines.
pub(crate) const fn height(lines: usize, scale: usize) -> usize {
    lines * LINE * scale
}

/// Writes one line in black with its top left corner at (`x`, `y`); dots outside are left out.
pub(crate) fn write(picture: &mut Picture, text: &str, x: usize, y: usize, scale: usize) {
    let size = picture.size();
    for (i, letter) in text.bytes().enumerate() {
        let dots = glyph(letter);
        for dot in (0..15).filter(|dot| dots >> (14 - dot) & 1 == 1) {
            let (left, top) = (x + (i * ADVANCE + dot % 3) * scale, y + dot / 3 * scale);
            for row in (top..top + scale).filter(|&r| r < size.height) {
                for column in (left..left + scale).filter(|&c| c < size.width) {
                    picture.set_pixel(column, row, [0; 3]);
                }
            }
        }
    }
}
