DROP TABLE IF EXISTS taskx_workers;
