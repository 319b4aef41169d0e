//! Rules of `find`, `list` and `count`.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::steps::{
    HOUR, MINUTE, QUEUE, ada, claim_one, delayed, discard, endings, insert, inserted, job, retry,
    running, settle, settled, travel, worker,
};
use crate::{
    inspect::{JobFilter, Page, StateCount},
    job::{Job, JobId, JobState, NewJob},
    outcome::Outcome,
    store::Store,
};

async fn list(store: &dyn Store, filter: &JobFilter) -> Vec<Job> {
    store.list(filter, Page::default()).await.unwrap()
}

/// The ids of a listing, as a set.
async fn matching(store: &dyn Store, filter: &JobFilter) -> BTreeSet<JobId> {
    list(store, filter).await.iter().map(|job| job.id).collect()
}

/// A job that was never inserted is not found.
pub async fn an_unknown_job_is_not_found(store: &dyn Store) {
    inserted(store, 1).await;
    assert_eq!(store.find(JobId::new()).await.unwrap(), None);
}

/// An empty filter means all jobs, live and finished, newest id first.
pub async fn all_jobs_are_listed_newest_first(store: &dyn Store) {
    let mut expected = Vec::new();
    for (outcome, _) in endings() {
        expected.push(settled(store, outcome).await.id);
        let later = insert(store, &delayed(HOUR)).await;
        expected.push(later);
    }
    expected.reverse();
    let jobs = list(store, &JobFilter::default()).await;
    assert_eq!(jobs.iter().map(|job| job.id).collect::<Vec<_>>(), expected);
}

/// What is listed is what is found.
pub async fn what_is_listed_is_what_is_found(store: &dyn Store) {
    settled(store, retry(HOUR)).await;
    settled(store, Outcome::Completed(Some("7".to_owned()))).await;
    settled(store, discard()).await;
    running(store).await;
    let mut new = delayed(HOUR);
    new.extras_mut().tags = vec!["a".to_owned()];
    insert(store, &new).await;
    let jobs = list(store, &JobFilter::default()).await;
    assert_eq!(jobs.len(), 5);
    for job in jobs {
        assert_eq!(store.find(job.id).await.unwrap(), Some(job));
    }
}

/// Pages follow one another without a gap or a repetition, over live and finished jobs.
pub async fn pages_follow_one_another(store: &dyn Store) {
    let mut all = inserted(store, 45).await;
    let every_third: Vec<_> = all.iter().step_by(3).copied().collect();
    store.discard(&every_third, "no", &ada()).await.unwrap();
    all.reverse();
    for limit in [1, 7, 45, 1_000] {
        let (mut before, mut seen) = (None, Vec::new());
        loop {
            let page = Page { before, limit };
            let jobs = store.list(&JobFilter::default(), page).await.unwrap();
            assert!(jobs.len() <= limit as usize && seen.len() <= all.len(), "pages of {limit}");
            let Some(last) = jobs.last() else { break };
            before = Some(last.id);
            seen.extend(jobs.iter().map(|job| job.id));
        }
        assert_eq!(seen, all, "pages of {limit}");
    }
}

/// A filter is followed from page to page.
pub async fn pages_follow_the_filter(store: &dyn Store) {
    let all = inserted(store, 30).await;
    let some: Vec<_> = all.iter().step_by(2).copied().collect();
    store.discard(&some, "no", &ada()).await.unwrap();
    let filter = JobFilter { states: vec![JobState::Discarded], ..JobFilter::default() };
    let first = store.list(&filter, Page { before: None, limit: 10 }).await.unwrap();
    let rest = Page { before: Some(first[9].id), limit: 10 };
    let second = store.list(&filter, rest).await.unwrap();
    let mut seen: Vec<_> = first.iter().chain(&second).map(|job| job.id).collect();
    seen.reverse();
    assert_eq!(seen, some);
}

/// By state, live and finished ones mixed.
pub async fn by_state(store: &dyn Store) {
    let done = settled(store, Outcome::Completed(None)).await.id;
    let dead = settled(store, discard()).await.id;
    let failed = settled(store, retry(HOUR)).await.id;
    let held = running(store).await.id;
    let later = insert(store, &delayed(HOUR)).await;
    let states =
        |states: &[JobState]| JobFilter { states: states.to_vec(), ..JobFilter::default() };
    let running = states(&[JobState::Running]);
    assert_eq!(matching(store, &running).await, BTreeSet::from([held]));
    let mixed = states(&[JobState::Completed, JobState::Retryable, JobState::Discarded]);
    assert_eq!(matching(store, &mixed).await, BTreeSet::from([done, failed, dead]));
    let waiting = states(&[JobState::Scheduled, JobState::Parked]);
    assert_eq!(matching(store, &waiting).await, BTreeSet::from([later]));
}

