"""Loaders killed with -9 in the middle of the work: the same rows, nothing that was committed is read again."""

from __future__ import annotations

import signal
from collections.abc import Callable

from comparison import check_schema
from database import Database
from event_maker import make_events, mixed_requests, plain_events
from kafka_log import KafkaLog
from loading import behind, wait_loaded
from senders import Senders, send_all
from stack import Source, Stack
from waiting import wait_until

EVENTS = 10_000
SESSION_SECONDS = 10  # Kafka gives a killed loader's partitions away after that (architecture.md, section 6)


def load_through(stack: Stack, source: Source, log: KafkaLog, database: Database,
                 during: Callable[[Senders], None]) -> dict[str, int]:
    """Sends while `during` happens, waits, and compares everything; the statistics of the source."""
    events = make_events("killed", EVENTS)
    start = log.ends()
    report = send_all(stack.env["INGEST_URL"], mixed_requests(events, source), during=during)
    assert report.refused == []
    wait_loaded(log, database, 60)
    records = log.read(start)
    tally = check_schema(records, database, source.schema)
    assert (tally.loaded, tally.rejected) == (EVENTS, 0)
    counted = database.statistics(source.schema)
    assert counted["rows_new"] == EVENTS
    assert counted["rows_duplicate"] == len(records) - EVENTS, "records that were loaded before were loaded again"
    ends, positions = log.ends(), database.positions()
    assert {at: positions.get(at, 0) for at in ends} == ends
    return counted


def wait_some_loaded(database: Database, source: Source, rows: int) -> None:
    wait_until(lambda: database.statistics(source.schema)["rows_new"] >= rows, f"{rows} rows loaded")


def test_a_loader_killed_in_the_middle_and_started_again(stack: Stack, source: Source, log: KafkaLog,
                                                         database: Database) -> None:
    def kill_and_start(senders: Senders) -> None:
        del senders
        for part, rows in zip(stack.loaders, (500, 1500, 2500), strict=True):
            wait_some_loaded(database, source, rows)
            stack.end(part, signal.SIGKILL)
            stack.up(len(stack.loaders))

    counted = load_through(stack, source, log, database, kill_and_start)
    print(f"three loaders killed and started again: {counted}")


def test_a_database_that_has_gone_back_is_noticed_without_traffic(stack: Stack, source: Source, log: KafkaLog,
                                                                  database: Database) -> None:
    """As after a fail-over to a copy that lacks the last transactions: no further event has to come for them."""
    events = plain_events(f"back-{source.schema}", 60)
    start = log.ends()
    assert send_all(stack.env["INGEST_URL"], mixed_requests(events, source)).refused == []
    wait_loaded(log, database, 60)
    database.query(f'DELETE FROM "{source.schema}".track')
    for (topic, partition), offset in start.items():
        database.query("UPDATE backstitch.load_offset SET next_offset = %s WHERE topic = %s AND kafka_partition = %s",
                       (offset, topic, partition))
    database.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE starts_with(application_name, 'backstitch-loader')")
    wait_until(lambda: database.count(source.schema, "track") == len(events) // 6, "what the older copy lacks is loaded", 30)
    wait_loaded(log, database, 30)


def test_the_others_take_over_from_a_killed_loader(stack: Stack, source: Source, log: KafkaLog, database: Database) -> None:
    killed = stack.loaders[-1]

    def kill(senders: Senders) -> None:
        del senders
        wait_some_loaded(database, source, 500)
        stack.end(killed, signal.SIGKILL)

    counted = load_through(stack, source, log, database, kill)
    assert not stack.runs(killed)
    print(f"one loader killed for good: {counted}")


def test_a_loader_frozen_past_its_session_loads_nothing_twice(stack: Stack, source: Source, log: KafkaLog,
                                                              database: Database) -> None:
    """It comes back as a zombie: what it holds was loaded by others meanwhile."""
    frozen = stack.loaders[-1]

    def freeze(senders: Senders) -> None:
        wait_some_loaded(database, source, 500)
        stack.send_signal(frozen, signal.SIGSTOP)
        try:
            senders.join()
            wait_until(lambda: not behind(log, database), "the others have taken over", 3 * SESSION_SECONDS)
        finally:
            stack.send_signal(frozen, signal.SIGCONT)

    load_through(stack, source, log, database, freeze)
    assert stack.runs(frozen)
