"""An operator resets the stopped group's offsets with Kafka's own tool: back, and the records are loaded again; forward, and what lies
between is left out and noted. Where nobody has reset anything, the database's position decides, whatever the group's offset is."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from own_log import SCHEMA, OwnLog, own_log
from stack import Stack
from waiting import wait_until

TOOL = """
set -euo pipefail
export BACKSTITCH_STATE=$2
for file in common state ports process install build kafka; do . "$1/deploy/local/lib/$file.sh"; done
kafka_tool org.apache.kafka.tools.consumer.group.ConsumerGroupCommand "${@:3}"
"""
CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.fixture
def own(stack: Stack, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[OwnLog]:
    with own_log(stack, tmp_path, request.node.name.replace("_", "-")[:40]) as found:
        found.load(0, range(20))
        yield found


def reset(own: OwnLog, to: int) -> None:
    """As kafka-consumer-groups.sh does it, once the group has no member any more."""
    words = ("--bootstrap-server", own.stack.env["KAFKA_BROKERS"], "--group", own.name, "--topic", f"{own.name}.track:0")
    done = subprocess.run(["bash", "-c", TOOL, "reset", str(CHECKOUT), str(own.stack.state), *words, "--reset-offsets", "--to-offset", str(to), "--execute"],
                          capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert done.returncode == 0 and f" {to}" in done.stdout, done.stdout + done.stderr


def ids(own: OwnLog) -> set[str]:
    return {row["message_id"] for row in own.database.typed_rows(SCHEMA, "track")}


def position(own: OwnLog) -> int:
    return own.database.positions(own.name)[f"{own.name}.track", 0]


@contextmanager
def stopped(own: OwnLog) -> Iterator[None]:
    own.stop_loader()
    yield
    own.start_loader()


def test_back_and_the_records_are_loaded_again(own: OwnLog) -> None:
    """A row that somebody has deleted comes back; those that are there stay one each."""
    with stopped(own):
        own.database.query(f"DELETE FROM {SCHEMA}.track WHERE message_id IN ('m3', 'm4', 'm7') RETURNING 1")
        reset(own, 4)
    wait_until(lambda: {"m4", "m7"} <= ids(own), "they are loaded again", 60)
    wait_until(lambda: position(own) == 20, "all is read again", 60)
    assert ids(own) == {f"m{number}" for number in range(20) if number != 3}
    assert own.database.count(SCHEMA, "track") == 19
    assert "event=position_reset" in own.loader_log()
    # It was ours after that: the next start finds nothing to do.
    with stopped(own):
        own.database.query(f"DELETE FROM {SCHEMA}.track WHERE message_id = 'm9' RETURNING 1")
    own.load(0, range(20, 22))
    assert "m9" not in ids(own)


def test_forward_and_what_lies_between_is_noted(own: OwnLog) -> None:
    with stopped(own):
        own.produce(0, range(20, 40))
        reset(own, 35)
    wait_until(lambda: position(own) == 40, "the rest is loaded", 60)
    assert ids(own) == {f"m{number}" for number in (*range(20), *range(35, 40))}
    gaps = own.database.query("SELECT topic, kafka_partition, from_offset, to_offset FROM backstitch.offset_gap")
    assert gaps == [(f"{own.name}.track", 0, 20, 35)]
    log = own.loader_log()
    assert "event=offset_gap" in log and "records_left_out=15" in log


def test_the_databases_position_decides(own: OwnLog) -> None:
    """Nobody has reset anything, but the database was set back, as a restore from a backup does."""
    with stopped(own):
        own.database.query(f"DELETE FROM {SCHEMA}.track WHERE message_id >= 'm1' RETURNING 1")
        own.database.query("UPDATE backstitch.load_offset SET next_offset = 1 WHERE topic = %s AND kafka_partition = 0 RETURNING 1",
                           (f"{own.name}.track",))
    wait_until(lambda: position(own) == 20, "all is read again", 60)
    assert ids(own) == {f"m{number}" for number in range(20)}
    assert own.database.value("SELECT count(*) FROM backstitch.offset_gap") == 0
