"""Replays: what was read again is what was there before, whatever happens meanwhile, and the accounting is exact."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import Any

import pytest

from comparison import assert_same_ids
from database import Database
from event_maker import mixed_requests, plain_events
from kafka_log import KafkaLog
from loader_command import LoaderCommand
from loading import wait_loaded
from own_log import SCHEMA, SOURCE, own_log
from programs import kill_again_and_again
from senders import send_all
from stack import Source, Stack
from waiting import wait_until

EVENTS = 600
TYPES = ("identify", "track", "page", "screen", "group", "alias")
KILLS = int(os.environ.get("KILLS", "6"))


class Replays(LoaderCommand):
    """The command, and what a source's tables hold."""

    def __init__(self, stack: Stack, source: Source, database: Database) -> None:
        super().__init__(stack, "replay")
        self.stack, self.source, self.database = stack, source, database

    def of_source(self, *flags: str) -> dict[str, Any]:
        return self.must("--from-earliest", "--source", self.source.schema, *flags)

    def tables(self, schema: str = "") -> dict[str, list[tuple[Any, ...]]]:
        """Every cell but when it was loaded."""
        found = {}
        for table in TYPES:
            columns = sorted(set(self.database.columns(schema or self.source.schema, table)) - {"_sdc_batched_at"})
            names = ", ".join(f'"{name}"' for name in columns)
            found[table] = self.database.query(
                f'SELECT {names} FROM "{schema or self.source.schema}"."{table}" ORDER BY message_id')
        return found


@pytest.fixture
def replays(stack: Stack, source: Source, database: Database, log: KafkaLog) -> Iterator[Replays]:
    """A source with events of all types, loaded."""
    events = plain_events(f"replay-{source.schema}", EVENTS)
    report = send_all(stack.env["INGEST_URL"], mixed_requests(events, source))
    assert report.refused == []
    assert_same_ids("acknowledged", [event.message_id for event in events], report.acknowledged)
    wait_loaded(log, database, 60)
    yield Replays(stack, source, database)


def assert_all_new(end: dict[str, Any]) -> None:
    assert end["state"] == "done" and end["adds_up"] is True and end["left"] == 0
    assert end["new"] + end["present"] + end["replaced"] + end["rejected"] == end["records"] - end["not_selected"]


def test_a_plan_changes_nothing_and_a_rebuilt_schema_is_the_same(replays: Replays) -> None:
    before = replays.tables()
    plan = replays.of_source()
    assert plan["state"] == "planned" and plan["records"] >= EVENTS
    assert replays.tables() == before
    replays.database.query(f"DROP SCHEMA {replays.source.schema} CASCADE")
    end = replays.must("--resume", plan["run"])
    assert_all_new(end)
    assert end["new"] == sum(len(rows) for rows in before.values()) and end["present"] + end["replaced"] >= 0
    assert replays.tables() == before
    again = replays.of_source("--execute")
    assert_all_new(again)
    assert again["new"] == again["replaced"] == 0
    assert replays.tables() == before


