"""Formatting: every C file is as clang-format 14 leaves it (other versions format differently)."""

import re
import sys

import tree

# "loader/run.c:12:5: error: code should be clang-formatted [-Wclang-format-violations]"
COMPLAINT = re.compile(r"^(.+?):\d+:\d+: error: ", re.MULTILINE)


def main() -> int:
    names = [tree.name(path) for path in tree.files(".c", ".h", folders=(*tree.PRODUCT, "tests"))]
    out = tree.run("clang-format-14", "--dry-run", "--Werror", *names)
    wrong = sorted(set(COMPLAINT.findall(out.stderr)))
    findings = [f"{name}: not formatted: clang-format-14 -i {name}" for name in wrong]
    if out.returncode != 0 and not findings:
        findings.append(f"clang-format-14 failed: {out.stderr}")
    return tree.report("formatting", findings, len(names))


if __name__ == "__main__":
    sys.exit(main())
