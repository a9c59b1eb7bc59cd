//! How captions begin that ask for a video rather than describe one ("please make a video in which",
//! "let", "I want", "three objects:"), and clauses that begin with where something goes ("up goes the
//! rocket"): said as the description of what happens, before anything else is read.

use super::inflect::with_s;
use super::inverted::inverted;
use super::lexicon::{Form, LEXICON};
use super::token::Token;

/// Verbs of who asks for a picture of something.
const SHOW: [&str; 12] = [
    "show",
    "animate",
    "generate",
    "create",
    "produce",
    "render",
    "depict",
    "film",
    "draw",
    "give",
    "make",
    "visualize",
];
/// What is asked for.
const MEDIA: [&str; 12] = [
    "video",
    "clip",
    "animation",
    "movie",
    "gif",
    "film",
    "footage",
    "scene",
    "shot",
    "sequence",
    "image",
    "picture",
];
/// What is counted before a list.
pub(super) const THINGS: [&str; 9] = [
    "objects",
    "things",
    "items",
    "figures",
    "subjects",
    "actors",
    "characters",
    "elements",
    "toys",
];
/// Numbers before them.
const NUMBERS: [&str; 8] = ["two", "three", "four", "five", "2", "3", "4", "5"];

/// The caption's words without what asks for it, and with each clause in the usual order.
pub(super) fn described(tokens: &[Token]) -> Vec<Token> {
    let mut out: Vec<Token> = Vec::with_capacity(tokens.len());
    // Where a sentence begins, be it behind words that ask for it; and whether its clauses are orders.
    let (mut at, mut starts, mut orders) = (0, true, false);
    while at < tokens.len() {
        let rest = &tokens[at..];
        if starts && let Some((length, asked)) = request(rest) {
            at += length;
            match asked {
                Asked::Nothing => {}
                Asked::Wish => at += wished(&tokens[at..], &mut out),
                Asked::Order => out.push(Token::new("have")),
            }
            continue;
        }
        let begins = starts || begins_clause(&tokens[at - 1]);
        let turned = match begins {
            true if starts || orders => order(rest)
                .or_else(|| caused(rest))
                .or_else(|| bare(rest).filter(|_| orders))
                .inspect(|_| orders = true),
            _ => None,
        };
        if let Some((length, turned)) = turned.or_else(|| inverted(rest).filter(|_| begins)) {
            out.extend(turned);
            (at, starts) = (at + length, false);
            continue;
        }
        let base = |word: &str| verb_is(word, Form::Base);
        match word(rest, 0) {
            // "Let the ball roll"; "make the ball roll" is read already.
            "let" if begins => out.push(Token::new("have")),
            "only" | "just" if begins && is_article(word(rest, 1)) => {}
            // "The car, the star and the ball all move."
            "all" | "both" if at > 0 && tokens[at - 1].is_word() && base(word(rest, 1)) => {}
            _ => out.push(tokens[at].clone()),
        }
        starts = ends_sentence(&tokens[at]);
        orders &= !starts;
        at += 1;
    }
    out
}

pub(super) fn word(tokens: &[Token], i: usize) -> &str {
    tokens.get(i).map_or("", |t| t.lower.as_str())
}

fn ends_sentence(token: &Token) -> bool {
    matches!(token.lower.as_str(), "." | "!" | "?")
}

pub(super) fn begins_clause(token: &Token) -> bool {
    matches!(token.lower.as_str(), "," | ";" | ":" | "and" | "while" | "as" | "but" | "then")
}

pub(super) fn is_article(word: &str) -> bool {
    matches!(word, "the" | "a" | "an")
}

/// What comes after the words that ask.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// A description.
    Nothing,
    /// Who is to do what: "the ball to roll".
    Wish,
    /// The same without its "to": "the ball roll".
    Order,
}

