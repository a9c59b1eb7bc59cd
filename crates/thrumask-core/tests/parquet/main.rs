//! Columns of text in Parquet, against files of pyarrow.

use std::path::PathBuf;

use thrumask_core::tables::read_parquet;

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/parquet").join(name)
}

#[cfg(not(feature = "parquet"))]
#[test]
fn without_the_feature_it_is_named_with_the_way_around_it() {
    let error = read_parquet(&file("snappy.parquet"), &["path"]).unwrap_err().to_string();
    for words in ["snappy.parquet", "--features parquet", "JSON lines", "to_json"] {
        assert!(error.contains(words), "{error}");
    }
    let error = read_parquet(&file("nowhere.parquet"), &["path"]).unwrap_err().to_string();
    assert!(error.contains("nowhere.parquet") && !error.contains("feature"), "{error}");
}

#[cfg(feature = "parquet")]
mod with_the_feature {
    use std::{fs, path::Path};

    use thrumask_core::{Result, TextTable};

    use super::*;

    const WANTED: [&str; 6] = ["masks", "path", "file_name", "video", "caption", "text"];
    const GOOD: [&str; 5] = ["snappy", "large-gzip", "dictionary-zstd", "plain", "delta"];

    fn read(path: &Path) -> Result<TextTable> {
        read_parquet(path, &WANTED)
    }

    #[test]
    fn every_encoding_and_compression_is_what_was_written() {
        let truth = fs::read_to_string(file("rows.jsonl")).unwrap();
        let truth: Vec<Vec<Option<String>>> = truth
            .lines()
            .map(|line| {
                let row: serde_json::Value = serde_json::from_str(line).unwrap();
                let cell = |name: &&str| row[*name].as_str().map(str::to_owned);
                ["path", "caption", "masks"].iter().map(cell).collect()
            })
            .collect();
        assert_eq!(truth.len(), 40);
        for (name, head) in GOOD.into_iter().zip([
            ["path", "caption", "masks"],
            ["path", "text", "masks"],
            ["file_name", "caption", "masks"],
            ["video", "caption", "masks"],
            ["path", "caption", "masks"],
        ]) {
            let table = read(&file(&format!("{name}.parquet"))).unwrap();
            assert_eq!(table.head, head, "{name}");
            assert_eq!(table.rows, truth, "{name}");
        }
        let only = read_parquet(&file("snappy.parquet"), &["caption"]).unwrap();
        assert_eq!(
            (only.head, only.rows[1].clone()),
            (vec!["caption".into()], truth[1][1..2].into())
        );
        assert_eq!(read(&file("none.parquet")).unwrap(), TextTable::default());
    }

    #[test]
    fn what_is_not_text_or_not_known_is_named() {
        for (name, words) in [
            ("number", "column \"path\": expected text, got INT64"),
            ("list", "column \"caption\": expected text, got list"),
            ("bytes", "row 1, path: expected UTF-8"),
            ("lz4", "lz4"),
        ] {
            let path = file(&format!("{name}.parquet"));
            let error = read(&path).unwrap_err().to_string();
            assert!(error.contains(words), "{name}: {error}");
            assert!(error.contains(&format!("{name}.parquet")), "{error}");
        }
    }

    /// Panics of the reader become errors: they need not be printed, which takes long.
    fn keep_its_panics_quiet() {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            if !info.location().is_some_and(|at| at.file().contains("/parquet-")) {
                usual(info);
            }
        }));
    }

    #[test]
    fn broken_files_are_errors() {
        keep_its_panics_quiet();
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("broken.parquet");
        let put = |bytes: &[u8]| {
            fs::write(&path, bytes).unwrap();
            read(&path)
        };
        for bytes in [&b""[..], b"PAR1", b"path,caption\na.mp4,A dog.\n", &[7; 4000]] {
            let error = put(bytes).unwrap_err().to_string();
            assert!(error.contains("broken.parquet: expected a Parquet file"), "{error}");
        }
        for name in GOOD {
            let whole = fs::read(file(&format!("{name}.parquet"))).unwrap();
            for length in (0..whole.len()).step_by(61) {
                assert!(put(&whole[..length]).is_err(), "{name} cut at {length}");
            }
            // Whatever byte of some is another: an error, or other text, but nothing goes down.
            for at in (0..whole.len()).step_by(5) {
                let mut bytes = whole.clone();
                bytes[at] ^= 1 << (at % 8);
                let _ = put(&bytes);
            }
        }
    }
}
