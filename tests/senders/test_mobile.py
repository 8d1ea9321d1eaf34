"""analytics-kotlin, what Segment's Android SDK is made of: it asks ingest for its settings and sends gzip over TLS to the host they name."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from arrivals import check_all_arrived, check_no_trouble, check_nothing_twice
from calls import as_json, calls_of
from database import Database
from drivers import java, run_until
from gate import Gate
from kafka_log import KafkaLog
from stack import Source

KINDS = ("identify", "track", "screen", "group", "alias")  # there are no pages in an app


@pytest.fixture(autouse=True)
def queue_of_the_library(source: Source) -> Iterator[None]:
    """The library keeps what is to be sent in a folder of this name."""
    yield
    shutil.rmtree(Path("/tmp/analytics-kotlin") / source.write_key, ignore_errors=True)


@pytest.mark.parametrize("refused", [0, 2])
def test_an_app_starts_from_our_settings_and_its_events_arrive(  # noqa: PLR0913
        refused: int, tls_gate: Gate, certificate: Path, source: Source, log: KafkaLog, database: Database) -> None:
    calls = calls_of(*KINDS)
    tls_gate.refuse_next(refused)
    command = [*java("AnalyticsKotlin", certificate.with_name("trust.p12")), tls_gate.host, source.write_key]
    report = run_until(command, as_json(calls), lambda: len(tls_gate.acknowledged) == len(calls), "all calls acknowledged")
    assert tls_gate.statuses[503] == refused, tls_gate.statuses
    if refused == 0:
        check_no_trouble(tls_gate, report)
    settings = [request for request in tls_gate.passed if request.path == f"/v1/projects/{source.write_key}/settings"]
    assert settings and {request.status for request in settings} == {200}
    events = [request for request in tls_gate.passed if request.method == "POST"]
    assert {(request.path, request.headers.get("content-encoding")) for request in events} == {("/v1/b", "gzip")}
    check_nothing_twice(tls_gate)
    check_all_arrived(tls_gate, source, log, database, calls)
