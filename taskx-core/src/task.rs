//! Tasks: what the macros generate, and the registry that finds them at link time.

use std::{
    any::{Any, TypeId, type_name},
    fmt,
    sync::Arc,
    time::Duration,
};

use futures_util::future::BoxFuture;
use serde::{Deserializer, Serialize, Serializer, de::DeserializeOwned};

use crate::{
    context::Ctx,
    error::{Error, ErrorKind, Result},
    retry::Backoff,
    state::{StateNeed, States},
    store::Engine,
    verdict::Verdict,
};

/// A task's arguments and what is known of the task: implemented by the applier struct that
/// `#[task]` generates (`EmailTask` for `fn email_task`).
pub trait Task: Serialize + DeserializeOwned + Send + Sync + 'static {
    /// The task's definition.
    const DEF: &'static TaskDef;

    /// What a successful run returns.
    type Output: Serialize + DeserializeOwned + Send + 'static;
}

/// What is fixed about a task when the program is compiled.
#[derive(Debug)]
pub struct TaskDef {
    /// The wire name: stored with each job. Default: the function's name.
    pub name: &'static str,
    /// Former wire names; jobs stored under them run too.
    pub aliases: &'static [&'static str],
    /// The App that the task belongs to; `None` is the unnamed one.
    pub app: Option<&'static str>,
    /// Its options.
    pub options: TaskOptions,
    /// The function's doc comment.
    pub doc: &'static str,
    /// The name of the applier struct.
    pub applier: &'static str,
    /// Name of the package that declares it.
    pub package: &'static str,
    /// Version of the package that declares it.
    pub version: &'static str,
    /// Path of the source file.
    pub file: &'static str,
    /// Line of the function.
    pub line: u32,
    /// The stored arguments, in the order of the function.
    pub arguments: &'static [ArgumentDef],
    /// Whether stored arguments decode: [`accepts`] of the applier.
    pub accepts: fn(&str) -> Result<()>,
    /// The states that the function takes by reference.
    pub states: &'static [fn() -> StateNeed],
    /// The schedules that fire it.
    pub schedules: &'static [ScheduleDef],
    /// How it is run.
    pub run: Run,
}

impl TaskDef {
    /// Its wire name and its aliases.
    pub fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        std::iter::once(self.name).chain(self.aliases.iter().copied())
    }

    /// `file:line` of the function.
    #[must_use]
    pub fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }
}

/// A stored argument.
#[derive(Debug, Clone, Copy)]
pub struct ArgumentDef {
    /// The parameter's name.
    pub name: &'static str,
    /// The type as written.
    pub type_name: &'static str,
    /// Whether it may be missing in a stored payload (`#[arg(default)]`).
    pub default: bool,
}

/// A schedule declared by an attribute.
#[derive(Debug, Clone, Copy)]
pub struct ScheduleDef {
    /// Its key; default: the task's name.
    pub name: &'static str,
    /// The trigger, built at compile time; in UTC if it names no zone.
    pub trigger: fn() -> taskx_schedule::Trigger,
    /// If it names no zone, the beginning of its text, to be read in another: `timezone = ".."` and
    /// a parenthesis complete it.
    pub zoneless: Option<&'static str>,
    /// The arguments of its jobs, as JSON; called once at start.
    pub args: fn() -> Result<String>,
    /// What to do with slots that were missed.
    pub misfire: taskx_schedule::Misfire,
    /// How late a slot may be fired.
    pub misfire_grace: Duration,
    /// Whether a slot is fired while a job of an earlier one is live.
    pub overlap: Overlap,
    /// A random delay of at most this is added to the job's time, not to the slot.
    pub jitter: Duration,
    /// Path of the source file.
    pub file: &'static str,
    /// Line of the attribute.
    pub line: u32,
}

impl ScheduleDef {
    /// The trigger; one that names no zone counts by the wall clock of `zone`, an IANA name.
    ///
    /// # Errors
    /// `Config` if there is no such zone.
    pub fn trigger_in(&self, zone: &str) -> Result<taskx_schedule::Trigger> {
        match self.zoneless {
            Some(text) if zone != "UTC" => {
                format!("{text}timezone = \"{zone}\")").parse().map_err(|error| {
                    let doing = format!("read schedule `{}` in the zone `{zone}`", self.name);
                    Error::new(ErrorKind::Config, doing).with_source(error)
                })
            }
            _ => Ok((self.trigger)()),
        }
    }
}

/// Whether a schedule's jobs may overlap.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Overlap {
    /// A slot is passed over while a job of an earlier slot is live. The default.
    #[default]
    Skip,
    /// Every slot is fired.
    Allow,
}

