"""The audit finds what is missing, by id, says where everything else is, and the command that it prints loads exactly that."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from database import Database
from event_maker import Event, mixed_requests, plain_events
from kafka_log import KafkaLog
from loader_command import LoaderCommand
from loading import wait_loaded
from senders import send_all
from stack import Source, Stack
from waiting import wait_until

EVENTS = 300
TYPES = ("identify", "track", "page", "screen", "group", "alias")


class Auditing(LoaderCommand):
    """The command, over one source."""

    def __init__(self, stack: Stack, source: Source, database: Database) -> None:
        super().__init__(stack, "audit", "--source", source.schema)
        self.stack, self.source, self.database, self.schema = stack, source, database, source.schema

    def ask(self, *flags: str, **settings: str) -> dict[str, Any]:
        done = self.run(*flags, "--json", **settings)
        found: dict[str, Any] = json.loads(done.stdout)
        assert done.returncode == (1 if found["missing_count"] else 0), done.stderr
        assert len(found["missing"]) == found["missing_count"] == self.sum(found, "missing")
        return found

    @staticmethod
    def sum(found: dict[str, Any], fate: str) -> int:
        return sum(int(row[fate]) for row in found["tables"])


@pytest.fixture
def auditing(stack: Stack, source: Source, database: Database, log: KafkaLog) -> Iterator[Auditing]:
    """A source with events of all types, loaded; one in ten was sent twice, and one is refused."""
    events = plain_events(f"audit-{source.schema}", EVENTS)
    refused = [Event("track", f"bad-{source.schema}", b'{"type":"nonsense","messageId":"bad-%s"}' % source.schema.encode())]
    for some in (events, events[:EVENTS // 10], refused):
        assert send_all(stack.env["INGEST_URL"], mixed_requests(some, source)).refused == []
    wait_loaded(log, database, 60)
    yield Auditing(stack, source, database)


def test_nothing_is_missing_and_every_record_is_counted(auditing: Auditing) -> None:
    found = auditing.ask()
    assert auditing.sum(found, "loaded") == EVENTS and auditing.sum(found, "rejected") == 1
    assert auditing.sum(found, "in_kafka") == EVENTS + 1 and auditing.sum(found, "copies") >= EVENTS // 10
    assert {row["table"] for row in found["tables"]} == {f"{auditing.schema}.{table}" for table in (*TYPES, "_sdc_rejected")}
    assert found["records"] == auditing.sum(found, "in_kafka") + auditing.sum(found, "copies")
    text = auditing.run()
    assert text.returncode == 0 and ", 0 missing" in text.stdout


@pytest.mark.parametrize("count", [3, 30], ids=["in-the-line", "from-a-file"])
def test_a_row_that_a_human_deleted_is_found_and_the_command_loads_it(count: int, auditing: Auditing, tmp_path: Path) -> None:
    gone = [row[0] for row in auditing.database.query(
        f'DELETE FROM "{auditing.schema}".track WHERE message_id IN (SELECT message_id FROM "{auditing.schema}".track '
        f'ORDER BY 1 LIMIT {count}) RETURNING message_id')]
    ids = tmp_path / "missing.txt"
    found = auditing.ask("--missing-to", str(ids))
    assert {missing["message_id"] for missing in found["missing"]} == set(gone) == set(ids.read_text().splitlines())
    assert all(missing["table"] == f"{auditing.schema}.track" for missing in found["missing"])
    text = auditing.run("--limit", "2", "--missing-to", str(ids))
    assert text.returncode == 1 and f".. and {count - 2} more" in text.stdout
    command = shlex.split(found["replay"])
    assert command[:2] == ["backstitch-loader", "replay"]
    assert LoaderCommand(auditing.stack, *command[1:]).must()["new"] == count
    assert auditing.ask()["missing_count"] == 0


def test_who_asked_for_deletion_is_not_missing(auditing: Auditing) -> None:
    LoaderCommand(auditing.stack, "erase").must("--user-id", "7", "--schema", auditing.schema)
    found = auditing.ask()
    assert found["missing_count"] == 0 and auditing.sum(found, "suppressed") > 0


def test_what_waits_for_a_table_is_held_and_not_missing(auditing: Auditing, log: KafkaLog) -> None:
    schema = auditing.schema
    auditing.database.query(f'DROP TABLE "{schema}".page')
    auditing.database.query(f'CREATE VIEW "{schema}".page AS SELECT NULL::text AS message_id')
    events = [event for event in plain_events(f"held-{schema}", 60) if event.type == "page"]
    assert send_all(auditing.stack.env["INGEST_URL"], mixed_requests(events, auditing.source)).refused == []
    wait_loaded(log, auditing.database, 60)
    wait_until(lambda: auditing.database.value('SELECT count(*) FROM backstitch.held WHERE "schema" = %s', (schema,)) > 0, "held")
    found = auditing.ask("--type", "page")
    assert auditing.sum(found, "held") >= len(events)
    auditing.database.query(f'DROP VIEW "{schema}".page')


def test_what_was_not_reached_yet_is_not_missing(auditing: Auditing) -> None:
    """For a group that has loaded nothing everything is ahead."""
    auditing.database.query(f'DELETE FROM "{auditing.schema}".group')
    rows = EVENTS // len(TYPES)
    assert auditing.ask("--type", "group")["missing_count"] == rows
    found = auditing.ask("--type", "group", LOADER_GROUP="another-group")
    assert auditing.sum(found, "not_yet") == rows and found["missing_count"] == 0


def test_a_wrong_time_is_refused(auditing: Auditing) -> None:
    refused = auditing.run("--from-time", "soon")
    assert refused.returncode == 2 and "a time is wanted" in refused.stderr
