"""How ingest speaks HTTP: answers' headers, CORS, limits, encodings, framing."""

from __future__ import annotations

import gzip
import json
import re
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from database import Database
from kafka_log import KafkaLog
from loading import wait_loaded
from senders import JSON, Client, basic, bearer
from stack import Source, Stack
from waiting import wait_until

EVENT = b'{"type":"track","messageId":"wanted","event":"E"}'
ORIGIN = {"Origin": "https://shop.example"}


def exchange(stack: Stack, data: bytes, shut: bool = False) -> bytes:
    """Bytes in, and all bytes out until the server closes (or, with `shut`, after we closed our side)."""
    parts = urlsplit(stack.env["INGEST_URL"])
    with socket.create_connection((parts.hostname, parts.port), timeout=15) as connection:
        connection.sendall(data)
        if shut:
            connection.shutdown(socket.SHUT_WR)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received


def head(source: Source, *lines: str) -> bytes:
    """A request's head with the source's write key; the last header closes the connection."""
    return "\r\n".join(["POST /v1/track HTTP/1.1", "Host: x", f"Authorization: {basic(source.write_key)['Authorization']}",
                        *lines, "Connection: close", "", ""]).encode()


def track_ids(database: Database, source: Source) -> list[str]:
    return [row["message_id"] for row in database.rows(source.schema, "track")]


# --- headers of answers ---------------------------------------------------------------------------------------------------


def test_a_sane_request_id_comes_back_and_reaches_kafka(source: Source, client: Client, log: KafkaLog) -> None:
    start = log.ends()
    answer = client.post("/v1/track", EVENT, {**basic(source.write_key), "X-Request-Id": "abc-123"})
    assert answer.headers["X-Request-Id"] == "abc-123"
    assert [record.headers["request-id"] for record in log.read(start)] == ["abc-123"]


@pytest.mark.parametrize("given", [None, "", "a b", "x" * 500, "<script>"])
def test_otherwise_an_id_is_made(given: str | None, stack: Stack, client: Client) -> None:
    headers = {} if given is None else {"X-Request-Id": given}
    ids = {client.post(path, EVENT, headers).headers["X-Request-Id"] for path in ("/v1/track", "/nowhere")}
    assert len(ids) == 2 and given not in ids
    assert all(re.fullmatch(r"[A-Za-z0-9._-]{8,64}", id_) for id_ in ids)


