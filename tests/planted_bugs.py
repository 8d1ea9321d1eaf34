#!/usr/bin/env python3
"""planted_bugs: do the tests see what they are there for? Plants one bug after another in a scratch copy and runs them.

A bug is a patch in tests/planted/, with lines before it that say what it is and who should see it:

    Bug: acknowledged before the disk was synced
    Preset: dev                                     (or asan, where memory is what is wrong)
    Tests: unit.spool_crash unit.spool              (names of CTest)

Of each the script says which of these tests failed. A bug that none saw, a patch that does not apply any more, a test that
fails without any bug: exit code 1. Prints the table of tests/README.md; --write puts it there.

usage: planted_bugs.py [--write] [--scratch FOLDER] [PATCH...]
"""

from __future__ import annotations

import argparse
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "tests" / "README.md"
BLOCK = re.compile(r"(<!-- planted bugs -->\n)(.*?)(<!-- end -->)", re.S)
TEST_SECONDS = "120"


@dataclass(frozen=True)
class Bug:
    patch: Path
    what: str
    preset: str
    tests: list[str]

    @staticmethod
    def read(patch: Path) -> Bug:
        head = dict(line.split(": ", 1) for line in patch.read_text().split("\n\n", 1)[0].splitlines())
        return Bug(patch, head["Bug"], head.get("Preset", "dev"), head["Tests"].split())


class Failed(Exception):
    """With what to do in its text."""


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=folder, text=True, capture_output=True, stdin=subprocess.DEVNULL, check=False)


def must(folder: Path, *command: str) -> str:
    done = run(folder, *command)
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)}: exit code {done.returncode}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


def copy_to(folder: Path) -> None:
    """What git knows or would add: not the build folders."""
    names = must(ROOT, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard").split("\0")
    for name in filter(None, names):
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            if not (folder / name).exists() or (folder / name).read_bytes() != (ROOT / name).read_bytes():
                shutil.copy2(ROOT / name, folder / name)


def target_of(test: str) -> str:
    return "test_" + test.split(".", 1)[1]


def source_of(test: str) -> str:
    return "simulate.c" if test == "unit.simulation" else f"{target_of(test)}.c"


def failing(folder: Path, preset: str, tests: list[str]) -> tuple[list[str], str]:
    """Those of the tests that fail, once they are built; and what was printed."""
    must(folder, "cmake", "--build", "--preset", preset, "--target", *sorted({target_of(test) for test in tests}))
    names = "|".join(map(re.escape, tests))
    done = run(folder, "ctest", "--test-dir", f"build/{preset}", "-R", f"^({names})$", "--timeout", TEST_SECONDS, "--no-tests=error",
               "--output-on-failure")
    if sorted(re.findall(r"^ *\d+/\d+ Test +#\d+: (\S+) ", done.stdout, re.M)) != sorted(tests):
        raise Failed(f"not all of {tests} ran:\n{done.stdout}{done.stderr}")
    return [test for test in tests if not re.search(rf"#\d+: {re.escape(test)} \.+ +Passed", done.stdout)], done.stdout


def judge(folder: Path, bug: Bug) -> list[str]:
    """Who saw it. The scratch copy is as before afterwards."""
    must(folder, "git", "apply", "-p1", "--recount", str(bug.patch))
    try:
        return failing(folder, bug.preset, bug.tests)[0]
    finally:
        must(folder, "git", "apply", "-p1", "--recount", "-R", str(bug.patch))


def table(rows: list[tuple[Bug, list[str]]]) -> str:
    lines = ["| planted bug | seen by |", "|---|---|"]
    for bug, seen in rows:
        names = ", ".join(f"`{source_of(test)}`" for test in seen) or "**nobody**"
        lines.append(f"| {bug.what} | {names}{' under the address sanitizer' * (bug.preset == 'asan')} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true", help="put the table into tests/README.md")
    parser.add_argument("patches", nargs="*", type=Path, help="only these (default: all of tests/planted)")
    parser.add_argument("--scratch", type=Path, help="keep the copy and its builds there: a second run builds only what has changed")
    arguments = parser.parse_args()
    bugs = [Bug.read(patch.resolve()) for patch in arguments.patches or sorted((ROOT / "tests" / "planted").glob("*.patch"))]
    with tempfile.TemporaryDirectory(prefix="backstitch-planted-") as scratch:
        folder = (arguments.scratch or Path(scratch)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        try:
            copy_to(folder)
            for preset in sorted({bug.preset for bug in bugs}):
                must(folder, "cmake", "--preset", preset)
                ill, text = failing(folder, preset, sorted({test for bug in bugs if bug.preset == preset for test in bug.tests}))
                if ill:
                    raise Failed(f"{ill} fail without any bug:\n{text}")
            rows = []
            for bug in bugs:
                rows.append((bug, judge(folder, bug)))
                print(f"{bug.what}: {', '.join(rows[-1][1]) or 'NOBODY saw it'}", file=sys.stderr, flush=True)
        except Failed as problem:
            print(f"planted_bugs: {problem}", file=sys.stderr)
            return 1
    print(table(rows), end="")
    if arguments.write:
        README.write_text(BLOCK.sub(lambda found: found[1] + table(rows) + found[3], README.read_text()))
    print(f"planted_bugs: {len(rows)} planted, {sum(bool(seen) for _, seen in rows)} seen")
    return 0 if rows and all(seen for _, seen in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
