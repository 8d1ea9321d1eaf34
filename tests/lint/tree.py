"""What the lint checks share: the project's C files and their text without comments."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PRODUCT = ("common", "ingest", "loader")


def files(*endings: str, folders: tuple[str, ...] = PRODUCT) -> list[Path]:
    """The files below the folders with one of the endings, in order."""
    found = [p for folder in folders for p in (ROOT / folder).rglob("*") if p.suffix in endings]
    return sorted(found)


def name(path: Path) -> str:
    """A file's name as people and includes write it: from the root on."""
    return path.relative_to(ROOT).as_posix()


def without_comments(text: str) -> str:
    """C text with comments blanked; line numbers stay. Strings that look like comments are kept."""
    pattern = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|/\*.*?\*/|//[^\n]*', re.S)

    def blank(match: re.Match[str]) -> str:
        token = match.group(0)
        return re.sub(r"[^\n]", " ", token) if token.startswith("/") else token

    return pattern.sub(blank, text)


def includes(path: Path) -> list[str]:
    """What a file includes, as written, with <> or "" around it."""
    return re.findall(r'^\s*#\s*include\s+([<"][^>"]+[>"])', path.read_text(), re.M)


def report(check: str, findings: list[str], looked_at: int) -> int:
    """Prints findings and the verdict; the exit code. A check that looked at nothing has failed."""
    for finding in findings:
        print(finding)
    if looked_at == 0:
        print(f"{check}: nothing was looked at")
        return 1
    print(f"{check}: {looked_at} looked at, {len(findings)} findings")
    return 1 if findings else 0


def run(*command: str, **kwargs) -> subprocess.CompletedProcess[str]:
    """Runs a tool and gives its text; the caller judges the exit code."""
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, **kwargs)
