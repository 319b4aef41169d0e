DROP TABLE IF EXISTS taskx_attempts;
