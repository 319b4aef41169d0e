//! Layers: code around every run of a task.

use std::{fmt, sync::Arc};

use futures_util::future::BoxFuture;

use crate::{context::Ctx, verdict::Verdict};

/// Code around every run of a task, as the layers of tower are around a request.
///
/// The first layer given is the outermost. A layer that does not call [`Next::run`] decides the
/// verdict alone, and the task is not called. Around a task that takes a connection the layers run
/// inside its transaction, which commits when the outermost layer's verdict is
/// [`Done`](Verdict::Done); around a plain one they run on its thread.
pub trait Layer: Send + Sync + 'static {
    /// Runs what is inside, and may look at the context before and the verdict after.
    fn around<'a>(&'a self, ctx: &'a Ctx, next: Next<'a>) -> BoxFuture<'a, Verdict>;
}

/// What is inside a layer.
pub struct Next<'a> {
    pub(crate) layers: &'a [Arc<dyn Layer>],
    pub(crate) ctx: &'a Ctx,
    pub(crate) task: BoxFuture<'a, Verdict>,
}

impl<'a> Next<'a> {
    /// Runs the next layer, or the task.
    #[must_use]
    pub fn run(self) -> BoxFuture<'a, Verdict> {
        match self.layers.split_first() {
            None => self.task,
            Some((layer, layers)) => layer.around(self.ctx, Next { layers, ..self }),
        }
    }
}

impl fmt::Debug for Next<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Next({} layers)", self.layers.len())
    }
}
