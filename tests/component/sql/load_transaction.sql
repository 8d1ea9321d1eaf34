-- The load of one batch: ONE simple-query string, hence one transaction (architecture.md, section 4, step 2). Frozen: what
-- loader/postgres/load_query.c writes for this batch is this text but for white space and comments (tests/unit/test_load_query.c),
-- and what the text does is shown on a real server (tests/component/test_load_transaction_sql.c).
--
-- The batch: two partitions; rows for "page" and "track" of the schema "shop"; of "screen" only events that selective integrations
-- withheld; of "group" only what waits; one delete request; a rejected event that came twice. {names} stand for values. By LOADER_DUPLICATES:
--              {direction}  {keeps}  {beats}
--     oldest   (nothing)    <=       >
--     newest   DESC         >=       <

-- 1. Positions first: BS001 before the first COPY costs nothing. Ordered: two loaders lock rows in the same order.
SELECT backstitch.advance({group}, 'c1', v.t, v.p, v.f, v.n, {owner})
  FROM (SELECT * FROM (VALUES ('segment.page', 3, {from}::bigint, {to}::bigint),
                              ('segment.track', 0, {from}::bigint, {to}::bigint)) AS w(t, p, f, n)
         ORDER BY t, p) AS v;

-- 2. What waits for its table from now on (a table "group" that cannot be loaded): the position has passed it. Ordered likewise.
SELECT backstitch.hold({group}, 'c1', v.t, v.p, v.s, v.n, v.f, v.e, v.c, v.r)
  FROM (SELECT * FROM (VALUES ('segment.group', 3, 'shop', 'group', {from}::bigint, {to}::bigint, '42501', 'it''s closed'))
                      AS w(t, p, s, n, f, e, c, r)
         ORDER BY t, p, s, n) AS v;

-- 3. Once per schema: DDL and erase take this lock exclusively, to know that older loads are over and to hold the next ones back.
SELECT pg_advisory_xact_lock_shared(backstitch.schema_lock(), hashtext('shop'));

-- 4. Each table is, and until the commit stays, what the batch was mapped for: else BS002. The check is a statement of its own: its
--    snapshot is younger than the lock.
LOCK TABLE "shop"."page" IN ROW EXCLUSIVE MODE;
SELECT backstitch.check_table('shop', 'page', {page_fingerprint});
LOCK TABLE "shop"."track" IN ROW EXCLUSIVE MODE;
SELECT backstitch.check_table('shop', 'track', {track_fingerprint});

-- 5. Deletions before the rows: they also hold for the events beside them. Ordered, as the positions are.
INSERT INTO backstitch.deletion ("schema", message_id, user_id, requested_at)
SELECT * FROM (VALUES ('shop', 'd1', 'gone', to_timestamp(5000/1000.0))) AS v
 ORDER BY 1, 2 ON CONFLICT DO NOTHING;

-- 6. Each table, by name. A staging table has the table's columns and three of ours: whose event a row is, since when, and when we
--    received it, which an existing table may hold in types that do not compare. COPY lists the columns that any row fills, INSERT every column (a row that replaces another is whole)
--    but generated ones and a human's default that no row fills. message_id COLLATE "C" is the order of the primary key, so
--    loaders with the same ids wait for each other and never deadlock; DISTINCT ON leaves one copy of an event (two would be
--    21000); copies that cannot win are left out before the INSERT, which would lock, and so write, every row it meets. They are
--    looked for by a scalar subquery, hence by the primary key: as NOT EXISTS the planner was free to join, and PostgreSQL 15, which
--    takes a table that is wider than a page and was never analyzed for a single row, read the whole table once per row.
TRUNCATE pg_temp.staging_0;
COPY pg_temp.staging_0 ("message_id", "type", "user_id", "timestamp", "name", "_sdc_received_at", "_sdc_sequence",
                        "_sdc_table_version", _backstitch_user, _backstitch_since, _backstitch_received) FROM STDIN;
