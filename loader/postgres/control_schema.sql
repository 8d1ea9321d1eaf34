-- The control schema `backstitch`, version 1 (architecture.md, section 5). Embedded in the loader, which runs it once, in one
-- transaction, under an advisory lock. A later version is another file, run after this one.
-- Every function pins its search_path: no table or function of a user can stand in for PostgreSQL's.

-- A role without CREATE on the database may have been given the schema ready-made (CREATE SCHEMA IF NOT EXISTS asks for that right
-- even then).
DO $$ BEGIN
    IF to_regnamespace('backstitch') IS NULL THEN
        CREATE SCHEMA backstitch;
    END IF;
END $$;

CREATE TABLE backstitch.migration (
    version    int PRIMARY KEY,
    applied_at timestamptz NOT NULL DEFAULT now()
);

-- One schema, one source; a schema keeps the mapping version it began with.
CREATE TABLE backstitch.source (
    "schema"        text PRIMARY KEY,
    source          text NOT NULL,
    mapping_version int NOT NULL,
    first_seen      timestamptz NOT NULL DEFAULT now(),
    last_event_at   timestamptz
);

-- The authority on how far each partition is loaded. Updated by every load: room for HOT updates.
CREATE TABLE backstitch.load_offset (
    consumer_group  text NOT NULL,
    cluster_id      text NOT NULL,
    topic           text NOT NULL,
    kafka_partition int NOT NULL,
    next_offset     bigint NOT NULL CHECK (next_offset >= 0),
    owner           text NOT NULL,
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer_group, cluster_id, topic, kafka_partition)
) WITH (fillfactor = 50);

-- What was loaded, by minute. The key begins with minute and loader: loaders never wait for each other's rows.
CREATE TABLE backstitch.load_stat (
    minute                       timestamptz NOT NULL,
    loader                       text NOT NULL,
    "schema"                     text NOT NULL,
    "table"                      text NOT NULL,
    rows_new                     bigint NOT NULL DEFAULT 0,
    rows_replaced                bigint NOT NULL DEFAULT 0,
    rows_duplicate               bigint NOT NULL DEFAULT 0,
    rows_rejected                bigint NOT NULL DEFAULT 0,
    rows_suppressed_deletion     bigint NOT NULL DEFAULT 0,
    rows_suppressed_integrations bigint NOT NULL DEFAULT 0,
    records                      bigint NOT NULL DEFAULT 0, -- read, as the position passed them
    records_held                 bigint NOT NULL DEFAULT 0, -- of them: began to wait, less those that were loaded after waiting
    deletions                    bigint NOT NULL DEFAULT 0, -- of them: requests for deletion
    bytes                        bigint NOT NULL DEFAULT 0,
    freshness_max                interval,
    PRIMARY KEY (minute, loader, "schema", "table")
) WITH (fillfactor = 50);

-- The timeline of new tables and columns; also what limits a table's growth.
CREATE TABLE backstitch.schema_change (
    at         timestamptz NOT NULL DEFAULT now(),
    "schema"   text NOT NULL,
    "table"    text NOT NULL,
    "column"   text NOT NULL,
    "type"     text NOT NULL,
    path       text NOT NULL,
    is_natural boolean NOT NULL -- neither fixed nor a twin: counts as growth
);
CREATE INDEX schema_change_table ON backstitch.schema_change ("schema", "table", at);

-- Columns whose values a human wants in _sdc_extra (`columns demote`): the loader neither fills nor makes them.
CREATE TABLE backstitch.demoted_column (
    "schema"   text NOT NULL,
    "table"    text NOT NULL,
    "column"   text NOT NULL,
    path       text NOT NULL,
    demoted_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY ("schema", "table", "column")
);

CREATE TABLE backstitch.deletion (
    message_id   text COLLATE "C" NOT NULL,
    "schema"     text NOT NULL,
    user_id      text NOT NULL,
    requested_at timestamptz NOT NULL,
    completed_at timestamptz,
    rows_deleted bigint,
    PRIMARY KEY ("schema", message_id)
);
-- By hash: a user id may be longer than what a B-tree holds.
CREATE INDEX deletion_user ON backstitch.deletion USING hash (user_id);

