//! The small tree a caption is read into: clauses of noun phrases and actions.

use super::lexicon::NounClass;

/// How many things a noun phrase means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Count {
    /// One thing.
    One,
    /// This many things.
    Exactly(usize),
    /// More than one, the number is open ("some birds").
    Many,
}

/// A word that stands for something named before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pronoun {
    /// it
    It,
    /// he, him
    He,
    /// she, her
    She,
    /// they, them
    They,
    /// both, both of them
    Both,
    /// the other, another, the other one; the noun is the last one spoken of
    Other,
    /// one, the red one, the left one
    One,
    /// each other
    EachOther,
}

/// An adjective or participle before a noun.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Modifier {
    pub text: String,
    /// Says how the thing moves ("bouncing"), so the motion prompt keeps it.
    pub moving: bool,
}

/// A noun with everything that belongs to it.
#[derive(Debug, Clone)]
pub(super) struct Noun {
    /// Article, possessive or quantifier as written, in lower case.
    pub determiner: Option<String>,
    /// The owner in "the dog's tail".
    pub owner: Option<Box<Noun>>,
    pub count: Count,
    /// The number word as written.
    pub number: Option<String>,
    pub modifiers: Vec<Modifier>,
    /// The noun as written, with its compound, in lower case.
    pub text: String,
    /// The noun in the singular.
    pub singular: String,
    pub class: NounClass,
    pub pronoun: Option<Pronoun>,
    /// Where in the picture, when the caption says so: "left", "back".
    pub side: Option<&'static str>,
    /// "the left car" rather than "the car on the left".
    pub side_first: bool,
    /// 1 for "the first".
    pub ordinal: Option<usize>,
    /// "another", "the other dog".
    pub other: bool,
    /// Phrases after the noun: "with a long beard", "in the park".
    pub phrases: Vec<Phrase>,
    /// Relative clauses and participles of the noun.
    pub actions: Vec<Action>,
    /// Whether a comma sets the relative clause off (", which ...").
    pub set_off: bool,
    /// The entities this phrase means; filled by the resolver.
    pub refs: Vec<usize>,
}

impl Noun {
    /// Whether the phrase is plural in grammar.
    pub fn is_plural(&self) -> bool {
        self.count != Count::One
    }
}

/// A preposition with its noun.
#[derive(Debug, Clone)]
pub(super) struct Phrase {
    pub preposition: String,
    pub noun: Noun,
    /// Whether the motion prompt keeps it even if it names no object.
    pub moving: bool,
}

/// How an action follows the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Link {
    And,
    Then,
}

impl Link {
    /// What a clause's joint says about time.
    pub fn of(joint: &str) -> Self {
        let later = joint.split(' ').any(|word| matches!(word, "then" | "before" | "until"));
        if later { Self::Then } else { Self::And }
    }
}

/// The verb of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Head {
    /// Any verb in the active; the lemma.
    Active(String),
    /// A passive or a state: the participle or adjective after "is", and the lemma.
    Passive { participle: String, lemma: String },
    /// "does not", "can't": the helper for one and for many, and the lemma.
    Helped { one: String, many: String, lemma: String },
}

impl Head {
    /// The lemma of the main verb.
    pub fn lemma(&self) -> &str {
        match self {
            Self::Active(lemma) | Self::Passive { lemma, .. } | Self::Helped { lemma, .. } => lemma,
        }
    }
}

/// What stands around the verb, in order.
#[derive(Debug, Clone)]
pub(super) enum Part {
    /// An adverb, a particle or any other word.
    Word { text: String, moving: bool },
    /// A direct object.
    Object(Noun),
    /// A preposition with its noun.
    Phrase(Phrase),
    /// "its tail fluttering in the wind".
    Aside(Noun, Box<Action>),
    /// "by the boy" after a passive.
    Agent(Noun),
}

/// A verb with its surroundings.
#[derive(Debug, Clone)]
pub(super) struct Action {
    pub link: Link,
    /// Adverbs before the verb.
    pub before: Vec<String>,
    pub head: Head,
    pub parts: Vec<Part>,
}

/// Subjects with their actions.
#[derive(Debug, Clone)]
pub(super) struct Clause {
    /// What joins the clause to the one before, as written: ", while", ".", "; then".
    pub link: String,
    /// Adverbs before the subject.
    pub before: Vec<String>,
    /// "Behind a truck, a fish swims": spoken of before the subjects, until it is known who is who; then a part of
    /// the last action.
    pub place: Option<Phrase>,
    pub subjects: Vec<Noun>,
    pub actions: Vec<Action>,
    /// The sentence begins with this clause's conjunction ("While the lion roars, ...").
    pub fronted: bool,
}
