//! Links between the repository's Markdown files lead somewhere.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};

/// Checks that each relative link of each Markdown file names a file or folder that exists.
///
/// # Errors
/// All dead links with their files, or a file that cannot be read.
pub fn check(root: &Path) -> Result<()> {
    let mut files = Vec::new();
    collect(root, &mut files)?;
    let mut dead = Vec::new();
    let mut count = 0;
    for file in &files {
        let text =
            fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        let folder = file.parent().unwrap_or(root);
        for target in targets(&text) {
            count += 1;
            if !folder.join(target).exists() {
                let name = file.strip_prefix(root).unwrap_or(file).display();
                dead.push(format!("{name}: {target}"));
            }
        }
    }
    if !dead.is_empty() {
        bail!("links that lead nowhere:\n  {}", dead.join("\n  "));
    }
    println!("{count} links in {} files lead somewhere", files.len());
    Ok(())
}

/// The Markdown files below `folder`, build outputs and hidden folders left out.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let reading = || format!("reading folder {}", folder.display());
    let mut entries = fs::read_dir(folder)
        .with_context(reading)?
        .collect::<Result<Vec<_>, _>>()
        .with_context(reading)?;
    entries.sort_by_key(|e| e.file_name());
    for entry in entries {
        let (path, name) = (entry.path(), entry.file_name());
        let name = name.to_string_lossy();
        let left_out =
            name.starts_with('.') || ["target", "runs", "node_modules"].contains(&&*name);
        if entry.file_type().with_context(reading)?.is_dir() {
            if !left_out {
                collect(&path, files)?;
            }
        } else if name.ends_with(".md") {
            files.push(path);
        }
    }
    Ok(())
}

/// The relative targets of inline links and pictures, without their fragments; code is left out.
fn targets(text: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let mut fenced = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        // Every second piece lies between backquotes.
        for prose in line.split('`').step_by(2) {
            let mut rest = prose;
            while let Some((_, after)) = rest.split_once("](") {
                let (inside, behind) = after.split_once(')').unwrap_or((after, ""));
                let target = inside.split([' ', '#']).next().unwrap_or("");
                if !target.is_empty() && !target.contains(':') {
                    found.push(target);
                }
                rest = behind;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_targets_are_found_and_others_are_not() {
        let text = "[a](docs/a.md#part) ![b](b.png \"title\") [c](https://c.org) [d](#here)\n\
                    `[e](e.md)` and [`f`](f.md)\n```\n[g](g.md)\n```\n[h](h.md)";
        assert_eq!(targets(text), ["docs/a.md", "b.png", "f.md", "h.md"]);
    }

    #[test]
    fn a_dead_link_is_named_with_its_file() {
        let folder = std::env::temp_dir().join(format!("thrumask-links-{}", std::process::id()));
        fs::create_dir_all(folder.join("docs")).unwrap();
        fs::write(folder.join("docs/a.md"), "[up](../b.md) [gone](c.md)").unwrap();
        fs::write(folder.join("b.md"), "[a](docs/a.md)").unwrap();
        let error = check(&folder).unwrap_err().to_string();
        fs::write(folder.join("docs/c.md"), "").unwrap();
        let fine = check(&folder);
        fs::remove_dir_all(&folder).unwrap();
        assert!(error.contains("docs/a.md: c.md") && !error.contains("b.md: "), "{error}");
        fine.unwrap();
    }
}
