"""Every way in: routes, methods and credentials of interface.md, section 3, each to its row; and what is refused."""

from __future__ import annotations

import base64
from collections.abc import Callable
from urllib.parse import quote

import pytest

from database import Database
from kafka_log import KafkaLog
from loading import wait_loaded
from senders import JSON, Answer, Client, basic, bearer, signature
from stack import TYPES, Source, Stack

SUCCESS = b'{"success":true}'
SHORT = {"identify": "i", "track": "t", "page": "p", "screen": "s", "group": "g", "alias": "a"}

Send = Callable[[Client, Source, str], Answer]


def event(message_id: str, kind: str = "track", **members: str) -> bytes:
    more = "".join(f',"{name}":"{value}"' for name, value in members.items())
    return f'{{"type":"{kind}","messageId":"{message_id}","userId":"u"{more}}}'.encode()


def batch(events: bytes, more: str = "") -> bytes:
    return b'{"batch":[' + events + b"]" + more.encode() + b"}"


def to_webhook(path: str, *credential: str, method: str = "POST") -> Send:
    """`path` and header values may hold {slug} and {token}."""
    def send(client: Client, source: Source, id_: str) -> Answer:
        values = {"slug": source.slug, "token": source.token,
                  "basic": base64.b64encode(f"{source.token}:".encode()).decode()}
        headers = dict(line.format(**values).split(": ", 1) for line in credential)
        return client.request(method, path.format(**values), event(id_), {**JSON, **headers})
    return send


def signed(client: Client, source: Source, id_: str) -> Answer:
    body = event(id_)
    return client.post(f"/webhook/{source.slug}", body, signature(source.secret, body))


def signed_for_the_first(client: Client, source: Source, id_: str) -> Answer:
    """As Segment signs a batch: HMAC of its first element."""
    first = event(f"{id_}-first")
    return client.post(f"/webhook/{source.slug}", b"[" + first + b"," + event(id_) + b"]", signature(source.secret, first))


WEBHOOK: dict[str, Send] = {
    "bearer": to_webhook("/webhook/{slug}", "Authorization: Bearer {token}"),
    "put": to_webhook("/webhook/{slug}", "Authorization: Bearer {token}", method="PUT"),
    "patch": to_webhook("/webhook/{slug}", "Authorization: Bearer {token}", method="PATCH"),
    "trailing slash": to_webhook("/webhook/{slug}/", "Authorization: Bearer {token}"),
    "token in path": to_webhook("/webhook/{slug}/{token}"),
    "token as basic user": to_webhook("/webhook/{slug}", "Authorization: Basic {basic}"),
    "api key header": to_webhook("/webhook/{slug}", "X-Api-Key: {token}"),
    "header names in small letters": to_webhook("/webhook/{slug}", "authorization: bearer {token}"),
    "query is ignored": to_webhook("/webhook/{slug}?a=b", "Authorization: Bearer {token}"),
    "signature": signed,
    "signature of the first element": signed_for_the_first,
}

REFUSED_WEBHOOK: dict[str, tuple[Send, str]] = {
    "no credential": (to_webhook("/webhook/{slug}"), "unauthorized"),
    "wrong token": (to_webhook("/webhook/{slug}", "Authorization: Bearer {token}x"), "unauthorized"),
    "empty token": (to_webhook("/webhook/{slug}", "Authorization: Bearer "), "unauthorized"),
    "wrong token in path": (to_webhook("/webhook/{slug}/x{token}"), "unauthorized"),
    "wrong signature": (to_webhook("/webhook/{slug}", "X-Signature: " + "0" * 40), "unauthorized"),
    "signature that is no hex": (to_webhook("/webhook/{slug}", "X-Signature: zz"), "unauthorized"),
    "unknown slug": (to_webhook("/webhook/nobody-{slug}", "Authorization: Bearer {token}"), "unknown_source"),
}


