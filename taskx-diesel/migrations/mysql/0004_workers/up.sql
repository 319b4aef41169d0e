-- Workers: one row for each start.
CREATE TABLE IF NOT EXISTS taskx_workers (
    id BINARY(16) NOT NULL,
    service TEXT NOT NULL,
    host TEXT NOT NULL,
    pid INT NOT NULL,
    version TEXT NOT NULL,
    started_at DATETIME(6) NOT NULL,
    renewed_at DATETIME(6) NOT NULL,
    lease_until DATETIME(6) NOT NULL,
    ended_at DATETIME(6) NULL,
    presence SMALLINT NOT NULL DEFAULT 0,
    running LONGTEXT NULL,
    PRIMARY KEY (id)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
