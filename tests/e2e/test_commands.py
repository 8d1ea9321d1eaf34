"""The command lines of both programs: help, version, exit codes, mistakes, JSON; and what each command says and does."""

from __future__ import annotations

import json
import stat
import subprocess
from pathlib import Path
from typing import Any

import pytest

from data_cases import DATA
from database import Database
from kafka_log import KafkaLog
from loading import wait_loaded
from ports import free_port
from programs import run
from senders import Client, bearer
from stack import TOPICS, Source, Stack
from waiting import wait_until

PROGRAMS = {"INGEST_BIN": "backstitch-ingest", "LOADER_BIN": "backstitch-loader"}
COMMANDS = {"INGEST_BIN": ["serve", "check", "topics", "source add", "source list", "source show", "source rotate", "source connect",
                           "source remove"],
            "LOADER_BIN": ["run", "check", "status", "columns list", "columns promote", "columns demote", "names"]}
ALL = [(program, command) for program, commands in COMMANDS.items() for command in commands]
CREDENTIALS = ("write_key", "token", "secret")


def command(stack: Stack, program: str, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
    """On the stack's servers and registry, unless `settings` say otherwise."""
    given = {**stack.ingest_settings, "DATABASE_URL": stack.env["DATABASE_URL"], **settings}
    return run(stack.env[program], *arguments, settings=given)


def printed(done: subprocess.CompletedProcess[str]) -> Any:
    """The one JSON document on stdout."""
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


# --- both programs alike --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("program", PROGRAMS)
def test_help_names_every_command_option_and_exit_code(program: str, stack: Stack) -> None:
    done = command(stack, program, "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Usage: {PROGRAMS[program]}" in done.stdout
    for name in COMMANDS[program]:
        assert f"  {name} " in done.stdout
    for option in ("--kafka-brokers", "KAFKA_BROKERS", "--help", "--version"):
        assert option in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 120


@pytest.mark.parametrize("program", PROGRAMS)
def test_version_is_one_line(program: str, stack: Stack) -> None:
    done = command(stack, program, "--version")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(PROGRAMS[program] + " ") and done.stdout.count("\n") == 1


@pytest.mark.parametrize("program, name", ALL)
def test_every_command_has_help(program: str, name: str, stack: Stack) -> None:
    done = command(stack, program, *name.split(), "--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Usage: {PROGRAMS[program]} {name}" in done.stdout


@pytest.mark.parametrize("program, name", ALL)
def test_an_unknown_flag_exits_2_and_is_named(program: str, name: str, stack: Stack) -> None:
    done = command(stack, program, *name.split(), "--no-such-flag")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--no-such-flag" in done.stderr and "--help" in done.stderr


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.parametrize("arguments", [["nonsense"], ["check", "nonsense"], ["source"], ["source", "nonsense"]])
def test_an_unknown_command_exits_2(program: str, arguments: list[str], stack: Stack) -> None:
    done = command(stack, program, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr


@pytest.mark.parametrize("program, wrong", [
    ("INGEST_BIN", {"INGEST_MAX_BODY_BYTES": "lots", "INGEST_REQUEST_DEADLINE": "4", "LOG_LEVEL": "loud",
                    "INGEST_LISTEN": "nowhere"}),
    ("LOADER_BIN", {"LOADER_BATCH_ROWS": "-1", "LOADER_BATCH_AGE": "soon", "LOG_FORMAT": "xml", "LOADER_MAX_COLUMNS": "5000"}),
])
def test_all_wrong_options_are_named_at_once(program: str, wrong: dict[str, str], stack: Stack) -> None:
    done = command(stack, program, **wrong)
    assert (done.returncode, done.stdout) == (2, "")
    for name, value in wrong.items():
        assert name in done.stderr and value in done.stderr


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_flag_goes_before_the_environment(program: str, stack: Stack) -> None:
    """The environment names a Kafka that is not there, the flag the right one."""
    right, nobody = stack.env["KAFKA_BROKERS"], f"127.0.0.1:{free_port()}"
    done = command(stack, program, "check", "--kafka-brokers", right, KAFKA_BROKERS=nobody)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("program", PROGRAMS)
def test_stdout_that_is_full_is_a_failure(program: str, stack: Stack) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run([stack.env[program], "--help"], stdout=full, stderr=subprocess.PIPE, check=False, timeout=20)
    assert done.returncode == 1


# --- sources --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def registry(tmp_path: Path) -> dict[str, str]:
    """Settings of a registry of its own."""
    return {"INGEST_SOURCES_FILE": str(tmp_path / "sources.json"), "INGEST_PUBLIC_URL": "https://in.example.org"}


def test_source_add_prints_all_that_is_needed(stack: Stack, registry: dict[str, str]) -> None:
    added = printed(command(stack, "INGEST_BIN", "source", "add", "Stitch Segment", "--json", **registry))
    assert list(added) == ["name", "slug", "schema", "write_key", "token", "secret", "webhook_path"]
    assert (added["name"], added["slug"], added["schema"]) == ("Stitch Segment", "stitch-segment", "stitch_segment")
    assert added["webhook_path"] == "/webhook/stitch-segment"
    assert len({added[name] for name in CREDENTIALS}) == 3 and min(len(added[name]) for name in CREDENTIALS) >= 22
    assert stat.S_IMODE(Path(registry["INGEST_SOURCES_FILE"]).stat().st_mode) == 0o600


def test_source_add_for_people_shows_the_url_and_the_credentials(stack: Stack, registry: dict[str, str]) -> None:
    done = command(stack, "INGEST_BIN", "source", "add", "Shop", **registry)
    assert done.returncode == 0
    shown = json.loads(command(stack, "INGEST_BIN", "source", "show", "Shop", "--json", **registry).stdout)
    for text in ("https://in.example.org/webhook/shop", *(shown[name] for name in CREDENTIALS)):
        assert text in done.stdout


@pytest.mark.parametrize("vector", json.loads((DATA / "schema_names.json").read_text()), ids=lambda vector: vector["name"])
def test_schema_and_slug_follow_from_the_name(vector: dict[str, str | None], stack: Stack, registry: dict[str, str]) -> None:
    done = command(stack, "INGEST_BIN", "source", "add", "--json", "--", str(vector["name"]), **registry)
    if vector["schema"] is None:
        assert (done.returncode, done.stdout) == (2, "") or (done.returncode, done.stdout) == (1, "")
        assert done.stderr
    else:
        added = printed(done)
        assert (added["schema"], added["slug"]) == (vector["schema"], vector["slug"])


def test_sources_are_listed_shown_and_removed(stack: Stack, registry: dict[str, str]) -> None:
    added = [printed(command(stack, "INGEST_BIN", "source", "add", name, "--json", **registry)) for name in ("One", "Two")]
    listed = printed(command(stack, "INGEST_BIN", "source", "list", "--json", **registry))
    assert [source["slug"] for source in listed["sources"]] == ["one", "two"]
    text = command(stack, "INGEST_BIN", "source", "list", **registry).stdout
    assert "one" in text and "two" in text
    assert not [source[name] for source in added for name in CREDENTIALS if source[name] in text]
    assert printed(command(stack, "INGEST_BIN", "source", "show", "Two", "--json", **registry)) == added[1]
    removed = printed(command(stack, "INGEST_BIN", "source", "remove", "One", "--json", **registry))
    assert removed == {"removed": {"name": "One", "slug": "one", "schema": "one"}}
    listed = printed(command(stack, "INGEST_BIN", "source", "list", "--json", **registry))
    assert [source["slug"] for source in listed["sources"]] == ["two"]
    gone = command(stack, "INGEST_BIN", "source", "show", "One", **registry)
    assert gone.returncode == 1 and "One" in gone.stderr


@pytest.mark.parametrize("arguments", [["Same Name"], ["same-name"], ["Other", "--schema", "same_name"],
                                       ["Other", "--schema", "public"], ["Other", "--schema", "Not Valid"],
                                       ["Other", "--require", "magic"], ["Other", "--rate", "fast"], ["public"], ["!!!"], [""]])
def test_source_add_refuses_and_changes_nothing(arguments: list[str], stack: Stack, registry: dict[str, str]) -> None:
    printed(command(stack, "INGEST_BIN", "source", "add", "Same Name", "--json", **registry))
    before = Path(registry["INGEST_SOURCES_FILE"]).read_bytes()
    done = command(stack, "INGEST_BIN", "source", "add", *arguments, "--json", **registry)
    assert done.returncode in (1, 2) and done.stdout == "" and done.stderr
    assert Path(registry["INGEST_SOURCES_FILE"]).read_bytes() == before


def test_during_a_rotation_both_tokens_are_good_and_then_only_the_new(stack: Stack, source: Source, client: Client) -> None:
    def status(token: str) -> int:
        return client.post(f"/webhook/{source.slug}", b"[]", bearer(token)).status

    new = printed(command(stack, "INGEST_BIN", "source", "rotate", source.slug, "--token", "--json"))["token"]
    wait_until(lambda: status(new) == 200, "the new token is known", 15)
    assert status(source.token) == 200
    printed(command(stack, "INGEST_BIN", "source", "rotate", source.slug, "--token", "--retire", "--json"))
    wait_until(lambda: status(source.token) == 503, "the old token is retired", 15)
    assert status(new) == 200


def test_a_removed_source_is_refused_by_the_running_ingest(stack: Stack, source: Source, client: Client) -> None:
    assert command(stack, "INGEST_BIN", "source", "remove", source.name).returncode == 0
    path, headers = f"/webhook/{source.slug}", bearer(source.token)
    wait_until(lambda: client.post(path, b"[]", headers).status == 503, "the source is gone", 15)


@pytest.mark.parametrize("text", ["{", "[]", '{"sources":7}', ""])
def test_a_broken_registry_ends_the_start_with_2_and_a_running_ingest_goes_on(
        text: str, stack: Stack, source: Source, client: Client, tmp_path: Path) -> None:
    broken = tmp_path / "sources.json"
    broken.write_text(text)
    done = command(stack, "INGEST_BIN", "serve", INGEST_SOURCES_FILE=str(broken), INGEST_LISTEN=f"127.0.0.1:{free_port()}",
                   INGEST_ADMIN_LISTEN=f"127.0.0.1:{free_port()}")
    assert done.returncode == 2 and str(broken) in done.stderr
    file = Path(stack.ingest_settings["INGEST_SOURCES_FILE"])
    good = file.read_bytes()
    try:
        file.write_text(text)
        assert client.post(f"/webhook/{source.slug}", b"[]", bearer(source.token)).status == 200
    finally:
        file.write_bytes(good)


# --- topics, check, status, names -----------------------------------------------------------------------------------------


def test_topics_makes_them_and_then_finds_them(stack: Stack, log: KafkaLog) -> None:
    done = command(stack, "INGEST_BIN", "topics", "--dev", KAFKA_TOPIC_PREFIX="commands")
    assert done.returncode == 0, done.stderr
    made = {topic for topic, _ in KafkaLog(log.brokers, "commands").ends()}
    assert made == {f"commands.{topic}" for topic in TOPICS}
    again = command(stack, "INGEST_BIN", "topics", "--dev", KAFKA_TOPIC_PREFIX="commands")
    assert again.returncode == 0, again.stderr


def test_topics_refuses_one_replica_without_dev(stack: Stack) -> None:
    done = command(stack, "INGEST_BIN", "topics")
    assert done.returncode == 1
    assert "--dev" in done.stderr or "replica" in done.stderr


@pytest.mark.parametrize("program", PROGRAMS)
def test_check_passes_on_a_good_stack(program: str, stack: Stack) -> None:
    done = command(stack, program, "check")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("program", PROGRAMS)
def test_check_fails_when_kafka_does_not_answer(program: str, stack: Stack) -> None:
    nobody = f"127.0.0.1:{free_port()}"
    done = command(stack, program, "check", KAFKA_BROKERS=nobody)
    assert done.returncode == 1 and nobody in done.stdout + done.stderr


def test_check_fails_when_postgresql_does_not_answer(stack: Stack) -> None:
    port = free_port()
    done = command(stack, "LOADER_BIN", "check", DATABASE_URL=f"postgresql://user:hidden-word@127.0.0.1:{port}/none")
    said = done.stdout + done.stderr
    assert done.returncode == 1 and str(port) in said and "hidden-word" not in said


def test_check_names_the_missing_right(stack: Stack, database: Database) -> None:
    url = stack.make_database("rights")
    database.query("CREATE ROLE weak LOGIN PASSWORD 'weak'")
    weak = url.replace(url.split("//")[1].split("@")[0], "weak:weak")
    done = command(stack, "LOADER_BIN", "check", DATABASE_URL=weak)
    assert done.returncode == 1 and "CREATE" in done.stdout + done.stderr


def test_status_shows_every_partition(stack: Stack, source: Source, client: Client, log: KafkaLog, database: Database) -> None:
    assert client.post(f"/webhook/{source.slug}", b'{"type":"track"}', bearer(source.token)).status == 200
    wait_loaded(log, database)
    status = printed(command(stack, "LOADER_BIN", "status", "--json", "--partitions"))
    assert status["group"] == "backstitch-loader"
    assert (status["lag"], status["stopped"]) == (0, [])
    assert {at["topic"]: at["lag"] for at in status["topics"]}["segment.track"] == 0
    assert status["last_load_seconds"] >= 0 and status["slowest_event_seconds"] > 0
    shown = {(at["topic"], at["partition"]): at["position"] for at in status["partitions"]}
    assert {at: offset for at, offset in shown.items() if offset} == {at: end for at, end in log.ends().items() if end}
    text = command(stack, "LOADER_BIN", "status")
    assert text.returncode == 0 and "segment.track" in text.stdout and "0 records are not loaded yet" in text.stdout
    assert "last loaded by" not in text.stdout, "each partition only with --partitions"


NAMES = {"messageId": "message_id", "userID": "user_id", "2FA Enabled": "2fa_enabled", "CStringRef": "cstring_ref",
         "lk0B@bFmjrLQ_Z6YL": "lk0_b_b_fmjr_lq_z6yl", "Größe": "größe", "utm__source": "utm_source", "ctid": "ctid_"}


def test_names_tells_the_column_of_each_key(stack: Stack) -> None:
    told = printed(command(stack, "LOADER_BIN", "names", "--json", *NAMES))
    for (key, column), entry in zip(NAMES.items(), told, strict=True):
        assert key in entry.values() and entry["column"].startswith(column)
    text = command(stack, "LOADER_BIN", "names", "userID").stdout
    assert "userID" in text and "user_id" in text


def test_names_needs_no_servers(stack: Stack) -> None:
    done = run(stack.env["LOADER_BIN"], "names", "userID")
    assert done.returncode == 0 and "user_id" in done.stdout
