//! What is said in a roundabout way, said plainly, before a caption is read: "does one clockwise
//! spin" as "spins once clockwise", "in a clockwise circle" as "in a circle clockwise", and the phrases
//! of `lexicon/recast.txt`.

use std::sync::LazyLock;

use super::{
    inflect::{with_ing, with_s},
    lexicon::{Form, LEXICON, lines},
    noun_phrase::ORDINALS,
    opening::is_article,
    token::Token,
};

/// Verbs that say nothing without the noun after them.
const LIGHT: [&str; 7] = ["make", "do", "give", "take", "perform", "execute", "complete"];
/// Whose.
const OWN: [&str; 4] = ["its", "his", "her", "their"];
/// What is done by who is sent.
const DRIVEN: [&str; 5] = ["flying", "rolling", "sliding", "tumbling", "spinning"];
/// Which way round.
const WAYS: [&str; 5] =
    ["clockwise", "counterclockwise", "anticlockwise", "counter-clockwise", "anti-clockwise"];
/// Nouns of motions, and their verbs.
const MOTIONS: [(&str, &str); 12] = [
    ("turn", "turn"),
    ("spin", "spin"),
    ("rotation", "rotate"),
    ("revolution", "rotate"),
    ("twirl", "twirl"),
    ("whirl", "whirl"),
    ("hop", "hop"),
    ("jump", "jump"),
    ("leap", "leap"),
    ("bounce", "bounce"),
    ("circle", "circle"),
    ("loop", "circle"),
];

/// The caption's words, said plainly.
pub(super) fn recast(tokens: Vec<Token>) -> Vec<Token> {
    let mut out = Vec::with_capacity(tokens.len());
    let mut rest = tokens.as_slice();
    while let Some(first) = rest.first() {
        let found = aside(out.last(), rest)
            .or_else(|| phrase(rest))
            .or_else(|| motion(rest))
            .or_else(|| circle(rest))
            .or_else(|| zigzag(rest))
            .or_else(|| going(rest))
            .or_else(|| driven(rest))
            .or_else(|| sent(rest))
            .or_else(|| neither(rest));
        match found {
            Some((length, words)) => {
                out.extend(words.iter().map(|word| Token::new(word)));
                rest = &rest[length..];
            }
            None => {
                out.push(first.clone());
                rest = &rest[1..];
            }
        }
    }
    out
}

/// How many tokens are replaced, and by what.
type Said = Option<(usize, Vec<String>)>;

/// The form of a verb: its text by the lemma.
fn inflected(lemma: &str, form: Form) -> String {
    match form {
        Form::Base => lemma.to_owned(),
        // Prompts are in the present.
        Form::ThirdPerson | Form::Past => with_s(lemma),
        Form::Ing => with_ing(lemma),
        Form::Participle => LEXICON.participle(lemma),
    }
}

/// In which forms a word is one of `lemma`.
fn form_of(word: &str, lemma: &str) -> Option<Form> {
    match (lemma, word) {
        ("be", "is" | "are" | "was" | "were") => {
            Some(if matches!(word, "is" | "was") { Form::ThirdPerson } else { Form::Base })
        }
        _ => LEXICON.verb_forms(word).iter().find(|v| v.lemma == lemma).map(|v| v.form),
    }
}

/// "To its left, a dog jumps": where a clause begins, that is where something else is, and which is said of it;
/// "First object, a dog:" and "Object 1:" are headings.
fn aside(before: Option<&Token>, rest: &[Token]) -> Said {
    const BEGIN: [&str; 7] = [".", "!", "?", ";", ",", "and", "while"];
    let begins = before.is_none_or(|token| BEGIN.contains(&token.lower.as_str()));
    let words: Vec<&str> = rest.iter().take(4).map(|t| t.lower.as_str()).collect();
    let length = match words[..] {
        ["to" | "on", "its", "left" | "right", ","] => 4,
        ["object", number, ":" | ",", ..] if number.parse::<u8>().is_ok() => 3,
        [ordinal, "object", ":" | ",", ..] if ORDINALS.contains(&ordinal) => 3,
        _ => return None,
    };
    begins.then(|| (length, Vec::new()))
}

