-- Queues that were paused once.
CREATE TABLE IF NOT EXISTS taskx_queues (
    name VARCHAR(190) NOT NULL,
    paused_at DATETIME(6) NULL,
    paused_by TEXT NULL,
    reason TEXT NULL,
    PRIMARY KEY (name)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
