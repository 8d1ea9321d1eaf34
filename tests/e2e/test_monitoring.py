"""Prometheus as deploy/local/up starts it, beside a running stack: rules load, every query of both dashboards answers (those for
PostgreSQL too), and a healthy stack alarms nobody."""

from __future__ import annotations

import json
import sys
import time
import urllib.parse
import urllib.request
from datetime import timedelta
from typing import Any

import pytest

from database import Database
from event_maker import make_events, mixed_requests
from images import CHECKOUT
from senders import send_all
from stack import Source, Stack
from waiting import wait_until

sys.path.insert(0, str(CHECKOUT / "tests/manifests"))

from monitoring import AHEAD, MONITORING, metrics_in, rules  # noqa: E402


@pytest.fixture(scope="module")
def prometheus(session_stack: Stack) -> str:
    """Its URL."""
    said = session_stack.up(len(session_stack.loaders), "--monitoring")
    return next(word for line in said.splitlines() if "prometheus" in line for word in line.split() if word.startswith("http://"))


def ask(prometheus: str, path: str, **parameters: str) -> Any:
    with urllib.request.urlopen(f"{prometheus}/api/v1/{path}?{urllib.parse.urlencode(parameters)}", timeout=10) as answer:
        return json.load(answer)["data"]


def targets() -> list[tuple[str, dict[str, Any]]]:
    """Of both dashboards, with the panel's name."""
    return [(f"{path.name}: {panel['title']}", target) for path in sorted((MONITORING / "dashboards").glob("*.json"))
            for panel in json.loads(path.read_text())["panels"] for target in panel.get("targets", [])]


def queries() -> list[tuple[str, str]]:
    """Those for Prometheus, but for those that ask for what the programs do not have yet."""
    found = [(title, target["expr"].replace("$__rate_interval", "1m")) for title, target in targets() if "expr" in target]
    return [(title, expr) for title, expr in found if not metrics_in(expr) & AHEAD]


def test_every_query_for_postgresql_answers(stack: Stack, source: Source, database: Database) -> None:
    """With the time filter that Grafana puts in; the ledger's panels add up."""
    report = send_all(stack.env["INGEST_URL"], mixed_requests(make_events("in-the-ledger", 500), source))
    assert report.refused == []
    wait_until(lambda: database.ledger(source.schema)["acknowledged"] >= 500, "the ledger has them", 60)
    now = database.query("SELECT now()")[0][0]
    shown = f"minute BETWEEN '{now - timedelta(hours=1)}' AND '{now + timedelta(minutes=1)}'"
    asked = [(title, target["rawSql"].replace("$__timeFilter(minute)", shown)) for title, target in targets() if "rawSql" in target]
    assert len(asked) == 2 and all(shown in sql for _, sql in asked)
    answers = {title.split(": ")[1]: database.query(sql) for title, sql in asked}
    assert answers["Events unaccounted for"] == [(0,)]
    ours = [row for row in answers["What became of each source's events"] if row[0] == source.slug]
    assert sum(row[2] for row in ours) == sum(sum(row[3:9]) for row in ours) >= 500


def test_every_query_answers_and_nobody_is_alarmed(prometheus: str, stack: Stack, source: Source) -> None:
    report = send_all(stack.env["INGEST_URL"], mixed_requests(make_events("monitored", 2000), source))
    assert report.refused == []
    loaded = {rule["name"] for group in ask(prometheus, "rules")["groups"] for rule in group["rules"]}
    assert loaded == {rule.get("alert", rule.get("record")) for rule in rules()}
    asked = queries()
    assert len(asked) > 30

    deadline = time.monotonic() + 60

    def silent() -> list[str]:
        return [title for title, expr in asked if not ask(prometheus, "query", query=expr)["result"]]
    wait_until(lambda: not silent() or time.monotonic() > deadline, "every query has data", 90)
    assert silent() == []
    firing = {alert["labels"]["alertname"] for alert in ask(prometheus, "alerts")["alerts"] if alert["state"] == "firing"}
    # Other tests of the session may have sent bad bodies and bad credentials; of the parts themselves nothing may be said.
    assert not firing & {"BackstitchIngestDown", "BackstitchLoaderDown", "BackstitchPartitionStopped", "BackstitchLagWithoutCommits",
                         "BackstitchOffsetGap", "BackstitchRegistryUnreadable", "BackstitchCircuitOpen"}, firing
