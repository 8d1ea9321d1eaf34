"""The password for Kafka is changed under running programs: Kafka refuses the old one, the file gets the new one, and both go on
without a restart. The file is a mounted Secret's: a link that is swapped."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from database import Database
from ingest_server import Credentials, IngestServer
from kafka_cluster import KafkaCluster
from senders import Client, bearer
from stack import Stack
from waiting import wait_until

LOGIN = """
sasl.enabled.mechanisms=PLAIN
sasl.mechanism.inter.broker.protocol=PLAIN
listener.name.sasl_plaintext.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required \\
  username="broker" password="own" user_broker="own" user_backstitch="{password}";
"""


class Secret:
    """client.properties, as Kubernetes mounts it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._versions = 0
        self.file = folder / "client.properties"
        self.put("first")
        self.file.symlink_to("..data/client.properties")

    def put(self, password: str) -> None:
        self._versions += 1
        version = self._folder / f"v{self._versions}"
        version.mkdir(parents=True)
        (version / "client.properties").write_text(
            f"security.protocol=SASL_PLAINTEXT\nsasl.mechanism=PLAIN\nsasl.username=backstitch\nsasl.password={password}\n")
        (self._folder / "..new").symlink_to(version.name)
        os.replace(self._folder / "..new", self._folder / "..data")


@pytest.fixture
def secret(tmp_path: Path) -> Secret:
    return Secret(tmp_path / "secret")


@pytest.fixture
def kafka(tmp_path: Path) -> Iterator[KafkaCluster]:
    with KafkaCluster(tmp_path / "kafka", protocol="SASL_PLAINTEXT", further=LOGIN.format(password="first")) as cluster:
        yield cluster


def change_password(kafka: KafkaCluster, tmp_path: Path) -> None:
    """A broker that knows only the new one."""
    config = tmp_path / "kafka/kafka-1.properties"
    kafka.nodes[0].end(signal.SIGTERM)
    config.write_text(config.read_text().replace('user_backstitch="first"', 'user_backstitch="second"'))
    kafka.start()


def post(server: IngestServer, source: Credentials, message_id: str) -> int:
    client = Client(server.url, timeout=10)
    try:
        body = b'{"type":"track","event":"Password","userId":"u","messageId":"%s"}' % message_id.encode()
        return client.post(f"/webhook/{source.slug}", body, bearer(source.token)).status
    finally:
        client.close()


def test_a_changed_password_needs_no_restart(stack: Stack, kafka: KafkaCluster, secret: Secret, tmp_path: Path) -> None:
    settings = {"KAFKA_CONFIG_FILE": str(secret.file)}
    url = stack.make_database("kafka_password")
    database = Database(url)
    with IngestServer(Path(stack.env["INGEST_BIN"]), tmp_path / "ingest", kafka.brokers, **settings) as ingest:
        source = ingest.add_source("Password")
        ingest.make_topics("--dev", "--partitions", "1")
        ingest.start()
        with stack.another_loader(tmp_path / "loader.log", url, "password", KAFKA_BROKERS=kafka.brokers, **settings) as loader:
            wait_until(lambda: post(ingest, source, "before") == 200, "the first event is acknowledged")
            wait_until(lambda: database.count(source.schema, "track") == 1, "the first event is loaded")
            change_password(kafka, tmp_path)
            wait_until(lambda: post(ingest, source, "refused") == 503, "Kafka refuses the old password", 30)
            secret.put("second")
            wait_until(lambda: post(ingest, source, "after") == 200, "ingest logs in with the new password", 90)
            wait_until(lambda: database.query("SELECT 1 FROM password.track WHERE message_id = 'after'"), "the loader too", 90)
            assert ingest.runs and loader.runs
    database.close()
