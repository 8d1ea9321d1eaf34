"""The overlay `spool`: events are acknowledged while Kafka is away, and none is lost with a pod, a node, or a volume that is
left behind. The volumes are folders of this machine, one a claim, as a cluster's storage would give them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import Cluster, Namespace, name_of, node_of
from conftest import FOLDER, SERVER_DATA
from database import Database
from deployment import Deployment
from kafka_log import KafkaLog
from load import Load, check_all
from servers import Kafka, Postgres
from stack import Source
from test_life import wait_events
from waiting import wait_until

CLAIMS = 3
VOLUMES = SERVER_DATA / "volumes"


def volume(number: int) -> dict[str, object]:
    folder = VOLUMES / str(number)
    folder.mkdir(parents=True, exist_ok=True)
    folder.chmod(0o777)  # hostPath knows no fsGroup
    return {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": f"spool-{number}"},
            "spec": {"capacity": {"storage": "10Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": str(folder)},
                     "persistentVolumeReclaimPolicy": "Retain",
                     "claimRef": {"namespace": "backstitch", "name": f"spool-backstitch-ingest-{number}"}}}


@pytest.fixture(scope="module")
def spooling(cluster: Cluster, kafka: Kafka, postgres: Postgres, tag: str, deployment: Deployment, source: Source) -> Iterator[Deployment]:
    """In the place of the stateless deployment, with the same Secrets and the same topics."""
    cluster.kubectl("delete", "namespace", "backstitch", "--ignore-not-found", seconds=180)
    shutil.rmtree(VOLUMES, ignore_errors=True)
    for number in range(CLAIMS):
        cluster.kubectl("apply", "-f", "-", stdin=json.dumps(volume(number)))
    found = Deployment(cluster, kafka, postgres, FOLDER / "spool", tag, overlay="spool")
    shutil.copy(deployment.folder / "sources.json", found.folder / "sources.json")
    found.apply_secrets()
    found.apply()
    found.namespace.rollout(found.ingest, "deployment/backstitch-loader")
    yield found
    cluster.kubectl("delete", "namespace", "backstitch", seconds=180)
    for number in range(CLAIMS):
        cluster.kubectl("delete", "persistentvolume", f"spool-{number}", "--ignore-not-found")
    shutil.rmtree(VOLUMES, ignore_errors=True)


def held_bytes(number: int) -> int:
    """On the volume of a claim."""
    return sum(path.stat().st_size for path in Path(VOLUMES / str(number)).rglob("*") if path.is_file())


def test_acknowledges_while_kafka_is_away(spooling: Deployment, source: Source, log: KafkaLog, database: Database) -> None:
    with Load(spooling.url, source) as load:
        wait_events(load)
        spooling.kafka.stop()
        try:
            wait_events(load, 600)
            assert held_bytes(0) + held_bytes(1) > 100_000, "nothing is on disk"
        finally:
            spooling.kafka.start()
        wait_events(load)
    check_all(load, log, database)
    assert spooling.namespace.restarts() == 0


def test_node_lost_with_a_spool_and_back(spooling: Deployment, source: Source, log: KafkaLog, database: Database) -> None:
    """What was acknowledged by the lost pod is on its volume; the pod comes back with its node, and delivers it."""
    namespace, cluster = spooling.namespace, spooling.cluster
    victims = [pod for pod in namespace.ready("ingest") if node_of(pod) == "node2"]
    assert victims, "nothing runs on the node that is killed"
    number = int(name_of(victims[0]).rpartition("-")[2])
    with Load(spooling.url, source) as load:
        wait_events(load)
        spooling.kafka.stop()
        try:
            wait_events(load, 600)
            cluster.kill_node(2)
            assert held_bytes(number) > 10_000, "the lost pod had nothing on disk"
            wait_events(load, 200, seconds=90)
        finally:
            spooling.kafka.start()
            cluster.start_node(2)
        namespace.wait_ready("ingest", 2, 180)
        wait_events(load)
    check_all(load, log, database, seconds=180)


def test_volume_left_behind_is_drained(spooling: Deployment, source: Source, log: KafkaLog, database: Database) -> None:
    """Scaled away with events on its volume, which the Job empties: the claim can then be deleted."""
    namespace = spooling.namespace
    namespace.scale(spooling.ingest, 3)
    namespace.wait_ready("ingest", 3)
    with Load(spooling.url, source) as load:
        wait_events(load)
        spooling.kafka.stop()
        try:
            wait_events(load, 900)
            namespace.scale(spooling.ingest, 2)
            wait_until(lambda: len(namespace.list("pods", "ingest")) == 2, "the third pod is gone", 120)
            assert held_bytes(2) > 10_000, "nothing was left behind"
        finally:
            spooling.kafka.start()
    drain(namespace, 2)
    check_all(load, log, database, seconds=180)
    assert held_bytes(2) < 4096, "the volume is not empty"


def drain(namespace: Namespace, number: int) -> None:
    """As deploy/README.md says."""
    job = namespace.kubectl("create", "job", f"drain-{number}", "--from=cronjob/backstitch-drain", "--dry-run=client", "-o", "json")
    namespace.kubectl("apply", "-f", "-", stdin=job.replace("spool-backstitch-ingest-0", f"spool-backstitch-ingest-{number}"))
    namespace.kubectl("wait", "--for=condition=Complete", f"job/drain-{number}", "--timeout=120s", seconds=130)
