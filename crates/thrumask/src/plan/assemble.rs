//! Writing the prompts: the motion prompt clause by clause, the object prompts object by object.

use thrumask_core::ObjectPrompt;

use super::inflect::with_s;
use super::lexicon::{LEXICON, NounClass};
use super::resolve::{Scene, is_state};
use super::tree::{Action, Clause, Head, Link, Noun, Part, Phrase};
use super::writer::{Writer, list};

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
pub(super) fn sentence(text: &str) -> String {
    let text = text.trim().trim_end_matches([',', ';', ':', '.']).trim_end();
    if text.ends_with(['!', '?']) { capitalized(text) } else { format!("{}.", capitalized(text)) }
}

fn capitalized(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map(|c| c.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

impl Writer<'_> {
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
        // "A car driving left and a dog jumping" is two sentences; with a verb, it tells which of several.
        let sentences =
            clause.actions.is_empty() && clause.subjects.iter().all(|n| !n.actions.is_empty());
        let joint = if sentences { "" } else { " that" };
        let mut subjects = Vec::new();
        for noun in &clause.subjects {
            let mut text = self.noun(noun);
            if single {
                actions.extend(&noun.actions);
            } else if !noun.actions.is_empty() {
                let own: Vec<&Action> = noun.actions.iter().collect();
                let said = list(&self.actions(&own, self.is_plural(noun)));
                text = format!("{text}{joint} {said}");
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
        // "Three balls roll: the red ball rolls left": the later words say it all.
        let texts: Vec<String> = said.iter().map(|(_, text)| text.clone()).collect();
        let mut at = 0;
        said.retain(|(_, text)| {
            at += 1;
            !texts.get(at).is_some_and(|next| next.starts_with(&format!("{text} ")))
        });
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
            subjects.iter().map(|noun| (Link::And, objective(self.noun(noun)))).collect();
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
        let patients: Vec<(Link, String)> =
            subjects.iter().map(|noun| (Link::And, self.noun(noun))).collect();
        words.push(list(&patients));
        // "is pushed to the right by the dog": the dog pushes it to the right.
        let rest = action.parts[..at].iter().chain(&action.parts[at + 1..]);
        words.extend(rest.filter_map(|part| self.part(part)));
        Some(words.join(" "))
    }
}

/// "by her" and not "by she".
fn objective(text: String) -> String {
    match text.as_str() {
        "he" => "him".into(),
        "she" => "her".into(),
        "they" => "them".into(),
        _ => text,
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
