"""A fake of Segment's Public API, built from its published description (docs.segmentapis.com): the calls that `source connect` makes.

It holds one workspace in memory and is strict: unknown members, a missing one, a wrong media type or token are refused as the description
says. Lists come in pages of two, whatever is asked for, so that a client must follow the cursor.
"""

from __future__ import annotations

import json
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "sgp_fake-token"
STABLE, ALPHA = "application/vnd.segment.v1+json", "application/vnd.segment.v1alpha+json"
WEBHOOKS_ACTIONS = "614a3c7d791c91c41bae7599"
SEND_ACTION = "nFPnRozhz1mh4Gbx4MLvT5"
PAGE = 2
SUBSCRIPTION = {"name": str, "actionId": str, "trigger": str, "enabled": bool, "settings": dict}  # CreateDestinationSubscriptionAlphaInput
CHANGES = {"name": str, "trigger": str, "enabled": bool, "settings": dict}  # of a subscription, below "input"

Json = dict[str, Any]


class Refused(Exception):
    def __init__(self, status: int, message: str, kind: str = "bad-request") -> None:
        super().__init__(message)
        self.status = status
        self.document = {"errors": [{"type": kind, "message": message}]}


class SegmentApi:
    """`with SegmentApi() as api`: api.url, and what clients made of it. `fail_next` makes a call fail."""

    def __init__(self) -> None:
        self.sources: list[Json] = [
            {"id": f"src{number}", "slug": slug, "name": slug.title(), "enabled": slug != "old_site", "workspaceId": "w1",
             "metadata": {"id": "m1", "slug": "javascript", "name": "JavaScript"}, "writeKeys": [], "labels": []}
            for number, slug in enumerate(["web_site", "old_site", "ios_app", "server", "shop"])]
        self.destinations: list[Json] = []
        self.subscriptions: list[Json] = []
        self.calls: list[str] = []
        self._failures: list[tuple[str, int]] = []
        self._lock = threading.Lock()
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _handle(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                status, document = api._answer(self.command, self.path, dict(self.headers.items()), body)
                data = json.dumps(document).encode()
                self.send_response_only(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PATCH = do_DELETE = _handle

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
                """Calls are in SegmentApi.calls."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> SegmentApi:
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def fail_next(self, call: str, status: int) -> None:
        """The next call that begins so ("PATCH /destinations") is answered with `status`."""
        self._failures.append((call, status))

    # --- answering ----------------------------------------------------------------------------------------------------------------------

    def _answer(self, method: str, target: str, headers: Json, body: bytes) -> tuple[int, Json]:
        parts = urlsplit(target)
        with self._lock:
            self.calls.append(f"{method} {parts.path}")
            try:
                self._check(method, parts.path, headers)
                given = json.loads(body) if body else {}
                return 200, {"data": self._data(method, parts.path, parse_qs(parts.query, strict_parsing=bool(parts.query)), given)}
            except Refused as refused:
                return refused.status, refused.document
            except ValueError as problem:
                return 400, {"errors": [{"type": "bad-request", "message": str(problem)}]}

    def _check(self, method: str, path: str, headers: Json) -> None:
        if headers.get("Authorization") != f"Bearer {TOKEN}":
            raise Refused(401, "Unauthorized", "unauthorized")
        for index, (call, status) in enumerate(self._failures):
            if f"{method} {path}".startswith(call):
                del self._failures[index]
                raise Refused(status, "as the test said", "internal-server-error")
        wanted = ALPHA if "/subscriptions" in path else STABLE
        if headers.get("Accept") != wanted:
            raise Refused(406, f"this call is in {wanted}")

    def _data(self, method: str, path: str, query: dict[str, list[str]], given: Json) -> Json:
        for (wanted, pattern), answer in self._routes().items():
            match = re.fullmatch(pattern, path)
            if match is not None and wanted == method:
                return answer(*match.groups(), query, given)
        raise Refused(404, "no such route", "not-found")

    def _routes(self) -> dict[tuple[str, str], Any]:
        one = "([A-Za-z0-9]+)"
        return {
            ("GET", "/sources"): lambda query, _: self._page("sources", self.sources, query),
            ("GET", f"/sources/{one}/connected-destinations"): lambda id_, query, _: self._page(
                "destinations", [one for one in self.destinations if one["sourceId"] == id_], query),
            ("GET", f"/catalog/destinations/{one}"): lambda id_, _, __: self._catalogue(id_),
            ("POST", "/destinations"): lambda _, given: self._make_destination(given),
            ("PATCH", f"/destinations/{one}"): lambda id_, _, given: self._change_destination(id_, given),
            ("GET", f"/destinations/{one}/subscriptions"): lambda id_, query, _: self._page(
                "subscriptions", [one for one in self.subscriptions if one["destinationId"] == id_], query),
            ("POST", f"/destinations/{one}/subscriptions"): lambda id_, _, given: self._make_subscription(id_, given),
            ("PATCH", f"/destinations/{one}/subscriptions/{one}"): lambda _, id_, __, given: self._change_subscription(id_, given),
        }

    def _page(self, name: str, items: list[Json], query: dict[str, list[str]]) -> Json:
        if not 1 <= int(query["pagination[count]"][0]) <= 1000:
            raise Refused(400, "pagination.count must be from 1 to 1000")
        start = int(query.get("pagination[cursor]", ["=0"])[0].removeprefix("="))  # "=" must come through encoded
        pagination = {"current": f"={start}", "totalEntries": len(items)}
        if start + PAGE < len(items):
            pagination["next"] = f"={start + PAGE}"
        return {name: items[start : start + PAGE], "pagination": pagination}

    def _catalogue(self, id_: str) -> Json:
        if id_ != WEBHOOKS_ACTIONS:
            raise Refused(404, "no such destination", "not-found")
        actions = [{"id": "other", "slug": "other", "name": "Other"}, {"id": SEND_ACTION, "slug": "send", "name": "Send"}]
        return {"destinationMetadata": {"id": id_, "slug": "actions-webhook", "name": "Webhooks (Actions)", "actions": actions}}

    def _make_destination(self, given: Json) -> Json:
        _only(given, {"sourceId": str, "metadataId": str, "enabled": bool, "name": str, "settings": dict}, {"enabled", "name"})
        _only(given["settings"], {"sharedSecret": str}, {"sharedSecret"})
        if given["metadataId"] != WEBHOOKS_ACTIONS or given["sourceId"] not in [source["id"] for source in self.sources]:
            raise Refused(404, "no such source or destination", "not-found")
        made = {**given, "id": f"dst{len(self.destinations)}", "enabled": given.get("enabled", True),
                "metadata": {"id": given["metadataId"], "slug": "actions-webhook"}}
        del made["metadataId"]
        self.destinations.append(made)
        return {"destination": made}

    def _change_destination(self, id_: str, given: Json) -> Json:
        _only(given, {"name": str, "enabled": bool, "settings": dict}, {"name", "enabled", "settings"})
        found = next(one for one in self.destinations if one["id"] == id_)
        found.update(given)
        return {"destination": found}

    def _make_subscription(self, id_: str, given: Json) -> Json:
        _only(given, SUBSCRIPTION, {"settings"})
        if given["actionId"] != SEND_ACTION:
            raise Refused(400, "no such action")
        made = {**given, "id": f"sub{len(self.subscriptions)}", "destinationId": id_, "actionSlug": "send"}
        self.subscriptions.append(made)
        return {"subscription": made}

    def _change_subscription(self, id_: str, given: Json) -> Json:
        _only(given, {"input": dict}, set())
        _only(given["input"], CHANGES, set(CHANGES))
        found = next(one for one in self.subscriptions if one["id"] == id_)
        found.update(given["input"])
        return {"subscription": found}


def _only(given: Json, members: dict[str, type], optional: set[str]) -> None:
    for name, value in given.items():
        if name not in members or not isinstance(value, members[name]):
            raise Refused(400, f"{name}: unknown, or of a wrong type")
    for name in members.keys() - optional - given.keys():
        raise Refused(400, f"{name} is missing")
