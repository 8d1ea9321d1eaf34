"""Copies of an event: whatever their order, one row, and the whole of one copy."""

from __future__ import annotations

from itertools import permutations
from pathlib import Path

import pytest

from comparison import check_schema
from data_cases import DEFAULT_HEADERS
from database import Database
from kafka_log import KafkaLog, NewRecord
from loading import wait_loaded
from senders import Client, basic, bearer
from stack import Source, Stack

EARLY, MIDDLE, LATE = 1796378405000, 1796378405001, 1796378409000
COPIES = {EARLY: b'{"type":"track","messageId":"%s","event":"early","properties":{"a":1,"only_early":true}}',
          MIDDLE: b'{"type":"track","messageId":"%s","event":"middle","properties":{"a":2}}',
          LATE: b'{"type":"track","messageId":"%s","event":"late","properties":{"a":"x","only_late":[1]}}'}


def copies_in_all_orders(schema: str) -> list[list[NewRecord]]:
    """Six events with three copies each, one event an order; by turn, so that turns can be loaded one by one."""
    turns: list[list[NewRecord]] = [[], [], []]
    for number, order in enumerate(permutations(COPIES)):
        for turn, received in zip(turns, order, strict=True):
            headers = {**DEFAULT_HEADERS, "schema": schema, "received-at": str(received)}
            id_ = f"copies-{number}"
            turn.append(NewRecord("track", COPIES[received].replace(b"%s", id_.encode()), headers, id_))
    return turns


def events_of(database: Database, schema: str) -> list[tuple[str, str | None, str | None]]:
    rows = database.rows(schema, "track")
    return [(row["event"], row.get("properties__a", row.get("properties__a__st")), row.get("properties__only_early"))
            for row in rows]


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "in batches of their own"])
def test_the_copy_received_first_stays_in_whatever_order_they_are_loaded(
        together: bool, stack: Stack, source: Source, log: KafkaLog, database: Database) -> None:
    start = log.ends()
    for turn in copies_in_all_orders(source.schema):
        log.produce(turn)
        if not together:
            wait_loaded(log, database)
    wait_loaded(log, database)
    assert events_of(database, source.schema) == [("early", "1", "t")] * 6
    tally = check_schema(log.read(start), database, source.schema)
    assert (tally.loaded, tally.copies) == (6, 12)


@pytest.mark.parametrize("together", [True, False], ids=["in one batch", "in batches of their own"])
def test_with_newest_the_copy_received_last_stays(together: bool, stack: Stack, source: Source, log: KafkaLog,
                                                  tmp_path: Path) -> None:
    """Another loader with a group and a database of its own reads the same topics."""
    name = f"newest_{'together' if together else 'apart'}"
    url = stack.make_database(name)
    database = Database(url)
    start = log.ends()
    turns = copies_in_all_orders(source.schema)
    if together:
        for turn in turns:
            log.produce(turn)
    with stack.another_loader(tmp_path / "loader.log", url, name, LOADER_DUPLICATES="newest"):
        for turn in [] if together else turns:
            log.produce(turn)
            wait_loaded(log, database, 90, name)
        wait_loaded(log, database, 90, name)
    assert events_of(database, source.schema) == [("late", "x", None)] * 6
    check_schema(log.read(start), database, source.schema, newest=True)
    database.close()


def test_a_retry_and_a_second_way_in_change_nothing(stack: Stack, source: Source, client: Client, log: KafkaLog,
                                                    database: Database) -> None:
    first = b'{"type":"page","messageId":"same","name":"First"}'
    other = b'{"type":"page","messageId":"same","name":"Other","properties":{"more":1}}'
    assert client.post(f"/webhook/{source.slug}", first, bearer(source.token)).status == 200
    wait_loaded(log, database)
    before = database.rows(source.schema, "page")
    for body in (first, b"[" + first + b"," + first + b"]", other):
        assert client.post(f"/webhook/{source.slug}", body, bearer(source.token)).status == 200
    assert client.post("/v1/page", other, basic(source.write_key)).status == 200
    wait_loaded(log, database)
    assert database.rows(source.schema, "page") == before
    assert [row["name"] for row in before] == ["First"]


def test_an_event_without_an_id_is_known_by_its_bytes(stack: Stack, source: Source, client: Client, log: KafkaLog,
                                                      database: Database) -> None:
    body = b'{"type":"track","event":"No Id"}'
    for _ in range(3):
        assert client.post(f"/webhook/{source.slug}", body, bearer(source.token)).status == 200
    assert client.post(f"/webhook/{source.slug}", body.replace(b":", b": "), bearer(source.token)).status == 200
    wait_loaded(log, database)
    ids = [row["message_id"] for row in database.rows(source.schema, "track")]
    assert len(ids) == 2 and all(id_.startswith("sha256:") and len(id_) == 39 for id_ in ids)
