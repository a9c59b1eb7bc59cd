//! Writing the prompts: the motion prompt clause by clause, the object prompts object by object.

use thrumask_core::ObjectPrompt;

use super::inflect::with_s;
use super::lexicon::{LEXICON, NounClass};
use super::resolve::{Entity, Scene, is_state};
use super::tree::{Action, Clause, Count, Head, Link, Noun, Part, Phrase, Pronoun};

/// Writes nouns and actions, for the motion prompt (`of` is none) or for the prompt of one entity.
struct Writer<'a> {
    scene: &'a Scene,
    names: &'a [String],
    of: Option<usize>,
}

/// The motion prompt; empty when no clause says anything.
pub(super) fn motion_prompt(clauses: &[Clause], scene: &Scene, names: &[String]) -> String {
    let writer = Writer { scene, names, of: None };
    let mut text = String::new();
    let acts = |clause: &Clause| {
        !clause.actions.is_empty() || clause.subjects.iter().any(|noun| !noun.actions.is_empty())
    };
    let any_acts = clauses.iter().any(acts);
    for clause in clauses.iter().filter(|clause| acts(clause) || !any_acts) {
        let Some(said) = writer.clause(clause) else { continue };
        if text.is_empty() {
            let conjunction = clause.link.trim_start_matches(['.', ',', ';', ' ']);
            if clause.fronted {
                text = format!("{conjunction} {said}");
            } else {
                text = said;
            }
        } else if clause.link.starts_with('.') {
            let rest = clause.link.trim_start_matches('.').trim_start();
            let gap = if rest.is_empty() { "" } else { " " };
            text = format!("{text}. {}", capitalized(&format!("{rest}{gap}{said}")));
        } else {
            let joint = if clause.link.is_empty() { "," } else { &clause.link };
            text = format!("{text}{joint} {said}");
        }
    }
    if text.is_empty() { text } else { sentence(&text) }
}

/// Names and prompts of all objects.
pub(super) fn object_prompts(
    clauses: &[Clause],
    scene: &Scene,
    names: &[String],
) -> Vec<ObjectPrompt> {
    let prompt = |i: usize| {
        let writer = Writer { scene, names, of: Some(i) };
        let mut said = writer.own_actions(clauses, i);
        if said.is_empty() {
            said = writer.passives(clauses, i);
        }
        let part_of = |clause: &&Clause| {
            let owner = |noun: &Noun| noun.owner.as_ref().is_some_and(|owner| owner.refs == [i]);
            clause.subjects.iter().any(owner)
        };
        // "The chameleon's tongue shoots out" is all that is said of the chameleon.
        if said.is_empty()
            && let Some(text) =
                clauses.iter().find(part_of).and_then(|clause| writer.clause(clause))
        {
            return ObjectPrompt { name: names[i].clone(), prompt: sentence(&text) };
        }
        let subject = writer.described(i, false);
        ObjectPrompt { name: names[i].clone(), prompt: sentence(&[subject, list(&said)].join(" ")) }
    };
    (0..scene.entities.len()).map(prompt).collect()
}

/// The caption without colours and sizes, as one tidy sentence.
pub(super) fn cleaned(caption: &str) -> String {
    let kept = |word: &&str| {
        let bare = word.trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        !(LEXICON.is("colour", &bare) || LEXICON.is("size", &bare))
    };
    let words: Vec<&str> = caption.split_whitespace().filter(kept).collect();
    let words = if words.is_empty() { caption.split_whitespace().collect() } else { words };
    sentence(&words.join(" "))
}

