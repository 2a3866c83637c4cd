// SPDX-License-Identifier: GPL-2.0

//! A table, for the terminal and for a page.

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{CellAlignment, ContentArrangement};

/// Rows of text under a heading. The first column says what a row is of.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Table {
    /// What it is about, and in what unit.
    pub title: String,
    /// The names of the columns.
    pub head: Vec<String>,
    /// The rows, each with as many fields.
    pub rows: Vec<Vec<String>>,
    /// Whether its fields, but for the first column, are words and not numbers.
    pub words: bool,
}

impl Table {
    /// A table without rows.
    pub fn new(title: impl Into<String>, head: Vec<String>) -> Self {
        Self {
            title: title.into(),
            head,
            ..Self::default()
        }
    }

    /// The same with words in its fields.
    pub fn of_words(self) -> Self {
        Self {
            words: true,
            ..self
        }
    }

    /// For a terminal; nothing if there are no rows.
    pub fn terminal(&self) -> String {
        if self.rows.is_empty() {
            return String::new();
        }
        let mut table = comfy_table::Table::new();
        table
            .load_preset(UTF8_FULL_CONDENSED)
            .set_content_arrangement(ContentArrangement::Disabled)
            .set_header(&self.head)
            .add_rows(&self.rows);
        if !self.words {
            let columns = table.column_iter_mut().skip(1);
            columns.for_each(|column| column.set_cell_alignment(CellAlignment::Right));
        }
        format!("{}\n{table}\n", self.title)
    }

    /// For a page, in Markdown. `title`: whether its title is above it.
    pub fn markdown(&self, title: bool) -> String {
        let mut text = String::new();
        if title {
            text += &format!("{}:\n\n", self.title);
        }
        if self.rows.is_empty() {
            return text + "*Not measured.*\n";
        }
        let line = |fields: &[String]| format!("| {} |\n", fields.join(" | "));
        text += &line(&self.head);
        text += "| --- |";
        let rule = if self.words { " --- |" } else { " ---: |" };
        text += &rule.repeat(self.head.len().saturating_sub(1));
        text.push('\n');
        for row in &self.rows {
            text += &line(row);
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Table {
        let mut table = Table::new("Costs, in bytes", vec!["who".into(), "64".into()]);
        table.rows.push(vec!["groups".into(), "1".into()]);
        table.rows.push(vec!["pipe".into(), "22".into()]);
        table
    }

    #[test]
    fn markdown_has_a_line_for_each_row() {
        let wanted = "| who | 64 |\n| --- | ---: |\n| groups | 1 |\n| pipe | 22 |\n";
        assert_eq!(table().markdown(false), wanted);
        assert_eq!(
            table().markdown(true),
            format!("Costs, in bytes:\n\n{wanted}")
        );
    }

    #[test]
    fn table_without_rows_says_so_on_a_page_and_nothing_on_the_terminal() {
        let empty = Table {
            rows: Vec::new(),
            ..table()
        };
        assert_eq!(empty.markdown(false), "*Not measured.*\n");
        assert_eq!(empty.terminal(), "");
    }

    #[test]
    fn terminal_has_everything() {
        let text = table().terminal();
        for part in ["Costs, in bytes", "who", "groups", "22"] {
            assert!(text.contains(part), "{part} in\n{text}");
        }
    }
}
