"""The README's option tables are what the programs print with --help-markdown, in both directions.

usage: readme_options.py PROGRAM...        --write rewrites the README instead of comparing.
"""

import re
import subprocess
import sys
from pathlib import Path

import tree

README = tree.ROOT / "README.md"


def block_of(program: str) -> re.Pattern[str]:
    return re.compile(rf"(<!-- options: {program} -->\n)(.*?)(<!-- end -->)", re.S)


def main() -> int:
    programs = [a for a in sys.argv[1:] if a != "--write"]
    text = README.read_text()
    findings = []
    for path in programs:
        program = Path(path).name
        table = subprocess.run([path, "--help-markdown"], capture_output=True, text=True, check=True).stdout
        match = block_of(program).search(text)
        if match is None:
            findings.append(f"README.md has no block for {program}")
        elif "--write" in sys.argv:
            text = text[:match.start(2)] + table + text[match.end(2):]
        elif match.group(2) != table:
            findings.append(f"README.md: the options of {program} differ: tests/lint/readme_options.py --write {path}")
    if "--write" in sys.argv:
        README.write_text(text)
    return tree.report("readme_options", findings, len(programs))


if __name__ == "__main__":
    sys.exit(main())
