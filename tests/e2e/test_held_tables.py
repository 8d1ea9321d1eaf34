"""A table that cannot be loaded holds nobody: its events wait in Kafka, all others are loaded, and it loads by itself when mended."""

from __future__ import annotations

import json
import shlex
import signal
from collections.abc import Callable

import pytest

from comparison import assert_same_ids, check_schema
from database import Database
from event_maker import make_events, mixed_requests
from kafka_log import KafkaLog
from loader_command import LoaderCommand
from loading import wait_loaded
from programs import run
from senders import Senders, send_all
from stack import Source, Stack
from waiting import wait_until

EVENTS = 3_000
TAKEN_OVER_SECONDS = 40
MENDED_SECONDS = 90  # a table is tried again each minute


def send(stack: Stack, source: Source, during: Callable[[Senders], None]) -> int:
    """Sends events of all types; how many of them are track."""
    events = make_events("held", EVENTS)
    report = send_all(stack.env["INGEST_URL"], mixed_requests(events, source), during=during)
    assert report.refused == []
    assert_same_ids("acknowledged", [event.message_id for event in events], report.acknowledged)
    return len(events)


def wait_half(senders: Senders) -> None:
    wait_until(lambda: senders.acknowledged > EVENTS // 2, "half of the events acknowledged")


def held(database: Database, source: Source) -> dict[tuple[str, int], int]:
    """How many offsets of each partition wait for tables of the source."""
    found = database.query('SELECT topic, kafka_partition, to_offset - from_offset FROM backstitch.held WHERE "schema" = %s',
                           (source.schema,))
    return {(topic, partition): count for topic, partition, count in found}


def assert_only_track_waits(log: KafkaLog, database: Database, source: Source) -> None:
    wait_loaded(log, database, 60)
    waiting = held(database, source)
    assert waiting and {topic for topic, _ in waiting} == {"segment.track"}
    assert database.count(source.schema, "page") > 0


def assert_status_names_it(stack: Stack, source: Source) -> None:
    """What waits, why, and what to do."""
    settings = {name: stack.env[name] for name in ("KAFKA_BROKERS", "DATABASE_URL")}
    text = run(stack.env["LOADER_BIN"], "status", settings=settings)
    assert text.returncode == 0 and f"held: {source.schema}.track since" in text.stdout and "is no table" in text.stdout
    told = json.loads(run(stack.env["LOADER_BIN"], "status", "--json", settings=settings).stdout)["held"]
    assert [(at["table"], at["code"]) for at in told if at["schema"] == source.schema] == [("track", "no table")]


def all_logs(stack: Stack) -> str:
    return "".join(stack.log(part) for part in stack.loaders)


@pytest.mark.parametrize("kill", [False, True], ids=["", "loaders-killed"])
def test_events_of_a_broken_table_wait_and_are_loaded_when_it_is_mended(kill: bool, stack: Stack, source: Source, log: KafkaLog,
                                                                        database: Database) -> None:
    """A view under the table's name. Whoever has the partitions when it goes reads what waits again."""
    start = log.ends()
    database.query(f"CREATE SCHEMA {source.schema}")
    database.query(f"CREATE VIEW {source.schema}.track AS SELECT 1 AS message_id")
    send(stack, source, wait_half)
    assert_only_track_waits(log, database, source)
    assert "event=table_held" in all_logs(stack)
    assert_status_names_it(stack, source)
    if kill:
        for part in stack.loaders:
            stack.end(part, signal.SIGKILL)
        stack.must("restart", "loader")
    database.query(f"DROP VIEW {source.schema}.track")
    wait_until(lambda: not held(database, source), "what waited is loaded", MENDED_SECONDS)
    tally = check_schema(log.read(start), database, source.schema)
    assert (tally.loaded, tally.rejected) == (EVENTS, 0)
    assert database.statistics(source.schema)["rows_new"] == EVENTS


def test_a_table_broken_and_mended_while_events_come(stack: Stack, source: Source, log: KafkaLog, database: Database) -> None:
    """A constraint that takes no row: nothing shows it but trying. Loading and reading again overlap."""
    start = log.ends()

    def break_and_mend(senders: Senders) -> None:
        wait_until(lambda: database.count(source.schema, "track") > 0, "the table is there")
        database.query(f"ALTER TABLE {source.schema}.track ADD CONSTRAINT closed CHECK (false) NOT VALID")
        wait_until(lambda: held(database, source), "events wait")
        wait_half(senders)
        database.query(f"ALTER TABLE {source.schema}.track DROP CONSTRAINT closed")

    send(stack, source, break_and_mend)
    wait_loaded(log, database, 60)
    wait_until(lambda: not held(database, source), "what waited is loaded", MENDED_SECONDS)
    tally = check_schema(log.read(start), database, source.schema)
    assert (tally.loaded, tally.rejected) == (EVENTS, 0)


def test_what_waits_is_listed_dropped_and_loaded_after_all(stack: Stack, source: Source, log: KafkaLog, database: Database) -> None:
    """Dropped, it is a gap with its reason, and the command that is printed loads it."""
    held_list, held_drop = LoaderCommand(stack, "held", "list"), LoaderCommand(stack, "held", "drop")
    table = f"{source.schema}.track"
    assert held_drop.run(table, "--execute", "--why", "none").stderr == f"backstitch-loader held drop: {table}: nothing waits for it\n"
    database.query(f"CREATE SCHEMA {source.schema}; CREATE VIEW {source.schema}.track AS SELECT 1 AS message_id")
    send(stack, source, wait_half)
    assert_only_track_waits(log, database, source)
    ranges = [one for one in held_list.must()["held"] if one["schema"] == source.schema]
    assert {(one["table"], one["code"]) for one in ranges} == {("track", "no table")}
    assert {(one["topic"], one["partition"]): one["to_offset"] - one["from_offset"] for one in ranges} == held(database, source)
    assert table in held_list.run().stdout
    shown = held_drop.run(table)
    assert shown.returncode == 0 and "Nothing was changed" in shown.stderr and held(database, source)
    unsaid = held_drop.run(table, "--execute")
    assert unsaid.returncode == 2 and "--why" in unsaid.stderr and held(database, source)
    waiting = held(database, source)
    dropped = held_drop.run(table, "--execute", "--why", "tests need no tracks")
    assert dropped.returncode == 0 and not held(database, source)
    gaps = database.query("""SELECT topic, kafka_partition, to_offset - from_offset FROM backstitch.offset_gap
                             WHERE "schema" = %s AND "table" = 'track' AND why = 'held drop: tests need no tracks'""", (source.schema,))
    assert {(topic, partition): count for topic, partition, count in gaps} == waiting
    database.query(f"DROP VIEW {source.schema}.track")
    commands = [shlex.split(line) for line in dropped.stdout.splitlines() if line.strip().startswith("backstitch-loader ")]
    assert len(commands) == len(waiting)
    new = sum(LoaderCommand(stack, *command[1:]).must()["new"] for command in commands)
    assert new == database.count(source.schema, "track") > 0
