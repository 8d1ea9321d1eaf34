"""What an operator starts beside live loading: a replay as a Job, in two steps, and the erasure of a user."""

from __future__ import annotations

import json
import re
import urllib.request
from collections.abc import Iterator

import pytest

from cluster import Namespace
from database import Database
from deployment import Deployment
from kafka_log import KafkaLog
from load import Load, check_all, ids_of
from senders import basic
from stack import Source
from test_life import wait_events
from waiting import wait_until

DELETED = 50


@pytest.fixture
def jobs(running: Deployment) -> Iterator[Namespace]:
    """With the components whose Jobs these are."""
    running.components = ["replay", "erase"]
    running.apply()
    yield running.namespace
    running.components = []
    running.namespace.kubectl("delete", "cronjob,job", "-l", "app.kubernetes.io/component in (replay,erase)")


def run_job(namespace: Namespace, cronjob: str, name: str, *arguments: str) -> str:
    """As the comment in components/replay/replay.yaml does it; what it printed, once it is complete."""
    job = json.loads(namespace.kubectl("create", "job", name, f"--from=cronjob/{cronjob}", "--dry-run=client", "-o", "json"))
    if arguments:
        job["spec"]["template"]["spec"]["containers"][0]["args"] = list(arguments)
    namespace.kubectl("apply", "-f", "-", stdin=json.dumps(job))
    namespace.kubectl("wait", "--for=condition=Complete", f"job/{name}", "--timeout=180s", seconds=190)
    return namespace.kubectl("logs", f"job/{name}")


def test_replayed_beside_live_loading(running: Deployment, jobs: Namespace, source: Source, log: KafkaLog, database: Database) -> None:
    """Rows that somebody has deleted meanwhile are there again, and the senders notice nothing."""
    newest = f"SELECT message_id FROM {source.schema}.track ORDER BY _sdc_received_at DESC LIMIT {DELETED}"
    with Load(running.url, source) as load:
        wait_events(load)
        wait_until(lambda: database.count(source.schema, "track") > DELETED, "some are rows", 60)
        deleted = {row[0] for row in database.query(f"DELETE FROM {source.schema}.track WHERE message_id IN ({newest}) RETURNING message_id")}
        plan = run_job(jobs, "backstitch-replay", "replay-plan")
        found = re.search(r"\b\d{14}-[0-9a-f]{4}\b", plan)
        assert found and len(deleted) == DELETED, plan
        said = run_job(jobs, "backstitch-replay", "replay-run", "replay", "--resume", found[0])
        assert "It adds up" in said, said
        wait_events(load)
    check_all(load, log, database)
    assert deleted <= ids_of(database, source.schema).keys()


def test_erased_by_its_cronjob(running: Deployment, jobs: Namespace, source: Source, database: Database) -> None:
    body = b'{"type":"track","messageId":"to-be-erased","userId":"erase-me","event":"E"}'
    with urllib.request.urlopen(urllib.request.Request(f"{running.url}/v1/track", body, basic(source.write_key)), timeout=10) as answer:
        assert answer.status == 200

    def rows() -> int:
        return int(database.value(f"SELECT count(*) FROM {source.schema}.track WHERE user_id = 'erase-me'"))

    wait_until(lambda: rows() == 1, "it is a row", 60)
    said = run_job(jobs, "backstitch-erase", "erase-one", "erase", "--user-id", "erase-me", "--schema", source.schema)
    assert rows() == 0, said
    run_job(jobs, "backstitch-erase", "erase-all")  # as it stands: nothing is open
