"""JPEG: the marker segments walked once, for size, completeness and what vendors hide there.

libjpeg silently fills in what is missing from a truncated picture, so the file must run from its
first marker to its end-of-image marker. `thermal.decode.vendor` tells what makers put into other
segments and behind that marker. Damage inside the coded pixels shows only in the picture; libjpeg
reports it on stderr. Structure: ITU-T T.81, annex B.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from thermal.decode import external, infiray
from thermal.decode.correction import corrected
from thermal.decode.exif import about_exif, at_time, maker_of
from thermal.decode.flir import Thermogram, read_flir
from thermal.decode.format import DecodeOptions, Format
from thermal.decode.raster import check_size, decode_pixels
from thermal.decode.to_frame import counts_frame, radiometric_frame
from thermal.decode.vendor import UNREAD_DATA, Vendor, is_common, refuse
from thermal.errors import CorruptImage, UnsupportedImage
from thermal.frame import Frame
from thermal.measurement import MeasurementParameters

_SOS, _EOI = 0xDA, 0xD9
_APP0, _APP15 = 0xE0, 0xEF
_SOI, _EXIF, _FLIR = b"\xff\xd8\xff", b"Exif\0\0", b"FLIR\0"
_READ_FRAMES = (0xC0, 0xC1, 0xC2)  # baseline, extended and progressive, Huffman-coded
_OTHER_FRAMES = (0xC3, 0xC5, 0xC6, 0xC7, 0xC9, 0xCA, 0xCB, 0xCD, 0xCE, 0xCF)

#: A marker with its fill bytes (possessive: nothing is remembered for going back), and one that
#: ends entropy-coded data (no stuffing, no restart).
_MARKER = re.compile(rb"\xff++([^\x00\xff])")
_SCAN_END = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")

#: Limits on what a reader can be made to walk through. A progressive picture has about ten scans.
_MAX_SEGMENTS, _MAX_SCANS, _MAX_PREVIEWS = 10_000, 200, 16


@dataclass(frozen=True)
class JpegOutline:
    """What the segments of a complete JPEG hold."""

    width: int  #: px
    height: int  #: px
    exif: bytes  #: the TIFF structure of the EXIF block; empty if there is none
    flir: tuple[bytes, ...]  #: FLIR's APP1 chunks in file order, each from its chunk number on
    others: tuple[tuple[int, int, int], ...]  #: (number, start, end) of unknown APP segments
    end: int  #: where the bytes behind the picture begin


def outline(data: bytes, max_pixels: int) -> JpegOutline:
    """Walk the segments of a JPEG. Raises ImageTooLarge, UnsupportedImage or CorruptImage."""
    frame, applications = b"", list[tuple[int, int, int]]()
    scans, scan_bytes, picture_end = 0, 0, 0
    for code, start, end in _segments(data):
        if code in _READ_FRAMES:
            if frame:
                raise CorruptImage("damaged: the JPEG has two frame headers")
            frame = data[start:end]
            _check_frame(frame, max_pixels)
        elif code == _SOS:
            scans, scan_bytes = scans + 1, scan_bytes + end - start
        elif _APP0 <= code <= _APP15:
            applications.append((code - _APP0, start, end))
        elif code == _EOI:
            picture_end = end
        elif code in _OTHER_FRAMES:
            raise UnsupportedImage("a lossless or arithmetic-coded JPEG is not read")
    if not frame or not scans:
        raise CorruptImage("damaged: the JPEG holds no picture")
    if scans > _MAX_SCANS:
        raise UnsupportedImage(f"a JPEG of more than {_MAX_SCANS} scans is not read")
    if scan_bytes * 8 < _coded_units(frame):
        raise CorruptImage("cut off: the JPEG holds too few bytes for the size that it claims")
    height, width = struct.unpack_from(">HH", frame, 1)
    exif = [data[s + 6 : e] for n, s, e in applications if n == 1 and data.startswith(_EXIF, s)]
    flir = [data[s + 6 : e] for n, s, e in applications if n == 1 and data.startswith(_FLIR, s)]
    others = [(n, s, e) for n, s, e in applications if not is_common(data[s : min(e, s + 32)])]
    return JpegOutline(
        width, height, exif[-1] if exif else b"", tuple(flir), tuple(others), picture_end
    )


def _segments(data: bytes, begin: int = 0) -> Iterator[tuple[int, int, int]]:
    """(marker code, start, end) of each segment's payload up to the end-of-image marker.

    The picture begins at `begin`. A scan includes its entropy data; the last marker has no payload.
    """
    position = begin + 2
    for _ in range(_MAX_SEGMENTS):
        marker = _MARKER.match(data, position)
        if marker is None:
            if len(data) - position < 2:
                raise CorruptImage("cut off: the JPEG has no end-of-image marker")
            raise CorruptImage("damaged: a segment of the JPEG does not end where it claims")
        code, start = marker[1][0], marker.end()
        if code == _EOI:
            yield code, start, start
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
    """Read a FLIR or InfiRay radiometric JPEG as °C, one of another maker by `options.decoder`.

    Any other JPEG is read as counts. Raises `ImageTooLarge`, `UnsupportedImage` (a DJI R-JPEG
    without decoder among others), `DecodeTooSlow` or `CorruptImage`.
    """
    found = outline(data, options.max_pixels)
    facts = about_exif(found.exif)
    if options.radiometry == "auto":
        vendor = _vendor(data, found)
        thermogram = _thermogram(data, found, vendor, options)
        if thermogram is not None:
            facts = at_time(facts, thermogram.captured_at, "flir")
            return radiometric_frame(thermogram.celsius, thermogram.parameters, options, facts)
        if unread := vendor.unread_data():
            facts = replace(facts, metadata={**facts.metadata, UNREAD_DATA: unread})
    # libjpeg's luma channel, unconverted; with a scale all channels, which must be equal
    flags = cv2.IMREAD_GRAYSCALE if options.scale is None else cv2.IMREAD_ANYCOLOR
    pixels = decode_pixels(data, flags)
    return counts_frame(pixels, options, facts)


def _vendor(data: bytes, found: JpegOutline) -> Vendor:
    segments: dict[int, bytes] = {}
    for number in {number for number, _, _ in found.others}:
        segments[number] = b"".join(data[s:e] for n, s, e in found.others if n == number)
    maker = maker_of(found.exif)
    behind = data[_end_of_previews(data, found.end) :]
    return Vendor(found.width, found.height, maker, segments, behind)


def _end_of_previews(data: bytes, end: int) -> int:
    """Where the pictures end that follow the first one, whole JPEG files themselves."""
    with suppress(CorruptImage):
        for _ in range(_MAX_PREVIEWS):
            if not data.startswith(_SOI, end):
                break
            *_, (_, end, _) = _segments(data, end)
    return end


def _thermogram(
    data: bytes, found: JpegOutline, vendor: Vendor, options: DecodeOptions
) -> Thermogram | None:
    """The temperatures in the file, by the camera's decoder if need be; None: a plain picture."""
    try:
        return _own_thermogram(found, vendor, options)
    except UnsupportedImage:
        if not options.decoder:
            raise
    celsius = external.measure(data, options.decoder, found.width, found.height)
    return _corrected(celsius, MeasurementParameters(), options)


