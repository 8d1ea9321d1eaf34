"""bench_events: the events both benches send: `track` calls of about 1.5 KB that become about 40 columns.

usage: bench_events.py EVENTS-PER-BODY BODIES     request bodies, one a line: plain events, or batches of /v1/batch

An event is computed from its number: the same number gives the same bytes, in every run. Ids, people, prices and paths
differ from event to event and the rest repeats, as in real traffic, so that lz4 finds what it finds there.
"""

from __future__ import annotations

import json
import sys
from random import Random

COLUMNS = 40
# Columns without a property of their own: the fixed ones of a track table, and those of the context below, which narrow
# events have not.
OTHER_COLUMNS = 27
CONTEXT_COLUMNS = 11
AGENT = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/129.0.0.0 Safari/537.36"
WORDS = ("red", "blue", "linen", "wool", "winter", "summer", "large", "small", "round", "garden", "kitchen", "desk")


def make_event(number: int, columns: int = COLUMNS) -> bytes:
    """Event `number`; its row fills `columns` columns (17 or more)."""
    random = Random(number)
    others = OTHER_COLUMNS if columns > OTHER_COLUMNS else OTHER_COLUMNS - CONTEXT_COLUMNS
    second, milli = random.randrange(60), random.randrange(900)
    time = f"2026-11-04T10:{number // 1000 % 60:02d}:{second:02d}.{{:03d}}Z"
    path = f"/{random.choice(WORDS)}/{random.randrange(5000)}"
    context = {
        "ip": f"203.0.113.{random.randrange(256)}", "locale": "en-GB", "timezone": "Europe/Vienna", "userAgent": AGENT,
        "library": {"name": "analytics.js", "version": "npm:next-1.84.0"},
        "page": {"path": path, "referrer": "https://search.example/", "title": f"The shop: {path}", "search": "",
                 "url": f"https://shop.example{path}"}}
    return json.dumps({
        "messageId": f"ajs-next-{1796378406000 + number}-{random.getrandbits(64):016x}",
        "type": "track", "channel": "client", "version": 2, "event": "Product Added",
        "userId": f"u-{random.randrange(50_000)}", "anonymousId": f"{random.getrandbits(128):032x}",
        "timestamp": time.format(milli), "originalTimestamp": time.format(milli + 10), "sentAt": time.format(milli + 30),
        "receivedAt": time.format(milli + 60),
        **({"context": context} if others == OTHER_COLUMNS else {}),
        "integrations": {},
        "properties": {f"{WORDS[i % len(WORDS)]} {i}": _value(i, random) for i in range(columns - others)},
    }, separators=(",", ":")).encode()


def _value(position: int, random: Random) -> object:
    """Three texts to one number, flag and time."""
    kind = position % 6
    if kind == 3:
        return round(random.random() * 500, 2)
    if kind == 4:
        return random.random() < 0.5
    if kind == 5:
        return f"2026-11-04T09:00:00.{random.randrange(1000):03d}Z"
    return f"{' '.join(random.choices(WORDS, k=10))} {random.randrange(10_000)}"


def make_batch(first: int, count: int, columns: int = COLUMNS) -> bytes:
    """The body of a /v1/batch request."""
    events = b",".join(make_event(first + i, columns) for i in range(count))
    return b'{"batch":[' + events + b'],"sentAt":"2026-11-04T10:00:01.000Z"}'


def main() -> int:
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    per_body, bodies = int(sys.argv[1]), int(sys.argv[2])
    for body in range(bodies):
        print((make_event(body) if per_body == 1 else make_batch(body * per_body, per_body)).decode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
