"""Connections that break after the request: the sender sends again, and ingest must neither lose nor mix anything up."""

from __future__ import annotations

from conftest import Bed
from reset_proxy import ResetProxy

CUT_SHARE = 0.1
EVENTS, EVENTS_LONG = 3_000, 100_000


def test_answers_cut_off_by_a_proxy(bed: Bed, is_long: bool) -> None:
    bed.ingest.start()
    with ResetProxy(("127.0.0.1", bed.ingest.port), CUT_SHARE, bed.seed) as proxy:
        with bed.make_senders(proxy.address).running():
            bed.wait_more(EVENTS_LONG if is_long else EVENTS, 600)
            proxy.stop_cutting()
            bed.wait_more(100)
        verdict = bed.verify()
        assert proxy.cuts > 50
        assert verdict.copies >= proxy.cuts / 3, "what was cut off had not been stored"
        assert bed.senders.seen.statuses.keys() == {200}
