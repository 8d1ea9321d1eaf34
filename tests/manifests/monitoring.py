"""The alerts of deploy/monitoring: promtool's unit tests from the table in tests/alerts.yaml, and the same rules as an object
of the Prometheus operator.

usage: monitoring.py --write       makes deploy/monitoring/prometheusrule.yaml anew
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
MONITORING = ROOT / "deploy/monitoring"
RULES = MONITORING / "rules.yaml"
OPERATOR_RULES = MONITORING / "prometheusrule.yaml"
CASES = MONITORING / "tests/alerts.yaml"
HEADER = "# Made of rules.yaml by tests/manifests/monitoring.py --write.\n"
# Metrics of the contract that the programs do not have yet; this list ends empty.
AHEAD: set[str] = set()


class Plain(yaml.SafeDumper):
    """Long texts stay on one line each; lists are indented as elsewhere in deploy/."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)


def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


def operator_rules() -> str:
    """rules.yaml as a PrometheusRule."""
    document = {"apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule",
                "metadata": {"name": "backstitch", "labels": {"app.kubernetes.io/name": "backstitch"}},
                "spec": yaml.safe_load(RULES.read_text())}
    return HEADER + yaml.dump(document, Dumper=Plain, sort_keys=False, width=1000)


def unit_tests() -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """For each alert of the table: the rules that it needs, and promtool's form of its test: the number of firing alerts at three
    moments. All rules in every test would take minutes."""
    recorded = [rule for rule in rules() if "record" in rule]
    found = []
    for name, case in yaml.safe_load(CASES.read_text()).items():
        alert = next(rule for rule in alerts() if rule["alert"] == name)
        needed = [rule for rule in recorded if rule["record"] in alert["expr"]]
        firing = f'count(ALERTS{{alertname="{name}",alertstate="firing"}}) or vector(0)'
        moments = ((case["quiet"], 0), (case["fires"], 1), (case["heals"], 0))
        interval = case.get("interval", "1m")
        test = {"name": name, "interval": interval,
                "input_series": [{"series": series, "values": values} for series, values in case["series"].items()],
                "promql_expr_test": [{"expr": firing, "eval_time": at, "exp_samples": [{"labels": "{}", "value": value}]} for at, value in moments]}
        found.append(({"groups": [{"name": name, "rules": [*needed, alert]}]},
                      {"rule_files": ["rules.yaml"], "evaluation_interval": interval, "tests": [test]}))
    return found


def promtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    program = shutil.which("promtool", path=f"{ROOT}/build/tools:{os.environ['PATH']}")
    assert program, "promtool is not there: tests/run manifests fetches it"
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


def metrics_in(expression: str) -> set[str]:
    """Names of our metrics in a query, without what histograms add."""
    names = set(re.findall(r"\b(?:ingest|loader|process|build)_[a-z_]+\b", re.sub(r'"[^"]*"', "", expression)))
    return {re.sub(r"_(bucket|count|sum)$", "", name) for name in names}


if __name__ == "__main__":
    if sys.argv[1:] != ["--write"]:
        sys.exit(__doc__)
    OPERATOR_RULES.write_text(operator_rules())
