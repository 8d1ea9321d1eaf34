"""Who asks for deletion is deleted everywhere, and stays deleted."""

from __future__ import annotations

import os
from collections.abc import Iterator
from random import Random
from typing import Any

import pytest

from database import Database
from event_maker import Event, mixed_requests, plain_events
from kafka_log import KafkaLog
from loader_command import LoaderCommand
from loading import wait_loaded
from programs import kill_again_and_again
from senders import send_all
from stack import Source, Stack

USERS = 20
EVENTS = 400
TYPES = ("identify", "track", "page", "screen", "group", "alias")
KILLS = int(os.environ.get("KILLS", "6"))
MANY_ROWS = 10_000 * KILLS


class Erasing(LoaderCommand):
    """The command, and whose rows a source has."""

    def __init__(self, stack: Stack, source: Source, database: Database, log: KafkaLog) -> None:
        super().__init__(stack, "erase")
        self.stack, self.source, self.database, self.log = stack, source, database, log
        self.schema = source.schema

    def send(self, events: list[Event]) -> None:
        assert send_all(self.stack.env["INGEST_URL"], mixed_requests(events, self.source)).refused == []
        wait_loaded(self.log, self.database, 60)

    def rows_of(self, user: str, schema: str = "") -> int:
        return sum(self.database.value(f'SELECT count(*) FROM "{schema or self.schema}"."{table}" WHERE user_id::text = %s', (user,))
                   for table in (*TYPES, "_sdc_rejected"))

    def requests(self) -> list[tuple[Any, ...]]:
        """Whose, and whether they are done."""
        return self.database.query("""SELECT user_id, completed_at IS NOT NULL, rows_deleted FROM backstitch.deletion
                                      WHERE "schema" = %s ORDER BY 1""", (self.schema,))

    def rows(self) -> int:
        return sum(self.database.count(self.schema, table) for table in TYPES)


@pytest.fixture
def erasing(stack: Stack, source: Source, database: Database, log: KafkaLog) -> Iterator[Erasing]:
    found = Erasing(stack, source, database, log)
    found.send(plain_events(f"erase-{source.schema}", EVENTS, USERS))
    yield found


def test_one_user_goes_from_every_table_and_later_copies_stay_out(erasing: Erasing) -> None:
    erasing.database.query(f"""INSERT INTO "{erasing.schema}"._sdc_rejected (record, reason, topic, message_id, user_id)
                               VALUES ('x', 'not json', 'segment.track', 'by hand', '7')""")
    before, of_user = erasing.rows(), erasing.rows_of("7")
    assert of_user > len(TYPES)
    shown = erasing.must("--user-id", "7", "--schema", erasing.schema, "--dry-run")
    assert shown["rows"] == of_user == erasing.rows_of("7")
    assert erasing.requests() == [], "a dry run has made a request"
    report = erasing.must("--user-id", "7", "--schema", erasing.schema)
    assert report["rows"] == of_user and erasing.rows_of("7") == 0 and erasing.rows() == before - of_user + 1
    assert {found["table"].split(".")[1] for found in report["found"]} == {*TYPES, "_sdc_rejected"}
    assert sum(request["rows_deleted"] for request in report["requests"]) == of_user
    assert report["kafka_copy_gone_by"] > "2026-"
    erasing.send(plain_events(f"erase-{erasing.schema}", EVENTS, USERS))  # the same ids again
    assert erasing.rows_of("7") == 0 and erasing.rows() == before - of_user + 1
    again = erasing.must("--schema", erasing.schema)
    assert again["rows"] == 0 and again["requests"] == []


def test_open_requests_of_notifications_are_done(erasing: Erasing) -> None:
    erasing.database.query("""INSERT INTO backstitch.deletion (message_id, "schema", user_id, requested_at)
                              SELECT 'asked ' || u, %s, u::text, now() FROM generate_series(3, 5) u""", (erasing.schema,))
    expected = sum(erasing.rows_of(str(user)) for user in (3, 4, 5))
    report = erasing.must("--schema", erasing.schema)
    assert report["rows"] == expected > 0 and len(report["requests"]) == 3
    assert all(erasing.rows_of(str(user)) == 0 for user in (3, 4, 5)) and erasing.rows_of("6") > 0


