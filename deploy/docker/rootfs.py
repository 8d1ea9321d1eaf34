"""Lays out the root folder of an image: a program, the libraries it needs, CA certificates, and what they are.

usage: rootfs.py PROGRAM FOLDER COMMIT

Runs in the build stage of the Containerfile, on Debian. Every file copied here comes from a Debian package, but for the
program; which package and version is written down twice: for scanners as dpkg does (var/lib/dpkg/status.d), and as an
SPDX 2.3 document (usr/share/sbom/<program>.spdx.json). SOURCE_DATE_EPOCH is the date in it.
"""

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

USER = 65532
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
# Where our programs and their libraries look, beside their own files: names of hosts, OpenSSL's settings, what runs here.
SETTINGS = (Path("/etc/ssl/openssl.cnf"), Path("/usr/lib/os-release"))
PASSWD = f"root:x:0:0:root:/:/sbin/nologin\nbackstitch:x:{USER}:{USER}:backstitch:/:/sbin/nologin\n"
GROUP = f"root:x:0:\nbackstitch:x:{USER}:\n"
NSSWITCH = "passwd: files\ngroup: files\nhosts: files dns\n"


@dataclass(frozen=True)
class Package:
    name: str
    version: str
    architecture: str
    source: str
    homepage: str


def output(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def libraries(program: Path) -> list[Path]:
    """The program's shared libraries and its loader, as ldd resolves them."""
    found = re.findall(r"(?:=> )?(/\S+) \(0x", output("ldd", str(program)))
    return sorted({Path(path) for path in found})


def copy(path: Path, folder: Path) -> None:
    """Copies a file to its real place (/lib is a link to usr/lib), under the name that it is asked for by."""
    parent = path.parent.resolve()
    target = folder / parent.relative_to("/") / path.name
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy2(path.resolve(), target)


def package_of(path: Path) -> Package:
    """The package that owns the file; older packages own it by its name below /lib."""
    real = path.resolve()
    for candidate in (real, Path("/") / real.relative_to("/usr")) if real.is_relative_to("/usr") else (real,):
        found = subprocess.run(["dpkg-query", "-S", str(candidate)], capture_output=True, text=True, check=False)
        if found.returncode == 0:
            return package_facts(found.stdout.split(": ")[0].split(",")[0])
    sys.exit(f"rootfs: no package owns {path}")


def package_facts(name: str) -> Package:
    form = "${Package}\t${Version}\t${Architecture}\t${source:Package}\t${Homepage}"
    return Package(*output("dpkg-query", "-W", f"-f={form}", name).split("\t"))


def write_dpkg_status(packages: list[Package], folder: Path) -> None:
    status = folder / "var/lib/dpkg/status.d"
    status.mkdir(parents=True)
    for p in packages:
        (status / p.name).write_text(f"Package: {p.name}\nStatus: install ok installed\nArchitecture: {p.architecture}\n"
                                     f"Source: {p.source}\nVersion: {p.version}\n")
        licence = Path("/usr/share/doc") / p.name / "copyright"
        if licence.exists():
            copy(licence, folder)


def spdx(program: Path, commit: str, packages: list[Package]) -> dict[str, object]:
    digest = hashlib.sha256(program.read_bytes()).hexdigest()
    version = output(str(program), "--version").split()[-1]
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", "0"))))
    release = dict(re.findall(r'^(\w+)="?([^"\n]*)', Path("/usr/lib/os-release").read_text(), re.M))
    own = {"SPDXID": "SPDXRef-program", "name": program.name, "versionInfo": version, "downloadLocation": "NOASSERTION",
           "filesAnalyzed": False, "sourceInfo": f"commit {commit}", "checksums": [{"algorithm": "SHA256", "checksumValue": digest}]}
    theirs = [{"SPDXID": f"SPDXRef-{re.sub('[^A-Za-z0-9.-]', '-', p.name)}", "name": p.name, "versionInfo": p.version,
               "supplier": "Organization: Debian", "downloadLocation": p.homepage or "NOASSERTION", "filesAnalyzed": False,
               "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl",
                                 "referenceLocator": f"pkg:deb/debian/{p.name}@{p.version}?arch={p.architecture}"
                                                     f"&distro={release['ID']}-{release['VERSION_ID']}"}]} for p in packages]
    relations = [{"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-program"}]
    relations += [{"spdxElementId": "SPDXRef-program", "relationshipType": "DEPENDS_ON", "relatedSpdxElement": p["SPDXID"]} for p in theirs]
    return {"spdxVersion": "SPDX-2.3", "dataLicense": "CC0-1.0", "SPDXID": "SPDXRef-DOCUMENT", "name": f"{program.name}-{version}",
            "documentNamespace": f"https://spdx.org/spdxdocs/{program.name}-{digest}",
            "creationInfo": {"created": created, "creators": ["Tool: rootfs.py"]}, "packages": [own, *theirs], "relationships": relations}


def write_text(folder: Path, name: str, text: str) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def main() -> None:
    program, folder, commit = Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]
    for link in ("lib", "lib64", "bin", "sbin"):
        (folder / "usr" / link).mkdir(parents=True)
        (folder / link).symlink_to(f"usr/{link}")
    shutil.copy2(program, folder / "usr/bin" / program.name)
    (folder / "tmp").mkdir()
    (folder / "tmp").chmod(0o1777)
    needed = libraries(program)
    for path in (*needed, *SETTINGS, CERTIFICATES):
        copy(path, folder)
    write_text(folder, "etc/passwd", PASSWD)
    write_text(folder, "etc/group", GROUP)
    write_text(folder, "etc/nsswitch.conf", NSSWITCH)
    (folder / "etc/os-release").symlink_to("../usr/lib/os-release")
    packages = sorted({package_of(path) for path in (*needed, *SETTINGS)} | {package_facts("ca-certificates")}, key=lambda p: p.name)
    write_dpkg_status(packages, folder)
    write_text(folder, f"usr/share/sbom/{program.name}.spdx.json", json.dumps(spdx(program, commit, packages), indent=1) + "\n")
    print(f"{program.name}: {len(needed)} libraries of {len(packages)} packages")


if __name__ == "__main__":
    main()
