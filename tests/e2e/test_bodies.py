"""Every body of tests/data/malformed, POSTed to a webhook of its own between two good events.

The answer, what is kept in _sdc_rejected, and that the good events, in it and around it, are loaded.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest

import mapping_oracle as oracle
from data_cases import Body, load_malformed
from database import Database
from kafka_log import KafkaLog
from loading import wait_loaded
from senders import Answer, Client, bearer
from stack import TYPES, Source, Stack

BODIES = load_malformed()
KEPT_WHOLE_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Sent:
    source: Source
    answer: Answer


def good_event(name: str, place: str) -> bytes:
    return f'{{"type":"track","messageId":"{place}-{name}","event":"Good"}}'.encode()


@pytest.fixture(scope="module")
def sent(session_stack: Stack, log: KafkaLog, database: Database) -> dict[str, Sent]:
    """All bodies sent and everything loaded; by the body's name."""
    sources = {body.name: session_stack.register_source(f"Body {number}") for number, body in enumerate(BODIES)}
    session_stack.wait_known(list(sources.values())[-1])
    client = Client(session_stack.env["INGEST_URL"])
    answers = {body.name: Sent(sources[body.name], _send(client, sources[body.name], body)) for body in BODIES}
    wait_loaded(log, database, 60)
    return answers


def _send(client: Client, source: Source, body: Body) -> Answer:
    path, headers = f"/webhook/{source.slug}", bearer(source.token)
    before = client.post(path, good_event(body.name, "before"), headers)
    answer = client.post(path, body.data, {**headers, "Content-Type": body.content_type})
    after = client.post(path, good_event(body.name, "after"), headers)
    assert (before.status, after.status) == (200, 200), body.name
    return answer


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.name)
def test_body(body: Body, sent: dict[str, Sent], database: Database) -> None:
    source, answer = sent[body.name].source, sent[body.name].answer
    assert answer.status == body.status
    _check_answer(answer)
    rejected = database.rejected(source.schema)
    reasons = Counter({reason: 0 for reason in body.rejected})
    for row in rejected:
        reasons[row.reason] += row.attempts
    assert reasons == Counter(body.rejected)
    loaded = [row["message_id"] for table in TYPES for row in database.rows(source.schema, table)]
    assert sorted(loaded) == sorted([*body.accepted, f"before-{body.name}", f"after-{body.name}"])
    if body.status == 400 and len(body.data) <= KEPT_WHOLE_BYTES:
        assert rejected[0].message_id == oracle.derived_id(source.slug, body.data)
        assert rejected[0].record == oracle.storable_bytes(body.data)


def _check_answer(answer: Answer) -> None:
    """The one shape of success, the one shape of failure."""
    assert answer.headers["Content-Type"].partition(";")[0] == "application/json"
    assert answer.headers["X-Request-Id"]
    if answer.status == 200:
        assert answer.body == b'{"success":true}'
        return
    assert answer.json.keys() == {"success", "code", "message", "error"}
    assert answer.json["success"] is False
    assert all(isinstance(answer.json[name], str) and answer.json[name] for name in ("code", "message", "error"))
