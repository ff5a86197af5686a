"""A frame's values and pictures: stored ones, or from the watched file while it exists."""

from __future__ import annotations

import hashlib
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal

import numpy as np
from numpy.typing import NDArray

from ops.config.wiring import camera_config
from ops.web.problems import Problem
from storage.db.result_fields import ResultRow
from storage.errors import DamagedArtifact, StorageError, UnsafePath
from storage.files.frame_arrays import FrameArrays, decode_arrays
from storage.files.paths import open_beneath, text_to_path
from storage.frames.audit import FrameRecord, find_frame
from storage.frames.identity import ledger_mtime_ns
from thermal.errors import DecodeError
from thermal.sandbox import EncodedImage

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from ops.config.settings import Settings
    from ops.web.schemas.results import Display
    from storage.files.artifacts import ArtifactStore
    from thermal.render.palette import RGB
    from thermal.sandbox import Sandbox

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

    def __init__(
        self, settings: Settings, engine: Engine, store: ArtifactStore | None, sandbox: Sandbox
    ) -> None:
        self._settings = settings
        self._engine = engine
        self._store = store
        self._sandbox = sandbox
        self._lock = threading.Lock()
        self._thumbnails: OrderedDict[tuple[str, int | None], bytes] = OrderedDict()

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

    def thumbnail(self, row: ResultRow, display: Display | None) -> bytes:
        """The image without labels as PNG, on the same colour scale as the stored pictures."""
        from thermal.render.thumbnail import draw_thumbnail

        def draw() -> RGB:
            values = self.measured(row).values
            low, high = _colour_range(values, display)
            return draw_thumbnail(values, low=low, high=high)

        return self._cached(("thumbnail", row.id), draw)

    def marked(self, row: ResultRow, display: Display | None) -> bytes:
        """The same with a ring around its most anomalous spot, from the stored anomaly map."""
        from thermal.detection.deviation import MAP_MARK
        from thermal.render.thumbnail import draw_marked

        def draw() -> RGB:
            arrays = self.arrays(row)
            low, high = _colour_range(arrays.values, display)
            return draw_marked(
                arrays.values, arrays.anomaly_map, low=low, high=high, least_sigma=MAP_MARK
            )

        return self._cached(("marked", row.id), draw)

    def _cached(self, key: tuple[str, int | None], draw: Callable[[], RGB]) -> bytes:
        from thermal.render.pictures import encode_png

        with self._lock:
            if key in self._thumbnails:
                self._thumbnails.move_to_end(key)
                return self._thumbnails[key]
        png = encode_png(draw())
        with self._lock:
            self._thumbnails[key] = png
            while len(self._thumbnails) > THUMBNAILS:
                self._thumbnails.popitem(last=False)
        return png

    def _from_file(self, row: ResultRow) -> NDArray[np.float32]:
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
        with self._sandbox.decoder() as decoder:
            decoder.start([EncodedImage(data, Path(frame.path).suffix, options)])
            (decoded,) = decoder.results()
        if isinstance(decoded, DecodeError):
            raise Problem(HTTPStatus.NOT_FOUND, f"its file cannot be read: {decoded}") from decoded
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


def _colour_range(values: NDArray[np.float32], display: Display | None) -> tuple[float, float]:
    """The values at the ends of the colour scale."""
    if display is not None:
        return display.low, display.high
    # no model, or one of another unit: use the image's own range
    return float(values.min()), float(max(values.max(), values.min() + 1))


def _watched_file(frame: FrameRecord, max_bytes: int) -> tuple[os.stat_result, bytes]:
    """Status and content of a frame's file. Reads at most `max_bytes` + 1 bytes."""
    descriptor = open_beneath(text_to_path(frame.root), text_to_path(frame.path))
    with os.fdopen(descriptor, "rb") as file:
        return os.fstat(descriptor), file.read(max_bytes + 1)
