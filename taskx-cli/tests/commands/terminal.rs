//! The command under a terminal: drawn tables, questions, the live view.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    process::{Child, Command},
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
use rustix::{
    process::{Pid, Signal, kill_process},
    pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    termios::{Winsize, tcsetwinsize},
};
use taskx_core::job::{JobId, JobState};

use crate::bench::{Bench, job};

const ROWS: u16 = 40;
const COLUMNS: u16 = 150;

/// How long anything may take to appear.
const PATIENCE: Duration = Duration::from_secs(60);

/// A terminal with the command in it.
struct Terminal {
    child: Child,
    keyboard: File,
    screen: Arc<Screen>,
}

#[derive(Default)]
struct Screen {
    shown: Mutex<Shown>,
    changed: Condvar,
}

/// What a terminal shows, and all that it was sent.
struct Shown {
    parser: vt100::Parser,
    raw: Vec<u8>,
    is_over: bool,
}

impl Default for Shown {
    fn default() -> Self {
        Self { parser: vt100::Parser::new(ROWS, COLUMNS, 0), raw: Vec::new(), is_over: false }
    }
}

impl Terminal {
    /// Starts the command with this database and these words.
    fn start(bench: &Bench, line: &[&str], says: &[(&str, &str)]) -> Self {
        Self::wide(COLUMNS, bench, line, says)
    }

    /// The same, so many columns wide; none is what a terminal says that does not know.
    fn wide(columns: u16, bench: &Bench, line: &[&str], says: &[(&str, &str)]) -> Self {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let rows = if columns == 0 { 0 } else { ROWS };
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(&terminal, size).unwrap();
        let path = ptsname(&terminal, Vec::new()).unwrap().into_string().unwrap();
        let open = || OpenOptions::new().read(true).write(true).open(&path).unwrap();

        // As a shell does: a session of its own, whose terminal this is.
        let mut command = Command::new("setsid");
        command
            .args(["--ctty", env!("CARGO_BIN_EXE_taskx")])
            .args(line)
            .args(["--database-url", &bench.url])
            .current_dir(bench.folder.path())
            .env("TERM", "xterm")
            .env("USER", "ada")
            .env_remove("NO_COLOR")
            .envs(says.iter().copied())
            .stdin(open())
            .stdout(open())
            .stderr(open());
        let child = command.spawn().unwrap();
        // The other ends that this process holds are closed with the command.
        drop(command);

        let keyboard = File::from(terminal);
        let mut output = keyboard.try_clone().unwrap();
        let screen = Arc::new(Screen::default());
        let shown = Arc::clone(&screen);
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            // Reading fails when the last process has closed the terminal.
            while let Ok(count @ 1..) = output.read(&mut bytes) {
                let mut seen = shown.shown.lock().unwrap();
                seen.parser.process(&bytes[..count]);
                seen.raw.extend(&bytes[..count]);
                shown.changed.notify_all();
            }
            shown.shown.lock().unwrap().is_over = true;
            shown.changed.notify_all();
        });
        Self { child, keyboard, screen }
    }

    fn press(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    /// Waits until the screen fits; answers what it shows.
    fn wait_until(&self, what: &str, fits: impl Fn(&str) -> bool) -> String {
        let began = Instant::now();
        let mut shown = self.screen.shown.lock().unwrap();
        loop {
            let text = shown.parser.screen().contents();
            if fits(&text) {
                return text;
            }
            let left = PATIENCE.saturating_sub(began.elapsed());
            assert!(!left.is_zero() && !shown.is_over, "no {what}:\n{text}");
            shown = self.screen.changed.wait_timeout(shown, left).unwrap().0;
        }
    }

    fn wait_for(&self, words: &str) -> String {
        self.wait_until(words, |text| text.contains(words))
    }

    /// Waits for the end: the exit code and all that the terminal was sent.
    fn end(mut self) -> (i32, String) {
        let began = Instant::now();
        let mut shown = self.screen.shown.lock().unwrap();
        while !shown.is_over {
            let left = PATIENCE.saturating_sub(began.elapsed());
            assert!(!left.is_zero(), "it does not end:\n{}", shown.parser.screen().contents());
            shown = self.screen.changed.wait_timeout(shown, left).unwrap().0;
        }
        let raw = String::from_utf8_lossy(&shown.raw).into_owned();
        drop(shown);
        (self.child.wait().unwrap().code().unwrap_or(-1), raw)
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The line of the screen that has a word in it.
fn line<'t>(text: &'t str, word: &str) -> &'t str {
    text.lines().find(|line| line.contains(word)).unwrap_or_default()
}

