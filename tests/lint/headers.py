"""Headers: each has a block that says what the module is for, a guard by its path, a comment above every prototype, and compiles alone."""

import re
import sys
from pathlib import Path

import tree

PROTOTYPE = re.compile(r"^(?!typedef|static|#|extern|struct \w+;|enum \w+;)[A-Za-z_][\w\s\*]*\b(\w+)\(", re.M)


def guard_of(path: str) -> str:
    return re.sub(r"[^A-Z0-9]", "_", path.upper())


def undocumented(text: str) -> list[str]:
    """Prototypes with no comment above them; a run of prototypes without a blank line shares the comment above it."""
    found = []
    is_covered = False
    in_comment = False
    depth = 0
    for line in text.splitlines():
        stripped = line.strip()
        if in_comment or stripped.startswith("/*"):
            in_comment = "*/" not in stripped
            is_covered = True
            continue
        if not stripped:
            is_covered = False
            continue
        match = PROTOTYPE.match(line)
        if depth == 0 and match and not is_covered:
            found.append(match.group(1))
        depth += line.count("{") - line.count("}")
    return found


def findings_of(path: Path) -> list[str]:
    name = tree.name(path)
    text = path.read_text()
    findings = []
    if not text.startswith(f"/* {path.stem}:"):
        findings.append(f"{name}: does not begin with '/* {path.stem}: what it is for'")
    if f"#ifndef {guard_of(name)}\n#define {guard_of(name)}\n" not in text:
        findings.append(f"{name}: its guard is not {guard_of(name)}")
    findings += [f"{name}: {f} has no comment above it" for f in undocumented(text)]
    alone = tree.run("cc", "-std=c11", "-D_POSIX_C_SOURCE=200809L", "-Wall", "-Wextra", "-Werror",
                     "-fsyntax-only", "-I.", "-x", "c", name)
    if alone.returncode != 0:
        findings.append(f"{name}: does not compile alone\n{alone.stderr}")
    return findings


def main() -> int:
    headers = tree.files(".h", folders=(*tree.PRODUCT, "tests"))
    findings = [finding for path in headers for finding in findings_of(path)]
    return tree.report("headers", findings, len(headers))


if __name__ == "__main__":
    sys.exit(main())
