-- Slots that were fired: what makes a slot fire once.
CREATE TABLE IF NOT EXISTS taskx_slots (
    schedule VARCHAR(190) NOT NULL,
    slot DATETIME(6) NOT NULL,
    job_id BINARY(16) NOT NULL,
    fired_at DATETIME(6) NOT NULL,
    PRIMARY KEY (schedule, slot),
    KEY taskx_slots_fired (fired_at)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
