"""Random mapping cases whose expectation is the oracle's: the C code and the oracle must agree on what nobody thought of.

usage: random_cases.py PROGRAM [COUNT [SEED]]      PROGRAM is build/dev/tests/unit/test_mapping_cases

Events are made of what the rules turn on: spellings of the fixed columns, keys that meet in one column, odd numbers, strings and times,
columns of a table that was there before. A difference is printed with its case, which then belongs into tests/data/mapping.
"""

from __future__ import annotations

import base64
import json
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import mapping_oracle as oracle
from data_cases import DEFAULT_HEADERS

CASES_OF_A_FILE = 500
SHOWN = 10

KEYS = ["type", "messageId", "message_id", "messageid", "userId", "user_id", "User ID", "anonymousId", "channel", "version", "receivedAt",
        "received_at", "sentAt", "sent_at", "timestamp", "Timestamp", "originalTimestamp", "event", "name", "category", "groupId",
        "previousId", "Previous ID", "context", "integrations", "properties", "traits", "_metadata", "writeKey", "projectId"]
INNER = ["a", "A", "a b", "aB", "a_b", "a.b", "a__b", "total", "Total", "total__st", "x__bi", "ctid", "xmin", "", "!!!", "Größe", "数量", "2FA Enabled",
         "userId", "page", "library", "ip", "direct", "k" * 70, "ü" * 40, "a\\b", "nul\x00", "_sdc_extra", "CStringRef", "lk0B@bFmjrLQ_Z6YL"]
NUMBERS = ["0", "-0", "1", "-1", "12", "12.0", "12.34", "1e3", "1E-3", "1.10", "0.1", "1e22", "1e23", "123456789012345678", "9007199254740993",
           "9223372036854775807", "9223372036854775808", "-9223372036854775808", "2147483648", "32768", "1e400", "1e-400", "1e401", "1e130000",
           "0e999999999999", "12345678901234567890123", "0.30000000000000004", "5e-324", "1.7976931348623157e308", "100", "100.00", "99999.995"]
TIMES = ["2026-12-04T10:00:00Z", "2026-12-04T10:00:00.123Z", "2026-12-04T10:00:00.123456789Z", "2026-12-04T10:00:00.1234560Z", "2026-12-04",
         "2026-12-04T10:00:00", "2026-12-04T10:00:00+0800", "2026-12-04T10:00:00-08", "2026-12-04T10:00:00+08:00", "2026-12-04T10:00:00+08:0",
         "2026-12-04t10:00:00z", "2026-12-04 10:00:00Z", "2020-05-09 23:54:49.209808489 +0000 UTC m=+70366.298768264", "2026-02-30T00:00:00Z",
         "0001-01-01T00:00:00Z", "0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59-01", "now", "infinity", "",
         "2026-12-04T24:00:00Z", "2026-12-04T10:00:60Z", "2026-12-04T10:00:00.Z", "2026-12-04T10:00:00+24", "1796378405"]
STRINGS = ["", "x", "12", "true", "null", "größe", "數量", "a" * 30, " 12 ", "\u0000", "tab\tnew\nline", "\\", "\"", "u1", "m1", "m2"]
ESCAPES = [r'"\u0000"', r'"\ud800"', r'"\udc00x"', r'"\ud83d\ude00"', r'"\/\b\f"', r'"\\u0000"', r'"A"']
TYPES = ["text", "varchar", "varchar(5)", "numeric", "numeric(5)", "numeric(10,2)", "smallint", "integer", "bigint", "double precision", "boolean",
         "timestamptz", "timestamp", "json", "jsonb", "uuid", "real", "date"]
LIBRARIES = ["analytics.js", "analytics-next", "@segment/analytics-next", "analytics-ios", "@segment/analytics-react-native", "analytics-node",
             "@segment/x", "analytics.js2"]


