DROP TABLE IF EXISTS taskx_worker_tasks;
