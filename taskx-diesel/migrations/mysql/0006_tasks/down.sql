DROP TABLE IF EXISTS taskx_tasks;
