// SPDX-License-Identifier: GPL-2.0

//! The generated parts of pages: what is between `<!-- bench: NAME -->` and `<!-- bench end -->`.
//! What is outside of them is people's, and stays as it is.

use super::tables;
use crate::results::Results;
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;
use std::path::Path;

const BEGIN: &str = "<!-- bench: ";
const BEGIN_END: &str = " -->";
const END: &str = "<!-- bench end -->";

/// The generated parts, by name.
pub fn parts(results: &Results) -> BTreeMap<&'static str, String> {
    let mut parts = BTreeMap::new();
    for (name, some) in tables::all(results) {
        let titles = !matches!(name, "machine" | "targets");
        let texts: Vec<_> = some.iter().map(|table| table.markdown(titles)).collect();
        let text = if texts.is_empty() {
            "*Not measured.*\n".into()
        } else {
            texts.join("\n")
        };
        parts.insert(name, text);
    }
    parts.insert("summary", tables::summary(results).markdown(false));
    parts
}

/// Brings a page's generated parts up to date.
pub fn refresh(path: &Path, parts: &BTreeMap<&str, String>) -> Result<()> {
    let name = || path.display().to_string();
    let old = std::fs::read_to_string(path).with_context(name)?;
    let new = replace(&old, parts).with_context(name)?;
    if new != old {
        std::fs::write(path, new).with_context(name)?;
    }
    Ok(())
}

/// The page with its parts replaced. A part that nobody makes, or that does not end, is an error.
fn replace(page: &str, parts: &BTreeMap<&str, String>) -> Result<String> {
    let mut new = String::new();
    let mut rest = page;
    let mut count = 0;
    while let Some((before, after)) = rest.split_once(BEGIN) {
        let (name, after) = after.split_once(BEGIN_END).context("a mark has no end")?;
        let Some((inside, after)) = after.split_once(END) else {
            bail!("the part {name} has no end");
        };
        ensure!(!inside.contains(BEGIN), "the part {name} has no end");
        let part = parts
            .get(name)
            .with_context(|| format!("there is no part {name}"))?;
        new += &format!("{before}{BEGIN}{name}{BEGIN_END}\n{part}{END}");
        rest = after;
        count += 1;
    }
    ensure!(count > 0, "it has no part to be generated");
    Ok(new + rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts_with(name: &'static str, text: &str) -> BTreeMap<&'static str, String> {
        [(name, text.to_owned())].into()
    }

    #[test]
    fn page_keeps_what_is_between_the_parts() {
        let page = "# A\n<!-- bench: a -->\nold\n<!-- bench end -->\nB\n<!-- bench: a --><!-- bench end -->C";
        let new = "# A\n<!-- bench: a -->\nnew\n<!-- bench end -->\nB\n<!-- bench: a -->\nnew\n<!-- bench end -->C";
        let parts = parts_with("a", "new\n");
        assert_eq!(replace(page, &parts).unwrap(), new);
        assert_eq!(
            replace(new, &parts).unwrap(),
            new,
            "doing it again changes nothing"
        );
    }

    #[test]
    fn page_with_a_mistake_is_refused() {
        let parts = parts_with("a", "new\n");
        for page in [
            "no parts",
            "<!-- bench: b -->\n<!-- bench end -->",
            "<!-- bench: a -->\nno end",
            "<!-- bench: a",
            "<!-- bench: a -->\n<!-- bench: a -->\n<!-- bench end -->",
        ] {
            assert!(replace(page, &parts).is_err(), "{page}");
        }
    }

    #[test]
    fn every_part_of_the_pages_in_the_repository_is_made() {
        let parts = parts(&Results::default());
        for page in ["../docs/performance.md", "../README.md"] {
            let text = std::fs::read_to_string(page).unwrap();
            replace(&text, &parts).unwrap_or_else(|err| panic!("{page}: {err}"));
        }
    }
}
