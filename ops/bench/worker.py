"""A worker that times its stages: ``python -m ops.bench.worker FILE work …``.

The worker's own code is unchanged: the function of each stage is wrapped before the command runs,
which costs a microsecond per image. When the command ends, FILE has the seconds by stage, as JSON.
"""

from __future__ import annotations

import functools
import json
import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, Final

#: Stage → its function. `score` includes the two stages before it; `read` is only the
#: file, `decode` the wait for the decoder process.
STAGES: Final = {
    "read": "worker.reading._read_unchanged",
    "decode": "thermal.sandbox.pool.ProcessDecoder.results",
    "prepare": "thermal.detection.detector.prepare",
    "forward": "thermal.detection.score.Scorer.observe",
    "score": "thermal.detection.detector.Detector.score",
    "hotspots": "thermal.inspection.measure",
    "decide": "storage.stream.streams.Streams.decide_all",
    "draw": "worker.batch.store_pictures",
    "commit": "worker.batch.commit_results",
}


class StageTimes:
    """Seconds spent in each stage, summed over threads."""

    def __init__(self) -> None:
        self.seconds = dict.fromkeys(STAGES, 0.0)
        self._lock = threading.Lock()

    def wrap(self, stage: str, dotted: str) -> None:
        """Replace the function by one that times it."""
        owner, attribute = _locate(dotted)
        function: Callable[..., Any] = getattr(owner, attribute)

        @functools.wraps(function)
        def timed(*args: Any, **kwargs: Any) -> Any:
            begun = time.perf_counter()
            try:
                return function(*args, **kwargs)
            finally:
                took = time.perf_counter() - begun
                with self._lock:
                    self.seconds[stage] += took

        setattr(owner, attribute, timed)

    def exclusive(self) -> dict[str, float]:
        """Seconds by stage, where no stage includes another."""
        seconds = dict(self.seconds)
        seconds["score"] -= seconds["prepare"] + seconds["forward"]
        return seconds


def _locate(dotted: str) -> tuple[Any, str]:
    *path, attribute = dotted.split(".")
    try:
        return import_module(".".join(path)), attribute
    except ModuleNotFoundError:  # a method
        return getattr(import_module(".".join(path[:-1])), path[-1]), attribute


def main(file: str, *words: str) -> None:
    """Run the command."""
    from ops.cli.main import cli

    times = StageTimes()
    for stage, dotted in STAGES.items():
        times.wrap(stage, dotted)
    try:
        cli.main(words, prog_name="thermalwatch")
    finally:
        Path(file).write_text(json.dumps(times.exclusive()))


if __name__ == "__main__":
    main(*sys.argv[1:])
