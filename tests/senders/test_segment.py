"""Segment as a sender: the code of its webhook destinations, and our destination function in its runtime."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from arrivals import check_all_arrived, check_no_trouble, check_nothing_twice
from calls import as_json, calls_of
from database import Database
from drivers import node, run
from gate import Gate
from kafka_log import KafkaLog
from loading import wait_loaded
from stack import TYPES, Source

DESTINATIONS = ("webhook", "webhook-extensible")
MODES = ("single", "batch")


def send(gate: Gate, source: Source, destination: str, mode: str, **credentials: str) -> Any:
    command = [*node("actions.mjs"), gate.url + source.webhook_path, credentials.get("token", "-"), destination,
               credentials.get("secret", "-"), mode]
    return run(command, as_json(calls_of(*TYPES)))


@pytest.mark.parametrize("destination, mode", product(DESTINATIONS, MODES))
@pytest.mark.parametrize("credential", ["token", "secret"])
def test_every_event_of_a_webhook_arrives_once_and_exact(  # noqa: PLR0913
        destination: str, mode: str, credential: str, gate: Gate, source: Source, log: KafkaLog, database: Database) -> None:
    """Signed, or with the token as a header."""
    report = send(gate, source, destination, mode, **{credential: getattr(source, credential)})
    check_no_trouble(gate, report)
    check_nothing_twice(gate)
    check_all_arrived(gate, source, log, database, calls_of(*TYPES))
    assert all(("x-signature" in request.headers) == (credential == "secret") for request in gate.passed)


@pytest.mark.parametrize("mode", MODES)
def test_segments_rule_of_retries_delivers_everything_after_a_503(
        mode: str, gate: Gate, source: Source, log: KafkaLog, database: Database) -> None:
    gate.refuse_next(2)
    report = send(gate, source, "webhook", mode, token=source.token)
    assert (report["errors"], report["retries"]) == ([], 2)
    check_nothing_twice(gate)
    check_all_arrived(gate, source, log, database, calls_of(*TYPES))


# --- the destination function -------------------------------------------------------------------------------------------------------------

EVENTS: list[dict[str, Any]] = [{"type": kind, "messageId": f"f-{kind}", "userId": "u-1", "properties": {"text": "Größe"}} for kind in TYPES]
DELETION = {"type": "delete", "messageId": "f-delete", "userId": "u-9", "context": None}

Call = Callable[..., list[dict[str, Any]]]


@pytest.fixture
def function(gate: Gate, source: Source) -> Call:
    """Runs the function on events; what Segment sees of each."""
    def call(events: list[dict[str, Any]], mode: str = "single", url: str = gate.url + source.webhook_path,
             secret: str = source.secret) -> list[dict[str, Any]]:
        result: list[dict[str, Any]] = run([*node("function.mjs"), url, secret, mode], json.dumps(events).encode())
        return result
    return call


def results(seen: list[dict[str, Any]]) -> list[Any]:
    return [one["result"] for one in seen]


def auth_of(log: KafkaLog, source: Source) -> set[str]:
    return {record.headers["auth"] for record in log.read() if record.headers.get("schema") == source.schema}


@pytest.mark.parametrize("mode", MODES)
def test_the_function_signs_and_delivers_events_and_deletions(  # noqa: PLR0913
        mode: str, function: Call, gate: Gate, source: Source, log: KafkaLog, database: Database) -> None:
    seen = function([*EVENTS, DELETION], mode)
    assert results(seen) == ["ok" if mode == "single" else 200] * 7
    wait_loaded(log, database)
    assert {table: database.count(source.schema, table) for table in TYPES} == dict.fromkeys(TYPES, 1)
    assert database.query('SELECT user_id FROM backstitch.deletion WHERE "schema" = %s', (source.schema,)) == [("u-9",)]
    assert auth_of(log, source) == {"signature"}  # over the whole body, else the deletion would not count
    assert len(gate.passed) == (7 if mode == "single" else 1)


def test_a_wrong_secret_is_tried_again_and_never_given_up(function: Call) -> None:
    assert results(function(EVENTS[:1], secret="wrong")) == ["RetryError"]
    assert results(function(EVENTS[:2], "batch", secret="wrong")) == [503, 503]


def test_a_missing_or_wrong_address_is_tried_again(function: Call, gate: Gate) -> None:
    for url in ("-", "http://127.0.0.1:1/webhook/x", gate.url + "/nowhere"):
        assert results(function(EVENTS[:1], url=url)) == ["RetryError"], url
        assert results(function(EVENTS[:2], "batch", url=url)) == [503, 503], url


def test_what_is_busy_is_tried_again_with_a_message_for_people(function: Call, gate: Gate) -> None:
    gate.refuse_next(1)
    seen = function(EVENTS[:1])
    assert results(seen) == ["RetryError"] and "send them again" in seen[0]["message"]


def test_a_batch_beyond_one_request_goes_in_parts(function: Call, gate: Gate, source: Source, log: KafkaLog, database: Database) -> None:
    """400 events of 30 kB, the most that Segment puts into a batch."""
    events = [{"type": "track", "messageId": f"large-{number}", "userId": "u", "event": "Large", "properties": {"text": "x" * 30_000}}
              for number in range(400)]
    assert set(results(function(events, "batch"))) == {200}
    assert len(gate.passed) > 1
    wait_loaded(log, database)
    assert database.count(source.schema, "track") == 400


def test_an_event_that_ingest_refuses_but_keeps_is_final_and_takes_no_other_along(
        function: Call, source: Source, log: KafkaLog, database: Database) -> None:
    """One event above ingest's limit of an event: 200, because it is kept as rejected; its neighbours are rows."""
    huge = {"type": "track", "messageId": "huge", "userId": "u", "event": "Huge", "properties": {"text": "x" * 1_200_000}}
    assert results(function([EVENTS[0], huge, EVENTS[1]], "batch")) == [200, 200, 200]
    wait_loaded(log, database)
    assert [row.reason for row in database.rejected(source.schema)] == ["event too large"]
    assert database.count(source.schema, "identify") == 1
