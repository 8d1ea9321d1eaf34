"""deploy/monitoring: rules, their tests, the runbook, the dashboards and the metric tables of both programs agree."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard

import monitoring
from monitoring import AHEAD, CASES, MONITORING, OPERATOR_RULES, ROOT, RULES, alerts, metrics_in, promtool, rules

TABLES = (ROOT / "ingest/request/ingest_metrics.c", ROOT / "loader/load/loader_metrics.c", ROOT / "common/service/metrics.c",
          ROOT / "common/service/process_metrics.c")
DASHBOARDS = sorted((MONITORING / "dashboards").glob("*.json"))
RUNBOOK = (ROOT / "deploy/README.md").read_text()


def declared() -> set[str]:
    text = "".join(path.read_text() for path in TABLES)
    return set(re.findall(r'"((?:ingest|loader|process)_[a-z_]+|build_info)', text)) | {"build_info"}


def test_rules_are_valid() -> None:
    done = promtool("check", "rules", str(RULES))
    assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_fires_and_heals(tmp_path: Path) -> None:
    for needed, tests in monitoring.unit_tests():
        (tmp_path / "rules.yaml").write_text(yaml.safe_dump(needed))
        (tmp_path / "tests.yaml").write_text(yaml.safe_dump(tests))
        done = promtool("test", "rules", str(tmp_path / "tests.yaml"))
        assert done.returncode == 0, done.stdout + done.stderr


def test_each_alert_has_a_test_a_section_and_a_severity() -> None:
    names = [alert["alert"] for alert in alerts()]
    assert sorted(yaml.safe_load(CASES.read_text())) == sorted(names)
    assert re.findall(r"^### (Backstitch\w+)$", RUNBOOK, re.M) == names, "deploy/README.md: one section an alert, in the order of the rules"
    for alert in alerts():
        assert alert["labels"]["severity"] in ("page", "warn"), alert["alert"]
        assert {"summary", "description"} <= alert["annotations"].keys(), alert["alert"]


def test_runbook_sections_are_whole() -> None:
    for alert in alerts():
        section = RUNBOOK.split(f"### {alert['alert']}\n")[1].split("\n#")[0]
        for part in ("**Means**", "**Do**", "**Healed**"):
            assert part in section, f"{alert['alert']}: its section has no {part}"


def test_metrics_exist() -> None:
    used = {name for rule in rules() for name in metrics_in(rule["expr"])}
    used |= {name for path in DASHBOARDS for _, expr in queries(json.loads(path.read_text())) for name in metrics_in(expr)}
    known = declared()
    assert used - known - AHEAD == set()
    assert not AHEAD & known, f"these are there now: {AHEAD & known}"


def test_operator_has_the_same_rules() -> None:
    assert OPERATOR_RULES.read_text() == monitoring.operator_rules(), "run tests/manifests/monitoring.py --write"


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.name)
def test_dashboard_is_what_grafana_reads(path: Path) -> None:
    """A round trip through Grafana's own data model changes nothing: no misspelt field, no wrong type."""
    plugins.register_default_plugins()
    before = json.loads(path.read_text())
    after = json.loads(json.dumps(Dashboard.from_json(before), cls=JSONEncoder))
    assert list(differences(before, after)) == []


def differences(before: Any, after: Any, path: str = "") -> list[str]:
    if isinstance(before, dict):
        found = [f"{path}.{key}: unknown to Grafana" for key in before if not isinstance(after, dict) or key not in after]
        return found or [d for key, value in before.items() for d in differences(value, after[key], f"{path}.{key}")]
    if isinstance(before, list):
        return [d for i, value in enumerate(before) for d in differences(value, after[i], f"{path}[{i}]")]
    return [] if before == after else [f"{path}: {before!r} became {after!r}"]


def queries(dashboard: dict[str, Any]) -> list[tuple[str, str]]:
    """Those for Prometheus; what PostgreSQL is asked is tried against a running stack."""
    return [(panel["title"], target["expr"]) for panel in dashboard["panels"] for target in panel.get("targets", []) if "rawSql" not in target]


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.name)
def test_queries_parse(path: Path, tmp_path: Path) -> None:
    """Each query, with Grafana's interval filled in, is one that Prometheus reads."""
    found = queries(json.loads(path.read_text()))
    assert len(found) > 15
    records = [{"record": f"q{i}", "expr": expr.replace("$__rate_interval", "1m")} for i, (_, expr) in enumerate(found)]
    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"groups": [{"name": "queries", "rules": records}]}))
    done = promtool("check", "rules", str(tmp_path / "rules.yaml"))
    assert done.returncode == 0, done.stdout + done.stderr
