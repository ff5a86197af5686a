"""From ledger entries to scored and measured frames. No side effects, so this stage runs ahead.

Threads share the frames of a part, and each takes its share through all steps (read, decode,
forward pass, hotspots). On a CPU this is faster than threads inside the forward pass, which wait
for one another at every layer, and longer when another process takes a core.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from storage.frames.ledger import LedgerFrame
from thermal.detection.detector import Detector
from thermal.inspection import Content, Refusal, inspect
from worker.config import WorkerConfig
from worker.frame import InspectedFrame
from worker.progress import Progress
from worker.reading import FileContent, Postponed, Refused, Superseded, read_frame, refuse

#: The possible results of inspecting a pending frame.
Outcome = InspectedFrame | Refused | Superseded | Postponed


@dataclass(frozen=True)
class Inspection:
    """Inspected frames by result, each list in the order of the entries."""

    inspected: list[InspectedFrame]
    refused: list[Refused]
    superseded: list[Superseded]
    postponed: list[Postponed]


class InspectionPool:
    """Inspects frames in threads."""

    def __init__(
        self,
        config: WorkerConfig,
        clock: Callable[[], float],
        progress: Progress,
        pool: ThreadPoolExecutor,
    ):
        self._config = config
        self._clock = clock
        self._progress = progress
        self._pool = pool

    def start(self, detector: Detector, entries: Sequence[LedgerFrame]) -> InspectionAhead:
        """Start inspecting `entries`."""
        share = math.ceil(len(entries) / self._config.threads)
        size = max(1, min(share, detector.images_a_pass))
        now = self._clock()
        return InspectionAhead(
            [
                self._pool.submit(
                    inspect_files,
                    entries[start : start + size],
                    detector,
                    self._config,
                    now=now,
                    progress=self._progress,
                )
                for start in range(0, len(entries), size)
            ]
        )


class InspectionAhead:
    """An inspection that runs in other threads."""

    def __init__(self, shares: Sequence[Future[list[Outcome]]]):
        self._shares = shares

    def result(self) -> Inspection:
        """Wait for the inspection. Raises whatever a thread raised."""
        found = [item for share in self._shares for item in share.result()]
        return Inspection(
            inspected=[item for item in found if isinstance(item, InspectedFrame)],
            refused=[item for item in found if isinstance(item, Refused)],
            superseded=[item for item in found if isinstance(item, Superseded)],
            postponed=[item for item in found if isinstance(item, Postponed)],
        )

    def cancel(self) -> None:
        """Cancel shares that have not started; running ones may finish, without side effects."""
        for share in self._shares:
            share.cancel()
        self._shares = ()  # a failed future's traceback would keep the batch in memory


def inspect_files(
    entries: Sequence[LedgerFrame],
    detector: Detector,
    config: WorkerConfig,
    *,
    now: float,
    progress: Progress,
) -> list[Outcome]:
    """Read and inspect the files of pending frames, in their order. `now` is in Unix s.

    Raises:
        FloatingPointError, RuntimeError: the model or its device failed.
    """
    outcomes: dict[str, Outcome] = {}
    read: list[tuple[LedgerFrame, str]] = []  # with SHA-256, without the bytes

    def contents() -> Iterator[Content]:
        for entry in entries:
            camera = config.camera(entry.camera)
            found = read_frame(
                entry,
                max_bytes=camera.decode.max_bytes,
                grace_s=config.grace_s,
                now=now,
                progress=progress,
            )
            progress.step()
            if isinstance(found, FileContent):
                read.append((entry, found.sha256))
                suffix = Path(entry.path).suffix
                yield Content(found.data, suffix, camera.decode, camera.hotspot)
            else:
                outcomes[entry.id] = found

    answers = inspect(contents(), detector, progress=progress.step)
    for (entry, sha256), answer in zip(read, answers, strict=True):
        if isinstance(answer, Refusal):
            outcomes[entry.id] = refuse(entry, answer, grace_s=config.grace_s, now=now)
        else:
            outcomes[entry.id] = InspectedFrame(entry, sha256, **vars(answer))
    return [outcomes[entry.id] for entry in entries]
