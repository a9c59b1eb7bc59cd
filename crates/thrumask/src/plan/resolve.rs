//! Who is who: which noun phrases mean an object that can move, and which mean the same one.

use super::lexicon::{LEXICON, NounClass};
use super::tree::{Action, Clause, Count, Head, Link, Noun, Part, Phrase, Pronoun};

/// One object of the caption.
#[derive(Debug, Clone)]
pub(super) struct Entity {
    /// The noun as prompts use it: "car", or "birds" when they are not counted.
    pub text: String,
    singular: String,
    pub class: NounClass,
    /// Takes a plural verb.
    pub plural: bool,
    /// A pronoun that stands for nothing named; it takes no article.
    pub bare: bool,
    /// Adjectives, in order of mention.
    pub modifiers: Vec<String>,
    pub side: Option<&'static str>,
    pub side_first: bool,
    ordinal: Option<usize>,
    /// Has been spoken of alone, and not only as one of several.
    claimed: bool,
    /// Looks said after the noun: "with a long beard", "in a yellow dress".
    pub phrases: Vec<Phrase>,
}

/// The objects of a caption in order of mention.
#[derive(Debug, Default)]
pub(super) struct Scene {
    pub entities: Vec<Entity>,
    /// What was spoken of, the latest last.
    mentions: Vec<Vec<usize>>,
    /// Subjects of the clause being resolved, and of the one before.
    subjects: Vec<usize>,
    before: Vec<usize>,
}

/// What a noun phrase does in its clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Subject { moves: bool },
    Patient { acted: bool },
    Oblique,
}

/// Fills in the `refs` of every noun phrase and joins clauses of one subject.
pub(super) fn resolve(clauses: &mut Vec<Clause>) -> Scene {
    let mut scene = Scene::default();
    for clause in clauses.iter_mut() {
        scene.before = std::mem::take(&mut scene.subjects);
        let moves = |actions: &[Action]| {
            actions.iter().any(|action| {
                let traits = LEXICON.traits(action.head.lemma());
                let rests = traits.posture && !matches!(action.head.lemma(), "float" | "hover");
                (!traits.state || traits.moves) && !rests && action.head.lemma() != "stay"
            })
        };
        let clause_moves = moves(&clause.actions);
        let mut subjects = Vec::new();
        for subject in &mut clause.subjects {
            let moves = clause_moves || moves(&subject.actions);
            scene.noun(subject, Role::Subject { moves });
            subjects.extend(&subject.refs);
        }
        if subjects.len() > 1 && clause.subjects.len() > 1 {
            scene.mentions.push(subjects.clone());
        }
        scene.subjects = subjects;
        for subject in &mut clause.subjects {
            for action in &mut subject.actions {
                scene.action(action);
            }
        }
        for action in &mut clause.actions {
            scene.action(action);
        }
        if scene.subjects.is_empty() {
            scene.subjects = scene.before.clone();
        }
    }
    join(clauses);
    scene
}

/// Joins a clause to the one before it when both have the same subject.
fn join(clauses: &mut Vec<Clause>) {
    let mut joined: Vec<Clause> = Vec::with_capacity(clauses.len());
    for mut clause in clauses.drain(..) {
        let refs = |clause: &Clause| -> Vec<usize> {
            clause.subjects.iter().flat_map(|noun| noun.refs.clone()).collect()
        };
        let own = refs(&clause);
        let same = !own.is_empty() && joined.last().is_some_and(|last| refs(last) == own);
        let Some(last) = joined.last_mut().filter(|_| same) else {
            joined.push(clause);
            continue;
        };
        let mut actions: Vec<Action> =
            clause.subjects.iter_mut().flat_map(|noun| std::mem::take(&mut noun.actions)).collect();
        actions.append(&mut clause.actions);
        if let Some(first) = actions.first_mut() {
            if first.link == Link::And {
                first.link = Link::of(&clause.link);
            }
            first.before.splice(0..0, clause.before.drain(..).filter(|word| word != "then"));
        }
        last.actions.append(&mut actions);
        last.fronted = false;
    }
    *clauses = joined;
}

