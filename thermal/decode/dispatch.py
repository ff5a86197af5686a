"""Bytes of an image file to a frame.

What a file is follows from its content, not from its name. Read are PNG, JPEG, BMP and TIFF
pictures, FLIR radiometric JPEGs, float TIFFs and CSV matrices. Two rules hold for all of them:

- size and completeness are settled on the headers, before anything is decoded: a claim of
  60,000×60,000 px costs microseconds, and an upload in progress is never taken for an image;
- degrees come from the file itself (FLIR, float TIFF, CSV) or from a declared scale. Everything
  else is counts, however much the colours look like temperatures.

Pictures are turned upright where their orientation tag asks for it, as every viewer does;
thermograms keep the sensor's order.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from thermal.decode.exif import About, about, about_exif
from thermal.decode.flir import read_flir
from thermal.decode.jpeg import outline
from thermal.decode.matrix import read_matrix
from thermal.decode.raster import (
    PNG_SIGNATURE,
    check_bmp,
    checked_png,
    decode_pixels,
    to_grey,
)
from thermal.decode.tiff import byte_order, check_tiff, first_directory, with_checked_tags
from thermal.errors import CorruptImage, ImageTooLarge, UnsupportedImage
from thermal.frame import Frame, LinearScale

#: File name endings that the product looks at, lower case.
IMAGE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".csv"})

_ZERO_C_IN_K = 273.15
_ABSOLUTE_ZERO_C = np.float32(-_ZERO_C_IN_K)
#: °C that no thermal camera measures; above it a number is no temperature.
_HOTTEST_C = np.float32(10_000.0)

_JPEG_START = b"\xff\xd8"
_STARTS = (PNG_SIGNATURE, b"\xff\xd8\xff", b"BM", b"II*\0", b"MM\0*")

#: Starts of formats that people try, for a reason that helps.
_UNREAD: tuple[tuple[bytes, str], ...] = (
    (b"GIF8", "GIF"),
    (b"RIFF", "WebP or AVI"),
    (b"II+\0", "BigTIFF"),
    (b"MM\0+", "BigTIFF"),
    (b"FFF\0", "FLIR sequence (.fff, .seq)"),
    (b"AFF\0", "FLIR sequence (.fff, .seq)"),
    (b"\0\0\0\x0cjP", "JPEG 2000"),
    (b"%PDF", "PDF"),
    (b"PK\x03\x04", "ZIP or Excel"),
)


MatrixUnit = Literal["celsius", "kelvin"]
Radiometry = Literal["auto", "ignore"]


@dataclass(frozen=True)
class DecodeOptions:
    """How files of a camera are read, and what is refused."""

    #: Larger files are refused, in bytes.
    max_bytes: int = 64 * 1024 * 1024
    #: Larger images are refused before they are decoded, in pixels.
    max_pixels: int = 50_000_000
    #: Makes degrees of counts: ``celsius = gain * counts + offset``.
    scale: LinearScale | None = None
    #: What float TIFF and CSV files hold.
    matrix_unit: MatrixUnit = "celsius"
    #: `ignore` reads vendor R-JPEG files as plain pictures.
    radiometry: Radiometry = "auto"


_DEFAULTS = DecodeOptions()


def decode(data: bytes, *, suffix: str = "", options: DecodeOptions = _DEFAULTS) -> Frame:
    """The frame in the bytes of one image file.

    `suffix` is the ending of the file's name (".csv"); it decides nothing but whether text may
    be a matrix: only with ".csv" or without a suffix.

    The frame is in °C (`radiometric`) for FLIR R-JPEG, float TIFF, CSV and wherever
    `options.scale` applies (integer pictures), else in counts: grey values, colour turned to
    luma, alpha dropped, 16 bits at full depth. Temperatures that cannot be (NaN, infinite, below
    absolute zero, over 10,000 °C) are replaced by the median of the others, their number is in
    the metadata as `unusable_px`. `captured_at` is the camera's local time without a time zone
    unless the file names its zone; None if the clock was evidently never set.

    Raises UnsupportedImage, ImageTooLarge or CorruptImage (all DecodeError), whatever the bytes.
    """
    if not data:
        raise CorruptImage("the file is empty")
    if len(data) > options.max_bytes:
        raise ImageTooLarge(f"{len(data):,} bytes are over the limit of {options.max_bytes:,}")
    if data.startswith(_JPEG_START):
        return _from_jpeg(data, options)
    if data.startswith(PNG_SIGNATURE):
        return _picture(decode_pixels(checked_png(data, options.max_pixels)), options, About())
    if byte_order(data):
        return _from_tiff(data, options)
    # The two letters may be text as well; the header's numbers always hold zero bytes.
    if data.startswith(b"BM") and (suffix.lower() != ".csv" or b"\0" in data[:18]):
        check_bmp(data, options.max_pixels)
        return _picture(decode_pixels(data), options, About())
    _refuse_what_is_known(data, suffix.lower())
    return _temperatures(read_matrix(data, options.max_pixels), options.matrix_unit, About())


def _from_jpeg(data: bytes, options: DecodeOptions) -> Frame:
    found = outline(data, options.max_pixels)
    facts = about_exif(found.exif)
    if options.radiometry == "auto":
        if found.flir:
            thermogram = read_flir(found.flir, options.max_pixels)
            facts = About(facts.captured_at, {**facts.metadata, **thermogram.metadata})
            return _temperatures(thermogram.celsius, "celsius", facts, bit_depth=16)
        if found.dji_thermal:
            raise UnsupportedImage(
                "a DJI R-JPEG: only DJI's Thermal SDK can read its temperatures. Convert it to a "
                'float TIFF with that, or set radiometry = "ignore" for this camera to take it '
                "as a plain picture without degrees"
            )
    pixels = decode_pixels(data, cv2.IMREAD_GRAYSCALE)  # libjpeg's luma channel, unconverted
    return _picture(pixels, options, facts)


def _from_tiff(data: bytes, options: DecodeOptions) -> Frame:
    directory = first_directory(data)
    dtype = check_tiff(directory, options.max_pixels)
    pixels = decode_pixels(with_checked_tags(directory))
    if pixels.dtype != dtype:
        raise UnsupportedImage(f"a TIFF of {dtype} samples is not read by this OpenCV")
    if dtype.kind == "f":
        bit_depth = 8 * dtype.itemsize
        return _temperatures(pixels, options.matrix_unit, about(directory), bit_depth=bit_depth)
    return _picture(pixels, options, about(directory))


def _picture(pixels: NDArray[Any], options: DecodeOptions, facts: About) -> Frame:
    """A frame of counts, or of degrees by the declared scale."""
    grey = to_grey(pixels)
    bit_depth = 8 * grey.dtype.itemsize
    if options.scale is None:
        values = grey.astype(np.float32)
        return Frame(values, "counts", False, bit_depth, facts.captured_at, facts.metadata)
    values = (grey * options.scale.gain + options.scale.offset).astype(np.float32)
    return Frame(values, "celsius", True, bit_depth, facts.captured_at, facts.metadata)


def _temperatures(
    values: NDArray[Any], unit: Literal["celsius", "kelvin"], facts: About, *, bit_depth: int = 32
) -> Frame:
    """A frame of degrees; what cannot be a temperature becomes the median of the rest."""
    with np.errstate(over="ignore", invalid="ignore"):
        if unit == "kelvin":
            values = values.astype(np.float64) - _ZERO_C_IN_K
        celsius = values.astype(np.float32, copy=False)
        # Written so that a single NaN makes it false.
        plausible = celsius.min() >= _ABSOLUTE_ZERO_C and celsius.max() <= _HOTTEST_C
    metadata = facts.metadata
    if not plausible:
        usable = (celsius >= _ABSOLUTE_ZERO_C) & (celsius <= _HOTTEST_C)
        unusable_px = int(celsius.size - np.count_nonzero(usable))
        if 2 * unusable_px > celsius.size:
            raise CorruptImage(
                f"damaged: {unusable_px:,} of {celsius.size:,} pixels hold no possible temperature"
            )
        celsius[~usable] = np.median(celsius[usable])
        metadata = {**metadata, "unusable_px": unusable_px}
    return Frame(celsius, "celsius", True, bit_depth, facts.captured_at, metadata)


def _refuse_what_is_known(data: bytes, suffix: str) -> None:
    """Raise for what is neither an image nor a matrix, with the reason that helps most."""
    if any(start.startswith(data) for start in _STARTS):
        raise CorruptImage(f"cut off: only {len(data)} bytes of an image")
    if data.count(0) == len(data):
        raise CorruptImage("nothing but zero bytes: space was reserved, the content never came")
    for start, name in _UNREAD:
        if data.startswith(start):
            raise UnsupportedImage(f"{name} files are not read")
    is_text = b"\0" not in data[:4096] and data[:4096].isascii()
    if suffix == ".csv" or (suffix == "" and is_text):
        return
    if is_text:
        raise UnsupportedImage("the content is text, not an image; a matrix must be named .csv")
    raise UnsupportedImage("not a PNG, JPEG, BMP or TIFF image, nor a CSV matrix")
