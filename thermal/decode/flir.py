"""FLIR radiometric JPEG: raw sensor values and calibration from its APP1 chunks, in °C.

The container (FFF) is taken apart here, within bounds, because flyr's own reader walks as many
records and pixels as a damaged header claims, and decodes the embedded photograph as well. The
calibration record and the radiometric model are flyr's. Layout: exiftool's FLIR tag tables,
https://exiftool.org/TagNames/FLIR.html.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Final, NoReturn

import numpy as np
from numpy.typing import NDArray

from thermal.decode.capture_time import from_record
from thermal.decode.png import PNG_SIGNATURE, checked_png
from thermal.decode.raster import check_size, decode_pixels
from thermal.errors import CorruptImage, UnsupportedImage
from thermal.measurement import ZERO_C_IN_K, MeasurementParameters

_RAW_DATA, _CAMERA_INFO = 1, 32
_RAW_HEADER_BYTES = 32
_TIME_AT = 0x384
_HIGHEST_RAW = 65_535
_RANGE = ("range_min", "median", "range_max")

#: Our parameters → the record's, and whether those are temperatures in kelvin.
_PARAMETERS: Final[Mapping[str, tuple[str, bool]]] = {
    "emissivity": ("emissivity", False),
    "reflected_c": ("reflected_apparent_temperature", True),
    "distance_m": ("object_distance", False),
    "humidity": ("relative_humidity", False),
    "atmosphere_c": ("atmospheric_temperature", True),
    "window_transmission": ("ir_window_transmission", False),
    "window_c": ("ir_window_temperature", True),
}
#: Parameter → the value of another at which it does not matter, so that it may hold anything.
_IDLE: Final[Mapping[str, tuple[str, float]]] = {
    "reflected_c": ("emissivity", 1.0),
    "humidity": ("distance_m", 0.0),
    "atmosphere_c": ("distance_m", 0.0),
    "window_c": ("window_transmission", 1.0),
}
#: What the radiometric model gets in its place.
_IDLE_K, _IDLE_SHARE = 293.15, 0.5


@dataclass(frozen=True, eq=False)
class Thermogram:
    """Temperatures and the parameters that they were computed with."""

    #: (H, W); +inf over the camera's measuring range, −inf below what its calibration can tell,
    #: NaN where the radiometric model has no answer
    celsius: NDArray[np.float64]
    parameters: MeasurementParameters
    captured_at: datetime | None = None  #: with the camera's zone


def read_flir(
    chunks: tuple[bytes, ...], max_pixels: int, declared: MeasurementParameters
) -> Thermogram:
    """The thermogram in FLIR's APP1 chunks (each: number, last number, content).

    `declared` parameters replace the file's. Raises UnsupportedImage where there is no thermogram
    of a known kind or a parameter is impossible, ImageTooLarge and CorruptImage.
    """
    return read_container(_join(chunks), max_pixels, declared)


def read_container(
    container: bytes, max_pixels: int, declared: MeasurementParameters
) -> Thermogram:
    """The thermogram in FLIR's container (FFF). Raises as `read_flir`."""
    records = _records(container)
    if _RAW_DATA not in records or _CAMERA_INFO not in records:
        raise UnsupportedImage(
            "a FLIR file without raw thermal data; save it with its radiometric data, or set "
            'radiometry = "ignore" to take it as a plain picture'
        )
    calibration = _calibration(container, records[_CAMERA_INFO])
    raw = _raw_values(container, records[_RAW_DATA], max_pixels, calibration)
    parameters = _parameters(calibration, declared)
    celsius = _celsius(raw, _with_parameters(calibration, parameters))
    return Thermogram(celsius, parameters, _captured_at(container, records[_CAMERA_INFO]))


def _parameters(
    calibration: Mapping[str, float], declared: MeasurementParameters
) -> MeasurementParameters:
    """The declared parameters, else the record's. Raises UnsupportedImage."""
    found = {
        name: round(calibration[key] - (ZERO_C_IN_K if is_kelvin else 0.0), 4)
        for name, (key, is_kelvin) in _PARAMETERS.items()
    }
    if found["humidity"] > 1:  # some cameras write percent
        found["humidity"] /= 100
    given = declared.known()
    found |= {name: value for name, value in given.items() if name in found}
    for name, (other, idle) in _IDLE.items():
        if found[other] == idle and name not in given:
            del found[name]
    try:
        return MeasurementParameters(**found)
    except ValueError as error:
        raise UnsupportedImage(
            f"a FLIR file whose temperatures were computed with an impossible parameter: {error}. "
            "Declare the right one for this camera, or set it in the camera"
        ) from None


def _with_parameters(
    calibration: Mapping[str, float], parameters: MeasurementParameters
) -> dict[str, float]:
    known = parameters.known()
    used = dict(calibration)
    for name, (key, is_kelvin) in _PARAMETERS.items():
        idle = _IDLE_K if is_kelvin else _IDLE_SHARE
        used[key] = known[name] + ZERO_C_IN_K * is_kelvin if name in known else idle
    return used


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


