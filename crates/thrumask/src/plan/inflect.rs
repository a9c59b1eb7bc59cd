//! English spelling: the forms of a verb and of a noun.

fn is_vowel(c: char) -> bool {
    matches!(c, 'a' | 'e' | 'i' | 'o' | 'u')
}

/// "a" or "an", by the sound with which a word in lower case begins.
pub(super) fn indefinite(word: &str) -> &'static str {
    // As in "you", or "won".
    const CONSONANT: [&str; 9] = ["u-", "ufo", "uni", "use", "usu", "ute", "eu", "ewe", "one"];
    const SILENT: [&str; 4] = ["hour", "honest", "honour", "heir"];
    let begins = |sounds: &[&str]| sounds.iter().any(|sound| word.starts_with(sound));
    // "uninvited" begins as "under" does.
    let consonant = begins(&CONSONANT) && (!word.starts_with("unin") && !word.starts_with("unim"));
    match (word.starts_with(is_vowel) && !consonant) || begins(&SILENT) {
        true => "an",
        false => "a",
    }
}

/// Whether the last consonant doubles before "-ing" and "-ed" ("stop" → "stopping").
fn doubles(lemma: &str) -> bool {
    // Verbs of several syllables with the stress on the last one, or British double l.
    const LONG: [&str; 7] =
        ["zigzag", "zig-zag", "backflip", "refer", "begin", "overlap", "transport"];
    let chars: Vec<char> = lemma.chars().collect();
    let &[.., a, b, c] = chars.as_slice() else { return false };
    let pattern = !is_vowel(a) && is_vowel(b) && !is_vowel(c) && !matches!(c, 'w' | 'x' | 'y');
    let after_qu =
        a == 'u' && chars.len() > 3 && is_vowel(b) && !is_vowel(c) && lemma.starts_with('q');
    let syllables = chars.windows(2).filter(|w| is_vowel(w[0]) && !is_vowel(w[1])).count();
    (pattern && (syllables == 1 || (LONG.contains(&lemma) && lemma != "transport"))) || after_qu
}

/// "run" → "runs", "catch" → "catches", "fly" → "flies". Also a regular noun's plural.
pub(super) fn with_s(lemma: &str) -> String {
    match lemma {
        "be" => return "is".into(),
        "have" => return "has".into(),
        _ => {}
    }
    if let Some(stem) = lemma.strip_suffix('y')
        && !stem.ends_with(is_vowel)
    {
        return format!("{stem}ies");
    }
    if ["s", "x", "z", "ch", "sh", "o"].iter().any(|end| lemma.ends_with(end)) {
        return format!("{lemma}es");
    }
    format!("{lemma}s")
}

/// "run" → "running", "dive" → "diving", "lie" → "lying".
pub(super) fn with_ing(lemma: &str) -> String {
    if let Some(stem) = lemma.strip_suffix("ie") {
        return format!("{stem}ying");
    }
    if doubles(lemma) {
        return format!("{lemma}{}ing", lemma.chars().last().unwrap_or_default());
    }
    match lemma.strip_suffix('e') {
        Some(stem) if !stem.ends_with(['e', 'o', 'y']) && stem.len() > 1 => format!("{stem}ing"),
        _ => format!("{lemma}ing"),
    }
}

/// "jump" → "jumped", "stop" → "stopped", "carry" → "carried".
pub(super) fn with_ed(lemma: &str) -> String {
    if lemma.ends_with('e') {
        return format!("{lemma}d");
    }
    if let Some(stem) = lemma.strip_suffix('y')
        && !stem.ends_with(is_vowel)
    {
        return format!("{stem}ied");
    }
    if doubles(lemma) {
        return format!("{lemma}{}ed", lemma.chars().last().unwrap_or_default());
    }
    format!("{lemma}ed")
}

/// A guess at the lemma of an unknown verb form with the ending cut off: "zorping" → "zorp".
pub(super) fn guess_stem(stem: &str) -> String {
    let chars: Vec<char> = stem.chars().collect();
    if let &[.., a, b] = chars.as_slice()
        && a == b
        && !matches!(b, 'l' | 's' | 'z' | 'f')
    {
        return chars[..chars.len() - 1].iter().collect();
    }
    stem.to_string()
}

#[cfg(test)]
mod tests {
    use super::{indefinite, with_ed, with_ing, with_s};

    #[test]
    fn articles_go_by_sound() {
        for word in
            ["apple", "orange", "umbrella", "under", "uninvited", "unimpressed", "hour", "honest"]
        {
            assert_eq!(indefinite(word), "an", "{word}");
        }
        for word in
            ["dog", "u-turn", "unicorn", "uniform", "usual", "euro", "one-eyed", "horse", ""]
        {
            assert_eq!(indefinite(word), "a", "{word}");
        }
    }

    #[test]
    fn follows_spelling() {
        for (lemma, s, ing, ed) in [
            ("jump", "jumps", "jumping", "jumped"),
            ("stop", "stops", "stopping", "stopped"),
            ("carry", "carries", "carrying", "carried"),
            ("play", "plays", "playing", "played"),
            ("dive", "dives", "diving", "dived"),
            ("lie", "lies", "lying", "lied"),
            ("dye", "dyes", "dyeing", "dyed"),
            ("catch", "catches", "catching", "catched"),
            ("hover", "hovers", "hovering", "hovered"),
            ("float", "floats", "floating", "floated"),
            ("zigzag", "zigzags", "zigzagging", "zigzagged"),
            ("row", "rows", "rowing", "rowed"),
        ] {
            assert_eq!(
                (with_s(lemma), with_ing(lemma), with_ed(lemma)),
                (s.into(), ing.into(), ed.into())
            );
        }
    }
}