/// A task's options, each with the default of [`TaskOptions::DEFAULT`].
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct TaskOptions {
    /// The queue of its jobs. Default `default`.
    pub queue: &'static str,
    /// Lower runs first within the queue. Default 0.
    pub priority: i16,
    /// Failed attempts until a job is discarded, 1 or more. Default 25.
    pub max_attempts: u16,
    /// The delays between attempts. Default [`Backoff::DEFAULT`].
    pub backoff: Backoff,
    /// How long an attempt may take. Default: as long as it likes.
    pub timeout: Option<Duration>,
    /// How outcomes are written. Default in batches.
    pub settle: SettleMode,
    /// How long finished jobs are kept. Default: what the App says.
    pub retention: Retention,
}

impl TaskOptions {
    /// The defaults.
    pub const DEFAULT: Self = Self {
        queue: "default",
        priority: 0,
        max_attempts: 25,
        backoff: Backoff::DEFAULT,
        timeout: None,
        settle: SettleMode::Batch,
        retention: Retention::App,
    };

    /// With this queue.
    #[must_use]
    pub const fn queue(mut self, queue: &'static str) -> Self {
        self.queue = queue;
        self
    }

    /// With this priority.
    #[must_use]
    pub const fn priority(mut self, priority: i16) -> Self {
        self.priority = priority;
        self
    }

    /// With so many attempts.
    #[must_use]
    pub const fn max_attempts(mut self, attempts: u16) -> Self {
        self.max_attempts = attempts;
        self
    }

    /// With these delays between attempts.
    #[must_use]
    pub const fn backoff(mut self, backoff: Backoff) -> Self {
        self.backoff = backoff;
        self
    }

    /// With this timeout of an attempt.
    #[must_use]
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = Some(timeout);
        self
    }

    /// With outcomes written in this way.
    #[must_use]
    pub const fn settle(mut self, settle: SettleMode) -> Self {
        self.settle = settle;
        self
    }

    /// With finished jobs kept so long.
    #[must_use]
    pub const fn retention(mut self, retention: Retention) -> Self {
        self.retention = retention;
        self
    }
}

/// How outcomes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SettleMode {
    /// Together with the outcomes of other jobs, within about a millisecond. The default.
    #[default]
    Batch,
    /// Each in a transaction of its own.
    Each,
}

/// How long finished jobs of a task are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Retention {
    /// As the App says (completed and cancelled 3 days, discarded and quarantined 90).
    #[default]
    App,
    /// Completed and cancelled ones are deleted at once; dead letters are kept as the App says.
    None,
    /// So long, in every state.
    For(Duration),
}

/// How a task is run.
pub enum Run {
    /// An `async fn`.
    Async(fn(Invocation) -> BoxFuture<'static, Verdict>),
    /// A plain `fn`, on a thread of its own.
    Blocking(fn(Invocation) -> Verdict),
    /// An `async fn` that takes a connection: a transaction that also commits the completion.
    AsyncTransaction(ConnectionNeed, AsyncTransactionFn),
    /// A plain `fn` that takes a connection.
    BlockingTransaction(ConnectionNeed, BlockingTransactionFn),
}

/// The body of a plain transactional task; the connection is the type of its [`ConnectionNeed`].
pub type BlockingTransactionFn = fn(Invocation, &mut (dyn Any + Send)) -> Verdict;

/// The body of an async transactional task; the connection is the type of its [`ConnectionNeed`].
pub type AsyncTransactionFn =
    for<'c> fn(Invocation, &'c mut (dyn Any + Send)) -> BoxFuture<'c, Verdict>;

impl Run {
    /// The connection that the task takes, if it takes one.
    #[must_use]
    pub fn connection(&self) -> Option<&ConnectionNeed> {
        match self {
            Self::Async(_) | Self::Blocking(_) => None,
            Self::AsyncTransaction(need, _) | Self::BlockingTransaction(need, _) => Some(need),
        }
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Async(_) => "async fn",
            Self::Blocking(_) => "fn",
            Self::AsyncTransaction(..) => "async fn with a connection",
            Self::BlockingTransaction(..) => "fn with a connection",
        })
    }
}

/// The connection that a transactional task takes.
#[derive(Debug, Clone, Copy)]
pub struct ConnectionNeed {
    /// Its type.
    pub type_id: fn() -> TypeId,
    /// Its type's name.
    pub type_name: fn() -> &'static str,
    /// The database that it speaks to.
    pub engine: Engine,
}

impl ConnectionNeed {
    /// The need of a `&mut C` that speaks to `engine`.
    #[must_use]
    pub const fn of<C: 'static>(engine: Engine) -> Self {
        Self { type_id: TypeId::of::<C>, type_name: type_name::<C>, engine }
    }
}

/// One run of a task: its context, its stored arguments, the states of the App.
#[derive(Debug)]
pub struct Invocation {
    pub(crate) ctx: Ctx,
    pub(crate) payload: String,
    pub(crate) states: Arc<States>,
}

impl Invocation {
    /// The context to lend to the function.
    #[must_use]
    pub fn ctx(&self) -> &Ctx {
        &self.ctx
    }