/// How many words at the start ask for what follows, and how.
fn request(tokens: &[Token]) -> Option<(usize, Asked)> {
    let asks =
        matches!((word(tokens, 0), word(tokens, 1)), ("can" | "could" | "would" | "will", "you"));
    let mut polite = 2 * usize::from(asks);
    if word(tokens, polite) == "please" {
        polite += 1 + usize::from(word(tokens, polite + 1) == ",");
    }
    let rest = &tokens[polite..];
    let wish: &[&[&str]] = &[
        &["i", "want"],
        &["we", "want"],
        &["i", "need"],
        &["i", "would", "like"],
        &["we", "would", "like"],
        &["i'd", "like"],
        &["we'd", "like"],
        &["i", "would", "love"],
        &["i'd", "love"],
    ];
    let said = |words: &&&[&str]| words.iter().enumerate().all(|(i, w)| word(rest, i) == *w);
    if let Some(words) = wish.iter().find(said) {
        let mut length = polite + words.len();
        let sees = (word(tokens, length), word(tokens, length + 1));
        let sees = matches!(sees, ("to", "see" | "watch" | "have" | "make"));
        length += 2 * usize::from(sees);
        // "I want a video in which ..."
        return Some(match media(&tokens[length..]) {
            Some(more) => (length + more, Asked::Nothing),
            None if sees => (length, Asked::Order),
            None => (length, Asked::Wish),
        });
    }
    if NUMBERS.contains(&word(rest, 0)) && THINGS.contains(&word(rest, 1)) {
        let marks = matches!(word(rest, 2), ":" | "," | ";");
        return marks.then_some((polite + 3, Asked::Nothing));
    }
    let verb = usize::from(SHOW.contains(&word(rest, 0)));
    let to_whom = usize::from(verb == 1 && matches!(word(rest, 1), "me" | "us"));
    let asked = verb + to_whom;
    if let Some(more) = media(&rest[asked..]) {
        return Some((polite + asked + more, Asked::Nothing));
    }
    // "Make the ball roll" is an order to the ball, which is read as it stands.
    let orders = matches!(word(rest, 0), "make" | "give" | "draw" | "film");
    let shows = verb == 1 && (to_whom == 1 || (!orders && is_article(word(rest, asked))));
    match (shows, polite) {
        (true, _) => Some((polite + asked, Asked::Nothing)),
        (false, 0) => None,
        (false, _) => Some((polite, Asked::Nothing)),
    }
}

/// "a short video of", "an animation in which".
fn media(tokens: &[Token]) -> Option<usize> {
    let mut at = usize::from(is_article(word(tokens, 0)));
    if at == 1 && !MEDIA.contains(&word(tokens, at)) && LEXICON.is_adjective(word(tokens, at)) {
        at += 1;
    }
    if !MEDIA.contains(&word(tokens, at)) {
        return None;
    }
    at += 1;
    match (word(tokens, at), word(tokens, at + 1)) {
        ("of" | "where" | "showing" | "with" | ":", _) => Some(at + 1),
        ("in", "which") | ("that" | "which", "shows") => Some(at + 2),
        _ => None,
    }
}

/// Takes the rest of a wish's sentence over as if it came true, "to roll" as "rolls"; how many words it has.
fn wished(tokens: &[Token], out: &mut Vec<Token>) -> usize {
    let length = tokens.iter().position(ends_sentence).unwrap_or(tokens.len());
    let mut at = 0;
    while at < length {
        match tokens[at].lower.as_str() {
            "to" if verb_is(word(tokens, at + 1), Form::Base) => {
                out.push(Token::new(&with_s(word(tokens, at + 1))));
                at += 2;
            }
            _ => {
                out.push(tokens[at].clone());
                at += 1;
            }
        }
    }
    length
}

pub(super) fn verb_is(word: &str, form: Form) -> bool {
    LEXICON.verb_forms(word).iter().any(|v| v.form == form)
}

/// Verbs that somebody may be told to do with a thing, and what the thing then does.
const ORDERS: [(&str, &str); 18] = [
    ("move", "moves"),
    ("shift", "shifts"),
    ("slide", "slides"),
    ("roll", "rolls"),
    ("drive", "drives"),
    ("fly", "flies"),
    ("rotate", "rotates"),
    ("spin", "spins"),
    ("turn", "turns"),
    ("swing", "swings"),
    ("sway", "sways"),
    ("drop", "drops"),
    ("raise", "rises"),
    ("lift", "rises"),
    ("lower", "lowers"),
    ("grow", "grows"),
    ("enlarge", "grows"),
    ("shrink", "shrinks"),
];

/// "Move the red car to the left": how many words up to the thing's end, and what it does.
fn order(tokens: &[Token]) -> Option<(usize, Vec<Token>)> {
    let (_, does) = ORDERS.iter().find(|(verb, _)| *verb == word(tokens, 0))?;
    if !is_article(word(tokens, 1)) {
        return None;
    }
    let ends = |t: &Token| {
        let word = t.lower.as_str();
        let way =
            LEXICON.is_adverb(word) || LEXICON.is("path", word) || LEXICON.is("location", word);
        !t.is_word() || is_article(word) || way || begins_clause(t) || word == "half"
    };
    let end = tokens[2..].iter().position(ends).map_or(tokens.len(), |n| n + 2);
    let thing = tokens[1..end].iter().cloned().chain([Token::new(does)]);
    (end > 2).then(|| (end, thing.collect()))
}

