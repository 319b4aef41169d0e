DROP TABLE IF EXISTS taskx_slots;
