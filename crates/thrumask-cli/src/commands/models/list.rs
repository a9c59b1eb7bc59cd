//! `thrumask models list`.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};
use thrumask::{
    hub::{Repo, cache_from_env, known},
    models::{BuiltIn, Models, Source},
};

use super::size;
use crate::terminal;

/// List the models that are built in, known by a short name, or in the cache.
#[derive(Debug, Args)]
pub struct List {
    /// List what a run with this folder of models uses instead: what is taken from it, and what is built in.
    #[arg(long, value_name = "DIR")]
    models: Option<PathBuf>,
    /// Print the list as JSON.
    #[arg(long)]
    json: bool,
}

/// A model of a run as JSON.
fn described(source: &Source) -> Value {
    json!({
        "name": source.name,
        "path": source.path,
        "bytes": source.bytes,
        "sha256": source.sha256,
    })
}

/// The models of runs with a folder.
fn list_folder(folder: PathBuf, json: bool) -> Result<()> {
    let sources = Models::in_folder(folder).sources()?;
    if json {
        let models: Vec<Value> = sources.iter().map(described).collect();
        return terminal::print_json(&json!({"models": models}));
    }
    let line = |source: &Source| {
        let from = match &source.path {
            Some(path) => path.display().to_string(),
            None => "built in".into(),
        };
        format!("  {:20} {:>9}  {from}\n", source.name, size(source.bytes))
    };
    terminal::print(&sources.iter().map(line).collect::<String>())
}

impl List {
    /// Does it.
    pub fn run(self) -> Result<()> {
        if let Some(folder) = self.models {
            return list_folder(folder, self.json);
        }
        let (known, cache) = (known()?, cache_from_env()?);
        let cached = cache.repos()?;
        let commit = |repo: &Repo, revision: &str| cache.commit(repo, revision);
        if self.json {
            let built_in = BuiltIn::ALL.iter().map(|model| {
                json!({"name": model.name, "bytes": model.bytes.len(), "sha256": model.hash()})
            });
            let mut named = Vec::new();
            for model in &known {
                let mut value = serde_json::to_value(model)?;
                value["cached"] = json!(commit(&Repo::parse(&model.repo)?, &model.revision));
                named.push(value);
            }
            let cached = cached.iter().map(|repo| {
                let main = commit(repo, "main");
                json!({"repo": repo.name(), "main": main, "bytes": cache.bytes(repo)})
            });
            return terminal::print_json(&json!({
                "built_in": built_in.collect::<Vec<_>>(),
                "known": named,
                "cache": cache.root(),
                "cached": cached.collect::<Vec<_>>(),
            }));
        }
        let mut text = String::from("Built in:\n");
        for BuiltIn { name, bytes } in BuiltIn::ALL {
            text.push_str(&format!("  {name:20} {:>9}\n", size(bytes.len() as u64)));
        }
        text.push_str("\nKnown by name (`thrumask models pull NAME`):\n");
        for model in &known {
            let there = commit(&Repo::parse(&model.repo)?, &model.revision).is_some();
            let mark = if there { "in the cache" } else { "" };
            text.push_str(&format!("  {:20} {mark:12}  {}\n", model.name, model.purpose));
            let licence = model.licence.as_ref().map(|l| format!(", licence {l}"));
            let about = model.size.as_ref().map(|s| format!(", {s}"));
            let more = format!("{}{}", licence.unwrap_or_default(), about.unwrap_or_default());
            text.push_str(&format!("  {:20} {:12}  {}{more}\n", "", "", model.repo));
        }
        text.push_str(&format!("\nIn the cache {}:\n", cache.root().display()));
        for repo in &cached {
            text.push_str(&format!("  {:9} {}\n", size(cache.bytes(repo)), repo.name()));
        }
        if cached.is_empty() {
            text.push_str("  nothing\n");
        }
        terminal::print(&text)
    }
}
