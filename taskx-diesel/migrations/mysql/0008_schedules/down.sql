DROP TABLE IF EXISTS taskx_schedules;
