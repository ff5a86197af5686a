"""Retention that is killed, and retention while frames are scored."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import func, select

from storage.db.database import reading
from storage.db.schema import frames, results
from storage.retention.run import LEAST_PAUSE_S
from tests.storage.retention.site import DAY, FRAMES, NOW, POLICY, Site

REPOSITORY = Path(__file__).resolve().parents[3]
#: Runs retention; the process kills itself after a number of steps.
RUN = """
import os, signal, sys
from pathlib import Path
from storage.files.artifacts import ArtifactStore
from storage.db.database import connect
from storage.retention.run import Retention
from storage.retention.policy import RetentionPolicy
url, pictures, now, left = sys.argv[1:]
left = int(left)
def die(*_):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
class Store(ArtifactStore):
    def remove(self, relative):
        super().remove(relative)
        if relative.endswith("sheet.png") and left % 2:
            die()
policy = RetentionPolicy(normal_days=5, anomaly_days=10)
Retention(connect(url), Store(Path(pictures)), policy, now=float(now), pause=die).run()
"""


@contextmanager
def streaming(site: Site) -> Iterator[None]:
    """Score new frames continuously within the block, five at a time."""
    stop, failures = threading.Event(), []

    def stream() -> None:
        try:
            number = FRAMES
            while not stop.is_set():
                site.score(range(number, number + 5))
                number += 5
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=stream)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert failures == []
    with reading(site.engine) as connection:
        assert (connection.scalar(select(func.max(frames.c.arrival))) or 0) > FRAMES


def test_a_run_killed_at_any_step_is_completed_by_the_next(site: Site) -> None:
    # to see it fail: delete results and set `complete_from` in separate transactions
    for start in range(0, FRAMES, 100):
        site.score(range(start, start + 100), pictures=start % 200 == 0)
    url = site.engine.url.render_as_string(hide_password=False)
    ends = []
    with streaming(site):
        for steps in (0, 1, 1, 2, 2, 3, 10_000):
            words = [url, str(site.store.root), str(NOW), str(steps)]
            process = subprocess.run(
                [sys.executable, "-c", RUN, *words],
                env={"PYTHONPATH": str(REPOSITORY)},
                capture_output=True,
                check=False,
            )
            ends.append(process.returncode)
            assert ends[-1] in (0, -signal.SIGKILL), process.stderr.decode()
            site.check()
    assert ends[0] == -signal.SIGKILL
    assert ends[-1] == 0
    with reading(site.engine) as connection:
        named = set(connection.scalars(select(results.c.sheet_picture))) - {None}
        oldest = select(func.min(results.c.scored_at)).where(results.c.anomaly == False)  # noqa: E712
        assert (connection.scalar(oldest) or 0) >= NOW - 5 * DAY
    lying = {str(path.relative_to(site.store.root)) for path in site.pictures()}
    assert named == {name for name in lying if name.endswith("sheet.png")}
    site.check()


def test_frames_are_scored_while_retention_runs(year: Site) -> None:
    pauses: list[float] = []
    with streaming(year):
        report = year.retain(POLICY, pause=pauses.append)
    assert report.normal > 700
    assert min(pauses) >= LEAST_PAUSE_S
    year.check()
