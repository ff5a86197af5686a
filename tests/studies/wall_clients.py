"""Simulates open walls: ``python -m tests.studies.wall_clients URL COUNT``, until terminated.

Each of COUNT clients sends the requests of the wall: it listens for updates, then fetches the
cameras and the pictures of the tiles that changed, at most every 0.4 s. It prints the duration of
each fetch of the cameras, in milliseconds.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import time
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

#: Least seconds between two refreshes of a page, as in static/js/live.js.
LEAST_GAP_S = 0.4

_IMAGE = re.compile(rb'"image":"([^"]+)"')


class Connection:
    """A persistent HTTP/1.1 connection."""

    def __init__(self, host: str, port: int) -> None:
        self._place = (host, port)
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def open(self) -> Connection:
        self._reader, self._writer = await asyncio.open_connection(*self._place)
        return self

    async def send(self, path: str) -> bytes:
        """Request a path; return the head of the response."""
        self._writer.write(f"GET {path} HTTP/1.1\r\nHost: {self._place[0]}\r\n\r\n".encode())
        return await self._reader.readuntil(b"\r\n\r\n")

    async def get(self, path: str) -> bytes:
        """Read the body of a response with known length."""
        head = await self.send(path)
        length = re.search(rb"content-length: (\d+)", head, re.IGNORECASE)
        if length is None:
            raise RuntimeError(f"{path}: {head.decode(errors='replace')}")
        return await self._reader.readexactly(int(length[1]))

    async def events(self, path: str) -> AsyncIterator[None]:
        """Yield at each `update` of a stream of server-sent events."""
        await self.send(path)
        while line := await self._reader.readline():
            if line == b"event: update\n":
                yield


async def look(host: str, port: int) -> None:
    """Simulate one page, forever."""
    news, requests = await Connection(host, port).open(), await Connection(host, port).open()
    wanted = asyncio.Event()

    async def listen() -> None:
        async for _ in news.events("/api/v1/events"):
            wanted.set()

    listening = asyncio.create_task(listen())
    shown = set[bytes]()
    while not listening.done():
        await wanted.wait()
        wanted.clear()
        begun = time.perf_counter()
        wall = await requests.get("/api/v1/cameras")
        print(f"{1000 * (time.perf_counter() - begun):.1f}", flush=True)
        images = set(_IMAGE.findall(wall))
        for image in images - shown:
            await requests.get(image.decode())
        shown = images
        await asyncio.sleep(max(0.0, begun + LEAST_GAP_S - time.perf_counter()))


async def main(url: str, count: int) -> None:
    """Run `count` pages at the lowest priority, because real ones are on other machines."""
    os.nice(19)
    parts = urlsplit(url)
    async with asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(look(parts.hostname or "127.0.0.1", parts.port or 80))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
