"""`source connect`: Segment told by its Public API to send to us. Against a fake of that API; what it then holds is used to send for real."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from database import Database
from kafka_log import KafkaLog
from loading import wait_loaded
from programs import run
from segment_api import TOKEN, SegmentApi
from senders import JSON, Client
from stack import Source, Stack

PUBLIC = "https://in.example.org"


@pytest.fixture
def api() -> Iterator[SegmentApi]:
    with SegmentApi() as fake:
        yield fake


@pytest.fixture
def token_file(tmp_path: Path) -> Path:
    file = tmp_path / "token"
    file.write_text(TOKEN + "\n")
    return file


def connect(stack: Stack, api: SegmentApi, token: Path, name: str, *flags: str, **settings: str) -> subprocess.CompletedProcess[str]:
    given = {**stack.ingest_settings, "INGEST_PUBLIC_URL": PUBLIC + "/", **settings}
    return run(stack.env["INGEST_BIN"], "source", "connect", name, "--token-file", str(token), "--segment-api", api.url, *flags, settings=given)


def printed(done: subprocess.CompletedProcess[str]) -> Any:
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_without_a_choice_all_sources_of_the_workspace_are_listed(stack: Stack, source: Source, api: SegmentApi, token_file: Path) -> None:
    listed = printed(connect(stack, api, token_file, source.slug, "--json"))
    assert [one["slug"] for one in listed["segment_sources"]] == ["web_site", "old_site", "ios_app", "server", "shop"]
    assert [one["enabled"] for one in listed["segment_sources"]] == [True, False, True, True, True]
    text = connect(stack, api, token_file, source.slug)
    assert text.returncode == 0 and "web_site" in text.stdout and "(switched off)" in text.stdout
    assert (api.destinations, api.subscriptions) == ([], [])


def test_a_source_is_connected_and_what_segment_then_sends_arrives(  # noqa: PLR0913
        stack: Stack, source: Source, client: Client, api: SegmentApi, token_file: Path, log: KafkaLog, database: Database) -> None:
    done = printed(connect(stack, api, token_file, source.name, "--segment-source", "shop", "--json"))
    [destination], [mapping] = api.destinations, api.subscriptions
    assert done == {"connected": {"destination_id": destination["id"], "segment_source": "shop", "was_there": False}}
    assert destination["sourceId"] == "src4" and destination["enabled"] and destination["settings"] == {"sharedSecret": source.secret}
    assert mapping["enabled"] and all(f'type = "{kind}"' in mapping["trigger"] for kind in ("identify", "track", "page", "screen", "group", "alias"))
    fields = mapping["settings"]
    assert (fields["method"], fields["data"]) == ("POST", {"@path": "$."})
    assert fields["url"] == PUBLIC + source.webhook_path
    event = b'{"type":"track","messageId":"connected","userId":"u","event":"E"}'
    assert client.post(fields["url"].removeprefix(PUBLIC), event, {**JSON, **fields["headers"]}).status == 200
    wait_loaded(log, database)
    assert [row["message_id"] for row in database.rows(source.schema, "track")] == ["connected"]


def test_it_is_switched_on_only_after_it_has_its_mapping(stack: Stack, source: Source, api: SegmentApi, token_file: Path) -> None:
    printed(connect(stack, api, token_file, source.slug, "--segment-source", "shop", "--json"))
    made, mapped, on = (api.calls.index(call) for call in ("POST /destinations", "POST /destinations/dst0/subscriptions", "PATCH /destinations/dst0"))
    assert made < mapped < on


@pytest.mark.parametrize("call", ["GET /sources", "GET /catalog", "POST /destinations", "POST /destinations/dst0/sub", "PATCH /destinations"])
@pytest.mark.parametrize("status", [500, 429])
def test_after_any_failure_it_may_be_run_again_and_makes_nothing_twice(  # noqa: PLR0913
        call: str, status: int, stack: Stack, source: Source, api: SegmentApi, token_file: Path) -> None:
    api.fail_next(call, status)
    failed = connect(stack, api, token_file, source.slug, "--segment-source", "shop", "--json")
    assert (failed.returncode, failed.stdout) == (1, "") and f"{status}" in failed.stderr and "again later" in failed.stderr
    printed(connect(stack, api, token_file, source.slug, "--segment-source", "shop", "--json"))
    again = printed(connect(stack, api, token_file, source.slug, "--segment-source", "src4", "--json"))
    assert again["connected"]["was_there"]
    assert (len(api.destinations), len(api.subscriptions)) == (1, 1) and api.destinations[0]["enabled"]


def test_after_a_rotation_it_brings_segment_up_to_date(stack: Stack, source: Source, api: SegmentApi, token_file: Path) -> None:
    printed(connect(stack, api, token_file, source.slug, "--segment-source", "shop", "--json"))
    new = printed(run(stack.env["INGEST_BIN"], "source", "rotate", source.slug, "--json", settings=stack.ingest_settings))
    printed(connect(stack, api, token_file, source.slug, "--segment-source", "shop", "--json"))
    [destination], [mapping] = api.destinations, api.subscriptions
    assert destination["settings"] == {"sharedSecret": new["secret"]}
    assert mapping["settings"]["headers"] == {"Authorization": f"Bearer {new['token']}"}


@pytest.mark.parametrize("flags, settings, token, said", [
    (["--segment-source", "nobody"], {}, TOKEN, "no source 'nobody'"),
    ([], {"INGEST_PUBLIC_URL": "http://in.example.org"}, TOKEN, "https://"),
    ([], {"INGEST_PUBLIC_URL": ""}, TOKEN, "INGEST_PUBLIC_URL"),
    ([], {}, "wrong", "Workspace Owner"),
    ([], {}, "", "is empty"),
    ([], {}, "two words", "token alone"),
    (["--segment-api", "http://api.example.org"], {}, TOKEN, "in the open"),
    (["--segment-api", "http://127.0.0.1:1"], {}, TOKEN, "127.0.0.1:1"),
])
def test_what_is_wrong_is_said_and_nothing_is_made(  # noqa: PLR0913
        flags: list[str], settings: dict[str, str], token: str, said: str, stack: Stack, source: Source, api: SegmentApi,
        token_file: Path) -> None:
    token_file.write_text(token)
    done = connect(stack, api, token_file, source.slug, *flags, **settings)
    assert (done.returncode, done.stdout) == (1, "") and said in done.stderr
    assert source.secret not in done.stderr and (not token or token == "wrong" or token not in done.stderr)
    assert (api.destinations, api.subscriptions) == ([], [])


def test_a_token_file_or_source_that_is_not_there_is_named(stack: Stack, source: Source, api: SegmentApi, tmp_path: Path) -> None:
    done = connect(stack, api, tmp_path / "missing", source.slug)
    assert done.returncode == 1 and str(tmp_path / "missing") in done.stderr
    (tmp_path / "token").write_text(TOKEN)
    done = connect(stack, api, tmp_path / "token", "nobody")
    assert done.returncode == 1 and "'nobody'" in done.stderr
