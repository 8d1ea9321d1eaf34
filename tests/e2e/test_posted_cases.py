"""Every case of tests/data/mapping that a sender can cause, POSTed to ingest: the record it becomes in Kafka, and the row.

All cases of a file share a source, each with message ids of its own. What a record must become is the oracle's word,
given the headers that ingest really wrote.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import mapping_oracle as oracle
from comparison import check_schema
from data_cases import DATA, Step, read_cases
from database import Database
from kafka_log import KafkaLog, LogRecord
from loading import wait_loaded
from senders import Request, basic, bearer, send_all, signature
from stack import TYPES, Source, Stack

FILES = sorted((DATA / "mapping").glob("*.json"))
ENVELOPE = {"sent-at": "sentAt", "context": "context", "integrations": "integrations"}  # header -> a batch's member
POSTABLE = {"v", "source", "schema", "received-at", "seq", "via", "auth", "request-id", "ip", "type", *ENVELOPE}
VOLATILE = {"source", "schema", "received-at", "seq", "request-id", "ip"}


@dataclass(frozen=True)
class Post:
    path: str
    body: bytes
    headers: dict[str, str]
    event: bytes  # what Kafka must hold
    step: Step


def is_postable(step: Step) -> bool:
    """A sender can cause exactly this record: one event object, headers as ingest writes them."""
    headers = step.record.headers
    if not (headers.keys() <= POSTABLE and headers.get("v") == "1" and step.record.topic != "rejected"):
        return False
    if (headers.get("via"), headers.get("auth")) not in {("webhook", "token"), ("webhook", "signature"), ("api", "key")}:
        return False
    if headers.get("schema") != "stitch_segment" or headers.get("source") != "stitch-segment":
        return False
    if headers["via"] == "webhook" and headers.keys() & {"type", "ip"}:
        return False
    try:
        event = oracle.read_json(step.record.value)
    except oracle.Fault:
        return False
    return event.kind == "object" and event.get("batch") is None and not ("type" in headers and event.get("type"))


def with_own_id(event: bytes, number: int) -> bytes:
    """The cases' ids m1, m2, d1 .. are made different; other ids stay."""
    return re.sub(rb'Id":"([dm][0-9])"', rb'Id":"\g<1>-%d"' % number, event)


def post_of(step: Step, number: int, source: Source) -> Post:
    headers = step.record.headers
    event = with_own_id(step.record.value, number)
    members = [f'"{member}":{_as_json(name, headers[name])}' for name, member in ENVELOPE.items() if name in headers]
    body = event
    if members:
        body = b'{"batch":[' + event + b"]," + ",".join(members).encode() + b"}"
    if headers["via"] == "api":
        topic = step.record.topic
        path = f"/v1/{topic}" if topic in TYPES and not members else "/v1/batch"
        body = body if members or topic in TYPES else b'{"batch":[' + event + b"]}"
        sender = {"X-Forwarded-For": headers["ip"]} if "ip" in headers else {}
        return Post(path, body, {**basic(source.write_key), **sender}, event, step)
    own = signature(source.secret, body) if headers["auth"] == "signature" else bearer(source.token)
    return Post(f"/webhook/{source.slug}", body, own, event, step)


def _as_json(header: str, value: str) -> str:
    return json.dumps(value) if header == "sent-at" else value


def said(headers: Mapping[str, str]) -> dict[str, str]:
    """Without what says nothing: a batch's context or integrations that are no object (mapping.md, section 1)."""
    return {name: value for name, value in headers.items() if name not in ("context", "integrations") or value[0] == "{"}


def check_record(post: Post, record: LogRecord, source: Source) -> None:
    """Value, key and headers as the case has them; what ingest makes up is checked for its form."""
    wanted, found = said(post.step.record.headers), record.headers
    is_unknown = post.step.expect.get("rejected", {}).get("reason") == "unknown event type"
    assert record.topic == ("rejected" if is_unknown else post.step.record.topic)
    if is_unknown:
        wanted = {**wanted, "reason": "unknown event type"}
        found = {name: value for name, value in found.items() if name != "detail"}
    assert record.key.decode() == oracle.message_id(oracle.read_json(post.event), source.slug, post.event)[0]
    names = (wanted.keys() | found.keys()) - VOLATILE
    assert {name: found.get(name) for name in names} == {name: wanted.get(name) for name in names}
    assert (found["source"], found["schema"]) == (source.slug, source.schema)
    assert found["received-at"].isdigit() and 0 <= int(found["seq"]) < 1_000_000
    assert found["request-id"]
    if "ip" in wanted:
        assert found["ip"] == wanted["ip"]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_posted_cases_are_kept_exactly_and_become_their_rows(
        file: Path, stack: Stack, source: Source, log: KafkaLog, database: Database) -> None:
    steps = [step for case in read_cases(file) for step in case.steps if is_postable(step)]
    posts = {post.event.strip(): post for number, step in enumerate(steps) for post in [post_of(step, number, source)]}
    start = log.ends()
    report = send_all(stack.env["INGEST_URL"], [Request(post.path, post.body, post.headers, ()) for post in posts.values()])
    assert report.refused == [] and report.retries == 0
    records = log.read(start)
    assert sorted(record.value.strip() for record in records) == sorted(posts)
    for record in records:
        check_record(posts[record.value.strip()], record, source)
    wait_loaded(log, database)
    tally = check_schema(records, database, source.schema)
    print(f"{file.stem}: {tally}")


def test_most_cases_can_be_posted() -> None:
    steps: list[Any] = [step for file in FILES for case in read_cases(file) for step in case.steps]
    assert sum(map(is_postable, steps)) > 700
