-- Facts about the database: the generation of the schema.
CREATE TABLE IF NOT EXISTS taskx_meta (
    name VARCHAR(190) NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (name)
) ENGINE = InnoDB ROW_FORMAT = DYNAMIC DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin;
