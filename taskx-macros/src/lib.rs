//! The attribute macros of taskx. Use them through the crate `taskx`.
//!
//! The examples here are not compiled in this crate, which cannot depend on `taskx`; the same code
//! is compiled and run by the tests of the workspace.

mod attribute;
mod durations;
mod expand;
mod main_fn;
mod mistakes;
mod model;
mod options;
mod parameter;
mod parse;
mod rows;
mod schedule;
mod signature;
mod trigger;
mod words;

use proc_macro::TokenStream;

use crate::attribute::Attribute;

/// Makes a task of a function: something that can be enqueued, and run later by a worker.
///
/// ```ignore
/// use taskx::prelude::*;
/// # pub struct Mailer;
/// # impl Mailer {
/// #     async fn send(&self, _: &str, _: &str) -> std::io::Result<usize> { Ok(1) }
/// # }
///
/// /// Sends one mail.
/// #[task(queue = "mail", max_attempts = 5, backoff = "2s..1h", timeout = "30s")]
/// async fn email_task(to: String, subject: &str, mailer: &Mailer, ctx: &Ctx) -> std::io::Result<usize> {
///     ctx.log("sending");
///     mailer.send(&to, subject).await
/// }
///
/// # async fn run() -> Result {
/// EmailTask::apply("ada@example.com", "Hello").await?;
/// # Ok(())
/// # }
/// ```
///
/// # The function
///
/// It stays as it is and may be called as before. An `async fn` runs on the runtime of the worker,
/// a plain `fn` on the blocking pool. What it takes by value is stored, what it takes by reference
/// is lent:
///
/// | parameter | what it gets |
/// |---|---|
/// | `to: String`, `order: Order` | an argument, stored as JSON under the parameter's name; its type implements serde's `Serialize` and `Deserialize` |
/// | `subject: &str` | an argument too, stored as a `String` |
/// | `ctx: &Ctx` | the context: job, attempt, cancellation, progress |
/// | `mailer: &Mailer`, `greeter: &dyn Greet` | a state of the App, given by `.state(..)` or `.state_arc(..)` |
/// | `connection: &mut SqliteConnection` | a transaction on the queue's own database, which also completes the job; at most one |
///
/// `#[arg(default)]` before an argument lets older jobs lack it: they get the type's `Default`, or
/// the value of `#[arg(default = ..)]`. An `Option` that is missing is `None` in any case.
///
/// It returns `()` or `Result<T, E>`: `T` is stored as JSON, `E` is any error (`anyhow::Error` and
/// `Box<dyn Error + Send + Sync>` too). An error or a panic is a failed attempt.
///
/// # The applier
///
/// For `fn email_task` the macro adds a struct `EmailTask`, as visible as the function and with its
/// doc comment. The stored arguments are its fields; its `Debug` shows none of them.
///
/// | item | |
/// |---|---|
/// | `EmailTask::apply(to, subject)` | a job to be, an `Apply<EmailTask>`; takes any `impl Into<String>` for `String` and `&str` |
/// | `EmailTask { to, subject }.enqueue()` | the same with named arguments |
/// | `EmailTask::NAME` | the name that is stored with each job |
///
/// # Options
///
/// | option | meaning | default |
/// |---|---|---|
/// | `name = "send-mail"` | the name that is stored with each job, 1 to 190 characters | the function's name |
/// | `alias = "mail"` | a former name, whose jobs run too; may be repeated, or `alias("a", "b")` | none |
/// | `app = "billing"` | the App that it belongs to | the unnamed one |
/// | `queue = "mail"` | the queue of its jobs | `default` |
/// | `priority = -5` | lower runs first within the queue; -32768 to 32767 | 0 |
/// | `max_attempts = 5` | attempts until a job is discarded, the first included; 1 to 65535 | 25 |
/// | `backoff = "2s..1h"` | the delays between attempts: doubling; `"linear 10s..1h"`; `"30s"`, always the same; or the path of a `fn(u32) -> Duration` | doubling, over about three weeks |
/// | `timeout = "30s"` | how long an attempt may take | as long as it likes |
/// | `settle = "each"` | write each outcome by itself (`"batch"`: together with others) | `"batch"` |
/// | `retention = "7d"` | how long finished jobs are kept; `"none"` not at all | as the App says |
/// | `applier = "ReportTask"` | the struct's name | the function's in UpperCamel |
/// | `crate = "my_crate::taskx"` | where taskx is found, if not at `::taskx` | `::taskx` |
///
/// # Mistakes
///
/// All mistakes of a declaration are told at once, each at its place and with what to write:
///
/// ```ignore
/// use taskx::prelude::*;
///
/// #[task(queu = "mail")] // unknown option `queu`; did you mean `queue`?
/// fn report(ctx: Ctx) {} // the context is lent for the run: write `ctx: &Ctx`
/// ```
#[proc_macro_attribute]
pub fn task(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Attribute::Task, options.into(), &item.into()).into()
}

