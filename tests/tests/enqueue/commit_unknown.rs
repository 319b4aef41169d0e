//! An enqueue whose answer is lost. A repeated insert finds its job again, unless the task keeps no
//! history: then the job may have run and be gone, and its caller is told.

use std::sync::Arc;

use taskx::{
    Config, ErrorKind,
    inspect::{Inspect, JobFilter, Page},
    prelude::*,
    testing::{
        MemoryStore,
        faults::{Fault, FaultStore, Verb},
    },
};

use crate::{Add, Forget};

/// An App whose first insert fails in this way.
async fn app(fault: Fault) -> App {
    let store = FaultStore::new(Arc::new(MemoryStore::new())).with(Verb::Insert, 1, fault);
    let app = App::builder().config(Config::default()).name("enqueue");
    app.store(Arc::new(store)).build().await.unwrap()
}

/// The tasks of the stored jobs.
async fn tasks(app: &App) -> Vec<String> {
    let jobs = app.queue().list(&JobFilter::default(), Page::default()).await.unwrap();
    jobs.into_iter().map(|job| job.task).collect()
}

#[tokio::test]
async fn what_leaves_no_trace_is_not_inserted_again() {
    for (fault, stored) in [(Fault::After, 1), (Fault::Before, 0)] {
        let app = app(fault).await;
        let error = Forget::apply("x").to(app.queue()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::CommitUnknown, "{error:?}");
        assert!(error.to_string().contains("retention = \"none\""), "{error}");
        assert_eq!(tasks(&app).await.len(), stored);

        let app = self::app(fault).await;
        let many = app.queue().apply_many([Forget::apply("x"), Forget::apply("y")]).await;
        assert_eq!(many.unwrap_err().kind(), ErrorKind::CommitUnknown);
        assert_eq!(tasks(&app).await.len(), stored * 2);
    }
}

#[tokio::test]
async fn what_leaves_a_trace_is_stored_once() {
    for fault in [Fault::After, Fault::Before] {
        let app = app(fault).await;
        let job = Add::apply(1, 2).to(app.queue()).await.unwrap();
        assert!(job.is_new());
        assert_eq!(tasks(&app).await, ["add"]);
    }
}

/// The group commit stores both together; each has its own answer.
#[tokio::test]
async fn in_a_group_each_caller_has_its_own_answer() {
    for (fault, forgotten) in [(Fault::After, 1), (Fault::Before, 0)] {
        let app = app(fault).await;
        // Handed over before the I/O thread can have stored the first.
        let add = Add::apply(1, 2).to(app.queue()).into_future();
        let forget = Forget::apply("x").to(app.queue()).into_future();
        let (add, forget) = (add.await, forget.await);
        assert!(add.unwrap().is_new());
        let tasks = tasks(&app).await;
        assert_eq!(tasks.iter().filter(|task| *task == "add").count(), 1);
        match forget {
            Err(error) => {
                assert_eq!(error.kind(), ErrorKind::CommitUnknown, "{error:?}");
                assert_eq!(tasks.len(), 1 + forgotten);
            }
            // It came to the second insert, which is a healthy one.
            Ok(_) => assert_eq!(tasks.len(), 2),
        }
    }
}
