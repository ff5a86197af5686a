"""TIFF images. `thermal.decode.tiff` reads and checks their structure."""

from __future__ import annotations

from thermal.decode.exif import about
from thermal.decode.format import DecodeOptions, Format
from thermal.decode.raster import decode_pixels
from thermal.decode.tiff import check_tiff, first_directory, with_checked_tags
from thermal.decode.to_frame import counts_frame, temperature_frame
from thermal.errors import UnsupportedImage
from thermal.frame import Frame


def read_tiff(data: bytes, options: DecodeOptions) -> Frame:
    """Read a TIFF: float samples as °C or kelvin by `options.matrix_unit`, others as counts.

    Raises `ImageTooLarge`, `UnsupportedImage` or `CorruptImage`.
    """
    directory = first_directory(data)
    dtype = check_tiff(directory, options.max_pixels)
    pixels = decode_pixels(with_checked_tags(directory))
    if pixels.dtype != dtype:
        raise UnsupportedImage(f"a TIFF of {dtype} samples is not read by this OpenCV")
    if dtype.kind == "f":
        bit_depth = 8 * dtype.itemsize
        return temperature_frame(pixels, options.matrix_unit, about(directory), bit_depth=bit_depth)
    return counts_frame(pixels, options, about(directory))


FORMAT = Format("TIFF", (".tiff", ".tif"), "image/tiff", (b"II*\0", b"MM\0*"), read_tiff)
