-- The least rights with which the loader works. Run it in the database that is loaded into, as its owner or a superuser.
--
-- The role owns what it makes and nothing else: it may make no schema, no role, no database. Its schemas are made here, one for itself
-- and one for each source (`backstitch-ingest source add` prints the name). Whoever would rather have the loader make them leaves the
-- CREATE SCHEMA lines out and grants CREATE on the database in their place.
-- `backstitch-loader check --schema NAME`, run as the role, names each right that is missing, with the statement that gives it.

CREATE ROLE backstitch_loader LOGIN;          -- and a password, or a line of pg_hba.conf
CREATE ROLE backstitch_reader NOLOGIN;        -- LOADER_GRANT_SELECT=backstitch_reader: may read what the loader makes

-- CONNECT: of course. TEMPORARY: rows of a batch that may replace others go through temporary tables.
DO $$ BEGIN
    EXECUTE format('GRANT CONNECT, TEMPORARY ON DATABASE %I TO backstitch_loader', current_database());
END $$;

-- The loader's own tables: positions, statistics, deletions.
CREATE SCHEMA backstitch AUTHORIZATION backstitch_loader;

-- One for each source. Readers get USAGE here, because only the loader's own schemas get it from the loader.
CREATE SCHEMA stitch_segment AUTHORIZATION backstitch_loader;
GRANT USAGE ON SCHEMA stitch_segment TO backstitch_reader;

-- A schema that is there already, Stitch's for example, stays its owner's: the loader needs to find and make tables in it,
--     GRANT USAGE, CREATE ON SCHEMA stitch_old TO backstitch_loader;
-- and, of each table that it takes over, the ownership, because only an owner may add columns:
--     ALTER TABLE stitch_old.track OWNER TO backstitch_loader;
-- With LOADER_SCHEMA=frozen and all fixed columns there, SELECT, INSERT and UPDATE are enough.
