"""Many different events, each computed from its number: the same number gives the same bytes.

2,000 distinct property paths over the six types: `track` gets more than a table may have columns, so that the excess
goes to _sdc_extra. Every path has a kind of value of its own; one value in fifty is of another kind and goes to a twin.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random

from senders import Request, basic, bearer
from stack import Source

PATHS = {"track": 900, "identify": 220, "page": 220, "screen": 220, "group": 220, "alias": 220}
WEIGHTS = {"track": 50, "identify": 12, "page": 14, "screen": 8, "group": 8, "alias": 8}
PATHS_PER_EVENT = 6
SIBLINGS = 30  # paths that share an object
OTHER_KIND_EVERY = 50
WORDS = ("plain", "größer", "数量", 'a "quoted" one', "tab\there", "line\nend", "back\\slash", "", "\\N", "{}", "it's", "😀 ok",
         "2026-12-04", "now", "null", "\u2028", "\x7f", "a\\tb")
NUMBERS = ("0", "-0", "1.10", "1e3", "5.50", "12345678901234567890123", "-7", "0.000001", "9007199254740993", "1E-7")


@dataclass(frozen=True)
class Event:
    type: str
    message_id: str
    data: bytes


def make_events(prefix: str, count: int, seed: int = 7) -> list[Event]:
    """Events `prefix`-0 to `prefix`-(count-1). Together they have all paths when count is at least 20,000."""
    types = Random(seed).choices(list(WEIGHTS), list(WEIGHTS.values()), k=count)
    turn = dict.fromkeys(WEIGHTS, 0)
    events = []
    for number, kind in enumerate(types):
        events.append(_event(kind, f"{prefix}-{number}", Random(seed * 1_000_003 + number), turn[kind]))
        turn[kind] += 1
    return events


def plain_events(prefix: str, count: int, users: int = 40) -> list[Event]:
    """Types and users in turn. Every value of a path is of one kind: in whatever order they are loaded, the tables are the same."""
    kinds = list(WEIGHTS)
    return [_plain_event(kinds[number % len(kinds)], f"{prefix}-{number}", number, users) for number in range(count)]


def _plain_event(kind: str, message_id: str, number: int, users: int) -> Event:
    return Event(kind, message_id, json.dumps({
        "type": kind, "messageId": message_id, "userId": str(number // len(WEIGHTS) % users), "event": "Order Completed",
        "timestamp": f"2026-11-04T10:00:{number % 60:02d}Z",
        "properties": {"total": number / 4, "paid": number % 2 == 0, "items": [number, "größer"],
                       f"only {number % 5}": {"deep": f"text {number}"}}}).encode())


def _event(kind: str, message_id: str, random: Random, turn: int) -> Event:
    """The paths of a type come in turn, so that none is left out, and then at random."""
    paths = {turn % PATHS[kind], *(random.randrange(PATHS[kind]) for _ in range(PATHS_PER_EVENT - 1))}
    groups: dict[int, list[str]] = {}
    for path in sorted(paths):
        groups.setdefault(path // SIBLINGS, []).append(f'"Item {path}":{_value(path, random)}')
    properties = ",".join(f'"section{group}":{{{",".join(members)}}}' for group, members in groups.items())
    holder = "traits" if kind in ("identify", "group") else "properties"
    own = {"track": '"event":"Order Completed",', "group": '"groupId":"g-1",', "alias": '"previousId":"a-1",',
           "page": '"name":"Home",', "screen": '"name":null,"category":"c",'}.get(kind, "")
    second, millisecond = random.randrange(60), random.randrange(1000)
    return Event(kind, message_id,
                 f'{{"type":"{kind}","messageId":"{message_id}","userId":"u-{random.randrange(500)}",{own}'
                 f'"timestamp":"2026-11-04T10:00:{second:02d}.{millisecond:03d}Z","context":{{"library":{{"name":"e2e"}}}},'
                 f'"{holder}":{{{properties}}}}}'.encode())


def _value(path: int, random: Random) -> str:
    """A value of the path's own kind, now and then of another."""
    kind = path % 5
    if random.randrange(OTHER_KIND_EVERY) == 0:
        kind = random.randrange(6)
    if kind == 0:
        return json.dumps(random.choice(WORDS) + str(random.randrange(100)), ensure_ascii=random.random() < 0.5)
    if kind == 1:
        return random.choice(NUMBERS)
    if kind == 2:
        return random.choice(("true", "false"))
    if kind == 3:
        return f'["{random.choice("abc")}", {random.choice(NUMBERS)},{{"b":null,"a":1}}]'
    if kind == 4:
        return f'"2026-11-04T10:00:00.{random.randrange(1000):03d}Z"'
    return "null"


def webhook_requests(events: Sequence[Event], source: Source, at_once: int) -> list[Request]:
    """Events to /webhook with the token, one a request or as arrays."""
    path, headers = f"/webhook/{source.slug}", bearer(source.token)
    return [Request(path, part[0].data if at_once == 1 else b"[" + _joined(part) + b"]", headers, _ids(part))
            for part in _parts(events, at_once)]


def batch_requests(events: Sequence[Event], source: Source, at_once: int) -> list[Request]:
    """Events to /v1/batch with the write key, with what SDKs put around them."""
    shared = b'"sentAt":"2026-11-04T10:01:00.500Z","context":{"locale":"de-AT","library":{"name":"batch","version":"2"}}'
    return [Request("/v1/batch", b'{"batch":[' + _joined(part) + b"]," + shared + b"}", basic(source.write_key),
                    _ids(part)) for part in _parts(events, at_once)]


def mixed_requests(events: Sequence[Event], source: Source, seed: int = 7) -> list[Request]:
    """A fifth one by one and three tenths as arrays by /webhook, a half by /v1/batch, shuffled."""
    single, arrays = len(events) // 5, len(events) // 2
    requests = [*webhook_requests(events[:single], source, 1), *webhook_requests(events[single:arrays], source, 25),
                *batch_requests(events[arrays:], source, 100)]
    Random(seed).shuffle(requests)
    return requests


def _parts(events: Sequence[Event], size: int) -> list[Sequence[Event]]:
    return [events[start : start + size] for start in range(0, len(events), size)]


def _joined(events: Sequence[Event]) -> bytes:
    return b",".join(event.data for event in events)


def _ids(events: Sequence[Event]) -> tuple[str, ...]:
    return tuple(event.message_id for event in events)
