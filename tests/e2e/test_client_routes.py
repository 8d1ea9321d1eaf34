"""What clients ask for and how they really ask: settings, pixels, paths as they come, addresses behind proxies, bodies that are torn."""

from __future__ import annotations

import base64
import gzip
import json
import re
import socket
from urllib.parse import quote, urlsplit

import pytest

from database import Database
from kafka_log import KafkaLog
from loading import wait_loaded
from senders import JSON, Client, basic, bearer
from stack import TYPES, Source, Stack
from waiting import wait_until

SUCCESS = b'{"success":true}'
ORIGIN = {"Origin": "https://shop.example"}


def track_ids(database: Database, source: Source) -> set[str]:
    return {row["message_id"] for row in database.rows(source.schema, "track")}


def event(id_: str, **members: object) -> bytes:
    return json.dumps({"type": "track", "messageId": id_, "userId": "u", "event": "E", **members}).encode()


def raw(stack: Stack, data: bytes) -> bytes:
    """Bytes in, all bytes out until the server closes."""
    parts = urlsplit(stack.env["INGEST_URL"])
    with socket.create_connection((parts.hostname, parts.port), timeout=15) as connection:
        connection.sendall(data)
        received = b""
        while chunk := connection.recv(65536):
            received += chunk
        return received


# --- settings -------------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("prefix", ["/v1", "", "//v1"])
def test_settings_name_our_own_host_and_nobody_elses(prefix: str, stack: Stack, source: Source, client: Client) -> None:
    answer = client.request("GET", f"{prefix}/projects/{source.write_key}/settings", headers={**ORIGIN, "Host": "evil.example"})
    assert answer.status == 200 and answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.json["integrations"] == {"Segment.io": {
        "apiKey": source.write_key, "apiHost": urlsplit(stack.env["INGEST_URL"]).netloc + "/v1", "protocol": "http"}}
    assert answer.json["metrics"] == {"sampleRate": 0}


def test_head_of_settings_has_the_same_head_and_no_body(source: Source, client: Client) -> None:
    path = f"/v1/projects/{source.write_key}/settings"
    got, asked = client.request("GET", path), client.request("HEAD", path)
    assert (asked.status, asked.body, asked.headers["Content-Length"]) == (200, b"", str(len(got.body)))
    assert client.request("GET", path).body == got.body  # the connection is in order


@pytest.mark.parametrize("path", ["/v1/projects/unknown/settings", "/v1/projects/%2e/settings"])
def test_settings_of_an_unknown_key_are_404_and_readable_for_a_page(path: str, stack: Stack, client: Client) -> None:
    answer = client.request("GET", path, headers=ORIGIN)
    assert (answer.status, answer.json["success"], answer.headers["Access-Control-Allow-Origin"]) == (404, False, "*")


# --- pixel ----------------------------------------------------------------------------------------------------------------------------------

DATA = {
    "padded": lambda data: base64.b64encode(data).decode(),
    "encoded": lambda data: quote(base64.b64encode(data).decode(), safe=""),
    "not padded": lambda data: base64.b64encode(data).decode().rstrip("="),
    "url-safe": lambda data: base64.urlsafe_b64encode(data).decode(),
    "url-safe, not padded": lambda data: base64.urlsafe_b64encode(data).decode().rstrip("="),
}


@pytest.mark.parametrize("form", DATA)
def test_a_pixel_is_a_picture_and_its_event_a_row(  # noqa: PLR0913
        form: str, stack: Stack, source: Source, client: Client, log: KafkaLog, database: Database) -> None:
    """The text has bytes in which the two alphabets of base64 differ."""
    for kind in TYPES:
        plain = {"messageId": f"x-{kind}", "userId": "u", "properties": {"text": "?>~???>>>"}, "writeKey": source.write_key}
        answer = client.request("GET", f"/v1/pixel/{kind}?data={DATA[form](json.dumps(plain).encode())}", headers=ORIGIN)
        assert (answer.status, answer.headers["Content-Type"]) == (200, "image/gif")
        assert answer.body.startswith(b"GIF89a") and answer.body[6:10] == b"\x01\x00\x01\x00" and answer.headers["Access-Control-Allow-Origin"] == "*"
    wait_loaded(log, database)
    for kind in TYPES:
        [row] = database.rows(source.schema, kind)
        assert (row["message_id"], row["properties__text"], row["type"] if "type" in row else kind) == (f"x-{kind}", "?>~???>>>", kind)


