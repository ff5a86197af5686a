"""Bytes of an image file to a frame: the table of formats, and the choice among them.

The content decides which format a file is, not its name. Two rules hold for all formats:

- size and completeness are settled on the headers, before anything is decoded: a claim of
  60,000×60,000 px costs microseconds, and an upload in progress is never taken for an image;
- °C come from the file itself (FLIR, float TIFF, CSV) or from a declared scale. Everything else
  is counts, however much the colours look like temperatures.

Pictures are turned upright where their orientation tag asks for it, as every viewer does;
thermograms keep the sensor's order.
"""

from __future__ import annotations

import re

from thermal.decode import bmp, jpeg, matrix, png, tiff_image
from thermal.decode.format import DecodeOptions, Format
from thermal.errors import CorruptImage, ImageTooLarge, UnsupportedImage
from thermal.frame import Frame

#: Formats that are recognized by their first bytes.
IMAGES: tuple[Format, ...] = (png.FORMAT, jpeg.FORMAT, bmp.FORMAT, tiff_image.FORMAT)

#: All formats; text without a signature is read as the last.
FORMATS: tuple[Format, ...] = (*IMAGES, matrix.FORMAT)

#: File name endings that the product looks at, lower case.
IMAGE_SUFFIXES = frozenset(suffix for format in FORMATS for suffix in format.suffixes)

#: Signatures of formats that are not read but that people try, for an error that helps.
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

#: Bytes that pixels and binary headers hold and text does not.
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")

_DEFAULTS = DecodeOptions()


def decode(data: bytes, *, suffix: str = "", options: DecodeOptions = _DEFAULTS) -> Frame:
    """Return the frame in the bytes of one image file.

    `suffix` is the ending of the file's name (".csv"). It only decides whether text may be a
    matrix: with ".csv" or without a suffix.

    The frame is in °C (`radiometric`) for FLIR R-JPEG, float TIFF, CSV and wherever
    `options.scale` applies (integer pictures), else in counts: grey values, colour converted to
    luma, alpha dropped, 16 bits at full depth. Impossible temperatures (NaN, infinite, below
    absolute zero, over 10,000 °C) are replaced by the median of the others; the metadata states
    their number as `unusable_px`. `captured_at` is the camera's local time, without a time zone
    unless the file names one; None if the clock was evidently never set.

    Raises `UnsupportedImage`, `ImageTooLarge` or `CorruptImage` (all `DecodeError`), whatever the
    bytes.
    """
    if not data:
        raise CorruptImage("the file is empty")
    if len(data) > options.max_bytes:
        raise ImageTooLarge(f"{len(data):,} bytes are over the limit of {options.max_bytes:,}")
    suffix = suffix.lower()
    for candidate in IMAGES:
        if any(_begins(data, signature, suffix) for signature in candidate.signatures):
            return candidate.read(data, options)
    _refuse_unless_text(data, suffix)
    return matrix.FORMAT.read(data, options)


def _begins(data: bytes, signature: bytes, suffix: str) -> bool:
    """Whether `data` has the signature, and is not a matrix that begins with the same letters."""
    if not data.startswith(signature):
        return False
    may_be_text = signature.isascii() and suffix in matrix.FORMAT.suffixes
    return not may_be_text or _CONTROL.search(data, 0, 4096) is not None


def _refuse_unless_text(data: bytes, suffix: str) -> None:
    """Raise for what is neither an image nor a matrix, with the reason that helps most."""
    signatures = [signature for image in IMAGES for signature in image.signatures]
    if any(signature.startswith(data) for signature in signatures):
        raise CorruptImage(f"cut off: only {len(data)} bytes of an image")
    if data.count(0) == len(data):
        raise CorruptImage("nothing but zero bytes: space was reserved, the content never came")
    for start, name in _UNREAD:
        if data.startswith(start):
            raise UnsupportedImage(f"{name} files are not read")
    is_text = b"\0" not in data[:4096] and data[:4096].isascii()
    if suffix in matrix.FORMAT.suffixes or (suffix == "" and is_text):
        return
    if is_text:
        raise UnsupportedImage("the content is text, not an image; a matrix must be named .csv")
    *names, last = (image.name for image in IMAGES)
    raise UnsupportedImage(f"not a {', '.join(names)} or {last} image, nor a CSV matrix")
