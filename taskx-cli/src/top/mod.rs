//! `taskx top`: a live view of queues and jobs, with keys to pause, retry and cancel.
//!
//! `screen` is what is known and chosen, `keys` what a key does to it, `view` how it is drawn.

mod keys;
mod screen;
mod view;

use std::{
    io::{self, IsTerminal},
    thread,
    time::{Duration, Instant},
};

use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyEventKind},
};
use taskx_commands::Failure;
use taskx_core::app::App;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

use self::screen::Screen;

/// How often to look.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  taskx top
  taskx top --every 500ms

Keys: Tab other table, arrows or j/k move, s other states, p pause or resume the queue,
r retry the job, c cancel it, q quit.")]
pub(crate) struct Args {
    /// How often the database is asked; more rarely where it takes its time to answer
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = humantime::parse_duration)]
    every: Duration,
}

/// The part of the time that may be spent asking: one look takes a tenth of it at most.
const SHARE: u32 = 10;

/// That there is somebody to see it and to press keys.
///
/// # Errors
/// `Usage` without a terminal.
pub(crate) fn needs_a_terminal() -> Result<(), Failure> {
    if io::stdout().is_terminal() && io::stdin().is_terminal() {
        return Ok(());
    }
    Err(Failure::usage("`taskx top` needs a terminal")
        .mend("`taskx status --json` is for everything else"))
}

/// Shows the view until somebody quits.
///
/// # Errors
/// If the terminal fails.
pub(crate) async fn top(args: &Args, app: &App) -> Result<(), Failure> {
    let mut terminal = ratatui::try_init()?;
    let result = show(&mut terminal, args, app).await;
    ratatui::restore();
    result
}

async fn show(terminal: &mut DefaultTerminal, args: &Args, app: &App) -> Result<(), Failure> {
    let mut events = events();
    let mut screen = Screen::new(app);
    let mut next = Instant::now();
    loop {
        if next <= Instant::now() {
            let began = Instant::now();
            screen.look(app).await;
            next = Instant::now() + args.every.max(began.elapsed() * SHARE);
        }
        terminal.draw(|frame| view::draw(frame, &screen))?;
        let event = tokio::time::timeout_at(next.into(), events.recv()).await;
        match event {
            Ok(Some(Event::Key(key))) if key.kind == KeyEventKind::Press => {
                let Some(action) = screen.press(key) else { return Ok(()) };
                if screen.act(action, app).await {
                    next = Instant::now();
                }
            }
            // A resize is drawn; a time-out is a look.
            Ok(Some(_)) | Err(_) => {}
            Ok(None) => return Ok(()),
        }
    }
}

/// Keys and resizes, from a thread that may wait for them. It ends with the process.
fn events() -> UnboundedReceiver<Event> {
    let (sender, events) = unbounded_channel();
    thread::spawn(move || {
        while let Ok(event) = event::read() {
            if sender.send(event).is_err() {
                break;
            }
        }
    });
    events
}
