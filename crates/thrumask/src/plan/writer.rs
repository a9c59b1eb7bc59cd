//! Writing nouns and actions in the words of one prompt.

use super::inflect::{indefinite, with_ing, with_s};
use super::lexicon::{LEXICON, NounClass};
use super::resolve::{Entity, Scene, is_state};
use super::tree::{Action, Count, Head, Link, Noun, Part, Phrase, Pronoun};

/// Writes nouns and actions, for the motion prompt (`of` is none) or for the prompt of one entity.
pub(super) struct Writer<'a> {
    pub scene: &'a Scene,
    pub names: &'a [String],
    /// The entity whose prompt it is; none for the motion prompt.
    pub of: Option<usize>,
}

impl Writer<'_> {
    pub fn entity(&self, i: usize) -> &Entity {
        &self.scene.entities[i]
    }

    /// The actions as text. The motion prompt leaves out how things are, where there is more to say.
    pub fn actions(&self, actions: &[&Action], plural: bool) -> Vec<(Link, String)> {
        let moving = self.of.is_none() && actions.iter().any(|action| !is_state(action));
        actions
            .iter()
            .filter(|action| !(moving && is_state(action)))
            .map(|action| (action.link, self.action(action, plural)))
            .collect()
    }

    /// The determiner for the prompt: of one of several ducklings, "their mother" is "its mother".
    fn possessive<'n>(&self, determiner: &'n str) -> &'n str {
        let single = self.of.is_some_and(|i| {
            let entity = self.entity(i);
            !entity.plural && entity.class != NounClass::Person
        });
        if single && determiner == "their" { "its" } else { determiner }
    }

    pub fn is_plural(&self, noun: &Noun) -> bool {
        match noun.refs[..] {
            [] => noun.is_plural(),
            [i] => self.entity(i).plural,
            _ => true,
        }
    }

    pub fn action(&self, action: &Action, plural: bool) -> String {
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
    pub fn part(&self, part: &Part) -> Option<String> {
        match part {
            Part::Word { text, moving } => moving.then(|| text.clone()),
            Part::Object(noun) => Some(self.with_relative(noun)),
            Part::Agent(noun) => Some(format!("by {}", self.with_relative(noun))),
            Part::Phrase(phrase) => self.phrase(phrase),
            Part::Aside(noun, action) => {
                let verb = with_ing(action.head.lemma());
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

    pub fn with_relative(&self, noun: &Noun) -> String {
        let text = self.noun(noun);
        if self.of.is_some() || noun.actions.is_empty() || noun.refs.is_empty() {
            return text;
        }
        let said =
            list(&self.actions(&noun.actions.iter().collect::<Vec<_>>(), self.is_plural(noun)));
        let joint = if noun.set_off { ", which" } else { " that" };
        format!("{text}{joint} {said}")
    }

    pub fn noun(&self, noun: &Noun) -> String {
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
            .filter(|m| self.of.is_some() || m.moving || noun.class == NounClass::Manner)
            .map(|m| m.text.clone())
            .collect();
        words.extend(noun.side.filter(|_| noun.side_first).map(String::from));
        words.push(noun.text.clone());
        let front = match (&noun.owner, noun.determiner.as_deref()) {
            (Some(owner), _) if owner.refs.iter().any(|&i| self.of == Some(i)) => {
                Some(format!("{}'s", self.described(owner.refs[0], true)))
            }
            (Some(owner), _) => Some(format!("{}'s", self.noun(owner))),
            (None, Some("a" | "an")) => {
                words.first().map(|word| indefinite(word).to_owned()).or(Some("a".into()))
            }
            (None, determiner) => determiner.map(|word| self.possessive(word).to_string()),
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
            (Some(word), Some(rest)) => format!("{} {rest}", self.possessive(word)),
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
    pub fn described(&self, i: usize, sided: bool) -> String {
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

/// "jumps, spins and falls", "jumps, then spins".
pub(super) fn list(actions: &[(Link, String)]) -> String {
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