def _own_thermogram(
    found: JpegOutline, vendor: Vendor, options: DecodeOptions
) -> Thermogram | None:
    """The temperatures that are read here; None for a plain picture.

    Raises UnsupportedImage where there are thermal data that are not read, ImageTooLarge and
    CorruptImage.
    """
    if found.flir:
        return read_flir(found.flir, options.max_pixels, options.parameters)
    header = vendor.segments.get(2, b"")
    if header.startswith(infiray.SIGNATURE, infiray.SIGNATURE_AT):
        content = vendor.segments.get(3, b"")
        celsius = infiray.read_infiray(header, content, options.max_pixels)
        stated = infiray.infiray_parameters(vendor.segments.get(5, b""))
        return _corrected(celsius, stated, options)
    if unread := vendor.unread_thermogram():
        raise refuse(unread, decodable=True)
    return None


def _corrected(
    celsius: NDArray[np.float64], stated: MeasurementParameters, options: DecodeOptions
) -> Thermogram:
    """Temperatures that were computed elsewhere, for the emissivity that is declared."""
    declared = options.parameters
    return Thermogram(corrected(celsius, declared), declared if declared.known() else stated)


FORMAT = Format("JPEG", (".jpg", ".jpeg"), "image/jpeg", (b"\xff\xd8",), read_jpeg)
