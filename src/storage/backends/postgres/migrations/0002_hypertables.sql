-- The same tables where the database has TimescaleDB: hypertables by UTC day and by 30 days, compressed after a week. The
-- server never drops anything by itself: rollups are made before results go.

CREATE TABLE result (LIKE result_shape INCLUDING ALL);
CREATE TABLE rollup (LIKE rollup_shape INCLUDING ALL);
DROP TABLE result_shape, rollup_shape;

DO $$
DECLARE
    home text := current_schema();
    -- Where the extension lives is the database owner's choice.
    ext  text := (SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
                  WHERE e.extname = 'timescaledb');
    name text;
    part text;
BEGIN
    FOR name, part IN VALUES ('result', 'time'), ('rollup', 'start') LOOP
        EXECUTE format(
            'SELECT %I.create_hypertable(%L::regclass, %L::name, chunk_time_interval => %L::interval, create_default_indexes => false)',
            ext, format('%I.%I', home, name), part, CASE name WHEN 'result' THEN '1 day' ELSE '30 days' END
        );
    END LOOP;
    EXECUTE format(
        'ALTER TABLE %I.result SET (timescaledb.compress, timescaledb.compress_segmentby = ''monitor'', timescaledb.compress_orderby = ''time'')',
        home
    );
    EXECUTE format(
        'SELECT %I.add_compression_policy(%L::regclass, compress_after => interval ''7 days'')', ext, format('%I.result', home)
    );
END
$$;

CREATE FUNCTION make_result_partitions(days date[]) RETURNS void
LANGUAGE sql SET search_path FROM CURRENT AS $$ SELECT $$;

CREATE FUNCTION make_rollup_partitions(of_tier text, months date[]) RETURNS void
LANGUAGE sql SET search_path FROM CURRENT AS $$ SELECT $$;

CREATE FUNCTION drop_partitions() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = '2s' AS $$
DECLARE
    home text := current_schema();
    ext  text := (SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace
                  WHERE e.extname = 'timescaledb');
    dropped integer := 0;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('hallmonitor partitions ' || home, 0)) THEN
        RETURN 0;
    END IF;
    IF given_up('raw') > '-infinity' THEN
        EXECUTE format('SELECT count(*) FROM %I.drop_chunks(%L::regclass, older_than => %L::timestamptz)',
            ext, format('%I.result', home), given_up('raw')) INTO dropped;
    END IF;
    RETURN dropped;
END
$$;

REVOKE ALL ON FUNCTION drop_partitions() FROM PUBLIC;