/// By id, queue and task; each part narrows, within a part any value fits.
pub async fn by_id_queue_and_task(store: &dyn Store) {
    let mut jobs = Vec::new();
    for queue in ["mail", "reports", "web"] {
        for task in ["send", "resize"] {
            jobs.push(NewJob::new(queue, task, "{}".to_owned()));
        }
    }
    store.insert(&jobs).await.unwrap();
    store.discard(&[jobs[0].id, jobs[3].id], "no", &ada()).await.unwrap();
    let all = JobFilter::default;
    let queues = JobFilter { queues: vec!["mail".into(), "web".into()], ..all() };
    let expected = [0, 1, 4, 5].map(|at: usize| jobs[at].id);
    assert_eq!(matching(store, &queues).await, BTreeSet::from(expected));
    let tasks = JobFilter { tasks: vec!["resize".into()], ..queues.clone() };
    assert_eq!(matching(store, &tasks).await, BTreeSet::from([jobs[1].id, jobs[5].id]));
    let ids = JobFilter { ids: vec![jobs[0].id, jobs[2].id, jobs[3].id], ..all() };
    assert_eq!(matching(store, &ids).await.len(), 3);
    let narrow = JobFilter { ids: ids.ids, ..tasks };
    assert_eq!(matching(store, &narrow).await, BTreeSet::new());
}

/// Hundreds of ids may be asked for at once.
pub async fn by_hundreds_of_ids(store: &dyn Store) {
    let all = inserted(store, 900).await;
    let filter = JobFilter { ids: all[100..].to_vec(), ..JobFilter::default() };
    let page = Page { before: None, limit: 1_000 };
    assert_eq!(store.list(&filter, page).await.unwrap().len(), 800);
}

/// By tag: the whole tag, among several, live or finished.
pub async fn by_tag(store: &dyn Store) {
    let mut jobs = Vec::new();
    for tags in [vec!["vip", "eu"], vec!["vip-eu"], vec![], vec!["VIP"], vec!["o'\"k\\", "vip"]] {
        let mut new = job();
        new.extras_mut().tags = tags.into_iter().map(str::to_owned).collect();
        jobs.push(new);
    }
    store.insert(&jobs).await.unwrap();
    store.discard(&[jobs[4].id], "no", &ada()).await.unwrap();
    let tag = |tag: &str| JobFilter { tag: Some(tag.to_owned()), ..JobFilter::default() };
    assert_eq!(matching(store, &tag("vip")).await, BTreeSet::from([jobs[0].id, jobs[4].id]));
    assert_eq!(matching(store, &tag("o'\"k\\")).await, BTreeSet::from([jobs[4].id]));
    assert_eq!(matching(store, &tag("vi")).await, BTreeSet::new());
}

/// By the time of the insert.
pub async fn by_age(store: &dyn Store) {
    let old = inserted(store, 2).await;
    store.discard(&old[..1], "no", &ada()).await.unwrap();
    travel(store, HOUR).await;
    inserted(store, 1).await;
    let time = crate::clock::earlier(store.now().await.unwrap(), MINUTE);
    let filter = JobFilter { inserted_before: Some(time), ..JobFilter::default() };
    assert_eq!(matching(store, &filter).await, old.into_iter().collect());
}

/// By the number of attempts begun.
pub async fn by_attempts(store: &dyn Store) {
    let held = running(store).await;
    settle(store, &held, retry(std::time::Duration::ZERO)).await;
    let twice = claim_one(store, held.owner).await.id;
    let once = settled(store, discard()).await.id;
    inserted(store, 1).await;
    let from = |attempts| JobFilter { attempts_from: Some(attempts), ..JobFilter::default() };
    assert_eq!(matching(store, &from(0)).await.len(), 3);
    assert_eq!(matching(store, &from(1)).await, BTreeSet::from([twice, once]));
    assert_eq!(matching(store, &from(2)).await, BTreeSet::from([twice]));
    assert_eq!(matching(store, &from(3)).await, BTreeSet::new());
}

