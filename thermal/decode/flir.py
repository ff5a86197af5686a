"""FLIR radiometric JPEG: raw sensor values and calibration from its APP1 chunks, in °C.

The container (FFF) is taken apart here, within bounds, because flyr's own reader walks as many
records and pixels as a damaged header claims, and decodes the embedded photograph as well. The
calibration record and the radiometric model are flyr's. Layout: exiftool's FLIR tag tables,
https://exiftool.org/TagNames/FLIR.html.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

from thermal.decode.png import PNG_SIGNATURE, checked_png
from thermal.decode.raster import check_size, decode_pixels
from thermal.errors import CorruptImage, UnsupportedImage

_RAW_DATA, _CAMERA_INFO = 1, 32
_RAW_HEADER_BYTES = 32
_ZERO_C_IN_K = 273.15

#: How the record's settings are called in a frame's metadata, and what is added for the unit.
_METADATA: Mapping[str, tuple[str, float]] = {
    "emissivity": ("emissivity", 0.0),
    "object_distance": ("object_distance_m", 0.0),
    "reflected_apparent_temperature": ("reflected_apparent_temperature_c", -_ZERO_C_IN_K),
    "atmospheric_temperature": ("atmospheric_temperature_c", -_ZERO_C_IN_K),
    "relative_humidity": ("relative_humidity", 0.0),
}


@dataclass(frozen=True, eq=False)
class Thermogram:
    """Temperatures and the settings that they were computed with."""

    celsius: NDArray[np.float64]  #: (H, W); NaN where the radiometric model has no answer
    metadata: Mapping[str, float | str]


def read_flir(chunks: tuple[bytes, ...], max_pixels: int) -> Thermogram:
    """The thermogram in FLIR's APP1 chunks (each: number, last number, content).

    Raises UnsupportedImage where there is no thermogram of a known kind, ImageTooLarge and
    CorruptImage.
    """
    container = _join(chunks)
    records = _records(container)
    if _RAW_DATA not in records or _CAMERA_INFO not in records:
        raise UnsupportedImage(
            "a FLIR file without raw thermal data; save it with its radiometric data, or set "
            'radiometry = "ignore" to take it as a plain picture'
        )
    raw = _raw_values(container, records[_RAW_DATA], max_pixels)
    settings = _settings(container, records[_CAMERA_INFO])
    metadata: dict[str, float | str] = {
        name: round(settings[key] + shift, 4)
        for key, (name, shift) in _METADATA.items()
        if math.isfinite(settings[key])
    }
    return Thermogram(_celsius(raw, settings), metadata)


def _join(chunks: tuple[bytes, ...]) -> bytes:
    parts = {chunk[0]: chunk[2:] for chunk in chunks if len(chunk) > 2}
    last = chunks[0][1] if len(chunks[0]) > 2 else 0
    if len(parts) != len(chunks) or sorted(parts) != list(range(last + 1)):
        raise CorruptImage("damaged: FLIR data are not complete in the file")
    return b"".join(parts[number] for number in range(last + 1))


def _records(container: bytes) -> dict[int, tuple[int, int]]:
    """Record type → (start, end) within the container, the first of each type."""
    if container[:4] not in (b"FFF\0", b"AFF\0") or len(container) < 64:
        raise CorruptImage("damaged: no FLIR header where one must be")
    version = struct.unpack_from(">I", container, 20)[0]
    order = ">" if 100 <= version < 200 else "<"
    start, count = struct.unpack_from(f"{order}II", container, 24)
    if start + 32 * count > len(container):
        raise CorruptImage("damaged: the FLIR record directory is not complete")
    records: dict[int, tuple[int, int]] = {}
    for position in range(start, start + 32 * count, 32):
        kind, offset, length = struct.unpack_from(f"{order}H10xII", container, position)
        if kind in (_RAW_DATA, _CAMERA_INFO) and kind not in records:
            if offset + length > len(container):
                raise CorruptImage("damaged: a FLIR record ends behind the file")
            records[kind] = (offset, offset + length)
    return records


def _raw_values(container: bytes, extent: tuple[int, int], max_pixels: int) -> NDArray[np.uint16]:
    start, end = extent
    if end - start < _RAW_HEADER_BYTES:
        raise CorruptImage("damaged: the FLIR raw data have no header")
    order = "<" if container[start : start + 2] == b"\x02\0" else ">"
    width, height = struct.unpack_from(f"{order}HH", container, start + 2)
    check_size(width, height, max_pixels)
    content = container[start + _RAW_HEADER_BYTES : end]
    if content.startswith(PNG_SIGNATURE):
        pixels = decode_pixels(checked_png(content, max_pixels))
        if pixels.shape != (height, width) or pixels.dtype != np.uint16:
            raise CorruptImage("damaged: FLIR's raw picture is not what its header says")
        return pixels.byteswap()  # FLIR stores little-endian values in a big-endian format
    if len(content) < width * height * 2:
        raise UnsupportedImage(
            "FLIR raw data in a compression that is not read; export a radiometric TIFF or CSV"
        )
    values = np.frombuffer(content, f"{order}u2", width * height)
    return values.reshape(height, width).astype(np.uint16)


def _settings(container: bytes, extent: tuple[int, int]) -> dict[str, float]:
    """flyr's names → values of the calibration record: kelvin, metres, fractions."""
    from flyr.thermal import parse_camera_info  # loads slowly, and few cameras need it

    start, end = extent
    if container[start : start + 2] != b"\x02\0":
        raise UnsupportedImage("FLIR calibration data in big-endian order are not read")
    try:
        settings: dict[str, float] = parse_camera_info(BytesIO(container), (0, 0, start, end))
    except (struct.error, ArithmeticError, ValueError) as error:
        raise CorruptImage("damaged: FLIR's calibration data are not complete") from error
    if settings["relative_humidity"] > 2:  # some cameras write percent
        settings["relative_humidity"] /= 100
    return settings


def _celsius(raw: NDArray[np.uint16], settings: dict[str, float]) -> NDArray[np.float64]:
    from flyr import FlyrThermogram

    # A temperature depends on its raw value alone: compute each value that occurs once.
    lowest, highest = int(raw.min()), int(raw.max())
    levels = np.arange(lowest, highest + 1, dtype=np.uint16)
    try:
        with np.errstate(all="ignore"):
            table: NDArray[np.float64] = FlyrThermogram(levels, settings).celsius
    except (ArithmeticError, ValueError, TypeError) as error:
        raise CorruptImage("damaged: FLIR's calibration data make no sense") from error
    return np.take(table, raw - np.uint16(lowest))