class Maker:
    """Cases from one seed."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def chance(self, part: float) -> bool:
        return self.random.random() < part

    def string(self) -> str:
        if self.chance(0.15):
            return self.random.choice(ESCAPES)
        text = self.random.choice(TIMES if self.chance(0.4) else STRINGS)
        return json.dumps(text, ensure_ascii=self.chance(0.3))

    def scalar(self) -> str:
        kind = self.random.randrange(8)
        if kind < 3:
            return self.string()
        if kind < 6:
            return self.random.choice(NUMBERS)
        return self.random.choice(["true", "false", "null", "[]", "{}", '[1, "a"]', '[{"id":1e401,"s":"\\u0000"}]'])

    def value(self, depth: int) -> str:
        return self.object(INNER, depth + 1) if depth < 4 and self.chance(0.25) else self.scalar()

    def object(self, keys: list[str], depth: int) -> str:
        members = [self.member(self.random.choice(keys), self.value(depth)) for _ in range(self.random.randrange(5))]
        return self.random.choice(["{%s}", "{ %s }"]) % ",".join(members)

    def member(self, key: str, value: str) -> str:
        return json.dumps(key, ensure_ascii=self.chance(0.3)) + self.random.choice([":", " : "]) + value

    def selection(self) -> str:
        names = ["All", "all", "Stitch", "Backstitch", "Other", "Mine"]
        values = ["true", "false", "{}", '"false"', "null"]
        return "{" + ",".join(self.member(name, self.random.choice(values)) for name in self.random.sample(names, self.random.randrange(4))) + "}"

    def context(self) -> str:
        members = [self.member("library", "{" + self.member("name", json.dumps(self.random.choice(LIBRARIES))) + "}")] if self.chance(0.6) else []
        members += [self.member("direct", self.random.choice(["true", "false"]))] if self.chance(0.3) else []
        members += [self.member(self.random.choice(INNER), self.value(2)) for _ in range(self.random.randrange(3))]
        return "{" + ",".join(members) + "}"

    def event(self, kind: str) -> str:
        members = [self.member("type", json.dumps(kind))] if self.chance(0.95) else []
        members += [self.member("messageId", '"m1"')] if self.chance(0.7) else []
        for key in self.random.choices(KEYS[1:], k=self.random.randrange(10)):
            if key in ("properties", "traits"):
                members.append(self.member(key, self.object(INNER, 1)))
            elif key == "context" and self.chance(0.8):
                members.append(self.member(key, self.context()))
            elif key == "integrations" and self.chance(0.8):
                members.append(self.member(key, self.selection()))
            else:
                members.append(self.member(key, self.scalar()))
        self.random.shuffle(members)
        return "{" + ",".join(members) + "}"

    def headers(self, kind: str) -> dict[str, str]:
        headers = {"via": self.random.choice(["webhook", "api", "pixel", "import"]),
                   "auth": self.random.choice(["token", "signature", "signature-first", "key", "none"]),
                   "received-at": self.random.choice(["1796378405000", "0", "999999999999"])}
        optional = {"sent-at": self.random.choice(TIMES[:-2]), "context": self.context(), "integrations": self.selection(),
                    "ip": self.random.choice(["192.0.2.1", "2001:db8::1"]), "type": kind}
        # what is empty or has a byte that no header holds is no header
        return headers | {name: text for name, text in optional.items() if self.chance(0.3) and text and "\x00" not in text}

    def columns(self, event: str, kind: str) -> dict[str, str]:
        """Types for some of the columns that this event would fill."""
        record = oracle.Record(event.encode(), kind, {**DEFAULT_HEADERS})
        outcome = oracle.expected(record, None, oracle.Options())
        if not isinstance(outcome, oracle.Row):
            return {}
        wanted = [name for name in outcome.row if not name.startswith("_sdc_") and name != "message_id"]
        chosen = {name: self.random.choice(TYPES) for name in wanted if self.chance(0.3)}
        twins = {name + "__st": self.random.choice(["text", "text", "varchar", "bigint"]) for name in chosen if self.chance(0.15)}
        key = {"message_id": self.random.choice(["varchar", "varchar(2)", "varchar(40)"])} if self.chance(0.1) else {}
        return {**chosen, **twins, **key}

    def options(self) -> dict[str, Any]:
        chosen: dict[str, Any] = {}
        if self.chance(0.15):
            chosen["max_columns"] = self.random.randrange(17, 24)
        if self.chance(0.15):
            chosen["ignore_paths"] = self.random.sample(["properties.a", "context", "traits.total", "properties.a\\.b", "userId", "integrations"], 2)
        if self.chance(0.15):
            chosen["integration_names"] = ["Mine"]
        return chosen

    def case(self, number: int) -> dict[str, Any]:
        kind = self.random.choice(["track", "track", "identify", "page", "group", "alias", "screen", "delete"])
        options = self.options()
        tables: dict[str, str] = dict(oracle.fixed_columns(kind)) if kind != "delete" else {}
        steps = []
        for _ in range(self.random.choice([1, 1, 2])):
            event = self.event(kind)
            step: dict[str, Any] = {"event_base64": base64.b64encode(event.encode()).decode(), "topic": kind, "headers": self.headers(kind)}
            if kind != "delete" and self.chance(0.4):
                step["columns"] = self.columns(event, kind)
                tables.update(step["columns"])
            record = oracle.Record(event.encode(), kind, {**DEFAULT_HEADERS, **step["headers"]})
            outcome = oracle.expected(record, tables, _options(options))
            step["expect"] = _expectation(outcome)
            if isinstance(outcome, oracle.Row):
                tables.update(outcome.added)
            steps.append(step)
        return {"name": f"{number}", "options": options, "steps": steps} if options else {"name": f"{number}", "steps": steps}


def _options(given: dict[str, Any]) -> oracle.Options:
    return oracle.Options(**{name: tuple(value) if isinstance(value, list) else value for name, value in given.items()})


def _expectation(outcome: oracle.Outcome) -> dict[str, Any]:
    if isinstance(outcome, oracle.Row):
        return {"table": outcome.table, "row": outcome.row, "added": outcome.added, "comments": outcome.comments}
    if isinstance(outcome, oracle.Rejected):
        told = {name: getattr(outcome, name) for name in ("schema", "reason", "record", "message_id", "user_id")}
        return {"rejected": {name: value for name, value in told.items() if value is not None}}
    if isinstance(outcome, oracle.Suppressed):
        return {"suppressed": outcome.reason}
    return {"deletion": vars(outcome)}


def main() -> int:
    program, count, seed = sys.argv[1], int((sys.argv[2:3] or ["2000"])[0]), int((sys.argv[3:4] or [str(random.randrange(10**9))])[0])
    maker = Maker(seed)
    cases = [maker.case(number) for number in range(count)]
    with tempfile.TemporaryDirectory() as folder:
        for start in range(0, count, CASES_OF_A_FILE):
            file = Path(folder) / f"{start:08d}.json"
            file.write_text(json.dumps(cases[start : start + CASES_OF_A_FILE], ensure_ascii=False))
        done = subprocess.run([program, folder], capture_output=True, text=True, check=False)
    failed = list(dict.fromkeys(re.findall(r"\[  FAILED  \] (\d+)$", done.stdout + done.stderr, re.MULTILINE)))
    passed = len(re.findall(r"\[       OK \] \d+$", done.stdout + done.stderr, re.MULTILINE))
    print(f"seed {seed}: {passed} of {count} cases agree")
    for number in failed[:SHOWN]:
        case = cases[int(number)]
        print(f"--- case {number}: {case.get('options', '')}")
        for step in case["steps"]:
            print(base64.b64decode(step["event_base64"]).decode(), json.dumps({**step, "event_base64": ""}, ensure_ascii=False))
    if failed:
        print("\n".join(re.findall(r"(?:ERROR|\[  ERROR   \]).*(?:\n {2}.*)*", done.stdout + done.stderr)[:3 * SHOWN]))
    return 0 if passed == count else 1


if __name__ == "__main__":
    sys.exit(main())
