-- Columns and keys of the large tables, from which partitions or hypertables are made. The key is the only index.

CREATE TABLE result_shape (
    time          timestamptz NOT NULL,
    interval_us   bigint NOT NULL,
    timeout_us    bigint NOT NULL,
    duration_us   bigint NOT NULL,
    name_us       bigint,
    connect_us    bigint,
    tls_us        bigint,
    first_byte_us bigint,
    total_us      bigint,
    monitor       integer NOT NULL,
    verdict       text NOT NULL,
    failure       text,
    message       text NOT NULL,
    facts         jsonb,
    PRIMARY KEY (monitor, time)
);

CREATE TABLE rollup_shape (
    start           timestamptz NOT NULL,
    checks          bigint NOT NULL,
    up              bigint NOT NULL,
    degraded        bigint NOT NULL,
    down            bigint NOT NULL,
    inconclusive    bigint NOT NULL,
    up_us           bigint NOT NULL,
    degraded_us     bigint NOT NULL,
    down_us         bigint NOT NULL,
    latency_count   bigint NOT NULL,
    latency_sum_us  bigint NOT NULL,
    latency_min_us  bigint NOT NULL,
    latency_max_us  bigint NOT NULL,
    monitor         integer NOT NULL,
    tier            text COLLATE "C" NOT NULL,
    sketch          bytea NOT NULL,
    -- With its times in the key, a month of an overview is read from the key alone.
    PRIMARY KEY (monitor, tier, start) INCLUDE (up_us, degraded_us, down_us)
);
