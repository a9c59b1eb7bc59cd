//! A page of headings, texts, tables and pictures, written as Markdown and as HTML.

use std::fmt::Write as _;

/// What stands on a page, from top to bottom.
#[derive(Debug, Clone, PartialEq)]
enum Block {
    Heading(usize, String),
    Paragraph(String),
    List(Vec<String>),
    Table { head: Vec<String>, rows: Vec<Vec<String>> },
    Image { alt: String, file: String },
}

/// A page.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Page {
    blocks: Vec<Block>,
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;max-width:100em;margin:2em auto;\
padding:0 1em;color:#222;background:#fff}table{border-collapse:collapse;display:block;overflow-x:auto}\
th,td{border:1px solid #ccc;padding:.3em .6em;text-align:left;white-space:nowrap}\
tr:nth-child(even){background:#f6f6f6}img{max-width:100%}";

impl Page {
    /// Adds a heading of level 1 (the page's title) to 6.
    pub(crate) fn heading(&mut self, level: usize, text: impl Into<String>) {
        self.blocks.push(Block::Heading(level.clamp(1, 6), text.into()));
    }

    /// Adds a paragraph. `**` stands around what is stressed, here and in all other texts.
    pub(crate) fn paragraph(&mut self, text: impl Into<String>) {
        self.blocks.push(Block::Paragraph(text.into()));
    }

    /// Adds a list.
    pub(crate) fn list(&mut self, items: Vec<String>) {
        self.blocks.push(Block::List(items));
    }

    /// Adds a table.
    pub(crate) fn table(&mut self, head: Vec<String>, rows: Vec<Vec<String>>) {
        self.blocks.push(Block::Table { head, rows });
    }

    /// Adds a picture from a file beside the page.
    pub(crate) fn image(&mut self, alt: impl Into<String>, file: impl Into<String>) {
        self.blocks.push(Block::Image { alt: alt.into(), file: file.into() });
    }

    /// The page in Markdown.
    pub(crate) fn to_markdown(&self) -> String {
        let mut text = String::new();
        for (i, block) in self.blocks.iter().enumerate() {
            if i > 0 {
                text.push('\n');
            }
            let _ = match block {
                Block::Heading(level, words) => writeln!(text, "{} {words}", "#".repeat(*level)),
                Block::Paragraph(words) => writeln!(text, "{words}"),
                Block::List(items) => items.iter().try_for_each(|item| writeln!(text, "- {item}")),
                Block::Table { head, rows } => {
                    let line = |cells: &[String]| {
                        let cells: Vec<String> =
                            cells.iter().map(|c| c.replace('|', "\\|")).collect();
                        format!("| {} |\n", cells.join(" | "))
                    };
                    text.push_str(&line(head));
                    text.push_str(&format!("|{}\n", "---|".repeat(head.len())));
                    rows.iter().for_each(|row| text.push_str(&line(row)));
                    Ok(())
                }
                Block::Image { alt, file } => writeln!(text, "![{alt}]({file})"),
            };
        }
        text
    }

    /// The page in HTML, whole and without scripts.
    pub(crate) fn to_html(&self) -> String {
        let title = self.blocks.iter().find_map(|b| match b {
            Block::Heading(_, words) => Some(escaped(words)),
            _ => None,
        });
        let mut body = String::new();
        for block in &self.blocks {
            let _ = match block {
                Block::Heading(n, words) => writeln!(body, "<h{n}>{}</h{n}>", inline(words)),
                Block::Paragraph(words) => writeln!(body, "<p>{}</p>", inline(words)),
                Block::List(items) => {
                    let items = items.iter().map(|item| format!("<li>{}</li>\n", inline(item)));
                    writeln!(body, "<ul>\n{}</ul>", items.collect::<String>())
                }
                Block::Table { head, rows } => {
                    let line = |tag: &str, cells: &[String]| {
                        let cell = |c: &String| format!("<{tag}>{}</{tag}>", inline(c));
                        format!("<tr>{}</tr>\n", cells.iter().map(cell).collect::<String>())
                    };
                    let rows: String = rows.iter().map(|row| line("td", row)).collect();
                    let head = line("th", head);
                    writeln!(
                        body,
                        "<table>\n<thead>{head}</thead>\n<tbody>{rows}</tbody>\n</table>"
                    )
                }
                Block::Image { alt, file } => {
                    let (alt, file) = (escaped(alt), escaped(file));
                    writeln!(body, "<p><img src=\"{file}\" alt=\"{alt}\"></p>")
                }
            };
        }
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
             <title>{}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n{body}</body>\n</html>\n",
            title.unwrap_or_default()
        )
    }
}

/// Text for HTML, with what is stressed between tags.
fn inline(text: &str) -> String {
    let mut html = String::new();
    for (i, part) in text.split("**").enumerate() {
        match i % 2 {
            0 => html.push_str(&escaped(part)),
            _ => html.push_str(&format!("<strong>{}</strong>", escaped(part))),
        }
    }
    html
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_say_the_same() {
        let mut page = Page::default();
        page.heading(1, "A & B");
        page.paragraph("p < .001, **clear**");
        page.list(vec!["one".into(), "two".into()]);
        page.table(vec!["".into(), "J".into()], vec![vec!["**TTM**".into(), "0.9|1".into()]]);
        page.image("a sheet", "sheet.png");
        let markdown = "# A & B\n\np < .001, **clear**\n\n- one\n- two\n\n|  | J |\n|---|---|\n\
                        | **TTM** | 0.9\\|1 |\n\n![a sheet](sheet.png)\n";
        assert_eq!(page.to_markdown(), markdown);
        let html = page.to_html();
        for part in [
            "<title>A &amp; B</title>",
            "<p>p &lt; .001, <strong>clear</strong></p>",
            "<ul>\n<li>one</li>\n<li>two</li>\n</ul>",
            "<th>J</th>",
            "<td><strong>TTM</strong></td><td>0.9|1</td>",
            "<img src=\"sheet.png\" alt=\"a sheet\">",
        ] {
            assert!(html.contains(part), "{part} in {html}");
        }
    }
}
