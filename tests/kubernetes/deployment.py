"""Backstitch on the test cluster, deployed as an operator would: an overlay with its few values, Secrets, kubectl apply."""

from __future__ import annotations

import json
import os
from pathlib import Path

import yaml

from cluster import Cluster, Namespace, Object
from images import CHECKOUT, TARGETS, podman
from servers import Kafka, Postgres
from stack import Source

PARTITIONS = 6


class Deployment:
    """One overlay of deploy/kubernetes, with images by tag."""

    def __init__(self, cluster: Cluster, kafka: Kafka, postgres: Postgres, folder: Path, tag: str, overlay: str = "stateless") -> None:
        self.cluster = cluster
        self.namespace = Namespace(cluster)
        self.kafka = kafka
        self.postgres = postgres
        self.folder = folder
        self.tag = tag
        self.overlay = overlay
        self.settings = {"KAFKA_BROKERS": kafka.brokers, "INGEST_PUBLIC_URL": "http://events.example.org"}
        self.patches: list[Object] = []
        self.components: list[str] = []
        self.replicas = {"backstitch-ingest": 2, "backstitch-loader": 2}
        folder.mkdir(parents=True, exist_ok=True)

    # --- what an operator writes --------------------------------------------------------------------------------------

    def write(self) -> None:
        own = f"{os.path.relpath(CHECKOUT / 'deploy/kubernetes', self.folder)}"
        topics = {"target": {"kind": "Job", "name": "backstitch-topics"}, "patch": yaml.safe_dump([
            {"op": "replace", "path": "/spec/template/spec/containers/0/args",
             "value": ["topics", "--dev", "--partitions", str(PARTITIONS), "--timeout", "2m"]}])}
        document = {
            "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "namespace": "backstitch",
            "resources": [f"{own}/overlays/{self.overlay}"],
            "components": [f"{own}/components/{name}" for name in self.components],
            "images": [{"name": f"{registry}backstitch-{part}", "newName": f"localhost/backstitch-{part}", "newTag": self.tag}
                       for part in ("ingest", "loader") for registry in ("registry.example.org/", "")],
            "replicas": [{"name": name, "count": count} for name, count in self.replicas.items()],
            "configMapGenerator": [{"name": "backstitch", "behavior": "merge",
                                    "literals": [f"{name}={value}" for name, value in self.settings.items()]}],
            "patches": [topics, *self.patches],
        }
        (self.folder / "kustomization.yaml").write_text(yaml.safe_dump(document))

    def apply(self) -> None:
        self.write()
        self.namespace.kubectl("delete", "job", "backstitch-topics", "--ignore-not-found")
        self.cluster.kubectl("apply", "-k", str(self.folder))

    # --- Secrets ------------------------------------------------------------------------------------------------------

    def ingest_command(self, *arguments: str, network: str = "none") -> str:
        """A command of the image, with this deployment's folder and its registry of sources."""
        return podman("run", "--rm", "--network", network, "--user", "0", "-v", f"{self.folder}:/deployment", "-w", "/deployment",
                      "-e", "INGEST_SOURCES_FILE=sources.json", "-e", f"KAFKA_BROKERS={self.kafka.brokers}",
                      f"localhost/backstitch-ingest:{self.tag}", *arguments).stdout

    def source_command(self, *arguments: str) -> str:
        return self.ingest_command("source", *arguments)

    def add_source(self, name: str) -> Source:
        printed = json.loads(self.source_command("add", name, "--json"))
        return Source(**{field: printed[field] for field in Source.__dataclass_fields__})

    def apply_sources(self) -> None:
        """The registry as it is on disk, into the Secret."""
        self.put_secret("backstitch-sources", {"sources.json": (self.folder / "sources.json").read_text()})

    def put_secret(self, name: str, values: dict[str, str]) -> None:
        secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "stringData": values}
        self.namespace.kubectl("apply", "-f", "-", stdin=json.dumps(secret))

    def apply_secrets(self) -> None:
        self.cluster.kubectl("apply", "-f", str(CHECKOUT / "deploy/kubernetes/base/namespace.yaml"))
        self.apply_sources()
        self.put_secret("backstitch-kafka", {f"{part}.properties": "" for part in ("ingest", "loader", "topics")})
        self.put_secret("backstitch-database", {"url": self.postgres.loader_url()})

    # --- where it is --------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """Ingest's Service, reached through the first node."""
        service = self.namespace.get("service", "backstitch-ingest")
        return f"http://{service['spec']['clusterIP']}"

    @property
    def ingest(self) -> str:
        return "statefulset/backstitch-ingest" if self.overlay == "spool" else "deployment/backstitch-ingest"

    def roll_to(self, tag: str) -> None:
        """Both tiers to another image, as an operator does."""
        self.tag = tag
        self.apply()
        self.namespace.rollout(self.ingest, "deployment/backstitch-loader")


def build_other_images(cluster: Cluster, tag: str) -> str:
    """On every node: the same programs as other images: another label, another digest."""
    other = f"{tag}-next"
    for part in TARGETS:
        image = f"localhost/backstitch-{part}"
        podman("build", "-q", "-t", f"{image}:{other}", "-f", "-", stdin=f"FROM {image}:{tag}\nLABEL next=yes\n".encode())
        cluster.script("image.sh", f"{image}:{other}")
    return other
