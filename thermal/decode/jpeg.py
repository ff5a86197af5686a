"""JPEG: the marker segments walked once, for size, completeness and what vendors hide there.

libjpeg silently fills in what is missing from a truncated picture, so the file must run from its
first marker to its end-of-image marker. Bytes after that marker (padding, previews, appended vendor
data) are ignored. Damage inside the coded pixels shows only in the picture; libjpeg reports it on
stderr. Structure: ITU-T T.81, annex B.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass

import cv2

from thermal.decode.exif import About, about_exif
from thermal.decode.flir import read_flir
from thermal.decode.format import DecodeOptions, Format
from thermal.decode.raster import check_size, decode_pixels
from thermal.decode.to_frame import counts_frame, temperature_frame
from thermal.errors import CorruptImage, UnsupportedImage
from thermal.frame import Frame

_SOS, _EOI = 0xDA, 0xD9
_APP1, _APP3, _APP4 = 0xE1, 0xE3, 0xE4
_READ_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended and progressive, Huffman-coded
_OTHER_FRAMES = (0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)

#: A marker with its fill bytes (possessive: nothing is remembered for going back), and one that
#: ends entropy-coded data (no stuffing, no restart).
_MARKER = re.compile(rb"\xff++([^\x00\xff])")
_SCAN_END = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")

#: Limits on what a reader can be made to walk through. A progressive picture has about ten scans.
_MAX_SEGMENTS, _MAX_SCANS = 10_000, 200

#: DJI puts the raw sensor values of an R-JPEG into APP3, its parameters into APP4.
_DJI_PARAMETERS, _DJI_LEAST_RAW_BYTES = b"\xaaU", 4096


@dataclass(frozen=True)
class JpegOutline:
    """What the segments of a complete JPEG hold."""

    width: int  #: px
    height: int  #: px
    exif: bytes  #: the TIFF structure of the EXIF block; empty if there is none
    flir: tuple[bytes, ...]  #: FLIR's APP1 chunks in file order, each from its chunk number on
    dji_thermal: bool  #: holds DJI's raw sensor values


def outline(data: bytes, max_pixels: int) -> JpegOutline:
    """Walk the segments of a JPEG. Raises ImageTooLarge, UnsupportedImage or CorruptImage."""
    frame, exif, flir = b"", b"", []
    scans, scan_bytes, app3_bytes, dji_parameters = 0, 0, 0, False
    for code, start, end in _segments(data):
        if code in _READ_FRAMES:
            if frame:
                raise CorruptImage("damaged: the JPEG has two frame headers")
            frame = data[start:end]
            _check_frame(frame, max_pixels)
        elif code == _SOS:
            scans, scan_bytes = scans + 1, scan_bytes + end - start
        elif code == _APP1 and data.startswith(b"Exif\0\0", start):
            exif = data[start + 6 : end]
        elif code == _APP1 and data.startswith(b"FLIR\0", start):
            flir.append(data[start + 6 : end])
        elif code == _APP3:
            app3_bytes += end - start
        elif code == _APP4:
            dji_parameters |= data.startswith(_DJI_PARAMETERS, start)
        elif code in _OTHER_FRAMES:
            raise UnsupportedImage("a lossless or arithmetic-coded JPEG is not read")
    if not frame or not scans:
        raise CorruptImage("damaged: the JPEG holds no picture")
    if scans > _MAX_SCANS:
        raise UnsupportedImage(f"a JPEG of more than {_MAX_SCANS} scans is not read")
    if scan_bytes * 8 < _coded_units(frame):
        raise CorruptImage("cut off: the JPEG holds too few bytes for the size that it claims")
    height, width = struct.unpack_from(">HH", frame, 1)
    dji_thermal = dji_parameters and app3_bytes >= _DJI_LEAST_RAW_BYTES
    return JpegOutline(width, height, exif, tuple(flir), dji_thermal)


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """(marker code, start, end) of each segment's payload; a scan includes its entropy data."""
    position = 2
    for _ in range(_MAX_SEGMENTS):
        marker = _MARKER.match(data, position)
        if marker is None:
            if len(data) - position < 2:
                raise CorruptImage("cut off: the JPEG has no end-of-image marker")
            raise CorruptImage("damaged: a segment of the JPEG does not end where it claims")
        code, start = marker[1][0], marker.end()
        if code == _EOI:
            return
        if start + 2 > len(data):
            raise CorruptImage("cut off: the JPEG ends inside a marker")
        end = start + int.from_bytes(data[start : start + 2], "big")
        if end > len(data):
            raise CorruptImage("cut off: the JPEG ends inside a segment")
        if end < start + 2:
            raise CorruptImage("damaged: a segment of the JPEG has no length")
        if code == _SOS:
            scan_end = _SCAN_END.search(data, end)
            end = scan_end.start() if scan_end else len(data)
        yield code, start + 2, end
        position = end
    raise CorruptImage(f"damaged: more than {_MAX_SEGMENTS:,} segments in the JPEG")


def _check_frame(frame: bytes, max_pixels: int) -> None:
    if len(frame) < 6 or len(frame) < 6 + 3 * frame[5]:
        raise CorruptImage("damaged: the frame header of the JPEG is too short")
    height, width = struct.unpack_from(">HH", frame, 1)
    check_size(width, height, max_pixels)
    if frame[0] != 8 or frame[5] not in (1, 3):
        raise UnsupportedImage(
            f"a JPEG of {frame[5]} channels with {frame[0]} bits is not read; grey and RGB of 8 are"
        )


def _coded_units(frame: bytes) -> int:
    """Minimum coded units of the picture; each takes at least one bit."""
    height, width = struct.unpack_from(">HH", frame, 1)
    across = down = 1
    for factor in frame[7 : 6 + 3 * frame[5] : 3]:
        across, down = max(across, factor >> 4), max(down, factor & 15)
    return int(-(-width // (8 * across)) * -(-height // (8 * down)))


def read_jpeg(data: bytes, options: DecodeOptions) -> Frame:
    """Read a FLIR radiometric JPEG as °C, any other JPEG as counts.

    Raises `ImageTooLarge`, `UnsupportedImage` (DJI R-JPEG among others) or `CorruptImage`.
    """
    found = outline(data, options.max_pixels)
    facts = about_exif(found.exif)
    if options.radiometry == "auto":
        if found.flir:
            thermogram = read_flir(found.flir, options.max_pixels)
            facts = About(facts.captured_at, {**facts.metadata, **thermogram.metadata})
            return temperature_frame(thermogram.celsius, "celsius", facts, bit_depth=16)
        if found.dji_thermal:
            raise UnsupportedImage(
                "a DJI R-JPEG: only DJI's Thermal SDK can read its temperatures. Convert it to a "
                'float TIFF with that, or set radiometry = "ignore" for this camera to take it '
                "as a plain picture without degrees"
            )
    pixels = decode_pixels(data, cv2.IMREAD_GRAYSCALE)  # libjpeg's luma channel, unconverted
    return counts_frame(pixels, options, facts)


FORMAT = Format("JPEG", (".jpg", ".jpeg"), "image/jpeg", (b"\xff\xd8",), read_jpeg)