WITH kept AS (
    SELECT DISTINCT ON (s.message_id COLLATE "C") s.*
      FROM pg_temp.staging_0 s
     WHERE NOT EXISTS (SELECT FROM backstitch.deletion d
                        WHERE d."schema" = 'shop' AND d.user_id = s._backstitch_user
                          AND d.requested_at > s._backstitch_since)
     ORDER BY s.message_id COLLATE "C", s._sdc_sequence {direction}
), i AS (
    INSERT INTO "shop"."page" AS t ("message_id", "type", "user_id", "channel", "received_at", "timestamp", "name",
                                    "_sdc_received_at", "_sdc_sequence", "_sdc_table_version", "_sdc_extra",
                                    _sdc_batched_at)
    SELECT k."message_id", k."type", k."user_id", k."channel", k."received_at", k."timestamp", k."name",
           k."_sdc_received_at", k."_sdc_sequence", k."_sdc_table_version", k."_sdc_extra", now()
      FROM kept k
     WHERE ((SELECT o._sdc_sequence FROM "shop"."page" o
              WHERE o.message_id = k.message_id) {keeps} k._sdc_sequence) IS NOT TRUE
     ORDER BY k.message_id COLLATE "C"
        ON CONFLICT (message_id) DO UPDATE SET
           "type" = EXCLUDED."type", "user_id" = EXCLUDED."user_id", "channel" = EXCLUDED."channel",
           "received_at" = EXCLUDED."received_at", "timestamp" = EXCLUDED."timestamp", "name" = EXCLUDED."name",
           "_sdc_received_at" = EXCLUDED."_sdc_received_at", "_sdc_sequence" = EXCLUDED."_sdc_sequence",
           "_sdc_table_version" = EXCLUDED."_sdc_table_version", "_sdc_extra" = EXCLUDED."_sdc_extra",
           _sdc_batched_at = EXCLUDED._sdc_batched_at
     WHERE t._sdc_sequence {beats} EXCLUDED._sdc_sequence
    RETURNING xmax = 0 AS is_new
), n AS (
    SELECT count(*) FILTER (WHERE is_new) AS new, count(*) FILTER (WHERE NOT is_new) AS replaced FROM i
), z AS (
    SELECT count(*) FILTER (WHERE EXISTS (SELECT FROM backstitch.deletion d
                                           WHERE d."schema" = 'shop' AND d.user_id = s._backstitch_user
                                             AND d.requested_at > s._backstitch_since))
               AS suppressed,
           max(now() - s._backstitch_received) AS freshness
      FROM pg_temp.staging_0 s
)
SELECT n.new AS backstitch_rows_new, n.replaced, z.suppressed,
       backstitch.note_load({owner}, 'shop', 'page', {page_rows}, n.new, n.replaced, z.suppressed, 0, 512, z.freshness)
  FROM n, z;

TRUNCATE pg_temp.staging_1;
COPY pg_temp.staging_1 ("message_id", "type", "user_id", "received_at", "timestamp", "event", "_sdc_received_at",
                        "_sdc_sequence", "_sdc_table_version", "properties__n", "properties__s",
                        _backstitch_user, _backstitch_since, _backstitch_received) FROM STDIN;