def test_one_user_is_one_user(erasing: Erasing) -> None:
    """Requests of others stay open."""
    erasing.database.query("""INSERT INTO backstitch.deletion (message_id, "schema", user_id, requested_at)
                              VALUES ('of 4', %s, '4', now())""", (erasing.schema,))
    rows, others = erasing.rows_of("3"), erasing.rows_of("4")
    assert erasing.must("--user-id", "3", "--schema", erasing.schema)["rows"] == rows
    assert erasing.rows_of("4") == others > 0
    assert erasing.requests() == [("3", True, rows), ("4", False, None)]


def test_a_number_column_and_its_twin_are_searched(erasing: Erasing) -> None:
    """As a table of Stitch's has it."""
    erasing.database.query(f'ALTER TABLE "{erasing.schema}".track ALTER user_id TYPE bigint USING user_id::bigint, '
                           f'ADD user_id__st text')
    erasing.database.query(f"""UPDATE "{erasing.schema}".track SET user_id = NULL, user_id__st = 'u-x' WHERE user_id = 9""")
    twins = erasing.database.value(f"""SELECT count(*) FROM "{erasing.schema}".track WHERE user_id__st = 'u-x'""")
    assert twins > 0 and erasing.rows_of("8") > 0
    erasing.must("--user-id", "8", "--schema", erasing.schema)
    assert erasing.rows_of("8") == 0
    assert erasing.must("--user-id", "u-x", "--schema", erasing.schema)["rows"] == twins


def test_rows_from_after_the_request_stay(erasing: Erasing) -> None:
    erasing.database.query("""INSERT INTO backstitch.deletion (message_id, "schema", user_id, requested_at)
                              VALUES ('early', %s, '2', '2026-01-01')""", (erasing.schema,))
    rows = erasing.rows_of("2")
    assert erasing.must("--schema", erasing.schema)["rows"] == 0 and erasing.rows_of("2") == rows


def test_targets_of_replays_are_searched(erasing: Erasing) -> None:
    target = f"{erasing.schema}_t"
    LoaderCommand(erasing.stack, "replay").must("--from-earliest", "--source", erasing.schema, "--target-schema", target, "--execute")
    both = erasing.rows_of("11") + erasing.rows_of("11", target)
    assert erasing.must("--user-id", "11", "--schema", erasing.schema)["rows"] == both > 0
    assert erasing.rows_of("11", target) == erasing.rows_of("11") == 0


def test_killed_again_and_again_it_ends_with_the_right_count(erasing: Erasing) -> None:
    erasing.database.query(f"""INSERT INTO "{erasing.schema}".track (message_id, user_id, _sdc_sequence)
                               SELECT 'many ' || n, 'many', n FROM generate_series(1, {MANY_ROWS}) n""")
    erasing.database.query("""INSERT INTO backstitch.deletion (message_id, "schema", user_id, requested_at)
                              VALUES ('m', %s, 'many', now())""", (erasing.schema,))
    killed = kill_again_and_again(lambda: erasing.start("--schema", erasing.schema), KILLS, Random(erasing.schema), 0.03, 0.2)
    assert killed > 0, "it was never killed"
    print(f"killed {killed} times")
    erasing.must("--schema", erasing.schema)
    assert erasing.rows_of("many") == 0
    assert erasing.database.query("""SELECT rows_deleted, completed_at IS NOT NULL FROM backstitch.deletion
                                     WHERE "schema" = %s""", (erasing.schema,)) == [(MANY_ROWS, True)]


def test_an_unknown_schema_is_named(stack: Stack) -> None:
    refused = LoaderCommand(stack, "erase").run("--user-id", "7", "--schema", "nowhere")
    assert refused.returncode == 2 and "no such schema" in refused.stderr