@pytest.mark.parametrize("way", WEBHOOK)
def test_a_webhook_is_accepted_and_loaded(way: str, stack: Stack, source: Source, client: Client, log: KafkaLog,
                                          database: Database) -> None:
    answer = WEBHOOK[way](client, source, "wanted")
    assert (answer.status, answer.body) == (200, SUCCESS)
    wait_loaded(log, database)
    assert "wanted" in [row["message_id"] for row in database.rows(source.schema, "track")]


@pytest.mark.parametrize("way", REFUSED_WEBHOOK)
def test_a_webhook_with_a_wrong_credential_is_to_be_retried(way: str, source: Source, client: Client) -> None:
    send, code = REFUSED_WEBHOOK[way]
    answer = send(client, source, "unwanted")
    assert (answer.status, answer.json["code"]) == (503, code)
    assert int(answer.headers["Retry-After"]) > 0


def sdk_paths() -> list[tuple[str, str]]:
    """Every path of an event call with its type: long and short, with and without /v1 and a slash at the end."""
    return [(f"{prefix}/{name}{slash}", kind) for kind, short in SHORT.items() for name in (kind, short)
            for prefix in ("/v1", "") for slash in ("", "/")]


def test_every_sdk_path_names_its_type(stack: Stack, source: Source, client: Client, log: KafkaLog,
                                       database: Database) -> None:
    """The events say no type of their own."""
    for number, (path, _) in enumerate(sdk_paths()):
        body = f'{{"messageId":"p-{number}","userId":"u"}}'.encode()
        answer = client.post(path, body, basic(source.write_key))
        assert (answer.status, answer.body) == (200, SUCCESS), path
    wait_loaded(log, database)
    found = {row["message_id"]: table for table in TYPES for row in database.rows(source.schema, table)}
    assert found == {f"p-{number}": kind for number, (_, kind) in enumerate(sdk_paths())}


@pytest.mark.parametrize("path", ["/v1/batch", "/batch", "/v1/b", "/b", "/v1/import", "/import", "/v1/batch/"])
def test_batch_paths_load_all_types(path: str, stack: Stack, source: Source, client: Client, log: KafkaLog,
                                    database: Database) -> None:
    events = [event(f"b-{kind}", kind) for kind in TYPES]
    answer = client.post(path, batch(b",".join(events)), basic(source.write_key))
    assert (answer.status, answer.body) == (200, SUCCESS)
    wait_loaded(log, database)
    assert {row["message_id"]: table for table in TYPES for row in database.rows(source.schema, table)} == {
        f"b-{kind}": kind for kind in TYPES}


def test_the_write_key_may_be_at_four_places(stack: Stack, source: Source, client: Client, log: KafkaLog,
                                             database: Database) -> None:
    key = source.write_key
    answers = {
        "k-basic": client.post("/v1/track", event("k-basic"), basic(key)),
        "k-body": client.post("/v1/track", event("k-body", writeKey=key), JSON),
        "k-envelope": client.post("/v1/batch", batch(event("k-envelope"), f',"writeKey":"{key}"'), JSON),
        "k-item": client.post("/v1/batch", batch(event("k-item", writeKey=key)), JSON),
        "k-query": client.post(f"/v1/track?writeKey={quote(key)}", event("k-query"), JSON),
        "k-query 2": client.post(f"/v1/batch?a=1&writeKey={quote(key)}", batch(event("k-query 2")), JSON),
    }
    assert {id_: answer.status for id_, answer in answers.items()} == dict.fromkeys(answers, 200)
    wait_loaded(log, database)
    rows = database.rows(source.schema, "track")
    assert {row["message_id"] for row in rows} == answers.keys()
    assert not [name for row in rows for name in row if "write_key" in name]


@pytest.mark.parametrize("content_type", ["application/json", "application/json; charset=utf-8", "text/plain", None,
                                          "application/x-www-form-urlencoded"])