impl Scene {
    fn action(&mut self, action: &mut Action) {
        let traits = LEXICON.traits(action.head.lemma());
        let mut acted = traits.acts;
        for part in &mut action.parts {
            match part {
                // "starts to kick the ball": the last verb says what happens to the object.
                Part::Word { text, .. } => {
                    if let Some(verb) = LEXICON.verb_forms(text).first() {
                        acted = LEXICON.traits(&verb.lemma).acts;
                    }
                }
                Part::Object(noun) => self.noun(noun, Role::Patient { acted }),
                Part::Agent(noun) => self.noun(noun, Role::Subject { moves: true }),
                Part::Phrase(Phrase { noun, moving, .. }) => {
                    self.noun(noun, Role::Oblique);
                    // "next to her": where the subject itself is says nothing.
                    let itself = noun.refs == self.subjects && noun.pronoun.is_some();
                    if itself && noun.pronoun != Some(Pronoun::EachOther) && !*moving {
                        noun.refs.clear();
                    }
                }
                Part::Aside(noun, inner) => {
                    self.noun(noun, Role::Oblique);
                    self.action(inner);
                }
            }
            if let Part::Object(noun) | Part::Agent(noun) | Part::Phrase(Phrase { noun, .. }) = part
            {
                for inner in &mut noun.actions {
                    self.action(inner);
                }
            }
        }
    }

    fn noun(&mut self, noun: &mut Noun, role: Role) {
        if let Some(owner) = &mut noun.owner {
            self.noun(owner, Role::Oblique);
        }
        noun.refs = match noun.pronoun {
            Some(pronoun) => self.pronoun(pronoun, noun, role),
            None if is_object(noun, role) => self.named(noun),
            None => Vec::new(),
        };
        if !noun.refs.is_empty() {
            self.mentions.push(noun.refs.clone());
        }
        for phrase in &mut noun.phrases {
            self.noun(&mut phrase.noun, Role::Oblique);
        }
        if let [entity] = noun.refs[..] {
            self.describe(entity, noun);
        } else {
            for entity in noun.refs.clone() {
                let colours = noun.modifiers.iter().map(|modifier| modifier.text.clone()).collect();
                self.add_modifiers(entity, colours);
            }
        }
    }

    /// The entities that a noun with a name means; new ones where none of the known fits.
    fn named(&mut self, noun: &Noun) -> Vec<usize> {
        let determiner = noun.determiner.as_deref();
        let wanted = match noun.count {
            Count::Exactly(n) => n,
            _ => 1,
        };
        let kin: Vec<usize> = self.kin(&noun.singular);
        if noun.other {
            return self.others(noun, &kin);
        }
        let new = matches!(determiner, Some("a" | "an"))
            || (determiner.is_none() && noun.count == Count::One);
        let fits: Vec<usize> = kin.iter().copied().filter(|&i| self.compatible(i, noun)).collect();
        if noun.count == Count::One {
            if determiner == Some("one") {
                let unclaimed = fits.iter().copied().find(|&i| !self.entities[i].claimed);
                return vec![unclaimed.unwrap_or_else(|| self.add(noun, false))];
            }
            let known = if new { None } else { self.best(&fits, noun) };
            return vec![known.unwrap_or_else(|| self.add(noun, false))];
        }
        if noun.count == Count::Many {
            let definite = determiner.is_some() && noun.number.is_none();
            let singles: Vec<usize> =
                fits.iter().copied().filter(|&i| !self.entities[i].plural).collect();
            if let Some(&whole) =
                fits.iter().find(|&&i| self.entities[i].plural).filter(|_| definite)
            {
                return vec![whole];
            }
            if definite && singles.len() > 1 {
                return singles;
            }
            return vec![self.add(noun, true)];
        }
        let definite = matches!(determiner, Some("the" | "both" | "these" | "those" | "all"));
        let mut refs: Vec<usize> =
            if definite { fits.into_iter().take(wanted).collect() } else { Vec::new() };
        while refs.len() < wanted {
            refs.push(self.add_unclaimed(noun));
        }
        refs
    }

    /// Entities with this noun.
    fn kin(&self, singular: &str) -> Vec<usize> {
        (0..self.entities.len()).filter(|&i| self.entities[i].singular == singular).collect()
    }

    /// Whether nothing said of `noun` contradicts entity `i`.
    fn compatible(&self, i: usize, noun: &Noun) -> bool {
        let entity = &self.entities[i];
        let differ = |section: &str| {
            let of_noun: Vec<&str> = noun
                .modifiers
                .iter()
                .map(|m| m.text.as_str())
                .filter(|word| LEXICON.is(section, word))
                .collect();
            let of_entity: Vec<&String> =
                entity.modifiers.iter().filter(|word| LEXICON.is(section, word)).collect();
            !of_noun.is_empty()
                && !of_entity.is_empty()
                && !of_noun.iter().any(|word| of_entity.iter().any(|known| known == word))
        };
        let sides = noun.side.is_some() && entity.side.is_some() && noun.side != entity.side;
        let ordinals =
            noun.ordinal.is_some() && entity.ordinal.is_some() && noun.ordinal != entity.ordinal;
        !sides && !ordinals && !differ("colour") && !differ("size")
    }

