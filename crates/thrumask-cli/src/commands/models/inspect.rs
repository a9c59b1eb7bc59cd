//! `thrumask models inspect`.

use std::{collections::BTreeMap, path::Path};

use anyhow::Result;
use clap::Args;
use serde_json::{Value, json};
use thrumask::hub::{cache_from_env, locate};
use thrumask_nn::weights::{Checkpoint, components, recognise, weight_files};

use super::size;
use crate::terminal;

/// Show the tensors of a checkpoint: names, types, shapes, totals, metadata, and what it looks like.
///
/// Reads safetensors, shards under an index, PyTorch's .pt, .pth, .ckpt and .bin (of which nothing is
/// executed), GGUF, and folders of them; of a pipeline each of its parts. Values are not read.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  thrumask models inspect models/nano/motion.safetensors
  thrumask models inspect sd15/unet
  thrumask models inspect mm.ckpt --json")]
pub struct Inspect {
    /// A file, a folder, a known name or ORG/NAME, the last two with a path in it if wanted.
    #[arg(value_name = "PATH|NAME")]
    what: String,
    /// Print all of it as JSON.
    #[arg(long)]
    json: bool,
}

impl Inspect {
    /// Does it.
    pub fn run(self) -> Result<()> {
        let path = locate(&self.what, &cache_from_env()?)?;
        // A pipeline: no weights of its own, but folders that have some.
        let parts = match path.is_dir() && weight_files(&path)?.is_empty() {
            true => components(&path)?,
            false => Vec::new(),
        };
        if parts.is_empty() {
            return self.tell(&[(String::new(), Checkpoint::open(&path)?)]);
        }
        let open = |name: &String| Ok((name.clone(), Checkpoint::open(path.join(name))?));
        self.tell(&parts.iter().map(open).collect::<Result<Vec<_>>>()?)
    }

    fn tell(&self, parts: &[(String, Checkpoint)]) -> Result<()> {
        if self.json {
            let values: Vec<Value> =
                parts.iter().map(|(name, opened)| described(name, opened)).collect();
            return match values.as_slice() {
                [one] => terminal::print_json(one),
                several => terminal::print_json(&several),
            };
        }
        let mut text = String::new();
        for (name, opened) in parts {
            if !name.is_empty() {
                text.push_str(&format!("== {name}\n"));
            }
            text.push_str(&told(opened));
        }
        terminal::print(&text)
    }
}

/// Values and bytes by the type of the numbers.
fn totals(opened: &Checkpoint) -> BTreeMap<String, (usize, u64)> {
    let mut totals: BTreeMap<String, (usize, u64)> = BTreeMap::new();
    for (_, info) in opened.infos() {
        let total = totals.entry(info.kind.to_string()).or_default();
        *total = (total.0 + info.values(), total.1 + info.bytes);
    }
    totals
}

fn files(opened: &Checkpoint) -> Vec<&Path> {
    opened.files().collect()
}

fn described(name: &str, opened: &Checkpoint) -> Value {
    let tensors = opened.infos().map(|(name, info)| {
        json!({"name": name, "type": info.kind.to_string(), "shape": info.shape, "bytes": info.bytes})
    });
    let totals = totals(opened);
    let totals = totals
        .iter()
        .map(|(kind, (values, bytes))| (kind.clone(), json!({"values": values, "bytes": bytes})));
    json!({
        "part": name,
        "files": files(opened),
        "format": opened.format().to_string(),
        "looks_like": recognise(opened),
        "metadata": opened.metadata(),
        "totals": totals.collect::<serde_json::Map<_, _>>(),
        "tensors": tensors.collect::<Vec<_>>(),
    })
}

fn told(opened: &Checkpoint) -> String {
    /// The longest metadata that is shown in full.
    const SHOWN: usize = 200;
    let mut text = String::new();
    let width = opened.infos().map(|(name, _)| name.chars().count()).max().unwrap_or(0);
    for (name, info) in opened.infos() {
        let kind = info.kind.to_string();
        text.push_str(&format!("{name:width$}  {kind:5}  {:?}\n", info.shape));
    }
    for file in files(opened) {
        text.push_str(&format!("file        {} ({})\n", file.display(), opened.format()));
    }
    for (key, value) in opened.metadata() {
        // Whole texts are for --json.
        let value = match value.char_indices().nth(SHOWN) {
            Some((end, _)) => format!("{}… ({} characters)", &value[..end], value.chars().count()),
            None => value,
        };
        text.push_str(&format!("metadata    {key} = {}\n", value.replace('\n', " ")));
    }
    let looks = recognise(opened).unwrap_or_else(|| "nothing that is known here".to_owned());
    text.push_str(&format!("looks like  {looks}\n"));
    let (mut all, mut bytes) = (0, 0);
    let totals = totals(opened);
    for (kind, (values, size_of)) in &totals {
        (all, bytes) = (all + values, bytes + size_of);
        if totals.len() > 1 {
            text.push_str(&format!("{kind:11} {values} values, {}\n", size(*size_of)));
        }
    }
    let tensors = opened.infos().count();
    text + &format!("total       {tensors} tensors, {all} values, {}\n", size(bytes))
}