/// A phrase of the list.
fn phrase(rest: &[Token]) -> Said {
    static PHRASES: LazyLock<Vec<(Vec<&str>, Vec<&str>)>> = LazyLock::new(|| {
        let parts =
            lines(include_str!("lexicon/recast.txt")).filter_map(|(_, l)| l.split_once('='));
        parts
            .map(|(from, to)| (from.split_whitespace().collect(), to.split_whitespace().collect()))
            .collect()
    });
    PHRASES.iter().find_map(|(from, to)| {
        let mut form = None;
        let fits = rest.len() >= from.len()
            && from.iter().zip(rest).all(|(word, token)| match word.strip_prefix('~') {
                Some(lemma) => {
                    form = form_of(&token.lower, lemma);
                    form.is_some()
                }
                None => *word == token.lower,
            });
        let say = |word: &&str| match word.strip_prefix('~') {
            Some(lemma) => inflected(lemma, form.unwrap_or(Form::ThirdPerson)),
            None => (*word).to_owned(),
        };
        fits.then(|| (from.len(), to.iter().map(say).collect()))
    })
}

/// "makes half a clockwise turn", "takes a high leap".
fn motion(rest: &[Token]) -> Said {
    let word = |i: usize| rest.get(i).map_or("", |t: &Token| t.lower.as_str());
    let form = LIGHT.iter().find_map(|lemma| form_of(word(0), lemma))?;
    let mut at = 1;
    let (mut half, mut number) = (false, "");
    if word(at) == "half" {
        (half, at) = (true, at + 1);
    }
    match word(at) {
        "a" | "an" | "another" | "the" => at += 1,
        "one" => (number, at) = ("once", at + 1),
        "two" => (number, at) = ("twice", at + 1),
        _ if half => {}
        _ => return None,
    }
    let mut manner = Vec::new();
    let mut full = false;
    let noun = loop {
        let next = word(at);
        let singular =
            if number == "twice" { next.strip_suffix('s').unwrap_or(next) } else { next };
        let found = MOTIONS.iter().find(|(noun, _)| *noun == singular);
        at += 1;
        if let Some((noun, verb)) = found {
            break (*noun, *verb);
        }
        match next {
            "full" | "complete" | "whole" => full = true,
            "single" => number = "once",
            "half" => half = true,
            "little" | "small" | "tiny" | "short" | "slight" => manner.push("a little"),
            "low" => manner.push("low"),
            "high" | "big" | "huge" | "great" | "large" | "mighty" => manner.push("high"),
            "quick" | "fast" | "rapid" | "swift" => manner.push("quickly"),
            "slow" | "leisurely" | "unhurried" => manner.push("slowly"),
            way if WAYS.contains(&way) => manner.push(way),
            _ => return None,
        }
    };
    // "takes a turn", "makes a circle around the house": not plain enough without more.
    let turns = matches!(noun.1, "turn" | "spin" | "rotate" | "twirl" | "whirl");
    if (noun.0 == "turn" || noun.1 == "circle")
        && !half
        && !full
        && manner.is_empty()
        && number.is_empty()
    {
        return None;
    }
    let mut said = vec![inflected(noun.1, form)];
    said.extend(manner.iter().flat_map(|m| m.split(' ')).map(str::to_owned));
    let amount = match (half && turns, full && turns) {
        (true, _) => "half a turn",
        (_, true) => "a full turn",
        _ => number,
    };
    said.extend(amount.split_whitespace().map(str::to_owned));
    Some((at, said))
}

/// "a wide clockwise circle", "counterclockwise loops": which way round stands after it, how wide is left out.
fn circle(rest: &[Token]) -> Said {
    const WIDTHS: [&str; 7] = ["wide", "large", "big", "small", "little", "tight", "great"];
    let word = |i: usize| rest.get(i).map_or("", |t: &Token| t.lower.as_str());
    let one = word(0) == "a";
    let first = usize::from(one);
    let wide = usize::from(WIDTHS.contains(&word(first)));
    let way = Some(word(first + wide)).filter(|way| WAYS.contains(way));
    let last = first + wide + usize::from(way.is_some());
    let round = match one {
        true => matches!(word(last), "circle" | "loop" | "ring"),
        false => matches!(word(last), "circles" | "loops"),
    };
    // "a circle" alone is plain; "a large ring" without a way round is a thing.
    if !round || (way.is_none() && (wide == 0 || word(last) != "circle")) {
        return None;
    }
    let said = if one { vec!["a", "circle"] } else { vec!["circles"] };
    Some((last + 1, said.into_iter().chain(way).map(str::to_owned).collect()))
}