    /// The best known entity for a single definite noun: one that already has what is said, else a
    /// member of a group not yet told apart, else the only or latest one.
    fn best(&self, fits: &[usize], noun: &Noun) -> Option<usize> {
        let says = noun.side.is_some() || noun.ordinal.is_some();
        let has = |i: &usize| {
            let entity = &self.entities[*i];
            (noun.side.is_none() || entity.side == noun.side)
                && (noun.ordinal.is_none() || entity.ordinal == noun.ordinal)
                && noun.modifiers.iter().all(|m| entity.modifiers.contains(&m.text))
        };
        if says || !noun.modifiers.is_empty() {
            if let Some(&known) = fits.iter().rev().find(|i| has(i)) {
                return Some(known);
            }
            if let Some(&member) = fits.iter().find(|&&i| !self.entities[i].claimed) {
                return Some(member);
            }
            // "The car on the left" after "the car" without a side may be the same one, but not
            // after one that was told apart by other words.
            return fits.iter().copied().find(|&i| {
                self.entities[i].side.is_none()
                    && self.entities[i].ordinal.is_none()
                    && (!says || self.entities[i].modifiers.is_empty() || fits.len() == 1)
                    && noun.modifiers.is_empty()
                    && !says
            });
        }
        self.mentions.iter().rev().flatten().copied().find(|i| fits.contains(i))
    }

    /// "another dog", "the other dog", "the others".
    fn others(&mut self, noun: &Noun, kin: &[usize]) -> Vec<usize> {
        let free: Vec<usize> = kin.iter().copied().filter(|&i| !self.entities[i].claimed).collect();
        if noun.count == Count::Many && !free.is_empty() {
            return free;
        }
        match free.first() {
            Some(&member) => vec![member],
            None => {
                let spoken = self.subjects.last().or(self.before.last()).copied();
                let definite = noun.determiner.as_deref() != Some("another");
                let rest: Vec<usize> = kin.iter().copied().filter(|&i| Some(i) != spoken).collect();
                match (definite, rest.as_slice(), kin.len()) {
                    (true, &[.., other], 2..) => vec![other],
                    _ => vec![self.add(noun, false)],
                }
            }
        }
    }

    fn pronoun(&mut self, pronoun: Pronoun, noun: &mut Noun, role: Role) -> Vec<usize> {
        match pronoun {
            Pronoun::It => self.single(role, |entity| entity.class != NounClass::Person, noun),
            Pronoun::He | Pronoun::She => {
                let wrong = if pronoun == Pronoun::He { "feminine" } else { "masculine" };
                let suits = |entity: &Entity| {
                    let last = entity.singular.rsplit(' ').next().unwrap_or_default();
                    let alive = matches!(
                        entity.class,
                        NounClass::Person | NounClass::Animal | NounClass::Unknown
                    );
                    alive && !LEXICON.is(wrong, last)
                };
                self.single(role, suits, noun)
            }
            Pronoun::They => self.several(noun),
            Pronoun::Both => {
                let pair = self.mentions.iter().rev().find(|refs| refs.len() == 2).cloned();
                pair.unwrap_or_else(|| {
                    self.entities
                        .len()
                        .checked_sub(2)
                        .map(|start| (start..self.entities.len()).collect())
                        .unwrap_or_default()
                })
            }
            Pronoun::EachOther => self.subjects.clone(),
            Pronoun::One | Pronoun::Other => {
                let Some(kind) = self.mentions.last().and_then(|refs| refs.last()).copied() else {
                    return Vec::new();
                };
                let kind = self.entities[kind].clone();
                noun.singular = kind.singular.clone();
                noun.text = kind.singular;
                noun.class = kind.class;
                noun.other |= pronoun == Pronoun::Other;
                if noun.determiner.is_none() {
                    noun.determiner = Some("one".into());
                }
                self.named(noun)
            }
        }
    }