def test_a_pixel_may_have_its_key_in_the_query_and_be_asked_by_head(source: Source, client: Client, log: KafkaLog, database: Database) -> None:
    data = base64.b64encode(event("by-query")).decode()
    assert client.request("GET", f"/pixel/track?writeKey={source.write_key}&data={data}").status == 200
    data = base64.b64encode(event("by-head")).decode()
    asked = client.request("HEAD", f"/pixel/track?writeKey={source.write_key}&data={data}")
    assert (asked.status, asked.body) == (200, b"")
    wait_loaded(log, database)
    assert track_ids(database, source) == {"by-query", "by-head"}


def test_a_pixel_tells_by_its_status_what_became_of_the_event(stack: Stack, source: Source, client: Client) -> None:
    good = base64.b64encode(event("e")).decode()
    broken = base64.b64encode(b"{").decode()
    key = f"writeKey={source.write_key}"
    statuses = {f"?{key}": 400, f"?{key}&data=*": 400, f"?{key}&data={broken}": 400, f"?data={good}": 401, f"?writeKey=nobody&data={good}": 401}
    for query, status in statuses.items():
        answer = client.request("GET", f"/v1/pixel/track{query}")
        assert (answer.status, answer.headers["Content-Type"], answer.body[:6]) == (status, "image/gif", b"GIF89a"), query


# --- methods and cross-origin ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/track", "/v1/batch", "/b", "/v1/m", "/v1/pixel/track", "/v1/projects/k/settings"])
def test_every_client_route_has_a_preflight(path: str, stack: Stack, client: Client) -> None:
    answer = client.request("OPTIONS", path, headers={**ORIGIN, "Access-Control-Request-Headers": "authorization,x-retry-count"})
    assert (answer.status, answer.headers["Access-Control-Allow-Origin"]) == (204, "*")
    assert answer.headers["Access-Control-Allow-Headers"] == "authorization,x-retry-count"


@pytest.mark.parametrize("path", ["/v1/pixel/track", "/v1/projects/k/settings"])
def test_another_method_of_a_get_route_is_405_with_allow(path: str, stack: Stack, client: Client) -> None:
    answer = client.request("POST", path, b"{}", {**JSON, **ORIGIN})
    assert (answer.status, answer.headers["Allow"], answer.headers["Access-Control-Allow-Origin"]) == (405, "GET, HEAD, OPTIONS", "*")


def test_an_unknown_path_is_a_404_that_a_page_can_read(stack: Stack, client: Client) -> None:
    assert client.post("/v1/nowhere", b"{}", {**JSON, **ORIGIN}).headers["Access-Control-Allow-Origin"] == "*"
    assert client.post("/webhook/a/b/c", b"{}", {**JSON, **ORIGIN}).headers["Access-Control-Allow-Origin"] is None


# --- paths as they come ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["//v1/track", "/v1//track", "/v1/track//", "///v1///track///", "/%761/tr%61ck", "/v1/%74rack/"])
def test_slashes_and_encoded_letters_do_not_matter(  # noqa: PLR0913
        path: str, stack: Stack, source: Source, client: Client, log: KafkaLog, database: Database) -> None:
    answer = client.post(path, event("odd"), basic(source.write_key))
    assert (answer.status, answer.body) == (200, SUCCESS)
    wait_loaded(log, database)
    assert track_ids(database, source) == {"odd"}


@pytest.mark.parametrize("path", ["//webhook/{slug}", "/webhook//{slug}//{token}/", "/web%68ook/{slug}"])
def test_a_webhooks_slashes_do_not_matter_either(path: str, source: Source, client: Client) -> None:
    path = path.format(slug=source.slug, token=source.token)
    assert client.post(path, event("odd"), bearer(source.token)).status == 200


