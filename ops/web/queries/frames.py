"""A frame's values and pictures: stored ones, or from the watched file while it exists."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from ops.config.wiring import camera_config
from ops.web.problems import Problem
from storage.db.result_fields import ResultRow
from storage.errors import DamagedArtifact, StorageError, UnsafePath
from storage.files.frame_arrays import FrameArrays, decode_arrays
from storage.files.paths import open_beneath, text_to_path
from storage.frames.audit import FrameRecord, find_frame
from storage.frames.ledger import ledger_mtime_ns
from thermal.errors import ThermalError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ops.config.settings import Settings
    from storage.files.artifacts import ArtifactStore
    from thermal.detection.normalization import Normalization

#: Thumbnails cached in memory, enough for a wall of cameras.
THUMBNAILS: Final = 256
#: First bytes and media type of quarantined files that browsers can show.
PICTURES: Final = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"BM": "image/bmp",
}


@dataclass(frozen=True, eq=False)
class Measured:
    """Measured values of a frame."""

    values: NDArray[np.float32]  #: (H, W)
    unit: str  #: celsius or counts
    source: Literal["stored", "file"]


class FrameSource:
    """Reads a frame's values and pictures.

    All methods raise `Problem` (404) if there is nothing to read; it says why.
    """

    def __init__(self, settings: Settings, engine: Engine, store: ArtifactStore | None) -> None:
        self._settings = settings
        self._engine = engine
        self._store = store
        self._lock = threading.Lock()
        self._thumbnails: OrderedDict[int, bytes] = OrderedDict()

    def artifact(self, relative: str | None) -> Path:
        """Absolute path of a stored artifact; `relative` is its path in the store."""
        if relative is None or self._store is None:
            raise Problem(HTTPStatus.NOT_FOUND, "nothing is stored for this frame")
        try:
            path = self._store.path(relative)
        except UnsafePath as error:  # not written by our workers
            raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error
        if not path.is_file():
            raise Problem(HTTPStatus.NOT_FOUND, "the stored file of this frame no longer exists")
        return path

    def arrays(self, row: ResultRow) -> FrameArrays:
        """The stored values and anomaly map."""
        try:
            return decode_arrays(self.artifact(row.frame_arrays).read_bytes())
        except (DamagedArtifact, FileNotFoundError) as error:
            raise Problem(HTTPStatus.NOT_FOUND, str(error)) from error

    def measured(self, row: ResultRow) -> Measured:
        """The stored values, else those of the watched file if it is unchanged."""
        if row.frame_arrays is not None and self._store is not None:
            try:
                return Measured(self.arrays(row).values, row.temperature_unit, "stored")
            except Problem:
                pass  # deleted; the watched file may still exist
        return Measured(self._from_file(row), row.temperature_unit, "file")

    def thumbnail(self, row: ResultRow, normalization: Normalization | None) -> bytes:
        """The image without labels as PNG, on the same colour scale as the stored pictures."""
        from thermal.render.pictures import display_range, encode_png
        from thermal.render.thumbnail import draw_thumbnail

        number = row.id or 0
        with self._lock:
            if number in self._thumbnails:
                self._thumbnails.move_to_end(number)
                return self._thumbnails[number]
        values = self.measured(row).values
        if normalization is not None and normalization.unit == row.temperature_unit:
            display = display_range(normalization, row.bit_depth)
            low, high = display.low, display.high
        else:  # another model's unit: use the image's own range
            low, high = float(values.min()), float(max(values.max(), values.min() + 1))
        png = encode_png(draw_thumbnail(values, low=low, high=high))
        with self._lock:
            self._thumbnails[number] = png
            while len(self._thumbnails) > THUMBNAILS:
                self._thumbnails.popitem(last=False)
        return png

    def _from_file(self, row: ResultRow) -> NDArray[np.float32]:
        from thermal.decode import decode

        frame = find_frame(self._engine, row.frame_id)
        if frame is None:
            raise Problem(HTTPStatus.NOT_FOUND, "this frame is no longer in the ledger")
        options = camera_config(self._settings, row.camera).decode
        try:
            _, data = _watched_file(frame, options.max_bytes)
        except (OSError, StorageError):
            raise Problem(
                HTTPStatus.NOT_FOUND,
                "its values were not stored, and its file does not exist on this machine",
            ) from None
        if hashlib.sha256(data).hexdigest() != row.sha256:
            raise Problem(
                HTTPStatus.NOT_FOUND,
                "its values were not stored, and its file has been overwritten",
            )
        try:
            decoded: Any = decode(data, suffix=Path(frame.path).suffix, options=options)
        except ThermalError as error:
            raise Problem(HTTPStatus.NOT_FOUND, f"its file cannot be read: {error}") from error
        if decoded.unit != row.temperature_unit:
            raise Problem(
                HTTPStatus.NOT_FOUND, "the camera's settings have changed since it was scored"
            )
        return np.asarray(decoded.values, np.float32)

    def quarantined(self, frame: FrameRecord) -> tuple[bytes, str]:
        """The bytes of a quarantined file and its media type.

        The server does not decode it: it may crash the decoder. The browser draws what it can.
        """
        limit = camera_config(self._settings, frame.camera).decode.max_bytes
        try:
            status, data = _watched_file(frame, limit)
        except (OSError, StorageError):
            raise Problem(HTTPStatus.NOT_FOUND, "its file does not exist on this machine") from None
        if (ledger_mtime_ns(status), len(data)) != (frame.mtime_ns, frame.size):
            raise Problem(HTTPStatus.NOT_FOUND, "its file has been overwritten or is too large")
        for start, media_type in PICTURES.items():
            if data.startswith(start):
                return data, media_type
        raise Problem(HTTPStatus.NOT_FOUND, "the file is not an image that a browser can show")


def _watched_file(frame: FrameRecord, max_bytes: int) -> tuple[os.stat_result, bytes]:
    """Status and content of a frame's file. Reads at most `max_bytes` + 1 bytes."""
    descriptor = open_beneath(text_to_path(frame.root), text_to_path(frame.path))
    with os.fdopen(descriptor, "rb") as file:
        return os.fstat(descriptor), file.read(max_bytes + 1)
