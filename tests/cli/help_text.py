"""What a program's --help says of its commands and options, as data: the conformance checks are made from it, so a new option is
tested as soon as it is there."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

UNITS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000,
         "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40, "": 1}
KIND_OF_VALUE = {"DURATION": "duration", "SIZE": "size", "COUNT": "count", "CHOICE": "choice", "ADDRESS:PORT": "listen", "ADDRESS:PORT,..": "listen",
                 "": "switch"}
SMALLEST_UNIT = {"duration": "ms", "size": "B", "count": ""}
NUMBERS = tuple(SMALLEST_UNIT)


@dataclass(frozen=True)
class Option:
    flag: str  # "--listen"; "" when only the environment can set it
    value: str  # "ADDRESS:PORT"; "" for a switch
    kind: str  # "duration", "size", "count", "choice", "listen", "switch", "text"
    env: str  # "INGEST_LISTEN"; "" for a command's own flag
    default: str | None
    is_secret: bool
    low: int | None
    high: int | None
    choices: tuple[str, ...]

    @property
    def is_checked(self) -> bool:
        """True when there are values that it refuses."""
        return self.kind not in ("text", "switch")


@dataclass
class Page:
    """One --help text."""
    usage: str
    commands: dict[str, str] = field(default_factory=dict)  # name -> summary
    options: list[Option] = field(default_factory=list)  # the program's
    flags: list[Option] = field(default_factory=list)  # the command's own
    has_json: bool = False


def number(text: str) -> int:
    """'1500ms' -> 1500, '1MiB' -> 1048576, '12' -> 12."""
    digits, unit = re.fullmatch(r"(\d+)([A-Za-z]*)", text).groups()
    return int(digits) * UNITS[unit]


def limits(meaning: str) -> tuple[str, int | None, int | None]:
    """The kind that the words at the end of the meaning name, and its limits."""
    match = re.search(r"; a (duration|size|whole number)(?: from (\S+) to (\S+)| of at least (\S+))$", meaning)
    if match is None:
        return "", None, None
    kind, low, high, least = match.groups()
    return kind.replace("whole number", "count"), number(low or least), number(high) if high else None


def read_option(entry: str) -> Option:
    """An option's lines, joined: '--threads COUNT  request threads; .. [INGEST_THREADS, default 4]'."""
    flag, value, meaning = re.fullmatch(r"(--[\w-]+|\(environment only\)) ?(\S*)\s{2,}(.*)", entry).groups()
    bracket = re.search(r" \[(?:(?P<env>[A-Z][A-Z_]+)(?P<file> or \.\._FILE)?(?:, )?)?(?:default (?P<default>.*))?\]$", meaning)
    env, file, default = bracket.group("env", "file", "default") if bracket else ("", None, None)
    meaning = meaning[:bracket.start()] if bracket else meaning
    kind, low, high = limits(meaning)
    choices = re.search(r"; ((?:\w+, )*\w+ or \w+)$", meaning)
    is_environment_only = flag.startswith("(")
    return Option(flag="" if is_environment_only else flag, value=value, kind=kind or KIND_OF_VALUE.get(value, "text"), env=env or "",
                  default=default, is_secret=is_environment_only or bool(file and flag.endswith("-file")), low=low, high=high,
                  choices=tuple(re.split(r", | or ", choices.group(1))) if choices and value == "CHOICE" else ())


def sections(text: str) -> dict[str, list[str]]:
    """Headings ('Commands:', 'Options of ..:') with the indented lines below them, continuation lines joined."""
    found: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if line.endswith(":") and not line.startswith(" "):
            lines = found.setdefault(line, [])
        elif line.startswith(" " * 20) and lines:
            lines[-1] += ("  " if lines[-1].count("  ") == 0 else " ") + line.strip()
        elif line.startswith("  "):
            lines.append(line.strip())
    return found


def read_page(text: str) -> Page:
    page = Page(usage=text.splitlines()[0])
    for heading, lines in sections(text).items():
        if heading == "Commands:":
            page.commands = dict(re.split(r"\s{2,}", line, maxsplit=1) for line in lines)
        elif heading.startswith(("Options of", "Flags of")):
            into = page.options if heading.startswith("Options") else page.flags
            page.has_json = page.has_json or any(line.startswith("--json ") for line in lines)
            into += [read_option(line) for line in lines if not line.startswith(("--json ", "--help ", "--version "))]
    return page
