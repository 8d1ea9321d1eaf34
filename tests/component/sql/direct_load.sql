-- The direct load of one batch (architecture.md, section 4, "Direct first"): two simple-query strings, one transaction. Frozen: what
-- loader/postgres/direct_query.c writes for this batch is this text but for white space and comments (tests/unit/test_direct_query.c),
-- and what it does is shown on a real server (tests/component/test_direct_load.c, test_direct_races.c).
--
-- The batch: two rows for "page" (one id twice), three for "track", of which one turns out to be staged, all of the schema "shop",
-- which had deletions when "track" was last asked about, and none when "page" was. {names} stand for values: {before_rows} and
-- {after_rows} for what stands before and after the tables' rows in load_transaction.sql, {staged_rows} for the three statements of
-- "track" there.

-- ==== the head ====
BEGIN;
{before_rows}

-- The time that goes into _sdc_batched_at, and whether each table's schema has deletions: asked after the schema's lock, so an erase
-- has either been waited for, or waits for us and deletes what we load.
SELECT (extract(epoch FROM now()) * 1000000)::bigint AS backstitch_now,
       EXISTS (SELECT FROM backstitch.deletion d WHERE d."schema" = 'shop'),
       EXISTS (SELECT FROM backstitch.deletion d WHERE d."schema" = 'shop');

-- Whose rows are to be judged by the staged statement. Where a schema has its first deletions, and nobody was asked for, all are.
SELECT DISTINCT d.user_id AS backstitch_user
  FROM backstitch.deletion d
 WHERE d."schema" = 'shop' AND d.user_id = ANY ('{"u1","o''reilly"}'::text[]);

-- Which ids are there, with their sequence. Prepared: "lookup_N" with the number of the staging table. A plan that was made for an
-- empty table would scan it for ever.
SET LOCAL enable_seqscan = off;
EXECUTE lookup_0 ('{"p1"}');
EXECUTE lookup_1 ('{"t\"3","t''2","t\\1"}');
SET LOCAL enable_seqscan TO DEFAULT;

-- The client gives each COPY, when the server asks for its rows, those whose ids are new: one copy an id, in the order of the key.
COPY "shop"."page" ("message_id", "type", _sdc_batched_at) FROM STDIN (FORMAT binary);
COPY "shop"."track" ("message_id", "user_id", "properties__n", _sdc_batched_at) FROM STDIN (FORMAT binary);

-- ==== the tail ====
{staged_rows}

-- What was not staged is counted by the client: COPY's tag, and the look-up.
SELECT backstitch.note_load('host:1', 'shop', 'page', 2, 1, 0, 0, 3, 512, interval '2500000 microseconds');
SELECT backstitch.note_load('host:1', 'shop', 'track', 2, 2, 0, 0, 0, 1024, interval '1000000 microseconds');
{after_rows}
COMMIT;
