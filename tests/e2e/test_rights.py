"""The least rights that work, as deploy/postgres/role.sql gives them; and each that is missing named by `check`."""

from __future__ import annotations

import json
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
import pytest

from data_cases import DEFAULT_HEADERS
from database import Database
from kafka_log import KafkaLog, NewRecord
from loading import wait_loaded
from programs import run
from stack import Stack

ROLE_SQL = Path(__file__).resolve().parents[2] / "deploy" / "postgres" / "role.sql"
SCHEMA = "stitch_segment"
PREFIX = "rights"

# What is taken away, what `check` says, and what gives it back (`check` says that too).
MISSING = [
    ("REVOKE TEMPORARY ON DATABASE {database} FROM backstitch_loader, PUBLIC",
     "GRANT TEMPORARY ON DATABASE {database} TO backstitch_loader"),
    ("ALTER SCHEMA backstitch OWNER TO {owner}", "ALTER SCHEMA backstitch OWNER TO backstitch_loader"),
    ("ALTER TABLE backstitch.load_offset OWNER TO {owner}",
     "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA backstitch TO backstitch_loader"),
    ("ALTER SCHEMA stitch_segment OWNER TO {owner}; GRANT CREATE ON SCHEMA stitch_segment TO backstitch_loader",
     "GRANT USAGE ON SCHEMA stitch_segment TO backstitch_loader"),
    ("REVOKE CREATE ON SCHEMA stitch_segment FROM backstitch_loader",
     "GRANT CREATE ON SCHEMA stitch_segment TO backstitch_loader"),
    ("ALTER TABLE stitch_segment.track OWNER TO {owner}; GRANT INSERT, UPDATE ON stitch_segment.track TO backstitch_loader",
     'GRANT SELECT ON "stitch_segment"."track" TO backstitch_loader'),
    ("REVOKE INSERT ON stitch_segment.track FROM backstitch_loader",
     'GRANT INSERT ON "stitch_segment"."track" TO backstitch_loader'),
    ("REVOKE UPDATE ON stitch_segment.track FROM backstitch_loader",
     'GRANT UPDATE ON "stitch_segment"."track" TO backstitch_loader'),
    ("SELECT 1", 'ALTER TABLE "stitch_segment"."track" OWNER TO backstitch_loader'),
    ("ALTER TABLE stitch_segment._sdc_rejected OWNER TO {owner}",
     "GRANT SELECT, INSERT, UPDATE ON stitch_segment._sdc_rejected TO backstitch_loader"),
]


def as_role(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=f"backstitch_loader:secret@{parts.hostname}:{parts.port}"))


def problems(stack: Stack, url: str) -> list[str]:
    settings = {"KAFKA_BROKERS": stack.env["KAFKA_BROKERS"], "KAFKA_TOPIC_PREFIX": PREFIX, "DATABASE_URL": url,
                "LOADER_GRANT_SELECT": "backstitch_reader"}
    done = run(stack.env["LOADER_BIN"], "check", "--schema", SCHEMA, "--json", settings=settings)
    found = [finding for finding in json.loads(done.stdout)["findings"] if not finding["ok"]]
    assert done.returncode == (1 if found else 0)
    return [finding["message"] for finding in found if finding["what"] not in ("kafka", "topic")]  # it has nothing to do with rights


@pytest.fixture(scope="module")
def admin(session_stack: Stack) -> Database:
    """A database made ready by role.sql; its owner's way in."""
    session_stack.make_topics(PREFIX)
    made = Database(session_stack.make_database("least_rights"))
    with psycopg.connect(made.url, autocommit=True) as connection:
        connection.execute(ROLE_SQL.read_text())
    made.query("ALTER ROLE backstitch_loader PASSWORD 'secret'")
    return made


def test_these_rights_are_enough(stack: Stack, admin: Database, tmp_path: Path) -> None:
    """An event, a new column, a value for a twin, a copy, a rejected event; readers may read all of it."""
    url = as_role(admin.url)
    assert problems(stack, url) == []
    log = KafkaLog(stack.env["KAFKA_BROKERS"], PREFIX)
    bodies = [b'{"type":"track","messageId":"m1"}', b'{"type":"track","messageId":"m2","properties":{"n":1}}',
              b'{"type":"track","messageId":"m3","properties":{"n":"one"}}', b'{"type":"track","messageId":"m1"}',
              b'{"type":"page","messageId":"m4"}']
    headers = {**DEFAULT_HEADERS, "schema": SCHEMA}
    with stack.another_loader(tmp_path / "loader.log", url, "rights", KAFKA_TOPIC_PREFIX=PREFIX,
                              LOADER_GRANT_SELECT="backstitch_reader"):
        for body in bodies:
            log.produce([NewRecord(json.loads(body)["type"], body, headers, "k")])
            wait_loaded(log, admin, 30, "rights")
        log.produce([NewRecord("rejected", b"{", {**headers, "reason": "not json"}, "r1")])
        wait_loaded(log, admin, 30, "rights")
    assert admin.count(SCHEMA, "track") == 3 and admin.count(SCHEMA, "page") == 1
    assert [row.message_id for row in admin.rejected(SCHEMA)] == ["r1"]
    assert admin.columns(SCHEMA, "track")["properties__n__st"].type == "text"
    for table in ("track", "page", "_sdc_rejected"):
        assert admin.value("SELECT has_table_privilege('backstitch_reader', %s, 'SELECT')", (f"{SCHEMA}.{table}",))
    assert admin.value("SELECT has_schema_privilege('backstitch_reader', %s, 'USAGE')", (SCHEMA,))
    assert problems(stack, url) == []


def test_each_missing_right_is_named_with_what_gives_it(stack: Stack, admin: Database) -> None:
    """After the test above: tables are there. What is taken is given back by the very words of `check`."""
    names = {"database": admin.value("SELECT quote_ident(current_database())"), "owner": admin.value("SELECT quote_ident(current_user)")}
    for taken, given in MISSING:
        admin.query(taken.format(**names))
        wanted = given.format(**names)
        found = problems(stack, as_role(admin.url))
        assert any(wanted in problem for problem in found), f"{taken}: {found}"
        admin.query(wanted)
        assert not any(wanted in problem for problem in problems(stack, as_role(admin.url))), f"{wanted} did not mend it"
