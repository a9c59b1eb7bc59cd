//! Public models that thrumask has a use for, by short names.

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

/// A public model.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    /// Its short name.
    pub name: String,
    /// Its repository on the hub.
    pub repo: String,
    /// Branch, tag or commit.
    pub revision: String,
    /// What it is for.
    pub purpose: String,
    /// Its licence, as the repository states it.
    pub licence: Option<String>,
    /// About how much there is to download.
    pub size: Option<String>,
    /// Patterns of the files that are needed; each must fit one.
    pub files: Vec<String>,
    /// Patterns of files that come as well where there are any.
    #[serde(default)]
    pub also: Vec<String>,
}

/// All of them.
///
/// # Errors
/// [`Error::Hub`] when the built-in table is broken.
pub fn known() -> Result<Vec<Known>> {
    #[derive(Deserialize)]
    struct Table {
        model: Vec<Known>,
    }
    let table: std::result::Result<Table, _> = toml::from_str(include_str!("known.toml"));
    Ok(table.map_err(|e| Error::hub("known.toml", e.to_string()))?.model)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hub::Repo;

    #[test]
    fn the_table_is_whole() {
        let known = known().unwrap();
        for (i, model) in known.iter().enumerate() {
            Repo::parse(&model.repo).unwrap();
            assert!(!model.files.is_empty() && !model.name.contains('/'), "{}", model.name);
            assert!(known[..i].iter().all(|other| other.name != model.name), "{}", model.name);
        }
        assert!(known.iter().any(|m| m.name == "sd15"));
    }
}
