//! Rules of what is kept of a job: payloads byte for byte, names letter for letter, all extras.

use std::{slice, sync::Arc};

use chrono::{DateTime, Utc};
use serde_json::json;

use super::steps::{
    QUEUE, TASK, ada, claim_one, discard, find, insert, job, request, running, settle, settlement,
    worker, worker_of,
};
use crate::{
    inspect::{JobFilter, Page},
    job::{Job, JobExtras, JobId, NAME_LIMIT, NewJob},
    outcome::Outcome,
    store::{Claim, Settled, Store},
};

/// JSON that a database's own JSON type would change or refuse.
fn odd_payloads() -> Vec<String> {
    [
        r#"{ "b" : 1,   "a":2 , "a" : 3 }"#,
        "{\n\t\"tabs and lines\": null\r\n}",
        r#"{"max":18446744073709551615,"min":-9223372036854775808}"#,
        r#"{"more":123456789012345678901234567890123456789012345678901234567890}"#,
        r#"{"f":[1e308,5e-324,-0.0,0.1,1.0,1E+2,2.2250738585072014e-308,1e400]}"#,
        r#"{"escapes":"\u0000\u001f\"\\\/\b\f\n\r\té\ud83d\ude00"}"#,
        r#"{"lone":"\ud800"}"#,
        r#"{"":"","'":"''","`":"``","$":"$1 :x ?","%_":"\\%"}"#,
        "{\"unicode\":\"ñ 你好 שלום 🦀👨‍👩‍👧 \u{301}\u{fffd}\u{10ffff}\u{feff}\u{2028}\"}",
        "",
        "null",
        "no JSON at all; it's \"quoted\" -- and /* commented */",
    ]
    .map(str::to_owned)
    .into()
}

/// Inserts one job of each payload and sees that operators and workers get it back unchanged.
async fn survive(store: &dyn Store, payloads: Vec<String>) {
    let jobs: Vec<_> = payloads.into_iter().map(|payload| NewJob { payload, ..job() }).collect();
    store.insert(&jobs).await.unwrap();
    let owner = worker(store).await;
    for new in &jobs {
        assert!(find(store, new.id).await.payload == new.payload, "find: {:.200}", new.payload);
        let held = claim_one(store, owner).await;
        assert_eq!(held.id, new.id);
        assert!(held.payload == new.payload, "claim: {:.200}", new.payload);
    }
}

/// A payload is kept byte for byte: spaces, order and repetition of keys, any number, any escape.
pub async fn a_payload_is_kept_byte_for_byte(store: &dyn Store) {
    survive(store, odd_payloads()).await;
}

