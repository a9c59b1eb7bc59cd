//! GGUF files against the package `gguf`: every type of values that is read.

use thrumask_nn::weights::{Format, TensorFile, TensorSource};

use crate::fixture::{Fixture, OPERATOR};

#[test]
fn each_type() {
    let fixture = Fixture::read(include_bytes!("fixture.safetensors"));
    let file = TensorFile::read("fixture.gguf", include_bytes!("fixture.gguf")).unwrap();
    assert_eq!(file.format(), Format::Gguf);
    let mut names: Vec<&str> = fixture.0.tensors.keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(file.infos().map(|(name, _)| name).collect::<Vec<_>>(), names);
    for (name, info) in file.infos() {
        assert_eq!(info.shape, fixture.shape(name), "{name}");
        let kind = name.strip_suffix(".weight").unwrap_or("I32");
        assert_eq!(info.kind.to_string(), kind, "{name}");
        // Halves and products of two small numbers: no more than the last bit may differ.
        fixture.close(name, &file.values(name).unwrap(), OPERATOR * 0.1);
    }
    for (key, value) in [
        ("general.architecture", "sd1"),
        ("general.name", "each type"),
        ("test.number", "7"),
        ("test.fraction", "-0.5"),
        ("test.flag", "true"),
        ("test.texts", "a list of 2"),
        ("test.numbers", "a list of 3"),
    ] {
        assert_eq!(file.metadata()[key], value, "{key}");
    }
}
