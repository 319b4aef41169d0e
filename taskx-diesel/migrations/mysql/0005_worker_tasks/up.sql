-- What each worker can run.
CREATE TABLE IF NOT EXISTS taskx_worker_tasks (
    worker BINARY(16) NOT NULL,
    task VARCHAR(190) NOT NULL,
    PRIMARY KEY (worker, task)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
