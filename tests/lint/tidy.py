"""clang-tidy: the checks of .clang-tidy over all product sources, compiled as the build compiles them.

usage: tidy.py BUILD-FOLDER        which has compile_commands.json and the generated sources
"""

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import tree

# A third of the analyzer's default work per function: it found the same in all sources, in less than half the time.
FASTER_ANALYZER = [f"--extra-arg={word}" for word in ("-Xclang", "-analyzer-config", "-Xclang", "max-nodes=75000")]


def findings_of(source: Path, build: str) -> list[str]:
    out = tree.run("clang-tidy-14", "--quiet", "-p", build, *FASTER_ANALYZER, tree.name(source))
    found = [line.replace(f"{tree.ROOT}/", "") for line in out.stdout.splitlines() if ": error: " in line or ": warning: " in line]
    if out.returncode != 0 and not found:
        found = [f"{tree.name(source)}: clang-tidy failed: {out.stderr.strip()}"]
    return found


def main() -> int:
    build = sys.argv[1]
    sources = tree.files(".c")
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        results = pool.map(lambda source: findings_of(source, build), sources)
    # A header's finding comes once for each source that includes it.
    findings = sorted({finding for result in results for finding in result})
    return tree.report("tidy", findings, len(sources))


if __name__ == "__main__":
    sys.exit(main())
