//! Tables of settings: laid over each other, and named by dotted keys.

use serde_json::Value;

/// A table with one value at a dotted key: `motion.steps` and 8 give `{"motion": {"steps": 8}}`.
pub fn nested(key: &str, value: Value) -> Value {
    key.rsplit('.').fold(value, |inner, part| {
        Value::Object(serde_json::Map::from_iter([(part.to_owned(), inner)]))
    })
}

/// A value as it stands after `key=` on the command line: a number, a truth value, an array or a
/// table as in TOML, otherwise a text.
pub fn typed(text: &str) -> Value {
    // A seed may be larger than TOML's whole numbers.
    if let Ok(number) = text.parse::<u64>() {
        return number.into();
    }
    let parsed = format!("v = {text}").parse::<toml::Table>().ok();
    let value = parsed.and_then(|mut t| t.remove("v"));
    let value = value.and_then(|v| serde_json::to_value(v).ok());
    value.unwrap_or_else(|| Value::from(text))
}

/// Lays `over` on `base`, table by table. A table with a `kind` replaces one of another kind.
pub fn merge(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over))
            if over.get("kind").is_none_or(|kind| base.get("kind") == Some(kind)) =>
        {
            for (key, value) in over {
                merge(base.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over.clone(),
    }
}

/// All values in a table that are no tables, with their dotted keys.
pub(super) fn leaves(table: &Value) -> Vec<(String, Value)> {
    let Value::Object(members) = table else { return Vec::new() };
    let mut found = Vec::new();
    for (key, value) in members {
        let below = leaves(value);
        if below.is_empty() {
            found.push((key.clone(), value.clone()));
        }
        found.extend(below.into_iter().map(|(inner, v)| (format!("{key}.{inner}"), v)));
    }
    found
}

/// A complaint of the TOML reader in one line, with its place.
pub(super) fn one_line(e: &toml::de::Error) -> String {
    e.to_string().lines().filter(|l| !l.contains('|')).collect::<Vec<_>>().join(": ")
}
