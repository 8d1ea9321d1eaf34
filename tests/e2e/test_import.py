"""Files become rows by the same checks as requests; stopped or killed anywhere, the same command goes on, and nothing is twice."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from comparison import assert_same_ids, check_schema
from database import Database
from event_maker import Event, make_events, plain_events
from kafka_log import KafkaLog, Positions
from loading import wait_loaded
from programs import clean_environment, kill_again_and_again, run
from stack import Source, Stack

EVENTS = 3_000
TYPES = ("identify", "track", "page", "screen", "group", "alias")
KILLS = int(os.environ.get("KILLS", "6"))


class Importing:
    """The command for one source, its files, and what came of them."""

    def __init__(self, stack: Stack, source: Source, log: KafkaLog, database: Database, folder: Path) -> None:
        self.stack, self.source, self.log, self.database, self.folder = stack, source, log, database, folder
        self.start: Positions = log.ends()
        self.settings = stack.ingest_settings
        self.words = [stack.env["INGEST_BIN"], "import", "--source", source.slug, "--progress-file", str(folder / "progress")]

    def run(self, *words: str | Path) -> subprocess.CompletedProcess[str]:
        return run(*self.words, *map(str, words), settings=self.settings)

    def begin(self, *words: str | Path) -> subprocess.Popen[str]:
        return subprocess.Popen([*self.words, *map(str, words)], env=clean_environment(**self.settings), stdout=subprocess.PIPE,
                                stderr=subprocess.PIPE, text=True)

    def must(self, *words: str | Path) -> dict[str, Any]:
        done = self.run(*words, "--json")
        assert done.returncode == 0, done.stderr
        found: dict[str, Any] = json.loads(done.stdout)
        return found

    def file(self, name: str, events: list[Event]) -> Path:
        """One event a line; as gzip, in several members, when the name says so."""
        path = self.folder / name
        lines = [event.data + b"\n" for event in events]
        if not name.endswith(".gz"):
            path.write_bytes(b"".join(lines))
        else:
            half = len(lines) // 2
            path.write_bytes(gzip.compress(b"".join(lines[:half])) + gzip.compress(b"".join(lines[half:])))
        return path

    def records(self) -> int:
        """How many the import has written."""
        return sum(record.headers["source"] == self.source.slug for record in self.log.read(self.start))

    def check(self, events: list[Event]) -> None:
        """Every event is a row, exactly, and nothing else is."""
        wait_loaded(self.log, self.database, 60)
        tally = check_schema(self.log.read(self.start), self.database, self.source.schema)
        assert tally.loaded == len(events)
        ids = [row[0] for table in TYPES if self.database.has_table(self.source.schema, table)
               for row in self.database.query(f'SELECT message_id FROM "{self.source.schema}"."{table}"')]
        assert_same_ids("imported", [event.message_id for event in events], ids)


@pytest.fixture
def importing(stack: Stack, source: Source, log: KafkaLog, database: Database, tmp_path: Path) -> Iterator[Importing]:
    yield Importing(stack, source, log, database, tmp_path)


def test_plain_and_gzip_files_become_rows(importing: Importing) -> None:
    events = make_events(f"import-{importing.source.schema}", EVENTS)
    files = [importing.file("a.json", events[:1000]), importing.file("b.json.gz", events[1000:])]
    shown = importing.must(*files, "--dry-run")
    assert shown["lines"] == EVENTS and shown["sent"] is False and importing.records() == 0
    done = importing.must(*files)
    assert (done["lines"], sum(done["events"].values()), done["files_done"]) == (EVENTS, EVENTS, 2)
    importing.check(events)
    assert {record.headers["via"] for record in importing.log.read(importing.start)
            if record.headers["source"] == importing.source.slug} == {"import"}
    again = importing.must(*files)
    assert (again["lines"], again["imported_before"]) == (0, EVENTS) and importing.records() == EVENTS
    assert importing.must(*files, "--again")["lines"] == EVENTS and importing.records() == 2 * EVENTS
    importing.check(events)


def test_a_file_that_has_grown_is_gone_on_with(importing: Importing) -> None:
    events = plain_events(f"grown-{importing.source.schema}", 60)
    importing.must(importing.file("log.json", events[:20]))
    assert importing.must(importing.file("log.json", events))["lines"] == 40
    importing.check(events)


def test_a_line_that_is_still_being_written_is_read_again(importing: Importing) -> None:
    """Its first half is refused; the whole of it is a row."""
    events = plain_events(f"torn-{importing.source.schema}", 20)
    path = importing.file("log.json", events[:19])
    with path.open("ab") as more:
        more.write(events[19].data[:40])
    importing.must(path)
    with path.open("ab") as more:
        more.write(events[19].data[40:] + b"\n")
    assert importing.must(path)["lines"] == 1
    wait_loaded(importing.log, importing.database, 60)
    assert sum(importing.database.count(importing.source.schema, table) for table in TYPES) == 20


def test_another_file_under_the_same_name_is_imported(importing: Importing) -> None:
    """One that was cut, or another with the same first line, is told."""
    events = plain_events(f"named-{importing.source.schema}", 60)
    importing.must(importing.file("day.json", events[:30]))
    assert importing.must(importing.file("day.json", events[30:]))["lines"] == 30
    cut = importing.run(importing.file("day.json", events[30:40]))
    assert cut.returncode == 1 and "--again" in cut.stderr
    elsewhere = run(*importing.words, str(importing.folder / "day.json"), "--dry-run", settings=importing.settings)
    assert elsewhere.returncode == 0 and "10 lines" in elsewhere.stdout
    importing.check(events)


def test_a_damaged_line_is_kept_with_its_file_and_line(importing: Importing) -> None:
    good = plain_events(f"good-{importing.source.schema}", 2)
    path = importing.folder / "mixed.json"
    big = b'{"type":"track","messageId":"big","properties":{"x":"%s"}}' % (b"x" * 1_200_000)
    path.write_bytes(b"\xef\xbb\xbf" + good[0].data + b"\r\n\n  \n" + b'{"type":"track",\n' + b'{"type":"nonsense","messageId":"n"}\n'
                     + b'[{"type":"track"}]\n' + b"\x00\xff\xfe\n" + big + b"\n" + good[1].data)  # no line break at the end
    done = importing.must(path)
    assert done["events"] == {"track": 1, "identify": 1, "rejected": 5}
    wait_loaded(importing.log, importing.database, 60)
    reasons = [row[0] for row in importing.database.query(
        f'SELECT reason FROM "{importing.source.schema}"._sdc_rejected ORDER BY reason')]
    words = {4: "not json", 5: "unknown event type", 6: "not an object", 7: "not json", 8: "event too large"}
    assert len(reasons) == len(words)
    for number, word in words.items():
        assert any(f"{path} line {number}" in reason and reason.startswith(word) for reason in reasons), (number, reasons)


def test_a_gzip_file_that_was_cut_short_fails_after_what_it_has(importing: Importing) -> None:
    events = plain_events(f"cut-{importing.source.schema}", 2000)
    whole, cut = importing.file("whole.json.gz", events), importing.folder / "cut.json.gz"
    cut.write_bytes(whole.read_bytes()[:-200])
    after = importing.file("after.json", plain_events(f"after-{importing.source.schema}", 30))
    done = importing.run(cut, after, "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 1 and f"'{cut}': cannot be read beyond line" in done.stderr
    assert found["files_damaged"] == 1 and found["files_done"] == 1 and 30 < found["lines"] < 2030
    cut.write_bytes(whole.read_bytes())  # fetched again
    assert importing.must(cut)["lines"] + found["lines"] == 2030
    wait_loaded(importing.log, importing.database, 60)
    assert sum(importing.database.count(importing.source.schema, table) for table in TYPES) == 2030


def test_killed_again_and_again_nothing_is_missing_and_little_is_sent_twice(importing: Importing) -> None:
    events = plain_events(f"killed-{importing.source.schema}", 1_000 * KILLS)
    files = [importing.file("a.json.gz", events[:KILLS * 300]), importing.file("b.json", events[KILLS * 300:])]
    killed = kill_again_and_again(lambda: importing.begin("--rate", "4000/s", *files), KILLS, Random(importing.source.schema), 0.1, 0.5)
    assert killed > KILLS // 4, "it was hardly ever killed in the middle"
    print(f"killed {killed} times")
    importing.must(*files)
    batch = 4000 // 10 + 1
    assert len(events) <= importing.records() <= len(events) + killed * batch
    importing.check(events)


def test_stopped_it_says_so_and_goes_on(importing: Importing) -> None:
    events = plain_events(f"stopped-{importing.source.schema}", 2_000)
    path = importing.file("a.json", events)
    process = importing.begin("--rate", "500/s", path)
    while not (importing.folder / "progress").exists() or not (importing.folder / "progress").read_text():
        assert process.poll() is None
    process.terminate()
    _, told = process.communicate(timeout=30)
    assert process.returncode == 3 and "the same command goes on" in told
    assert 0 < importing.records() < len(events)
    importing.must(path)
    assert importing.records() == len(events)
    importing.check(events)


def test_what_is_piped_in_is_imported(importing: Importing) -> None:
    events = plain_events(f"piped-{importing.source.schema}", 60)
    with importing.file("a.json.gz", events).open("rb") as piped:
        done = subprocess.run([*importing.words, "-", "--json"], stdin=piped, capture_output=True, text=True, check=False,
                              env=clean_environment(**importing.settings))
    assert done.returncode == 0 and json.loads(done.stdout)["lines"] == len(events), done.stderr
    importing.check(events)


@pytest.mark.parametrize("words, told", [
    (("--source", "nobody"), "there is no such source"),
    (("--rate", "fast"), "lines a second"),
    (("/nowhere/x.json",), "No such file"),
    (("/tmp",), "is no file"),
])
def test_wrong_words(words: tuple[str, ...], told: str, importing: Importing) -> None:
    refused = importing.run(importing.file("a.json", plain_events("unsent", 3)), *words)
    assert refused.returncode == 2 and told in refused.stderr, refused.stderr
    assert importing.records() == 0
