"""BMP: its header is checked before OpenCV decodes the pixels."""

from __future__ import annotations

import re
import struct
from typing import Final

from thermal.decode.exif import About
from thermal.decode.format import DecodeOptions, Format
from thermal.decode.raster import check_size, decode_pixels
from thermal.decode.to_frame import counts_frame
from thermal.decode.vendor import UNREAD_DATA, Vendor, refuse
from thermal.errors import CorruptImage, UnsupportedImage
from thermal.frame import Frame

#: The headers of one more picture: Testo's files (.bmt) hold two, with the raw values beside them.
_BITMAP: Final = re.compile(
    rb"BM.{4}\0{4}[\x36-\x8a]\0{3}[\x28\x38\x6c\x7c]\0{3}.{4}.{4}\x01\0", re.DOTALL
)


def read_bmp(data: bytes, options: DecodeOptions) -> Frame:
    """Read an uncompressed BMP as counts; alpha is dropped.

    Raises `ImageTooLarge`, `UnsupportedImage` (thermal data that are not read among others) or
    `CorruptImage`.
    """
    if options.radiometry == "ignore":
        check_bmp(data, options.max_pixels)
        return counts_frame(decode_pixels(data), options)
    if _BITMAP.search(data, 54):
        what = "two pictures in one BMP, as in Testo's files (.bmt), whose layout is not published"
        raise refuse(what, decodable=False)
    width, height, end = check_bmp(data, options.max_pixels)
    vendor = Vendor(width, height, "", {}, data[end:])
    if unread := vendor.unread_thermogram():
        raise refuse(unread, decodable=False)
    beside = vendor.unread_data()
    facts = About(metadata={UNREAD_DATA: beside}) if beside else About()
    return counts_frame(decode_pixels(data), options, facts)


def check_bmp(data: bytes, max_pixels: int) -> tuple[int, int, int]:
    """Width and height of a complete, uncompressed BMP, and where its pixels end.

    Raises ImageTooLarge, UnsupportedImage or CorruptImage.
    """
    if len(data) < 54:
        raise CorruptImage("cut off: the BMP header is not complete")
    offset, header_size, width, height, _, bits, compression = struct.unpack_from(
        "<IIiiHHI", data, 10
    )
    if header_size not in (40, 108, 124):
        raise UnsupportedImage(f"a BMP with a header of {header_size} bytes is not read")
    check_size(width, abs(height), max_pixels)
    usual_masks = compression == 3 and data[54:66] == struct.pack("<3I", 0xFF0000, 0xFF00, 0xFF)
    if bits not in (1, 4, 8, 24, 32) or not (compression == 0 or (usual_masks and bits == 32)):
        raise UnsupportedImage(f"a BMP with {bits} bits and compression {compression} is not read")
    if offset < 14 + header_size:
        raise CorruptImage("damaged: the BMP's pixels lie inside its header")
    row_bytes = (width * bits + 31) // 32 * 4
    end = offset + row_bytes * abs(height)
    if end > len(data):
        raise CorruptImage("cut off: the BMP ends before its last row")
    return width, abs(height), end


FORMAT = Format("BMP", (".bmp",), "image/bmp", (b"BM",), read_bmp)
