"""Every case of tests/data/mapping as a record in Kafka, through a loader, as a row in PostgreSQL.

What the record says is what ingest would have written; test_posted_cases.py goes through ingest.
"""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from case_runner import CaseRunner, Found
from data_cases import DEFAULT_HEADERS, Case, load_cases
from database import Database
from kafka_log import KafkaLog
from mapping_oracle import Options
from stack import Stack

CASES = load_cases()
PLAIN = [case for case in CASES if case.options == Options()]
SPECIAL = [case for case in CASES if case.options != Options()]
PADDED_TO = 46  # columns that stand for a case's small limit: the option takes 30 and more
PREFIX = "options"

Results = dict[tuple[str, int], Found]


def loader_options(case: Case) -> Options:
    """What the loader of a case is started with; tables of cases with a small limit are padded up to PADDED_TO."""
    is_limited = case.options.max_columns != Options().max_columns
    return replace(case.options, max_columns=PADDED_TO if is_limited else Options().max_columns)


@pytest.fixture(scope="module")
def results(session_stack: Stack, log: KafkaLog, database: Database, tmp_path_factory: pytest.TempPathFactory) -> Results:
    """All cases played: plain ones by the stack's loaders, others by a loader for each set of options."""
    session_stack.up(3)
    played = CaseRunner(log, database, "backstitch-loader", "case").run(PLAIN)
    session_stack.make_topics(PREFIX)
    special_log = KafkaLog(session_stack.env["KAFKA_BROKERS"], PREFIX)
    sets = list(dict.fromkeys(loader_options(case) for case in SPECIAL))
    with ExitStack() as loaders:
        urls = [_start_loader(session_stack, number, options, tmp_path_factory.mktemp("loader"), loaders)
                for number, options in enumerate(sets)]
        for number, (options, url) in enumerate(zip(sets, urls, strict=True)):
            padded = PADDED_TO if options.max_columns == PADDED_TO else None
            runner = CaseRunner(special_log, Database(url), f"options-{number}", f"set_{number}", padded)
            played |= runner.run([case for case in SPECIAL if loader_options(case) == options])
    return played


def _start_loader(stack: Stack, number: int, options: Options, folder: Path, loaders: ExitStack) -> str:
    """The URL of its database."""
    url = stack.make_database(f"options_{number}")
    # no path at all cannot be said: one that no event has stands for it
    ignored = ",".join(options.ignore_paths) or "no.such.path"
    loaders.enter_context(stack.another_loader(
        folder / "loader.log", url, f"options-{number}", KAFKA_TOPIC_PREFIX=PREFIX,
        LOADER_MAX_COLUMNS=str(options.max_columns), LOADER_IGNORE_PATHS=ignored,
        LOADER_INTEGRATION_NAMES=",".join(options.integration_names)))
    return url


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_case(case: Case, results: Results) -> None:
    for number, step in enumerate(case.steps):
        found = results[case.name, number]
        if "row" in step.expect:
            _check_row(step.expect, found)
        elif "rejected" in step.expect:
            _check_rejected(step.expect["rejected"], found)
        elif "deletion" in step.expect:
            _check_deletion(step.expect["deletion"], found)
        else:
            assert (found.rows, found.rejected, found.suppressed) == ([], [], number + 1)


def _check_row(expect: dict[str, Any], found: Found) -> None:
    wanted = {**expect["row"], **expect.get("stored", {})}
    row = next((row for row in found.rows if row["message_id"] == wanted["message_id"]), None)
    assert row is not None, f"no such row; rejected: {found.rejected}"
    assert row.pop("_sdc_batched_at")
    assert row == wanted
    after = {name: column.type for name, column in found.after.items()}
    assert {name: kind for name, kind in after.items() if name not in found.before} == expect["added"]
    assert found.before.items() <= after.items()
    comments = {name: found.after[name].comment or "" for name in expect.get("comments", {})}
    assert comments == expect.get("comments", {})


def _check_rejected(wanted: dict[str, Any], found: Found) -> None:
    assert len(found.rejected) == 1
    row = vars(found.rejected[0])
    assert row["message_id"] not in [stored["message_id"] for stored in found.rows]
    for name in wanted.keys() & row.keys():
        assert row[name] == wanted[name], name


def _check_deletion(wanted: dict[str, Any], found: Found) -> None:
    assert (found.rows, found.rejected) == ([], [])
    assert (wanted["message_id"], wanted["user_id"], wanted["requested_at"]) in found.deletions


def test_every_case_file_is_played() -> None:
    assert len(PLAIN) + len(SPECIAL) == len(CASES) >= 812
    assert DEFAULT_HEADERS["schema"] == "stitch_segment"
