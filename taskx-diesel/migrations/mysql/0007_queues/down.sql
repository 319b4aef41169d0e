DROP TABLE IF EXISTS taskx_queues;
