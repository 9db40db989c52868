-- The tables that are the same on every server. Names are looked up in the schema of the store.

CREATE TABLE store (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    id       uuid NOT NULL,
    engine   text NOT NULL CHECK (engine IN ('partitions', 'timescale')),
    created  timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE store IS 'One row: what this store is called, and how its large tables are kept.';

CREATE TABLE instance (
    number     integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id         uuid NOT NULL UNIQUE,
    first_seen timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE instance IS 'The installations of Hall Monitor that keep their history here.';

CREATE TABLE metadata (
    instance integer NOT NULL REFERENCES instance,
    key      text COLLATE "C" NOT NULL,
    value    bytea NOT NULL,
    updated  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (instance, key)
);

-- A monitor gets its number at first sight, known or not. The id of zeros stands for all monitors of an instance.
CREATE TABLE monitor (
    number     integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    instance   integer NOT NULL REFERENCES instance,
    id         uuid NOT NULL,
    name       text,
    group_name text,
    kind       text,
    target     text,
    first_seen timestamptz,
    last_seen  timestamptz,
    UNIQUE (instance, id)
);

-- Nothing before `until` is read or accepted. Monitor 0 stands for all monitors of the instance; tier `raw` for results.
CREATE TABLE floor (
    instance integer NOT NULL REFERENCES instance,
    monitor  integer NOT NULL,
    tier     text COLLATE "C" NOT NULL CHECK (tier IN ('raw', '5m', 'hour', 'day')),
    until    timestamptz NOT NULL,
    PRIMARY KEY (instance, tier, monitor)
);

CREATE TABLE gap (
    monitor integer NOT NULL REFERENCES monitor,
    began   timestamptz NOT NULL,
    ended   timestamptz NOT NULL,
    reason  text NOT NULL,
    PRIMARY KEY (monitor, began)
);

CREATE TABLE incident (
    instance     integer NOT NULL REFERENCES instance,
    id           uuid NOT NULL,
    monitor      integer NOT NULL REFERENCES monitor,
    opened       timestamptz NOT NULL,
    confirmed    timestamptz NOT NULL,
    ending       text NOT NULL CHECK (ending IN ('open', 'recovered', 'unknown')),
    ended        timestamptz CHECK ((ending = 'open') = (ended IS NULL)),
    failure      text NOT NULL,
    message      text NOT NULL,
    acknowledged timestamptz,
    acknowledged_by   text,
    acknowledged_note text,
    PRIMARY KEY (instance, id)
);

CREATE FUNCTION floor_of(of_instance integer, of_monitor integer, of_tier text) RETURNS timestamptz
LANGUAGE sql STABLE PARALLEL SAFE SET search_path FROM CURRENT AS $$
    SELECT coalesce(max(until), '-infinity') FROM floor
    WHERE instance = of_instance AND tier = of_tier AND monitor IN (0, of_monitor)
$$;
COMMENT ON FUNCTION floor_of IS 'The first instant of a tier that may be read.';

-- What every instance that has rows has given up, so that it may go as a whole.
CREATE FUNCTION given_up(of_tier text) RETURNS timestamptz
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT coalesce(min(coalesce(f.until, '-infinity')), '-infinity') FROM instance i
    LEFT JOIN floor f ON f.instance = i.number AND f.tier = of_tier AND f.monitor = 0
    WHERE EXISTS (SELECT FROM monitor m WHERE m.instance = i.number)
$$;