def test_killed_again_and_again_it_ends_in_the_same_tables_and_adds_up(replays: Replays) -> None:
    before = replays.tables()
    plan = replays.of_source("--rate", str(max(1, 2400 // KILLS)))
    replays.database.query(f"DROP SCHEMA {replays.source.schema} CASCADE")
    killed = kill_again_and_again(lambda: replays.start("--resume", plan["run"]), KILLS, Random(replays.source.schema), 0.2, 0.8)
    assert killed > KILLS // 4, "it was hardly ever killed in the middle"
    print(f"killed {killed} times")
    end = replays.must("--resume", plan["run"])
    assert_all_new(end)
    assert end["new"] == sum(len(rows) for rows in before.values())
    assert replays.tables() == before


def test_two_at_once_share_the_work(replays: Replays) -> None:
    before = replays.tables()
    plan = replays.of_source("--rate", "600")
    replays.database.query(f"DROP SCHEMA {replays.source.schema} CASCADE")
    both = [replays.start("--resume", plan["run"]) for _ in range(2)]
    assert {process.wait(60) for process in both} <= {0}
    for process in both:
        process.communicate()
    assert replays.tables() == before
    end = replays.must("--resume", plan["run"])
    assert_all_new(end)
    assert end["new"] == sum(len(rows) for rows in before.values())


def test_what_is_selected_and_nothing_else(replays: Replays) -> None:
    schema, before = replays.source.schema, replays.tables()
    ids = [row[0] for row in replays.database.query(f'SELECT message_id FROM "{schema}".track ORDER BY 1 LIMIT 3')]
    for table in TYPES:
        replays.database.query(f'DELETE FROM "{schema}"."{table}"')
    end = replays.of_source("--execute", "--message-id", ",".join(ids))
    assert (end["new"], end["adds_up"]) == (3, True) and replays.database.count(schema, "track") == 3
    end = replays.of_source("--execute", "--type", "page")
    assert end["new"] == len(before["page"]) and replays.database.count(schema, "page") == len(before["page"])
    end = replays.of_source("--execute", "--topic", "identify,group", "--partition", "0,1,2")
    partitions = {(at["topic"], at["partition"]) for at in end["partitions"]}
    assert partitions <= {(f"segment.{name}", number) for name in ("identify", "group") for number in (0, 1, 2)}
    end = replays.must("--from-time", "1999-01-01", "--until-time", "2999-01-01", "--source", schema, "--execute")
    assert_all_new(end)
    assert replays.tables() == before


def test_a_target_beside_live_loading_takes_its_place(replays: Replays, log: KafkaLog) -> None:
    """What comes before, between and after is in the tables in the end."""
    schema, target = replays.source.schema, f"{replays.source.schema}_new"
    before = replays.tables()
    end = replays.of_source("--target-schema", target, "--execute")
    assert_all_new(end)
    assert replays.tables(target) == before == replays.tables()
    later = plain_events(f"later-{schema}", 100)
    assert send_all(replays.stack.env["INGEST_URL"], mixed_requests(later, replays.source)).refused == []
    wait_loaded(log, replays.database, 30)
    whole = replays.tables()
    shown = replays.run("--resume", end["run"], "--swap")
    assert shown.returncode == 0 and "Nothing was changed" in shown.stderr and replays.tables() == whole
    swapped = replays.run("--resume", end["run"], "--swap", "--execute")
    assert swapped.returncode == 0, swapped.stderr
    kept = re.search(r"the tables of before are in (\S+)", swapped.stdout)
    assert kept is not None and replays.tables(kept[1]) == whole == replays.tables()
    last = plain_events(f"last-{schema}", 100)
    assert send_all(replays.stack.env["INGEST_URL"], mixed_requests(last, replays.source)).refused == []
    wait_loaded(log, replays.database, 60)
    total = sum(len(rows) for rows in replays.tables().values())
    assert total == sum(len(rows) for rows in whole.values()) + len(last)


def test_what_comes_to_a_partition_that_was_empty_is_there_after_the_swap(stack: Stack, tmp_path: Path) -> None:
    """Also when the command ended between the swap and the catching up: the same command goes on."""
    with own_log(stack, tmp_path, "replay-swap") as own:
        database, replay = own.database, own.command("replay")
        own.load(0, range(5))
        database.query(f"CREATE ROLE replay_reader; GRANT USAGE ON SCHEMA {SCHEMA} TO replay_reader; "
                       f"GRANT SELECT ON {SCHEMA}.track TO replay_reader")
        target = replay.must("--from-earliest", "--source", SOURCE, "--target-schema", "swapped_new", "--execute")
        own.load(5, range(5, 9))
        replay.must("--resume", target["run"], "--swap", "--execute")
        assert database.count(SCHEMA, "track") == 9
        assert database.value(f"SELECT has_schema_privilege('replay_reader', '{SCHEMA}', 'USAGE') AND "
                              f"has_table_privilege('replay_reader', '{SCHEMA}.track', 'SELECT')")
        database.query(f"DELETE FROM {SCHEMA}.track WHERE message_id = 'm7'")  # as if it had not caught up
        replay.must("--resume", target["run"], "--swap", "--execute")
        own.load(6, range(9, 12))
        assert database.count(SCHEMA, "track") == 12


def test_a_live_schema_is_no_target(replays: Replays) -> None:
    """By its source's name, too, or another's."""
    schema = replays.source.schema
    for source in (replays.source.slug, schema):
        refused = replays.run("--from-earliest", "--source", source, "--target-schema", schema, "--execute")
        assert refused.returncode > 0 and f"'{schema}' is" in refused.stderr, refused.stderr
    assert replays.database.value("SELECT count(*) FROM backstitch.replay WHERE target_schema = %s", (schema,)) == 0


def test_what_retention_takes_meanwhile_is_told_and_counted(stack: Stack, tmp_path: Path) -> None:
    """It stops, names what is gone, and goes on without it only when told to."""
    with own_log(stack, tmp_path, "replay-cut") as own:
        own.load(0, range(200))
        replay = own.command("replay")
        plan = replay.must("--from-earliest", "--source", SOURCE, "--rate", "40")
        process = replay.start("--resume", plan["run"])
        wait_until(lambda: own.database.value("SELECT sum(next_offset - from_offset) FROM backstitch.replay_run WHERE run = %s",
                                              (plan["run"],)) > 0, "the replay has begun")
        process.terminate()
        process.communicate(timeout=30)
        own.log.cut("track")
        refused = replay.run("--resume", plan["run"])
        assert refused.returncode == 1 and "retention has taken" in refused.stderr and "--allow-partial" in refused.stderr
        end = replay.must("--resume", plan["run"], "--allow-partial")
        assert end["state"] == "done" and end["adds_up"] is True and end["left"] == 0
        assert end["taken_by_retention"] > 0 and end["taken_by_retention"] + end["records"] == plan["records"]


def test_columns_of_a_target_with_fresh_types_are_so_after_a_resume(replays: Replays) -> None:
    schema, target = replays.source.schema, f"{replays.source.schema}_fresh"
    replays.database.query(f'ALTER TABLE "{schema}".track ADD by_hand text')
    plan = replays.of_source("--target-schema", target, "--fresh-types")
    assert_all_new(replays.must("--resume", plan["run"]))
    assert "by_hand" not in replays.database.columns(target, "track")
    assert replays.database.count(target, "track") == replays.database.count(schema, "track")


def test_who_asks_for_deletion_while_a_target_is_loaded_is_not_in_it(replays: Replays) -> None:
    """The live schema's requests hold for its targets, from the moment that they are made."""
    schema, target = replays.source.schema, f"{replays.source.schema}_late"
    plan = replays.of_source("--target-schema", target)
    replays.must("--resume", replays.of_source("--target-schema", target, "--type", "page")["run"])
    replays.database.query("""INSERT INTO backstitch.deletion (message_id, "schema", user_id, requested_at)
                              VALUES (%s, %s, '7', now() + interval '1 hour')""", (f"late-{schema}", schema))
    end = replays.must("--resume", plan["run"])
    assert end["suppressed"] > 0 and end["adds_up"] is True
    assert replays.database.value(f"""SELECT count(*) FROM "{target}".track WHERE user_id = '7'""") == 0


def test_status_tells_the_freshness_of_live_loading_only(replays: Replays) -> None:
    """What a replay loads is old."""
    replays.database.query("UPDATE backstitch.load_stat SET freshness_max = '1 ms' WHERE NOT starts_with(loader, 'replay ')")
    replays.database.query(f'DELETE FROM "{replays.source.schema}".track')
    assert replays.of_source("--type", "track", "--execute")["new"] > 0
    slowest = replays.database.value("SELECT max(freshness_max) FROM backstitch.load_stat WHERE starts_with(loader, 'replay ')")
    told = LoaderCommand(replays.stack, "status").must()
    assert slowest.total_seconds() > 0.1 > told["slowest_event_seconds"]


def test_overwritten_rows_are_mapped_anew(replays: Replays) -> None:
    schema, before = replays.source.schema, replays.tables()
    replays.database.query(f"""UPDATE "{schema}".track SET event = 'changed by hand'""")
    kept = replays.of_source("--type", "track", "--execute")
    assert kept["replaced"] == 0 and replays.tables() != before
    end = replays.of_source("--type", "track", "--overwrite", "--execute")
    assert end["replaced"] >= len(before["track"]) and replays.tables() == before


def test_deleted_users_stay_deleted(replays: Replays) -> None:
    schema = replays.source.schema
    user = replays.database.value(f'SELECT user_id FROM "{schema}".track WHERE user_id IS NOT NULL LIMIT 1')
    replays.database.query("""INSERT INTO backstitch.deletion (message_id, "schema", user_id, requested_at)
                              VALUES (%s, %s, %s, now() + interval '1 hour')""", (f"asked-{schema}", schema, user))
    replays.database.query(f'DELETE FROM "{schema}".track WHERE user_id = %s', (user,))
    end = replays.of_source("--type", "track", "--execute")
    assert end["suppressed"] > 0 and end["adds_up"] is True and end["new"] == 0
    assert replays.database.value(f'SELECT count(*) FROM "{schema}".track WHERE user_id = %s', (user,)) == 0


def test_a_table_that_cannot_be_loaded_ends_it_with_words_and_it_goes_on_when_mended(replays: Replays) -> None:
    schema = replays.source.schema
    before = replays.tables()
    replays.database.query(f'DROP TABLE "{schema}".page')
    replays.database.query(f'CREATE VIEW "{schema}".page AS SELECT 1 AS message_id')
    failed = replays.run("--from-earliest", "--source", schema, "--execute")
    assert failed.returncode == 1 and f"{schema}.page cannot be loaded" in failed.stderr
    found = re.search(r"--resume (\S+)", failed.stderr)
    assert found is not None
    replays.database.query(f'DROP VIEW "{schema}".page')
    assert_all_new(replays.must("--resume", found[1]))
    assert replays.tables() == before


def test_stopped_it_says_how_to_go_on(replays: Replays) -> None:
    plan = replays.of_source("--rate", "50")
    process = replays.start("--resume", plan["run"])
    wait_until(lambda: replays.database.value("SELECT sum(next_offset - from_offset) FROM backstitch.replay_run WHERE run = %s",
                                              (plan["run"],)) > 0, "the replay has begun")
    process.terminate()
    _, told = process.communicate(timeout=30)
    assert process.returncode == 3 and f"--resume {plan['run']}" in told


def test_a_topic_that_was_made_anew_or_cut_is_refused(replays: Replays) -> None:
    plan = replays.of_source()
    replays.database.query("UPDATE backstitch.replay_run SET to_offset = to_offset + 1000000 WHERE run = %s", (plan["run"],))
    anew = replays.run("--resume", plan["run"])
    assert anew.returncode == 1 and "made anew" in anew.stderr
    plan = replays.of_source()
    replays.database.query("UPDATE backstitch.replay SET cluster_id = 'another' WHERE run = %s", (plan["run"],))
    other = replays.run("--resume", plan["run"])
    assert other.returncode == 1 and "not the cluster" in other.stderr


@pytest.mark.parametrize("flags, words", [
    ((), "from where?"),
    (("--from-earliest", "--from-offset", "3"), "from where?"),
    (("--from-time", "yesterday"), "a time is wanted"),
    (("--from-earliest", "--topic", "nothing"), "one of identify"),
    (("--from-earliest", "--target-schema", "other"), "say which, with --source"),
    (("--from-earliest", "--rate", "fast"), "records a second"),
    (("--from-earliest", "--message-ids-from", "/nowhere"), "cannot be read"),
    (("--swap",), "of which run?"),
    (("--resume", "x", "--topic", "track"), "leave the other flags out"),
])
def test_wrong_flags(flags: tuple[str, ...], words: str, stack: Stack) -> None:
    refused = LoaderCommand(stack, "replay").run(*flags)
    assert refused.returncode == 2 and words in refused.stderr, refused.stderr


def test_an_unknown_run_is_named(stack: Stack) -> None:
    refused = LoaderCommand(stack, "replay").run("--resume", "nothing")
    assert refused.returncode == 1 and "there is no run 'nothing'" in refused.stderr
