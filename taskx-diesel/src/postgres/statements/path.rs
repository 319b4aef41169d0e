//! The path of a job: insert, claim, settle, promote, park.

use diesel::sql_types::{Array, BigInt, Bool, Integer, Nullable, SmallInt, Text};

use crate::{
    schema::sql_types::{TaskxId, TaskxTime},
    statement::statement,
};

/// A column of optional values, or NULL for a batch that has none.
type Maybe<T> = Nullable<Array<Nullable<T>>>;

/// The columns of `JobExtras` in a claim.
type Extras = (
    Nullable<Text>,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<Integer>,
    Nullable<TaskxId>,
    Nullable<TaskxId>,
    Nullable<Text>,
    Nullable<TaskxTime>,
    Nullable<TaskxTime>,
    Nullable<Text>,
    Nullable<Text>,
    Nullable<Text>,
);

/// The columns of a claim, `claim_columns!`.
type Claimed = (
    TaskxId,
    BigInt,
    Text,
    SmallInt,
    Integer,
    Integer,
    Text,
    SmallInt,
    TaskxTime,
    TaskxTime,
    Integer,
    Integer,
    SmallInt,
    Nullable<TaskxTime>,
    Extras,
);

/// When a row of `i` is due, as `d.due`: at `run_at`, or `delay` microseconds from now, or now.
macro_rules! due {
    () => {
        "CROSS JOIN LATERAL (SELECT COALESCE(i.run_at, \
         now() + i.delay * interval '1 microsecond', now()) AS due) d "
    };
}

/// An insert of whole rows from `i`, without what may follow its `FROM`.
macro_rules! insert_full {
    () => {
        concat!(
            "INSERT INTO taskx_jobs (id, queue, task, state, priority, max_attempts, payload, \
             inserted_at, run_at, tags, meta, trace, task_version, parent_id, batch_id, \
             schedule_id, slot, expires_at, unique_key, concurrency_key, tenant) \
             SELECT i.id, i.queue, i.task, CASE WHEN d.due <= now() THEN 0 ELSE 2 END, \
             i.priority, i.max_attempts, i.payload, now(), d.due, i.tags, i.meta, i.trace, \
             i.task_version, i.parent_id, i.batch_id, i.schedule_id, i.slot, i.expires_at, \
             i.unique_key, i.concurrency_key, i.tenant \
             FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int2[], $5::int4[], $6::text[], \
             $7::timestamptz[], $8::int8[], $9::text[], $10::text[], $11::text[], $12::int4[], \
             $13::uuid[], $14::uuid[], $15::text[], $16::timestamptz[], $17::timestamptz[], \
             $18::text[], $19::text[], $20::text[]) \
             AS i(id, queue, task, priority, max_attempts, payload, run_at, delay, tags, meta, \
             trace, task_version, parent_id, batch_id, schedule_id, slot, expires_at, unique_key, \
             concurrency_key, tenant) ",
            due!(),
        )
    };
}

/// Where a claim looks: available jobs of queue `$2`, of tasks `$3`, unless the queue is paused or the
/// worker's row was ended.
macro_rules! claimable {
    () => {
        "FROM taskx_jobs j WHERE EXISTS (SELECT FROM me) \
         AND NOT EXISTS (SELECT FROM taskx_queues q WHERE q.name = $2 AND q.paused_at IS NOT NULL) \
         AND j.state = 0 AND j.queue = $2 AND j.task = ANY ($3) "
    };
}

