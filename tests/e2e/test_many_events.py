"""50,000 events of all six types with 2,000 property paths, by 8 senders through both doors, while 3 loaders run."""

from __future__ import annotations

import time

from comparison import assert_same_ids, check_schema
from database import Database
from event_maker import PATHS, make_events, mixed_requests
from kafka_log import KafkaLog
from loading import wait_loaded
from senders import send_all
from stack import TYPES, Source, Stack

EVENTS = 50_000
SENDERS = 8


def test_every_event_is_one_row_with_every_value_right(stack: Stack, source: Source, log: KafkaLog,
                                                       database: Database) -> None:
    events = make_events("many", EVENTS)
    start, began = log.ends(), time.monotonic()
    report = send_all(stack.env["INGEST_URL"], mixed_requests(events, source), SENDERS)
    sent = time.monotonic()
    assert report.refused == []
    assert_same_ids("acknowledged", [event.message_id for event in events], report.acknowledged)
    wait_loaded(log, database, 60)
    loaded = time.monotonic()

    records = log.read(start)
    given = {event.message_id.encode(): event.data for event in events}
    assert {record.key: record.value for record in records} == given
    assert len(records) == EVENTS or report.retries > 0
    tally = check_schema(records, database, source.schema)
    assert tally.loaded == EVENTS
    assert set(tally.by_table) == set(TYPES) and all(tally.by_table.values())
    assert (tally.rejected, tally.suppressed, tally.deletions) == (0, 0, 0)
    assert tally.twins > 0 and tally.overflow > 0
    print(f"sent in {sent - began:.1f} s, loaded {loaded - sent:.1f} s later, compared in {time.monotonic() - loaded:.1f} s;"
          f" {tally}; answers {dict(report.statuses)}, slowest {report.slowest:.2f} s")

    _check_paths(database, source.schema)
    _check_owners(stack, database)
    counted = database.statistics(source.schema)
    assert counted["rows_new"] == EVENTS
    assert counted["rows_duplicate"] == len(records) - EVENTS


def _check_paths(database: Database, schema: str) -> None:
    """The property paths that have a column; those of `track` above its limit are in _sdc_extra."""
    assert sum(PATHS.values()) == 2_000
    found = {table: sum(bool(column.comment) and ".Item " in str(column.comment) and not name.endswith("__st")
                        for name, column in database.columns(schema, table).items()) for table in TYPES}
    assert {table: count for table, count in found.items() if table != "track"} == {
        table: count for table, count in PATHS.items() if table != "track"}
    assert len(database.columns(schema, "track")) == 800


def _check_owners(stack: Stack, database: Database) -> None:
    """Each loader loaded some partitions of this, and they share them about evenly."""
    topics = [f"segment.{table}" for table in TYPES]
    shares = dict(database.query("SELECT owner, count(*) FROM backstitch.load_offset WHERE consumer_group = 'backstitch-loader'"
                                 " AND topic = ANY(%s) GROUP BY owner", (topics,)))
    print(f"partitions by owner: {shares}")
    assert len(shares) == len(stack.loaders) == 3
    assert max(shares.values()) <= 2 * min(shares.values())