def test_preflight_reflects_headers_and_gives_no_credentials(stack: Stack, client: Client) -> None:
    asked = {**ORIGIN, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-retry-count"}
    for path in ("/v1/t", "/v1/batch", "/b"):
        answer = client.request("OPTIONS", path, headers=asked)
        assert answer.status in (200, 204)
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert "POST" in answer.headers["Access-Control-Allow-Methods"]
        assert answer.headers["Access-Control-Allow-Headers"] == "content-type,x-retry-count"
        assert answer.headers["Access-Control-Max-Age"] == "86400"
        assert answer.headers["Access-Control-Allow-Credentials"] is None


def test_cors_headers_are_on_every_sdk_answer_and_on_no_webhook(source: Source, client: Client) -> None:
    good = client.post("/v1/track", EVENT, {**basic(source.write_key), **ORIGIN})
    unknown_key = client.post("/v1/track", EVENT, {**JSON, **ORIGIN})
    not_json = client.post("/v1/track", b"{", {**basic(source.write_key), **ORIGIN})
    wrong_method = client.request("PUT", "/v1/track", headers=ORIGIN)
    assert [answer.status for answer in (good, unknown_key, not_json, wrong_method)] == [200, 401, 400, 405]
    for answer in (good, unknown_key, not_json, wrong_method):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Access-Control-Allow-Credentials"] is None
    webhook = client.post(f"/webhook/{source.slug}", EVENT, {**bearer(source.token), **ORIGIN})
    assert (webhook.status, webhook.headers["Access-Control-Allow-Origin"]) == (200, None)


def test_a_message_says_where_a_body_is_wrong(source: Source, client: Client) -> None:
    answer = client.post("/v1/track", b'{"type":"track",,}', basic(source.write_key))
    assert answer.status == 400
    assert re.search(r"\b16\b|line|byte", answer.json["message"])


# --- limits ---------------------------------------------------------------------------------------------------------------


def test_20_mib_are_taken_from_who_is_known_and_413_answers_above(source: Source, client: Client, log: KafkaLog,
                                                                  database: Database) -> None:
    limit = 20 * 1024 * 1024
    fitting = b"[" + EVENT + b" " * (limit - len(EVENT) - 2) + b"]"
    assert client.post(f"/webhook/{source.slug}", fitting, bearer(source.token)).status == 200
    answer = client.post(f"/webhook/{source.slug}", fitting + b" ", bearer(source.token))
    assert (answer.status, answer.json["success"]) == (413, False)
    wait_loaded(log, database)
    assert track_ids(database, source) == ["wanted"]
    assert [row.reason for row in database.rejected(source.schema)] == ["body too large"]
    assert len(database.rejected(source.schema)[0].record) <= 64 * 1024


def test_1_mib_is_taken_from_who_is_not_known_yet(source: Source, client: Client) -> None:
    limit = 1024 * 1024
    named = b'{"batch":[' + EVENT + b'],"writeKey":"' + source.write_key.encode() + b'"}'
    assert client.post("/v1/batch", named + b" " * (limit - len(named)), JSON).status == 200
    assert client.post("/v1/batch", named + b" " * (limit - len(named) + 1), JSON).status == 413
    assert client.post("/v1/batch", named + b" " * limit, basic(source.write_key)).status == 200


@pytest.mark.parametrize("size", [10, 3 * 1024 * 1024, 20 * 1024 * 1024])
def test_a_webhook_without_credential_is_503_whatever_the_size(size: int, source: Source, client: Client) -> None:
    """And the answer is readable, however much is still being sent."""
    answer = client.post(f"/webhook/{source.slug}", b" " * size, JSON)
    assert (answer.status, answer.json["code"]) == (503, "unauthorized")


def test_above_the_rate_of_a_source_429_answers_with_retry_after(stack: Stack, source_name: str, client: Client) -> None:
    source = stack.add_source(source_name, "--rate", "5/s")
    answers = [client.post("/v1/track", EVENT, basic(source.write_key)) for _ in range(40)]
    late = [answer for answer in answers if answer.status != 200]
    assert late and {answer.status for answer in late} == {429}
    assert all(int(answer.headers["Retry-After"]) > 0 and answer.json["success"] is False for answer in late)
    wait_until(lambda: client.post("/v1/track", EVENT, basic(source.write_key)).status == 200, "the rate allows again", 5)


# --- encodings ------------------------------------------------------------------------------------------------------------


def test_gzip_is_inflated(source: Source, client: Client, log: KafkaLog, database: Database) -> None:
    headers = {**basic(source.write_key), "Content-Encoding": "gzip"}
    assert client.post("/v1/batch", gzip.compress(b'{"batch":[' + EVENT + b"]}"), headers).status == 200
    wait_loaded(log, database)
    assert track_ids(database, source) == ["wanted"]


@pytest.mark.parametrize("body, statuses", [
    (b"no gzip", {400}), (gzip.compress(EVENT)[:-9], {400}), (gzip.compress(b" " * 30_000_000 + EVENT), {400, 413}),
], ids=["not gzip", "cut", "bomb"])
def test_bad_gzip_is_refused(body: bytes, statuses: set[int], source: Source, client: Client, log: KafkaLog,
                             database: Database) -> None:
    headers = {**basic(source.write_key), "Content-Encoding": "gzip"}
    answer = client.post("/v1/track", body, headers)
    assert answer.status in statuses and answer.json["success"] is False
    wait_loaded(log, database)
    assert track_ids(database, source) == []
    assert len(database.rejected(source.schema)) == 1  # kept, as it was sent


def test_a_body_of_an_unknown_encoding_is_415_and_kept_as_it_was_sent(source: Source, client: Client, log: KafkaLog,
                                                                      database: Database) -> None:
    body = b"\x1b\x03\x00\xf8\xffno JSON"
    answer = client.post("/v1/track", body, {**basic(source.write_key), "Content-Encoding": "br"})
    assert (answer.status, answer.json["success"]) == (415, False)
    wait_loaded(log, database)
    [kept] = database.rejected(source.schema)
    assert kept.reason == "not json" and "Content-Encoding" in kept.detail and "no JSON" in kept.record


@pytest.mark.parametrize("is_gzip", [False, True])
def test_chunked_bodies_without_a_length_are_read(is_gzip: bool, source: Source, client: Client, log: KafkaLog,
                                                  database: Database) -> None:
    data = gzip.compress(EVENT) if is_gzip else EVENT
    chunks: Iterator[bytes] = (data[start : start + 7] for start in range(0, len(data), 7))
    headers = basic(source.write_key) | ({"Content-Encoding": "gzip"} if is_gzip else {})
    assert client.request("POST", "/v1/track", chunks, headers).status == 200
    wait_loaded(log, database)
    assert track_ids(database, source) == ["wanted"]


def test_who_expects_100_continue_gets_it_before_sending(stack: Stack, source: Source) -> None:
    parts = urlsplit(stack.env["INGEST_URL"])
    with socket.create_connection((parts.hostname, parts.port), timeout=15) as connection:
        connection.sendall(head(source, f"Content-Length: {len(EVENT)}", "Expect: 100-continue"))
        assert connection.recv(1000) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(EVENT)
        assert connection.recv(1000).startswith(b"HTTP/1.1 200 ")


def test_http_1_0_is_answered(stack: Stack, source: Source) -> None:
    request = head(source, f"Content-Length: {len(EVENT)}").replace(b"HTTP/1.1", b"HTTP/1.0") + EVENT
    assert exchange(stack, request).split(b" ")[1] == b"200"


def test_a_connection_is_kept(source: Source, client: Client) -> None:
    first = client.post("/v1/track", EVENT, basic(source.write_key))
    sockets = {client._connection.sock}
    for _ in range(20):
        assert client.post("/v1/track", EVENT, basic(source.write_key)).status == 200
        sockets.add(client._connection.sock)
    assert first.status == 200 and len(sockets) == 1


# --- framing (reliability.md, 2.2) ----------------------------------------------------------------------------------------

LENGTH = f"Content-Length: {len(EVENT)}"
DOUBTFUL = {
    "length and chunked": [LENGTH, "Transfer-Encoding: chunked"],
    "two different lengths": [LENGTH, "Content-Length: 5"],
    "two equal lengths": [LENGTH, LENGTH],
    "length with a sign": [f"Content-Length: +{len(EVENT)}"],
    "length with letters": [f"Content-Length: {len(EVENT)}abc"],
    "negative length": ["Content-Length: -1"],
    "length above 64 bits": ["Content-Length: 99999999999999999999"],
    "other transfer encoding": ["Transfer-Encoding: gzip"],
    "chunked twice": ["Transfer-Encoding: chunked, chunked"],
    "more than 64 headers": [*(f"X-{number}: 1" for number in range(70)), LENGTH],
}


@pytest.mark.parametrize("lines", DOUBTFUL.values(), ids=DOUBTFUL)
def test_doubtful_framing_is_400_and_closed(lines: list[str], stack: Stack, source: Source, log: KafkaLog) -> None:
    """And what follows in the same bytes is never taken for a request. (411 is the HTTP library's own answer.)"""
    before = log.ends()
    request = head(source, *lines).replace(b"Connection: close\r\n", b"")
    smuggled = head(source, LENGTH) + EVENT
    answer = exchange(stack, request + EVENT + smuggled)
    assert re.match(rb"HTTP/1.1 (400|411) ", answer) and answer.count(b"HTTP/1.") == 1
    assert log.ends() == before


@pytest.mark.parametrize("path", ["/v1/track%00", "/v1%2ftrack"])
def test_what_must_be_escaped_names_no_route(path: str, stack: Stack, source: Source) -> None:
    request = head(source, LENGTH).replace(b"/v1/track", path.encode()) + EVENT
    assert exchange(stack, request).split(b" ")[1] in (b"400", b"404")


def test_a_body_that_ends_early_is_never_acknowledged(stack: Stack, source: Source, log: KafkaLog) -> None:
    before = log.ends()
    answer = exchange(stack, head(source, f"Content-Length: {len(EVENT) + 1}") + EVENT, shut=True)
    assert b"HTTP/1.1 200" not in answer
    assert log.ends() == before


def test_errors_are_json_with_code_and_message(source: Source, client: Client) -> None:
    for answer in (client.post("/nowhere", b"", {}), client.request("GET", "/v1/track"), client.post("/v1/track", b"{", JSON),
                   client.post("/v1/track", b"{", basic(source.write_key))):
        found = json.loads(answer.body)
        assert found.keys() == {"success", "code", "message", "error"}
        assert answer.headers["Content-Type"].startswith("application/json")
        assert answer.headers["X-Request-Id"]