/// "in a zig-zag path", "along a zigzagging course", "in zigzags".
fn zigzag(rest: &[Token]) -> Said {
    const WAYS: &str = "line path course pattern fashion manner motion way route track";
    let word = |i: usize| rest.get(i).map_or("", |t: &Token| t.lower.as_str());
    if !matches!(word(0), "in" | "along" | "on") {
        return None;
    }
    let one = usize::from(word(1) == "a");
    // In one word, with a hyphen, or in two words.
    let apart = usize::from(matches!(word(1 + one), "zig" | "zigs"));
    let drawn = match (apart, word(1 + one + apart)) {
        (0, "zigzag" | "zig-zag" | "zigzagging" | "zig-zagging") | (1, "zag" | "zagging") => {
            one == 1
        }
        (0, "zigzags" | "zig-zags") | (1, "zags") => one == 0,
        _ => false,
    };
    let end = 2 + one + apart;
    let way = usize::from(one == 1 && WAYS.split(' ').any(|way| way == word(end)));
    let said = || ["in", "a", "zigzag"].map(String::from).to_vec();
    drawn.then(|| (end + way, said()))
}

/// "comes floating down" as "floats down", "weaves its way left" as "weaves left".
fn going(rest: &[Token]) -> Said {
    let word = |i: usize| rest.get(i).map_or("", |t: &Token| t.lower.as_str());
    let moves = |lemma: &str| {
        let traits = LEXICON.traits(lemma);
        traits.moves && !traits.state
    };
    if OWN.contains(&word(1)) && word(2) == "way" {
        let mut forms = LEXICON.verb_forms(word(0)).iter();
        return forms.any(|v| moves(&v.lemma)).then(|| (3, vec![word(0).to_owned()]));
    }
    let ing = |i: usize| {
        let mut forms = LEXICON.verb_forms(word(i)).iter();
        forms.find(|v| v.form == Form::Ing && moves(&v.lemma)).map(|v| v.lemma.as_str())
    };
    // "takes its time walking"
    if let Some(form) = form_of(word(0), "take")
        && OWN.contains(&word(1))
        && word(2) == "time"
    {
        return ing(3).map(|lemma| (4, vec!["slowly".to_owned(), inflected(lemma, form)]));
    }
    let form = ["come", "go"].iter().find_map(|lemma| form_of(word(0), lemma))?;
    ing(1).map(|lemma| (2, vec![inflected(lemma, form)]))
}

/// "sends the ball flying to the left" as "pushes the ball to the left", "is hot on the cat's heels" as "chases the cat".
fn driven(rest: &[Token]) -> Said {
    const FAR: usize = 6;
    let word = |i: usize| rest.get(i).map_or("", |t: &Token| t.lower.as_str());
    let (form, lemma, start) = match form_of(word(0), "send") {
        Some(form) => (form, "push", 1),
        None if (word(1), word(2)) == ("hot", "on") => (form_of(word(0), "be")?, "chase", 3),
        None => return None,
    };
    let ends = |&i: &usize| match lemma {
        "push" => DRIVEN.contains(&word(i)),
        _ => (word(i), word(i + 1)) == ("'s", "heels"),
    };
    // "is sent flying" drives nobody, but who sends may be said; "the spinning star" is a thing.
    if ends(&start) {
        return None;
    }
    let end = (start + 1..start + FAR).find(|i| ends(i) && !is_article(word(i - 1)))?;
    let whom = &rest[start..end];
    if !whom.iter().all(Token::is_word) {
        return None;
    }
    let said = whom.iter().map(|t| t.text.clone());
    let length = end + if lemma == "push" { 1 } else { 2 };
    Some((length, [inflected(lemma, form)].into_iter().chain(said).collect()))
}

/// "is sent flying to the left by the car" as "is pushed to the left by the car".
fn sent(rest: &[Token]) -> Said {
    const FAR: usize = 7;
    let word = |i: usize| rest.get(i).map_or("", |t: &Token| t.lower.as_str());
    let be = (word(1) == "sent").then(|| form_of(word(0), "be")).flatten()?;
    if !DRIVEN.contains(&word(2)) {
        return None;
    }
    let way = rest.iter().skip(3).take(FAR).take_while(|t| t.is_word() && t.lower != "and");
    let agent = way.clone().any(|t| t.lower == "by");
    let be = if be == Form::ThirdPerson { "is" } else { "are" };
    agent.then(|| (3, vec![be.to_owned(), "pushed".to_owned()]))
}

