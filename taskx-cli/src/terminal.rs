//! What a person at a terminal gets beyond plain text: drawn tables, questions, progress.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    time::Duration,
};

use comfy_table::{
    Attribute, Cell, ContentArrangement, Table as Drawn, presets::UTF8_FULL_CONDENSED,
};
use indicatif::{ProgressBar, ProgressFinish, ProgressStyle};
use taskx_commands::{Exit, Failure, Output, Table};

/// How often a sign of life moves.
const TICK: Duration = Duration::from_millis(100);

/// The standard output: drawn tables on a terminal, columns of plain text elsewhere.
pub(crate) fn output(json: bool) -> Output {
    let out = Output::stdout(json);
    if io::stdout().is_terminal() { out.with_tables(draw) } else { out }
}

/// A table as wide as the terminal; columns of plain text where that has no width to tell (in
/// containers, under some tools), since a cell would have one letter a line.
fn draw(table: &Table) -> String {
    let mut drawn = Drawn::new();
    if drawn.width().is_none_or(|width| width == 0) {
        return table.to_string();
    }
    drawn.load_style(UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic);
    let is_bold = has_colour();
    drawn.set_header(table.columns.iter().map(|name| {
        let cell = Cell::new(name);
        if is_bold { cell.add_attribute(Attribute::Bold) } else { cell }
    }));
    drawn.add_rows(&table.rows);
    drawn.to_string()
}

/// Whether colours are wanted: by <https://no-color.org>, `NO_COLOR` says no.
pub(crate) fn has_colour() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// Whether a person is there to answer.
pub(crate) fn can_ask() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Asks for a yes.
///
/// # Errors
/// Anything but a yes; a usage error where nobody is there to answer.
pub(crate) fn consent(question: &str) -> Result<(), Failure> {
    if !can_ask() {
        return Err(Failure::usage(format!("{question} Nobody is here to answer"))
            .mend("add --yes if that is what you want"));
    }
    let mut stderr = io::stderr();
    write!(stderr, "{question} [y/N] ")?;
    stderr.flush()?;
    let mut answer = String::new();
    io::stdin().lock().read_line(&mut answer)?;
    if matches!(answer.trim().to_lowercase().as_str(), "y" | "yes") {
        return Ok(());
    }
    writeln!(stderr, "nothing was changed")?;
    Err(Failure::silent(Exit::Failed))
}

/// A bar for work of so many steps; shown only on a terminal.
pub(crate) fn progress(doing: &'static str, steps: usize) -> ProgressBar {
    let bar = ProgressBar::new(u64::try_from(steps).unwrap_or(u64::MAX)).with_message(doing);
    let style =
        ProgressStyle::with_template("{msg} {bar:30} {human_pos}/{human_len} {per_sec} {eta}");
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// A sign of life for work of unknown length; shown only on a terminal.
pub(crate) fn spinner(doing: &'static str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_message(doing);
    match ProgressStyle::with_template("{spinner} {msg} {human_pos}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// A sign of life for work that counts nothing: how long it takes; shown only on a terminal, and
/// gone when it is dropped.
pub(crate) fn busy(doing: &'static str) -> ProgressBar {
    let bar = ProgressBar::new_spinner().with_message(doing).with_finish(ProgressFinish::AndClear);
    let bar = match ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    };
    bar.enable_steady_tick(TICK);
    bar
}
