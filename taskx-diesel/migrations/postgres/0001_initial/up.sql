-- Names compare byte by byte (COLLATE "C"): exact, and cheaper in an index than a language's order.
-- JSON is text, so that what was stored comes back to the byte.

CREATE TABLE taskx_jobs (
    id uuid PRIMARY KEY,
    queue text COLLATE "C" NOT NULL,
    task text COLLATE "C" NOT NULL,
    state smallint NOT NULL,
    priority smallint NOT NULL,
    attempt integer NOT NULL DEFAULT 0,
    max_attempts integer NOT NULL,
    fence bigint NOT NULL DEFAULT 0,
    owner uuid,
    payload text COLLATE "C" NOT NULL,
    payload_format smallint NOT NULL DEFAULT 0,
    task_version integer,
    inserted_at timestamptz NOT NULL,
    run_at timestamptz NOT NULL,
    claimed_at timestamptz,
    solo smallint NOT NULL DEFAULT 0,
    crash_count integer NOT NULL DEFAULT 0,
    crash_group uuid,
    snooze_count integer NOT NULL DEFAULT 0,
    cancel_requested_at timestamptz,
    progress text COLLATE "C",
    reason text COLLATE "C",
    tags text COLLATE "C",
    meta text COLLATE "C",
    trace text COLLATE "C",
    parent_id uuid,
    batch_id uuid,
    schedule_id text COLLATE "C",
    slot timestamptz,
    expires_at timestamptz,
    unique_key text COLLATE "C",
    concurrency_key text COLLATE "C",
    tenant text COLLATE "C"
) WITH (
    -- Rows live for moments and leave dead ones behind: vacuum by their number, not by the share of
    -- a table that is large when work piles up, and do not sleep meanwhile.
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 20000,
    autovacuum_vacuum_cost_delay = 0
);

-- What a claim walks: only jobs that are available.
CREATE INDEX taskx_jobs_ready ON taskx_jobs (queue, priority, id) WHERE state = 0;
-- What the promotion walks: jobs that wait for a time.
CREATE INDEX taskx_jobs_due ON taskx_jobs (run_at) WHERE state IN (2, 3);
-- What a worker takes back when it starts.
CREATE INDEX taskx_jobs_parked ON taskx_jobs (task) WHERE state = 4;
-- Whether an earlier job of a schedule is still live.
CREATE INDEX taskx_jobs_schedule ON taskx_jobs (schedule_id) WHERE schedule_id IS NOT NULL;

CREATE TABLE taskx_history (
    id uuid PRIMARY KEY,
    queue text COLLATE "C" NOT NULL,
    task text COLLATE "C" NOT NULL,
    state smallint NOT NULL,
    priority smallint NOT NULL,
    attempt integer NOT NULL,
    max_attempts integer NOT NULL,
    fence bigint NOT NULL,
    owner uuid,
    payload text COLLATE "C" NOT NULL,
    payload_format smallint NOT NULL,
    task_version integer,
    inserted_at timestamptz NOT NULL,
    run_at timestamptz NOT NULL,
    claimed_at timestamptz,
    crash_count integer NOT NULL,
    snooze_count integer NOT NULL,
    cancel_requested_at timestamptz,
    progress text COLLATE "C",
    reason text COLLATE "C",
    tags text COLLATE "C",
    meta text COLLATE "C",
    trace text COLLATE "C",
    parent_id uuid,
    batch_id uuid,
    schedule_id text COLLATE "C",
    slot timestamptz,
    expires_at timestamptz,
    unique_key text COLLATE "C",
    concurrency_key text COLLATE "C",
    tenant text COLLATE "C",
    finished_at timestamptz NOT NULL,
    result text COLLATE "C",
    prune_at timestamptz NOT NULL
);

CREATE INDEX taskx_history_prune ON taskx_history (prune_at);

CREATE TABLE taskx_attempts (
    job_id uuid NOT NULL,
    fence bigint NOT NULL,
    attempt integer NOT NULL,
    worker uuid NOT NULL,
    started_at timestamptz NOT NULL,
    ended_at timestamptz NOT NULL,
    outcome text COLLATE "C" NOT NULL,
    error text COLLATE "C" NOT NULL,
    backtrace text COLLATE "C",
    PRIMARY KEY (job_id, fence)
);

CREATE TABLE taskx_workers (
    id uuid PRIMARY KEY,
    service text COLLATE "C" NOT NULL,
    host text COLLATE "C" NOT NULL,
    pid integer NOT NULL,
    version text COLLATE "C" NOT NULL,
    started_at timestamptz NOT NULL,
    renewed_at timestamptz NOT NULL,
    lease_until timestamptz NOT NULL,
    ended_at timestamptz,
    presence smallint NOT NULL DEFAULT 0,
    running text COLLATE "C"
) WITH (fillfactor = 50);

CREATE TABLE taskx_worker_tasks (
    worker uuid NOT NULL,
    task text COLLATE "C" NOT NULL,
    PRIMARY KEY (worker, task)
);

CREATE TABLE taskx_tasks (
    name text COLLATE "C" PRIMARY KEY,
    owner text COLLATE "C" NOT NULL,
    arguments text COLLATE "C" NOT NULL,
    version integer NOT NULL,
    last_seen timestamptz NOT NULL
);

CREATE TABLE taskx_queues (
    name text COLLATE "C" PRIMARY KEY,
    paused_at timestamptz,
    paused_by text COLLATE "C",
    reason text COLLATE "C"
);

CREATE TABLE taskx_schedules (
    name text COLLATE "C" PRIMARY KEY,
    owner text COLLATE "C" NOT NULL,
    source text COLLATE "C" NOT NULL,
    task text COLLATE "C" NOT NULL,
    trigger_text text COLLATE "C" NOT NULL,
    args text COLLATE "C" NOT NULL,
    options text COLLATE "C" NOT NULL,
    declared_hash text COLLATE "C" NOT NULL,
    declared_version text COLLATE "C" NOT NULL,
    paused_at timestamptz,
    dropped_at timestamptz,
    last_slot timestamptz,
    next_slot timestamptz,
    missed bigint NOT NULL DEFAULT 0,
    last_job uuid,
    created_at timestamptz NOT NULL
);

CREATE TABLE taskx_slots (
    schedule text COLLATE "C" NOT NULL,
    slot timestamptz NOT NULL,
    job_id uuid NOT NULL,
    fired_at timestamptz NOT NULL,
    PRIMARY KEY (schedule, slot)
);

CREATE INDEX taskx_slots_fired ON taskx_slots (fired_at);

CREATE TABLE taskx_meta (
    name text COLLATE "C" PRIMARY KEY,
    value text COLLATE "C" NOT NULL
);

INSERT INTO taskx_meta (name, value) VALUES ('generation', '1');

-- Whether an argument or a tag is what a listing asks for. A payload that is no JSON has none: one
-- odd row must not fail a listing that looks into all of them.
CREATE FUNCTION taskx_argument_is(payload text, name text, value text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    RETURN COALESCE((payload::jsonb -> name) = value::jsonb, false);
EXCEPTION WHEN OTHERS THEN
    RETURN false;
END
$$;

CREATE FUNCTION taskx_has_tag(tags text, tag text) RETURNS boolean
LANGUAGE plpgsql IMMUTABLE STRICT AS $$
BEGIN
    RETURN COALESCE(tags::jsonb ? tag, false);
EXCEPTION WHEN OTHERS THEN
    RETURN false;
END
$$;
