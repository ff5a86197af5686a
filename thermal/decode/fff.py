"""FLIR's container in a file of its own (.fff), and sequences of them (.seq)."""

from __future__ import annotations

import re
from typing import Final

from thermal.decode.exif import About, at_time
from thermal.decode.flir import read_container
from thermal.decode.format import DecodeOptions, Format
from thermal.decode.to_frame import radiometric_frame
from thermal.errors import CorruptImage, UnsupportedImage
from thermal.frame import Frame

#: The start of a container: its name, the program that wrote it, a version from 100 to 199.
_START: Final = re.compile(rb"[AF]FF\0[\x00\x20-\x7e]{16}(?:\0\0\0[\x64-\xc7]|[\x64-\xc7]\0\0\0)")


def read_fff(data: bytes, options: DecodeOptions) -> Frame:
    """Read a file of one FLIR container as °C.

    Raises `UnsupportedImage` (a sequence among others), `ImageTooLarge` or `CorruptImage`.
    """
    if len(data) < 64:
        raise CorruptImage("cut off: the FLIR header is not complete")
    frames = sum(1 for _ in _START.finditer(data))
    if frames > 1:
        raise UnsupportedImage(
            f"several frames: a FLIR sequence of {frames}; one file must hold one frame"
        )
    thermogram = read_container(data, options.max_pixels, options.parameters)
    facts = at_time(About(), thermogram.captured_at, "flir")
    return radiometric_frame(thermogram.celsius, thermogram.parameters, options, facts)


FORMAT = Format("FFF", (".fff", ".seq"), "application/vnd.flir.fff", (b"FFF\0", b"AFF\0"), read_fff)
