//! Stage 2 on pictures of other worlds, through the program.

use serde_json::Value;

use crate::common::Place;

const ONE: &str = r##"
[[collage]]
name = "square"
caption = "The red square moves to the right."
background = { draw = [{ slab = [0, 0, 1, 1, 0], fill = "#80a0c0", lower = "#e0e0d0" }] }
[[collage.object]]
name = "square"
prompt = "The red square moves to the right."
scale = 0.3
path = [[0.25, 0.5], [0.7, 0.5]]
cut = { draw = [{ slab = [-0.5, -0.5, 1, 1, 0.1], fill = "#c02020" }] }
"##;

#[test]
fn a_collage_is_measured_beside_what_knows_nothing_and_what_knows_all() {
    let place = Place::new();
    place.write("one.toml", ONE);
    let said = place.ok(&[
        "eval",
        "collage",
        "one.toml",
        "--json",
        "--quiet",
        "--out",
        "out",
        "--threads",
        "1",
    ]);
    let report: Value = serde_json::from_str(&said.out).unwrap();
    let j = |candidate: &str| {
        let rows = report["rows"].as_array().unwrap();
        let row = rows.iter().find(|r| r["candidate"] == candidate).unwrap();
        row["figures"]["j"]["mean"].as_f64().unwrap()
    };
    let [truth, model, still] = ["truth", "model", "static_picture"].map(j);
    assert!(truth > 0.9 && (0.0..=1.0).contains(&model) && still < 0.5, "{truth} {model} {still}");
    assert_eq!(
        (report["objects"].as_u64(), report["pictures"][0]["name"].as_str()),
        (Some(1), Some("square"))
    );
    for file in ["report.json", "report.md", "sheet-collages.png", "sheet-collages.gif"] {
        assert!(place.at("out").join(file).is_file(), "{file}");
    }
    // The same figures with another batch and other threads.
    let again = place.ok(&["eval", "collage", "one.toml", "--json", "--quiet", "--batch", "1"]).out;
    let again: Value = serde_json::from_str(&again).unwrap();
    assert_eq!(again["rows"], report["rows"]);
    let table = place.ok(&["eval", "collage", "one.toml", "--quiet", "--backbone", "unet"]).out;
    assert!(table.contains("| **stage 2** |") && table.contains("| square |"), "{table}");
}

#[test]
fn what_is_wrong_in_a_collage_is_named() {
    let place = Place::new();
    let error = place.fails(1, &["eval", "collage", "none.toml"]);
    assert!(error.contains("none.toml"), "{error}");
    place.write("bad.toml", ONE.replace("scale = 0.3", "scale = -1"));
    let error = place.fails(1, &["eval", "collage", "bad.toml"]);
    assert!(error.contains("object square, scale") && error.contains("got -1"), "{error}");
    let photo = ONE.replace(
        "draw = [{ slab = [0, 0, 1, 1, 0], fill = \"#80a0c0\", lower = \"#e0e0d0\" }]",
        "file = \"no.png\"",
    );
    place.write("photo.toml", &photo);
    let error = place.fails(1, &["eval", "collage", "photo.toml", "--pictures", "out"]);
    assert!(error.contains("no.png"), "{error}");
    assert!(!place.at("out").exists());
}
