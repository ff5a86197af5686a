"""InfiRay's IJPEG, as the P2 Pro and cameras of its family write it: temperatures in APP3.

APP2 holds the sizes of what is in APP3: a grey picture, then temperatures in 1/64 kelvin, then
perhaps a visible picture. APP5 has the settings of the measurement. Layout: exiftool's InfiRay tag
tables, https://exiftool.org/TagNames/InfiRay.html. The heights in APP2 are not reliable, the sizes
are.
"""

from __future__ import annotations

import struct
from contextlib import suppress
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from thermal.decode.raster import check_size
from thermal.errors import CorruptImage, UnsupportedImage
from thermal.measurement import ZERO_C_IN_K, MeasurementParameters

#: Where the signature begins in APP2, and the least length of that segment in bytes.
SIGNATURE_AT, _HEADER_BYTES = 4, 64
SIGNATURE: Final = b"IJPEG\0"

_UNITS_PER_KELVIN: Final = 64.0

#: Above this the camera was in its extended range, in which its values are not 1/64 kelvin
#: (https://github.com/ks00x/p2proviewer/issues/3). The normal range ends at 180 °C.
_HOTTEST_C: Final = 200.0

#: Names of the floats at the start of APP5.
_SETTINGS: Final = ("atmosphere_c", "distance_m", "emissivity", "humidity", "reflected_c")


def read_infiray(header: bytes, content: bytes, max_pixels: int) -> NDArray[np.float64]:
    """The temperatures (H, W) in °C of an IJPEG with this APP2 and the content of its APP3.

    Raises `UnsupportedImage` where they are missing or of unknown scale, `ImageTooLarge` and
    `CorruptImage`.
    """
    if len(header) < _HEADER_BYTES:
        raise CorruptImage("damaged: the header of the InfiRay data is not complete")
    picture_bytes, temperature_bytes = (
        struct.unpack_from("<Q", header, at)[0] for at in (0x20, 0x30)
    )
    (width,) = struct.unpack_from("<H", header, 0x3A)
    if not temperature_bytes:
        raise UnsupportedImage("an InfiRay JPEG without temperatures")
    if not width or temperature_bytes % (2 * width):
        raise UnsupportedImage(f"InfiRay temperatures that are no rows of {width} px are not read")
    height = temperature_bytes // (2 * width)
    check_size(width, height, max_pixels)
    if picture_bytes + temperature_bytes > len(content):
        raise CorruptImage("damaged: the InfiRay temperatures are not complete")
    raw = np.frombuffer(content, "<u2", width * height, picture_bytes).reshape(height, width)
    if not raw.any():
        raise UnsupportedImage("an InfiRay JPEG whose temperatures are all zero")
    celsius: NDArray[np.float64] = raw / _UNITS_PER_KELVIN - ZERO_C_IN_K
    if celsius.max() > _HOTTEST_C:
        raise UnsupportedImage(
            "an InfiRay JPEG of the camera's extended range, for which the scale of its values is "
            "not published"
        )
    return celsius


def infiray_parameters(content: bytes) -> MeasurementParameters:
    """The parameters of the measurement in APP5; those that are impossible are left out."""
    if len(content) < 4 * len(_SETTINGS):
        return MeasurementParameters()
    found = MeasurementParameters()
    for name, value in zip(_SETTINGS, struct.unpack_from("<5f", content), strict=True):
        with suppress(ValueError):
            found = replace(found, **{name: round(value, 4)})
    return found
