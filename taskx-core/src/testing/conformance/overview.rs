//! Rules of `tasks` and `database`.

use super::steps::{HOUR, TASK, delayed, discard, insert, inserted, job, near, settled, worker_of};
use crate::{inspect::TaskInfo, job::NewJob, store::Store};

/// The task of this name among the tasks.
async fn task(store: &dyn Store, name: &str) -> Option<TaskInfo> {
    store.tasks().await.unwrap().into_iter().find(|task| task.name == name)
}

/// A task that workers name is seen with who declares it, its arguments, when it was last named, how
/// many workers run it and how many of its jobs have not finished; tasks come by name.
pub async fn tasks_are_those_that_workers_name(store: &dyn Store) {
    assert_eq!(store.tasks().await.unwrap(), []);
    settled(store, discard()).await;
    worker_of(store, &[TASK, "resize", "übersicht"]).await;
    inserted(store, 2).await;
    insert(store, &delayed(HOUR)).await;
    let now = store.now().await.unwrap();
    let tasks = store.tasks().await.unwrap();
    let names: Vec<_> = tasks.iter().map(|task| task.name.as_str()).collect();
    assert_eq!(names, ["resize", TASK, "übersicht"]);
    let send = task(store, TASK).await.unwrap();
    assert_eq!((send.owner.as_deref(), send.arguments.as_deref()), (Some("shop"), Some("[]")));
    assert!(send.last_seen.is_some_and(|at| near(at, now)), "{send:?}");
    assert_eq!((send.live, send.workers), (3, 2));
    let resize = task(store, "resize").await.unwrap();
    assert_eq!((resize.live, resize.workers), (0, 1));
}

/// A task that no worker ever named is seen by its jobs that wait.
pub async fn a_task_that_only_jobs_name_is_seen(store: &dyn Store) {
    insert(store, &NewJob { task: "it's gone".into(), ..job() }).await;
    let gone = task(store, "it's gone").await.unwrap();
    let expected = TaskInfo { name: "it's gone".to_owned(), live: 1, ..TaskInfo::default() };
    assert_eq!(gone, expected);
}

/// A worker that has ended runs nothing; its tasks are still told of.
pub async fn an_ended_worker_runs_no_task(store: &dyn Store) {
    let ended = worker_of(store, &[TASK]).await;
    assert_eq!(task(store, TASK).await.unwrap().workers, 1);
    store.retire(ended).await.unwrap();
    let send = task(store, TASK).await.unwrap();
    assert_eq!((send.workers, send.owner.as_deref()), (0, Some("shop")));
}

/// A database tells its version, and the sizes of its tables if it tells of any.
pub async fn a_database_tells_its_version(store: &dyn Store) {
    inserted(store, 500).await;
    let database = store.database().await.unwrap();
    assert!(!database.version.is_empty());
    let names: Vec<_> = database.tables.iter().map(|table| table.name.as_str()).collect();
    assert!(names.is_sorted() && names.iter().all(|name| name.starts_with("taskx_")), "{names:?}");
    if !names.is_empty() {
        let jobs = database.tables.iter().find(|table| table.name == "taskx_jobs").unwrap();
        assert!(jobs.bytes > 0 && jobs.index_bytes > 0, "{jobs:?}");
    }
}