/// Upper case at the start and one full stop at the end.
fn sentence(text: &str) -> String {
    let text = text.trim().trim_end_matches([',', ';', ':', '.']).trim_end();
    if text.ends_with(['!', '?']) { capitalized(text) } else { format!("{}.", capitalized(text)) }
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|c| c.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// "jumps, spins and falls", "jumps, then spins".
fn list(actions: &[(Link, String)]) -> String {
    let mut text = String::new();
    for (i, (link, action)) in actions.iter().enumerate() {
        let last = i + 1 == actions.len();
        let joint = match link {
            _ if i == 0 => "",
            Link::Then => ", then ",
            Link::And if last => " and ",
            Link::And => ", ",
        };
        text.push_str(joint);
        text.push_str(action);
    }
    text
}

impl Writer<'_> {
    fn entity(&self, i: usize) -> &Entity {
        &self.scene.entities[i]
    }

    /// A clause of the motion prompt, if it says something of an object or of the camera.
    fn clause(&self, clause: &Clause) -> Option<String> {
        let camera = clause.subjects.iter().any(|noun| noun.class == NounClass::Camera);
        let about = clause.subjects.iter().any(|noun| {
            !noun.refs.is_empty() || noun.owner.as_ref().is_some_and(|owner| !owner.refs.is_empty())
        });
        if !camera && !about && !clause.actions.iter().any(mentions_entity) {
            return None;
        }
        let plural =
            clause.subjects.len() > 1 || clause.subjects.iter().any(|noun| self.is_plural(noun));
        let mut actions: Vec<&Action> = Vec::new();
        let single = clause.subjects.len() == 1;
        let mut subjects = Vec::new();
        for noun in &clause.subjects {
            let mut text = self.noun(noun);
            if single {
                actions.extend(&noun.actions);
            } else if !noun.actions.is_empty() {
                text =
                    format!(
                        "{text} that {}",
                        list(&self.actions(
                            &noun.actions.iter().collect::<Vec<_>>(),
                            self.is_plural(noun)
                        ))
                    );
            }
            subjects.push((Link::And, text));
        }
        actions.extend(&clause.actions);
        let said = list(&self.actions(&actions, plural));
        let mut words = Vec::new();
        if !clause.before.is_empty() {
            words.push(format!("{},", clause.before.join(" ")));
        }
        words.push(list(&subjects));
        words.push(said);
        words.retain(|word| !word.is_empty());
        Some(words.join(" "))
    }

    /// The actions as text. The motion prompt leaves out how things are, where there is more to say.
    fn actions(&self, actions: &[&Action], plural: bool) -> Vec<(Link, String)> {
        let moving = self.of.is_none() && actions.iter().any(|action| !is_state(action));
        actions
            .iter()
            .filter(|action| !(moving && is_state(action)))
            .map(|action| (action.link, self.action(action, plural)))
            .collect()
    }

    /// What entity `i` does itself.
    fn own_actions(&self, clauses: &[Clause], i: usize) -> Vec<(Link, String)> {
        let mut said = Vec::new();
        let plural = self.entity(i).plural;
        for clause in clauses {
            for noun in clause.subjects.iter().filter(|noun| noun.refs.contains(&i)) {
                let mut actions = self.actions(&noun.actions.iter().collect::<Vec<_>>(), plural);
                actions.extend(self.actions(&clause.actions.iter().collect::<Vec<_>>(), plural));
                if let Some((link, first)) = actions.first_mut() {
                    if !said.is_empty() {
                        *link = Link::of(&clause.link);
                    }
                    if !clause.before.is_empty() {
                        *first = format!("{} {first}", clause.before.join(" "));
                    }
                }
                said.append(&mut actions);
            }
            let subjects = clause.subjects.iter().flat_map(|noun| &noun.actions);
            for noun in subjects
                .chain(&clause.actions)
                .flat_map(|action| &action.parts)
                .filter_map(part_noun)
            {
                if noun.refs.contains(&i) {
                    said.extend(self.actions(&noun.actions.iter().collect::<Vec<_>>(), plural));
                }
            }
        }
        said
    }

    /// What others do to entity `i`.
    fn passives(&self, clauses: &[Clause], i: usize) -> Vec<(Link, String)> {
        let mut said = Vec::new();
        for clause in clauses {
            let of_subjects = clause.subjects.iter().flat_map(|noun| &noun.actions);
            for action in of_subjects.chain(&clause.actions) {
                for part in &action.parts {
                    match part {
                        Part::Object(noun) if noun.refs.contains(&i) => {
                            said.extend(
                                self.passive(action, &clause.subjects, i)
                                    .map(|text| (action.link, text)),
                            );
                        }
                        Part::Agent(noun) if noun.refs.contains(&i) => {
                            said.extend(
                                self.turned_active(action, &clause.subjects, i)
                                    .map(|text| (action.link, text)),
                            );
                        }
                        _ => {}
                    }
                }
            }
        }
        said
    }

    /// "is chased by the white dog through the garden"
    fn passive(&self, action: &Action, subjects: &[Noun], i: usize) -> Option<String> {
        let Head::Active(lemma) = &action.head else { return None };
        let embedded = action.parts.iter().take_while(|part| !matches!(part, Part::Object(_))).any(|part| matches!(part, Part::Word { text, .. } if !LEXICON.verb_forms(text).is_empty() && !LEXICON.is_adverb(text)));
        if embedded || is_state(action) || subjects.is_empty() {
            return None;
        }
        let mut words = vec![if self.entity(i).plural { "are" } else { "is" }.to_string()];
        words.extend(action.before.iter().cloned());
        words.push(LEXICON.participle(lemma));
        let at = action.parts.iter().position(|part| matches!(part, Part::Object(_)))?;
        words.extend(action.parts[..at].iter().filter_map(|part| self.part(part)));
        // "is pushed forward by the man": adverbs keep close to the verb.
        let after = &action.parts[at + 1..];
        let adverbs = after
            .iter()
            .take_while(|part| matches!(part, Part::Word { text, .. } if LEXICON.is_adverb(text)))
            .count();
        words.extend(after[..adverbs].iter().filter_map(|part| self.part(part)));
        words.push("by".into());
        let agents: Vec<(Link, String)> =
            subjects.iter().map(|noun| (Link::And, self.noun(noun))).collect();
        words.push(list(&agents));
        let rest = after[adverbs..].iter().filter(|part| {
            !matches!(part, Part::Object(_))
                && !matches!(part, Part::Word { text, .. } if text == "and")
        });
        words.extend(rest.filter_map(|part| self.part(part)));
        Some(words.join(" "))
    }

    /// "kicks the red ball", of the boy in "the red ball is kicked by the boy"
    fn turned_active(&self, action: &Action, subjects: &[Noun], i: usize) -> Option<String> {
        let Head::Passive { lemma, .. } = &action.head else { return None };
        let verb = if self.entity(i).plural { lemma.clone() } else { with_s(lemma) };
        let mut words = action.before.clone();
        words.push(verb);
        let at = action.parts.iter().position(|part| matches!(part, Part::Agent(_)))?;
        words.extend(action.parts[..at].iter().filter_map(|part| self.part(part)));
        let patients: Vec<(Link, String)> =
            subjects.iter().map(|noun| (Link::And, self.noun(noun))).collect();
        words.push(list(&patients));
        words.extend(action.parts[at + 1..].iter().filter_map(|part| self.part(part)));
        Some(words.join(" "))
    }

    fn is_plural(&self, noun: &Noun) -> bool {
        match noun.refs[..] {
            [] => noun.is_plural(),
            [i] => self.entity(i).plural,
            _ => true,
        }
    }

    fn action(&self, action: &Action, plural: bool) -> String {
        let mut words = action.before.clone();
        match &action.head {
            Head::Active(lemma) if plural => {
                words.push(if lemma == "be" { "are".into() } else { lemma.clone() })
            }
            Head::Active(lemma) => words.push(with_s(lemma)),
            Head::Passive { participle, .. } => {
                words.insert(0, if plural { "are" } else { "is" }.into());
                words.push(participle.clone());
            }
            Head::Helped { one, many, lemma } => {
                words.insert(0, if plural { many } else { one }.clone());
                words.push(lemma.clone());
            }
        }
        words.extend(action.parts.iter().filter_map(|part| self.part(part)));
        words.join(" ").replace(" ,", ",")
    }

    /// A part of an action, unless this kind of prompt leaves it out.
    fn part(&self, part: &Part) -> Option<String> {
        match part {
            Part::Word { text, moving } => moving.then(|| text.clone()),
            Part::Object(noun) => Some(self.with_relative(noun)),
            Part::Agent(noun) => Some(format!("by {}", self.with_relative(noun))),
            Part::Phrase(phrase) => self.phrase(phrase),
            Part::Aside(noun, action) => {
                let inner = Head::Active(action.head.lemma().to_string());
                let verb = super::inflect::with_ing(inner.lemma());
                let mut words = vec![format!(", {} {verb}", self.noun(noun))];
                words.extend(action.parts.iter().filter_map(|part| self.part(part)));
                Some(words.join(" "))
            }
        }
    }

    /// A phrase of an action: ways and goals, and whatever names an object; of backgrounds none.
    fn phrase(&self, phrase: &Phrase) -> Option<String> {
        let noun = &phrase.noun;
        let each_other = noun.pronoun == Some(Pronoun::EachOther);
        let itself = !each_other && self.of.is_some_and(|i| noun.refs == [i]);
        let looks =
            noun.class == NounClass::Part || (phrase.preposition == "with" && self.of.is_some());
        let kept = phrase.moving || !noun.refs.is_empty() || looks;
        (kept && !itself).then(|| format!("{} {}", phrase.preposition, self.with_relative(noun)))
    }

    fn with_relative(&self, noun: &Noun) -> String {
        let text = self.noun(noun);
        if self.of.is_some() || noun.actions.is_empty() || noun.refs.is_empty() {
            return text;
        }
        let said =
            list(&self.actions(&noun.actions.iter().collect::<Vec<_>>(), self.is_plural(noun)));
        let joint = if noun.set_off { ", which" } else { " that" };
        format!("{text}{joint} {said}")
    }

    fn noun(&self, noun: &Noun) -> String {
        let among_themselves = self.of.is_none_or(|i| noun.refs == [i]);
        if noun.pronoun == Some(Pronoun::EachOther) && among_themselves {
            return "each other".into();
        }
        match noun.refs[..] {
            [] => self.plain(noun),
            [i] => self.one(noun, i),
            _ => self.many(noun),
        }
    }

    /// A noun that is no object, as written; the motion prompt drops its looks.
    fn plain(&self, noun: &Noun) -> String {
        if noun.pronoun.is_some() {
            return noun.text.clone();
        }
        let mut words: Vec<String> = noun
            .modifiers
            .iter()
            .filter(|m| self.of.is_some() || m.moving)
            .map(|m| m.text.clone())
            .collect();
        words.extend(noun.side.filter(|_| noun.side_first).map(String::from));
        words.push(noun.text.clone());
        let front = match (&noun.owner, noun.determiner.as_deref()) {
            (Some(owner), _) if owner.refs.iter().any(|&i| self.of == Some(i)) => {
                Some(format!("{}'s", self.described(owner.refs[0], false)))
            }
            (Some(owner), _) => Some(format!("{}'s", self.noun(owner))),
            (None, Some("a" | "an")) => {
                let vowel =
                    words.first().is_some_and(|word| word.starts_with(['a', 'e', 'i', 'o', 'u']));
                Some(if vowel { "an" } else { "a" }.to_string())
            }
            (None, determiner) => determiner.map(String::from),
        };
        let mut words: Vec<String> =
            front.into_iter().chain(noun.number.clone()).chain(words).collect();
        for phrase in noun.phrases.iter().filter(|phrase| phrase.moving || self.of.is_some()) {
            words.push(format!("{} {}", phrase.preposition, self.noun(&phrase.noun)));
        }
        words.join(" ")
    }

    /// One object: by name in the motion prompt, described in another object's prompt.
    fn one(&self, noun: &Noun, i: usize) -> String {
        let entity = self.entity(i);
        if entity.bare {
            return entity.text.clone();
        }
        let possessive = noun
            .determiner
            .as_deref()
            .filter(|word| matches!(*word, "its" | "his" | "her" | "their" | "my"));
        let text = match self.of {
            None => {
                let moving: Vec<&str> =
                    noun.modifiers.iter().filter(|m| m.moving).map(|m| m.text.as_str()).collect();
                [vec!["the"], moving, vec![self.names[i].as_str()]].concat().join(" ")
            }
            Some(own) if own == i => {
                if entity.plural { "themselves" } else { "itself" }.to_string()
            }
            Some(_) => self.described(i, true),
        };
        match (possessive, text.strip_prefix("the ")) {
            (Some(word), Some(rest)) => format!("{word} {rest}"),
            _ => text,
        }
    }

    /// Several objects in one noun phrase.
    fn many(&self, noun: &Noun) -> String {
        let others: Vec<usize> =
            noun.refs.iter().copied().filter(|&i| Some(i) != self.of).collect();
        if noun.pronoun == Some(Pronoun::EachOther) {
            let each: Vec<(Link, String)> =
                others.iter().map(|&i| (Link::And, self.one(noun, i))).collect();
            return list(&each);
        }
        let kind = &self.entity(noun.refs[0]).text;
        if !noun.refs.iter().all(|&i| self.entity(i).text == *kind) {
            let each: Vec<(Link, String)> =
                noun.refs.iter().map(|&i| (Link::And, self.one(noun, i))).collect();
            return list(&each);
        }
        let plural = LEXICON.plural_of(kind);
        let modifiers =
            noun.modifiers.iter().filter(|m| self.of.is_some() || m.moving).map(|m| m.text.clone());
        let front = match (noun.determiner.as_deref(), &noun.number) {
            (Some("both"), _) => vec!["both".to_string()],
            (Some(determiner), Some(number)) => vec![determiner.to_string(), number.clone()],
            (None, Some(number)) if noun.count != Count::Many => vec![number.clone()],
            _ => vec!["the".to_string()],
        };
        front.into_iter().chain(modifiers).chain([plural]).collect::<Vec<_>>().join(" ")
    }

    /// "the small red car with a roof rack on the left"; the side only where `sided`. An object that
    /// would be described just like the prompt's own is "the other car".
    fn described(&self, i: usize, sided: bool) -> String {
        let entity = self.entity(i);
        if entity.bare {
            return entity.text.clone();
        }
        let mut words = vec!["the".to_string()];
        let side = entity.side.filter(|_| sided);
        words.extend(side.filter(|_| entity.side_first).map(String::from));
        words.extend(entity.modifiers.iter().cloned());
        words.push(entity.text.clone());
        for phrase in entity.phrases.iter().filter(|_| !sided) {
            words.push(format!("{} {}", phrase.preposition, self.plain(&phrase.noun)));
        }
        words.extend(side.filter(|_| !entity.side_first).map(|side| side_phrase(side).to_string()));
        if let Some(own) = self.of
            && own != i
            && sided
            && words.join(" ") == self.described(own, true)
        {
            words.insert(1, "other".into());
        }
        words.join(" ")
    }
}

fn side_phrase(side: &str) -> &'static str {
    match side {
        "left" => "on the left",
        "right" => "on the right",
        "middle" => "in the middle",
        "top" => "at the top",
        "bottom" => "at the bottom",
        "front" => "in front",
        _ => "at the back",
    }
}

fn part_noun(part: &Part) -> Option<&Noun> {
    match part {
        Part::Object(noun) | Part::Agent(noun) | Part::Phrase(Phrase { noun, .. }) => Some(noun),
        _ => None,
    }
}

fn mentions_entity(action: &Action) -> bool {
    action.parts.iter().filter_map(part_noun).any(|noun| !noun.refs.is_empty())
}
