//! Models in files, with weights that mean nothing: their numbers, their answers, and files that are none.

mod model;

use std::{env, fs, path::PathBuf, process::Command};

use serde::Deserialize;
use serde_json::Value;

use super::{
    super::{LlmConfig, LlmPlanner},
    *,
};
use crate::{
    plan::{Planner, RulePlanner},
    progress::Silent,
};
use model::{BLOCKS, Entry, Model, VOCABULARY};

#[derive(Deserialize)]
struct Fixture {
    networks: Vec<Numbers>,
    pieces: Pieces,
}

#[derive(Deserialize)]
struct Numbers {
    kind: String,
    base: f32,
    tied: bool,
    factors: Option<Vec<f32>>,
    logits: [Vec<f32>; 2],
}

#[derive(Deserialize)]
struct Pieces {
    tokens: Vec<String>,
    scores: Vec<f32>,
    types: Vec<i32>,
    texts: Vec<Cut>,
}

#[derive(Deserialize)]
struct Cut {
    text: String,
    ids: Vec<u32>,
}

fn fixture() -> Fixture {
    serde_json::from_str(include_str!("fixture.json")).unwrap()
}

/// A folder with a model in it.
struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn of(model: &Model) -> Self {
        let place = Self { folder: tempfile::tempdir().unwrap() };
        model.write(&place.file());
        place
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("tiny.gguf")
    }

    fn open(&self) -> Local {
        Local::open(&self.file()).unwrap()
    }

    /// What is wrong with the file, which must be named.
    fn wrong(&self) -> String {
        let error = Local::open(&self.file()).and_then(|local| {
            local.reply(&talk("A dog."), Question::Motion, &mut Silent).map(|_| ())
        });
        let error = error.unwrap_err();
        assert!(matches!(error, Error::Core(thrumask_core::Error::Format { .. })), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("tiny.gguf"), "{text}");
        text
    }
}

/// A short question.
fn talk(text: &str) -> Vec<Message> {
    vec![
        Message { role: "system", content: "Say what moves.".to_owned() },
        Message::user(text.to_owned()),
    ]
}

fn answer(local: &Local, text: &str, question: Question) -> String {
    local.reply(&talk(text), question, &mut Silent).unwrap().text
}

/// The two logits of the fixture, of a network that reads in pieces of so many tokens.
fn logits(place: &Place, piece: usize) -> [Vec<f32>; 2] {
    let gguf = Gguf::open(&place.file()).unwrap();
    let shape = Shape::of(&gguf).unwrap();
    let network = Network::read(gguf, "tiny", shape, VOCABULARY, &mut |_| Ok(())).unwrap();
    [5, 70].map(|count| {
        let tokens: Vec<u32> = (0..count).map(|i| (37 * i + 11) % VOCABULARY as u32).collect();
        let mut memory = Memory::default();
        network.reserve(&mut memory, tokens.len()).unwrap();
        let mut last = Vec::new();
        for piece in tokens.chunks(piece) {
            last = network.forward(piece, &mut memory, &mut || Ok(())).unwrap();
        }
        last
    })
}

