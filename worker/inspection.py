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
from thermal.sandbox import Decoder, Sandbox
from worker.capture_time import capture_of
from worker.config import WorkerConfig
from worker.frame import InspectedFrame
from worker.progress import Progress
from worker.reading import (
    Changed,
    FileContent,
    KnownContent,
    Postponed,
    Refused,
    read_frame,
    refuse,
)

#: The possible results of inspecting a pending frame.
Outcome = InspectedFrame | KnownContent | Refused | Changed | Postponed


@dataclass(frozen=True)
class Inspection:
    """Inspected frames by result, each list in the order of the entries."""

    inspected: list[InspectedFrame]
    known: list[KnownContent]
    refused: list[Refused]
    changed: list[Changed]
    postponed: list[Postponed]


class InspectionPool:
    """Inspects frames in threads."""

    def __init__(
        self,
        config: WorkerConfig,
        clock: Callable[[], float],
        progress: Progress,
        pool: ThreadPoolExecutor,
        sandbox: Sandbox,
    ):
        self._config = config
        self._sandbox = sandbox
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
                    self._inspect,
                    entries[start : start + size],
                    detector,
                    now,
                )
                for start in range(0, len(entries), size)
            ]
        )

    def _inspect(
        self, entries: Sequence[LedgerFrame], detector: Detector, now: float
    ) -> list[Outcome]:
        with self._sandbox.decoder() as decoder:
            return inspect_files(
                entries, detector, self._config, decoder, now=now, progress=self._progress
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
            known=[item for item in found if isinstance(item, KnownContent)],
            refused=[item for item in found if isinstance(item, Refused)],
            changed=[item for item in found if isinstance(item, Changed)],
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
    decoder: Decoder,
    *,
    now: float,
    progress: Progress,
) -> list[Outcome]:
    """Read and inspect the files of pending frames, in their order. `now` is in Unix s.

    Raises:
        FloatingPointError, RuntimeError: the model or its device failed.
        SandboxUnavailable: `decoder` cannot start its process.
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

    answers = inspect(contents(), detector, decoder=decoder, progress=progress.step)
    for (entry, sha256), answer in zip(read, answers, strict=True):
        if isinstance(answer, Refusal):
            outcomes[entry.id] = refuse(entry, answer, sha256, grace_s=config.grace_s, now=now)
        else:
            capture = capture_of(
                answer.frame,
                entry.path,
                mtime_s=entry.mtime_ns / 1e9,
                arrived_at=entry.seen_at,
                clock=config.camera(entry.camera).clock,
            )
            outcomes[entry.id] = InspectedFrame(entry, sha256, **vars(answer), capture=capture)
    return [outcomes[entry.id] for entry in entries]
