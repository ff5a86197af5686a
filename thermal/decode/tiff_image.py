"""TIFF images. `thermal.decode.tiff` reads and checks their structure."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from thermal.decode.exif import About, about
from thermal.decode.format import DecodeOptions, Format
from thermal.decode.raster import decode_pixels
from thermal.decode.tiff import (
    Directory,
    OtherLayout,
    check_tiff,
    first_directory,
    with_checked_tags,
)
from thermal.decode.tiff_variants import read_variant
from thermal.decode.to_frame import counts_frame, temperature_frame
from thermal.errors import UnsupportedImage
from thermal.frame import Frame

#: Tag of GDAL (https://gdal.org/drivers/raster/gtiff.html).
_GDAL_NODATA: Final = 42113

_BIG: Final = (b"II+\0", b"MM\0+")


def read_tiff(data: bytes, options: DecodeOptions) -> Frame:
    """Read a TIFF: float samples in `options.matrix_unit`, others as counts.

    Raises `ImageTooLarge`, `UnsupportedImage` or `CorruptImage`.
    """
    if data.startswith(_BIG):
        return _frame(read_variant(data, options.max_pixels), options, About())
    directory = first_directory(data)
    pixels = _without_data(_pixels(directory, options.max_pixels), directory)
    return _frame(pixels, options, about(directory))


def _without_data(pixels: NDArray[Any], directory: Directory) -> NDArray[Any]:
    """Floats with NaN in place of the value that GDAL declares to mean that there are no data."""
    text = directory.text(_GDAL_NODATA)
    if pixels.dtype.kind != "f" or not text:
        return pixels
    try:
        value = pixels.dtype.type(text)
    except ValueError:
        return pixels
    return np.where(pixels == value, np.nan, pixels).astype(pixels.dtype)


def _pixels(directory: Directory, max_pixels: int) -> NDArray[Any]:
    dtype = None
    with suppress(OtherLayout):
        dtype = check_tiff(directory, max_pixels)
    if dtype is None:
        return read_variant(directory.data, max_pixels)
    pixels = decode_pixels(with_checked_tags(directory))
    if pixels.dtype != dtype:
        raise UnsupportedImage(f"a TIFF of {dtype} samples is not read by this OpenCV")
    return pixels


def _frame(pixels: NDArray[Any], options: DecodeOptions, facts: About) -> Frame:
    if pixels.dtype.kind == "f":
        bit_depth = 8 * pixels.dtype.itemsize
        return temperature_frame(pixels, options, facts, bit_depth=bit_depth)
    return counts_frame(pixels, options, facts)


FORMAT = Format("TIFF", (".tiff", ".tif"), "image/tiff", (b"II*\0", b"MM\0*", *_BIG), read_tiff)
