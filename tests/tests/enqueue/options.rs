//! What the options of an apply make of the stored job.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use rstest::rstest;
use serde_json::json;
use taskx::{Apply, Error, ErrorKind, JobId, JobState};
use taskx_tests::Engine;

use crate::{Add, Forget, idle_app, jobs};

#[rstest]
#[tokio::test]
async fn a_job_is_stored_as_its_options_say(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let app = idle_app(&database).await;
    let store = async |apply: Apply<Add>| {
        let job = apply.to(app.queue()).await.unwrap();
        app.queue().find(job.id()).await.unwrap().unwrap()
    };
    let plain = store(Add::apply(1, 2)).await;
    assert_eq!((plain.state, plain.queue.as_str()), (JobState::Available, "enqueue"));
    assert_eq!((plain.priority, plain.max_attempts, plain.attempt), (0, 25, 0));
    assert_eq!(plain.task, "add");

    let hour = Duration::from_secs(3600);
    let delayed = store(Add::apply(1, 2).delay(hour)).await;
    assert_eq!(delayed.state, JobState::Scheduled);
    assert_eq!((delayed.run_at - delayed.inserted_at).to_std().unwrap(), hour);

    #[expect(clippy::disallowed_methods, reason = "a user's own clock")]
    let tomorrow = Utc::now() + TimeDelta::days(1);
    let at = store(Add::apply(1, 2).at(tomorrow)).await;
    assert_eq!(at.state, JobState::Scheduled);
    assert_eq!(at.run_at.timestamp_micros(), tomorrow.timestamp_micros());

    let moved = Add::apply(1, 2).queue("elsewhere").priority(-7).max_attempts(3);
    let moved = store(moved).await;
    assert_eq!((moved.queue.as_str(), moved.priority, moved.max_attempts), ("elsewhere", -7, 3));

    let noted = Add::apply(1, 2).tag("a").tag("b").meta("user", 7).meta("why", json!({"x": [1]}));
    let noted = store(noted).await.extras;
    assert_eq!(noted.tags, ["a", "b"]);
    assert_eq!(serde_json::to_value(noted.meta).unwrap(), json!({"user": 7, "why": {"x": [1]}}));
}

#[rstest]
#[tokio::test]
async fn a_given_id_makes_the_call_repeatable(
    #[values(Engine::Sqlite, Engine::Postgres, Engine::Mysql)] engine: Engine,
) {
    let Some(database) = engine.database() else { return };
    let app = idle_app(&database).await;
    let id = JobId::new();
    let first = Add::apply(1, 2).id(id).to(app.queue()).await.unwrap();
    assert_eq!((first.id(), first.is_new()), (id, true));
    let again = Add::apply(3, 4).id(id).to(app.queue()).await.unwrap();
    assert_eq!((again.id(), again.is_new()), (id, false));
    // Also when the job has ended meanwhile.
    let worker = app.background_worker().only(["add"]).start().await.unwrap();
    assert_eq!(first.wait(taskx_tests::SOON).await.unwrap(), 3);
    let late = Add::apply(3, 4).id(id).to(app.queue()).await.unwrap();
    assert!(!late.is_new());
    assert_eq!(late.wait(taskx_tests::SOON).await.unwrap(), 3);
    worker.stop().await.unwrap();
    assert_eq!(jobs(&database), 1);
}

#[tokio::test]
async fn what_cannot_be_stored_is_refused_with_its_reason() {
    let database = Engine::Sqlite.database().unwrap();
    let app = idle_app(&database).await;
    let refusal = async |apply: Apply<Add>| -> (ErrorKind, String) {
        let error: Error = apply.to(app.queue()).await.unwrap_err();
        (error.kind(), error.to_string())
    };
    for (apply, part) in [
        (Add::apply(1, 2).queue(""), "queue"),
        (Add::apply(1, 2).queue("q".repeat(191)), "190"),
        (Add::apply(1, 2).queue("a\0b"), "NUL"),
        (Add::apply(1, 2).tag(""), "tag"),
        (Add::apply(1, 2).max_attempts(0), "max_attempts"),
    ] {
        let (kind, text) = refusal(apply).await;
        assert_eq!(kind, ErrorKind::Config, "{text}");
        assert!(text.contains(part), "{text}");
    }
    let map = std::collections::BTreeMap::from([((1, 2), 3)]);
    let (kind, _) = refusal(Add::apply(1, 2).meta("no text as key", map)).await;
    assert_eq!(kind, ErrorKind::Payload);

    let id = Forget::apply("x").id(JobId::new()).to(app.queue()).await.unwrap_err();
    assert!(id.to_string().contains("retention"), "{id}");
    let forgotten = Forget::apply("x").to(app.queue()).await.unwrap();
    let wait = forgotten.wait(Duration::ZERO).await.unwrap_err();
    assert!(wait.to_string().contains("retention"), "{wait}");
    assert_eq!(jobs(&database), 1);
}
