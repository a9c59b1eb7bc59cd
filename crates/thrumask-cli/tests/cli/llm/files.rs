//! A model in a file in place of a server.

use crate::common::{CAPTION, Place};

/// Arguments of `plan` with a model in a file that is none.
fn args<'a>(more: &[&'a str]) -> Vec<&'a str> {
    let first = ["plan", "in.png", CAPTION, "--run", "a.run", "--planner", "llm"];
    [&first[..], &["--llm-model", "no-model.gguf"], more].concat()
}

#[cfg(not(feature = "llm"))]
#[test]
fn without_the_feature_it_is_said_what_is_needed() {
    let place = Place::new();
    place.write("no-model.gguf", "GGUF");
    for words in [args(&[]), vec!["eval", "plan", "--planner", "llm", "--llm-model", "x.GGUF"]] {
        let error = place.fails(2, &words);
        assert!(error.contains("--llm-model: a model in a file"), "{error}");
        assert!(error.contains("built with the feature llm"), "{error}");
    }
    place.write("settings.toml", "planner = \"llm\"\n[llm]\nmodel = \"no-model.gguf\"\n");
    let words = ["plan", "in.png", CAPTION, "--run", "a.run", "--config", "settings.toml"];
    let error = place.fails(1, &words);
    assert!(error.contains("llm.model: a model in a file"), "{error}");
    assert!(!place.at("a.run").join("plan.json").exists());
}

#[cfg(feature = "llm")]
#[test]
fn a_file_that_is_no_model_ends_the_run() {
    let place = Place::new();
    let error = place.fails(1, &args(&[]));
    assert!(error.contains("no-model.gguf"), "{error}");
    place.write("no-model.gguf", "GGUF");
    let error = place.fails(1, &args(&[]));
    assert!(error.contains("no-model.gguf: expected a whole GGUF header"), "{error}");
    assert!(!place.at("a.run").join("plan.json").exists());
}

/// A server may call its model what it likes: it is asked, and here there is none.
#[test]
fn with_an_address_the_name_is_a_servers() {
    let place = Place::new();
    let url = ["--llm-url", "http://127.0.0.1:9/v1", "--llm-attempts", "1"];
    let said = place.ok(&args(&url));
    assert!(said.err.contains("note: the rules made the plan"), "{}", said.err);
}
