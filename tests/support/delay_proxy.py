"""A TCP proxy to a server on this machine that lets every byte pass some time after it came: a network of that delay.

A process of its own, so that it does not share an interpreter with whoever measures. Order is kept, nothing is lost; the
rate is not limited.
"""

from __future__ import annotations

import asyncio
import multiprocessing
from types import TracebackType

from ports import free_port

CHUNK = 262_144


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, delay: float) -> None:
    """Reading never waits for the delay: each piece is written when it is due."""
    due: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
    loop = asyncio.get_running_loop()

    async def write() -> None:
        while True:
            at, data = await due.get()
            await asyncio.sleep(max(0, at - loop.time()))
            if not data:
                writer.close()
                return
            writer.write(data)
            await writer.drain()

    task = asyncio.create_task(write())
    while data := await reader.read(CHUNK):
        due.put_nowait((loop.time() + delay, data))
    due.put_nowait((loop.time() + delay, b""))
    await task


async def _serve(port: int, target: int, delay: float, started: object) -> None:
    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, back = await asyncio.open_connection("127.0.0.1", target, limit=CHUNK)
        await asyncio.gather(_pass_on(reader, back, delay), _pass_on(there, writer, delay), return_exceptions=True)

    server = await asyncio.start_server(connected, "127.0.0.1", port, limit=CHUNK)
    started.set()  # type: ignore[attr-defined]
    await server.serve_forever()


def _run(port: int, target: int, delay: float, started: object) -> None:
    asyncio.run(_serve(port, target, delay, started))


class DelayProxy:
    """`delay` seconds each way are half of a round trip: 5 ms of round trip are given as 0.005 and halved here."""

    def __init__(self, target: int, round_trip: float) -> None:
        self.port = free_port()
        started = multiprocessing.Event()
        self._process = multiprocessing.Process(target=_run, args=(self.port, target, round_trip / 2, started), daemon=True)
        self._started = started

    def __enter__(self) -> DelayProxy:
        self._process.start()
        assert self._started.wait(10), "the proxy did not start"
        return self

    def __exit__(self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None) -> None:
        self._process.terminate()
        self._process.join()
