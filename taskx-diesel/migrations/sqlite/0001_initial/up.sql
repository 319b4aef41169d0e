-- Times are microseconds since 1970, ids are 16 bytes, JSON is text.

CREATE TABLE taskx_jobs (
    id BLOB PRIMARY KEY NOT NULL,
    queue TEXT NOT NULL,
    task TEXT NOT NULL,
    state INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    attempt INTEGER NOT NULL DEFAULT 0,
    max_attempts INTEGER NOT NULL,
    fence INTEGER NOT NULL DEFAULT 0,
    owner BLOB,
    payload TEXT NOT NULL,
    payload_format INTEGER NOT NULL DEFAULT 0,
    task_version INTEGER,
    inserted_at INTEGER NOT NULL,
    run_at INTEGER NOT NULL,
    claimed_at INTEGER,
    solo INTEGER NOT NULL DEFAULT 0,
    crash_count INTEGER NOT NULL DEFAULT 0,
    crash_group BLOB,
    snooze_count INTEGER NOT NULL DEFAULT 0,
    cancel_requested_at INTEGER,
    progress TEXT,
    reason TEXT,
    tags TEXT,
    meta TEXT,
    trace TEXT,
    parent_id BLOB,
    batch_id BLOB,
    schedule_id TEXT,
    slot INTEGER,
    expires_at INTEGER,
    unique_key TEXT,
    concurrency_key TEXT,
    tenant TEXT
) STRICT, WITHOUT ROWID;

-- What a claim walks: only jobs that are available.
CREATE INDEX taskx_jobs_ready ON taskx_jobs (queue, priority, id) WHERE state = 0;
-- What the promotion walks: jobs that wait for a time.
CREATE INDEX taskx_jobs_due ON taskx_jobs (run_at) WHERE state IN (2, 3);
-- What a starting worker brings back: jobs whose task no live worker knew.
CREATE INDEX taskx_jobs_parked ON taskx_jobs (task) WHERE state = 4;
-- Whether an earlier job of a schedule is still live.
CREATE INDEX taskx_jobs_schedule ON taskx_jobs (schedule_id) WHERE schedule_id IS NOT NULL;

CREATE TABLE taskx_history (
    id BLOB PRIMARY KEY NOT NULL,
    queue TEXT NOT NULL,
    task TEXT NOT NULL,
    state INTEGER NOT NULL,
    priority INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    max_attempts INTEGER NOT NULL,
    fence INTEGER NOT NULL,
    owner BLOB,
    payload TEXT NOT NULL,
    payload_format INTEGER NOT NULL,
    task_version INTEGER,
    inserted_at INTEGER NOT NULL,
    run_at INTEGER NOT NULL,
    claimed_at INTEGER,
    crash_count INTEGER NOT NULL,
    snooze_count INTEGER NOT NULL,
    cancel_requested_at INTEGER,
    progress TEXT,
    reason TEXT,
    tags TEXT,
    meta TEXT,
    trace TEXT,
    parent_id BLOB,
    batch_id BLOB,
    schedule_id TEXT,
    slot INTEGER,
    expires_at INTEGER,
    unique_key TEXT,
    concurrency_key TEXT,
    tenant TEXT,
    finished_at INTEGER NOT NULL,
    result TEXT,
    prune_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX taskx_history_prune ON taskx_history (prune_at);

CREATE TABLE taskx_attempts (
    job_id BLOB NOT NULL,
    fence INTEGER NOT NULL,
    attempt INTEGER NOT NULL,
    worker BLOB NOT NULL,
    started_at INTEGER NOT NULL,
    ended_at INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    error TEXT NOT NULL,
    backtrace TEXT,
    PRIMARY KEY (job_id, fence)
) STRICT, WITHOUT ROWID;

CREATE TABLE taskx_workers (
    id BLOB PRIMARY KEY NOT NULL,
    service TEXT NOT NULL,
    host TEXT NOT NULL,
    pid INTEGER NOT NULL,
    version TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    renewed_at INTEGER NOT NULL,
    lease_until INTEGER NOT NULL,
    ended_at INTEGER,
    presence INTEGER NOT NULL DEFAULT 0,
    running TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE taskx_worker_tasks (
    worker BLOB NOT NULL,
    task TEXT NOT NULL,
    PRIMARY KEY (worker, task)
) STRICT, WITHOUT ROWID;

CREATE TABLE taskx_tasks (
    name TEXT PRIMARY KEY NOT NULL,
    owner TEXT NOT NULL,
    arguments TEXT NOT NULL,
    version INTEGER NOT NULL,
    last_seen INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE taskx_queues (
    name TEXT PRIMARY KEY NOT NULL,
    paused_at INTEGER,
    paused_by TEXT,
    reason TEXT
) STRICT, WITHOUT ROWID;

CREATE TABLE taskx_schedules (
    name TEXT PRIMARY KEY NOT NULL,
    owner TEXT NOT NULL,
    source TEXT NOT NULL,
    task TEXT NOT NULL,
    trigger_text TEXT NOT NULL,
    args TEXT NOT NULL,
    options TEXT NOT NULL,
    declared_hash TEXT NOT NULL,
    declared_version TEXT NOT NULL,
    paused_at INTEGER,
    dropped_at INTEGER,
    last_slot INTEGER,
    next_slot INTEGER,
    missed INTEGER NOT NULL DEFAULT 0,
    last_job BLOB,
    created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE taskx_slots (
    schedule TEXT NOT NULL,
    slot INTEGER NOT NULL,
    job_id BLOB NOT NULL,
    fired_at INTEGER NOT NULL,
    PRIMARY KEY (schedule, slot)
) STRICT, WITHOUT ROWID;

CREATE INDEX taskx_slots_fired ON taskx_slots (fired_at);

CREATE TABLE taskx_meta (
    name TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO taskx_meta (name, value) VALUES ('generation', '1');
