"""deploy/kubernetes and deploy/helm without a cluster: schemas with unknown fields refused, the two ways render the same, Pod
Security, options that exist, practice."""

from __future__ import annotations

import json
import re
import subprocess
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

import crds
import rendering
from rendering import CHART, KUBERNETES, ROOT, Object, helm, key, kustomize, pods

VERSION = "1.34"
# kube-score's checks that are not for us, and why.
NOT_FOR_US = {
    "container-image-pull-policy": "images have a tag that never moves, and IfNotPresent lets a node start without the registry",
    "container-resources": "no CPU limit: throttling would show as slow answers; memory and disk have limits",
    "statefulset-has-host-podantiaffinity": "topologySpreadConstraints spread the pods",
    "deployment-has-host-podantiaffinity": "topologySpreadConstraints spread the pods",
    "cronjob-has-deadline": "a missed run of erase is made up by the next one",
}

EVERYTHING = rendering.everything()


@pytest.mark.parametrize("name", EVERYTHING)
def test_objects_fit_their_schemas(name: str) -> None:
    schemas = crds.schemas()
    for thing in EVERYTHING[name]:
        if thing["kind"] in crds.WITHOUT_SCHEMA:
            continue
        if thing["kind"] in schemas:
            jsonschema.validate(thing, schemas[thing["kind"]])
        else:
            kubernetes_validate.validate(thing, VERSION, strict=True)


def test_an_unknown_field_is_refused() -> None:
    """The check above would find a misspelt field, in our own kinds and in others."""
    thing = next(t for t in EVERYTHING["stateless"] if t["kind"] == "Deployment")
    thing = json.loads(json.dumps(thing))
    thing["spec"]["template"]["spec"]["terminationGracePeriod"] = 60
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(thing, VERSION, strict=True)
    scaled = next(t for t in EVERYTHING["stateless with all components"] if t["kind"] == "ScaledObject")
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({**scaled, "spec": {**scaled["spec"], "minReplicas": 1}}, crds.schemas()["ScaledObject"])


@pytest.mark.parametrize(("overlay", "components", "values"), [
    ("stateless", (), {}),
    ("spool", (), {"ingest": {"spool": {"enabled": True}}}),
    ("stateless", ("hpa", "keda", "monitoring", "replay", "erase"),
     {"hpa": {"enabled": True}, "keda": {"enabled": True}, "monitoring": {"enabled": True}, "replay": {"enabled": True}, "erase": {"enabled": True}}),
    ("spool", ("ingress", "keda", "erase"),
     {"ingest": {"spool": {"enabled": True}}, "ingress": {"enabled": True, "host": "events.invalid"}, "keda": {"enabled": True}, "erase": {"enabled": True}}),
])
def test_the_chart_renders_what_kustomize_renders(overlay: str, components: tuple[str, ...], values: dict[str, Any]) -> None:
    ours, charts = rendering.comparable(kustomize(overlay, components)), rendering.comparable(helm(**values))
    assert sorted(ours) == sorted(charts)
    for name, thing in ours.items():
        assert charts[name] == thing, name


@pytest.mark.parametrize(("values", "named"), [
    ({"image": {"ingest": {"repository": "", "tag": "1"}, "loader": {"repository": "x", "tag": "1"}}}, "/image/ingest/repository"),
    ({"config": {"KAFKA_BROKERS": "", "INGEST_PUBLIC_URL": "https://events.example.org"}}, "/config/KAFKA_BROKERS"),
    ({"config": {"KAFKA_BROKERS": "kafka", "INGEST_PUBLIC_URL": "https://events.example.org"}}, "/config/KAFKA_BROKERS"),
    ({"config": {"KAFKA_BROKERS": "kafka:9092", "INGEST_PUBLIC_URL": ""}}, "/config/INGEST_PUBLIC_URL"),
    ({"ingest": {"replica": 3}}, "/ingest"),
    ({"ingress": {"enabled": True}}, "/ingress/host"),
    ({"hpa": {"enabled": True}, "ingest": {"spool": {"enabled": True}}}, "hpa.enabled"),
])
def test_a_value_that_is_wrong_is_named(values: dict[str, Any], named: str) -> None:
    with pytest.raises(AssertionError, match=named):
        helm(**values)