/// Makes a task of a function and fires it whenever the wall clock matches.
///
/// ```ignore
/// use taskx::prelude::*;
///
/// #[cron_task(month = "6-8,11-12", day = "3rd fri", hour = "0-3", timezone = "Europe/Paris")]
/// async fn newsletter() {}
///
/// #[cron_task("*/5 * * * *", queue = "upkeep")]
/// fn sweep() {}
///
/// #[cron_task(hour = 6, day_of_week = "mon-fri", schedule = "weekdays", args("news"))]
/// #[cron_task(hour = 9, day_of_week = "sat,sun", schedule = "weekend", args("sports"))]
/// async fn digest(topic: String) {}
///
/// # async fn run() -> Result {
/// Newsletter::apply().await?; // it can be applied by hand too
/// # Ok(())
/// # }
/// ```
///
/// Each fire time is one job, however many workers there are.
///
/// # When
///
/// Fields, as whole numbers or texts; **all** of them must match:
///
/// | field | takes | also |
/// |---|---|---|
/// | `year` | 1970 to 9999 | |
/// | `month` | 1 to 12 | `jan` to `dec` |
/// | `day` | 1 to 31 | `3rd fri`, `last fri`, `last` |
/// | `week` | 1 to 53, of ISO 8601 | |
/// | `day_of_week` | 0, Monday, to 6, Sunday | `mon` to `sun` |
/// | `hour` | 0 to 23 | |
/// | `minute`, `second` | 0 to 59 | |
///
/// A text is a list of `*`, `5`, `5-9`, `*/3`, `5-20/3`. Fields that are left out are `*` if a
/// less significant one is given, otherwise their lowest value: `hour = 9` is nine o'clock sharp.
///
/// Or crontab text of 5 parts (minute, hour, day, month, weekday), 6 (a second before them) or 7
/// (a year behind them). Weekdays of 6 or 7 parts must be names, and 5 parts must not restrict
/// both the day and the weekday, since crons differ in what those mean.
///
/// | option | meaning | default |
/// |---|---|---|
/// | `timezone = "Europe/Paris"` | the IANA zone whose wall clock counts | UTC |
/// | `start_date = "2030-01-31"` | no fire time before it; also `"2030-01-31 09:00:00"`, with an offset if wanted | none |
/// | `end_date = "2030-12-31"` | no fire time after it | none |
/// | `dst = "wall_clock"` | times that the clock skips are lost and those it repeats fire twice; `"rfc"`: each fires once | `"rfc"` |
///
/// # How
///
/// | option | meaning | default |
/// |---|---|---|
/// | `args("news", 3)` | the arguments of its jobs, in the order of the function | those with a default |
/// | `misfire = "all"` | of the times missed during a stop all are fired, or `"all(50)"` the newest 50; `"latest"` one; `"skip"` none | `"latest"` |
/// | `misfire_grace = "1h"` | how late a missed time may be fired; a number is seconds | 1 hour |
/// | `overlap = "allow"` | fire also while a job of an earlier time is live; `"skip"`: pass it over | `"skip"` |
/// | `jitter = "30s"` | start each job up to so much later, at random; a number is seconds | none |
/// | `schedule = "nightly"` | the name of the schedule; needed if there are several on one function | the task's name |
///
/// And every option of [`macro@task`].
#[proc_macro_attribute]
pub fn cron_task(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Attribute::Cron, options.into(), &item.into()).into()
}

/// Makes a task of a function and fires it once, at a date.
///
/// ```ignore
/// use taskx::prelude::*;
///
/// #[date_task(run_date = "2009-11-06 16:30:05", timezone = "America/New_York", args("ada@example.com"))]
/// async fn greet(email: String) {}
/// ```
///
/// Once means once ever: over restarts and any number of workers. A date that is past already
/// follows `misfire`: it is fired if it is within `misfire_grace`, else recorded as missed.
///
/// | option | meaning | default |
/// |---|---|---|
/// | `run_date = "2030-01-31"` | midnight of a day; also `"2030-01-31 09:00:00"`, with a `T` between, a fraction, an offset (`Z`, `+02:00`) | when it is first seen |
/// | `timezone = "Europe/Paris"` | the IANA zone of a date without an offset | UTC |
/// | `misfire_grace = "1h"` | how late it may be fired; a number is seconds | 24 hours |
///
/// `args(..)`, `misfire`, `overlap`, `jitter` and `schedule` are as for [`macro@cron_task`]; and
/// every option of [`macro@task`].
#[proc_macro_attribute]
pub fn date_task(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Attribute::Date, options.into(), &item.into()).into()
}

/// Makes a task of a function and fires it again and again, the same time apart.
///
/// ```ignore
/// use taskx::prelude::*;
///
/// #[interval_task(hours = 1, minutes = 30)]
/// async fn heartbeat() {}
/// ```
///
/// | option | meaning | default |
/// |---|---|---|
/// | `weeks`, `days`, `hours`, `minutes`, `seconds` | whole numbers, which add up; a day is 24 hours | at least one is needed |
/// | `start_date = "2030-01-31 09:00:00"` | the first fire time | one interval after it is first seen |
/// | `end_date = "2030-12-31"` | no fire time after it | none |
/// | `timezone = "Europe/Paris"` | the IANA zone of dates without an offset | UTC |
///
/// `args(..)`, `misfire`, `misfire_grace`, `overlap`, `jitter` and `schedule` are as for
/// [`macro@cron_task`]; and every option of [`macro@task`].
#[proc_macro_attribute]
pub fn interval_task(options: TokenStream, item: TokenStream) -> TokenStream {
    expand::attribute(Attribute::Interval, options.into(), &item.into()).into()
}

/// Makes an async `main` the start of an application: `.env` is read, a tokio runtime started, the
/// App set up, the body run; then live workers are stopped gracefully.
///
/// `setup = function` names an `async fn(AppBuilder) -> Result<App>`; without it the App comes from
/// the environment and `taskx.toml` alone. The function takes the `App` or nothing, and returns
/// `()` or a `Result`; an error is printed with its causes, and the exit code is 1.
#[proc_macro_attribute]
pub fn main(options: TokenStream, item: TokenStream) -> TokenStream {
    main_fn::expand(options.into(), &item.into()).into()
}
