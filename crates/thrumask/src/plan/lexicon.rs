//! What the planner knows of English words, read once from the lists in `lexicon/`.

use std::collections::{HashMap, HashSet};
use std::sync::LazyLock;

use super::inflect::{guess_stem, with_ed, with_ing, with_s};

/// What a verb does; a verb may do several of these.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct VerbTraits {
    /// Moves by itself.
    pub moves: bool,
    /// Moves or touches its direct object.
    pub acts: bool,
    /// Takes a direct object that stays what it was.
    pub uses: bool,
    /// Says how things are.
    pub state: bool,
    /// Is followed by another verb.
    pub phase: bool,
    /// "on" and "in" after it say where the movement goes.
    pub goal: bool,
    /// Is a posture: places after it are background.
    pub posture: bool,
}

/// The shape in which a verb stands in the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    Base,
    ThirdPerson,
    Past,
    Ing,
    Participle,
}

/// One reading of a word as a verb.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct VerbForm {
    pub lemma: String,
    pub form: Form,
}

/// What a noun means for planning (sections of `lexicon/nouns.txt`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum NounClass {
    Person,
    Animal,
    Thing,
    Loose,
    Scenery,
    Part,
    Effect,
    Manner,
    Camera,
    Unknown,
}

/// One reading of a word as a noun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NounForm {
    pub singular: String,
    pub class: NounClass,
    pub plural: bool,
}

/// The word lists, indexed.
pub(super) struct Lexicon {
    verbs: HashMap<String, VerbTraits>,
    verb_forms: HashMap<String, Vec<VerbForm>>,
    participles: HashMap<String, String>,
    nouns: HashMap<String, NounForm>,
    /// Nouns and prepositions of several words, by their first word.
    compounds: HashMap<&'static str, Vec<Vec<&'static str>>>,
    phrases: HashMap<&'static str, Vec<Vec<&'static str>>>,
    words: HashMap<&'static str, HashSet<&'static str>>,
    plurals: HashMap<&'static str, &'static str>,
}

/// The one lexicon.
pub(super) static LEXICON: LazyLock<Lexicon> = LazyLock::new(Lexicon::load);

/// `(section, line)` of a word list, without comments and blank lines.
pub(super) fn lines(text: &'static str) -> impl Iterator<Item = (&'static str, &'static str)> {
    let mut section = "";
    text.lines().filter_map(move |line| {
        let line = line.trim();
        if let Some(name) = line.strip_prefix('[') {
            section = name.trim_end_matches(']');
            return None;
        }
        (!line.is_empty() && !line.starts_with('#')).then_some((section, line))
    })
}

