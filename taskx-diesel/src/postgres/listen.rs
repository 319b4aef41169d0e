//! LISTEN, on a connection of its own that is outside every lane. It may end at any time: it is
//! opened again with a growing pause, and the listener is told that it may have missed something.

use std::{sync::Arc, time::Duration};

use diesel_async::SimpleAsyncConnection;
use taskx_core::{
    error::{Result, chain},
    store::{Wake, WakeSource},
};
use tokio::{
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
    time::{sleep, timeout},
};
use tokio_postgres::Notification;

use crate::{
    error::Doing,
    postgres::{
        session::{Session, Target},
        statements::path::LISTEN,
    },
};

/// The first and the longest pause between two tries to open the connection.
const PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How often the server is asked whether it is still there: a proxy may keep a connection up whose
/// other half is gone.
const PROBE: Duration = Duration::from_secs(15);

/// How long it may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// A session that listens, and what it hears.
struct Ear {
    session: Session,
    heard: UnboundedReceiver<Notification>,
}

/// Tells `wake` of the commits of others until it is closed. Listens when it returns, unless the
/// database cannot be reached now.
pub(super) async fn watch(target: Arc<Target>, wake: UnboundedSender<Wake>) -> WakeSource {
    let ear = open(&target).await;
    tokio::spawn(listen(target, wake, ear.ok()));
    WakeSource::Messages
}

async fn open(target: &Target) -> Result<Ear> {
    let (sender, heard) = unbounded_channel();
    let mut session = target.open_heard("", Some(sender)).await?;
    session.conn.batch_execute(LISTEN).await.doing("listen for notifications")?;
    Ok(Ear { session, heard })
}

async fn listen(target: Arc<Target>, wake: UnboundedSender<Wake>, mut ear: Option<Ear>) {
    loop {
        if let Some(ear) = ear.take() {
            hear(ear, &wake).await;
        }
        let mut pause = PAUSE;
        while ear.is_none() {
            if wake.is_closed() {
                return;
            }
            match open(&target).await {
                Ok(opened) => ear = Some(opened),
                Err(error) => {
                    tracing::warn!(error = %chain(&error), "no notifications; polling meanwhile");
                    tokio::select! {
                        () = sleep(pause.mul_f64(0.5 + fastrand::f64())) => {}
                        () = wake.closed() => return,
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
        }
        // Nobody knows what was told in the gap.
        let _ = wake.send(Wake::Any);
    }
}

/// Passes on what is heard, until the connection ends or nobody listens any more.
async fn hear(mut ear: Ear, wake: &UnboundedSender<Wake>) {
    loop {
        tokio::select! {
            notification = ear.heard.recv() => {
                // The driver drops its sender when the connection ends.
                let Some(notification) = notification else { return };
                if let Some(news) = news(notification.payload())
                    && wake.send(news).is_err()
                {
                    return;
                }
            }
            () = wake.closed() => return,
            () = sleep(PROBE) => {
                let probe = ear.session.conn.batch_execute("SELECT 1");
                if !matches!(timeout(PATIENCE, probe).await, Ok(Ok(()))) {
                    return;
                }
            }
        }
    }
}

/// `q:<queue>` or `c:<job id>`; a later version's other words are left alone.
fn news(payload: &str) -> Option<Wake> {
    match payload.split_once(':')? {
        ("q", queue) => Some(Wake::Queue(queue.to_owned())),
        ("c", id) => id.parse().ok().map(Wake::Cancel),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use taskx_core::job::JobId;

    use super::*;

    #[test]
    fn news_are_read_and_strange_ones_left_alone() {
        let id = JobId::new();
        assert_eq!(news("q:a:b"), Some(Wake::Queue("a:b".to_owned())));
        assert_eq!(news(&format!("c:{id}")), Some(Wake::Cancel(id)));
        assert_eq!(news("c:nobody"), None);
        assert_eq!(news("x:1"), None);
        assert_eq!(news(""), None);
    }
}
