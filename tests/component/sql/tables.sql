-- What load_transaction.sql is tried on: the tables of a source "shop", cut down to a few fixed columns; and the two columns that a
-- human added to "track", which a load must leave to themselves. Run after loader/postgres/control_schema.sql.
CREATE SCHEMA shop;

CREATE TABLE shop.page (
    message_id text COLLATE "C" PRIMARY KEY, type text, user_id text, channel text,
    received_at timestamptz, "timestamp" timestamptz, name text,
    _sdc_received_at timestamptz, _sdc_batched_at timestamptz, _sdc_sequence bigint,
    _sdc_table_version bigint, _sdc_extra jsonb
);

CREATE TABLE shop.track (
    message_id text COLLATE "C" PRIMARY KEY, type text, user_id text, channel text,
    received_at timestamptz, "timestamp" timestamptz, event text,
    _sdc_received_at timestamptz, _sdc_batched_at timestamptz, _sdc_sequence bigint,
    _sdc_table_version bigint, _sdc_extra jsonb, properties__n numeric, properties__s text,
    reviewed boolean NOT NULL DEFAULT false,
    twice numeric GENERATED ALWAYS AS (properties__n * 2) STORED
);

SELECT backstitch.make_rejected('shop');

INSERT INTO backstitch.load_offset (consumer_group, cluster_id, topic, kafka_partition, next_offset, owner)
SELECT g, 'c1', t, p, 0, 'test'
  FROM unnest(ARRAY['g1', 'g2']) AS g, (VALUES ('segment.page', 3), ('segment.track', 0)) AS v(t, p);
