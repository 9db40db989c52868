-- Results by UTC day, rollups by tier and UTC month.

CREATE TABLE result (LIKE result_shape INCLUDING ALL) PARTITION BY RANGE (time);
CREATE TABLE rollup (LIKE rollup_shape INCLUDING ALL) PARTITION BY LIST (tier);
DROP TABLE result_shape, rollup_shape;

CREATE TABLE rollup_5m PARTITION OF rollup FOR VALUES IN ('5m') PARTITION BY RANGE (start);
CREATE TABLE rollup_hour PARTITION OF rollup FOR VALUES IN ('hour') PARTITION BY RANGE (start);
CREATE TABLE rollup_day PARTITION OF rollup FOR VALUES IN ('day') PARTITION BY RANGE (start);

-- These make and drop partitions for roles that may not create tables: they run with the rights of who made them, and
-- do nothing but that. Attaching lets others read and write meanwhile, which creating in place does not.
CREATE FUNCTION make_partition(parent text, name text, began date, ended date) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
    home text := current_schema();
BEGIN
    IF to_regclass(format('%I.%I', home, name)) IS NOT NULL THEN
        RETURN;
    END IF;
    EXECUTE format('CREATE TABLE %I.%I (LIKE %I.%I INCLUDING ALL)', home, name, home, parent);
    EXECUTE format(
        'ALTER TABLE %I.%I ATTACH PARTITION %I.%I FOR VALUES FROM (%L) TO (%L)',
        home, parent, home, name,
        to_char(began, 'YYYY-MM-DD') || ' 00:00:00+00', to_char(ended, 'YYYY-MM-DD') || ' 00:00:00+00'
    );
END
$$;

CREATE FUNCTION make_result_partitions(days date[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    day date;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('hallmonitor partitions ' || current_schema(), 0));
    FOREACH day IN ARRAY days LOOP
        PERFORM make_partition('result', 'result_' || to_char(day, 'YYYYMMDD'), day, day + 1);
    END LOOP;
END
$$;

CREATE FUNCTION make_rollup_partitions(of_tier text, months date[]) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    month date;
BEGIN
    IF of_tier NOT IN ('5m', 'hour', 'day') THEN
        RAISE EXCEPTION 'no such tier: %', of_tier;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('hallmonitor partitions ' || current_schema(), 0));
    FOREACH month IN ARRAY months LOOP
        month := date_trunc('month', month::timestamp)::date;
        PERFORM make_partition(
            'rollup_' || of_tier, 'rollup_' || of_tier || '_' || to_char(month, 'YYYYMM'),
            month, (month + interval '1 month')::date
        );
    END LOOP;
END
$$;

-- Drops partitions that every instance has given up; gives their number. One session at a time does it.
CREATE FUNCTION drop_partitions() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET lock_timeout = '2s' AS $$
DECLARE
    home text := current_schema();
    part record;
    dropped integer := 0;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtextextended('hallmonitor partitions ' || home, 0)) THEN
        RETURN 0;
    END IF;
    FOR part IN
        SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
        WHERE i.inhparent = format('%I.result', home)::regclass
          AND to_date(right(c.relname, 8), 'YYYYMMDD')::timestamp + interval '1 day'
              <= given_up('raw') AT TIME ZONE 'UTC'
        UNION ALL
        SELECT c.relname FROM unnest(ARRAY['5m', 'hour', 'day']) AS t(tier)
        JOIN pg_inherits i ON i.inhparent = format('%I.%I', home, 'rollup_' || t.tier)::regclass
        JOIN pg_class c ON c.oid = i.inhrelid
        WHERE to_date(right(c.relname, 6), 'YYYYMM')::timestamp + interval '1 month'
              <= given_up(t.tier) AT TIME ZONE 'UTC'
    LOOP
        EXECUTE format('DROP TABLE %I.%I', home, part.name);
        dropped := dropped + 1;
    END LOOP;
    RETURN dropped;
END
$$;

REVOKE ALL ON FUNCTION make_partition(text, text, date, date) FROM PUBLIC;
REVOKE ALL ON FUNCTION make_result_partitions(date[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION make_rollup_partitions(text, date[]) FROM PUBLIC;
REVOKE ALL ON FUNCTION drop_partitions() FROM PUBLIC;