# --- who sent it ----------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lines, sender", [
    (["203.0.113.9"], "203.0.113.9"),
    (["6.6.6.6", "203.0.113.9"], "203.0.113.9"),  # the client sent a line, the proxy added one below
    (["203.0.113.9:54321"], "203.0.113.9"),
    (["[2001:db8::7]:443"], "2001:db8::7"),
    (["6.6.6.6, 203.0.113.9", "127.0.0.1"], "203.0.113.9"),
    (["unknown"], "127.0.0.1"),
])
def test_the_senders_address_is_the_last_that_no_proxy_of_ours_has(  # noqa: PLR0913
        lines: list[str], sender: str, stack: Stack, source: Source, log: KafkaLog, database: Database) -> None:
    body = event("ip", context={"library": {"name": "@segment/analytics-react-native"}})
    head = ["POST /v1/track HTTP/1.1", "Host: x", f"Authorization: {basic(source.write_key)['Authorization']}",
            *(f"X-Forwarded-For: {line}" for line in lines), f"Content-Length: {len(body)}", "Connection: close", "", ""]
    assert raw(stack, "\r\n".join(head).encode() + body).startswith(b"HTTP/1.1 200 ")
    wait_loaded(log, database)
    assert [row["context__ip"] for row in database.rows(source.schema, "track")] == [sender]


# --- bodies that broken senders really send -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [
    '{{"batch":[,{event}],"writeKey":"{key}"}}', '{{"batch":[{event},],"sentAt":"x","writeKey" : "{key}"}}', '{{"writeKey":"{key}","batch":[{event}',
])
@pytest.mark.parametrize("is_gzip", [False, True])
def test_a_torn_batch_is_kept_when_it_says_whose_it_is(  # noqa: PLR0913
        body: str, is_gzip: bool, stack: Stack, source: Source, client: Client, log: KafkaLog, database: Database) -> None:
    data = body.format(event=event("torn").decode(), key=source.write_key).encode()
    answer = client.post("/v1/b", gzip.compress(data) if is_gzip else data, JSON | ({"Content-Encoding": "gzip"} if is_gzip else {}))
    assert (answer.status, answer.json["code"]) == (400, "invalid_body")
    wait_loaded(log, database)
    [kept] = database.rejected(source.schema)
    assert kept.reason == "not json" and '"torn"' in kept.record


def test_a_torn_batch_of_nobody_is_400_and_kept_nowhere(stack: Stack, client: Client, log: KafkaLog) -> None:
    before = log.ends()
    for body in (b'{"batch":[,{}]}', b'{"batch":[,{}],"writeKey":"nobody"}'):
        assert client.post("/v1/b", body, JSON).status == 400
    assert log.ends() == before


# --- credentials that fail ------------------------------------------------------------------------------------------------------------------


def seconds_left(stack: Stack, source: Source) -> float | None:
    client = Client(stack.env["INGEST_ADMIN_URL"])
    text = client.request("GET", "/metrics").body.decode()
    client.close()
    found = re.search(rf'^ingest_seconds_until_segment_discards{{source="{source.slug}"}} (\S+)$', text, re.MULTILINE)
    return float(found[1]) if found else None


def test_a_webhook_with_a_wrong_secret_starts_the_clock_of_its_source_alone(stack: Stack, source: Source, client: Client) -> None:
    path = f"/webhook/{source.slug}"
    assert client.post(path, event("right"), bearer(source.token)).status == 200
    assert seconds_left(stack, source) is None
    answer = client.post(path, event("wrong"), {**JSON, "X-Signature": "0" * 40})
    assert (answer.status, answer.json["code"]) == (503, "unauthorized") and "source show" in answer.json["message"]
    wait_until(lambda: (left := seconds_left(stack, source)) is not None and left < 14_400, "the clock runs", 10)
    assert client.post("/v1/track", event("sdk"), basic("nobody")).status == 401  # no Segment tries that again
