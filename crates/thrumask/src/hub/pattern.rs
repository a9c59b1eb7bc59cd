//! Patterns of file names, as Python's `fnmatch` reads them: `*` stands for any characters, `/` too,
//! `?` for one, `[abc]` and `[!abc]` for one of a set; a pattern that ends in `/` means all below it.

/// Whether a name fits a pattern.
pub fn matches(pattern: &str, name: &str) -> bool {
    let mut pattern: Vec<char> = pattern.chars().collect();
    if pattern.last() == Some(&'/') {
        pattern.push('*');
    }
    let name: Vec<char> = name.chars().collect();
    let (mut p, mut n) = (0, 0);
    // Where to go on when what follows the last `*` does not fit: the `*` takes one more.
    let mut back: Option<(usize, usize)> = None;
    loop {
        if n == name.len() {
            return pattern[p..].iter().all(|&c| c == '*');
        }
        match one(&pattern[p..], name[n]) {
            _ if pattern.get(p) == Some(&'*') => {
                p += 1;
                back = Some((p, n));
            }
            Some(length) => (p, n) = (p + length, n + 1),
            None => match &mut back {
                Some((after, taken)) => {
                    *taken += 1;
                    (p, n) = (*after, *taken);
                }
                None => return false,
            },
        }
    }
}

/// How much of a pattern the character fits, if it does.
fn one(pattern: &[char], c: char) -> Option<usize> {
    match pattern.first()? {
        '?' => Some(1),
        '[' => {
            let negated = pattern.get(1) == Some(&'!');
            let first = if negated { 2 } else { 1 };
            // A bracket right at the start belongs to the set.
            let length = pattern.iter().skip(first + 1).position(|&c| c == ']');
            let Some(length) = length else { return (c == '[').then_some(1) };
            let set = &pattern[first..first + 1 + length];
            let mut found = false;
            let mut i = 0;
            while i < set.len() {
                match set.get(i + 1..i + 3) {
                    Some(&['-', to]) => {
                        found |= (set[i]..=to).contains(&c);
                        i += 3;
                    }
                    _ => {
                        found |= set[i] == c;
                        i += 1;
                    }
                }
            }
            (found != negated).then_some(first + length + 2)
        }
        &other => (other == c).then_some(1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_fnmatch_says() {
        for (pattern, name, expected) in [
            ("*.json", "unet/config.json", true),
            ("*.json", "config.jsonl", false),
            ("unet/", "unet/config.json", true),
            ("unet/", "vae/config.json", false),
            ("unet/*.fp16.*", "unet/model.fp16.safetensors", true),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*a*b", "xaxxab", true),
            ("*a*b", "xaxxac", false),
            ("m-[0-3].bin", "m-2.bin", true),
            ("m-[!0-3].bin", "m-2.bin", false),
            ("[]x]", "]", true),
            ("[ab", "[ab", true),
            ("", "", true),
            ("", "a", false),
            ("**", "", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