/// "Make the blue car jump": how many words up to what it is to do, and that it does it.
fn caused(tokens: &[Token]) -> Option<(usize, Vec<Token>)> {
    let causes = matches!(word(tokens, 0), "make" | "have" | "let");
    let (length, said) = bare(tokens.get(1..)?).filter(|_| causes)?;
    Some((length + 1, said))
}

/// "the blue car jump", behind what orders it.
fn bare(tokens: &[Token]) -> Option<(usize, Vec<Token>)> {
    if !is_article(word(tokens, 0)) {
        return None;
    }
    let ends = |t: &Token| !t.is_word() || is_article(&t.lower) || begins_clause(t);
    let end = tokens[1..].iter().position(ends).map_or(tokens.len(), |n| n + 1);
    // "fish" is a thing before it is a verb.
    let noun = (1..end).find(|&i| LEXICON.noun(word(tokens, i)).is_some())?;
    let verb = (noun + 1..end).find(|&i| verb_is(word(tokens, i), Form::Base))?;
    let does = match word(tokens, verb - 1).ends_with('s') {
        true => tokens[verb].clone(),
        false => Token::new(&with_s(word(tokens, verb))),
    };
    Some((verb + 1, tokens[..verb].iter().cloned().chain([does]).collect()))
}

#[cfg(test)]
mod tests {
    use super::{super::token::tokenize, described};

    fn said(caption: &str) -> String {
        let words: Vec<String> =
            described(&tokenize(caption)).into_iter().map(|t| t.text).collect();
        words.join(" ")
    }

    #[test]
    fn requests_are_left_out() {
        for (caption, plain) in [
            ("Please make the red car drive left.", "the red car drives left ."),
            ("Show me a red car that drives left.", "a red car that drives left ."),
            ("Animate the car: it drives left", "the car : it drives left"),
            ("Generate a short video in which the car stops.", "the car stops ."),
            ("Create a clip where a star spins", "a star spins"),
            ("A video of a dog jumping", "a dog jumping"),
            ("I want a movie of a dog", "a dog"),
            ("I want to see the car drive left", "have the car drive left"),
            ("Can you please let the dog jump?", "the dog jumps ?"),
            ("Please, animate the dog", "the dog"),
            (
                "I'd like the car to drive to the left and the dog to jump.",
                "the car drives to the left and the dog jumps .",
            ),
            (
                "Let the plane fall while the boat sails. Let it rise.",
                "the plane falls while the boat sails . have it rise .",
            ),
            (
                "The car, the star and the ball all move up.",
                "The car , the star and the ball move up .",
            ),
            ("Three objects: a car moving left, a ball", "a car moving left , a ball"),
            ("Only the ball rolls, just a star spins.", "the ball rolls , a star spins ."),
        ] {
            assert_eq!(said(caption), plain);
        }
    }

    #[test]
    fn what_is_no_request_stays() {
        for caption in [
            "Make it jump .",
            "Two cars : the red one drives left .",
            "The video game falls .",
            "Show jumping is what the horse does",
            "A scene on the beach , a dog runs",
            "The dog only runs",
            "They both of them run",
            "The car and all dogs run",
            "The ball wants to roll",
            "Draw a circle around it",
            "The dog jumps up and lets the cat go",
            "Cars move the dirt and turn the soil",
            "Turn left",
        ] {
            assert_eq!(said(caption), caption);
        }
    }

    #[test]
    fn orders_are_carried_out() {
        for (caption, plain) in [
            (
                "Move the red car to the left and rotate the star clockwise. Lift the ball a bit.",
                "the red car moves to the left and the star rotates clockwise . the ball rises a bit .",
            ),
            ("Please spin the blue star", "the blue star spins"),
            (
                "Move the red car a bit to the left and make the blue car jump high.",
                "the red car moves a bit to the left and the blue car jumps high .",
            ),
            (
                "Make the fish swim up, the dogs run and spin the star",
                "the fish swims up , the dogs run and the star spins",
            ),
            ("Turn the bus half a turn, shrink a dog", "the bus turns half a turn , a dog shrinks"),
        ] {
            assert_eq!(said(caption), plain);
        }
    }
}
