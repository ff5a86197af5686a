"""Live updates, and the server as a process."""

from __future__ import annotations

import asyncio
import json
import re
import signal
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx2
import pytest

from ops.web.security.access import LOCAL
from storage.frames.identity import NewFrame
from storage.frames.outcomes import Quarantined, finish
from storage.frames.registration import register
from tests.ops.cli.process import environment
from tests.ops.web.site import WebSite
from tests.storage.examples import recorded_statements
from tests.waiting import PATIENCE_S, wait_until


async def next_update(events: AsyncIterator[str]) -> dict[str, float]:
    """The data of the next `update` event."""
    async with asyncio.timeout(60):
        async for event in events:
            if event.startswith("event: update"):
                (data,) = re.findall(r"^data: (.*)$", event, re.MULTILINE)
                found: dict[str, float] = json.loads(data)
                return found
    raise AssertionError("the events ended")


def test_results_reviews_and_quarantines_send_updates(site: WebSite) -> None:
    async def listen() -> None:
        live = site.services.live
        events = live.events(LOCAL)
        assert (await next_update(events))["result_id"] == 0
        (row,) = await asyncio.to_thread(site.commit, [{"anomaly": True}])
        assert (await next_update(events))["result_id"] == row.id
        await asyncio.to_thread(
            site.client().post, f"/api/v1/results/{row.id}/review", json={"verdict": "confirmed"}
        )
        assert (await next_update(events))["review_id"] == 1
        bad = NewFrame("north", "/srv", "bad.png", 1, 1)
        register(site.engine, [bad], now=1.0)
        finish(site.engine, [Quarantined(bad.frame_id, "corrupt", "")], now=7.0)
        assert (await next_update(events))["quarantined_at"] == 7.0
        await live.close()
        assert [event async for event in events] == []

    asyncio.run(listen())


def test_fifty_listeners_send_no_more_queries_than_one(site: WebSite) -> None:
    async def listen(number: int) -> int:
        live = site.new_services().live
        with recorded_statements(site.engine) as statements:
            everybody = [live.events(LOCAL) for _ in range(number)]
            for events in everybody:
                await next_update(events)
            await live.close()
            asked = len(statements.seen)
        for events in everybody:
            await events.aclose()
        return asked

    one = asyncio.run(listen(1))
    assert asyncio.run(listen(50)) <= 4 * one


class Server:
    """`thermalwatch serve` in a separate process."""

    def __init__(self, data: Path, *words: str) -> None:
        self.log = data / "serve.log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "ops", *words, "serve", "--port", "0", "--data", str(data)],
                stderr=log,
                env=environment(),
                cwd=data,
            )
        wait_until(self._listens, what="an address")
        (self.url,) = re.findall(r"dashboard at (http://\S+?)[\s\"]", self.log.read_text())

    def _listens(self) -> bool:
        assert self.process.poll() is None, self.log.read_text()
        return "dashboard at" in self.log.read_text()


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    running = Server(tmp_path, "--log-format", "json")
    yield running
    running.process.kill()
    running.process.wait()


def test_a_server_sends_updates_and_stops_cleanly_while_a_client_listens(server: Server) -> None:
    first = json.loads(server.log.read_text().splitlines()[0])
    assert (first["level"], first["logger"]) == ("info", "ops.web.server")
    with httpx2.Client(base_url=server.url, timeout=PATIENCE_S) as client:
        assert client.get("/healthz").text == "ok\n"
        assert client.get("/api/v1/cameras").json()["cameras"] == []
        with client.stream("GET", "/api/v1/events") as stream:
            lines = stream.iter_lines()
            assert next(line for line in lines if line.startswith("event:")) == "event: update"
            server.process.send_signal(signal.SIGTERM)
            waiting = threading.Thread(target=list, args=(lines,))
            waiting.start()
            assert server.process.wait(PATIENCE_S) == 0
            waiting.join(PATIENCE_S)
    assert "Traceback" not in server.log.read_text()
