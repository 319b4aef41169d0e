//! `taskx top`: a live view of queues and jobs, with keys to pause, retry and cancel.
//!
//! `screen` is what is known and chosen, `keys` what a key does to it, `view` how it is drawn.

mod keys;
mod screen;
mod view;

use std::{
    collections::VecDeque,
    io::{self, IsTerminal},
    pin::pin,
    thread,
    time::{Duration, Instant},
};

use ratatui::{
    DefaultTerminal,
    crossterm::event::{self, Event, KeyEvent, KeyEventKind},
};
use taskx_commands::Failure;
use taskx_core::{app::App, signals::Signals};
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
    let mut people =
        People { events: events(), later: VecDeque::new(), signals: Signals::install()? };
    let mut screen = Screen::new(app);
    let mut next = Instant::now();
    loop {
        if next <= Instant::now() {
            let began = Instant::now();
            let asked = screen.asked.is_some();
            let Some(()) = people.unless_they_quit(asked, screen.look(app)).await else {
                return Ok(());
            };
            next = Instant::now() + args.every.max(began.elapsed() * SHARE);
        }
        terminal.draw(|frame| view::draw(frame, &screen))?;
        match tokio::time::timeout_at(next.into(), people.next()).await {
            Ok(Some(Event::Key(key))) if key.kind == KeyEventKind::Press => {
                let Some(action) = screen.press(key) else { return Ok(()) };
                match people.unless_they_quit(false, screen.act(action, app)).await {
                    Some(true) => next = Instant::now(),
                    Some(false) => {}
                    None => return Ok(()),
                }
            }
            // A resize is drawn; a time-out is a look.
            Ok(Some(_)) | Err(_) => {}
            Ok(None) => return Ok(()),
        }
    }
}

/// Who looks: their keys, and the signals that end a program.
struct People {
    events: UnboundedReceiver<Event>,
    /// What came while the database was asked, to be taken in afterwards.
    later: VecDeque<Event>,
    signals: Signals,
}

impl People {
    /// The next event; `None` means that they want to quit.
    async fn next(&mut self) -> Option<Event> {
        if let Some(event) = self.later.pop_front() {
            return Some(event);
        }
        tokio::select! {
            event = self.events.recv() => event,
            () = self.signals.next() => None,
        }
    }

    /// What `work` answers; `None` if they quit before it does. A database may take its time, or
    /// never answer, and nobody is kept waiting for it. Where a question is `asked`, a key is its
    /// answer, and only an interrupt quits.
    async fn unless_they_quit<T>(
        &mut self,
        asked: bool,
        work: impl Future<Output = T>,
    ) -> Option<T> {
        let mut work = pin!(work);
        loop {
            let event = tokio::select! {
                done = &mut work => return Some(done),
                event = self.events.recv() => event?,
                () = self.signals.next() => return None,
            };
            let quits = |key: &KeyEvent| {
                key.kind == KeyEventKind::Press
                    && (keys::is_interrupt(key) || (!asked && keys::is_quit(key)))
            };
            match event {
                Event::Key(key) if quits(&key) => return None,
                event => self.later.push_back(event),
            }
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
