"""The images of deploy/docker, built with podman on a Debian that debootstrap made: no registry is needed."""

from __future__ import annotations

import os
import subprocess
import tempfile
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]
CONTAINERS_CONF = CHECKOUT / "tests/kubernetes/cluster/containers.conf"
RELEASE = "trixie"
BASE = f"localhost/backstitch-base:{RELEASE}"
TARGETS = ("ingest", "loader")


def podman(*arguments: str, stdin: bytes = b"", check: bool = True) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(["podman", *arguments], input=stdin, capture_output=True, check=False,
                          env={**os.environ, "CONTAINERS_CONF": str(CONTAINERS_CONF)})
    text = subprocess.CompletedProcess(done.args, done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
    assert not check or text.returncode == 0, f"podman {' '.join(arguments)}: {text.stdout[-1000:]}{text.stderr[-3000:]}"
    return text


def base_image() -> str:
    """Made once on a machine."""
    if podman("image", "exists", BASE, check=False).returncode != 0:
        with tempfile.TemporaryDirectory() as folder:
            done = subprocess.run(["debootstrap", "--variant=minbase", RELEASE, f"{folder}/root"], capture_output=True, text=True, check=False)
            assert done.returncode == 0, done.stdout[-2000:]
            subprocess.run(["tar", "-C", f"{folder}/root", "-cf", f"{folder}/root.tar", "."], check=True)
            podman("import", "-q", f"{folder}/root.tar", BASE)
    return BASE


def build_images() -> dict[str, str]:
    """Both images of the commit that is checked out, by target. The build runs the unit tests."""
    done = subprocess.run([str(CHECKOUT / "deploy/docker/build"), "--engine", "podman", "--base", base_image(), "--prefix", "localhost/",
                           "--network", "host"], capture_output=True, text=True, check=False,
                          env={**os.environ, "CONTAINERS_CONF": str(CONTAINERS_CONF)})
    assert done.returncode == 0, done.stderr[-4000:]
    return dict(zip(TARGETS, done.stdout.split(), strict=True))

