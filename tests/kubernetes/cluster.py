"""A real Kubernetes cluster on this machine (cluster/README.md), and what tests ask of it."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from waiting import wait_until

SCRIPTS = Path(__file__).resolve().parent / "cluster"
STATE = Path(os.environ.get("K8S_STATE", "/tmp/k8s-test"))
HOST = "10.250.0.1"  # this machine as pods see it

Object = dict[str, Any]


class Cluster:
    """kubectl, and the scripts that bring nodes and images."""

    def __init__(self) -> None:
        binaries = os.environ.get("K8S_BIN", str(Path.home() / ".cache/k8s-test/bin"))
        self.environment = {**os.environ, "KUBECONFIG": str(STATE / "admin.kubeconfig"), "PATH": f"{binaries}:{os.environ['PATH']}",
                            "CONTAINERS_CONF": str(SCRIPTS / "containers.conf")}

    # --- the machine --------------------------------------------------------------------------------------------------

    def script(self, name: str, *arguments: str, seconds: float = 300) -> None:
        """One of the scripts in cluster/. Servers that it starts outlive it, so its output goes to a file, not a pipe."""
        STATE.parent.mkdir(parents=True, exist_ok=True)
        with open(f"{STATE}-{Path(name).stem}.log", "w+", encoding="utf-8") as log:
            done = subprocess.run(["bash", str(SCRIPTS / name), *arguments], env=self.environment, stdin=subprocess.DEVNULL,
                                  stdout=log, stderr=log, timeout=seconds, check=False)
            log.seek(0)
            assert done.returncode == 0, f"{name} {' '.join(arguments)}: {log.read()[-3000:]}"

    def kill_node(self, number: int) -> None:
        """All of it at once, as when a machine loses its power."""
        self.script("node.sh", "kill", str(number))

    def start_node(self, number: int) -> None:
        self.script("node.sh", "start", str(number))

    def kill_container(self, pod: Object) -> None:
        """SIGKILL to the pod's program, as the kernel does it; the kubelet starts another."""
        container = pod["status"]["containerStatuses"][0]["containerID"].removeprefix("containerd://")
        done = subprocess.run(["ctr", "-a", f"/run/kt-{node_of(pod)}.sock", "-n", "k8s.io", "task", "kill", "--signal", "SIGKILL", container],
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr

    # --- kubectl ------------------------------------------------------------------------------------------------------

    def kubectl(self, *arguments: str, stdin: str = "", seconds: float = 120, check: bool = True) -> str:
        done = subprocess.run(["kubectl", *arguments], env=self.environment, input=stdin, capture_output=True, text=True,
                              timeout=seconds, check=False)
        assert not check or done.returncode == 0, f"kubectl {' '.join(arguments)}: {done.stderr}"
        return done.stdout if done.returncode == 0 else done.stderr


class Namespace:
    """The objects of one namespace."""

    def __init__(self, cluster: Cluster, name: str = "backstitch") -> None:
        self.cluster = cluster
        self.name = name

    def kubectl(self, *arguments: str, stdin: str = "", seconds: float = 120, check: bool = True) -> str:
        return self.cluster.kubectl("-n", self.name, *arguments, stdin=stdin, seconds=seconds, check=check)

    def get(self, kind: str, name: str) -> Object:
        found: Object = json.loads(self.kubectl("get", kind, name, "-o", "json"))
        return found

    def list(self, kind: str, component: str) -> list[Object]:
        text = self.kubectl("get", kind, "-l", f"app.kubernetes.io/component={component}", "-o", "json")
        items: list[Object] = json.loads(text)["items"]
        return items

    def pods(self, component: str) -> list[Object]:
        """Those that are not on their way out."""
        return [pod for pod in self.list("pods", component) if "deletionTimestamp" not in pod["metadata"]]

    def ready(self, component: str) -> list[Object]:
        return [pod for pod in self.pods(component) if is_ready(pod)]

    def wait_ready(self, component: str, count: int, seconds: float = 120) -> list[Object]:
        """Exactly `count` pods, all ready."""
        def found() -> list[Object] | None:
            pods = self.pods(component)
            return pods if len(pods) == count and all(map(is_ready, pods)) else None
        return wait_until(found, f"{count} ready pods of {component}", seconds) if count else []

    def wait_gone(self, component: str, seconds: float = 120) -> None:
        wait_until(lambda: not self.list("pods", component), f"no pods of {component}", seconds)

    def rollout(self, *targets: str, seconds: int = 180) -> None:
        for target in targets:
            self.kubectl("rollout", "status", target, f"--timeout={seconds}s", seconds=seconds + 10)

    def scale(self, target: str, replicas: int) -> None:
        self.kubectl("scale", target, f"--replicas={replicas}")

    def restarts(self) -> int:
        """Of both tiers, of the pods that are there."""
        return sum(status["restartCount"] for tier in ("ingest", "loader") for pod in self.pods(tier)
                   for status in pod["status"].get("containerStatuses", []))

    def logs(self, component: str) -> str:
        return self.kubectl("logs", "-l", f"app.kubernetes.io/component={component}", "--tail=-1", "--prefix", check=False)


def is_ready(pod: Object) -> bool:
    return any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))


def name_of(thing: Object) -> str:
    name: str = thing["metadata"]["name"]
    return name


def node_of(pod: Object) -> str:
    node: str = pod["spec"].get("nodeName", "")
    return node


def address_of(pod: Object) -> str:
    address: str = pod["status"]["podIP"]
    return address


def has_ended(pod: Object) -> Object | None:
    """How the pod's last container ended, when it did."""
    for status in pod["status"].get("containerStatuses", []):
        for state in (status.get("state", {}), status.get("lastState", {})):
            if "terminated" in state:
                ended: Object = state["terminated"]
                return ended
    return None