fn argument(name: &str, value: Value) -> JobFilter {
    JobFilter { argument: Some((name.to_owned(), value)), ..JobFilter::default() }
}

/// By the value of an argument, of any JSON type; text and number are not the same.
pub async fn by_argument(store: &dyn Store) {
    let values = [
        json!("ada"),
        json!(7),
        json!("7"),
        json!(true),
        json!("true"),
        json!([1, "a"]),
        json!({"a": 1}),
    ];
    let jobs: Vec<_> = values
        .iter()
        .map(|value| NewJob { payload: json!({"other": 0, "to": value}).to_string(), ..job() })
        .collect();
    store.insert(&jobs).await.unwrap();
    insert(store, &NewJob { payload: r#"{"from":"ada"}"#.to_owned(), ..job() }).await;
    for (value, new) in values.into_iter().zip(&jobs) {
        let filter = argument("to", value);
        assert_eq!(matching(store, &filter).await, BTreeSet::from([new.id]), "{filter:?}");
    }
    assert_eq!(matching(store, &argument("to", json!("eve"))).await, BTreeSet::new());
    assert_eq!(matching(store, &argument("nobody", json!(7))).await, BTreeSet::new());
}

/// Numbers are told apart to their last digit, the largest and the fractions too.
pub async fn by_an_argument_that_is_a_number(store: &dyn Store) {
    let values = [
        json!(u64::MAX),
        json!(u64::MAX - 1),
        json!(i64::MIN),
        json!(i64::MIN + 1),
        json!(9_007_199_254_740_993_i64),
        json!(9_007_199_254_740_992_i64),
        json!(0.1),
        json!(-1),
        json!(0),
        json!(false),
        json!(""),
    ];
    let jobs: Vec<_> = values
        .iter()
        .map(|value| NewJob { payload: json!({"n": value}).to_string(), ..job() })
        .collect();
    store.insert(&jobs).await.unwrap();
    for (value, new) in values.into_iter().zip(&jobs) {
        let filter = argument("n", value);
        assert_eq!(matching(store, &filter).await, BTreeSet::from([new.id]), "{filter:?}");
    }
}

/// An argument that is null is not one that is missing.
pub async fn by_an_argument_that_is_null(store: &dyn Store) {
    let null = insert(store, &NewJob { payload: r#"{"to":null}"#.to_owned(), ..job() }).await;
    let text = NewJob { payload: r#"{"to":"null"}"#.to_owned(), ..job() };
    store.insert(&[job(), text]).await.unwrap();
    assert_eq!(matching(store, &argument("to", Value::Null)).await, BTreeSet::from([null]));
}

/// Names and values of arguments are taken as they are, whatever a JSON path would make of them.
pub async fn by_an_argument_of_an_odd_name(store: &dyn Store) {
    for name in ["a.b", "$", "a[0]", "it's", "say \"hi\"", "a\\b", "*", "", "é 🦀", "%"] {
        let payload = json!({name: name, "a": {"b": name}}).to_string();
        let id = insert(store, &NewJob { payload, ..job() }).await;
        let filter = argument(name, json!(name));
        assert_eq!(matching(store, &filter).await, BTreeSet::from([id]), "{name:?}");
    }
}

/// The argument filter looks into waiting, running and finished jobs, and goes with other filters.
pub async fn by_argument_and_more(store: &dyn Store) {
    let payload = r#"{"to":"ada"}"#;
    let jobs: Vec<_> = (0..3).map(|_| NewJob { payload: payload.to_owned(), ..job() }).collect();
    store.insert(&jobs).await.unwrap();
    inserted(store, 2).await;
    store.discard(&[jobs[1].id], "no", &ada()).await.unwrap();
    let owner = worker(store).await;
    claim_one(store, owner).await;
    let filter = argument("to", json!("ada"));
    assert_eq!(matching(store, &filter).await, jobs.iter().map(|job| job.id).collect());
    let page = Page { before: Some(jobs[2].id), limit: 1 };
    assert_eq!(store.list(&filter, page).await.unwrap()[0].id, jobs[1].id);
    let filter = JobFilter { states: vec![JobState::Running], ..filter };
    assert_eq!(matching(store, &filter).await, BTreeSet::from([jobs[0].id]));
}

/// Payloads that are no JSON object fit no argument, and break no listing.
pub async fn a_broken_payload_breaks_no_listing(store: &dyn Store) {
    for payload in ["", "no JSON", "{\"to\":", "[1]", "null", "\"to\"", "7", "{\"to\":\"\\ud800\"}"]
    {
        insert(store, &NewJob { payload: payload.to_owned(), ..job() }).await;
    }
    let good = insert(store, &NewJob { payload: r#"{"to":7}"#.to_owned(), ..job() }).await;
    assert_eq!(matching(store, &argument("to", json!(7))).await, BTreeSet::from([good]));
    assert_eq!(list(store, &JobFilter::default()).await.len(), 9);
}

/// Jobs are counted by queue and state; what is not there is left out.
pub async fn jobs_are_counted_by_queue_and_state(store: &dyn Store) {
    assert_eq!(store.count().await.unwrap(), []);
    inserted(store, 3).await;
    insert(store, &delayed(HOUR)).await;
    let other = NewJob { queue: "reports".into(), ..job() };
    let dead = [other.clone(), NewJob { id: JobId::new(), ..other.clone() }];
    store.insert(&dead).await.unwrap();
    store.discard(&[dead[0].id, dead[1].id], "no", &ada()).await.unwrap();
    insert(store, &NewJob { id: JobId::new(), ..other }).await;
    let mut counts = store.count().await.unwrap();
    counts.sort_by(|a, b| (&a.queue, a.state).cmp(&(&b.queue, b.state)));
    let entry = |queue: &str, state, count| StateCount { queue: queue.to_owned(), state, count };
    let expected = [
        entry(QUEUE, JobState::Available, 3),
        entry(QUEUE, JobState::Scheduled, 1),
        entry("reports", JobState::Available, 1),
        entry("reports", JobState::Discarded, 2),
    ];
    assert_eq!(counts, expected);
}

/// The ids of a page are those of the jobs that the same page lists, whatever the filter.
pub async fn ids_are_those_of_the_listing(store: &dyn Store) {
    for (outcome, _) in endings() {
        settled(store, outcome).await;
    }
    let mut tagged = NewJob { payload: r#"{"to":"ada"}"#.to_owned(), ..delayed(HOUR) };
    tagged.extras_mut().tags = vec!["a".to_owned()];
    let tagged = insert(store, &tagged).await;
    running(store).await;
    let filters = [
        JobFilter::default(),
        JobFilter { ids: vec![tagged, JobId::new()], ..JobFilter::default() },
        JobFilter { states: vec![JobState::Discarded], ..JobFilter::default() },
        JobFilter { queues: vec![QUEUE.to_owned()], ..JobFilter::default() },
        JobFilter { tag: Some("a".to_owned()), ..JobFilter::default() },
        JobFilter { attempts_from: Some(1), ..JobFilter::default() },
        JobFilter { argument: Some(("to".to_owned(), json!("ada"))), ..JobFilter::default() },
        JobFilter { argument: Some(("to".to_owned(), json!("bob"))), ..JobFilter::default() },
    ];
    for filter in filters {
        let jobs = list(store, &filter).await;
        let all: Vec<_> = jobs.iter().map(|job| job.id).collect();
        assert_eq!(store.ids(&filter, Page::default()).await.unwrap(), all, "{filter:?}");
        let mut paged = Vec::new();
        for _ in 0..=all.len() {
            let page = Page { before: paged.last().copied(), limit: 1 };
            paged.extend(store.ids(&filter, page).await.unwrap());
        }
        assert_eq!(paged, all, "{filter:?}");
    }
}

/// A page of ids may be as large as 10,000, over live and finished jobs.
pub async fn ids_come_in_pages_of_ten_thousand(store: &dyn Store) {
    let mut all = inserted(store, 5_000).await;
    let every_third: Vec<_> = all.iter().step_by(3).copied().collect();
    store.discard(&every_third, "no", &ada()).await.unwrap();
    all.reverse();
    let page = Page { before: None, limit: 10_000 };
    assert_eq!(store.ids(&JobFilter::default(), page).await.unwrap(), all);
    let filter = JobFilter { argument: Some(("to".to_owned(), json!(1))), ..JobFilter::default() };
    assert_eq!(store.ids(&filter, page).await.unwrap(), []);
}
