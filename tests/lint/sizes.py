"""Sizes: lines of files and functions, parameters, mutable externs, and the functions that are banned."""

import json
import re
import sys
from pathlib import Path

import tree

MAX_FUNCTION_LINES = 60
MAX_PARAMETERS = 6
MAX_SOURCE_LINES = 500
MAX_HEADER_LINES = 150

# Unbounded writes, silent number parsing, hidden state.
BANNED = ("strcpy", "strcat", "sprintf", "vsprintf", "gets", "strtok", "atoi", "atol", "atoll", "atof", "asctime",
          "ctime", "gmtime", "localtime", "strerror", "alloca", "usleep", "sleep")


def functions(path: Path) -> list[dict]:
    out = tree.run("ctags", "--output-format=json", "--kinds-C=f", "--fields=+neS", "-f", "-", tree.name(path))
    return [json.loads(line) for line in out.stdout.splitlines()]


def parameters(signature: str) -> int:
    inner = signature.strip()[1:-1].strip()
    if inner in ("", "void"):
        return 0
    depth = 0
    count = 1
    for c in inner:
        depth += (c in "([") - (c in ")]")
        count += c == "," and depth == 0
    return count


def function_findings(path: Path) -> list[str]:
    findings = []
    for f in functions(path):
        lines = f.get("end", f["line"]) - f["line"] + 1
        where = f"{tree.name(path)}:{f['line']}: {f['name']}"
        if lines > MAX_FUNCTION_LINES:
            findings.append(f"{where} has {lines} lines (at most {MAX_FUNCTION_LINES})")
        count = parameters(f.get("signature", "()"))
        if count > MAX_PARAMETERS:
            findings.append(f"{where} has {count} parameters (at most {MAX_PARAMETERS})")
    return findings


def text_findings(path: Path) -> list[str]:
    name = tree.name(path)
    text = path.read_text()
    limit = MAX_HEADER_LINES if path.suffix == ".h" else MAX_SOURCE_LINES
    lines = text.count("\n")
    findings = [f"{name} has {lines} lines (at most {limit})"] if lines > limit else []
    code = tree.without_comments(text)
    for banned in BANNED:
        for match in re.finditer(rf"(?<![\w.>]){banned}\s*\(", code):
            findings.append(f"{name}:{code[:match.start()].count(chr(10)) + 1}: {banned} is banned")
    if path.suffix == ".h":
        for match in re.finditer(r"^extern (?!const )[^(]*;", code, re.M):
            findings.append(f"{name}: mutable extern: {match.group(0)}")
    return findings


def main() -> int:
    sources = tree.files(".c", ".h")
    findings = []
    for path in sources:
        findings += text_findings(path)
        findings += function_findings(path) if path.suffix == ".c" else []
    return tree.report("sizes", findings, len(sources))


if __name__ == "__main__":
    sys.exit(main())
