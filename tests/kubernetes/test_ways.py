"""The other ways in which Backstitch gets on a cluster: the chart, the overlay `example` with a Kafka and a PostgreSQL of its own,
and what else this repository offers to apply. After the tests whose deployment has the namespace for itself."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from cluster import Cluster, Namespace, Object
from conftest import FOLDER
from database import Database
from deployment import PARTITIONS, Deployment
from images import CHECKOUT, base_image, podman
from kafka_log import KafkaLog
from load import Load, check_all
from servers import fetch_jars
from stack import Source
from test_life import wait_events
from waiting import wait_until

sys.path.insert(0, str(CHECKOUT / "tests/manifests"))

import crds  # noqa: E402
import rendering  # noqa: E402

EXAMPLE = CHECKOUT / "deploy/kubernetes/overlays/example"


# --- the chart --------------------------------------------------------------------------------------------------------


@pytest.fixture
def bare(deployment: Deployment) -> Iterator[Deployment]:
    """The namespace with its Secrets, and nothing else in it."""
    deployment.cluster.kubectl("delete", "namespace", "backstitch", "--ignore-not-found", seconds=180)
    deployment.apply_secrets()
    yield deployment
    deployment.cluster.kubectl("delete", "namespace", "backstitch", seconds=180)


def helm(deployment: Deployment, action: str, tag: str) -> None:
    values = {
        "image": {part: {"repository": f"localhost/backstitch-{part}", "tag": tag} for part in ("ingest", "loader")},
        "config": deployment.settings,
        "topics": {"args": ["--dev", "--partitions", str(PARTITIONS), "--timeout", "2m"]},
    }
    run_helm(deployment.cluster, action, "backstitch", str(rendering.CHART), "-n", "backstitch", "--wait", "--timeout", "3m", "-f", "-",
             stdin=yaml.safe_dump(values))


def run_helm(cluster: Cluster, *arguments: str, stdin: str = "") -> None:
    done = subprocess.run([rendering.tool("helm"), *arguments], env=cluster.environment, input=stdin, capture_output=True, text=True,
                          timeout=240, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_chart_is_installed_upgraded_and_removed(  # noqa: PLR0913
        bare: Deployment, source: Source, log: KafkaLog, database: Database, tag: str, other_tag: str) -> None:
    helm(bare, "install", tag)
    with Load(bare.url, source) as load:
        wait_events(load)
        helm(bare, "upgrade", other_tag)
        images = {pod["spec"]["containers"][0]["image"] for tier in ("ingest", "loader") for pod in bare.namespace.ready(tier)}
        assert images == {f"localhost/backstitch-{part}:{other_tag}" for part in ("ingest", "loader")}
        wait_events(load)
    check_all(load, log, database)
    run_helm(bare.cluster, "uninstall", "backstitch", "-n", "backstitch", "--wait")
    for tier in ("ingest", "loader"):
        bare.namespace.wait_gone(tier)
        assert bare.namespace.list("all", tier) == []


# --- the example ------------------------------------------------------------------------------------------------------


@pytest.fixture
def example(cluster: Cluster, tag: str) -> Iterator[Path]:
    """A folder to apply: the overlay with images that are there."""
    folder = FOLDER / "example"
    folder.mkdir(parents=True, exist_ok=True)
    servers = {"docker.io/apache/kafka": server_image(cluster, "kafka"), "docker.io/library/postgres": server_image(cluster, "postgres")}
    ours = {f"registry.example.org/backstitch-{part}": f"localhost/backstitch-{part}:{tag}" for part in ("ingest", "loader")}
    (folder / "kustomization.yaml").write_text(yaml.safe_dump({
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "resources": [os.path.relpath(EXAMPLE, folder)],
        "images": [{"name": name, "newName": image.rpartition(":")[0], "newTag": image.rpartition(":")[2]}
                   for name, image in {**servers, **ours}.items()]}))
    yield folder
    cluster.kubectl("delete", "namespace", "backstitch-example", "--ignore-not-found", seconds=180)


def server_image(cluster: Cluster, server: str) -> str:
    """On every node: what a registry has under another name."""
    name = f"localhost/backstitch-test-{server}:1"
    context = FOLDER / "example-images"
    shutil.rmtree(context, ignore_errors=True)
    shutil.copytree(CHECKOUT / "tests/kubernetes/example", context)
    shutil.copytree(fetch_jars(context), context / "jars")
    podman("build", "-q", "--network", "host", "--build-arg", f"BASE={base_image()}", "--target", server, "-t", name, str(context))
    cluster.script("image.sh", name)
    return name


def commands_of_its_head() -> list[str]:
    return re.findall(r"^#   (.+)$", (EXAMPLE / "kustomization.yaml").read_text(), re.M)


def test_example_from_nothing_to_the_first_row(cluster: Cluster, example: Path) -> None:
    """As its head says, command by command."""
    environment = {**cluster.environment, "OVERLAY": str(example)}
    namespace = Namespace(cluster, "backstitch-example")

    def run(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, timeout=320, check=False)

    *before, forward, curl, select = [c.replace("deploy/kubernetes/overlays/example", '"$OVERLAY"') for c in commands_of_its_head()]
    for command in before:
        done = run(command)
        assert done.returncode == 0, f"{command}: {done.stderr}{namespace.kubectl('get', 'pods')}{namespace.logs('topics')}"
    forwarding = subprocess.Popen(["bash", "-c", "exec " + forward.removesuffix(" &")], env=environment, stdout=subprocess.DEVNULL)
    try:
        answer = wait_until(lambda: run(curl).stdout, "the port is forwarded", 30)
    finally:
        forwarding.terminate()
        forwarding.wait()
    assert '"success":true' in answer.replace(" ", ""), answer

    def row() -> bool:
        found = run(select)
        print(found.stdout, found.stderr)  # shown when it does not come
        return "Test" in found.stdout

    wait_until(row, f"a row is there: {select}", 60)


# --- everything that is offered ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def offered(cluster: Cluster) -> Iterator[dict[str, list[Object]]]:
    """All that may be applied, but for kinds whose operators' definitions are on no package registry; the API server knows the
    others, and the namespaces are there."""
    files = [str(crds.module(name) / file) for name, paths in crds.MODULES.items() for file in paths]
    found = {name: [thing for thing in things if thing["kind"] not in crds.WITHOUT_SCHEMA] for name, things in rendering.everything().items()}
    namespaces = yaml.safe_dump_all({t["metadata"]["name"]: t for things in found.values() for t in things if t["kind"] == "Namespace"}.values())
    for file in files:
        cluster.kubectl("apply", "--server-side", "-f", file)
    cluster.kubectl("wait", "--for=condition=Established", "customresourcedefinition", "--all", "--timeout=60s")
    cluster.kubectl("apply", "-f", "-", stdin=namespaces)
    yield {name: things for name, things in found.items() if things}
    cluster.kubectl("delete", "-f", "-", stdin=namespaces, seconds=180)
    for file in files:
        cluster.kubectl("delete", "-f", file)


def test_api_server_takes_every_object_without_a_warning(cluster: Cluster, offered: dict[str, list[Object]]) -> None:
    """Validation as it is in force: unknown fields, admission, rules in CEL, Pod Security."""
    assert {"stateless", "spool", "example", "stateless with all components"} <= offered.keys()
    for things in offered.values():
        cluster.kubectl("apply", "--dry-run=server", "--validate=strict", "--warnings-as-errors", "-f", "-", stdin=yaml.safe_dump_all(things))
