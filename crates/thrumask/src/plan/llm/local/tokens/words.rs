//! How a text is cut into words before bytes are merged: the patterns of the public tokenizers, in which
//! the last space before a word belongs to that word.

use regex::Regex;

/// GPT-2's words.
const GPT2: &str = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+";
/// Llama 3's words: numbers of up to three digits, line ends by themselves.
const LLAMA3: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+";
/// Qwen 2's words: as Llama 3's, with digits one by one.
const QWEN2: &str = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+";

/// A way to cut texts into words.
pub(super) struct Words {
    word: Regex,
    /// Whether digits are cut out one by one beforehand.
    digits: bool,
    /// Whether line ends are words of their own.
    lines: bool,
    whole: bool,
}

impl Words {
    /// The one that a file calls `name`.
    ///
    /// # Errors
    /// What was expected, for a name that is not known.
    pub fn of(name: &str) -> Result<Self, String> {
        let (word, digits, lines) = match name {
            "gpt-2" | "gpt2" => (GPT2, false, false),
            "smollm" => (GPT2, true, false),
            "llama-bpe" | "llama3" | "llama-v3" => (LLAMA3, false, true),
            "qwen2" => (QWEN2, false, true),
            other => {
                let known = "gpt-2, smollm, llama-bpe or qwen2";
                return Err(format!("expected words as {known} cut them, got {other:?}"));
            }
        };
        let whole = word == LLAMA3;
        let word = Regex::new(word).map_err(|e| e.to_string())?;
        Ok(Self { word, digits, lines, whole })
    }

    /// Whether a word that is a token is that token, whatever pairs of it are merged.
    pub fn looks_for_whole_words(&self) -> bool {
        self.whole
    }

    /// The words of a text: all of it, in order.
    pub fn split<'a>(&self, text: &'a str) -> Vec<&'a str> {
        let mut words = Vec::new();
        let mut rest = text;
        let digit = |c: char| self.digits && c.is_numeric();
        while let Some((at, found)) = rest.char_indices().find(|&(_, c)| digit(c)) {
            let (before, after) = rest.split_at(at);
            let (number, after) = after.split_at(found.len_utf8());
            self.push(before, &mut words);
            words.push(number);
            rest = after;
        }
        self.push(rest, &mut words);
        words
    }

    /// Appends the words of a text.
    fn push<'a>(&self, mut text: &'a str, words: &mut Vec<&'a str>) {
        while let Some(found) = self.word.find(text) {
            let mut end = found.end();
            // Of several spaces before a word, the last one is left to it.
            let spaces = &text[..end];
            let last = spaces.chars().next_back().unwrap_or_default();
            let alone = self.lines && ['\r', '\n'].contains(&last);
            let blank = end < text.len() && spaces.chars().all(char::is_whitespace) && !alone;
            if blank && end > last.len_utf8() {
                end -= last.len_utf8();
            }
            let (word, rest) = text.split_at(end);
            words.push(word);
            text = rest;
        }
        if !text.is_empty() {
            words.push(text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the public patterns, with their look-ahead, cut these texts (Python's `regex` 2026.11).
    #[test]
    fn words_are_cut_as_in_public() {
        let text = "Hello'Ve you're world 12345\n\n  foo\t\tbar?!  \n{\"a\": 1}  é猫 ";
        for (name, expected) in [
            (
                "gpt-2",
                "Hello|'|Ve| you|'re| world| 12345|\n\n | foo|\t|\t|bar|?!|  |\n|{\"|a|\":| 1|}| | é猫| ",
            ),
            (
                "smollm",
                "Hello|'|Ve| you|'re| world| |1|2|3|4|5|\n\n | foo|\t|\t|bar|?!|  |\n|{\"|a|\":| |1|}| | é猫| ",
            ),
            (
                "llama-bpe",
                "Hello|'Ve| you|'re| world| |123|45|\n\n| | foo|\t|\tbar|?!|  \n|{\"|a|\":| |1|}| | é猫| ",
            ),
            (
                "qwen2",
                "Hello|'Ve| you|'re| world| |1|2|3|4|5|\n\n| | foo|\t|\tbar|?!|  \n|{\"|a|\":| |1|}| | é猫| ",
            ),
        ] {
            let words = Words::of(name).unwrap();
            assert_eq!(words.split(text).join("|"), expected, "{name}");
        }
        assert!(Words::of("gpt-2").unwrap().split("").is_empty());
        assert!(Words::of("tekken").err().unwrap().contains("got \"tekken\""));
    }
}