    /// The entity that "it" or "she" means. As a subject it is the subject before, else the latest
    /// spoken of; elsewhere it is not the subject of its own clause.
    fn single(&mut self, role: Role, suits: impl Fn(&Entity) -> bool, noun: &Noun) -> Vec<usize> {
        let subject = matches!(role, Role::Subject { .. });
        let fits = |i: &usize| suits(&self.entities[*i]) && !self.entities[*i].plural;
        let preferred = if subject { self.before.as_slice() } else { &[] };
        let strict = preferred.iter().copied().find(fits).filter(|_| preferred.len() == 1);
        let latest = self.mentions.iter().rev().filter(|refs| refs.len() == 1).flatten().copied();
        let found = strict.or_else(|| {
            let all: Vec<usize> = latest.filter(fits).collect();
            let other = all.iter().copied().find(|i| subject || !self.subjects.contains(i));
            // "hits it" never means the one that hits; "next to her" may.
            other.or(all.first().copied().filter(|_| noun.pronoun != Some(Pronoun::It)))
        });
        match found {
            Some(i) => vec![i],
            None if subject && self.entities.is_empty() && noun.text != "it" => {
                vec![self.add(noun, false)]
            }
            None => Vec::new(),
        }
    }

    fn several(&mut self, noun: &Noun) -> Vec<usize> {
        let plural =
            |refs: &&Vec<usize>| refs.len() > 1 || refs.iter().any(|&i| self.entities[i].plural);
        if let Some(refs) = self.mentions.iter().rev().find(plural) {
            return refs.clone();
        }
        if self.entities.is_empty() {
            return vec![self.add(noun, false)];
        }
        (0..self.entities.len()).collect()
    }

    fn add(&mut self, noun: &Noun, plural: bool) -> usize {
        let bare = noun.pronoun.is_some_and(|p| !matches!(p, Pronoun::One | Pronoun::Other));
        let singular = if bare { noun.text.clone() } else { noun.singular.clone() };
        self.entities.push(Entity {
            text: if plural || bare { noun.text.clone() } else { singular.clone() },
            singular,
            class: noun.class,
            plural: plural || (bare && noun.count == Count::Many),
            bare,
            modifiers: Vec::new(),
            side: None,
            side_first: false,
            ordinal: None,
            claimed: true,
            phrases: Vec::new(),
        });
        self.entities.len() - 1
    }

    fn add_unclaimed(&mut self, noun: &Noun) -> usize {
        let i = self.add(noun, false);
        self.entities[i].claimed = false;
        i
    }

    /// Adds what `noun` says of entity `i` to what is known of it.
    fn describe(&mut self, i: usize, noun: &Noun) {
        let words = noun.modifiers.iter().map(|modifier| modifier.text.clone()).collect();
        self.add_modifiers(i, words);
        let entity = &mut self.entities[i];
        entity.claimed = true;
        if entity.side.is_none() && noun.side.is_some() {
            entity.side = noun.side;
            entity.side_first = noun.side_first;
        }
        entity.ordinal = entity.ordinal.or(noun.ordinal);
        let looks = |phrase: &&Phrase| {
            phrase.noun.class == NounClass::Part
                || matches!(phrase.preposition.as_str(), "with" | "of")
        };
        entity.phrases.extend(noun.phrases.iter().filter(looks).cloned());
    }

    fn add_modifiers(&mut self, i: usize, words: Vec<String>) {
        for word in words {
            if !self.entities[i].modifiers.contains(&word) {
                self.entities[i].modifiers.push(word);
            }
        }
    }
}

/// Whether a noun phrase in this role means an object that can move.
fn is_object(noun: &Noun, role: Role) -> bool {
    let still = noun.modifiers.iter().any(|modifier| LEXICON.is("still", &modifier.text));
    match noun.class {
        NounClass::Person | NounClass::Animal | NounClass::Thing => {
            !still || matches!(role, Role::Subject { .. } | Role::Patient { acted: true })
        }
        NounClass::Loose => {
            matches!(role, Role::Subject { moves: true } | Role::Patient { acted: true })
        }
        NounClass::Unknown => matches!(role, Role::Subject { .. } | Role::Patient { acted: true }),
        NounClass::Scenery
        | NounClass::Part
        | NounClass::Effect
        | NounClass::Manner
        | NounClass::Camera => false,
    }
}

/// Whether an action only says how things are.
pub(super) fn is_state(action: &Action) -> bool {
    let traits = LEXICON.traits(action.head.lemma());
    traits.state && !traits.moves && matches!(action.head, Head::Active(_))
}
