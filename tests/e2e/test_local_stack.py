"""deploy/local itself: what its README and interface.md, section 5, promise. On a second stack, beside the session's and
in a folder whose name has a space; for refusals in folders that never become a stack."""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from database import Database
from senders import basic
from stack import LOCAL, TYPES, Stack
from waiting import wait_until

PARTS = ("kafka", "postgres", "ingest", "loader")
ENV_NAMES = ("INGEST_URL INGEST_ADMIN_URL LOADER_ADMIN_URL KAFKA_BROKERS DATABASE_URL SOURCE_SLUG SOURCE_SCHEMA WRITE_KEY "
             "WEBHOOK_TOKEN WEBHOOK_SECRET INGEST_BIN LOADER_BIN").split()
ELSEWHERE = Path("/var/lib/backstitch-local")  # PostgreSQL's data when its user cannot enter the folder


@pytest.fixture(scope="module")
def second(session_stack: Stack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """Brought up as a newcomer does: with samples and one loader."""
    stack = Stack(tmp_path_factory.mktemp("second") / "state of it")
    try:
        stack.must("up")
        yield stack
    finally:
        stack.command("down", "--wipe")


@pytest.fixture
def nowhere(tmp_path: Path) -> Stack:
    """A folder that does not exist."""
    return Stack(tmp_path / "state")


def pids(stack: Stack) -> dict[str, int]:
    return {part: stack.pid(part) for part in PARTS}


def processes_of(stack: Stack) -> list[int]:
    """Every process that was started for the stack, by what it carries in its environment."""
    mark = f"BACKSTITCH_PART={stack.state}:".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if any(entry.startswith(mark) for entry in (folder / "environ").read_bytes().split(b"\0")):
                found.append(int(folder.name))
        except OSError:
            continue
    return found


# --- arguments ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command, arguments", [
    ("up", ["--nonsense"]), ("up", ["--loaders"]), ("up", ["--loaders", "0"]), ("up", ["--loaders", "11"]),
    ("up", ["--loaders", "two"]), ("down", ["now"]), ("restart", []), ("restart", ["zookeeper"]),
    ("restart", ["kafka", "ingest"]), ("send", ["all"]),
])
def test_wrong_arguments_exit_2_and_show_the_usage(command: str, arguments: list[str], nowhere: Stack) -> None:
    done = nowhere.command(command, *arguments)
    assert done.returncode == 2
    assert f"usage: deploy/local/{command}" in done.stderr


@pytest.mark.parametrize("command", ["up", "down", "restart", "send", "psql"])
def test_help_exits_0(command: str, nowhere: Stack) -> None:
    done = nowhere.command(command, "--help")
    assert (done.returncode, done.stdout.splitlines()[0][:7]) == (0, "usage: ")


@pytest.mark.parametrize("base", ["80", "65504", "eighty"])
def test_a_port_base_out_of_range_exits_2(base: str, nowhere: Stack) -> None:
    done = nowhere.command("up", BACKSTITCH_PORT_BASE=base)
    assert done.returncode == 2
    assert "BACKSTITCH_PORT_BASE" in done.stderr


@pytest.mark.parametrize("command", ["restart", "send", "psql"])
def test_without_a_stack_a_command_says_how_to_start_one(command: str, nowhere: Stack) -> None:
    done = nowhere.command(command, *(["kafka"] if command == "restart" else []))
    assert done.returncode == 1
    assert "deploy/local/up" in done.stderr
    assert not nowhere.state.exists()


