//! `taskx migrate`: the schema of taskx's own tables.

use clap::Subcommand;
use serde_json::json;
use taskx_core::{
    app::{App, Opening},
    store::MigrationInfo,
};

use crate::{
    failure::Failure,
    output::{Output, Table},
    span::time,
};

/// What to do to the schema. Without a verb: `up`.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  taskx migrate                  bring the tables up to date
  taskx migrate up --dry-run     show what would be done
  taskx migrate status
  taskx migrate sql > taskx.sql  for those who run SQL themselves
  taskx migrate down --yes       undo the newest migration: what its tables hold is lost")]
pub struct Args {
    #[command(subcommand)]
    verb: Option<Verb>,
    /// Show what would be done, and do nothing
    #[arg(long, global = true)]
    dry_run: bool,
}

#[derive(Debug, Subcommand)]
enum Verb {
    /// Bring the tables up to date, under a lock; nothing is done where they are
    Up,
    /// Undo the newest migration; what its tables hold is lost
    Down {
        /// Undo all of them
        #[arg(long)]
        all: bool,
        /// Do it
        #[arg(long)]
        yes: bool,
    },
    /// Show which migrations were applied
    Status,
    /// Print the SQL of the migrations
    Sql {
        /// Only of those that were not applied
        #[arg(long)]
        pending: bool,
        /// The SQL that undoes them, newest first
        #[arg(long)]
        down: bool,
    },
}

impl Args {
    /// What opening the database may do to it: only `up` may make a missing file.
    #[must_use]
    pub fn opening(&self) -> Opening {
        match self.verb {
            None | Some(Verb::Up) if !self.dry_run => Opening::Untouched,
            _ => Opening::Existing,
        }
    }

    /// The names of the migrations that it would undo for want of a `--yes`, newest first; none if
    /// it undoes nothing or was consented to.
    ///
    /// # Errors
    /// If the database does not answer.
    pub async fn to_consent(&self, app: &App) -> Result<Vec<String>, Failure> {
        match self.verb {
            Some(Verb::Down { all, yes: false }) if !self.dry_run => {
                let names = applied(app, all).await?.into_iter().map(|migration| migration.name);
                Ok(names.collect())
            }
            _ => Ok(Vec::new()),
        }
    }

    /// The same, with the consent that `--yes` gives.
    #[must_use]
    pub fn consented(mut self) -> Self {
        if let Some(Verb::Down { yes, .. }) = &mut self.verb {
            *yes = true;
        }
        self
    }
}

/// Does what was asked to the schema. `working` is called when that may take long; what it answers
/// is dropped when the work is over.
///
/// # Errors
/// A database that does not answer or belongs to a newer taskx; `down` without `--yes`.
pub async fn migrate<W>(
    args: &Args,
    app: &App,
    out: &mut Output,
    working: impl FnOnce() -> W,
) -> Result<(), Failure> {
    match &args.verb {
        None | Some(Verb::Up) => up(args, app, out, working).await,
        Some(Verb::Down { all, yes }) => {
            let applied = applied(app, *all).await?;
            down(args, app, applied, *yes, out, working).await
        }
        Some(Verb::Status) => status(app, out).await,
        Some(Verb::Sql { pending, down }) => {
            let mut migrations = app.migrations().await?;
            migrations.retain(|migration| !*pending || migration.applied_at.is_none());
            if *down {
                migrations.reverse();
            }
            sql(&migrations, *down, out)
        }
    }
}

async fn up<W>(
    args: &Args,
    app: &App,
    out: &mut Output,
    working: impl FnOnce() -> W,
) -> Result<(), Failure> {
    let mut pending = app.migrations().await?;
    pending.retain(|migration| migration.applied_at.is_none());
    if !args.dry_run {
        let at_work = working();
        app.migrate().await?;
        drop(at_work);
    }
    let verb = if args.dry_run { "would apply" } else { "applied" };
    tell(&pending, verb, "the tables are up to date", out)
}

/// The migrations that were applied, newest first: all of them, or the newest alone.
async fn applied(app: &App, all: bool) -> Result<Vec<MigrationInfo>, Failure> {
    let mut applied = app.migrations().await?;
    applied.retain(|migration| migration.applied_at.is_some());
    applied.reverse();
    if !all {
        applied.truncate(1);
    }
    Ok(applied)
}

async fn down<W>(
    args: &Args,
    app: &App,
    applied: Vec<MigrationInfo>,
    yes: bool,
    out: &mut Output,
    working: impl FnOnce() -> W,
) -> Result<(), Failure> {
    if args.dry_run {
        return tell(&applied, "would undo", "there is nothing to undo", out);
    }
    if !yes && !applied.is_empty() {
        let names: Vec<_> = applied.iter().map(|migration| migration.name.as_str()).collect();
        return Err(Failure::usage(format!(
            "undoing {} takes tables away with all jobs in them",
            names.join(", ")
        ))
        .mend("add --yes if that is what you want"));
    }
    let at_work = working();
    for _ in &applied {
        app.revert_migration().await?;
    }
    drop(at_work);
    tell(&applied, "undid", "there was nothing to undo", out)
}

/// Shows the SQL that applies migrations, or undoes them.
fn sql(migrations: &[MigrationInfo], down: bool, out: &mut Output) -> Result<(), Failure> {
    let text = |migration: &MigrationInfo| {
        let sql = if down { &migration.down } else { &migration.up };
        sql.trim_end().to_owned()
    };
    if out.is_json() {
        let all: Vec<_> = migrations
            .iter()
            .map(|migration| json!({ "name": migration.name, "sql": text(migration) }))
            .collect();
        return out.json(&all);
    }
    migrations.iter().try_for_each(|one| out.line(format_args!("-- {}\n{}", one.name, text(one))))
}

fn tell(
    migrations: &[MigrationInfo],
    verb: &str,
    nothing: &str,
    out: &mut Output,
) -> Result<(), Failure> {
    if out.is_json() {
        let names: Vec<_> = migrations.iter().map(|migration| &migration.name).collect();
        return out.json(&json!({ "done": verb, "migrations": names }));
    }
    if migrations.is_empty() {
        return out.line(nothing);
    }
    migrations.iter().try_for_each(|migration| out.line(format_args!("{verb} {}", migration.name)))
}

async fn status(app: &App, out: &mut Output) -> Result<(), Failure> {
    let migrations = app.migrations().await?;
    if out.is_json() {
        let all: Vec<_> = migrations
            .iter()
            .map(|migration| json!({ "name": migration.name, "applied_at": migration.applied_at }))
            .collect();
        return out.json(&all);
    }
    let mut table = Table::new(&["migration", "applied"]);
    for migration in &migrations {
        let applied = migration.applied_at.map_or_else(|| "no".to_owned(), time);
        let foreign = if migration.up.is_empty() { " (by a newer taskx)" } else { "" };
        table.row([migration.name.clone(), format!("{applied}{foreign}")]);
    }
    out.table(&table)
}
