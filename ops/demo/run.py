"""The demo: the real system, from training to results, on images whose faults are known.

Only the plant is simulated: the model is trained as by `train`, `up` runs in its own process, files
arrive as from cameras, and the outcome is read from the database.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ops.config import wiring
from ops.config.loading import load_settings
from ops.demo.input import DemoFrame, DemoInput
from ops.demo.uploader import Uploader
from ops.errors import DemoError, SettingsError
from ops.local.parent_death import bound_to_this_process
from ops.local.up import child_environment, command_argv
from ops.model.training import decode_options, run_training
from ops.program import command_line

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ops.config.settings import Settings
    from storage.db.result_fields import ResultRow
    from storage.frames.audit import Audit
    from storage.frames.counts import LedgerCounts

#: Marks the folder of an earlier demo, which may be replaced.
MARKER = ".thermalwatch-demo"

#: Passes over the training images: about half a minute on two cores.
EPOCHS = 30

#: Seconds for the system to start, to process the last uploaded file, and to stop.
START_S = 60.0
FINISH_S = 120.0
STOP_S = 90.0

#: Frames between updates of the ledger counts while uploading.
PROGRESS_FRAMES = 10

#: Grace period for files that may still be uploading, in seconds; short, so that the broken file
#: gets its outcome during the demo.
GRACE_S = 3.0

SETTINGS = """\
# Written by `thermalwatch demo`. Try: {example}
watch = "incoming"
model = "bundle"
data = "state"
workers = {workers}

[limits]
grace_s = {grace_s}

[server]
enabled = false  # while the demo runs; `thermalwatch serve` shows what it found

{cameras}
"""


@dataclass(frozen=True)
class Found:
    """One uploaded file and its result; `row` is None if there is none."""

    frame: DemoFrame
    row: ResultRow | None


@dataclass(frozen=True)
class DemoOutcome:
    """What was uploaded, its results, and whether the ledger counts balance."""

    found: tuple[Found, ...]
    audit: Audit
    uploaded: int
    broken: int  #: uploads that were cut off on purpose
    seconds: float  #: from the first upload to the last outcome


def prepare_folder(folder: Path) -> None:
    """Empty the demo's folder. Raises `DemoError` if it holds anything but an earlier demo."""
    if folder.exists() and any(folder.iterdir()):
        if not (folder / MARKER).is_file():
            raise DemoError(f"{folder}: not empty, and not an earlier demo's; give --output DIR")
        shutil.rmtree(folder)
    (folder / "incoming").mkdir(parents=True)
    (folder / MARKER).touch()


def train_model(folder: Path, source: DemoInput, *, workers: int) -> Settings:
    """Write thermalwatch.toml and train the bundle it names."""
    from thermal.detection.bundle import save_bundle

    config = folder / "thermalwatch.toml"
    config.write_text(
        SETTINGS.format(
            example=command_line("results", "list", "--config", config),
            workers=workers,
            grace_s=GRACE_S,
            cameras=source.camera_settings,
        )
    )
    settings = load_settings(options={}, environ={}, config=config)
    bundle = run_training(
        source.training,
        cameras=source.cameras,
        options=decode_options(settings, source.cameras),
        chosen={"epochs": EPOCHS, "size": source.size},
    )
    save_bundle(bundle, folder / "bundle")
    return settings


def upload_and_wait(
    folder: Path,
    settings: Settings,
    source: DemoInput,
    *,
    seed: int,
    progress: Callable[[int, LedgerCounts], None],
) -> DemoOutcome:
    """Upload all frames and one broken file, and wait until each has an outcome.

    Raises `DemoError` after `FINISH_S`.
    """
    from storage.frames.audit import audit
    from storage.frames.counts import ledger_counts
    from storage.results.queries import ResultQuery, iterate_results

    uploader = Uploader(folder / "incoming", seed)
    begun = time.monotonic()
    frames = []
    with wiring.open_existing_database(settings) as engine:
        for number, frame in enumerate(source.stream):
            uploader.upload(frame.camera, frame.name, frame.data)
            frames.append(frame)
            if number == source.total // 2:
                uploader.upload_truncated(frame.camera, f"broken-{frame.name}", frame.data)
            if number % PROGRESS_FRAMES == 0:
                progress(len(frames), ledger_counts(engine))
        uploaded = len(frames) + 1
        _await_outcomes(engine, uploaded, lambda found: progress(uploaded, found))
        seconds = time.monotonic() - begun
        rows = {row.image_path: row for row in iterate_results(engine, ResultQuery())}
        return DemoOutcome(
            found=tuple(Found(frame, rows.get(f"{frame.camera}/{frame.name}")) for frame in frames),
            audit=audit(engine),
            uploaded=uploaded,
            broken=1,
            seconds=seconds,
        )


@contextmanager
def running_system(folder: Path, settings: Settings) -> Iterator[None]:
    """Run `thermalwatch up` with the demo's settings during the block."""
    log = folder / "up.log"
    argv = command_argv("up", "--config", str(folder / "thermalwatch.toml"))
    with log.open("wb") as output:
        process = subprocess.Popen(
            bound_to_this_process(argv),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=_environment(),
            start_new_session=True,  # Ctrl-C reaches only the demo, which stops the system
        )
    try:
        _await_start(process, settings, log)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _environment() -> dict[str, str]:
    """The environment without thermalwatch settings: the demo uses only its own file."""
    plain = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("THERMALWATCH_") and name not in ("REDIS_URL", "DATABASE_URL")
    }
    return plain | child_environment(plain)


def _await_start(process: subprocess.Popen[bytes], settings: Settings, log: Path) -> None:
    """Wait until a producer watches and a worker waits for jobs."""
    from ops.status import read_status
    from storage.errors import StorageError

    def ready() -> bool:
        if process.poll() is not None:
            raise DemoError(f"the system did not start; the end of {log}:\n{_tail(log)}")
        try:
            queue = read_status(settings, now=time.time()).queue
        except (StorageError, SettingsError):
            return False  # its database does not exist yet
        return queue is not None and bool(queue.workers) and bool(queue.producers)

    def complain() -> str:
        return f"the system did not start within {START_S:.0f} s; the end of {log}:\n{_tail(log)}"

    _poll(ready, START_S, complain)


def _await_outcomes(engine: Engine, uploaded: int, show: Callable[[LedgerCounts], None]) -> None:
    from storage.frames.counts import ledger_counts

    def done() -> bool:
        found = ledger_counts(engine)
        show(found)
        return found.seen >= uploaded and found.pending == 0

    def complain() -> str:
        found = ledger_counts(engine)
        return (
            f"{uploaded - found.seen} of {uploaded} files were not seen and {found.pending} are "
            f"still pending after {FINISH_S:.0f} s; see the logs in the state directory"
        )

    _poll(done, FINISH_S, complain)


def _poll(condition: Callable[[], bool], timeout_s: float, complaint: Callable[[], str]) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise DemoError(complaint())
        time.sleep(0.2)


def _tail(log: Path, lines: int = 8) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
