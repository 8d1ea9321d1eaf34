"""Formatting: every C file is as clang-format 14 leaves it (other versions format differently)."""

import sys

import tree


def main() -> int:
    sources = tree.files(".c", ".h", folders=(*tree.PRODUCT, "tests"))
    findings = []
    for path in sources:
        out = tree.run("clang-format-14", "--dry-run", "--Werror", tree.name(path))
        if out.returncode != 0:
            findings.append(f"{tree.name(path)}: not formatted: clang-format-14 -i {tree.name(path)}")
    return tree.report("formatting", findings, len(sources))


if __name__ == "__main__":
    sys.exit(main())
