DELETE FROM taskx_meta WHERE name = 'generation';
