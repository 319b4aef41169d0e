//! What a command shows: lines, tables, or JSON for machines.

use std::{
    fmt::{self, Display},
    io::{self, Write},
};

use serde::Serialize;

use crate::failure::Failure;

/// Where a command's answer goes, and in which form.
pub struct Output {
    json: bool,
    render: fn(&Table) -> String,
    out: Box<dyn Write + Send>,
}

impl Output {
    /// The standard output; tables are plain text in columns.
    #[must_use]
    pub fn stdout(json: bool) -> Self {
        Self::to(Box::new(io::stdout()), json)
    }

    /// Another place.
    #[must_use]
    pub fn to(out: Box<dyn Write + Send>, json: bool) -> Self {
        Self { json, render: Table::to_string, out }
    }

    /// The same with tables drawn by `render`.
    #[must_use]
    pub fn with_tables(mut self, render: fn(&Table) -> String) -> Self {
        self.render = render;
        self
    }

    /// Whether a machine reads: then one JSON value is written and nothing else.
    #[must_use]
    pub fn is_json(&self) -> bool {
        self.json
    }

    /// Writes a line.
    ///
    /// # Errors
    /// If nobody reads.
    pub fn line(&mut self, text: impl Display) -> Result<(), Failure> {
        Ok(writeln!(self.out, "{text}")?)
    }

    /// Writes a table.
    ///
    /// # Errors
    /// If nobody reads.
    pub fn table(&mut self, table: &Table) -> Result<(), Failure> {
        let text = (self.render)(table);
        self.line(text.trim_end_matches('\n'))
    }

    /// Writes a value as indented JSON.
    ///
    /// # Errors
    /// If nobody reads.
    pub fn json(&mut self, value: &impl Serialize) -> Result<(), Failure> {
        serde_json::to_writer_pretty(&mut self.out, value)?;
        Ok(writeln!(self.out)?)
    }
}

impl fmt::Debug for Output {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Output").field("json", &self.json).finish_non_exhaustive()
    }
}

/// Says something to the person at the terminal, beside the answer; nobody may be there.
pub fn say(text: impl Display) {
    let _ = writeln!(io::stderr(), "taskx: {text}");
}

/// Rows under a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// What the columns are called.
    pub columns: &'static [&'static str],
    /// A cell for each column.
    pub rows: Vec<Vec<String>>,
}

impl Table {
    /// A table without rows.
    #[must_use]
    pub const fn new(columns: &'static [&'static str]) -> Self {
        Self { columns, rows: Vec::new() }
    }

    /// Adds a row.
    pub fn row<C: Into<String>>(&mut self, cells: impl IntoIterator<Item = C>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }
}

impl Display for Table {
    /// Columns apart by two blanks, for eyes and for `awk` alike.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let header: Vec<String> = self.columns.iter().map(|name| name.to_uppercase()).collect();
        let lines: Vec<&Vec<String>> = std::iter::once(&header).chain(&self.rows).collect();
        let width = |column: usize| {
            let cells = lines.iter().filter_map(|line| line.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.columns.len()).map(width).collect();
        for line in lines {
            let mut text = String::new();
            for (cell, width) in line.iter().zip(&widths) {
                text.push_str(&format!("{cell:<width$}  "));
            }
            writeln!(f, "{}", text.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let mut table = Table::new(&["queue", "waiting"]);
        table.row(["mail", "3"]);
        table.row(["notifications", ""]);
        assert_eq!(table.to_string(), "QUEUE          WAITING\nmail           3\nnotifications\n");
    }
}
