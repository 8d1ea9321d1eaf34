"""What is applied: the overlays with their components as kustomize renders them, and the chart as helm does."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
KUBERNETES = ROOT / "deploy/kubernetes"
CHART = ROOT / "deploy/helm/backstitch"
TOOLS = ROOT / "build/tools"
OVERLAYS = ("stateless", "spool", "example")
COMPONENTS = ("ingress", "keda", "hpa", "monitoring", "replay", "erase", "cnpg")
# What an operator sets.
SETTINGS = {"KAFKA_BROKERS": "kafka:9092", "INGEST_PUBLIC_URL": "https://events.example.org"}

Object = dict[str, Any]


def tool(name: str) -> str:
    """A program of the tests' own, or of the machine."""
    own = TOOLS / name
    found = str(own) if own.exists() else shutil.which(name)
    assert found, f"{name} is not there: tests/run manifests fetches it"
    return found


def run(*command: str, stdin: str = "") -> str:
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout


def parse(text: str) -> list[Object]:
    return [document for document in yaml.safe_load_all(text) if document]


def kustomize(overlay: str, components: tuple[str, ...] = ()) -> list[Object]:
    """The overlay as an operator edits it: its components switched on, what must be set set."""
    with tempfile.TemporaryDirectory() as copied:
        shutil.copytree(ROOT / "deploy", f"{copied}/deploy", symlinks=True)
        path = Path(copied) / "deploy/kubernetes/overlays" / overlay
        document = yaml.safe_load((path / "kustomization.yaml").read_text())
        document["components"] = [f"../../components/{name}" for name in components]
        document["configMapGenerator"][0]["literals"] += [f"{name}={value}" for name, value in SETTINGS.items()] if overlay != "example" else []
        (path / "kustomization.yaml").write_text(yaml.safe_dump(document))
        return parse(run(tool("kubectl"), "kustomize", str(path)))


def folder(path: str) -> list[Object]:
    """A folder that is applied by itself."""
    return parse(run(tool("kubectl"), "kustomize", str(KUBERNETES / path)))


def helm(**values: Any) -> list[Object]:
    images = {part: {"repository": f"registry.example.org/backstitch-{part}", "tag": "unset"} for part in ("ingest", "loader")}
    given = {"image": images, "config": SETTINGS, **values}
    return parse(run(tool("helm"), "template", "backstitch", str(CHART), "--namespace", "backstitch", "--values", "-", stdin=yaml.safe_dump(given)))


def key(thing: Object) -> str:
    return f"{thing['kind']}/{thing['metadata']['name']}"


def everything() -> dict[str, list[Object]]:
    """All that this repository offers to apply, by a name for messages."""
    found = {overlay: kustomize(overlay) for overlay in OVERLAYS}
    found["stateless with all components"] = kustomize("stateless", COMPONENTS)
    found["strimzi"] = folder("components/strimzi")
    return found


def pods(things: list[Object]) -> list[tuple[str, Object]]:
    """Pod specifications, with the name of what makes the pods."""
    found = []
    for thing in things:
        spec = thing.get("spec", {})
        spec = spec.get("jobTemplate", {}).get("spec", spec)
        if "template" in spec and "spec" in spec["template"]:
            found.append((key(thing), spec["template"]["spec"]))
    return found


def comparable(things: list[Object]) -> dict[str, Object]:
    """Without what the two tools do differently on purpose: the name that kustomize gives a ConfigMap by its content, and the
    annotation that helm has for the same end; namespaces, which helm leaves to its command line; hooks."""
    text = yaml.safe_dump_all(things)
    for thing in things:
        if thing["kind"] == "ConfigMap" and "KAFKA_BROKERS" in thing["data"]:
            text = re.sub(rf"\b{thing['metadata']['name']}\n", "backstitch\n", text)
    result = {}
    for thing in parse(text):
        if thing["kind"] == "Namespace":
            continue
        thing["metadata"].pop("namespace", None)
        drop_annotations(thing["metadata"], "helm.sh/")
        template = thing.get("spec", {}).get("template", {}).get("metadata")
        if template:
            drop_annotations(template, "checksum/")
        for claim in thing.get("spec", {}).get("volumeClaimTemplates", []):
            claim["metadata"]["labels"].pop("app.kubernetes.io/part-of", None)
        result[key(thing)] = thing
    return result


def drop_annotations(metadata: Object, prefix: str) -> None:
    kept = {name: value for name, value in metadata.pop("annotations", {}).items() if not name.startswith(prefix)}
    if kept:
        metadata["annotations"] = kept
