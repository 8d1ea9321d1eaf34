-- A schema as Stitch's Segment integration leaves it in PostgreSQL, after the DDL that Stitch writes: types by the first values seen,
-- a column per type where a path had several (__bi, __bo, __do, __st), arrays of objects in tables of their own, no primary key declared
-- (Stitch keeps it in the table's comment), sequences in milliseconds. With a few rows, of which nothing may change.
CREATE SCHEMA stitch_old;

CREATE TABLE stitch_old.track (
    message_id                   text,
    type                         text,
    user_id                      bigint,
    anonymous_id                 varchar(128),
    channel                      varchar(128),
    version                      bigint,
    event                        varchar(256),
    received_at                  timestamp with time zone,
    sent_at                      text,
    "timestamp"                  timestamp with time zone,
    original_timestamp           text,
    context__ip                  varchar(128),
    context__user_agent          text,
    context__library__name       varchar(128),
    properties__total            bigint,
    properties__total__st        text,
    properties__price            double precision,
    properties__quantity__bi     bigint,
    properties__quantity__st     text,
    properties__paid             boolean,
    properties__score            bigint,
    properties__score__do        double precision,
    properties__seen_at          timestamp with time zone,
    properties__sku              varchar(8),
    "properties__OldName"        text,
    _sdc_batched_at              timestamp with time zone,
    _sdc_received_at             timestamp with time zone,
    _sdc_sequence                bigint,
    _sdc_table_version           bigint
);
COMMENT ON TABLE stitch_old.track IS '{"primary_keys": ["message_id"]}';

CREATE TABLE stitch_old.track__properties__products (
    _sdc_batched_at              timestamp with time zone,
    _sdc_level_0_id              bigint,
    _sdc_received_at             timestamp with time zone,
    _sdc_sequence                bigint,
    _sdc_source_key_message_id   text,
    _sdc_table_version           bigint,
    id                           bigint,
    price                        double precision
);

CREATE TABLE stitch_old.identify (
    message_id                   varchar(36),
    type                         text,
    user_id                      text,
    received_at                  text,
    "timestamp"                  text,
    traits__plan                 text,
    traits__age                  bigint,
    _sdc_batched_at              timestamp with time zone,
    _sdc_received_at             timestamp with time zone,
    _sdc_sequence                bigint,
    _sdc_table_version           bigint
);

CREATE TABLE stitch_old._sdc_rejected (
    record                       text,
    reason                       text,
    table_name                   text,
    _sdc_rejected_at             timestamp with time zone
);

INSERT INTO stitch_old.track (message_id, type, user_id, version, event, received_at, sent_at, properties__total,
                              properties__quantity__bi, properties__score__do, "properties__OldName",
                              _sdc_batched_at, _sdc_received_at, _sdc_sequence, _sdc_table_version)
VALUES ('old-1', 'track', 7, 2, 'Order Completed', '2024-02-29 12:00:00+00', '2024-02-29T12:00:00.123Z', 12, 3, 0.1, 'kept',
        '2024-02-29 12:05:00+00', '2024-02-29 12:00:01+00', 1709208000000, 1536170000000),
       ('old-2', 'track', NULL, NULL, 'Order Completed', '2024-03-01 12:00:00+00', 'tomorrow', NULL, NULL, NULL, NULL,
        '2024-03-01 12:05:00+00', '2024-03-01 12:00:01+00', 1709294400000, 1536170000000);

INSERT INTO stitch_old.track__properties__products
VALUES ('2024-02-29 12:05:00+00', 0, '2024-02-29 12:00:01+00', 1709208000000, 'old-1', 1536170000000, 1, 5.5);

INSERT INTO stitch_old.identify (message_id, type, user_id, received_at, "timestamp", traits__age, _sdc_sequence)
VALUES ('old-3', 'identify', 'u1', '2024-02-29T12:00:00Z', 'yesterday', 41, 1709208000000);

INSERT INTO stitch_old._sdc_rejected VALUES ('{"a":', 'not json', 'track', '2024-02-29 12:05:00+00');
