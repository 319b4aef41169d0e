DROP TABLE IF EXISTS taskx_history;