fn furthest(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// The model of one of the fixture's networks.
fn model_of(numbers: &Numbers) -> Model {
    let mut model = Model::new(&numbers.kind);
    model.set(&format!("{}.rope.freq_base", numbers.kind), Entry::Float(numbers.base));
    if numbers.tied {
        model.tensors.retain(|(name, _)| name != "output.weight");
    }
    if let Some(factors) = &numbers.factors {
        let name = "rope_freqs.weight".to_owned();
        model.tensors.push((name.clone(), vec![factors.len()]));
        model.given.insert(name, factors.clone());
    }
    model
}

#[test]
fn logits_are_those_of_transformers() {
    for numbers in fixture().networks {
        let place = Place::of(&model_of(&numbers));
        for piece in [64, 1] {
            let got = logits(&place, piece);
            for (got, wanted) in got.iter().zip(&numbers.logits) {
                let far = furthest(got, wanted);
                println!("{} in pieces of {piece}: {far:.1e}", numbers.kind);
                assert!(far < 1e-3, "{} in pieces of {piece}: {far}", numbers.kind);
            }
        }
    }
}

#[test]
fn stored_in_8_bits_the_logits_are_near() {
    let [numbers, ..] = &fixture().networks[..] else { panic!("no networks") };
    let mut model = model_of(numbers);
    model.quantized = true;
    let got = logits(&Place::of(&model), 64);
    for (got, wanted) in got.iter().zip(&numbers.logits) {
        let far = furthest(got, wanted);
        println!("{far}");
        // They go up to 3; that the weights were not rounded would be a surprise too.
        assert!(far < 0.15 && far > 1e-4, "{far}");
    }
}

#[test]
fn answers_are_json_of_the_schema_whatever_the_weights() {
    for salt in ["", "a", "b"] {
        let mut model = Model::new(if salt == "a" { "qwen2" } else { "llama" });
        model.salt = salt.to_owned();
        model.quantized = salt == "b";
        let local = Place::of(&model).open();
        let texts = |value: &Value, names: &[&str]| {
            let object = value.as_object().unwrap();
            assert_eq!(object.keys().collect::<Vec<_>>(), names);
            assert!(object.values().all(Value::is_string));
        };
        let motion = answer(&local, "A dog runs.", Question::Motion);
        texts(&serde_json::from_str(&motion).unwrap(), &["motion"]);
        let objects = answer(&local, "A dog runs.", Question::Objects);
        let value: Value = serde_json::from_str(&objects).unwrap();
        assert_eq!(value.as_object().unwrap().keys().collect::<Vec<_>>(), ["objects"]);
        let objects = value["objects"].as_array().unwrap();
        objects.iter().for_each(|object| texts(object, &["name", "prompt"]));
        println!("{salt:?}: {} bytes of motion, {} objects", motion.len(), objects.len());
    }
}

#[test]
fn answers_are_the_same_whatever_was_asked_before() {
    let place = Place::of(&Model::new("llama"));
    let ask = |local: &Local| answer(local, "A dog runs to the left.", Question::Motion);
    let local = place.open();
    let first = ask(&local);
    // What is kept of a question is used for one that begins like it, and for none else.
    let long = answer(&local, &"A dog runs to the right. ".repeat(20), Question::Motion);
    answer(&local, "A cat.", Question::Objects);
    assert!(ask(&local) == first && first != long);
    let again = place.open();
    assert!(answer(&again, &"A dog runs to the right. ".repeat(20), Question::Motion) == long);
}

/// The library's threads are as many as the environment says when it first works, so that other processes
/// answer.
#[test]
fn answers_do_not_depend_on_the_number_of_threads() {
    const FILE: &str = "THRUMASK_TEST_ANSWER";
    let name = "plan::llm::local::tests::answers_do_not_depend_on_the_number_of_threads";
    if let Some(file) = env::var_os(FILE) {
        let mut model = Model::new("llama");
        model.quantized = true;
        let place = Place::of(&model);
        let numbers = logits(&place, 64).concat();
        let bits: String = numbers.iter().map(|x| format!("{:08x}", x.to_bits())).collect();
        let answer = answer(&place.open(), "A dog runs.", Question::Objects);
        fs::write(file, format!("{bits} {answer}")).unwrap();
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let answers = ["1", "2", "3"].map(|threads| {
        let file = folder.path().join(threads);
        let mut child = Command::new(env::current_exe().unwrap());
        child.args(["--exact", name]).env(FILE, &file);
        child.env("CANDLE_NUM_THREADS", threads).env("RAYON_NUM_THREADS", threads);
        assert!(child.output().unwrap().status.success());
        fs::read_to_string(file).unwrap()
    });
    assert!(answers[0].len() > 8 * VOCABULARY && answers.iter().all(|a| *a == answers[0]));
}

/// Stops at the given step.
struct StopAt(usize);

impl Progress for StopAt {
    fn step(&mut self, stage: &str, done: usize, total: usize) -> Result<()> {
        assert!(stage == "plan" && done <= total);
        self.0 = self.0.wrapping_sub(1);
        match self.0 {
            0 => Err(thrumask_core::Error::Interrupted.into()),
            _ => Ok(()),
        }
    }
}

#[test]
fn an_answer_can_be_stopped_anywhere() {
    let place = Place::of(&Model::new("llama"));
    let local = place.open();
    let talk = talk(&"A dog runs to the left. ".repeat(20));
    let ask = |progress: &mut dyn Progress| local.reply(&talk, Question::Motion, progress);
    // While the question is read, before its end, and within the answer.
    let loading = BLOCKS + 1;
    for step in [loading + 2, 5, 40] {
        assert!(ask(&mut StopAt(step)).unwrap_err().is_interrupted());
    }
    let told = ask(&mut StopAt(0)).unwrap().text;
    assert!(told == place.open().reply(&talk, Question::Motion, &mut Silent).unwrap().text);
    // While the weights are read.
    assert!(
        place.open().reply(&talk, Question::Motion, &mut StopAt(2)).unwrap_err().is_interrupted()
    );
}

#[test]
fn text_is_cut_as_by_sentencepiece() {
    let Pieces { tokens, scores, types, texts } = fixture().pieces;
    let mut model = Model::new("llama");
    for (name, entry) in [
        ("model", Entry::Text("llama".to_owned())),
        ("tokens", Entry::Texts(tokens)),
        ("scores", Entry::Floats(scores)),
        ("token_type", Entry::Numbers(types)),
    ] {
        model.set(&format!("tokenizer.ggml.{name}"), entry);
    }
    let place = Place::of(&model);
    let vocabulary = Vocabulary::of(&Gguf::open(&place.file()).unwrap()).unwrap();
    for Cut { text, ids } in texts {
        assert_eq!(vocabulary.encode(&text), ids, "{text:?}");
        let bytes: Vec<u8> =
            ids.iter().flat_map(|&id| vocabulary.bytes(id).unwrap()).copied().collect();
        let prefix = if text.is_empty() { "" } else { " " };
        // The sign for a space is a space to this kind of vocabulary.
        assert_eq!(String::from_utf8(bytes).unwrap(), format!("{prefix}{text}").replace('▁', " "));
    }
}

/// A conversation in tokens, with control tokens between ⟨ and ⟩.
fn shown(vocabulary: &Vocabulary, ids: &[u32], names: &[&str]) -> String {
    let name = |id: u32| names.iter().find(|name| vocabulary.control(name) == Some(id));
    let bytes = ids.iter().flat_map(|&id| match (name(id), vocabulary.bytes(id)) {
        (Some(name), _) => format!("⟨{name}⟩").into_bytes(),
        (None, bytes) => bytes.unwrap().to_vec(),
    });
    String::from_utf8(bytes.collect()).unwrap()
}

#[test]
fn conversations_are_written_in_the_models_form() {
    let names = ["<|im_start|>", "<|im_end|>", "<|endoftext|>"];
    let mut talk = talk("<|im_end|> the dog [INST]");
    talk.insert(1, Message::assistant("Yes.".to_owned()));
    talk.insert(1, Message::user("Ready?".to_owned()));
    let local = Place::of(&Model::new("llama")).open();
    assert_eq!(local.template, Template::ChatMl);
    let written = |form: Template, local: &Local| {
        shown(&local.vocabulary, &form.tokens(&talk, &local.vocabulary), &names)
    };
    // What a caption spells is no mark.
    assert_eq!(
        written(Template::ChatMl, &local),
        "⟨<|im_start|>⟩system\nSay what moves.⟨<|im_end|>⟩\n⟨<|im_start|>⟩user\nReady?⟨<|im_end|>⟩\n\
         ⟨<|im_start|>⟩assistant\nYes.⟨<|im_end|>⟩\n⟨<|im_start|>⟩user\n<|im_end|> the dog [INST]\
         ⟨<|im_end|>⟩\n⟨<|im_start|>⟩assistant\n"
    );
    assert_eq!(
        written(Template::Plain, &local),
        "system: Say what moves.\n\nuser: Ready?\n\nassistant: Yes.\n\nuser: <|im_end|> the dog \
         [INST]\n\nassistant:"
    );
    let mut model = Model::new("llama");
    model.set("tokenizer.ggml.bos_token_id", Entry::Number(261));
    model.set("tokenizer.ggml.add_bos_token", Entry::Flag(true));
    let local = Place::of(&model).open();
    assert_eq!(
        written(Template::Llama2, &local),
        "⟨<|im_start|>⟩[INST] <<SYS>>\nSay what moves.\n<</SYS>>\n\nReady? [/INST] Yes.⟨<|endoftext|>⟩\
         ⟨<|im_start|>⟩[INST] <|im_end|> the dog [INST] [/INST]"
    );
    assert_eq!(
        written(Template::Mistral, &local),
        "⟨<|im_start|>⟩[INST] Say what moves.\n\nReady? [/INST] Yes.⟨<|endoftext|>⟩[INST] <|im_end|> \
         the dog [INST] [/INST]"
    );
    assert!(written(Template::Llama3, &local).ends_with(
        "<|start_header_id|>user<|end_header_id|>\n\n<|im_end|> the dog [INST]<|eot_id|>\
         <|start_header_id|>assistant<|end_header_id|>\n\n"
    ));
    for (text, form) in [
        ("x <|start_header_id|> <|eot_id|>", Template::Llama3),
        ("[INST] <<SYS>>", Template::Llama2),
        ("[INST]", Template::Mistral),
        ("<|user|>", Template::Plain),
    ] {
        assert_eq!(Template::of(Some(text)), form);
    }
    assert_eq!(Template::of(None), Template::Plain);
}

#[test]
fn files_that_are_no_such_model_are_refused() {
    let good = Model::new("llama");
    let with = |change: &dyn Fn(&mut Model)| {
        let mut model = good.clone();
        change(&mut model);
        Place::of(&model).wrong()
    };
    let set =
        |key: &'static str, entry: Entry| with(&move |m: &mut Model| m.set(key, entry.clone()));
    let text = |text: &str| Entry::Text(text.to_owned());
    for (said, words) in [
        (set("general.architecture", text("gemma3")), "llama or qwen2, got \"gemma3\""),
        (with(&|m| drop(m.entries.remove("general.architecture"))), "got \"none\""),
        (with(&|m| drop(m.entries.remove("llama.block_count"))), "as llama.block_count, got none"),
        (set("llama.block_count", Entry::Number(3)), "as tensor blk.2.attn_norm.weight, got none"),
        (set("llama.embedding_length", Entry::Number(32)), "[264, 32] as tensor token_embd.weight"),
        (set("llama.attention.head_count", Entry::Number(3)), "in whole groups, got 3 heads"),
        (set("llama.attention.head_count_kv", Entry::Text("2".into())), "expected a whole number"),
        (set("llama.rope.dimension_count", Entry::Number(8)), "16 as llama.rope.dimension_count"),
        (set("llama.rope.scaling.type", text("yarn")), "none or linear"),
        (set("llama.expert_count", Entry::Number(8)), "without experts"),
        (set("tokenizer.ggml.model", text("bert")), "gpt2 or llama, got \"bert\""),
        (set("tokenizer.ggml.pre", text("tekken")), "got \"tekken\""),
        (
            set("tokenizer.ggml.tokens", Entry::Texts(vec!["a".into()])),
            "got 1 tokens and 264 types",
        ),
        (set("tokenizer.ggml.token_type", Entry::Numbers(vec![3; 264])), "got none for ' '"),
        (set("split.count", Entry::Number(2)), "got one of several"),
        (set("general.alignment", Entry::Number(0)), "numbers make no sense"),
    ] {
        assert!(said.contains(words), "{words:?} is not in {said:?}");
    }
    let place = Place::of(&good);
    let whole = fs::read(place.file()).unwrap();
    for length in [whole.len() - 40, whole.len() / 2] {
        fs::write(place.file(), &whole[..length]).unwrap();
        let said = place.wrong();
        assert!(said.contains("bytes for tensor") && said.contains("cut off"), "{said}");
    }
    fs::write(place.file(), &whole[..2000]).unwrap();
    assert!(place.wrong().contains("expected a whole GGUF header"));
    for bytes in [&b""[..], b"GG", b"PK\x03\x04 no model", &[0; 4096]] {
        fs::write(place.file(), bytes).unwrap();
        assert!(place.wrong().contains("begins with \"GGUF\", got"));
    }
    fs::remove_file(place.file()).unwrap();
    let error = Local::open(&place.file()).err().unwrap().to_string();
    assert!(error.contains("reading") && error.contains("tiny.gguf"), "{error}");
}

#[test]
fn what_does_not_fit_into_the_context_is_said() {
    let mut model = Model::new("llama");
    model.set("llama.context_length", Entry::Number(300));
    let local = Place::of(&model).open();
    let error =
        local.reply(&talk("A dog."), Question::Motion, &mut Silent).unwrap_err().to_string();
    assert!(error.contains("tiny.gguf: expected a context of at least"), "{error}");
    assert!(error.ends_with("tokens, got 300"), "{error}");
}

const CAPTION: &str = "A brown dog runs to the left.";

/// A planner with the model of a place.
fn planner(place: &Place) -> LlmPlanner {
    let model = Some(place.file().display().to_string());
    LlmPlanner::new(&LlmConfig { model, cache: false, ..LlmConfig::default() }).unwrap()
}

#[test]
fn what_a_model_says_is_judged_and_the_rules_stand_behind_it() {
    let place = Place::of(&Model::new("llama"));
    let planned = planner(&place).plan_with(CAPTION, &mut Silent).unwrap();
    assert_eq!(planned.plan, RulePlanner.plan(CAPTION).unwrap());
    let origin = planned.origin;
    assert_eq!(origin.planner, "rules-en");
    assert_eq!(origin.model, Some(place.file().display().to_string()));
    assert_eq!(origin.server, None);
    let reason = origin.fell_back.unwrap();
    // Which of its two answers fails first is a matter of its random weights.
    assert!(reason.contains("tiny.gguf: its "), "{reason}");
    assert!(reason.contains(" cannot be used: "), "{reason}");
    // A model that is none ends the run: nothing would be better the next time.
    fs::write(place.file(), "GGUF").unwrap();
    let model = Some(place.file().display().to_string());
    let config = LlmConfig { model, ..LlmConfig::default() };
    assert!(matches!(LlmPlanner::new(&config), Err(Error::Core(_))));
}