def test_sdk_routes_take_json_under_any_content_type(content_type: str | None, source: Source, client: Client) -> None:
    headers = {name: value for name, value in basic(source.write_key).items() if name != "Content-Type"}
    if content_type is not None:
        headers["Content-Type"] = content_type
    assert client.post("/v1/track", event("c"), headers).status == 200


@pytest.mark.parametrize("headers", [JSON, basic("unknown"), basic("")], ids=["none", "unknown", "empty"])
@pytest.mark.parametrize("path", ["/v1/track", "/v1/batch", "/b"])
def test_an_unknown_write_key_is_401(path: str, headers: dict[str, str], stack: Stack, client: Client) -> None:
    answer = client.post(path, b'{"batch":[{"type":"track"}]}', headers)
    assert answer.status == 401
    assert answer.json["success"] is False and answer.json["code"]


@pytest.mark.parametrize("path", ["/", "/webhook", "/webhook/", "/webhook/a/b/c", "/v1", "/v1/", "/v1/unknown", "/v2/track",
                                  "/v1/track/more", "/V1/track", "/metrics", "/favicon.ico", "/../etc/passwd"])
def test_an_unknown_path_is_404(path: str, stack: Stack, client: Client) -> None:
    answer = client.post(path, b"{}", JSON)
    assert (answer.status, answer.json["success"]) == (404, False)


@pytest.mark.parametrize("method, path, allowed", [
    ("GET", "/webhook/{slug}", {"POST", "PUT", "PATCH"}), ("DELETE", "/webhook/{slug}/{token}", {"POST", "PUT", "PATCH"}),
    ("GET", "/v1/track", {"POST", "OPTIONS"}), ("PUT", "/v1/batch", {"POST", "OPTIONS"}), ("DELETE", "/t", {"POST", "OPTIONS"}),
])
def test_a_wrong_method_is_405_with_allow(method: str, path: str, allowed: set[str], source: Source, client: Client) -> None:
    answer = client.request(method, path.format(slug=source.slug, token=source.token))
    assert (answer.status, answer.json["success"]) == (405, False)
    named = {name.strip() for name in answer.headers["Allow"].split(",")}
    assert {"POST"} <= named and named - {"OPTIONS"} == allowed - {"OPTIONS"}


@pytest.mark.parametrize("path", ["/v1/m", "/m"])
def test_metrics_of_analytics_js_are_accepted_and_dropped(path: str, stack: Stack, client: Client, log: KafkaLog) -> None:
    before = log.ends()
    series = b'{"series":[{"type":"Counter","metric":"x","value":1,"tags":{}}]}'
    answer = client.post(path, series, {"Content-Type": "text/plain"})
    assert (answer.status, answer.body) == (200, SUCCESS)
    assert log.ends() == before


def test_any_valid_credential_is_enough_beside_an_invalid_one(source: Source, client: Client) -> None:
    headers = {**bearer(source.token), "X-Signature": "0" * 40}
    assert client.post(f"/webhook/{source.slug}", event("both"), headers).status == 200


@pytest.mark.parametrize("required, with_token, with_signature, with_both", [
    ("all", 503, 503, 200), ("signature", 503, 200, 200), ("token", 200, 503, 200), ("any", 200, 200, 200),
    ("none", 200, 200, 200),
])
def test_a_source_says_which_credentials_it_requires(  # noqa: PLR0913
        required: str, with_token: int, with_signature: int, with_both: int, stack: Stack, source_name: str,
        client: Client) -> None:
    source = stack.register_source(source_name, "--require", required)
    stack.add_source(source_name + " last")
    path, body = f"/webhook/{source.slug}", event("required")
    token, signed_ = bearer(source.token), signature(source.secret, body)
    statuses = [client.post(path, body, headers).status for headers in (token, signed_, {**token, **signed_})]
    assert statuses == [with_token, with_signature, with_both]
    assert client.post(path, body, JSON).status == (200 if required == "none" else 503)
