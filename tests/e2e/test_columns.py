"""`columns list|promote|demote`: a path's values move between _sdc_extra and a column while loading goes on.

Values are computed from an event's number, so that each row can be asked for exactly what its event had.
"""

from __future__ import annotations

import json
import signal
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from data_cases import DEFAULT_HEADERS
from database import Database
from kafka_log import KafkaLog, NewRecord
from loading import wait_loaded
from programs import Program, run
from stack import Stack
from waiting import wait_until

PREFIX = "columns"
SCHEMA = "columns"
GROUP = "columns"
MAX_COLUMNS = 30  # the least that the option takes: the table is full at once
PATH, COLUMN = "properties.Order Total", "properties__order_total"
EVENTS = 2_600  # more than two steps


def value(number: int) -> Any:
    """Mostly numbers; some that a number cannot hold."""
    kinds: dict[int, Any] = {3: f"{number},50", 5: [number, "a"], 7: True}
    return kinds.get(number % 50, number + 0.5)


def event(number: int) -> NewRecord:
    properties = {"Order Total": value(number), "other": f"o{number}"}
    body = {"type": "track", "messageId": f"m{number:06d}", "properties": properties}
    return NewRecord("track", json.dumps(body).encode(), {**DEFAULT_HEADERS, "schema": SCHEMA, "seq": str(number)}, f"k{number}")


class Bed:
    """A database with one full table, a loader on it, and events that come while a command runs."""

    def __init__(self, stack: Stack, url: str) -> None:
        self.stack = stack
        self.url = url
        self.database = Database(url)
        self.log = KafkaLog(stack.env["KAFKA_BROKERS"], PREFIX)
        self.sent = 0

    def send(self, count: int) -> None:
        self.log.produce([event(number) for number in range(self.sent, self.sent + count)])
        self.sent += count

    def fill(self) -> None:
        """One event that takes all the columns there may be; then the others."""
        body = {"type": "track", "messageId": "first", "properties": {f"f{number}": 1 for number in range(40)}}
        self.log.produce([NewRecord("track", json.dumps(body).encode(), {**DEFAULT_HEADERS, "schema": SCHEMA}, "k")])
        wait_loaded(self.log, self.database, 30, GROUP)
        self.send(EVENTS)
        wait_loaded(self.log, self.database, 30, GROUP)

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run(self.stack.env["LOADER_BIN"], "columns", *arguments, settings={"DATABASE_URL": self.url})

    def during(self, *arguments: str) -> Any:
        """The command's document; events keep coming while it runs."""
        is_over = threading.Event()

        def keep_sending() -> None:
            while not is_over.is_set():
                self.send(20)
                is_over.wait(0.02)

        sender = threading.Thread(target=keep_sending)
        sender.start()
        try:
            done = self.command(*arguments, "--schema", SCHEMA, "--table", "track", "--json")
        finally:
            is_over.set()
            sender.join()
        assert done.returncode == 0, done.stderr
        wait_loaded(self.log, self.database, 30, GROUP)
        return json.loads(done.stdout)

    def rows(self) -> dict[str, dict[str, str]]:
        return {row["message_id"]: row for row in self.database.rows(SCHEMA, "track") if row["message_id"] != "first"}

    def check_in_column(self) -> None:
        """Each value in the column, or in the twin as the text that was sent; nothing is left over."""
        rows = self.rows()
        assert len(rows) == self.sent
        for number in range(self.sent):
            row, wanted = rows[f"m{number:06d}"], value(number)
            extra = json.loads(row["_sdc_extra"])
            assert extra == {"properties.other": f"o{number}"}, row
            if isinstance(wanted, float):
                assert (row.get(COLUMN), row.get(COLUMN + "__st")) == (str(wanted), None)
            else:
                text = wanted if isinstance(wanted, str) else row[COLUMN + "__st"]
                assert row.get(COLUMN) is None and row[COLUMN + "__st"] == text
                assert isinstance(wanted, str) or json.loads(text) == wanted

    def check_in_extra(self) -> None:
        """Each value in _sdc_extra; what had gone to the twin as text is a string there."""
        assert COLUMN not in self.database.columns(SCHEMA, "track") and COLUMN + "__st" not in self.database.columns(SCHEMA, "track")
        rows = self.rows()
        assert len(rows) == self.sent
        for number in range(self.sent):
            extra, wanted = json.loads(rows[f"m{number:06d}"]["_sdc_extra"]), value(number)
            assert extra.keys() == {PATH, "properties.other"}
            found = extra[PATH]
            assert found == wanted or json.loads(found) == wanted


@pytest.fixture(scope="module")
def bed(session_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bed]:
    session_stack.make_topics(PREFIX)
    made = Bed(session_stack, session_stack.make_database("columns"))
    folder = tmp_path_factory.mktemp("columns")
    with session_stack.another_loader(folder / "loader.log", made.url, GROUP, KAFKA_TOPIC_PREFIX=PREFIX,
                                      LOADER_MAX_COLUMNS=str(MAX_COLUMNS)):
        made.fill()
        yield made
        made.database.close()


