"""Ingest killed and stopped at random under load: what was acknowledged is in Kafka, and nobody got an answer that ends an event."""

from __future__ import annotations

import time

from conftest import Bed

KILLS, KILLS_LONG = 15, 500
STOPS, STOPS_LONG = 6, 50
STOP_SECONDS = 10  # far below INGEST_SHUTDOWN_TIMEOUT


def test_killed_at_random(bed: Bed, is_long: bool) -> None:
    kills = KILLS_LONG if is_long else KILLS
    with bed.make_senders().running():
        for turn in range(kills):
            bed.ingest.start()
            bed.wait_more(1)
            pause = bed.random.uniform(0, 0.4)
            bed.say(f"kill {turn + 1}, {pause:.3f} s after the first acknowledgement")
            time.sleep(pause)
            bed.ingest.kill()
        bed.ingest.start()
        bed.wait_more(100)
    verdict = bed.verify()
    seen = bed.senders.seen
    assert seen.broken["reset"] + seen.broken["closed"] >= kills, "the kills hit no request"
    assert verdict.copies + verdict.unacknowledged > 0, "no answer was ever lost: the kills came between requests"
    assert seen.statuses.keys() <= {200, 503}


def test_stopped_under_load(bed: Bed, is_long: bool) -> None:
    """SIGTERM: those under way are answered, exit code 0, within seconds."""
    codes, times = [], []
    with bed.make_senders().running():
        for turn in range(STOPS_LONG if is_long else STOPS):
            bed.ingest.start()
            bed.wait_more(1)
            pause = bed.random.uniform(0, 0.5)
            bed.say(f"stop {turn + 1}, after {pause:.3f} s")
            time.sleep(pause)
            start = time.monotonic()
            codes.append(bed.ingest.stop())
            times.append(time.monotonic() - start)
        bed.ingest.start()
        bed.wait_more(100)
    bed.verify()
    bed.say(f"slowest stop {max(times):.2f} s")
    assert set(codes) == {0}
    assert max(times) < STOP_SECONDS
    assert bed.senders.seen.statuses.keys() <= {200, 503}
    assert bed.senders.seen.broken["refused"] > 0, "nobody noticed that it was stopped"
