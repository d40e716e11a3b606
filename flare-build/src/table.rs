//! Tables, for the terminal and for Markdown.

/// The format of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Text,
    Markdown,
}

/// A table whose first column is text; the other columns are numbers, except for those in `left`.
#[derive(Debug, Clone, Default)]
pub struct Table {
    headers: Vec<String>,
    left: Vec<usize>,
    rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(headers: &[&str]) -> Self {
        Self {
            headers: headers.iter().map(ToString::to_string).collect(),
            left: vec![0],
            rows: Vec::new(),
        }
    }

    /// Aligns a column to the left.
    pub fn left(mut self, column: usize) -> Self {
        self.left.push(column);
        self
    }

    pub fn row(&mut self, cells: Vec<String>) {
        debug_assert_eq!(cells.len(), self.headers.len());
        self.rows.push(cells);
    }

    pub fn render(&self, format: Format) -> String {
        match format {
            Format::Text => self.text(),
            Format::Markdown => self.markdown(),
        }
    }

    fn text(&self) -> String {
        let lines = || std::iter::once(&self.headers).chain(&self.rows);
        let widths: Vec<usize> = (0..self.headers.len())
            .map(|column| {
                lines()
                    .map(|line| line[column].chars().count())
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let mut out = String::new();
        for line in lines() {
            let mut text = String::new();
            for (column, (cell, width)) in line.iter().zip(&widths).enumerate() {
                let pad = " ".repeat(width - cell.chars().count());
                let gap = if column == 0 { "" } else { "  " };
                let cell = if self.left.contains(&column) {
                    format!("{gap}{cell}{pad}")
                } else {
                    format!("{gap}{pad}{cell}")
                };
                text.push_str(&cell);
            }
            out.push_str(text.trim_end());
            out.push('\n');
        }
        out
    }

    fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let escape = |cells: &[String]| -> Vec<String> {
            cells.iter().map(|c| c.replace('|', "\\|")).collect()
        };
        let rule: Vec<String> = (0..self.headers.len())
            .map(|column| {
                if self.left.contains(&column) {
                    "---"
                } else {
                    "--:"
                }
                .to_string()
            })
            .collect();
        let mut out = line(&escape(&self.headers));
        out.push_str(&line(&rule));
        for row in &self.rows {
            out.push_str(&line(&escape(row)));
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_columns_line_up() {
        let mut table = Table::new(&["flare", "raw"]);
        table.row(vec!["hello".into(), "350".into()]);
        table.row(vec!["spark-counter".into(), "1,000".into()]);
        assert_eq!(
            table.render(Format::Text),
            "flare            raw\nhello            350\nspark-counter  1,000\n"
        );
    }

    #[test]
    fn markdown_is_a_table_with_numbers_on_the_right() {
        let mut table = Table::new(&["name", "raw", "why"]).left(2);
        table.row(vec!["a|b".into(), "1".into(), "x".into()]);
        assert_eq!(
            table.render(Format::Markdown),
            "| name | raw | why |\n| --- | --: | --- |\n| a\\|b | 1 | x |\n"
        );
    }
}