impl Lexicon {
    fn load() -> Self {
        let mut lexicon = Self {
            verbs: HashMap::new(),
            verb_forms: HashMap::new(),
            participles: HashMap::new(),
            nouns: HashMap::new(),
            compounds: HashMap::new(),
            phrases: HashMap::new(),
            words: HashMap::new(),
            plurals: HashMap::new(),
        };
        let mut irregular: HashMap<&str, [&str; 2]> = HashMap::new();
        for (section, line) in lines(include_str!("lexicon/irregular.txt")) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match (section, words.as_slice()) {
                ("verb", &[lemma, past, participle]) => {
                    irregular.insert(lemma, [past, participle]);
                }
                ("noun", &[singular, plural]) => {
                    lexicon.plurals.insert(singular, plural);
                }
                _ => {}
            }
        }
        for (section, line) in lines(include_str!("lexicon/verbs.txt")) {
            for lemma in line.split_whitespace() {
                let traits = lexicon.verbs.entry(lemma.to_string()).or_default();
                match section {
                    "move" => traits.moves = true,
                    "act" => traits.acts = true,
                    "use" => traits.uses = true,
                    "state" => traits.state = true,
                    "phase" => traits.phase = true,
                    "goal" => traits.goal = true,
                    _ => traits.posture = true,
                }
            }
        }
        let lemmas: Vec<String> = lexicon.verbs.keys().cloned().collect();
        for lemma in lemmas {
            lexicon.add_forms(&lemma, irregular.get(lemma.as_str()).copied());
        }
        for forms in lexicon.verb_forms.values_mut() {
            forms.sort_by(|a, b| (a.form as u8, &a.lemma).cmp(&(b.form as u8, &b.lemma)));
        }
        for (section, line) in lines(include_str!("lexicon/nouns.txt")) {
            for noun in line.split_whitespace() {
                lexicon.add_noun(section, noun);
            }
        }
        for (section, line) in lines(include_str!("lexicon/words.txt")) {
            for word in line.split_whitespace() {
                let parts: Vec<&str> = word.split('_').collect();
                if let &[first, _, ..] = parts.as_slice()
                    && section != "idiom"
                {
                    lexicon.phrases.entry(first).or_default().push(parts.clone());
                }
                lexicon.words.entry(section).or_default().insert(word);
            }
        }
        for list in lexicon.compounds.values_mut().chain(lexicon.phrases.values_mut()) {
            list.sort_by_key(|words| std::cmp::Reverse(words.len()));
        }
        lexicon
    }

    fn add_forms(&mut self, lemma: &str, irregular: Option<[&str; 2]>) {
        let [past, participle] = match irregular {
            Some([past, participle]) => [past.to_string(), participle.to_string()],
            None => [with_ed(lemma), with_ed(lemma)],
        };
        self.participles.insert(lemma.to_string(), participle.clone());
        let spelled = [
            (lemma.to_string(), Form::Base),
            (with_s(lemma), Form::ThirdPerson),
            (past, Form::Past),
            (with_ing(lemma), Form::Ing),
            (participle, Form::Participle),
        ];
        for (text, form) in spelled {
            let entry = VerbForm { lemma: lemma.to_string(), form };
            self.verb_forms.entry(text).or_default().push(entry);
        }
    }

    fn add_noun(&mut self, section: &'static str, noun: &'static str) {
        if matches!(section, "group" | "opening") {
            self.words.entry(section).or_default().insert(noun);
            if section == "opening" {
                return;
            }
        }
        let class = match section {
            "person" => NounClass::Person,
            "animal" => NounClass::Animal,
            "thing" => NounClass::Thing,
            "loose" => NounClass::Loose,
            "scenery" => NounClass::Scenery,
            "part" => NounClass::Part,
            "effect" => NounClass::Effect,
            "manner" => NounClass::Manner,
            "camera" => NounClass::Camera,
            _ => NounClass::Unknown,
        };
        let parts: Vec<&str> = noun.split('_').collect();
        if let &[first, _, ..] = parts.as_slice() {
            self.compounds.entry(first).or_default().push(parts.clone());
        }
        let singular = parts.join(" ");
        let plural = self.plural_of(&singular);
        let form = |plural| NounForm { singular: singular.clone(), class, plural };
        // A noun listed twice keeps its first class: movers stand before scenery in the file.
        self.nouns.entry(plural).or_insert_with(|| form(true));
        let invariant = self
            .nouns
            .get(&singular)
            .is_some_and(|known| known.plural && known.singular == singular);
        if invariant || !self.nouns.contains_key(&singular) {
            self.nouns.insert(singular.clone(), form(false));
        }
    }

    /// "police car" → "police cars", "child" → "children".
    pub fn plural_of(&self, noun: &str) -> String {
        let (front, last) = noun.rsplit_once(' ').map_or(("", noun), |(front, last)| (front, last));
        let plural =
            self.plurals.get(last).map_or_else(|| with_s(last), |plural| plural.to_string());
        if front.is_empty() { plural } else { format!("{front} {plural}") }
    }

    /// The known readings of `word` as a verb, in the order base, third person, past, -ing,
    /// participle.
    pub fn verb_forms(&self, word: &str) -> &[VerbForm] {
        self.verb_forms.get(word).map_or(&[], Vec::as_slice)
    }

    /// The traits of `lemma`; an unknown verb moves.
    pub fn traits(&self, lemma: &str) -> VerbTraits {
        let unknown = VerbTraits { moves: true, acts: true, ..VerbTraits::default() };
        self.verbs.get(lemma).copied().unwrap_or(unknown)
    }

    /// "ride" → "ridden".
    pub fn participle(&self, lemma: &str) -> String {
        self.participles.get(lemma).cloned().unwrap_or_else(|| with_ed(lemma))
    }

    /// The reading of `noun` (one or several words in lower case) as a known noun.
    pub fn noun(&self, noun: &str) -> Option<&NounForm> {
        self.nouns.get(noun)
    }

    /// Whether `word` stands in `section` of `lexicon/words.txt`, or is a "group" or "opening" noun.
    pub fn is(&self, section: &str, word: &str) -> bool {
        self.words.get(section).is_some_and(|words| words.contains(word))
    }

    /// Whether `word` is an adjective of any kind.
    pub fn is_adjective(&self, word: &str) -> bool {
        ["colour", "size", "look"].iter().any(|section| self.is(section, word))
            || word.strip_suffix("est").is_some_and(|stem| self.is("size", stem))
            || word.strip_suffix("er").is_some_and(|stem| self.is("size", stem))
            || word.strip_suffix("ger").is_some_and(|stem| self.is("size", stem))
    }

    /// Whether `word` is an adverb or a particle.
    pub fn is_adverb(&self, word: &str) -> bool {
        self.is("manner", word)
            || self.is("place", word)
            || (word.len() > 4
                && word.ends_with("ly")
                && self.noun(word).is_none()
                && !self.is_adjective(word)
                && self.verb_forms(word).is_empty())
    }

    /// How many of `words`, from the first on, form a known compound noun ("hot air balloon").
    pub fn compound_len(&self, words: &[&str]) -> usize {
        let Some(list) = words.first().and_then(|first| self.compounds.get(first)) else {
            return 0;
        };
        let fits = |compound: &&Vec<&str>| {
            words.len() >= compound.len()
                && (words[..compound.len()] == compound[..]
                    || self.plural_of(&compound.join(" ")) == words[..compound.len()].join(" "))
        };
        list.iter().find(fits).map_or(0, Vec::len)
    }

    /// The number of `words` that form a fixed expression for a way to move ("back and forth").
    pub fn idiom(&self, words: &[&str]) -> Option<usize> {
        (2..=words.len()).rev().find(|&length| self.is("idiom", &words[..length].join("_")))
    }

    /// The preposition at the start of `words` and how many of them it takes.
    pub fn preposition(&self, words: &[&str]) -> Option<(String, usize)> {
        let first = *words.first()?;
        for phrase in self.phrases.get(first).into_iter().flatten() {
            if words.len() >= phrase.len() && words[..phrase.len()] == phrase[..] {
                return Some((phrase.join(" "), phrase.len()));
            }
        }
        let known = ["path", "between", "location"].iter().any(|section| self.is(section, first));
        known.then(|| (first.to_string(), 1))
    }
}

/// Readings of an unknown `word` as a verb, by its ending.
pub(super) fn guess_verb(word: &str) -> Option<VerbForm> {
    let cut = |ending: &str| {
        word.strip_suffix(ending).filter(|stem| {
            stem.chars().count() > 2 && stem.chars().all(|c| c.is_alphabetic() || c == '-')
        })
    };
    if let Some(stem) = cut("ing") {
        return Some(VerbForm { lemma: guess_stem(stem), form: Form::Ing });
    }
    if let Some(stem) = cut("ed") {
        return Some(VerbForm { lemma: guess_stem(stem), form: Form::Past });
    }
    let stem = cut("s").filter(|stem| !stem.ends_with(['s', 'u', 'i']))?;
    let lemma = match stem.strip_suffix("ie") {
        Some(root) => format!("{root}y"),
        None if ["che", "she", "xe", "sse", "zze"].iter().any(|end| stem.ends_with(end)) => {
            stem.strip_suffix('e').unwrap_or(stem).to_string()
        }
        None => stem.to_string(),
    };
    Some(VerbForm { lemma, form: Form::ThirdPerson })
}