def test_promoted_and_demoted_while_loading(bed: Bed) -> None:
    assert COLUMN not in bed.database.columns(SCHEMA, "track")
    told = bed.during("promote", PATH, "--type", "numeric")
    assert (told["column"], told["path"], told["done"]) == (COLUMN, PATH, "promoted")
    assert told["rows_moved"] >= EVENTS and told["rows_to_twin"] >= EVENTS // 50 * 3
    assert bed.database.columns(SCHEMA, "track")[COLUMN].comment == PATH
    bed.check_in_column()

    again = bed.during("promote", PATH)
    assert again["rows_moved"] == 0

    told = bed.during("demote", COLUMN)
    assert told["path"] == PATH and told["rows_moved"] >= EVENTS
    bed.check_in_extra()

    listed = json.loads(bed.command("list", "--schema", SCHEMA, "--extra", "--json").stdout)
    assert {entry["column"]: entry["state"] for entry in listed["columns"]}[COLUMN] == "demoted"
    assert {entry["path"]: entry["rows"] for entry in listed["extra"]}[PATH] == bed.sent

    bed.during("promote", PATH, "--type", "numeric")
    bed.check_in_column()


def test_the_type_follows_from_the_values(bed: Bed) -> None:
    """Text for all of `other`; numbers for what only numbers are in."""
    told = bed.during("promote", "properties.other")
    assert bed.database.columns(SCHEMA, "track")["properties__other"].type == "text"
    assert told["rows_to_twin"] == 0
    bed.during("demote", "properties__other")
    told = bed.during("promote", "properties.f35")
    assert bed.database.columns(SCHEMA, "track")["properties__f35"].type == "numeric" and told["rows_moved"] == 1
    assert bed.database.value(f"SELECT properties__f35 FROM {SCHEMA}.track WHERE message_id = 'first'") == 1


@contextmanager
def held_up(bed: Bed, id_: str, *arguments: str, log: Path) -> Iterator[Program]:
    """The command, held up where it changes that row, after at least one whole step; it goes on when the block ends."""
    bed.database.query(f"CREATE FUNCTION {SCHEMA}.hold() RETURNS trigger LANGUAGE plpgsql AS"
                       " 'BEGIN PERFORM pg_advisory_xact_lock(42); RETURN NEW; END'")
    bed.database.query(f"CREATE TRIGGER hold BEFORE UPDATE ON {SCHEMA}.track FOR EACH ROW"
                       f" WHEN (OLD.message_id = '{id_}') EXECUTE FUNCTION {SCHEMA}.hold()")
    given = [bed.stack.env["LOADER_BIN"], "columns", *arguments, "--schema", SCHEMA, "--table", "track"]
    with psycopg.connect(bed.url) as other:
        other.execute("SELECT pg_advisory_xact_lock(42)")
        with Program(log, given, DATABASE_URL=bed.url) as command:
            wait_until(lambda: bed.database.value("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                                                  " AND wait_event = 'advisory'") == 1, "the command is held up")
            yield command
            other.rollback()
            command.wait()
    bed.database.query(f"DROP TRIGGER hold ON {SCHEMA}.track")
    bed.database.query(f"DROP FUNCTION {SCHEMA}.hold()")


def test_a_command_that_was_killed_is_begun_again(bed: Bed, tmp_path: Path) -> None:
    assert bed.during("demote", COLUMN)["rows_moved"] > 0
    with held_up(bed, "m002500", "promote", PATH, "--type", "numeric", log=tmp_path / "promote.log") as command:
        command.send(signal.SIGKILL)
    moved = bed.database.value(f"SELECT count(*) FROM {SCHEMA}.track WHERE {COLUMN} IS NOT NULL")
    assert 0 < moved < bed.sent - 100
    bed.during("promote", PATH)
    bed.check_in_column()


def test_a_signal_ends_it_between_two_steps(bed: Bed, tmp_path: Path) -> None:
    with held_up(bed, "m001500", "demote", COLUMN, log=tmp_path / "demote.log") as command:
        command.send(signal.SIGINT)
    assert command.wait() == 3 and "goes on with the rest" in command.text()
    assert COLUMN in bed.database.columns(SCHEMA, "track")
    bed.during("demote", COLUMN)
    bed.check_in_extra()


@pytest.mark.parametrize("arguments, told", [
    (["promote", "userId"], "every table has"),
    (["promote", "integrations.Stitch"], "LOADER_IGNORE_PATHS"),
    (["promote", "properties.nowhere"], "--type"),
    (["demote", "message_id"], "needs this column"),
    (["demote", "_sdc_extra"], "needs this column"),
    (["demote", "nowhere"], "no such column"),
])
def test_what_cannot_be_done_is_said(bed: Bed, arguments: list[str], told: str) -> None:
    done = bed.command(*arguments, "--schema", SCHEMA, "--table", "track")
    assert done.returncode == 1 and done.stdout == "" and told in done.stderr


def test_a_table_that_is_not_there_is_named(bed: Bed) -> None:
    done = bed.command("promote", "a", "--schema", SCHEMA, "--table", "nowhere")
    assert done.returncode == 1 and f"{SCHEMA}.nowhere" in done.stderr
