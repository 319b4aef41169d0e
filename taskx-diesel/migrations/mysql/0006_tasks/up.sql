-- The tasks that workers have named.
CREATE TABLE IF NOT EXISTS taskx_tasks (
    name VARCHAR(190) NOT NULL,
    owner VARCHAR(190) NOT NULL,
    arguments LONGTEXT NOT NULL,
    version INT NOT NULL,
    last_seen DATETIME(6) NOT NULL,
    PRIMARY KEY (name)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
