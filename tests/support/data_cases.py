"""Reads tests/data (formats: tests/data/README.md)."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mapping_oracle import Options, Record

DATA = Path(__file__).resolve().parent.parent / "data"

DEFAULT_HEADERS = {
    "v": "1",
    "source": "stitch-segment",
    "schema": "stitch_segment",
    "received-at": "1796378405000",  # 2026-12-04T10:00:05Z
    "seq": "7",
    "via": "webhook",
    "auth": "token",
    "request-id": "r1",
}


@dataclass(frozen=True)
class Step:
    """One record and what must become of it; `columns` are in its table from before this step on."""

    record: Record
    columns: dict[str, str]
    expect: dict[str, Any]


@dataclass(frozen=True)
class Case:
    """Steps on tables of their own; `reading` names the choice that the case hangs on."""

    name: str
    reading: str | None
    options: Options
    steps: list[Step]


@dataclass(frozen=True)
class Body:
    """A request body and its answer: status, reasons of the rejected events, message ids of the rows."""

    name: str
    data: bytes
    content_type: str
    status: int
    rejected: list[str]
    accepted: list[str]


def _step(entry: dict[str, Any]) -> Step:
    event = entry["event"].encode() if "event" in entry else base64.b64decode(entry["event_base64"])
    headers: dict[str, str | None] = {**DEFAULT_HEADERS, **entry.get("headers", {})}
    present = {name: value for name, value in headers.items() if value is not None}
    return Step(Record(event, entry.get("topic", "track"), present), entry.get("columns", {}), entry["expect"])


def _case(entry: dict[str, Any]) -> Case:
    options: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in entry.get("options", {}).items()
    }
    return Case(entry["name"], entry.get("reading"), Options(**options), [_step(step) for step in entry["steps"]])


def read_cases(file: Path) -> list[Case]:
    """The mapping cases of one file."""
    return [_case(entry) for entry in json.loads(file.read_text(encoding="utf-8"))]


def load_cases() -> list[Case]:
    """All mapping cases of all files, in the order of file names."""
    return [case for file in sorted((DATA / "mapping").glob("*.json")) for case in read_cases(file)]


def _body(entry: dict[str, Any]) -> Body:
    if "file" in entry:
        data = (DATA / "malformed" / entry["file"]).read_bytes()
    else:
        data = "".join(_repeat(text, times) for text, times in entry["build"]).encode()
    content_type = entry.get("content_type", "application/json")
    return Body(entry["name"], data, content_type, entry["status"], entry["rejected"], entry["accepted"])


def _repeat(text: str, times: int) -> str:
    return "".join(text.replace("{i}", str(i)) for i in range(times)) if "{i}" in text else text * times


def load_malformed() -> list[Body]:
    """All bodies of malformed/index.json."""
    return [_body(entry) for entry in json.loads((DATA / "malformed" / "index.json").read_text(encoding="utf-8"))]
