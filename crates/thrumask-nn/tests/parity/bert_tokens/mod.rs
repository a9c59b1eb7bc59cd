//! BERT's word pieces against transformers' `BertTokenizer`.

use thrumask_nn::text::bert::WordPieces;

#[derive(serde::Deserialize)]
struct Row {
    text: String,
    ids: Vec<u32>,
    decoded: String,
}

#[test]
fn ids_and_texts() {
    let pieces = WordPieces::from_tokenizer_json(include_str!("tokenizer.json")).unwrap();
    // The same pieces in the form of a `vocab.txt`.
    let lines = WordPieces::from_vocabulary(&pieces.to_vocabulary(), true).unwrap();
    let rows: Vec<Row> = serde_json::from_str(include_str!("texts.json")).unwrap();
    assert_eq!(rows.len(), 17);
    for Row { text, ids, decoded } in rows {
        assert_eq!(pieces.encode(&text), ids, "{text:?}");
        assert_eq!(lines.encode(&text), ids, "{text:?}");
        assert_eq!(pieces.decode(&ids), decoded);
    }
    assert_eq!((pieces.delimiters(), pieces.padding()), ([101, 102, 1012, 1029], 0));
}

#[test]
fn other_tokenizers_are_refused() {
    let json = include_str!("tokenizer.json");
    for (from, to) in
        [("\"WordPiece\"", "\"BPE\""), ("\"##\"", "\"_\""), ("\"[UNK]\": 100", "\"u\": 100")]
    {
        let changed = json.replace(from, to);
        assert_ne!(changed, json, "{from}");
        // The list of added tokens has the special ones as well.
        let changed = changed.replace("\"content\": \"[UNK]\"", "\"content\": \"u\"");
        assert!(WordPieces::from_tokenizer_json(&changed).is_err(), "{from}");
    }
}