    /// The stored arguments.
    ///
    /// # Errors
    /// The verdict that says at which path they do not decode.
    pub fn decode<A: DeserializeOwned>(&self) -> Result<A, Verdict> {
        decode(&self.payload).map_err(Verdict::Undecodable)
    }

    /// A state of the App. Start-up has checked that it is there.
    ///
    /// # Errors
    /// A failed attempt, if it is not.
    pub fn state<T: ?Sized + Lendable>(&self) -> Result<Arc<T>, Verdict> {
        self.states.get::<T>().ok_or_else(|| {
            Verdict::failed(Error::new(
                ErrorKind::Config,
                format!("no state of type `{}` was given to the App", type_name::<T>()),
            ))
        })
    }
}

/// What a task can take by value: it is stored as JSON.
///
/// The macros reach serde only through this trait, so that an argument which cannot be stored is
/// one message in these words, and not one for each call that serde's derive would make.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be stored as a task's argument",
    label = "what is taken by value is stored as JSON",
    note = "derive `serde::Serialize` and `serde::Deserialize` for it; it must be `Send` and `Sync` too",
    note = "or, if it is a part of the application such as a client or a pool, take it by reference: `&{Self}`, given to the App by `.state(..)`"
)]
pub trait Storable: Sized {
    /// Writes it into the payload.
    ///
    /// # Errors
    /// What its `Serialize` says.
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error>;

    /// Reads it from the payload.
    ///
    /// # Errors
    /// What its `Deserialize` says.
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

#[diagnostic::do_not_recommend]
impl<T: Serialize + DeserializeOwned + Send + Sync + 'static> Storable for T {
    fn write<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.serialize(serializer)
    }

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::deserialize(deserializer)
    }
}

/// What a task can take by reference: many runs share it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be a state",
    label = "what is taken by reference is shared by tasks on several threads",
    note = "it must be `Send` and `Sync`; a trait says so itself: `trait Greet: Send + Sync`"
)]
pub trait Lendable: Send + Sync + 'static {}

#[diagnostic::do_not_recommend]
impl<T: ?Sized + Send + Sync + 'static> Lendable for T {}

/// Whether a payload decodes as the arguments of task `T`.
///
/// # Errors
/// `Payload`, saying at which path it does not fit.
pub fn accepts<T: Task>(payload: &str) -> Result<()> {
    decode::<T>(payload).map(drop)
}

/// Reads arguments or a result, and says at which path they do not fit.
pub(crate) fn decode<A: DeserializeOwned>(text: &str) -> Result<A> {
    // To keep the path in mind doubles the cost, so it is asked for only where there is one to tell.
    if let Ok(read) = serde_json::from_str(text) {
        return Ok(read);
    }
    let mut reader = serde_json::Deserializer::from_str(text);
    serde_path_to_error::deserialize(&mut reader).map_err(|e| {
        let path = e.path().to_string();
        let at = if path == "." { String::new() } else { format!(" at `{path}`") };
        Error::new(ErrorKind::Payload, format!("the stored JSON does not fit{at}"))
            .with_source(without_values(&e.into_inner().to_string()))
    })
}

/// [`Invocation::decode`] of a text by itself, for fuzzing.
///
/// # Errors
/// `Payload`, with the path at which it does not fit.
#[cfg(feature = "testing")]
#[doc(hidden)]
pub fn decode_arguments<A: DeserializeOwned>(text: &str) -> Result<A> {
    decode(text)
}

/// What serde says of a misfit, without the value that it met: arguments are nobody's business but
/// the task's. `invalid type: string "hush", expected u64` becomes `invalid type: string, expected u64`.
fn without_values(text: &str) -> String {
    match text.rsplit_once(", expected ") {
        Some((met, wanted)) => {
            let kind = met.split(['"', '`']).next().unwrap_or_default().trim_end();
            format!("{kind}, expected {wanted}")
        }
        None => text.to_owned(),
    }
}

/// What the macros submit; collected by `inventory` when the program is linked.
#[derive(Debug, Clone, Copy)]
pub struct Registered(pub &'static TaskDef);

inventory::collect!(Registered);

/// Every task linked into this program, in no particular order.
pub fn registered() -> impl Iterator<Item = &'static TaskDef> {
    inventory::iter::<Registered>.into_iter().map(|registered| registered.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misfit_tells_its_place_and_not_its_value() {
        let text = |json: &str| crate::error::chain(&decode::<Vec<u8>>(json).unwrap_err());
        let word = text(r#"[1, "hush, expected \"hush\""]"#);
        assert!(
            word.contains("`[1]`") && word.contains("invalid type: string, expected u8"),
            "{word}"
        );
        let number = text("[1, 7777]");
        assert!(number.contains("invalid value: integer, expected u8"), "{number}");
        assert!(!word.contains("hush") && !number.contains("7777"));
    }
}
