-- Schedules and their positions.
CREATE TABLE IF NOT EXISTS taskx_schedules (
    name VARCHAR(190) NOT NULL,
    owner VARCHAR(190) NOT NULL,
    source VARCHAR(16) NOT NULL,
    task VARCHAR(190) NOT NULL,
    trigger_text TEXT NOT NULL,
    args LONGTEXT NOT NULL,
    options LONGTEXT NOT NULL,
    declared_hash VARCHAR(190) NOT NULL,
    declared_version VARCHAR(190) NOT NULL,
    paused_at DATETIME(6) NULL,
    dropped_at DATETIME(6) NULL,
    last_slot DATETIME(6) NULL,
    next_slot DATETIME(6) NULL,
    missed BIGINT NOT NULL DEFAULT 0,
    last_job BINARY(16) NULL,
    created_at DATETIME(6) NOT NULL,
    PRIMARY KEY (name)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
