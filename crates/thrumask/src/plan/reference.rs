//! Finding what a noun or pronoun refers to among the objects spoken of, or adding a new one.

use super::lexicon::{LEXICON, NounClass};
use super::resolve::{Entity, Role, Scene};
use super::tree::{Count, Noun, Pronoun};

impl Scene {
    /// The entities that a noun with a name means; new ones where none of the known fits.
    pub fn named(&mut self, noun: &Noun) -> Vec<usize> {
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
    /// member of a group not yet told apart; for a bare noun the latest one.
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
            return None;
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

    pub fn pronoun(&mut self, pronoun: Pronoun, noun: &mut Noun, role: Role) -> Vec<usize> {
        match pronoun {
            Pronoun::It | Pronoun::He | Pronoun::She => {
                self.single(role, |entity| pronoun.suits(entity), noun)
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
}

impl Pronoun {
    /// Whether "it", "he" or "she" may mean an entity by its kind.
    pub fn suits(self, entity: &Entity) -> bool {
        let last = entity.singular.rsplit(' ').next().unwrap_or_default();
        let alive =
            matches!(entity.class, NounClass::Person | NounClass::Animal | NounClass::Unknown);
        match self {
            Self::It => entity.class != NounClass::Person,
            Self::He => alive && !LEXICON.is("feminine", last),
            Self::She => alive && !LEXICON.is("masculine", last),
            _ => true,
        }
    }
}
