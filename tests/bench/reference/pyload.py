"""pyload: what a user writes in an afternoon, as a reference for the loader: confluent-kafka's client, the standard JSON
reader, COPY into a temporary table and INSERT .. ON CONFLICT DO NOTHING.

usage: pyload.py BROKERS GROUP TOPIC DATABASE-URL

Only columns that the table `public.track` has; offsets are committed after the database's commit; no deletions, no
rejected events, no statistics, no other types: it flatters itself. Ends by SIGTERM.
"""

from __future__ import annotations

import json
import re
import signal
import sys
from types import FrameType
from typing import Any

import psycopg
from confluent_kafka import Consumer

try:  # three times as fast, where it is there
    from orjson import loads
except ImportError:
    from json import loads

BATCH = 5000
WAIT_SECONDS = 0.25
WORD = re.compile(r"[A-Z0-9]*[a-z0-9]*")

is_stopping = False
names: dict[str, str] = {}


def stop(_number: int, _frame: FrameType | None) -> None:
    global is_stopping
    is_stopping = True


def segment(key: str) -> str:
    name = names.get(key)
    if name is None:
        name = names[key] = "_".join(word.lower() for word in WORD.findall(key) if word)
    return name


def flatten(event: dict[str, Any], row: dict[str, str], prefix: str = "") -> None:
    for key, value in event.items():
        name = prefix + segment(key)
        kind = type(value)
        if kind is dict:
            flatten(value, row, name + "__")
        elif kind is str:
            row[name] = value
        elif kind is bool:
            row[name] = "true" if value else "false"
        elif kind is list:
            row[name] = json.dumps(value)
        elif value is not None:
            row[name] = repr(value)


def main() -> None:
    brokers, group, topic, url = sys.argv[1:5]
    signal.signal(signal.SIGTERM, stop)
    with psycopg.connect(url) as database:
        cursor = database.cursor()
        cursor.execute("SELECT attname FROM pg_attribute WHERE attrelid = 'public.track'::regclass AND attnum > 0"
                       " AND NOT attisdropped ORDER BY attnum")
        columns = [name for (name,) in cursor.fetchall()]
        cursor.execute("CREATE TEMP TABLE stage (LIKE public.track) ON COMMIT DELETE ROWS")
        database.commit()
        consumer = Consumer({"bootstrap.servers": brokers, "group.id": group, "auto.offset.reset": "earliest",
                             "enable.auto.commit": False, "fetch.min.bytes": 100_000, "queued.max.messages.kbytes": 65_536})
        consumer.subscribe([topic])
        while not is_stopping:
            messages = consumer.consume(BATCH, WAIT_SECONDS)
            if not messages:
                continue
            with cursor.copy("COPY stage FROM STDIN") as copy:
                for message in messages:
                    row: dict[str, str] = {}
                    flatten(loads(message.value()), row)
                    copy.write_row([row.get(column) for column in columns])
            cursor.execute("INSERT INTO public.track SELECT * FROM stage ON CONFLICT (message_id) DO NOTHING")
            database.commit()
            consumer.commit(asynchronous=False)
        consumer.close()


if __name__ == "__main__":
    main()