-- Records that wait for a table which cannot be loaded: a range of offsets for each partition and table. Begun, and its end moved, by
-- the load that moves the position past them; its start moves with the rows; gone when nothing is left (architecture.md, section 4).
CREATE TABLE backstitch.held (
    consumer_group  text NOT NULL,
    cluster_id      text NOT NULL,
    topic           text NOT NULL,
    kafka_partition int NOT NULL,
    "schema"        text NOT NULL,
    "table"         text NOT NULL,
    from_offset     bigint NOT NULL,
    to_offset       bigint NOT NULL,
    reason          text NOT NULL,
    code            text NOT NULL,
    since           timestamptz NOT NULL DEFAULT now(),
    tried_at        timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (consumer_group, cluster_id, topic, kafka_partition, "schema", "table")
);

-- Records that were left out: by an operator's word, or because the log had lost them. Noted with the position that passed them.
CREATE TABLE backstitch.offset_gap (
    at              timestamptz NOT NULL DEFAULT now(),
    consumer_group  text NOT NULL,
    cluster_id      text NOT NULL,
    topic           text NOT NULL,
    kafka_partition int NOT NULL,
    from_offset     bigint NOT NULL,
    to_offset       bigint NOT NULL,
    why             text NOT NULL,
    "schema"        text, -- of a held range; NULL: of the partition
    "table"         text
);

-- Replays: what is to be read again, and into what (operations.md, section 4). A run is resumed from these two tables alone.
CREATE TABLE backstitch.replay (
    run             text PRIMARY KEY,
    cluster_id      text NOT NULL,
    selection       text NOT NULL, -- which records, one criterion a line (loader/consume/selection.h)
    live_schema     text,          -- with a target: whose tables it stands beside
    target_schema   text,          -- NULL: the records' own
    has_fresh_types boolean NOT NULL, -- of a target: its columns follow from the events, not from the live tables
    is_overwriting  boolean NOT NULL,
    is_retry        boolean NOT NULL, -- of rejected events: those that are loaded leave _sdc_rejected
    allows_partial  boolean NOT NULL,
    rate            bigint NOT NULL, -- records a second; 0: as fast as it goes
    state           text NOT NULL CHECK (state IN ('planned', 'running', 'done', 'swapped')),
    planned_at      timestamptz NOT NULL DEFAULT now(),
    ended_at        timestamptz,
    kept_schema     text -- after a swap: where the tables of before are
);

-- How far a replay is, partition by partition. What became of the records that it loaded is in load_stat, under the loader 'replay RUN'.
CREATE TABLE backstitch.replay_run (
    run             text NOT NULL REFERENCES backstitch.replay ON DELETE CASCADE,
    topic           text NOT NULL,
    kafka_partition int NOT NULL,
    from_offset     bigint NOT NULL,
    to_offset       bigint NOT NULL,
    next_offset     bigint NOT NULL,
    records         bigint NOT NULL DEFAULT 0, -- read
    skipped         bigint NOT NULL DEFAULT 0, -- of them: not selected
    deletions       bigint NOT NULL DEFAULT 0, -- of them: requests for deletion
    lost            bigint NOT NULL DEFAULT 0, -- offsets that retention took before they were read
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (run, topic, kafka_partition)
);

-- The first key of the advisory locks that a load takes shared, DDL and an erase exclusively; the second is the schema's hash.
CREATE FUNCTION backstitch.schema_lock() RETURNS int
    LANGUAGE sql IMMUTABLE SET search_path = pg_catalog AS 'SELECT 1651729257';