#[test]
fn tables_are_drawn_and_bold_where_colour_is_wanted() {
    let bench = Bench::sqlite();
    bench.insert(&job());
    let (code, drawn) = Terminal::start(&bench, &["queues", "list"], &[]).end();
    assert_eq!(code, 0);
    assert!(drawn.contains('│') && drawn.contains("\u{1b}[1m"), "{drawn}");
    let (_, plain) = Terminal::start(&bench, &["queues", "list"], &[("NO_COLOR", "1")]).end();
    assert!(plain.contains('│') && !plain.contains('\u{1b}'), "{plain}");
    // Where no width is told, a drawn cell would have a letter a line.
    let (_, plain) = Terminal::wide(0, &bench, &["queues", "list"], &[]).end();
    assert!(plain.contains("QUEUE  WAITING") && !plain.contains('│'), "{plain}");
    let (_, json) = Terminal::start(&bench, &["queues", "list", "--json"], &[]).end();
    assert!(json.starts_with('[') && !json.contains('\u{1b}'), "{json}");
    // What goes wrong is drawn too, with its mend.
    let (code, told) = Terminal::start(&bench, &["jobs", "retry"], &[]).end();
    assert!(code == 2 && told.contains("which jobs?") && told.contains("help"), "{told}");
}

#[test]
fn destructive_commands_ask() {
    let bench = Bench::sqlite();
    let ids = [bench.insert(&job()), bench.insert(&job())];
    for answer in ["n\n", "\n", "yes please\n"] {
        let mut terminal = Terminal::start(&bench, &["jobs", "delete", "--all"], &[]);
        terminal.wait_for("delete 2 jobs? [y/N]");
        terminal.press(answer);
        terminal.wait_for("nothing was changed");
        assert_eq!(terminal.end().0, 1, "{answer:?}");
        bench.find(ids[0]);
    }
    let mut terminal = Terminal::start(&bench, &["jobs", "delete", "--all"], &[]);
    terminal.wait_for("delete 2 jobs? [y/N]");
    terminal.press("y\n");
    terminal.wait_for("delete: 2 of 2 jobs changed");
    assert_eq!(terminal.end().0, 0);
    assert_eq!(bench.wait(bench.store.find(ids[1])).unwrap(), None);

    let mut terminal = Terminal::start(&bench, &["migrate", "down"], &[]);
    terminal.wait_for("Undo 0001_initial, with all that the tables hold? [y/N]");
    terminal.press("n\n");
    assert_eq!(terminal.end().0, 1);
    bench.wait(bench.store.check_schema()).unwrap();
    let mut terminal = Terminal::start(&bench, &["migrate", "down"], &[]);
    terminal.wait_for("[y/N]");
    terminal.press("y\n");
    terminal.wait_for("undid 0001_initial");
    assert_eq!(terminal.end().0, 0);
    // Nothing is left to ask about.
    let (code, told) = Terminal::start(&bench, &["migrate", "down"], &[]).end();
    assert!(code == 0 && told.contains("there was nothing to undo"), "{told}");
}

/// MySQL has a migration for each table.
#[test]
fn the_question_names_every_migration_that_is_undone() {
    let Some(bench) = Bench::mysql("the_question_names_every_migration_that_is_undone") else {
        return;
    };
    let mut terminal = Terminal::start(&bench, &["migrate", "down", "--all"], &[]);
    let asked = terminal.wait_for("[y/N]");
    assert!(asked.contains("0011_generation") && asked.contains("0001_jobs"), "{asked}");
    terminal.press("n\n");
    assert_eq!(terminal.end().0, 1);
    let mut terminal = Terminal::start(&bench, &["migrate", "down"], &[]);
    let asked = terminal.wait_for("[y/N]");
    assert!(asked.contains("0011_generation") && !asked.contains("0001_jobs"), "{asked}");
    terminal.press("n\n");
    assert_eq!(terminal.end().0, 1);
}

#[test]
fn long_work_shows_how_far_it_is() {
    let bench = Bench::sqlite();
    let jobs: Vec<_> = (0..2_500).map(|_| job()).collect();
    bench.wait(bench.store.insert(&jobs)).unwrap();
    let line = ["jobs", "discard", "--all", "--yes"];
    let (code, raw) = Terminal::start(&bench, &line, &[]).end();
    assert_eq!(code, 0, "{raw}");
    assert!(raw.contains("/2,500") && raw.contains("2500 of 2500 jobs changed"), "{raw}");
    let (_, raw) = Terminal::start(&bench, &["prune"], &[]).end();
    assert!(raw.contains("pruned"), "{raw}");
    let (_, raw) = Terminal::start(&bench, &["migrate", "down", "--yes"], &[]).end();
    assert!(raw.contains("migrating") && raw.contains("undid 0001_initial"), "{raw}");
    let (_, raw) = Terminal::start(&bench, &["migrate"], &[]).end();
    assert!(raw.contains("migrating") && raw.contains("applied 0001_initial"), "{raw}");
}

#[test]
fn an_interrupt_at_a_question_changes_nothing() {
    let bench = Bench::sqlite();
    let id = bench.insert(&job());
    let mut terminal = Terminal::start(&bench, &["jobs", "delete", "--all"], &[]);
    terminal.wait_for("[y/N]");
    terminal.press("\u{3}");
    assert_ne!(terminal.end().0, 0);
    bench.find(id);
}