/// A payload may have a mebibyte, in a batch of others.
pub async fn a_payload_may_have_a_mebibyte(store: &dyn Store) {
    let text = |letter: &str, count| format!(r#"{{"text":"{}"}}"#, letter.repeat(count));
    survive(store, vec![text("x", 1 << 20), "{}".to_owned(), text("🦀", 1 << 18)]).await;
}

/// A batch may be larger than what a server takes in one message, on its way in and out.
pub async fn a_batch_may_have_many_mebibytes(store: &dyn Store) {
    let payload = format!(r#"{{"text":"{}"}}"#, "x".repeat((1 << 20) - 16));
    let jobs: Vec<_> = (0..24).map(|_| NewJob { payload: payload.clone(), ..job() }).collect();
    store.insert(&jobs).await.unwrap();
    let owner = worker(store).await;
    let held = store.claim(&request(owner, 100)).await.unwrap();
    assert!(held.len() == 24 && held.iter().all(|job| job.payload == payload));
    let batch: Vec<_> =
        held.iter().map(|job| settlement(job, Outcome::Completed(Some(payload.clone())))).collect();
    assert_eq!(store.settle(&batch).await.unwrap(), [Settled::Done; 24]);
    let done = store.list(&JobFilter::default(), Page::default()).await.unwrap();
    assert!(done.len() == 24 && done.iter().all(|job| job.result.as_ref() == Some(&payload)));
}

/// What a database cannot hold is refused for good, not to be tried again, or kept as it is; the
/// next insert is none the worse.
pub async fn what_cannot_be_held_is_refused_for_good(store: &dyn Store) {
    let long = "n".repeat(2_000);
    let odd = [
        NewJob { payload: "{\"nul\":\"\0\"}".to_owned(), ..job() },
        NewJob { queue: "a\0b".into(), ..job() },
        NewJob { task: long.clone().into(), ..job() },
        NewJob { queue: long.into(), ..job() },
    ];
    for new in odd {
        match store.insert(slice::from_ref(&new)).await {
            Ok(_) => assert_eq!(find(store, new.id).await.payload, new.payload),
            Err(error) => {
                assert!(!error.is_transient(), "{error:?}");
                assert_eq!(store.find(new.id).await.unwrap(), None);
            }
        }
        insert(store, &job()).await;
    }
}

/// Nobody looks into a payload on its way, however deep it is nested.
pub async fn a_payload_may_be_nested_deeply(store: &dyn Store) {
    let nested = |depth: usize| format!(r#"{{"a":{}{}}}"#, "[".repeat(depth), "]".repeat(depth));
    survive(store, vec![nested(127), nested(1_000), nested(100_000)]).await;
}

/// The payload is kept as it is through the end of the job and its coming back.
pub async fn a_payload_survives_the_history(store: &dyn Store) {
    let owner = worker(store).await;
    for payload in odd_payloads() {
        let new = NewJob { payload, ..job() };
        insert(store, &new).await;
        let held = claim_one(store, owner).await;
        assert_eq!(settle(store, &held, discard()).await, Settled::Done);
        assert_eq!(find(store, new.id).await.payload, new.payload);
        assert_eq!(store.retry(&[new.id], &ada()).await.unwrap(), 1);
        let held = claim_one(store, owner).await;
        assert_eq!(held.payload, new.payload);
        assert_eq!(settle(store, &held, Outcome::Completed(None)).await, Settled::Done);
    }
}

/// A result is kept byte for byte, up to 64 KiB and beyond.
pub async fn a_result_is_kept_byte_for_byte(store: &dyn Store) {
    let mut results = odd_payloads();
    results.push(format!("\"{}\"", "é".repeat(40_000)));
    for result in results {
        let held = running(store).await;
        let outcome = Outcome::Completed(Some(result.clone()));
        assert_eq!(settle(store, &held, outcome).await, Settled::Done);
        assert_eq!(find(store, held.id).await.result, Some(result));
    }
}

/// Names that break what is quoted badly, and names that a loose collation confuses.
fn odd_names() -> Vec<String> {
    let long = "🦀".repeat(NAME_LIMIT);
    [
        "mail",
        "Mail",
        "MAIL",
        "máil",
        "mäil",
        "m_il",
        "m%il",
        "ma il",
        "it's",
        "\"mail\"",
        "`mail`",
        "mail;--",
        "mail\\",
        "$1",
        ":name",
        "?",
        "{mail}",
        "[mail]",
        "mail,send",
        "почта",
        "邮件",
        "🦀",
        "👨‍👩‍👧",
        "ß",
        "ss",
        "İ",
        "i",
        "ﬁ",
        "fi",
    ]
    .map(str::to_owned)
    .into_iter()
    .chain([long])
    .collect()
}

/// Queues are told apart letter for letter: by case, by accents, by wildcards.
pub async fn queues_are_told_apart_letter_for_letter(store: &dyn Store) {
    let jobs: Vec<_> =
        odd_names().into_iter().map(|name| NewJob { queue: name.into(), ..job() }).collect();
    store.insert(&jobs).await.unwrap();
    let owner = worker(store).await;
    for new in &jobs {
        let claim = Claim { queue: (*new.queue).into(), ..request(owner, 10) };
        let claimed = store.claim(&claim).await.unwrap();
        assert_eq!(claimed.len(), 1, "queue {:?}", new.queue);
        assert_eq!((claimed[0].id, &*claimed[0].queue), (new.id, &*new.queue));
        assert_eq!(find(store, new.id).await.queue, new.queue);
    }
}

/// Tasks are told apart letter for letter.
pub async fn tasks_are_told_apart_letter_for_letter(store: &dyn Store) {
    let jobs: Vec<_> =
        odd_names().into_iter().map(|name| NewJob { task: name.into(), ..job() }).collect();
    store.insert(&jobs).await.unwrap();
    let names = odd_names();
    let owner = worker_of(store, &names.iter().map(String::as_str).collect::<Vec<_>>()).await;
    for new in &jobs {
        let tasks: Arc<[String]> = Arc::new([new.task.clone().into_owned()]);
        let claimed = store.claim(&Claim { tasks, ..request(owner, 10) }).await.unwrap();
        assert_eq!(claimed.len(), 1, "task {:?}", new.task);
        assert_eq!((claimed[0].id, claimed[0].task.as_str()), (new.id, &*new.task));
        assert_eq!(find(store, new.id).await.task, new.task);
    }
}

/// Queues of odd names are paused and resumed one by one.
pub async fn queues_of_odd_names_are_paused_one_by_one(store: &dyn Store) {
    let names = odd_names();
    for name in &names {
        store.pause(name, "it's \"why\"", &ada()).await.unwrap();
    }
    assert!(store.resume(&names[0], &ada()).await.unwrap());
    let paused: Vec<_> = store
        .queues()
        .await
        .unwrap()
        .into_iter()
        .filter_map(|queue| queue.paused_at.map(|_| queue.name))
        .collect();
    assert_eq!(paused.len(), names.len() - 1);
    assert!(names[1..].iter().all(|name| paused.contains(name)));
}

/// Filters take names as they are: `%` and `_` are letters there.
pub async fn filters_know_no_wildcards(store: &dyn Store) {
    for name in odd_names() {
        let mut new = NewJob { queue: name.clone().into(), task: name.clone().into(), ..job() };
        new.extras_mut().tags = vec![name.clone()];
        insert(store, &new).await;
    }
    for name in odd_names() {
        let by_queue = JobFilter { queues: vec![name.clone()], ..JobFilter::default() };
        let by_task = JobFilter { tasks: vec![name.clone()], ..JobFilter::default() };
        let by_tag = JobFilter { tag: Some(name.clone()), ..JobFilter::default() };
        for filter in [by_queue, by_task, by_tag] {
            let found = store.list(&filter, Page::default()).await.unwrap();
            assert_eq!(found.len(), 1, "{filter:?}");
            assert_eq!(found[0].queue, name);
        }
    }
}

/// Every extra field, filled.
fn all_extras() -> JobExtras {
    let time = |micros| DateTime::<Utc>::from_timestamp_micros(micros).unwrap();
    let meta = json!({"user": 7, "deep": {"list": [1, null, "é"]}, "big": u64::MAX, "f": 0.5});
    JobExtras {
        tags: odd_names(),
        meta: meta.as_object().cloned(),
        trace: Some("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\nrojo=1".to_owned()),
        task_version: Some(3),
        parent_id: Some(JobId::new()),
        batch_id: Some(uuid::Uuid::now_v7()),
        schedule: Some("nightly 🌙".to_owned()),
        slot: Some(time(4_102_444_799_123_456)),
        expires_at: Some(time(4_202_444_799_654_321)),
        unique_key: Some("user:7".to_owned()),
        concurrency_key: Some("tenant:ü".to_owned()),
        tenant: Some("acme".to_owned()),
    }
}

/// A job with all extras, inserted.
async fn job_with_extras(store: &dyn Store) -> NewJob {
    let mut new = job();
    *new.extras_mut() = all_extras();
    insert(store, &new).await;
    new
}

/// The extras that the history must keep.
fn same_extras(job: &Job, expected: &NewJob) {
    assert_eq!(Some(&job.extras), expected.extras.as_deref());
}

/// Every extra field is found as it was given.
pub async fn extras_are_found(store: &dyn Store) {
    let new = job_with_extras(store).await;
    same_extras(&find(store, new.id).await, &new);
}

/// Every extra field reaches the worker.
pub async fn extras_reach_the_worker(store: &dyn Store) {
    let new = job_with_extras(store).await;
    let owner = worker(store).await;
    assert_eq!(claim_one(store, owner).await.extras, new.extras);
}

/// Every extra field is kept in the history, and is there again when the job comes back.
pub async fn extras_survive_the_history(store: &dyn Store) {
    let new = job_with_extras(store).await;
    let owner = worker(store).await;
    let held = claim_one(store, owner).await;
    assert_eq!(settle(store, &held, discard()).await, Settled::Done);
    same_extras(&find(store, new.id).await, &new);
    store.retry(&[new.id], &ada()).await.unwrap();
    assert_eq!(claim_one(store, owner).await.extras, new.extras);
}

/// A job without extras, or with empty ones, comes back without.
pub async fn no_extras_are_no_extras(store: &dyn Store) {
    let mut empty = job();
    empty.extras_mut();
    store.insert(&[job(), empty]).await.unwrap();
    let owner = worker(store).await;
    for _ in 0..2 {
        let held = claim_one(store, owner).await;
        assert_eq!(held.extras.unwrap_or_default(), Box::default());
        assert_eq!(find(store, held.id).await.extras, JobExtras::default());
    }
}

/// One job's extras in a batch are its own: rows with and without do not get mixed.
pub async fn extras_of_a_batch_are_not_mixed(store: &dyn Store) {
    let batch: Vec<_> = (0..50)
        .map(|n| {
            let mut new = job();
            match n % 3 {
                0 => *new.extras_mut() = all_extras(),
                1 => new.extras_mut().tenant = Some(format!("tenant-{n}")),
                _ => {}
            }
            new
        })
        .collect();
    store.insert(&batch).await.unwrap();
    for new in &batch {
        let found = find(store, new.id).await;
        assert_eq!(found.extras, new.extras.as_deref().cloned().unwrap_or_default());
    }
    assert_eq!((&*batch[0].queue, &*batch[0].task), (QUEUE, TASK));
}