def test_a_folder_with_other_things_is_neither_used_nor_removed(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    stack = Stack(tmp_path)
    assert stack.command("up").returncode == 1
    assert stack.command("down", "--wipe").returncode == 1
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_a_taken_port_is_named_with_who_holds_it(nowhere: Stack) -> None:
    port = nowhere.port_base + 12
    with socket.create_server(("127.0.0.1", port)):
        done = nowhere.command("up")
    assert done.returncode == 1
    assert f"port {port} is taken by" in done.stderr and f"pid {os.getpid()}" in done.stderr
    assert processes_of(nowhere) == []


# --- a stack --------------------------------------------------------------------------------------------------------------


def test_up_ends_with_rows_of_all_six_types(second: Stack) -> None:
    database = Database(second.env["DATABASE_URL"])
    counts = {table: database.count(second.env["SOURCE_SCHEMA"], table) for table in TYPES}
    database.close()
    assert counts == dict.fromkeys(TYPES, 2)


def test_two_stacks_share_neither_processes_nor_rows(second: Stack, stack: Stack) -> None:
    assert not set(pids(second).values()) & set(pids(stack).values())
    ids = []
    for each in (second, stack):
        database = Database(each.env["DATABASE_URL"])
        ids.append({row["message_id"] for row in database.rows(second.env["SOURCE_SCHEMA"], "track")})
        database.close()
    assert ids[0] and not ids[0] & ids[1]
    assert second.is_well() and stack.is_well()


def test_the_env_file_has_exactly_its_names_for_shells_and_only_for_its_owner(second: Stack) -> None:
    env, base = second.env, second.port_base
    assert list(env) == ENV_NAMES
    assert env["INGEST_URL"] == f"http://127.0.0.1:{base}"
    assert env["INGEST_ADMIN_URL"] == f"http://127.0.0.1:{base + 1}"
    assert env["LOADER_ADMIN_URL"] == f"http://127.0.0.1:{base + 2}"
    assert env["KAFKA_BROKERS"] == f"127.0.0.1:{base + 12}"
    assert env["DATABASE_URL"].startswith("postgresql://") and f"127.0.0.1:{base + 32}/" in env["DATABASE_URL"]
    assert (env["SOURCE_SLUG"], env["SOURCE_SCHEMA"]) == ("stitch-segment", "stitch_segment")
    assert Path(env["INGEST_BIN"]).is_file() and Path(env["LOADER_BIN"]).is_file()
    assert (second.state / "env").stat().st_mode & 0o077 == 0
    script = '. "$1"; shift; for name; do eval "printf \'%s\\n\' \\"\\$$name\\""; done'
    sourced = subprocess.run(["sh", "-euc", script, "sh", second.state / "env", *ENV_NAMES], capture_output=True, text=True,
                             check=True)
    assert sourced.stdout.splitlines() == list(env.values())


def test_up_on_a_running_stack_starts_nothing_and_takes_under_2_seconds(second: Stack) -> None:
    before, start = pids(second), time.monotonic()
    said = second.must("up")
    seconds = time.monotonic() - start
    assert pids(second) == before
    assert all(f"(pid {pid})" in said for pid in before.values())
    assert seconds < 2


def test_send_and_psql_work_on_the_stack(second: Stack) -> None:
    query = f"SELECT count(*) FROM \"{second.env['SOURCE_SCHEMA']}\".track"

    def count() -> int:
        return int(second.must("psql", "-Atc", query))

    before = count()
    second.must("send")
    wait_until(lambda: count() == before + 2, "two more rows")


@pytest.mark.parametrize("part", PARTS)
def test_restart_replaces_one_part_and_leaves_the_others(part: str, second: Stack) -> None:
    before = pids(second)
    second.must("restart", part)
    after = pids(second)
    assert [name for name in PARTS if after[name] != before[name]] == [part]


@pytest.mark.parametrize("part", PARTS)
def test_up_starts_a_killed_part_again(part: str, second: Stack) -> None:
    killed = second.pid(part)
    second.end(part, signal.SIGKILL)
    second.must("up", "--no-sample")
    assert second.pid(part) != killed and second.is_well()


def test_a_stale_pid_file_neither_counts_nor_gets_the_wrong_process_stopped(second: Stack) -> None:
    second.end("loader", signal.SIGKILL)
    with subprocess.Popen(["sleep", "300"]) as bystander:
        try:
            (second.state / "run" / "loader.pid").write_text(f"{bystander.pid}\n")
            second.must("restart", "loader")
            assert second.pid("loader") != bystander.pid
            assert bystander.poll() is None
        finally:
            bystander.kill()


def test_loaders_are_added_and_removed(second: Stack) -> None:
    second.up(3)
    assert second.loaders == ["loader", "loader-2", "loader-3"] and all(map(second.is_ready, second.loaders))
    second.up(1)
    assert second.loaders == ["loader"]


def test_tls_in_front_of_ingest_is_remembered(second: Stack) -> None:
    """A sender that knows the CA sends through it, and is told that address; a certificate that is damaged is made anew."""
    assert f"https://localhost:{second.port_base + 21}" in second.must("up", "--no-sample", "--tls")
    (second.state / "tls" / "events.pem").write_text("no certificate")
    second.must("down")
    second.must("up", "--no-sample")
    env = second.env
    context = ssl.create_default_context(cafile=env["INGEST_CA_FILE"])

    def ask(path: str, body: bytes | None = None) -> bytes:
        request = urllib.request.Request(env["INGEST_TLS_URL"] + path, body, basic(env["WRITE_KEY"]))
        with urllib.request.urlopen(request, timeout=10, context=context) as answer:
            return bytes(answer.read())

    assert f"localhost:{second.port_base + 21}/v1" in ask(f"/v1/projects/{env['WRITE_KEY']}/settings").decode()
    ask("/v1/track", b'{"type":"track","messageId":"through-tls","userId":"u","event":"E"}')
    database = Database(env["DATABASE_URL"])
    wait_until(lambda: [row for row in database.rows(env["SOURCE_SCHEMA"], "track") if row["message_id"] == "through-tls"], "it is a row")
    database.close()
    before = (second.pid("proxy"), second.pid("ingest"))
    assert second.must("up", "--tls").count(f"pid {before[0]}") == 1
    assert (second.pid("proxy"), second.pid("ingest")) == before


def test_down_keeps_the_rows_and_up_goes_on_with_them(second: Stack) -> None:
    schema = second.env["SOURCE_SCHEMA"]
    database = Database(second.env["DATABASE_URL"])
    before = database.count(schema, "track")
    second.must("down")
    assert processes_of(second) == [] and second.parts == []
    second.must("up", "--no-sample")
    assert database.count(schema, "track") == before > 0
    database.close()


def test_down_wipe_leaves_nothing_and_can_be_said_twice(second: Stack) -> None:
    elsewhere = (second.state / "postgres").resolve()
    second.must("down", "--wipe")
    assert processes_of(second) == []
    assert not second.state.exists()
    assert not elsewhere.exists() and elsewhere not in (ELSEWHERE, *ELSEWHERE.parents)
    second.must("down", "--wipe")


def test_scripts_are_executable() -> None:
    assert all(os.access(LOCAL / name, os.X_OK) for name in ("up", "down", "restart", "send", "psql"))