-- Moves a partition's position from p_from to p_to. BS001 when it is not at p_from: another loader has it, or the database went back.
CREATE FUNCTION backstitch.advance(p_group text, p_cluster text, p_topic text, p_partition int,
                                   p_from bigint, p_to bigint, p_owner text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    UPDATE backstitch.load_offset
       SET next_offset = p_to, owner = p_owner, updated_at = now()
     WHERE consumer_group = p_group AND cluster_id = p_cluster AND topic = p_topic
       AND kafka_partition = p_partition AND next_offset = p_from;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the position of %:% is not %', p_topic, p_partition, p_from
            USING ERRCODE = 'BS001';
    END IF;
END $$;

-- The same for a partition of a replay; p_records of them were read, some of which were skipped or are requests for deletion.
CREATE FUNCTION backstitch.advance_replay(p_run text, p_topic text, p_partition int, p_from bigint, p_to bigint,
                                          p_records bigint, p_skipped bigint, p_deletions bigint) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    UPDATE backstitch.replay_run
       SET next_offset = p_to, records = records + p_records, skipped = skipped + p_skipped,
           deletions = deletions + p_deletions, updated_at = now()
     WHERE run = p_run AND topic = p_topic AND kafka_partition = p_partition AND next_offset = p_from;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the replay % of %:% is not at %', p_run, p_topic, p_partition, p_from USING ERRCODE = 'BS001';
    END IF;
END $$;

-- A replay goes on past offsets that the log no longer has.
CREATE FUNCTION backstitch.move_replay(p_run text, p_topic text, p_partition int, p_from bigint, p_to bigint, p_lost bigint) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    PERFORM backstitch.advance_replay(p_run, p_topic, p_partition, p_from, p_to, 0, 0, 0);
    UPDATE backstitch.replay_run SET lost = lost + p_lost
     WHERE run = p_run AND topic = p_topic AND kafka_partition = p_partition;
END $$;

-- Moves a position outside of a load: a first use (p_from NULL), an operator's reset, a gap; BS001 as advance does.
CREATE FUNCTION backstitch.move_position(p_group text, p_cluster text, p_topic text, p_partition int, p_from bigint, p_to bigint,
                                         p_missing bigint, p_why text, p_owner text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF p_from IS NULL THEN
        INSERT INTO backstitch.load_offset (consumer_group, cluster_id, topic, kafka_partition, next_offset, owner)
        VALUES (p_group, p_cluster, p_topic, p_partition, p_to, p_owner) ON CONFLICT DO NOTHING;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'another loader has set the position of %:%', p_topic, p_partition USING ERRCODE = 'BS001';
        END IF;
    ELSE
        PERFORM backstitch.advance(p_group, p_cluster, p_topic, p_partition, p_from, p_to, p_owner);
    END IF;
    IF p_missing > 0 THEN
        INSERT INTO backstitch.offset_gap (consumer_group, cluster_id, topic, kafka_partition, from_offset, to_offset, why)
        VALUES (p_group, p_cluster, p_topic, p_partition, p_to - p_missing, p_to, p_why);
    END IF;
END $$;

-- Whoever may read the one may read the other (p_kind: 'SCHEMA' or 'TABLE'; names are quoted already).
CREATE FUNCTION backstitch.copy_rights(p_kind text, p_rights aclitem[], p_owner oid, p_to text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    v_right record;
BEGIN
    FOR v_right IN SELECT a.privilege_type, CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(a.grantee)) END AS who
                     FROM aclexplode(p_rights) a WHERE a.grantee <> p_owner LOOP
        EXECUTE format('GRANT %s ON %s %s TO %s', v_right.privilege_type, p_kind, p_to, v_right.who);
    END LOOP;
END $$;

-- A replay's target: a schema with tables like those of the live one (comments, defaults, keys and rights too), for what is to be loaded
-- beside them. Tables that are there stay as they are. How many were made.
CREATE FUNCTION backstitch.make_like(p_live text, p_target text) RETURNS bigint
    LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    v_table  record;
    v_target text;
    v_made   bigint := 0;
BEGIN
    IF to_regnamespace(quote_ident(p_target)) IS NULL THEN
        EXECUTE format('CREATE SCHEMA %I', p_target);
        PERFORM backstitch.copy_rights('SCHEMA', n.nspacl, n.nspowner, quote_ident(p_target))
           FROM pg_namespace n WHERE n.nspname = p_live;
    END IF;
    FOR v_table IN SELECT c.relname, c.relkind, c.relacl, c.relowner FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
                    WHERE n.nspname = p_live AND c.relkind IN ('r', 'p') AND NOT c.relispartition
                      AND to_regclass(format('%I.%I', p_target, c.relname)) IS NULL ORDER BY c.relname LOOP
        v_target := format('%I.%I', p_target, v_table.relname);
        IF v_table.relkind = 'p' THEN
            RAISE EXCEPTION '%.% is partitioned: make % as it should be, then plan again', p_live, v_table.relname, v_target
                USING ERRCODE = 'feature_not_supported';
        END IF;
        EXECUTE format('CREATE TABLE %s (LIKE %I.%I INCLUDING ALL)', v_target, p_live, v_table.relname);
        PERFORM backstitch.copy_rights('TABLE', v_table.relacl, v_table.relowner, v_target);
        v_made := v_made + 1;
    END LOOP;
    INSERT INTO backstitch.demoted_column ("schema", "table", "column", path, demoted_at)
        SELECT p_target, "table", "column", path, demoted_at FROM backstitch.demoted_column WHERE "schema" = p_live
        ON CONFLICT DO NOTHING;
    RETURN v_made;
END $$;

-- A replay's target takes the live schema's place, which is kept under another name. The caller's transaction: loads that are under way
-- are waited for, and those after it find the new tables.
CREATE FUNCTION backstitch.swap_schema(p_run text, p_live text, p_target text, p_kept text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(backstitch.schema_lock(), hashtext(s)) FROM unnest(ARRAY[p_live, p_target]) s ORDER BY s;
    DELETE FROM backstitch.demoted_column WHERE "schema" = p_target;
    UPDATE backstitch.schema_change SET "schema" = p_live WHERE "schema" = p_target;
    EXECUTE format('ALTER SCHEMA %I RENAME TO %I', p_live, p_kept);
    EXECUTE format('ALTER SCHEMA %I RENAME TO %I', p_target, p_live);
    UPDATE backstitch.replay SET state = 'swapped', kept_schema = p_kept WHERE run = p_run AND state = 'done';
    IF NOT FOUND THEN
        RAISE EXCEPTION 'the run % is not done', p_run USING ERRCODE = 'object_not_in_prerequisite_state';
    END IF;
END $$;

-- May this schema go? It is one that a replay has loaded or its swap has kept; no source is loaded into it, and no replay now.
CREATE FUNCTION backstitch.may_drop(p_schema text) RETURNS boolean
    LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT to_regnamespace(quote_ident(p_schema)) IS NOT NULL
       AND EXISTS (SELECT FROM backstitch.replay WHERE kept_schema = p_schema OR (target_schema = p_schema AND state = 'done'))
       AND NOT EXISTS (SELECT FROM backstitch.replay WHERE target_schema = p_schema AND state = 'running')
       AND NOT EXISTS (SELECT FROM backstitch.source WHERE "schema" = p_schema)
$$;

-- Drops it: its tables, itself and what is known of it, and nothing of others. What somebody else made of them, or in there, is named
-- and refused. Under the lock that every load takes.
CREATE FUNCTION backstitch.drop_schema(p_schema text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    v_tables text;
    v_detail text;
BEGIN
    PERFORM pg_advisory_xact_lock(backstitch.schema_lock(), hashtext(p_schema));
    IF NOT backstitch.may_drop(p_schema) THEN
        RAISE EXCEPTION '% is in use', p_schema USING ERRCODE = 'object_in_use';
    END IF;
    SELECT string_agg(format('%I.%I', p_schema, c.relname), ', ') INTO v_tables
      FROM pg_class c WHERE c.relnamespace = to_regnamespace(quote_ident(p_schema)) AND c.relkind IN ('r', 'p') AND NOT c.relispartition;
    IF v_tables IS NOT NULL THEN
        EXECUTE 'DROP TABLE ' || v_tables;
    END IF;
    EXECUTE format('DROP SCHEMA %I', p_schema);
    DELETE FROM backstitch.demoted_column WHERE "schema" = p_schema;
    DELETE FROM backstitch.replay WHERE target_schema = p_schema AND state = 'done';
    UPDATE backstitch.replay SET kept_schema = NULL WHERE kept_schema = p_schema;
EXCEPTION WHEN dependent_objects_still_exist THEN
    GET STACKED DIAGNOSTICS v_detail = PG_EXCEPTION_DETAIL;
    RAISE EXCEPTION 'others depend on %: %', p_schema, replace(v_detail, E'\n', '; ') USING ERRCODE = 'dependent_objects_still_exist';
END $$;

-- Records wait for a table: begins the range, or moves its end (and its start, when what waits again lies before it).
CREATE FUNCTION backstitch.hold(p_group text, p_cluster text, p_topic text, p_partition int, p_schema text, p_table text,
                                p_from bigint, p_to bigint, p_code text, p_reason text) RETURNS void
    LANGUAGE sql SET search_path = pg_catalog AS $$
    INSERT INTO backstitch.held AS h (consumer_group, cluster_id, topic, kafka_partition, "schema", "table", from_offset, to_offset,
                                      code, reason)
    VALUES (p_group, p_cluster, p_topic, p_partition, p_schema, p_table, p_from, p_to, p_code, p_reason)
    ON CONFLICT (consumer_group, cluster_id, topic, kafka_partition, "schema", "table") DO UPDATE SET
        from_offset = least(h.from_offset, EXCLUDED.from_offset), to_offset = greatest(h.to_offset, EXCLUDED.to_offset),
        code = EXCLUDED.code, reason = EXCLUDED.reason
$$;

-- Part of a held range is loaded: its start moves from p_from to p_to; BS001 when it is not at p_from, or p_to lies behind its end (a
-- database that went back to an older copy has a shorter one: what lies there is still to come). p_lost: so many of these
-- offsets were no longer in the log.
CREATE FUNCTION backstitch.advance_held(p_group text, p_cluster text, p_topic text, p_partition int, p_schema text, p_table text,
                                        p_from bigint, p_to bigint, p_lost bigint) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    UPDATE backstitch.held SET from_offset = p_to, tried_at = now()
     WHERE consumer_group = p_group AND cluster_id = p_cluster AND topic = p_topic AND kafka_partition = p_partition
       AND "schema" = p_schema AND "table" = p_table AND from_offset = p_from AND to_offset >= p_to;
    IF NOT FOUND THEN
        RAISE EXCEPTION 'what waits for %.% in %:% does not begin at %, or ends before %', p_schema, p_table, p_topic, p_partition,
            p_from, p_to USING ERRCODE = 'BS001';
    END IF;
    DELETE FROM backstitch.held
     WHERE consumer_group = p_group AND cluster_id = p_cluster AND topic = p_topic AND kafka_partition = p_partition
       AND "schema" = p_schema AND "table" = p_table AND from_offset >= to_offset;
    IF p_lost > 0 THEN
        INSERT INTO backstitch.offset_gap (consumer_group, cluster_id, topic, kafka_partition, from_offset, to_offset, why,
                                           "schema", "table")
        VALUES (p_group, p_cluster, p_topic, p_partition, p_from, p_from + p_lost, 'gone from the log while it was held',
                p_schema, p_table);
    END IF;
END $$;

-- The digest of a table's live columns, unique indexes and demoted columns: whatever the mapping and the load depend on. NULL when there is no such table.
CREATE FUNCTION backstitch.table_fingerprint(p_table oid) RETURNS text
    LANGUAGE sql STABLE SET search_path = pg_catalog AS $$
    SELECT md5(string_agg(concat_ws(' ', a.attnum, quote_ident(a.attname), a.atttypid, a.atttypmod,
                                    a.attgenerated, a.attidentity, a.atthasdef), ',' ORDER BY a.attnum)
               || coalesce((SELECT string_agg(concat_ws(' ', i.indexrelid, i.indkey, i.indimmediate, i.indisvalid),
                                              ',' ORDER BY i.indexrelid)
                              FROM pg_index i WHERE i.indrelid = p_table AND i.indisunique), '')
               || coalesce((SELECT string_agg(quote_ident(d."column"), ',' ORDER BY d."column")
                              FROM backstitch.demoted_column d, pg_class c, pg_namespace n
                             WHERE c.oid = p_table AND n.oid = c.relnamespace
                               AND d."schema" = n.nspname AND d."table" = c.relname), ''))
      FROM pg_attribute a
     WHERE a.attrelid = p_table AND a.attnum > 0 AND NOT a.attisdropped
$$;

-- BS002 when the table is not what the batch was mapped for. The caller holds a lock on it, so it stays what it is until the commit.
CREATE FUNCTION backstitch.check_table(p_schema text, p_table text, p_fingerprint text) RETURNS void
    LANGUAGE plpgsql SET search_path = pg_catalog AS $$
BEGIN
    IF backstitch.table_fingerprint(to_regclass(format('%I.%I', p_schema, p_table)))
       IS DISTINCT FROM p_fingerprint THEN
        RAISE EXCEPTION 'the table %.% has changed', p_schema, p_table USING ERRCODE = 'BS002';
    END IF;
END $$;

-- Adds to this minute's statistics.
CREATE FUNCTION backstitch.note_load(p_loader text, p_schema text, p_table text, p_staged bigint, p_new bigint,
                                     p_replaced bigint, p_deletion bigint, p_integrations bigint,
                                     p_bytes bigint, p_freshness interval) RETURNS void
    LANGUAGE sql SET search_path = pg_catalog AS $$
    INSERT INTO backstitch.load_stat AS t
           (minute, loader, "schema", "table", rows_new, rows_replaced, rows_duplicate,
            rows_suppressed_deletion, rows_suppressed_integrations, bytes, freshness_max)
    VALUES (date_trunc('minute', now()), p_loader, p_schema, p_table, p_new, p_replaced,
            p_staged - p_new - p_replaced - p_deletion, p_deletion, p_integrations, p_bytes, p_freshness)
    ON CONFLICT (minute, loader, "schema", "table") DO UPDATE SET
        rows_new = t.rows_new + EXCLUDED.rows_new,
        rows_replaced = t.rows_replaced + EXCLUDED.rows_replaced,
        rows_duplicate = t.rows_duplicate + EXCLUDED.rows_duplicate,
        rows_suppressed_deletion = t.rows_suppressed_deletion + EXCLUDED.rows_suppressed_deletion,
        rows_suppressed_integrations =
            t.rows_suppressed_integrations + EXCLUDED.rows_suppressed_integrations,
        bytes = t.bytes + EXCLUDED.bytes,
        freshness_max = greatest(t.freshness_max, EXCLUDED.freshness_max)
$$;

-- The same, of records as they were read.
CREATE FUNCTION backstitch.note_records(p_loader text, p_schema text, p_table text, p_records bigint, p_rejected bigint,
                                        p_deletions bigint, p_held bigint) RETURNS void
    LANGUAGE sql SET search_path = pg_catalog AS $$
    INSERT INTO backstitch.load_stat AS t (minute, loader, "schema", "table", records, rows_rejected, deletions, records_held)
    VALUES (date_trunc('minute', now()), p_loader, p_schema, p_table, p_records, p_rejected, p_deletions, p_held)
    ON CONFLICT (minute, loader, "schema", "table") DO UPDATE SET
        records = t.records + EXCLUDED.records,
        rows_rejected = t.rows_rejected + EXCLUDED.rows_rejected,
        deletions = t.deletions + EXCLUDED.deletions,
        records_held = t.records_held + EXCLUDED.records_held
$$;

-- Conservation: what was acknowledged and read from Kafka, by source, table and the minute in which its position was passed, and what
-- became of it; "unaccounted" is 0 in every row. Live loading only: a replay reads the same records again, and has its own accounting.
-- "held" falls below 0 in the minute in which what waited is loaded: add minutes up. It is no more exact than the ranges of backstitch.held:
-- what `held drop` or retention has taken stays in it, what a range reads again without having waited is taken off.
CREATE VIEW backstitch.ledger AS
    SELECT t.minute, s.source, t."schema", t."table",
           sum(t.records)::bigint AS acknowledged,
           sum(t.rows_new)::bigint AS loaded,
           sum(t.rows_replaced + t.rows_duplicate)::bigint AS copies,
           sum(t.rows_rejected)::bigint AS rejected,
           sum(t.rows_suppressed_deletion + t.rows_suppressed_integrations)::bigint AS suppressed,
           sum(t.deletions)::bigint AS deletions,
           sum(t.records_held)::bigint AS held,
           sum(t.records - t.rows_new - t.rows_replaced - t.rows_duplicate - t.rows_rejected - t.rows_suppressed_deletion
               - t.rows_suppressed_integrations - t.deletions - t.records_held)::bigint AS unaccounted
      FROM backstitch.load_stat t LEFT JOIN backstitch.source s ON s."schema" = t."schema"
     WHERE NOT starts_with(t.loader, 'replay ')
     GROUP BY 1, 2, 3, 4;

-- Where rejected events are: schemas whose _sdc_rejected is ours. One that Stitch left and that was never written to lacks our columns.
CREATE VIEW backstitch.rejected_schema AS
    SELECT n.nspname AS "schema"
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relname = '_sdc_rejected' AND c.relkind IN ('r', 'p')
       AND (n.nspname = 'backstitch' OR n.nspname IN (SELECT s."schema" FROM backstitch.source s))
       AND EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'kafka_offset' AND NOT a.attisdropped);

-- The rejected events of a schema (mapping.md, section 5: Stitch's columns first, in Stitch's order). One that Stitch left is kept and
-- gets the columns and the key that it lacks: its rows have NULL there, which are no copies of each other. True when something was made.
CREATE FUNCTION backstitch.make_rejected(p_schema text) RETURNS boolean
    LANGUAGE plpgsql SET search_path = pg_catalog AS $$
DECLARE
    v_table   regclass := to_regclass(format('%I._sdc_rejected', p_schema));
    v_columns bigint;
    v_has_key boolean;
BEGIN
    IF v_table IS NULL THEN
        EXECUTE format('CREATE TABLE %I._sdc_rejected (
            record text, reason text, table_name text, _sdc_rejected_at timestamptz,
            message_id text COLLATE "C", user_id text, topic text, kafka_partition int,
            kafka_offset bigint, attempts int, PRIMARY KEY (topic, message_id))', p_schema);
        RETURN true;
    END IF;
    SELECT count(*) FILTER (WHERE attname = ANY ('{record,reason,table_name,_sdc_rejected_at,message_id,user_id,topic,'
                                                 'kafka_partition,kafka_offset,attempts}'))
      INTO v_columns
      FROM pg_attribute WHERE attrelid = v_table AND attnum > 0 AND NOT attisdropped;
    SELECT EXISTS (SELECT FROM pg_index i
                    WHERE i.indrelid = v_table AND i.indisunique AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL
                      AND (SELECT array_agg(a.attname ORDER BY a.attname) FROM pg_attribute a
                            WHERE a.attrelid = v_table AND a.attnum = ANY (i.indkey)) = '{message_id,topic}')
      INTO v_has_key;
    IF v_columns = 10 AND v_has_key THEN
        RETURN false;
    END IF;
    EXECUTE format('ALTER TABLE %s ADD COLUMN IF NOT EXISTS record text, ADD COLUMN IF NOT EXISTS reason text,
        ADD COLUMN IF NOT EXISTS table_name text, ADD COLUMN IF NOT EXISTS _sdc_rejected_at timestamptz,
        ADD COLUMN IF NOT EXISTS message_id text COLLATE "C", ADD COLUMN IF NOT EXISTS user_id text,
        ADD COLUMN IF NOT EXISTS topic text, ADD COLUMN IF NOT EXISTS kafka_partition int,
        ADD COLUMN IF NOT EXISTS kafka_offset bigint, ADD COLUMN IF NOT EXISTS attempts int', v_table);
    IF NOT v_has_key THEN
        EXECUTE format('CREATE UNIQUE INDEX ON %s (topic, message_id)', v_table);
    END IF;
    RETURN true;
END $$;

-- Records whose schema is missing or refused.
SELECT backstitch.make_rejected('backstitch');

INSERT INTO backstitch.migration (version) VALUES (1);
