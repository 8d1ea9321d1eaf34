"""The oracle: events that are computed from their number, and what must be in Kafka of them at rest.

It is never faulted itself. An event's bytes follow from the run's name and its number, so a record is checked by value
without keeping what was sent. At rest: every acknowledged event is in the topic of its type, byte for byte; no record
is there that nobody sent; nothing was rejected. Copies are allowed (a sender that saw no answer sends again) and
counted, for without any of them many a fault was not felt.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from kafka_log import LogRecord
from stack import TYPES

SIZES = ((90, 600), (98, 8_000), (100, 150_000))  # percentiles of events, and the largest filler of each class
SHOWN = 5


@dataclass(frozen=True)
class Event:
    number: int
    type: str
    message_id: str
    data: bytes


def make_event(run: str, number: int) -> Event:
    """Event `number` of a run: the same bytes whenever it is made."""
    message_id = f"{run}-{number}"
    stream = hashlib.shake_128(message_id.encode())
    dice = stream.digest(8)
    kind = TYPES[dice[0] % len(TYPES)]
    largest = next(size for share, size in SIZES if dice[1] % 100 < share)
    filler = stream.hexdigest(int.from_bytes(dice[2:5], "big") % largest // 2 + 8)
    holder = "traits" if kind in ("identify", "group") else "properties"
    own = {"track": '"event":"Chaos",', "group": '"groupId":"g",', "alias": '"previousId":"p",'}.get(kind, "")
    return Event(number, kind, message_id,
                 f'{{"type":"{kind}","messageId":"{message_id}","userId":"u-{dice[5]}",{own}'
                 f'"{holder}":{{"number":{number},"filler":"{filler}"}}}}'.encode())


@dataclass
class Verdict:
    """What is in Kafka, against what was acknowledged."""

    records: int = 0
    copies: int = 0
    unacknowledged: int = 0  # sent, stored, and never acknowledged: allowed
    findings: list[str] = field(default_factory=list)


def judge(run: str, acknowledged: set[int], records: Iterable[LogRecord]) -> Verdict:
    """At rest: all records of the run's topics, after the last fault and with nothing under way."""
    verdict = Verdict()
    times_of: Counter[int] = Counter()
    wrong: dict[str, list[str]] = {}

    def finding(kind: str, text: str) -> None:
        wrong.setdefault(kind, []).append(text)

    for record in records:
        verdict.records += 1
        where = f"{record.topic}[{record.partition}]@{record.offset}"
        if record.topic == "rejected":
            finding("rejected, though nothing was wrong with it", f"{where}: {record.headers}")
            continue
        name, _, digits = record.key.decode(errors="replace").rpartition("-")
        if name != run or not digits.isdigit():
            finding("nobody sent it", f"{where}: {record.key[:80]!r}")
            continue
        event = make_event(run, int(digits))
        times_of[event.number] += 1
        if record.topic != event.type:
            finding("in the wrong topic", f"{where}: {event.message_id} is {event.type}")
        if record.value != event.data:
            finding("changed", f"{where}: {event.message_id}, {len(record.value)} bytes instead of {len(event.data)}")
    for number in sorted(acknowledged - times_of.keys()):
        finding("acknowledged and LOST", f"{run}-{number}")
    verdict.copies = sum(count - 1 for count in times_of.values())
    verdict.unacknowledged = len(times_of.keys() - acknowledged)
    verdict.findings = [f"{len(texts)} {kind}: {', '.join(texts[:SHOWN])}" for kind, texts in wrong.items()]
    return verdict