/// "Neither the car nor the bus moves": the car and the bus don't.
fn neither(rest: &[Token]) -> Said {
    const FAR: usize = 12;
    let words: Vec<&str> = rest.iter().take(FAR).map(|t| t.lower.as_str()).collect();
    let nor = words.iter().position(|word| *word == "nor").filter(|_| words[0] == "neither")?;
    let third = |word: &str| {
        let forms = LEXICON.verb_forms(word).iter();
        forms.filter(|v| v.form == Form::ThirdPerson).map(|v| v.lemma.clone()).next()
    };
    // A noun may look like a verb: the first word of each name is passed over, its article too.
    let (at, lemma) = (nor + 3..words.len()).find_map(|i| Some((i, third(words[i])?)))?;
    let said = words[1..nor].iter().chain(&["and"]).chain(&words[nor + 1..at]).chain(&["don't"]);
    Some((at + 1, said.map(|word| (*word).to_owned()).chain([lemma]).collect()))
}

#[cfg(test)]
mod tests {
    use super::{super::token::tokenize, recast};

    fn said(caption: &str) -> String {
        let words: Vec<String> = recast(tokenize(caption)).into_iter().map(|t| t.text).collect();
        words.join(" ")
    }

    #[test]
    fn light_verbs_give_way_to_their_nouns() {
        for (caption, plain) in [
            (
                "The plane does one counterclockwise spin.",
                "The plane spins counterclockwise once .",
            ),
            ("A fish made half a clockwise turn", "A fish turns clockwise half a turn"),
            ("making a full counterclockwise turn", "turning counterclockwise a full turn"),
            ("It takes a high leap.", "It leaps high ."),
            ("They give two little hops", "They hop a little twice"),
            ("to make a quick spin", "to spin quickly"),
            ("The truck becomes twice as big.", "The truck grows a lot ."),
            ("rotating by 180 degrees", "rotating half a turn"),
            ("doubled in size like a pendulum", "grows a lot from side to side"),
            ("goes in a clockwise circle", "goes in a circle clockwise"),
            ("gallops in a wide circle", "gallops in a circle"),
            ("flies in a large clockwise circle", "flies in a circle clockwise"),
            ("runs in counterclockwise loops", "runs in circles counterclockwise"),
            ("is hot on the heels of a dog", "chases a dog"),
            ("Neither the car nor the bus moves.", "the car and the bus don't move ."),
            ("stars tracing a ring", "stars moving in a circle"),
            ("The bird came floating down.", "The bird floats down ."),
            ("The dog takes its time walking home", "The dog slowly walks home"),
            ("hits the star, sending it flying up", "hits the star , pushing it up"),
            ("is hot on the cat's heels", "chases the cat"),
            ("sends the spinning star flying left", "pushes the spinning star left"),
            ("To its left, a dog jumps.", "a dog jumps ."),
            ("A ball is sent flying by the car.", "A ball is pushed by the car ."),
            (
                "The balls were sent rolling to the right by the dog",
                "The balls are pushed to the right by the dog",
            ),
            (
                "First object, a red ball: it rolls left. Object 2: a cat jumps",
                "a red ball : it rolls left . a cat jumps",
            ),
            (
                "The car drives to its left, the bus stays still.",
                "The car drives to the left , the bus stays still .",
            ),
            ("flies in a zig zag pattern", "flies in a zigzag"),
            ("is stationary", "stays still"),
            ("go rolling and zigzagging their way up", "roll and zigzagging up"),
            ("goes left along a zig-zag path", "goes left in a zigzag"),
            ("flies in zigzags", "flies in a zigzag"),
            ("is on its way to the left", "moves to the left"),
            ("passes behind the bus on its way left", "passes behind the bus left"),
        ] {
            assert_eq!(said(caption), plain);
        }
    }

    #[test]
    fn what_is_plain_stays() {
        for caption in [
            "The boy takes a turn",
            "The ball is sent flying and spinning",
            "The ball is sent flying and is caught by the dog",
            "The first object , which spins",
            "She makes a cake",
            "He gives a ball to the dog",
            "The dog does a backflip",
            "the car turns a full turn clockwise",
            "A large ring rolls away",
            "small circles and large loops",
            "makes its way home",
            "goes nowhere",
        ] {
            assert_eq!(said(caption), caption);
        }
    }
}
