-- Failed attempts: the last 10 of a job.
CREATE TABLE IF NOT EXISTS taskx_attempts (
    job_id BINARY(16) NOT NULL,
    fence BIGINT NOT NULL,
    attempt INT NOT NULL,
    worker BINARY(16) NOT NULL,
    started_at DATETIME(6) NOT NULL,
    ended_at DATETIME(6) NOT NULL,
    outcome VARCHAR(32) NOT NULL,
    error TEXT NOT NULL,
    backtrace TEXT NULL,
    PRIMARY KEY (job_id, fence)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
