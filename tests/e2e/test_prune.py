"""What is over its time is dropped, after it was shown, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from database import Database
from event_maker import mixed_requests, plain_events
from kafka_log import KafkaLog
from loader_command import LoaderCommand
from loading import wait_loaded
from senders import send_all
from stack import Source, Stack

EVENTS = 60
OLD_ROWS = 25_000  # more than two steps


class Pruning(LoaderCommand):
    def __init__(self, stack: Stack, source: Source, database: Database) -> None:
        super().__init__(stack, "prune")
        self.stack, self.database, self.schema = stack, database, source.schema
        self.replay = LoaderCommand(stack, "replay")

    def rows(self, what: str, *flags: str) -> int:
        """How many rows, or bytes, of it the command names."""
        pruned: list[dict[str, Any]] = self.must(*flags)["pruned"]
        return int(next(one.get("rows", one.get("bytes")) for one in pruned if one["what"] == what))

    def count(self, what: str, where: str, *values: Any) -> int:
        return int(self.database.value(f"SELECT count(*) FROM {what} WHERE {where}", values))

    def rebuild(self, target: str) -> str:
        """The run that has loaded it."""
        found = self.replay.must("--from-earliest", "--source", self.schema, "--target-schema", target, "--execute")
        return str(found["run"])


@pytest.fixture
def pruning(stack: Stack, source: Source, database: Database, log: KafkaLog) -> Iterator[Pruning]:
    events = plain_events(f"prune-{source.schema}", EVENTS)
    assert send_all(stack.env["INGEST_URL"], mixed_requests(events, source)).refused == []
    wait_loaded(log, database, 60)
    yield Pruning(stack, source, database)


def test_old_statistics_go_and_those_of_known_replays_stay(pruning: Pruning) -> None:
    run = str(pruning.replay.must("--from-earliest", "--source", pruning.schema)["run"])
    for loader, rows in (("old", OLD_ROWS), (f"replay {run}", 1)):
        pruning.database.query(f"""INSERT INTO backstitch.load_stat (minute, loader, "schema", "table")
                                   SELECT '2020-01-01'::timestamptz + n * interval '1 minute', %s, %s, 'track'
                                     FROM generate_series(1, {rows}) n""", (loader, pruning.schema))
    of_ours = pruning.count("backstitch.load_stat", '"schema" = %s', pruning.schema)
    assert pruning.rows("backstitch.load_stat", "--statistics-older-than", "300d") == OLD_ROWS
    assert pruning.count("backstitch.load_stat", '"schema" = %s', pruning.schema) == of_ours, "a plan has changed something"
    assert pruning.rows("backstitch.load_stat", "--statistics-older-than", "300d", "--execute") == OLD_ROWS
    assert pruning.count("backstitch.load_stat", '"schema" = %s', pruning.schema) == of_ours - OLD_ROWS
    assert pruning.rows("backstitch.load_stat", "--statistics-older-than", "300d") == 0


def test_old_replays_go_but_not_those_whose_schema_is_there(pruning: Pruning) -> None:
    target = f"{pruning.schema}_t"
    done = str(pruning.replay.must("--from-earliest", "--source", pruning.schema, "--execute")["run"])
    running = str(pruning.replay.must("--from-earliest", "--source", pruning.schema)["run"])
    beside = pruning.rebuild(target)
    pruning.database.query("UPDATE backstitch.replay SET state = 'running' WHERE run = %s", (running,))
    pruning.database.query("""UPDATE backstitch.replay SET planned_at = '2020-01-01', ended_at = '2020-01-01'
                              WHERE run IN (%s, %s, %s)""", (done, running, beside))
    assert pruning.rows("backstitch.replay", "--execute") == 1
    kept = {row[0] for row in pruning.database.query("SELECT run FROM backstitch.replay")}
    assert {running, beside} <= kept and done not in kept
    assert pruning.rows(target, "--schema", target, "--execute") > 0
    assert not pruning.database.has_table(target, "track")
    assert pruning.count("backstitch.replay", "run = %s", beside) == 0, "it knew only of that schema"


def test_a_schema_that_is_loaded_into_stays(pruning: Pruning) -> None:
    """It is a target of a run that is done, and of another that is not."""
    target = f"{pruning.schema}_t"
    pruning.rebuild(target)
    running = str(pruning.replay.must("--from-earliest", "--source", pruning.schema, "--target-schema", target)["run"])
    pruning.database.query("UPDATE backstitch.replay SET state = 'running' WHERE run = %s", (running,))
    refused = pruning.run("--schema", target, "--execute")
    assert refused.returncode == 1 and f"'{target}'" in refused.stderr and pruning.database.has_table(target, "track")
    pruning.database.query("""UPDATE backstitch.replay SET state = 'done', target_schema = %s WHERE run = %s""", (pruning.schema, running))
    live = pruning.run("--schema", pruning.schema, "--execute")
    assert live.returncode == 1 and pruning.database.count(pruning.schema, "track") == EVENTS // 6


def test_rejected_events_go_when_asked_for(pruning: Pruning) -> None:
    pruning.database.query(f"""INSERT INTO "{pruning.schema}"._sdc_rejected (topic, message_id, _sdc_rejected_at)
                               VALUES ('t', 'old', now() - interval '90 days'), ('t', 'new', now())""")
    table = f"{pruning.schema}._sdc_rejected"
    pruning.must("--execute")
    assert pruning.count(table, "topic = 't'") == 2, "they went without being asked for"
    assert pruning.rows(table, "--rejected-older-than", "30d", "--execute") == 1
    assert pruning.database.query(f"SELECT message_id FROM {table} WHERE topic = 't'") == [("new",)]


def test_a_schema_that_a_swap_has_kept_goes_by_its_name(pruning: Pruning) -> None:
    run = pruning.rebuild(f"{pruning.schema}_t")
    pruning.replay.must("--resume", run, "--swap", "--execute")
    kept = pruning.database.value("SELECT kept_schema FROM backstitch.replay WHERE run = %s", (run,))
    pruning.database.query(f'CREATE VIEW "{pruning.schema}".reader AS SELECT count(*) FROM "{kept}".track')
    refused = pruning.run("--schema", kept, "--execute")
    assert refused.returncode == 1 and "others depend on" in refused.stderr and "reader" in refused.stderr
    assert pruning.database.has_table(kept, "track") and pruning.database.count(pruning.schema, "reader") == 1
    pruning.database.query(f'DROP VIEW "{pruning.schema}".reader')
    shown = pruning.run("--schema", kept)
    assert shown.returncode == 0 and f"the schema {kept}," in shown.stdout and "Nothing was changed" in shown.stderr
    assert pruning.database.has_table(kept, "track")
    assert pruning.run("--schema", kept, "--execute").returncode == 0
    assert not pruning.database.has_table(kept, "track") and pruning.database.count(pruning.schema, "track") == EVENTS // 6


def test_no_other_schema_goes(pruning: Pruning) -> None:
    for name in (pruning.schema, "public", "backstitch", "nowhere"):
        refused = pruning.run("--schema", name, "--execute")
        assert refused.returncode == 1 and f"'{name}'" in refused.stderr
    assert pruning.database.count(pruning.schema, "track") == EVENTS // 6
