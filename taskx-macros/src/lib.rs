//! The attribute macros of taskx. Use them through the crate `taskx`.
//!
//! The examples here are not compiled in this crate, which cannot depend on `taskx`; the same code
//! is compiled and run by the tests of the workspace.

mod durations;
mod expand;
mod main_fn;
mod mistakes;
mod model;
mod options;
mod parameter;
mod parse;
mod signature;
mod words;

use proc_macro::TokenStream;

use crate::options::Attribute;

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

/// Makes an async `main` the start of an application: `.env` is read, a tokio runtime started, the
/// App set up, the body run; then live workers are stopped gracefully.
///
/// `setup = function` names an `async fn(AppBuilder) -> Result<App>`; without it the App comes from
/// the environment and `taskx.toml` alone. The function takes the [`App`] or nothing, and returns
/// `()` or a `Result`; an error is printed with its causes, and the exit code is 1.
#[proc_macro_attribute]
pub fn main(options: TokenStream, item: TokenStream) -> TokenStream {
    main_fn::expand(options.into(), &item.into()).into()
}
