//! Who is who: which noun phrases mean an object that can move, and which mean the same one.

use super::lexicon::{LEXICON, NounClass};
use super::tree::{Action, Clause, Head, Link, Noun, Part, Phrase, Pronoun};

/// One object of the caption.
#[derive(Debug, Clone)]
pub(super) struct Entity {
    /// The noun as prompts use it: "car", or "birds" when they are not counted.
    pub text: String,
    /// The noun in the singular.
    pub singular: String,
    pub class: NounClass,
    /// Takes a plural verb.
    pub plural: bool,
    /// A pronoun that stands for nothing named; it takes no article.
    pub bare: bool,
    /// Adjectives, in order of mention.
    pub modifiers: Vec<String>,
    pub side: Option<&'static str>,
    pub side_first: bool,
    /// 1 for "the first".
    pub ordinal: Option<usize>,
    /// Has been spoken of alone, and not only as one of several.
    pub claimed: bool,
    /// Looks said after the noun: "with a long beard", "in a yellow dress".
    pub phrases: Vec<Phrase>,
}

/// The objects of a caption in order of mention.
#[derive(Debug, Default)]
pub(super) struct Scene {
    pub entities: Vec<Entity>,
    /// What was spoken of, the latest last.
    pub mentions: Vec<Vec<usize>>,
    /// Subjects of the clause being resolved, and of the one before.
    pub subjects: Vec<usize>,
    pub before: Vec<usize>,
}

/// What a noun phrase does in its clause.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
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
        let mut place = clause.place.take();
        if let Some(place) = &mut place {
            scene.noun(&mut place.noun, Role::Oblique);
        }
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
        if let (Some(mut place), Some(action)) = (place, clause.actions.last_mut()) {
            place.noun.actions.iter_mut().for_each(|inner| scene.action(inner));
            action.parts.push(Part::Phrase(place));
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
                // "drifts like a bubble": there is none.
                Part::Phrase(Phrase { preposition, noun, .. })
                    if preposition == "like"
                        && matches!(noun.determiner.as_deref(), Some("a" | "an")) => {}
                Part::Phrase(Phrase { noun, moving, .. }) => {
                    self.noun(noun, Role::Oblique);
                    // "next to her": where the subject itself is says nothing.
                    let itself = noun.refs == self.subjects && noun.pronoun.is_some();
                    if itself && noun.pronoun != Some(Pronoun::EachOther) && !*moving {
                        noun.refs.clear();
                    }
                }
                // "its wheels turning" is no object beside the one it belongs to.
                Part::Aside(_, inner) => self.action(inner),
            }
            if let Part::Object(noun) | Part::Agent(noun) | Part::Phrase(Phrase { noun, .. }) = part
            {
                for inner in &mut noun.actions {
                    self.action(inner);
                    self.not_itself(inner, &noun.refs);
                }
            }
        }
    }

    /// "drives away with a truck following it": who follows is not who is followed, nor is who throws a ball to the
    /// dog "which catches it".
    fn not_itself(&self, action: &mut Action, own: &[usize]) {
        for part in &mut action.parts {
            if let Part::Object(noun) | Part::Phrase(Phrase { noun, .. }) = part
                && let Some(pronoun @ (Pronoun::It | Pronoun::He | Pronoun::She)) = noun.pronoun
                && !noun.text.ends_with("self")
                && noun.refs == own
            {
                let suits = |refs: &&Vec<usize>| {
                    *refs != own
                        && !refs.is_empty()
                        && refs.iter().all(|&i| pronoun.suits(&self.entities[i]))
                };
                let latest =
                    || self.mentions.iter().rev().find(|refs| refs.len() == 1 && suits(refs));
                if let Some(refs) = Some(&self.subjects).filter(suits).or_else(latest) {
                    noun.refs.clone_from(refs);
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
