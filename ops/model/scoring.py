"""A folder of images scored without any service: the same steps as a worker, in memory.

Cameras are the first-level directories of the folder. Each one's rolling threshold starts from the
model's held-out scores, as in the running system, and follows the images in the order of their
paths.
"""

from __future__ import annotations

import csv
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from producer.naming import WatchRoot
from storage.files.artifacts import ArtifactStore
from storage.frames.ledger import LedgerFrame
from storage.results.commit import ResultRow
from storage.results.export import csv_header, csv_row
from storage.stream.streams import start_state
from thermal.detection.detector import Detector
from thermal.errors import DatasetError
from thermal.hotspots import HotspotRule, default_rule, measure
from thermal.threshold import Baseline, Decision, RollingThreshold
from worker.config import WorkerConfig
from worker.pictures import keeps_pictures, store_pictures
from worker.progress import Progress
from worker.reading import MAX_ATTEMPTS, Decoded, Outcome, Refused, read_frame
from worker.rows import Inspected, Kept, make_row

#: Images that are read and scored together.
BATCH = 64

QUARANTINE_HEADER = ("image_path", "camera", "reason", "detail")


@dataclass(frozen=True)
class FolderReport:
    """What became of a folder's images."""

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
    """Score `paths` (relative to `root`) in their order; write results.csv, quarantine.csv and
    pictures/ below `output`. `progress` gets the number of images done.

    Files that cannot be used are listed in quarantine.csv. Raises OSError when `output` cannot be
    written.
    """
    scorer = _FolderScorer(detector, config, ArtifactStore(output / "pictures"))
    scored = anomalies = quarantined = done = 0
    output.mkdir(parents=True, exist_ok=True)
    with (
        _replacing(output / "results.csv") as results_file,
        _replacing(output / "quarantine.csv") as quarantine_file,
        ThreadPoolExecutor(config.threads) as pool,
    ):
        results, quarantine = csv.writer(results_file), csv.writer(quarantine_file)
        results.writerow(csv_header())
        quarantine.writerow(QUARANTINE_HEADER)
        for start in range(0, len(paths), BATCH):
            batch = paths[start : start + BATCH]
            outcomes = list(pool.map(lambda path: _read(root, path, config), batch))
            rows, refused = scorer.score(outcomes)
            results.writerows(csv_row(row) for row in rows)
            quarantine.writerows(
                [_as_text(t) for t in (r.entry.path, r.entry.camera, r.reason, r.detail)]
                for r in refused
            )
            scored += len(rows)
            anomalies += sum(row.anomaly for row in rows)
            quarantined += len(refused)
            done += len(batch)
            progress(done)
    return FolderReport(scored, anomalies, quarantined)


def image_root(images: Path, *, camera: str | None) -> tuple[WatchRoot, list[str]]:
    """The folder as if it were watched, and its images' paths in order, relative to it.

    With `camera`, all images are that camera's. A single file stands for itself. Raises
    `DatasetError` for a folder without images.
    """
    from thermal.training.dataset import list_images

    folder = images if images.is_dir() else images.parent
    found = list_images(folder) if images.is_dir() else [images]
    root = WatchRoot.at(folder, {camera: folder.absolute()} if camera else {})
    return root, [os.path.relpath(path, folder) for path in found]


class _FolderScorer:
    """The model and the rolling threshold of each camera."""

    def __init__(self, detector: Detector, config: WorkerConfig, store: ArtifactStore) -> None:
        self._detector = detector
        self._config = config
        self._store = store
        self._baseline = Baseline.from_scores(detector.bundle.held_out_scores, config.window)
        self._streams: dict[str, RollingThreshold] = {}

    def score(self, outcomes: Sequence[Outcome]) -> tuple[list[ResultRow], list[Refused]]:
        """Rows of the frames that could be scored, and the files that could not."""
        unit = self._detector.bundle.preparation.unit
        fitting, refused = [], []
        for outcome in outcomes:
            if isinstance(outcome, Decoded) and outcome.frame.unit == unit:
                fitting.append(outcome)
            else:
                refused.append(_refusal(outcome, unit))
        scored = self._detector.score([outcome.frame for outcome in fitting])
        inspected = [
            Inspected(decoded, one, measure(decoded.frame, self._rule(decoded)))
            for decoded, one in zip(fitting, scored, strict=True)
        ]
        return [self._row(item) for item in inspected], refused

    def _rule(self, decoded: Decoded) -> HotspotRule:
        rule = self._config.camera(decoded.entry.camera).hotspot
        return rule or default_rule(decoded.frame.unit, decoded.frame.bit_depth)

    def _row(self, item: Inspected) -> ResultRow:
        entry = item.decoded.entry
        decision = self._decide(entry.camera, item.scored.score)
        kept = Kept()
        if keeps_pictures(self._config, entry.id, decision):
            kept = store_pictures(self._store, self._detector.bundle, item, decision)
        return make_row(
            item,
            decision,
            epoch="",  # no window that others share
            kept=kept,
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


def _read(root: WatchRoot, path: str, config: WorkerConfig) -> Outcome:
    now = time.time()
    frame = root.frame_at(path)
    if frame is None:
        raise DatasetError(f"{root.join(path)} went away while the folder was scored")
    entry = LedgerFrame(
        id=frame.frame_id,
        camera=frame.camera,
        root=frame.root,
        path=frame.path,
        mtime_ns=frame.mtime_ns,
        size=frame.size,
        attempts=MAX_ATTEMPTS,  # nobody is uploading: what cannot be read now is not read
        seen_at=now,
    )
    camera = config.camera(frame.camera)
    return read_frame(entry, camera, grace_s=0, now=now, progress=Progress())


def _refusal(outcome: Outcome, unit: str) -> Refused:
    """Why an image is not scored; here nothing is tried later."""
    if isinstance(outcome, Refused):
        return outcome
    if isinstance(outcome, Decoded):
        detail = f"the image is in {outcome.frame.unit}, the model was trained in {unit}"
        return Refused(outcome.entry, "unit_mismatch", detail)
    return Refused(outcome.entry, "unreadable", "it changed, or could not be read, meanwhile")


def _as_text(cell: str) -> str:
    """A file's name must not be run as a formula by whoever opens the list in a spreadsheet."""
    return f"'{cell}" if cell.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else cell


@contextmanager
def _replacing(path: Path) -> Iterator[TextIO]:
    """A file that takes its name when it is complete."""
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("w", newline="", encoding="utf-8") as file:
        yield file
    temporary.replace(path)
