"""What the tests of the cluster share: the cluster, a Kafka and a PostgreSQL beside it, the images, one deployment.

All of it is made once for the session and taken down at its end, also after a failure. With K8S_KEEP=1 the cluster stays
(tests/kubernetes/cluster/down.sh ends it).
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "bench"))
sys.path.insert(0, str(Path(__file__).resolve().parent))

from cluster import STATE, Cluster  # noqa: E402
from database import Database  # noqa: E402
from deployment import Deployment, build_other_images  # noqa: E402
from images import CHECKOUT, build_images  # noqa: E402
from kafka_log import KafkaLog  # noqa: E402
from servers import Kafka, Postgres  # noqa: E402
from stack import Source  # noqa: E402

FOLDER = CHECKOUT / "build/kubernetes-test"
SERVER_DATA = Path("/var/tmp/backstitch-kubernetes-test")  # PostgreSQL's user must be able to enter it


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    found = Cluster()
    found.script("install.sh", seconds=3600)
    if not (STATE / "pki").exists():
        found.script("up.sh")
    yield found
    if not os.environ.get("K8S_KEEP"):
        found.script("down.sh")


@pytest.fixture(scope="session")
def kafka(cluster: Cluster) -> Iterator[Kafka]:
    server = Kafka(emptied("kafka"))
    try:
        server.start()
        yield server
    finally:
        server.stop()
        emptied("kafka")


@pytest.fixture(scope="session")
def postgres(cluster: Cluster) -> Iterator[Postgres]:
    server = Postgres(emptied("postgres"))
    try:
        server.start()
        server.make_database()
        yield server
    finally:
        server.stop()
        emptied("postgres")


def emptied(server: str) -> Path:
    """Where a server's data goes; nothing is there."""
    folder = SERVER_DATA / server
    shutil.rmtree(folder, ignore_errors=True)
    return folder


@pytest.fixture(scope="session")
def tag(cluster: Cluster) -> str:
    """The images' tag, on every node."""
    images = build_images()
    cluster.script("image.sh", *images.values())
    return images["ingest"].rpartition(":")[2]


@pytest.fixture(scope="session")
def other_tag(cluster: Cluster, tag: str) -> str:
    return build_other_images(cluster, tag)


@pytest.fixture(scope="session")
def deployment(cluster: Cluster, kafka: Kafka, postgres: Postgres, tag: str) -> Deployment:
    """Not applied yet: the first test does that."""
    shutil.rmtree(FOLDER, ignore_errors=True)
    return Deployment(cluster, kafka, postgres, FOLDER / "stateless", tag)


@pytest.fixture(scope="session")
def source(deployment: Deployment) -> Source:
    return deployment.add_source("Kubernetes")


@pytest.fixture(scope="session")
def running(deployment: Deployment, source: Source) -> Deployment:
    """Two pods of each tier, ready, in a namespace that was not there before."""
    deployment.cluster.kubectl("delete", "namespace", deployment.namespace.name, "--ignore-not-found", seconds=180)
    deployment.apply_secrets()
    deployment.apply()
    deployment.namespace.rollout(deployment.ingest, "deployment/backstitch-loader")
    deployment.namespace.kubectl("wait", "--for=condition=Complete", "job/backstitch-topics", "--timeout=120s", seconds=130)
    return deployment


@pytest.fixture(scope="session")
def log(kafka: Kafka) -> KafkaLog:
    return KafkaLog(kafka.brokers)


@pytest.fixture(scope="session")
def database(postgres: Postgres) -> Iterator[Database]:
    found = Database(postgres.admin_url)
    yield found
    found.close()


@pytest.fixture(autouse=True)
def settled(request: pytest.FixtureRequest) -> Iterator[None]:
    """A test leaves two ready pods of each tier on two ready nodes, so that the next begins as if alone."""
    yield
    if "running" in request.fixturenames:
        running: Deployment = request.getfixturevalue("running")
        for target in (running.ingest, "deployment/backstitch-loader"):
            running.namespace.scale(target, 2)
        running.namespace.wait_ready("ingest", 2)
        running.namespace.wait_ready("loader", 2)
