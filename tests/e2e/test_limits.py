"""Every limit of ingest one below, at, and one above: what is within is an event, what is above gets the limit's own answer."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Callable

import pytest

from kafka_log import KafkaLog, LogRecord
from senders import Client, basic, bearer
from stack import Source, Stack

MIB = 1 << 20
ABOVE, AT, BELOW = 1, 0, -1
EVENT_BYTES = MIB  # INGEST_MAX_EVENT_BYTES
EVENT_OVERHEAD = 512  # what an event's record is taken to need besides value, key and the texts of its headers
KEYS = 10_000
DEPTH = 64
CONTEXT_BYTES = 32 * 1024
BODY_BYTES, UNKNOWN_BODY_BYTES = 20 * MIB, MIB
HEADERS = 64
OWN_HEADERS = 4  # of the request below, besides those that are counted up

around = pytest.mark.parametrize("beyond", [BELOW, AT, ABOVE], ids=["one below", "at the limit", "one above"])


def records_of(source: Source, log: KafkaLog, since: dict[tuple[str, int], int]) -> list[LogRecord]:
    return [record for record in log.read(since) if record.headers["source"] == source.slug]


def post_event(event: bytes, source: Source, client: Client, log: KafkaLog) -> LogRecord:
    """One event by the webhook; the one record that it became."""
    since = log.ends()
    answer = client.post(f"/webhook/{source.slug}", event, bearer(source.token))
    assert answer.status == 200, answer.body
    [record] = records_of(source, log, since)
    return record


def check(record: LogRecord, event: bytes, beyond: int, reason: str) -> None:
    if beyond <= 0:
        assert (record.topic, record.value) == ("track", event)
    else:
        assert (record.topic, record.headers["reason"]) == ("rejected", reason)


@around
def test_event_bytes(beyond: int, source: Source, client: Client, log: KafkaLog) -> None:
    """The sender's address is in the record, too."""
    start = b'{"type":"track","messageId":"m","properties":{"x":"'
    texts = len("m") + len(source.slug) + len(source.schema) + len("127.0.0.1")
    length = EVENT_BYTES - EVENT_OVERHEAD - texts + beyond
    event = start + b"y" * (length - len(start) - 3) + b'"}}'
    assert len(event) == length
    record = post_event(event, source, client, log)
    check(record, event, beyond, "event too large")
    in_kafka = len(record.value) + len(record.key) + sum(len(name) + len(value) for name, value in record.headers.items())
    assert in_kafka <= EVENT_BYTES


@around
def test_keys_of_an_event(beyond: int, source: Source, client: Client, log: KafkaLog) -> None:
    own = ("type", "messageId", "properties")
    event = json.dumps({"type": "track", "messageId": "m", "properties": {f"k{i}": i for i in range(KEYS - len(own) + beyond)}}).encode()
    check(post_event(event, source, client, log), event, beyond, "too many keys")


@around
@pytest.mark.parametrize("is_batch", [False, True], ids=["single", "in a batch"])
def test_depth_counts_from_the_events_own_brace(is_batch: bool, beyond: int, source: Source, client: Client, log: KafkaLog) -> None:
    inner = DEPTH - 2 + beyond  # the event itself, and properties
    event = b'{"type":"track","messageId":"m","properties":{"a":' + b"[" * inner + b"1" + b"]" * inner + b"}}"
    body = b"[" + event + b"]" if is_batch else event
    since = log.ends()
    answer = client.post(f"/webhook/{source.slug}", body, bearer(source.token))
    [record] = records_of(source, log, since)
    check(record, event, beyond, "too deep")
    assert answer.status == 200


@around
@pytest.mark.parametrize("member", ["context", "integrations"])
def test_what_a_batch_says_for_all(member: str, beyond: int, source: Source, client: Client, log: KafkaLog) -> None:
    event = b'{"type":"track","messageId":"m"}'
    empty = b'{"x":""}'
    shared = b'{"x":"' + b"y" * (CONTEXT_BYTES - len(empty) + beyond) + b'"}'
    since = log.ends()
    answer = client.post("/v1/batch", b'{"batch":[' + event + b'],"' + member.encode() + b'":' + shared + b"}", basic(source.write_key))
    [record] = records_of(source, log, since)
    if beyond <= 0:
        assert answer.status == 200
        assert (record.topic, record.value, record.headers[member]) == ("track", event, shared.decode())
    else:
        assert answer.status == 413
        assert (record.topic, record.headers["reason"]) == ("rejected", "context too large")


@around
def test_body_bytes_of_a_known_sender(beyond: int, source: Source, client: Client, log: KafkaLog) -> None:
    check_body(client, source, log, beyond, BODY_BYTES, lambda padding: (
        f"/webhook/{source.slug}", b'[{"type":"track","messageId":"m"}' + padding + b"]", bearer(source.token)))


@around
def test_body_bytes_of_a_sender_that_only_the_body_names(beyond: int, source: Source, client: Client, log: KafkaLog) -> None:
    key = source.write_key.encode()
    check_body(client, source, log, beyond, UNKNOWN_BODY_BYTES, lambda padding: (
        "/v1/batch", b'{"batch":[{"type":"track","messageId":"m"}],"writeKey":"' + key + b'"' + padding + b"}", {"Content-Type": "application/json"}))


def check_body(client: Client, source: Source, log: KafkaLog, beyond: int, limit: int,
               make: Callable[[bytes], tuple[str, bytes, dict[str, str]]]) -> None:
    """A body with white space up to the limit."""
    short = len(make(b"")[1])
    path, body, headers = make(b" " * (limit - short + beyond))
    assert len(body) == limit + beyond
    since = log.ends()
    answer = client.post(path, body, headers)
    assert answer.status == (200 if beyond <= 0 else 413), answer.body
    assert [record.key for record in records_of(source, log, since) if record.topic == "track"] == ([b"m"] if beyond <= 0 else [])


@around
def test_headers_of_a_request(beyond: int, stack: Stack, source: Source) -> None:
    """By hand: clients add headers of their own."""
    event = b'{"type":"track","messageId":"m"}'
    own = ["Host: x", f"Authorization: Bearer {source.token}", "Content-Type: application/json", f"Content-Length: {len(event)}"]
    assert len(own) == OWN_HEADERS
    more = [f"X-More-{i}: {i}" for i in range(HEADERS - OWN_HEADERS + beyond)]
    request = "\r\n".join([f"POST /webhook/{source.slug} HTTP/1.1", *own, *more]).encode() + b"\r\n\r\n" + event
    with socket.create_connection(("127.0.0.1", stack.port_base), timeout=10) as connection:
        connection.sendall(request)
        answer = connection.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200 " if beyond <= 0 else b"HTTP/1.1 400 "), answer


def test_rate_of_a_source(stack: Stack, source_name: str, client: Client) -> None:
    """One event a second: the first passes, a second one within that second does not, a later one does."""
    source = stack.register_source(source_name, "--rate", "1/s")
    stack.wait_known(source)  # by an empty batch, which takes nothing
    event = b'{"type":"track"}'
    for _ in range(5):
        start = time.monotonic()
        statuses = [client.post("/v1/track", event, basic(source.write_key)).status for _ in range(2)]
        took = time.monotonic() - start
        assert statuses[0] == 200
        time.sleep(1.05)  # what the limit is about: after a second there is room for one
        if took < 0.9:
            assert statuses[1] == 429
            return
    raise AssertionError("this machine needs a second for two requests: nothing was tested")
