"""The oracle against the cases: hand-written expectations, values printed by a real PostgreSQL, and the oracle must all agree."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import mapping_oracle as oracle
from data_cases import DATA, DEFAULT_HEADERS, Body, Case, Step, load_cases, load_malformed

CASES = load_cases()
BODIES = load_malformed()
STATUS_BY_SIZE_OR_HEADER = {"event too large": 200, "body too large": 413, "context too large": 413, "form-encoded body": 400}


def _check_row(step: Step, outcome: oracle.Outcome) -> None:
    expect = step.expect
    assert isinstance(outcome, oracle.Row), outcome
    assert outcome.table == expect["table"]
    assert outcome.row == expect["row"]
    assert outcome.stored == {**expect["row"], **expect.get("stored", {})}
    assert outcome.added == expect["added"]
    assert expect.get("comments", {}).items() <= outcome.comments.items()


def _check_other(expect: dict[str, Any], outcome: oracle.Outcome) -> None:
    if "suppressed" in expect:
        assert outcome == oracle.Suppressed(expect["suppressed"])
    elif "deletion" in expect:
        assert outcome == oracle.Deletion(**expect["deletion"])
    else:
        assert isinstance(outcome, oracle.Rejected), outcome
        assert {name: getattr(outcome, name) for name in expect["rejected"]} == expect["rejected"]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_oracle_agrees_with_case(case: Case) -> None:
    tables: dict[str, dict[str, str]] = {}
    for step in case.steps:
        table = step.expect.get("table", "track")
        columns = tables.setdefault(table, oracle.fixed_columns(table))
        columns.update(step.columns)
        outcome = oracle.expected(step.record, columns, case.options)
        if "row" in step.expect:
            _check_row(step, outcome)
            columns.update(step.expect["added"])
        else:
            _check_other(step.expect, outcome)


def test_case_names_are_unique_and_readings_are_documented() -> None:
    repeated = [name for name, count in Counter(case.name for case in CASES).items() if count > 1]
    assert repeated == []
    readme = (DATA / "README.md").read_text()
    assert [case.reading for case in CASES if case.reading and f"| {case.reading} |" not in readme] == []


def test_every_row_names_only_columns_that_exist_and_fit() -> None:
    for case in CASES:
        tables: dict[str, dict[str, str]] = {}
        for step in case.steps:
            if "row" not in step.expect:
                continue
            columns = tables.setdefault(step.expect["table"], oracle.fixed_columns(step.expect["table"]))
            columns.update(step.columns)
            assert not step.expect["added"].keys() & columns.keys(), case.name
            columns.update(step.expect["added"])
            assert step.expect["row"].keys() <= columns.keys(), case.name
            assert all(len(name.encode()) <= 63 for name in columns), case.name


@pytest.mark.parametrize(
    ("data", "crc"),
    [(b"", "00000000"), (b"123456789", "e3069283"), (bytes(32), "8a9136aa"), (b"\xff" * 32, "62a8ab43")],
)
def test_crc32c_gives_the_published_values(data: bytes, crc: str) -> None:
    assert oracle.crc32c(data) == crc


@pytest.mark.parametrize("vector", json.loads((DATA / "schema_names.json").read_text()), ids=lambda vector: vector["name"])
def test_schema_names_follow_the_rule(vector: dict[str, str | None]) -> None:
    assert oracle.schema_of(str(vector["name"])) == vector["schema"]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (1e15, "1e+15"),
        (123456789012345.0, "123456789012345"),
        (1e-4, "0.0001"),
        (1e-5, "1e-05"),
        (-0.5, "-0.5"),
        (5e-324, "5e-324"),
    ],
)
def test_doubles_print_as_in_postgresql(number: float, text: str) -> None:
    assert oracle.print_double(number) == text


def _judge(data: bytes) -> list[str]:
    """The reason for which a body of one event is rejected, if any."""
    outcome = oracle.expected(oracle.Record(data, "track", DEFAULT_HEADERS), None, oracle.Options())
    return [outcome.reason] if isinstance(outcome, oracle.Rejected) else []


def _loaded_id(data: bytes) -> list[str]:
    """The message id of the row that a body of one event becomes, if it does."""
    outcome = oracle.expected(oracle.Record(data, "track", DEFAULT_HEADERS), None, oracle.Options())
    return [outcome.row["message_id"]] if isinstance(outcome, oracle.Row) else []


def _elements(data: bytes) -> list[bytes]:
    """The elements of the first array in `data`, cut by matching brackets outside strings."""
    elements, depth, start = [], 0, data.index(b"[") + 1
    for mark in re.compile(rb'"(?:[^"\\]|\\.)*"|[][{},]', re.DOTALL).finditer(data, start):
        depth += {b"[": 1, b"{": 1, b"]": -1, b"}": -1}.get(mark[0], 0)
        if depth < 0 or (depth == 0 and mark[0] == b","):
            elements.append(data[start : mark.start()])
            start = mark.end()
        if depth < 0:
            break
    return [element for element in elements if element.strip()]


@pytest.mark.parametrize("body", BODIES, ids=lambda body: body.name)
def test_malformed_index_agrees_with_the_oracle(body: Body) -> None:
    by_size = [status for reason, status in STATUS_BY_SIZE_OR_HEADER.items() if reason in body.rejected]
    is_list = body.data.lstrip().startswith(b"[") or b'"batch":' in body.data
    if by_size:
        assert [body.status] == by_size
    elif is_list and body.status == 400:
        is_twice = body.name.startswith("batch_twice")
        assert is_twice or _judge(body.data) == body.rejected == ["not json"]
    elif is_list:
        assert [reason for element in _elements(body.data) for reason in _judge(element)] == body.rejected
        assert [id_ for element in _elements(body.data) for id_ in _loaded_id(element)] == body.accepted
    else:
        assert _judge(body.data) == body.rejected
        assert _loaded_id(body.data) == body.accepted
        is_final = body.rejected in (["not json"], ["invalid utf-8"], ["not an object"])
        assert body.status == (400 if is_final else 200)


def test_malformed_folder_and_index_name_the_same_files() -> None:
    entries = json.loads((DATA / "malformed" / "index.json").read_text())
    files = {path.name for path in (DATA / "malformed").iterdir()} - {"index.json"}
    assert {entry["file"] for entry in entries if "file" in entry} == files
    assert len({entry["name"] for entry in entries}) == len(entries)


@pytest.mark.parametrize("path", sorted((DATA / "events").glob("*.json")), ids=lambda path: path.stem)
def test_sample_events_become_rows(path: Path) -> None:
    table = path.stem.split("_")[0]
    outcome = oracle.expected(oracle.Record(path.read_bytes(), table, DEFAULT_HEADERS), None, oracle.Options())
    if table == "delete":
        assert isinstance(outcome, oracle.Deletion)
    else:
        assert isinstance(outcome, oracle.Row)
        assert outcome.table == table
        assert not [name for name in outcome.row if name.endswith("__st")]
