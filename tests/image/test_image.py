"""The images of both programs: what is in them, what is not, and that they are the commit's. Building them has run the unit
tests on Debian 13 (deploy/docker/Containerfile)."""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from images import CHECKOUT, CONTAINERS_CONF, TARGETS, base_image, build_images, podman  # noqa: E402

MAX_BYTES = 60_000_000
FOREIGN = {"sh", "bash", "dash", "busybox", "apt", "apt-get", "dpkg", "perl", "python3"}


@pytest.fixture(scope="module")
def images() -> dict[str, str]:
    return build_images()


@pytest.fixture(scope="module")
def commit(images: dict[str, str]) -> str:
    """Of which they were built: the tag, unless told otherwise."""
    return images["ingest"].rpartition(":")[2]


@pytest.fixture(scope="module")
def contents(images: dict[str, str]) -> dict[str, dict[str, tarfile.TarInfo]]:
    """Every file of each image, by its path."""
    return {target: {entry.name: entry for entry in files(image)} for target, image in images.items()}


def files(image: str) -> list[tarfile.TarInfo]:
    with archive(image) as found:
        return found.getmembers()


def archive(image: str) -> tarfile.TarFile:
    """The image's file system."""
    container = podman("create", image).stdout.strip()
    try:
        done = subprocess.run(["podman", "export", container], capture_output=True, check=True,
                              env={**os.environ, "CONTAINERS_CONF": str(CONTAINERS_CONF)})
    finally:
        podman("rm", container)
    return tarfile.open(fileobj=io.BytesIO(done.stdout))


def read(image: str, path: str) -> bytes:
    with archive(image) as found:
        member = found.extractfile(path)
        assert member is not None, path
        return member.read()


@pytest.mark.parametrize("target", TARGETS)
def test_is_small(images: dict[str, str], target: str) -> None:
    size = int(podman("image", "inspect", "-f", "{{.Size}}", images[target]).stdout)
    print(f"{target}: {size / 1e6:.1f} MB")
    assert size <= MAX_BYTES


@pytest.mark.parametrize("target", TARGETS)
def test_says_its_commit(images: dict[str, str], commit: str, target: str) -> None:
    said = podman("run", "--rm", "--network", "none", "--read-only", images[target], "--version").stdout
    assert said.startswith(f"backstitch-{target} ") and said.rstrip().endswith(f"+g{commit}")
    labels = json.loads(podman("image", "inspect", "-f", "{{json .Labels}}", images[target]).stdout)
    assert labels["org.opencontainers.image.revision"] == commit
    assert labels["org.opencontainers.image.title"] == f"backstitch-{target}" and labels["org.opencontainers.image.description"]


@pytest.mark.parametrize("target", TARGETS)
def test_runs_as_nobody_with_nothing_beside_it(images: dict[str, str], contents: dict[str, dict[str, tarfile.TarInfo]], target: str) -> None:
    assert podman("image", "inspect", "-f", "{{.User}}", images[target]).stdout.strip() == "65532:65532"
    names = {Path(name).name for name, entry in contents[target].items() if not entry.isdir()}
    assert not names & FOREIGN, names & FOREIGN
    assert [name for name in contents[target] if name.startswith("usr/bin/") and contents[target][name].isfile()] == [f"usr/bin/backstitch-{target}"]
    assert not [name for name, entry in contents[target].items() if entry.isfile() and entry.mode & 0o6000], "setuid"


@pytest.mark.parametrize("target", TARGETS)
def test_names_what_is_missing(images: dict[str, str], target: str) -> None:
    """A container without configuration ends with an exit code and words, not with a trace."""
    settings = {"ingest": ("INGEST_SOURCES_FILE=/nowhere.json", "/nowhere.json"), "loader": ("DATABASE_URL_FILE=/nowhere", "DATABASE_URL_FILE")}
    setting, named = settings[target]
    done = podman("run", "--rm", "--network", "none", "--read-only", "-e", setting, images[target], check=False)
    assert done.returncode == 2 and named in done.stderr, done.stderr


@pytest.mark.parametrize("target", TARGETS)
def test_lists_what_is_inside(images: dict[str, str], contents: dict[str, dict[str, tarfile.TarInfo]], target: str) -> None:
    document = json.loads(read(images[target], f"usr/share/sbom/backstitch-{target}.spdx.json"))
    assert document["spdxVersion"] == "SPDX-2.3"
    packages = {package["name"]: package for package in document["packages"]}
    program = hashlib.sha256(read(images[target], f"usr/bin/backstitch-{target}")).hexdigest()
    assert packages[f"backstitch-{target}"]["checksums"][0]["checksumValue"] == program
    assert {"librdkafka1", "libc6", "ca-certificates"} <= packages.keys()
    # What a scanner reads is the same list.
    status = {Path(name).name for name in contents[target] if name.startswith("var/lib/dpkg/status.d/")}
    assert status == packages.keys() - {f"backstitch-{target}"}
    assert "etc/ssl/certs/ca-certificates.crt" in contents[target]


def test_program_bytes_are_reproducible(images: dict[str, str], commit: str) -> None:
    """Built again, in another folder, the programs are the same to the byte."""
    podman("build", "-q", "-f", str(CHECKOUT / "deploy/docker/Containerfile"), "--target", "tools", "-t", "localhost/backstitch-tools",
           "--network", "host", "--build-arg", f"BASE={base_image()}", str(CHECKOUT / "deploy/docker"))
    source = subprocess.run(["git", "-C", str(CHECKOUT), "archive", commit], capture_output=True, check=True).stdout
    script = ("mkdir -p /another/folder && cd /another/folder && tar x && cmake --preset release -DBACKSTITCH_COMMIT=" + commit +
              " >&2 && cmake --build --preset release >&2 && cmake --install build/release --strip --prefix /out >&2"
              " && sha256sum /out/bin/backstitch-ingest /out/bin/backstitch-loader")
    again = podman("run", "--rm", "-i", "--network", "none", "localhost/backstitch-tools", "sh", "-c", script, stdin=source).stdout
    digests = dict(zip(TARGETS, (line.split()[0] for line in again.splitlines()), strict=True))
    for target in TARGETS:
        assert hashlib.sha256(read(images[target], f"usr/bin/backstitch-{target}")).hexdigest() == digests[target], target
