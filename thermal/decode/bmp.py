"""BMP: its header is checked before OpenCV decodes the pixels."""

from __future__ import annotations

import struct

from thermal.decode.format import DecodeOptions, Format
from thermal.decode.raster import check_size, decode_pixels
from thermal.decode.to_frame import counts_frame
from thermal.errors import CorruptImage, UnsupportedImage
from thermal.frame import Frame


def read_bmp(data: bytes, options: DecodeOptions) -> Frame:
    """Read an uncompressed BMP as counts; alpha is dropped.

    Raises `ImageTooLarge`, `UnsupportedImage` or `CorruptImage`.
    """
    check_bmp(data, options.max_pixels)
    return counts_frame(decode_pixels(data), options)


def check_bmp(data: bytes, max_pixels: int) -> None:
    """Whether this is a complete, uncompressed BMP.

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
    if offset + row_bytes * abs(height) > len(data):
        raise CorruptImage("cut off: the BMP ends before its last row")


FORMAT = Format("BMP", (".bmp",), "image/bmp", (b"BM",), read_bmp)
