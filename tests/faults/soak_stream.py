"""Cameras that upload continuously and know the expected outcome of every image."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine, select

from storage.db.database import chunks, reading
from storage.db.schema import PENDING, SCORED, frames
from tests.scene import picture

CAMERAS = ("east", "west")
IMAGES_PER_S = 4.0
#: How images are uploaded, each with its frequency in percent.
MANNERS = {
    "plain": 36,
    "part": 9,
    "hidden": 9,
    "slow": 6,
    "half": 5,
    "text": 3,
    "latest": 12,
    "dated": 8,
    "renamed": 6,
    "repeated": 6,
}
#: The time that a camera without a clock sets again and again: 2000-01-01.
STUCK_S = 946_684_800.0
#: Most seconds after which an uploader sets a time, a final name, or uploads again.
LATE_S = 2.0
#: Duration of a slow upload, in seconds.
SLOW_S = 4.0


@dataclass(frozen=True)
class Upload:
    """A complete file, or one that stays truncated."""

    sha256: str
    path: str
    expected: str  #: its state in the ledger, or the reason of its quarantine

    @property
    def key(self) -> str:
        """What tells it apart: contents that are scored are unique, others are not."""
        return self.sha256 if self.expected == "scored" else self.path


class Stream:
    """Uploads from its own thread during the ``with`` block.

    `lock` guards the record of uploads; it is held during each upload.
    """

    def __init__(self, watch: Path, seed: int) -> None:
        self.watch = watch
        self.lock = threading.Lock()
        self.uploaded = 0
        self.waiting: dict[str, Upload] = {}  #: without the expected outcome, by key
        self.wrong: list[str] = []  #: unexpected outcomes
        self.deleted = 0  #: deleted before they had an outcome
        self._newest: dict[str, Upload] = {}  # by camera
        self._chance = random.Random(seed)
        self._ended = threading.Event()
        self._slow: list[threading.Thread] = []

    def __enter__(self) -> Stream:
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._ended.set()
        for thread in (self._thread, *self._slow):
            thread.join()
        with self.lock:  # from now on the latest versions are not overwritten
            self.waiting |= {u.key: u for u in self._newest.values()}

    def _run(self) -> None:
        write = {
            "plain": self._plain,
            "part": self._part,
            "hidden": self._hidden,
            "half": self._half,
            "text": self._text,
            "latest": self._latest,
        }
        slow = {
            "slow": self._slowly,
            "dated": self._dated,
            "renamed": self._renamed,
            "repeated": self._repeated,
        }
        while not self._ended.wait(self._chance.expovariate(IMAGES_PER_S)):
            manner = self._chance.choices(list(MANNERS), list(MANNERS.values()))[0]
            camera, number = self._chance.choice(CAMERAS), self.uploaded
            data = picture(number, hot=number % 50 == 49)
            if manner in slow:
                self._slow = [thread for thread in self._slow if thread.is_alive()]
                thread = threading.Thread(target=slow[manner], args=(camera, number, data))
                thread.start()
                self._slow.append(thread)
            else:
                with self.lock:
                    write[manner](self._directory(camera), number, data)
            self.uploaded += 1

    def _directory(self, camera: str) -> Path:
        directory = self.watch / camera
        directory.mkdir(exist_ok=True)
        return directory

    def _plain(self, directory: Path, number: int, data: bytes) -> None:
        path = directory / f"{number:06}.png"
        path.write_bytes(data)
        self._expect(path, "scored")

    def _part(self, directory: Path, number: int, data: bytes) -> None:
        path = directory / f"{number:06}.png"
        path.with_suffix(".png.part").write_bytes(data)
        self._expect(path.with_suffix(".png.part").rename(path), "scored")

    def _hidden(self, directory: Path, number: int, data: bytes) -> None:
        hidden = directory / f".{number:06}.png.Xq81"
        hidden.write_bytes(data)
        self._expect(hidden.rename(directory / f"{number:06}.png"), "scored")

    def _half(self, directory: Path, number: int, data: bytes) -> None:
        path = directory / f"{number:06}.png"
        path.write_bytes(data[: len(data) // 2])
        self._expect(path, "corrupt")

    def _text(self, directory: Path, number: int, data: bytes) -> None:
        path = directory / f"{number:06}.png"
        path.write_bytes(b"<html>no camera here</html>")
        self._expect(path, "unsupported")

    def _latest(self, directory: Path, number: int, data: bytes) -> None:
        """Only the last version must be scored; earlier ones may be overwritten before."""
        path = directory / "latest.png"
        path.write_bytes(data)
        os.utime(path, (STUCK_S, STUCK_S))
        self._newest[directory.name] = self._upload(path, "scored")

    def _slowly(self, camera: str, number: int, data: bytes) -> None:
        pieces = 10
        with suppress(FileNotFoundError):  # its directory was deleted meanwhile
            path = self._directory(camera) / f"{number:06}.png"
            with path.open("wb") as file:
                for start in range(0, len(data), len(data) // pieces + 1):
                    file.write(data[start : start + len(data) // pieces + 1])
                    file.flush()
                    time.sleep(SLOW_S / pieces)
            with self.lock:
                self._expect(path, "scored")

    def _late(self) -> float:
        return self._chance.choice([0.0, 0.01, 0.1, LATE_S])

    def _dated(self, camera: str, number: int, data: bytes) -> None:
        """Set the time after closing, as FTP clients do."""
        with suppress(FileNotFoundError):
            with self.lock:
                path = self._directory(camera) / f"{number:06}.png"
                self._plain(path.parent, number, data)
            time.sleep(self._late())
            os.utime(path, (STUCK_S, STUCK_S))

    def _renamed(self, camera: str, number: int, data: bytes) -> None:
        """Upload under one visible name, then rename."""
        with suppress(FileNotFoundError):
            with self.lock:
                path = self._directory(camera) / f"upload-{number:06}.png"
                path.write_bytes(data)
                self._expect(path, "scored")
            time.sleep(self._late())
            path.rename(path.with_name(f"{number:06}.png"))

    def _repeated(self, camera: str, number: int, data: bytes) -> None:
        """Upload again, as after a lost answer."""
        with suppress(FileNotFoundError):
            with self.lock:
                path = self._directory(camera) / f"{number:06}.png"
                self._plain(path.parent, number, data)
            time.sleep(self._late())
            with self.lock:
                if path.exists():
                    path.write_bytes(data)

    def _expect(self, path: Path, outcome: str) -> None:
        upload = self._upload(path, outcome)
        self.waiting[upload.key] = upload

    def _upload(self, path: Path, outcome: str) -> Upload:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        return Upload(digest, str(path.relative_to(self.watch)), outcome)

    def settle(self, engine: Engine) -> None:
        """Look up the outcomes of the uploads that have none yet."""
        with self.lock:
            waiting = dict(self.waiting)
        done = outcomes(engine, list(waiting.values()))
        with self.lock:
            for key, outcome in done.items():
                upload = self.waiting.pop(key, None)
                if upload is not None and outcome != upload.expected:
                    self.wrong.append(f"{upload.path} is {outcome}, not {upload.expected}")

    def delete_camera(self, camera: str) -> None:
        """Delete a camera's directory and its content; the next upload recreates it.

        Files that were not read by then have no expected outcome.
        """
        with self.lock:
            shutil.rmtree(self.watch / camera, ignore_errors=True)
            lost = [u for u in self.waiting.values() if u.path.startswith(f"{camera}/")]
            for upload in lost:
                del self.waiting[upload.key]
            self.deleted += len(lost)
            self._newest.pop(camera, None)


def outcomes(engine: Engine, uploads: Sequence[Upload]) -> dict[str, str]:
    """State, or reason of quarantine, by key, of the uploads that have an outcome."""
    found: dict[str, str] = {}
    query = select(frames.c.sha256, frames.c.path, frames.c.state, frames.c.reason)
    by_content = [upload.key for upload in uploads if upload.expected == "scored"]
    by_path = [upload.key for upload in uploads if upload.expected != "scored"]
    with reading(engine) as connection:
        for chunk in chunks(by_content):
            scored = query.where(frames.c.sha256.in_(chunk), frames.c.state == SCORED)
            found |= {row.sha256: row.state for row in connection.execute(scored)}
        for chunk in chunks(by_path):
            settled = query.where(frames.c.path.in_(chunk), frames.c.state != PENDING)
            found |= {row.path: row.reason or row.state for row in connection.execute(settled)}
    return found
