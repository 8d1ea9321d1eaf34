"""The calls that every sender makes, and what must be in PostgreSQL after them.

One list for all languages: each driver reads it as JSON on its standard input and calls its library's own functions. Numbers are such
that a double holds them: what a language does to larger ones is its library's matter, and Kafka against PostgreSQL is compared exactly
by the oracle in any case.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

from database import Database
from stack import TYPES

KINDS: dict[str, Any] = {
    "text": 'Größe 数量 🎉 "quoted" \\ / \t end', "whole": 42, "largest": 9007199254740991, "decimal": 12.34, "tiny": 1e-7, "negative": -5,
    "yes": True, "no": False, "nothing": None, "list": [1, "two", {"three": 3}, None], "nothingInside": {},
    "deep": {"a": {"b": {"c": "leaf"}}}, "Mixed Case Key": "v", "when": "2026-12-04T10:00:00.000Z",
}
# As PostgreSQL has it: column below properties__ or traits__ and value.
EXPECTED: dict[str, Any] = {
    "text": KINDS["text"], "whole": 42, "largest": 9007199254740991, "decimal": Decimal("12.34"), "tiny": Decimal("1e-7"), "negative": -5,
    "yes": True, "no": False, "list": KINDS["list"], "deep__a__b__c": "leaf", "mixed_case_key": "v",
}
MANY = 40  # plain tracks: several batches of every sender

CALLS: list[dict[str, Any]] = [
    {"call": "identify", "userId": "u-1", "traits": KINDS},
    {"call": "track", "userId": "u-1", "event": "All Kinds", "properties": KINDS},
    {"call": "track", "userId": "u-1", "event": "Größe 数量", "properties": {}},
    {"call": "page", "userId": "u-1", "category": "Docs", "name": "Home", "properties": {"title": "T"}},
    {"call": "screen", "userId": "u-1", "category": "Docs", "name": "Main", "properties": {"title": "T"}},
    {"call": "group", "userId": "u-1", "groupId": "g-1", "traits": {"employees": 7}},
    {"call": "alias", "userId": "u-2", "previousId": "u-1"},
    *({"call": "track", "userId": "u-1", "event": "Many", "properties": {"number": number}} for number in range(MANY)),
]


def calls_of(*kinds: str) -> list[dict[str, Any]]:
    """The calls that a library has."""
    return [call for call in CALLS if call["call"] in kinds]


def as_json(calls: list[dict[str, Any]]) -> bytes:
    return json.dumps(calls).encode()


def check_rows(database: Database, schema: str, calls: list[dict[str, Any]]) -> None:
    """One row for each call, and the values of the calls that have all kinds."""
    found = {table: database.typed_rows(schema, table) for table in TYPES}
    assert Counter({table: len(rows) for table, rows in found.items() if rows}) == Counter(call["call"] for call in calls)
    numbers = sorted(row["properties__number"] for row in found["track"] if row.get("event") == "Many")
    assert numbers == sorted(call["properties"]["number"] for call in calls if call.get("event") == "Many")
    for call in calls:
        if call.get("event") == "All Kinds":
            check_kinds(next(row for row in found["track"] if row["event"] == "All Kinds"), "properties__")
        if call["call"] == "group":
            assert found["group"][0]["group_id"] == "g-1" and found["group"][0]["traits__employees"] == 7
        if call["call"] in ("page", "screen"):
            assert found[call["call"]][0]["name"] == call["name"]


def check_kinds(row: Mapping[str, Any], prefix: str) -> None:
    different = list(_differences(row, prefix))
    assert not different, different


def _differences(row: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for name, wanted in EXPECTED.items():
        stored = row.get(prefix + name)
        if stored != wanted:
            yield f"{prefix}{name}: sent {wanted!r}, stored {stored!r}"
