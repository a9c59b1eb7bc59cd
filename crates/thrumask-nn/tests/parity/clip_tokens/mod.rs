//! CLIP's tokens against transformers' `CLIPTokenizer`: with a small vocabulary, and with the real one
//! where `THRUMASK_TEST_DATA` has it.

use thrumask_nn::text::clip::ClipTokenizer;

const LENGTH: usize = 24;

#[derive(serde::Deserialize)]
struct Case {
    text: String,
    ids: Vec<u32>,
    padded: Vec<u32>,
}

fn compare(what: &str, tokenizer: &ClipTokenizer, cases: &str) {
    let cases: Vec<Case> = serde_json::from_str(cases).unwrap();
    assert!(cases.len() > 40);
    for Case { text, ids, padded } in cases {
        assert_eq!(tokenizer.encode(&text, usize::MAX), ids, "{what}: {text:?}");
        assert_eq!(tokenizer.encode_padded(&text, LENGTH), padded, "{what}: {text:?}");
    }
}

const SMALL: &str = include_str!("small.json");

#[test]
fn a_small_vocabulary_from_each_kind_of_file() {
    let (vocabulary, merges) = (include_str!("vocab.json"), include_str!("merges.txt"));
    let tokenizer = ClipTokenizer::from_vocabulary_and_merges(vocabulary, merges).unwrap();
    compare("vocab.json", &tokenizer, SMALL);
    // What the cases show: merges up to whole words.
    assert_eq!(tokenizer.encode("a photo of a cat", 77).len(), 7);
    let json = include_str!("tokenizer.json");
    compare("tokenizer.json", &ClipTokenizer::from_tokenizer_json(json).unwrap(), SMALL);
    let openai = ClipTokenizer::from_openai(include_bytes!("bpe.txt.gz")).unwrap();
    compare("bpe.txt.gz", &openai, SMALL);
    compare("bpe.txt", &ClipTokenizer::from_openai(merges.as_bytes()).unwrap(), SMALL);
}

#[test]
fn older_files_write_merges_in_lines() {
    let mut json: serde_json::Value = serde_json::from_str(include_str!("tokenizer.json")).unwrap();
    let merges = json["model"]["merges"].as_array_mut().unwrap();
    for merge in merges {
        let [left, right] = [0, 1].map(|i| merge[i].as_str().unwrap());
        *merge = format!("{left} {right}").into();
    }
    let tokenizer = ClipTokenizer::from_tokenizer_json(&json.to_string()).unwrap();
    compare("lines", &tokenizer, SMALL);
}

#[test]
fn files_that_do_not_fit_are_refused() {
    let (vocabulary, merges) = (include_str!("vocab.json"), include_str!("merges.txt"));
    let both = |v: &str, m: &str| ClipTokenizer::from_vocabulary_and_merges(v, m).unwrap_err();
    assert!(both("[]", merges).to_string().contains("vocab.json"));
    assert!(both("{}", merges).to_string().contains("no token"));
    let unknown = format!("{merges}zz qq</w>\n");
    assert!(both(vocabulary, &unknown).to_string().contains("zz"));
    let broken = format!("{merges}one two three\n");
    assert!(both(vocabulary, &broken).to_string().contains("one two three"));
    let json = include_str!("tokenizer.json").replace("\"</w>\"", "\"\"");
    let error = ClipTokenizer::from_tokenizer_json(&json).unwrap_err().to_string();
    assert!(error.contains("end with </w>"), "{error}");
    let cut = &include_bytes!("bpe.txt.gz")[..300];
    assert!(ClipTokenizer::from_openai(cut).is_err());
}

#[test]
fn short_texts_are_padded_as_asked() {
    let (vocabulary, merges) = (include_str!("vocab.json"), include_str!("merges.txt"));
    let tokenizer = ClipTokenizer::from_vocabulary_and_merges(vocabulary, merges).unwrap();
    let tokenizer = tokenizer.with_padding(0);
    let ids = tokenizer.encode_padded("a cat", 6);
    assert_eq!(ids[3..], [tokenizer.end(), 0, 0]);
    assert_eq!(tokenizer.encode_padded("a cat", 0), [tokenizer.start(), tokenizer.end()]);
}

#[test]
fn the_real_vocabulary() {
    let Ok(data) = std::env::var("THRUMASK_TEST_DATA") else {
        eprintln!("skipped: THRUMASK_TEST_DATA is not set");
        return;
    };
    let path = std::path::Path::new(&data).join("clip-bpe/bpe_simple_vocab_16e6.txt.gz");
    let tokenizer = ClipTokenizer::from_openai(&std::fs::read(path).unwrap()).unwrap();
    let cat = [49406, 320, 1125, 539, 320, 2368, 49407];
    assert_eq!(tokenizer.encode("a photo of a cat", 77), cat);
    compare("real", &tokenizer, include_str!("real.json"));
}
