"""Scores a folder of images as a worker does, but in memory and without any service.

The folder's first-level directories are the cameras. As in the running system, each camera's
threshold starts from the model's held-out scores. Images are decided in the order of their paths.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa

from ops.errors import SettingsError
from producer.naming import WatchRoot
from storage.db.result_fields import ResultRow
from storage.files.artifacts import ArtifactStore
from storage.frames.ledger import LedgerFrame
from storage.results.csv_file import csv_header, csv_lines
from storage.results.record_batches import batch_of_rows
from storage.stream.history import start_state
from thermal.detection.detector import Detector
from thermal.errors import DatasetError
from thermal.sandbox import InProcess
from thermal.threshold import Baseline, Decision, RollingThreshold
from worker.config import WorkerConfig
from worker.frame import InspectedFrame
from worker.inspection import Outcome, inspect_files
from worker.pictures import keeps_pictures, store_pictures
from worker.progress import Progress
from worker.reading import MAX_ATTEMPTS, Changed, KnownContent, Postponed, Refused
from worker.rows import StoredArtifacts, make_row

#: Images that are read and inspected at a time.
BATCH = 64

#: The columns of quarantine.csv.
QUARANTINE = pa.schema(
    [(name, pa.string()) for name in ("image_path", "camera", "reason", "detail")]
)


@dataclass(frozen=True)
class FolderReport:
    """Numbers of images by outcome; `anomalies` is part of `scored`."""

    scored: int
    anomalies: int
    quarantined: int


def score_images(
    root: WatchRoot,
    paths: Sequence[str],
    detector: Detector,
    config: WorkerConfig,
    output: Path,
    *,
    progress: Callable[[int], None],
) -> FolderReport:
    """Score `paths`, which are relative to `root`, in the given order.

    Writes results.csv, quarantine.csv (files that cannot be scored) and pictures/ to the folder
    `output`. `progress` receives the number of images done so far.

    Raises:
        DatasetError: a file vanished.
        OSError: `output` cannot be written.
    """
    scorer = _FolderScorer(detector, config, ArtifactStore(output / "pictures"))
    scored = anomalies = quarantined = done = 0
    output.mkdir(parents=True, exist_ok=True)
    with (
        _replacing(output / "results.csv") as results_file,
        _replacing(output / "quarantine.csv") as quarantine_file,
        ThreadPoolExecutor(config.threads) as pool,
    ):
        results_file.write(csv_header())
        quarantine_file.write(csv_header(QUARANTINE))
        for start in range(0, len(paths), BATCH):
            batch = paths[start : start + BATCH]
            outcomes = _inspect(root, batch, detector, config, pool)
            rows = [scorer.row(item) for item in outcomes if isinstance(item, InspectedFrame)]
            refused = [_refusal(o) for o in outcomes if not isinstance(o, InspectedFrame)]
            results_file.write(csv_lines(batch_of_rows(rows)))
            quarantine_file.write(csv_lines(_quarantine_batch(refused)))
            scored += len(rows)
            anomalies += sum(row.anomaly for row in rows)
            quarantined += len(refused)
            done += len(batch)
            progress(done)
    return FolderReport(scored, anomalies, quarantined)


def image_root(images: Path, *, camera: str | None) -> tuple[WatchRoot, list[str]]:
    """The folder `images` as a watch root, and the sorted paths of its images, relative to it.

    `images` may also be a single file. With `camera`, all images belong to that camera.

    Raises:
        DatasetError: the folder has no images.
    """
    from thermal.training.dataset import list_images

    folder = images if images.is_dir() else images.parent
    found = list_images(folder) if images.is_dir() else [images]
    root = WatchRoot.at(folder, {camera: folder.absolute()} if camera else {})
    return root, [os.path.relpath(path, folder) for path in found]


def refuse_output_among_images(images: Path, output: Path) -> None:
    """Check that the next run over the folder `images` would not take its pictures for images.

    Raises:
        SettingsError: `output` is this folder or lies in it.
    """
    if images.is_dir() and output.resolve().is_relative_to(images.resolve()):
        raise SettingsError(
            f"--output {output} lies inside {images}, so its pictures would be taken for images "
            "the next time; choose another directory"
        )


class _FolderScorer:
    """The model, and the threshold of each camera."""

    def __init__(self, detector: Detector, config: WorkerConfig, store: ArtifactStore) -> None:
        self._detector = detector
        self._config = config
        self._store = store
        self._baseline = Baseline.from_scores(detector.bundle.held_out_scores, config.window)
        self._streams: dict[str, RollingThreshold] = {}

    def row(self, item: InspectedFrame) -> ResultRow:
        """Decide about a frame and store its pictures. Call it in the order of the images."""
        decision = self._decide(item.camera, item.scored.score)
        stored = StoredArtifacts()
        if keeps_pictures(self._config, item.id, decision):
            stored = store_pictures(self._store, self._detector.bundle, item, decision)
        return make_row(
            item,
            decision,
            epoch="",  # no shared window
            stored=stored,
            model_id=self._detector.model_id,
            worker=self._config.name,
            now=time.time(),
        )

    def _decide(self, camera: str, score: float) -> Decision:
        if camera not in self._streams:
            self._streams[camera] = start_state(
                self._config.window, self._baseline, self._detector.bundle, camera
            )
        return self._streams[camera].decide(score)


def _inspect(
    root: WatchRoot,
    paths: Sequence[str],
    detector: Detector,
    config: WorkerConfig,
    pool: ThreadPoolExecutor,
) -> list[Outcome]:
    """Read and inspect images in threads; the outcomes are in the order of `paths`."""
    now = time.time()
    entries = [_entry(root, path, now) for path in paths]
    size = max(1, min(math.ceil(len(entries) / config.threads), detector.images_a_pass))

    def share(start: int) -> list[Outcome]:
        part = entries[start : start + size]
        return inspect_files(part, detector, config, InProcess(), now=now, progress=Progress())

    shares = pool.map(share, range(0, len(entries), size))
    return [outcome for found in shares for outcome in found]


def _entry(root: WatchRoot, path: str, now: float) -> LedgerFrame:
    frame = root.frame_at(path)
    if frame is None:
        raise DatasetError(f"{root.join(path)} vanished while the folder was being scored")
    return LedgerFrame(
        id=frame.frame_id,
        camera=frame.camera,
        root=frame.root,
        path=frame.path,
        mtime_ns=frame.mtime_ns,
        size=frame.size,
        attempts=MAX_ATTEMPTS,  # never postpone: no upload is in progress
        seen_at=now,
        ctime_ns=frame.ctime_ns,
    )


def _refusal(outcome: Refused | Changed | KnownContent | Postponed) -> Refused:
    """Why an image was not scored. Changed and postponed ones count as unreadable here."""
    if isinstance(outcome, Refused):
        return outcome
    return Refused(
        outcome.entry,
        "unreadable",
        "the file changed or became unreadable while it was scored",
    )


def _quarantine_batch(refused: Sequence[Refused]) -> Any:
    columns = [
        [item.entry.path for item in refused],
        [item.entry.camera for item in refused],
        [item.reason for item in refused],
        [item.detail for item in refused],
    ]
    return pa.record_batch(columns, schema=QUARANTINE)


@contextmanager
def _replacing(path: Path) -> Iterator[BinaryIO]:
    """Write a temporary file, and rename it to `path` once it is complete."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        yield file
    temporary.replace(path)