@pytest.mark.parametrize("name", EVERYTHING)
def test_pods_are_restricted(name: str) -> None:
    """Pod Security "restricted", and of our own pods more: no token, nothing writable but the spool."""
    for owner, pod in pods(EVERYTHING[name]):
        security = pod["securityContext"]
        assert security["runAsNonRoot"] and security["seccompProfile"] == {"type": "RuntimeDefault"}, owner
        assert pod["automountServiceAccountToken"] is False, owner
        assert not any(pod.get(field) for field in ("hostNetwork", "hostPID", "hostIPC")), owner
        for container in pod["containers"]:
            own = container["securityContext"]
            assert own["allowPrivilegeEscalation"] is False and own["capabilities"] == {"drop": ["ALL"]}, owner
            if is_ours(container):
                assert own["readOnlyRootFilesystem"] and security["runAsUser"] == 65532, owner
                writable = {m["mountPath"] for m in container["volumeMounts"] if not m.get("readOnly")}
                assert writable <= {"/var/spool/backstitch"}, owner
                assert all("subPath" not in m for m in container["volumeMounts"]), f"{owner}: a changed Secret would not reach it"
                assert "memory" in container["resources"]["limits"], owner


def is_ours(container: Object) -> bool:
    return "backstitch-" in str(container["image"])


def test_options_exist() -> None:
    """What the manifests set is what the programs know."""
    known = set(re.findall(r"^\| `([A-Z_]+)`(?: or `([A-Z_]+)`)?", (ROOT / "README.md").read_text(), re.M))
    names = {name for pair in known for name in pair if name}
    for things in EVERYTHING.values():
        used = {variable["name"] for _, pod in pods(things) for c in pod["containers"] if is_ours(c) for variable in c.get("env", [])}
        used |= {name for t in things if t["kind"] == "ConfigMap" and key(t).startswith("ConfigMap/backstitch") for name in t["data"] if name.isupper()}
        assert used - names - AHEAD == set()
    assert not AHEAD & names, f"these are there now: {AHEAD & names}"


# Options of the contract that the programs do not have yet; this list ends empty.
AHEAD: set[str] = set()


def test_commands_exist() -> None:
    """Every pod's first argument is a command of its program."""
    mains = {part: (ROOT / part / "commands/main.c").read_text() for part in ("ingest", "loader")}
    for things in EVERYTHING.values():
        for owner, pod in pods(things):
            for container in filter(is_ours, pod["containers"]):
                part = "ingest" if "backstitch-ingest" in container["image"] else "loader"
                command = container["args"][0]
                assert f'.name = "{command}"' in mains[part], f"{owner}: {command}"


def test_selectors_match_pods() -> None:
    """A Service, a disruption budget or a policy whose labels fit no pod would fail in silence."""
    for name, things in EVERYTHING.items():
        labels = [t["spec"]["template"]["metadata"]["labels"] for t in things if "template" in t.get("spec", {})]
        labels += [t["spec"]["jobTemplate"]["spec"]["template"]["metadata"]["labels"] for t in things if t["kind"] == "CronJob"]
        for thing in things:
            spec = thing.get("spec", {})
            chosen = {"Service": spec.get("selector"), "PodDisruptionBudget": spec.get("selector", {}).get("matchLabels"),
                      "NetworkPolicy": spec.get("podSelector", {}).get("matchLabels"), "PodMonitor": spec.get("selector", {}).get("matchLabels")}
            wanted = chosen.get(thing["kind"])
            if wanted:
                assert any(wanted.items() <= have.items() for have in labels), f"{name}: {key(thing)} selects nothing"


def test_what_must_be_set_is_marked() -> None:
    """The operator's file has each such line marked; nothing to be set is elsewhere."""
    for overlay in ("stateless", "spool"):
        text = (KUBERNETES / "overlays" / overlay / "kustomization.yaml").read_text()
        assert text.count("# SET") >= 5 and "KAFKA_BROKERS=" in text and "INGEST_PUBLIC_URL=" in text
    for path in (KUBERNETES / "base").glob("*.yaml"):
        assert "SET" not in path.read_text(), path


@pytest.mark.parametrize("name", ["stateless", "spool", "stateless with all components"])
def test_practice(name: str) -> None:
    """kube-score, but for what is written down above."""
    ignored = [argument for check in NOT_FOR_US for argument in ("--ignore-test", check)]
    done = subprocess.run([rendering.tool("kube-score"), "score", "--kubernetes-version", f"v{VERSION}", "--output-format", "ci", *ignored, "-"],
                          input=yaml.safe_dump_all(EVERYTHING[name]), capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    assert len(lines) > 20, done.stderr
    assert [line for line in lines if line.startswith(("[CRITICAL]", "[WARNING]"))] == []


def test_chart_links_are_whole() -> None:
    """The chart packs the same rules and dashboards: links into deploy/monitoring."""
    links = list((CHART / "files").iterdir())
    assert len(links) == 3 and all(link.is_symlink() and link.exists() for link in links)