def _raw_values(
    container: bytes,
    extent: tuple[int, int],
    max_pixels: int,
    calibration: Mapping[str, float],
) -> NDArray[np.uint16]:
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
        return _in_right_order(pixels, calibration)
    if len(content) < width * height * 2:
        raise UnsupportedImage(
            "FLIR raw data in a compression that is not read; export a radiometric TIFF or CSV"
        )
    values = np.frombuffer(content, f"{order}u2", width * height)
    return values.reshape(height, width).astype(np.uint16)


def _in_right_order(
    pixels: NDArray[np.uint16], calibration: Mapping[str, float]
) -> NDArray[np.uint16]:
    """The values of a PNG, in whose big-endian format most cameras store little-endian ones.

    Chosen by the median and range that the record states for the image.
    """
    median, extent = calibration["raw_value_median"], calibration["raw_value_range"]
    swapped = pixels.byteswap()
    if not (0 < median <= _HIGHEST_RAW and 0 <= extent <= _HIGHEST_RAW):
        return swapped

    def distance(values: NDArray[np.uint16]) -> float:
        return abs(float(np.median(values)) - median) + abs(float(np.ptp(values)) - extent)

    return pixels if distance(pixels) < distance(swapped) else swapped


def _calibration(container: bytes, extent: tuple[int, int]) -> dict[str, float]:
    """flyr's names → values of the calibration record: kelvin, metres, fractions."""
    from flyr.thermal import parse_camera_info  # loads slowly, and few cameras need it

    start, end = extent
    if container[start : start + 2] != b"\x02\0":
        raise UnsupportedImage("FLIR calibration data in big-endian order are not read")
    try:
        found: dict[str, float] = parse_camera_info(BytesIO(container), (0, 0, start, end))
    except (struct.error, ArithmeticError, ValueError) as error:
        raise CorruptImage("damaged: FLIR's calibration data are not complete") from error
    return found


def _captured_at(container: bytes, extent: tuple[int, int]) -> datetime | None:
    """The time in the calibration record: Unix seconds, milliseconds, minutes west."""
    start, end = extent
    if start + _TIME_AT + 10 > end:
        return None
    unix_s, milliseconds, minutes_west = struct.unpack_from("<IH2xh", container, start + _TIME_AT)
    return from_record(unix_s, milliseconds, minutes_west) if unix_s else None


def _celsius(raw: NDArray[np.uint16], calibration: dict[str, float]) -> NDArray[np.float64]:
    # A temperature depends on its raw value alone: compute each value that occurs once.
    lowest, highest = int(raw.min()), int(raw.max())
    levels = np.arange(lowest, highest + 1, dtype=np.uint16)
    table = _temperatures(levels, calibration)
    answered = _is_temperature(table)
    measured = np.flatnonzero(answered)
    if 2 * np.count_nonzero(answered[raw - np.uint16(lowest)]) < raw.size:
        _refuse_without_temperature(raw, calibration)
    table[: measured[0]] = -np.inf
    table[measured[-1] + 1 :] = np.inf
    low, median, high = (calibration[f"raw_value_{name}"] for name in _RANGE)
    if low < median < high:  # as in all files that state a range
        table[levels >= high] = np.inf
    return np.take(table, raw - np.uint16(lowest))


def _temperatures(levels: NDArray[np.uint16], calibration: dict[str, float]) -> NDArray[np.float64]:
    """°C of raw values; not finite where they have none."""
    from flyr import FlyrThermogram

    try:
        with np.errstate(all="ignore"):
            table: NDArray[np.float64] = FlyrThermogram(levels, calibration).celsius
    except (ArithmeticError, ValueError, TypeError) as error:
        raise CorruptImage("damaged: FLIR's calibration data make no sense") from error
    return table


def _is_temperature(celsius: NDArray[np.float64]) -> NDArray[np.bool_]:
    return np.isfinite(celsius) & (celsius > -ZERO_C_IN_K)


def _refuse_without_temperature(raw: NDArray[np.uint16], calibration: dict[str, float]) -> NoReturn:
    """Raise for raw values most of which give no temperature, by what is to blame for it.

    Raises `UnsupportedImage` if it is the emissivity, and `CorruptImage`.
    """
    black = _temperatures(raw, {**calibration, "emissivity": 1.0})
    if 2 * np.count_nonzero(_is_temperature(black)) >= raw.size:
        reflected_c = calibration["reflected_apparent_temperature"] - ZERO_C_IN_K
        raise UnsupportedImage(
            "most of FLIR's raw values give no temperature with an emissivity of "
            f"{calibration['emissivity']:g} and a reflected temperature of {reflected_c:g} °C: the "
            "reflection alone would be more than the camera saw. Declare the right ones for this "
            "camera, or set them in the camera"
        )
    raise CorruptImage(
        "damaged: most of FLIR's raw values give no temperature with these calibration data and "
        "parameters"
    )