#[test]
fn the_live_view_shows_and_changes() {
    let bench = Bench::sqlite();
    let dead = bench.dead();
    let running = bench.running().id;
    let mut waiting: Vec<JobId> = (0..3).map(|_| bench.insert(&job())).collect();
    waiting.retain(|id| bench.find(*id).state == JobState::Available);
    let mut top = Terminal::start(&bench, &["top", "--every", "50ms"], &[]);

    // Queues with their depth, and what runs.
    let text = top.wait_for(&running.to_string());
    let queue: Vec<_> = line(&text, "mail ").split_whitespace().collect();
    let cells = ["mail", "3", "0s", "1", "0", "0", "1"];
    assert!(
        queue.windows(7).any(|seven| seven[0].ends_with(cells[0])
            && seven[1] == "3"
            && seven[3] == "1"
            && seven[6] == "1"),
        "{text}"
    );
    assert!(text.contains("2 workers") && text.contains("jobs: running"), "{text}");

    // p pauses the queue, and resumes it.
    top.press("p");
    top.wait_for("paused by cli:ada");
    assert!(bench.wait(bench.store.queues()).unwrap()[0].paused_at.is_some());
    top.press("p");
    top.wait_until("active queue", |text| line(text, "mail ").contains("active"));

    // s lists other states, Tab and j move, c cancels after a yes.
    top.press("s");
    let text = top.wait_for("jobs: waiting");
    assert!(!text.contains(&running.to_string()), "{text}");
    top.press("\tj");
    top.press("c");
    let asked = top.wait_for("y/n");
    let chosen = *waiting.iter().find(|id| line(&asked, "y/n").contains(&id.to_string())).unwrap();
    // Newest first, and one step down: the second of three.
    assert_eq!(chosen, waiting[1]);
    top.press("n");
    top.wait_for("Tab table");
    assert_eq!(bench.find(chosen).state, JobState::Available);
    top.press("cy");
    top.wait_for("is cancelled");
    assert_eq!(bench.find(chosen).state, JobState::Cancelled);

    // r brings a dead one back.
    top.press("sss");
    top.wait_until("dead job", |text| {
        text.contains("jobs: dead") && text.contains(&dead.to_string())
    });
    top.press("r");
    top.wait_for("is available again");
    assert_eq!(bench.find(dead).state, JobState::Available);

    top.press("q");
    let (code, raw) = top.end();
    assert_eq!(code, 0);
    // The screen that was there before is given back.
    assert!(
        raw.trim_end().ends_with('h') && raw.contains("\u{1b}[?1049l"),
        "{:?}",
        &raw[raw.len() - 40..]
    );
}

#[test]
fn the_live_view_bears_a_database_that_goes_away() {
    let bench = Bench::sqlite();
    bench.insert(&job());
    let mut top = Terminal::start(&bench, &["top", "--every", "50ms"], &[]);
    top.wait_for("mail");
    bench.wait(async { while bench.store.revert().await.unwrap().is_some() {} });
    top.wait_for("taskx migrate");
    bench.wait(bench.store.migrate()).unwrap();
    bench.insert(&taskx_core::job::NewJob { queue: "reports".into(), ..job() });
    top.wait_for("reports");
    top.press("\u{3}");
    assert_eq!(top.end().0, 0);
}

/// What is sent to a terminal at the end: the screen that was there before.
const GIVEN_BACK: &str = "\u{1b}[?1049l";

#[test]
fn the_live_view_ends_at_a_key_though_the_database_hangs() {
    let Some(bench) = Bench::postgres("the_live_view_ends_at_a_key_though_the_database_hangs")
    else {
        return;
    };
    bench.insert(&job());
    for key in ["q", "\u{3}"] {
        let mut top = Terminal::start(&bench, &["top", "--every", "50ms"], &[]);
        top.wait_for("mail");
        // No reader gets by this lock.
        let mut conn = bench.wait(AsyncPgConnection::establish(&bench.url)).unwrap();
        let lock = "BEGIN; LOCK TABLE taskx_jobs IN ACCESS EXCLUSIVE MODE";
        bench.wait(conn.batch_execute(lock)).unwrap();
        thread::sleep(Duration::from_millis(500));
        let began = Instant::now();
        top.press(key);
        let (code, raw) = top.end();
        assert!(code == 0 && raw.contains(GIVEN_BACK), "{code}: {raw}");
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
        bench.wait(conn.batch_execute("ROLLBACK")).unwrap();
    }
}

#[test]
fn a_signal_gives_the_terminal_back() {
    let bench = Bench::sqlite();
    let top = Terminal::start(&bench, &["top", "--every", "50ms"], &[]);
    let text = top.wait_for("done/s");
    assert!(text.contains("  0.0 done/s"), "{text}");
    let pid = Pid::from_raw(i32::try_from(top.child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::TERM).unwrap();
    let (code, raw) = top.end();
    assert!(code == 0 && raw.contains(GIVEN_BACK), "{code}: {raw}");
}