WITH kept AS (
    SELECT DISTINCT ON (s.message_id COLLATE "C") s.*
      FROM pg_temp.staging_1 s
     WHERE NOT EXISTS (SELECT FROM backstitch.deletion d
                        WHERE d."schema" = 'shop' AND d.user_id = s._backstitch_user
                          AND d.requested_at > s._backstitch_since)
     ORDER BY s.message_id COLLATE "C", s._sdc_sequence {direction}
), i AS (
    INSERT INTO "shop"."track" AS t ("message_id", "type", "user_id", "channel", "received_at", "timestamp", "event",
                                     "_sdc_received_at", "_sdc_sequence", "_sdc_table_version", "_sdc_extra",
                                     "properties__n", "properties__s", _sdc_batched_at)
    SELECT k."message_id", k."type", k."user_id", k."channel", k."received_at", k."timestamp", k."event",
           k."_sdc_received_at", k."_sdc_sequence", k."_sdc_table_version", k."_sdc_extra",
           k."properties__n", k."properties__s", now()
      FROM kept k
     WHERE ((SELECT o._sdc_sequence FROM "shop"."track" o
              WHERE o.message_id = k.message_id) {keeps} k._sdc_sequence) IS NOT TRUE
     ORDER BY k.message_id COLLATE "C"
        ON CONFLICT (message_id) DO UPDATE SET
           "type" = EXCLUDED."type", "user_id" = EXCLUDED."user_id", "channel" = EXCLUDED."channel",
           "received_at" = EXCLUDED."received_at", "timestamp" = EXCLUDED."timestamp", "event" = EXCLUDED."event",
           "_sdc_received_at" = EXCLUDED."_sdc_received_at", "_sdc_sequence" = EXCLUDED."_sdc_sequence",
           "_sdc_table_version" = EXCLUDED."_sdc_table_version", "_sdc_extra" = EXCLUDED."_sdc_extra",
           "properties__n" = EXCLUDED."properties__n", "properties__s" = EXCLUDED."properties__s",
           _sdc_batched_at = EXCLUDED._sdc_batched_at
     WHERE t._sdc_sequence {beats} EXCLUDED._sdc_sequence
    RETURNING xmax = 0 AS is_new
), n AS (
    SELECT count(*) FILTER (WHERE is_new) AS new, count(*) FILTER (WHERE NOT is_new) AS replaced FROM i
), z AS (
    SELECT count(*) FILTER (WHERE EXISTS (SELECT FROM backstitch.deletion d
                                           WHERE d."schema" = 'shop' AND d.user_id = s._backstitch_user
                                             AND d.requested_at > s._backstitch_since))
               AS suppressed,
           max(now() - s._backstitch_received) AS freshness
      FROM pg_temp.staging_1 s
)
SELECT n.new AS backstitch_rows_new, n.replaced, z.suppressed,
       backstitch.note_load({owner}, 'shop', 'track', {track_rows}, n.new, n.replaced, z.suppressed, 1, 1024, z.freshness)
  FROM n, z;

-- 7. A table without rows, of which events were withheld.
SELECT backstitch.note_load({owner}, 'shop', 'screen', 0, 0, 0, 0, 2, 0, NULL);

-- 8. Rejected events of a schema: the same event again is one row with the last offset and its attempts counted.
INSERT INTO "shop"._sdc_rejected AS t (record, reason, table_name, _sdc_rejected_at, message_id, user_id, topic,
                                       kafka_partition, kafka_offset, attempts)
SELECT DISTINCT ON (topic, message_id) record, reason, table_name, now(), message_id, user_id, topic, kafka_partition,
       kafka_offset, (count(*) OVER (PARTITION BY topic, message_id))::int
  FROM (VALUES ('it''s', 'not json: x', NULL, 'r1', NULL, 'segment.track', 0, 7::bigint),
               ('it''s', 'not json: x', 'track', 'r1', 'u1', 'segment.track', 0, 9::bigint))
       AS v(record, reason, table_name, message_id, user_id, topic, kafka_partition, kafka_offset)
 ORDER BY topic, message_id, kafka_offset DESC
    ON CONFLICT (topic, message_id) DO UPDATE SET
       record = EXCLUDED.record, reason = EXCLUDED.reason, table_name = EXCLUDED.table_name,
       _sdc_rejected_at = EXCLUDED._sdc_rejected_at, user_id = EXCLUDED.user_id,
       kafka_partition = EXCLUDED.kafka_partition, kafka_offset = EXCLUDED.kafka_offset,
       attempts = t.attempts + EXCLUDED.attempts;

-- 9. What was read, counted by the loader: whatever became of it must add up to this (backstitch.ledger).
SELECT backstitch.note_records({owner}, v.s, v.t, v.n, v.r, v.d, v.h)
  FROM (VALUES ('shop', 'track', 6, 2, 0, 0), ('shop', 'group', 5, 0, 0, 5)) AS v(s, t, n, r, d, h);