statement! {
    /// The server's version as a number, and the schema that is worked in.
    pub(crate) ServerFacts() -> (Integer, Nullable<Text>) =
        "SELECT current_setting('server_version_num')::int4, current_schema()::text";

    /// Inserts jobs that have no extras, without looking for their ids. Fails if one is live.
    pub(crate) InsertPlain(
        ids: Array<TaskxId>,
        queues: Array<Text>,
        tasks: Array<Text>,
        priorities: Array<SmallInt>,
        max_attempts: Array<Integer>,
        payloads: Array<Text>,
        run_at: Maybe<TaskxTime>,
        delays: Maybe<BigInt>,
    ) = concat!(
        "INSERT INTO taskx_jobs (id, queue, task, state, priority, max_attempts, payload, \
         inserted_at, run_at) \
         SELECT i.id, i.queue, i.task, CASE WHEN d.due <= now() THEN 0 ELSE 2 END, i.priority, \
         i.max_attempts, i.payload, now(), d.due \
         FROM unnest($1::uuid[], $2::text[], $3::text[], $4::int2[], $5::int4[], $6::text[], \
         $7::timestamptz[], $8::int8[]) \
         AS i(id, queue, task, priority, max_attempts, payload, run_at, delay) ",
        due!(),
    );

    /// [`InsertPlain`] of one job.
    pub(crate) InsertLone(
        id: TaskxId,
        queue: Text,
        task: Text,
        priority: SmallInt,
        max_attempts: Integer,
        payload: Text,
        run_at: Nullable<TaskxTime>,
        delay: Nullable<BigInt>,
    ) = "INSERT INTO taskx_jobs (id, queue, task, state, priority, max_attempts, payload, \
         inserted_at, run_at) \
         SELECT $1, $2, $3, CASE WHEN d.due <= now() THEN 0 ELSE 2 END, $4, $5, $6, now(), d.due \
         FROM (SELECT COALESCE($7, now() + $8 * interval '1 microsecond', now()) AS due) d";

    /// Inserts jobs that worker `$5` holds from their birth on, all of queue `$6`; they are available
    /// instead if its row was ended or the queue is paused. Gives for each whether it is held, and
    /// since when. `me` as in [`Claim`].
    pub(crate) InsertClaimed(
        ids: Array<TaskxId>,
        tasks: Array<Text>,
        priorities: Array<SmallInt>,
        max_attempts: Array<Integer>,
        owner: TaskxId,
        queue: Text,
        payloads: Array<Text>,
    ) -> (Bool, TaskxTime) =
        "WITH me AS MATERIALIZED (SELECT FROM taskx_workers w \
         WHERE w.id = $5 AND w.ended_at IS NULL FOR KEY SHARE), \
         gate AS MATERIALIZED (SELECT EXISTS (SELECT FROM me) AND NOT EXISTS (SELECT FROM \
         taskx_queues q WHERE q.name = $6 AND q.paused_at IS NOT NULL) AS open) \
         INSERT INTO taskx_jobs (id, queue, task, state, priority, max_attempts, payload, \
         inserted_at, run_at, claimed_at, owner, fence, attempt) \
         SELECT i.id, $6, i.task, open::int, i.priority, i.max_attempts, i.payload, now(), now(), \
         CASE WHEN open THEN now() END, CASE WHEN open THEN $5 END, open::int, open::int \
         FROM gate CROSS JOIN unnest($1::uuid[], $2::text[], $3::int2[], $4::int4[], $7::text[]) \
         AS i(id, task, priority, max_attempts, payload) \
         RETURNING state = 1, inserted_at";

    /// Inserts jobs with all that they may have, without looking for their ids.
    pub(crate) InsertFull(
        ids: Array<TaskxId>,
        queues: Array<Text>,
        tasks: Array<Text>,
        priorities: Array<SmallInt>,
        max_attempts: Array<Integer>,
        payloads: Array<Text>,
        run_at: Maybe<TaskxTime>,
        delays: Maybe<BigInt>,
        tags: Maybe<Text>,
        meta: Maybe<Text>,
        trace: Maybe<Text>,
        task_version: Maybe<Integer>,
        parent_id: Maybe<TaskxId>,
        batch_id: Maybe<TaskxId>,
        schedule_id: Maybe<Text>,
        slot: Maybe<TaskxTime>,
        expires_at: Maybe<TaskxTime>,
        unique_key: Maybe<Text>,
        concurrency_key: Maybe<Text>,
        tenant: Maybe<Text>,
    ) = insert_full!();

    /// Inserts those jobs whose ids are not there, live or finished, and gives the ids that were
    /// stored, in no order. Both tables are looked at under one snapshot, in which a job is in one
    /// of them; looking only at the history would miss a job that finishes meanwhile.
    pub(crate) InsertChecked(
        ids: Array<TaskxId>,
        queues: Array<Text>,
        tasks: Array<Text>,
        priorities: Array<SmallInt>,
        max_attempts: Array<Integer>,
        payloads: Array<Text>,
        run_at: Maybe<TaskxTime>,
        delays: Maybe<BigInt>,
        tags: Maybe<Text>,
        meta: Maybe<Text>,
        trace: Maybe<Text>,
        task_version: Maybe<Integer>,
        parent_id: Maybe<TaskxId>,
        batch_id: Maybe<TaskxId>,
        schedule_id: Maybe<Text>,
        slot: Maybe<TaskxTime>,
        expires_at: Maybe<TaskxTime>,
        unique_key: Maybe<Text>,
        concurrency_key: Maybe<Text>,
        tenant: Maybe<Text>,
    ) -> TaskxId = concat!(
        insert_full!(),
        "WHERE NOT EXISTS (SELECT FROM taskx_history h WHERE h.id = i.id) \
         AND NOT EXISTS (SELECT FROM taskx_jobs l WHERE l.id = i.id) \
         ON CONFLICT (id) DO NOTHING RETURNING id",
    );

    /// Tells the listeners of this schema that something may be available in queues.
    pub(crate) NotifyQueues(queues: Array<Text>) = concat!(
        "SELECT pg_notify(", channel!(), ", 'q:' || q) FROM unnest($1) AS q",
    );

    /// Claims jobs: one that must run alone, or up to `$6` others. Its parts:
    /// - `me` locks the worker's row, so that a rescue, which locks it too, comes wholly before
    ///   (then nothing is claimed) or wholly after (then it finds what was claimed). The weakest
    ///   lock does: it lets renewals pass.
    /// - `head` is the first job behind the place `($4, $5)`; if it is marked solo, it is the batch.
    /// - `rest` starts there: rows before it are locked by other claims, and finding that out costs
    ///   a visit to each.
    /// - The rows are found again by `ctid`, which cannot change while they are locked; by id each
    ///   row would be searched twice.
    pub(crate) Claim(
        owner: TaskxId,
        queue: Text,
        tasks: Array<Text>,
        after_priority: SmallInt,
        after_id: TaskxId,
        limit: BigInt,
    ) -> Claimed = concat!(
        "WITH me AS MATERIALIZED (SELECT FROM taskx_workers w \
         WHERE w.id = $1 AND w.ended_at IS NULL FOR KEY SHARE), \
         head AS MATERIALIZED (SELECT j.ctid AS place, j.priority, j.id, j.solo ", claimable!(),
        "AND (j.priority, j.id) > ($4, $5) \
         ORDER BY j.priority, j.id LIMIT 1 FOR UPDATE OF j SKIP LOCKED), \
         rest AS MATERIALIZED (SELECT j.ctid AS place ", claimable!(),
        "AND (j.priority, j.id) >= ((SELECT head.priority FROM head), (SELECT head.id FROM head)) \
         AND (SELECT head.solo FROM head) = 0 AND j.solo = 0 \
         ORDER BY j.priority, j.id LIMIT $6 FOR UPDATE OF j SKIP LOCKED) \
         UPDATE taskx_jobs j SET state = 1, attempt = LEAST(j.attempt, 2147483646) + 1, \
         fence = LEAST(j.fence, 9223372036854775806) + 1, \
         owner = $1, claimed_at = now() \
         WHERE j.ctid = ANY (ARRAY (SELECT place FROM head WHERE head.solo <> 0 \
         UNION ALL SELECT place FROM rest)) RETURNING ",
        claim_columns!(),
    );

    /// Ends running jobs: moves them to the history for `keeps` microseconds, or deletes them where
    /// that is NULL. Gives the places (from 1) of those that were held.
    ///
    /// A job is looked up by `= ANY (ARRAY[id])` here and below, and not by `= id`: for an equality the
    /// planner may also walk the whole primary key in its order and look each job up in the batch,
    /// which is what it does while the statistics call the table empty (after a vacuum of a queue that
    /// had run dry), however many jobs have come since.
    pub(crate) Finish(
        ids: Array<TaskxId>,
        owners: Array<TaskxId>,
        fences: Array<BigInt>,
        states: Array<SmallInt>,
        keeps: Array<Nullable<BigInt>>,
        results: Maybe<Text>,
        reasons: Maybe<Text>,
    ) -> BigInt = concat!(
        "WITH gone AS (DELETE FROM taskx_jobs j \
         USING unnest($1::uuid[], $2::uuid[], $3::int8[], $4::int2[], $5::int8[], $6::text[], \
         $7::text[]) WITH ORDINALITY \
         AS i(id, owner, fence, end_state, keep, end_result, end_reason, place) \
         WHERE j.id = ANY (ARRAY[i.id]) AND j.owner = i.owner AND j.fence = i.fence AND j.state = 1 \
         RETURNING j.*, i.end_state, i.keep, i.end_result, i.end_reason, i.place), \
         kept AS (INSERT INTO taskx_history (", kept_columns!(),
        ", state, result, reason, finished_at, prune_at) SELECT ", kept_columns!(),
        ", end_state, end_result, end_reason, now(), now() + keep * interval '1 microsecond' \
         FROM gone WHERE keep IS NOT NULL ON CONFLICT (id) DO NOTHING) \
         SELECT place FROM gone",
    );

    /// Gives running jobs back whose cancellation nobody asked for: in the state `states`, due
    /// `delays` microseconds from now, or as they were where that is NULL.
    /// Gives the places (from 1) of those that were held, with the queue where they are available.
    pub(crate) GiveBack(
        ids: Array<TaskxId>,
        owners: Array<TaskxId>,
        fences: Array<BigInt>,
        states: Array<SmallInt>,
        delays: Array<Nullable<BigInt>>,
        uncounted: Array<Integer>,
        snoozed: Array<Integer>,
        reasons: Array<Nullable<Text>>,
    ) -> (BigInt, Nullable<Text>) = "UPDATE taskx_jobs j \
         SET state = i.next_state, \
         run_at = COALESCE(now() + i.delay * interval '1 microsecond', j.run_at), \
         attempt = GREATEST(j.attempt - i.uncounted, 0), \
         snooze_count = j.snooze_count + i.snoozed, \
         reason = COALESCE(i.next_reason, j.reason), owner = NULL \
         FROM unnest($1::uuid[], $2::uuid[], $3::int8[], $4::int2[], $5::int8[], $6::int4[], \
         $7::int4[], $8::text[]) WITH ORDINALITY \
         AS i(id, owner, fence, next_state, delay, uncounted, snoozed, next_reason, place) \
         WHERE j.id = ANY (ARRAY[i.id]) AND j.owner = i.owner AND j.fence = i.fence AND j.state = 1 \
         AND j.cancel_requested_at IS NULL \
         RETURNING i.place, CASE WHEN i.next_state = 0 THEN j.queue END";

    /// Notes failed attempts of jobs that are held, and locks them until they are settled.
    pub(crate) NoteAttempts(
        ids: Array<TaskxId>,
        owners: Array<TaskxId>,
        fences: Array<BigInt>,
        attempts: Array<Integer>,
        outcomes: Array<Text>,
        errors: Array<Text>,
        backtraces: Array<Nullable<Text>>,
    ) = "WITH held AS (SELECT j.id, j.fence, i.attempt, j.owner, j.claimed_at, i.outcome, i.error, \
         i.backtrace FROM taskx_jobs j \
         JOIN unnest($1::uuid[], $2::uuid[], $3::int8[], $4::int4[], $5::text[], $6::text[], \
         $7::text[]) AS i(id, owner, fence, attempt, outcome, error, backtrace) \
         ON j.id = ANY (ARRAY[i.id]) AND j.owner = i.owner AND j.fence = i.fence \
         WHERE j.state = 1 FOR UPDATE OF j) \
         INSERT INTO taskx_attempts (job_id, fence, attempt, worker, started_at, ended_at, \
         outcome, error, backtrace) \
         SELECT id, fence, attempt, owner, COALESCE(claimed_at, now()), now(), outcome, error, \
         backtrace FROM held ON CONFLICT (job_id, fence) DO NOTHING";

    /// Keeps the last `$2` attempts of jobs.
    pub(crate) TrimAttempts(ids: Array<TaskxId>, kept: BigInt) = "DELETE FROM taskx_attempts a \
         USING (SELECT job_id, fence, row_number() OVER (PARTITION BY job_id ORDER BY fence DESC) \
         AS age FROM taskx_attempts WHERE job_id = ANY ($1)) o \
         WHERE a.job_id = o.job_id AND a.fence = o.fence AND o.age > $2";

    /// Deletes the attempts of jobs.
    pub(crate) DropAttempts(ids: Array<TaskxId>) =
        "DELETE FROM taskx_attempts WHERE job_id = ANY ($1)";

    /// Of settlements that found no held job, the places (from 1) of those that had been written
    /// before: in the history by this owner and fence, or (`backs` is 1) given back under this
    /// fence and claimed by nobody since.
    pub(crate) SettledBefore(
        ids: Array<TaskxId>,
        owners: Array<TaskxId>,
        fences: Array<BigInt>,
        backs: Array<SmallInt>,
    ) -> BigInt = "SELECT i.place \
         FROM unnest($1::uuid[], $2::uuid[], $3::int8[], $4::int2[]) WITH ORDINALITY \
         AS i(id, owner, fence, back, place) \
         WHERE EXISTS (SELECT FROM taskx_history h \
         WHERE h.id = i.id AND h.owner = i.owner AND h.fence = i.fence) \
         OR (i.back = 1 AND EXISTS (SELECT FROM taskx_jobs j \
         WHERE j.id = i.id AND j.fence = i.fence AND j.owner IS NULL AND j.state <> 1))";

    /// Makes up to `$1` due jobs available, the longest due first; counts them by queue and tells
    /// the listeners, since their worker may be another than the one that promotes. One more row has
    /// no queue, and the microseconds until the next job is due. For it only times after now are
    /// looked at, so that the index entries of jobs that were just promoted are not walked.
    pub(crate) Promote(limit: BigInt) -> (Nullable<Text>, BigInt, Nullable<BigInt>) = concat!(
        "WITH up AS (UPDATE taskx_jobs SET state = 0 WHERE ctid = ANY (ARRAY ( \
         SELECT ctid FROM taskx_jobs WHERE state IN (2, 3) AND run_at <= now() \
         ORDER BY run_at LIMIT $1 FOR UPDATE SKIP LOCKED)) RETURNING queue), \
         told AS (SELECT queue, count(*) AS jobs FROM up GROUP BY queue) \
         SELECT queue, jobs, NULL FROM told \
         WHERE pg_notify(", channel!(), ", 'q:' || queue) IS NOT NULL \
         UNION ALL SELECT NULL, 0, (EXTRACT(epoch FROM min(run_at) - now()) * 1000000)::int8 \
         FROM taskx_jobs WHERE state IN (2, 3) AND run_at > now()",
    );

    /// 1 if a job is due that nobody has promoted yet.
    pub(crate) AnyDue() -> Integer = "SELECT 1 FROM taskx_jobs \
         WHERE state IN (2, 3) AND run_at <= now() LIMIT 1";

    /// 1 if a queue has an available job.
    pub(crate) AnyAvailable(queue: Text) -> Integer =
        "SELECT 1 FROM taskx_jobs WHERE state = 0 AND queue = $1 LIMIT 1";

    /// Parks available jobs, among the first `$2` of queue `$1`, whose task no live worker names.
    pub(crate) Park(queue: Text, limit: BigInt) = "WITH front AS MATERIALIZED ( \
         SELECT ctid AS place, task FROM taskx_jobs WHERE state = 0 AND queue = $1 \
         ORDER BY priority, id LIMIT $2), \
         known AS MATERIALIZED (SELECT DISTINCT t.task FROM taskx_worker_tasks t \
         JOIN taskx_workers w ON w.id = t.worker \
         WHERE w.ended_at IS NULL) \
         UPDATE taskx_jobs j SET state = 4, reason = 'no live worker knows task `' || j.task || '`' \
         WHERE j.ctid = ANY (ARRAY (SELECT front.place FROM front \
         WHERE NOT EXISTS (SELECT FROM known WHERE known.task = front.task))) \
         AND j.state = 0 AND j.queue = $1";

    /// Serialises what parks jobs with what brings them back: otherwise each could read before the
    /// other writes, and a job stay parked that a live worker knows.
    pub(crate) LockParking() = "SELECT pg_advisory_xact_lock(1952539499, hashtext(current_schema()))";

    /// Brings up to `$2` parked jobs of tasks back; tells how many by queue.
    pub(crate) Unpark(tasks: Array<Text>, limit: BigInt) -> (Text, BigInt) =
        "WITH up AS (UPDATE taskx_jobs SET state = 0, reason = NULL WHERE ctid = ANY (ARRAY ( \
         SELECT ctid FROM taskx_jobs WHERE state = 4 AND task = ANY ($1) \
         LIMIT $2 FOR UPDATE SKIP LOCKED)) RETURNING queue) \
         SELECT queue, count(*) FROM up GROUP BY queue";
}

/// Listens to this schema's channel, whose name has to be quoted into the command.
pub(crate) const LISTEN: &str =
    concat!("DO $$ BEGIN EXECUTE 'LISTEN ' || quote_ident(", channel!(), "); END $$");
