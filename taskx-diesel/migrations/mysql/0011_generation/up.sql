INSERT INTO taskx_meta (name, value) VALUES ('generation', '1') ON DUPLICATE KEY UPDATE name = name;
