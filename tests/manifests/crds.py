"""Schemas of kinds that are not Kubernetes' own, closed: a field they do not name is refused, as the API server's strict
validation does. They come from the operators' Go modules, as their authors publish them."""

from __future__ import annotations

import functools
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import yaml

MODULES = {
    "github.com/kedacore/keda/v2@v2.18.1": ("config/crd/bases/keda.sh_scaledobjects.yaml",),
    "github.com/prometheus-operator/prometheus-operator@v0.85.0": (
        "example/prometheus-operator-crd/monitoring.coreos.com_podmonitors.yaml",
        "example/prometheus-operator-crd/monitoring.coreos.com_prometheusrules.yaml"),
}
# Their operators' schemas are on no package registry; the objects are samples.
WITHOUT_SCHEMA = {"KafkaTopic", "KafkaUser", "Cluster"}

LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
LOADER.add_constructor("tag:yaml.org,2002:value", lambda loader, node: node.value)  # a bare "=" in an enumeration


def closed(schema: Any) -> Any:
    if isinstance(schema, list):
        return [closed(s) for s in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {k: closed(v) if k != "default" else v for k, v in schema.items() if k != "x-kubernetes-validations"}
    if schema.get("x-kubernetes-int-or-string"):
        schema.pop("type", None)
    if "(?i)" in str(schema.get("pattern", "")):  # Go takes it anywhere, Python only at the start
        schema["pattern"] = "(?i)" + schema["pattern"].replace("(?i)", "")
    if "properties" in schema and not schema.get("x-kubernetes-preserve-unknown-fields"):
        schema.setdefault("additionalProperties", False)
    return schema


def module(name: str) -> Path:
    done = subprocess.run(["go", "mod", "download", "-json", name], capture_output=True, text=True, check=False, cwd="/",
                          env={**os.environ, "GOFLAGS": "-mod=mod", "GO111MODULE": "on"})
    assert done.returncode == 0, done.stderr + done.stdout
    return Path(json.loads(done.stdout)["Dir"])


@functools.cache
def schemas() -> dict[str, Any]:
    """By kind."""
    found = {}
    for name, files in MODULES.items():
        for file in files:
            for document in yaml.load_all((module(name) / file).read_text(), LOADER):
                if document and document.get("kind") == "CustomResourceDefinition":
                    schema = closed(document["spec"]["versions"][0]["schema"]["openAPIV3Schema"])
                    schema["properties"]["metadata"] = {"type": "object"}
                    found[document["spec"]["names"]["kind"]] = schema
    return found
