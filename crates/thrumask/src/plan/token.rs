//! Words and punctuation of a caption.

/// One word or one punctuation mark.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Token {
    /// As written.
    pub text: String,
    /// In lower case, with straight apostrophes.
    pub lower: String,
}

impl Token {
    pub fn new(text: &str) -> Self {
        Self { text: text.to_string(), lower: text.to_lowercase() }
    }

    /// Whether this is a word and not punctuation.
    pub fn is_word(&self) -> bool {
        self.text.chars().any(char::is_alphanumeric)
    }
}

/// Contractions that hide a verb, by the ending that is split off as a word of its own.
const AFTER_PRONOUN: [&str; 12] =
    ["it", "he", "she", "that", "there", "who", "what", "they", "we", "you", "which", "here"];

/// Splits `caption` into tokens. Hyphenated words and negations ("doesn't") stay whole, a possessive
/// `'s` and the verb in "it's" become tokens of their own.
pub(super) fn tokenize(caption: &str) -> Vec<Token> {
    let text = caption.replace(['\u{2019}', '\u{2018}', '\u{2bc}'], "'");
    let chars: Vec<char> = text.chars().collect();
    let joins = |i: usize| {
        let between = |c: Option<&char>| c.is_some_and(|c| c.is_alphanumeric());
        i > 0 && between(chars.get(i - 1)) && between(chars.get(i + 1))
    };
    let mut tokens = Vec::new();
    let mut word = String::new();
    for (i, &c) in chars.iter().enumerate() {
        if c.is_alphanumeric() || (matches!(c, '-' | '\'' | '.') && joins(i)) {
            // A full stop without a space after it still ends a sentence, except inside a number.
            if c == '.' && !chars[i - 1].is_numeric() {
                push_word(&mut tokens, &mut word);
                tokens.push(Token::new("."));
            } else {
                word.push(c);
            }
            continue;
        }
        if c == '\'' && word.ends_with('s') && chars.get(i + 1).is_some_and(|c| c.is_whitespace()) {
            push_word(&mut tokens, &mut word);
            tokens.push(Token::new("'s"));
            continue;
        }
        push_word(&mut tokens, &mut word);
        match c {
            ',' | ';' | '.' | ':' | '!' | '?' => tokens.push(Token::new(&c.to_string())),
            '\u{2013}' | '\u{2014}' | '-' | '(' | ')' | '\u{2026}' | '\n' => {
                tokens.push(Token::new(","));
            }
            '&' => tokens.push(Token::new("and")),
            _ => {}
        }
    }
    push_word(&mut tokens, &mut word);
    tokens.dedup_by(|b, a| a.text == b.text && !a.is_word());
    tokens
}

fn push_word(tokens: &mut Vec<Token>, word: &mut String) {
    if word.is_empty() {
        return;
    }
    let whole = std::mem::take(word);
    let lower = whole.to_lowercase();
    let Some((stem, ending)) = lower.split_once('\'') else {
        tokens.push(Token::new(&whole));
        return;
    };
    let verb = match ending {
        "s" if AFTER_PRONOUN.contains(&stem) => "is",
        "re" => "are",
        "ll" => "will",
        "ve" => "have",
        "s" => "'s",
        _ => {
            tokens.push(Token::new(&whole));
            return;
        }
    };
    // Lower-casing keeps the number of characters before an ASCII apostrophe for all but a few
    // letters; cutting by that apostrophe is safe for every one.
    let written = whole.split_once('\'').map_or(whole.as_str(), |(stem, _)| stem);
    tokens.push(Token::new(written));
    tokens.push(Token::new(verb));
}

#[cfg(test)]
mod tests {
    use super::tokenize;

    fn words(caption: &str) -> Vec<String> {
        tokenize(caption).into_iter().map(|token| token.lower).collect()
    }

    #[test]
    fn splits_punctuation_and_contractions() {
        assert_eq!(
            words("It's a T-rex, isn't it?"),
            ["it", "is", "a", "t-rex", ",", "isn't", "it", "?"]
        );
        assert_eq!(
            words("The dogs' ball.The dog’s tail"),
            ["the", "dogs", "'s", "ball", ".", "the", "dog", "'s", "tail"]
        );
    }

    #[test]
    fn takes_any_characters() {
        assert_eq!(words("猫が走る—naïve 😀 ''--.."), ["猫が走る", ",", "naïve", ",", "."]);
    }
}
