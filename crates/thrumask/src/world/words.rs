//! All words of the world's captions and prompts, for the vocabularies of models trained on it.

/// Every word and sign of captions, motion prompts, names and object prompts, in alphabetical order.
pub fn words() -> Vec<String> {
    include_str!("words.txt").lines().map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::world::{Split, WorldConfig, scene};

    #[test]
    fn no_split_uses_another_word() {
        let known: BTreeSet<String> = words().into_iter().collect();
        assert_eq!(known.len(), words().len());
        let config = WorldConfig::default();
        for split in [Split::Test, Split::Compositional] {
            for index in 0..200 {
                let plan = scene(&config, split, index).unwrap().plan;
                let objects = plan.objects.iter().flat_map(|o| [&o.name, &o.prompt]);
                for text in [&plan.caption, &plan.motion].into_iter().chain(objects) {
                    let lower = text.to_lowercase();
                    let words = lower.split(|c: char| !c.is_alphanumeric() && c != '\'');
                    for word in words.filter(|w| !w.is_empty()) {
                        assert!(known.contains(word), "{word:?} of {text:?}");
                    }
                }
            }
        }
    }
}
