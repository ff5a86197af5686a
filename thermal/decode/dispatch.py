"""Bytes of an image file to a frame: the table of formats, and the choice among them.

The content decides which format a file is, not its name. Two rules hold for all formats:

- size and completeness are settled on the headers, before anything is decoded: a claim of
  60,000×60,000 px costs microseconds, and an upload in progress is never taken for an image;
- °C come from the file itself (FLIR, InfiRay, float TIFF, CSV) or from a declared scale. Everything
  else is counts, however much the colours look like temperatures.

Pictures are turned upright where their orientation tag asks for it, as every viewer does;
thermograms keep the sensor's order.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from thermal.decode import bmp, fff, jpeg, matrix, png, tiff_image
from thermal.decode.format import DecodeOptions, Format
from thermal.errors import CorruptImage, ImageTooLarge, ScaleCannotApply, UnsupportedImage
from thermal.frame import Frame

#: Formats that are recognized by their first bytes.
IMAGES: tuple[Format, ...] = (png.FORMAT, jpeg.FORMAT, bmp.FORMAT, tiff_image.FORMAT, fff.FORMAT)

#: All formats; text without a signature is read as the last.
FORMATS: tuple[Format, ...] = (*IMAGES, matrix.FORMAT)

#: File name endings that the product looks at, lower case.
IMAGE_SUFFIXES = frozenset(suffix for format in FORMATS for suffix in format.suffixes)

#: Signatures of formats that are not read but that people try, for an error that helps.
_UNREAD: tuple[tuple[bytes, str], ...] = (
    (b"GIF8", "GIF"),
    (b"\0\0\0\x0cjP", "JPEG 2000"),
    (b"%PDF", "PDF"),
    (b"PK\x03\x04", "ZIP or Excel"),
    (b"RIFF", "WebP or other RIFF"),
    (b"\xd0\xcf\x11\xe0", "Excel 97"),
    (b"\x1f\x8b", "gzip"),
    (b"\x89HDF", "HDF5"),
    (b"\x93NUMPY", "NumPy"),
)

#: The same for thermal files of makers who publish no layout, or one that hardly anybody writes.
_THERMAL: tuple[tuple[bytes, str], ...] = (
    (b"\xffIRB", "InfraTec (.irb)"),
    (b"\xca\xac", "InfiRay (.irg)"),
    (b"FLIR Public Image Format", "FLIR (.fpf)"),
)

#: A file in the ZIP archives of Fluke.
_FLUKE = b".gpbenc"

#: The same for boxes of the ISO base media file format (ISO/IEC 14496-12), by their brand.
_BOXES: Mapping[bytes, str] = {
    b"avif": "AVIF",
    b"avis": "AVIF",
    b"heic": "HEIC",
    b"heix": "HEIC",
    b"mif1": "HEIF",
    b"jp2 ": "JPEG 2000",
}

#: Bytes before an image that a transfer as text, or a log, put there.
_MOST_FOREIGN_BYTES = 16

#: Bytes that pixels and binary headers hold and text does not.
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")

_DEFAULTS = DecodeOptions()


def decode(data: bytes, *, suffix: str = "", options: DecodeOptions = _DEFAULTS) -> Frame:
    """Return the frame in the bytes of one image file.

    `suffix` is the ending of the file's name (".csv"). It only decides whether text may be a
    matrix: with ".csv" or without a suffix.

    The frame is in °C (`radiometric`) for FLIR and InfiRay R-JPEG, float TIFF, CSV and wherever
    `options.scale` applies (integer pictures), else in counts: grey values, colour converted to
    luma, alpha dropped, 16 bits at full depth. What is over range (infinite, over 10,000 °C, the
    highest code) stays hottest, what is under range coldest; unusable pixels (NaN, at most at
    absolute zero) get the median of the others. The frame has the numbers of each (see
    `thermal.decode.to_frame`). `captured_at` is the camera's local time, without a time zone
    unless the file names one; None if the clock was evidently never set.

    Raises `UnsupportedImage`, `ImageTooLarge`, `ImpossibleUnit` or `CorruptImage` (all
    `DecodeError`), whatever the bytes.
    """
    try:
        return _read(data, suffix.lower(), options)
    except ScaleCannotApply:
        if options.scale_must_apply:
            raise
        return _read(data, suffix.lower(), replace(options, scale=None))


def _read(data: bytes, suffix: str, options: DecodeOptions) -> Frame:
    if not data:
        raise CorruptImage("the file is empty")
    if len(data) > options.max_bytes:
        raise ImageTooLarge(f"{len(data):,} bytes are over the limit of {options.max_bytes:,}")
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
    _refuse_by_name(data)
    for signature in signatures:
        at = data.find(signature, 1, _MOST_FOREIGN_BYTES + len(signature))
        if at > 0 and not signature.isascii():
            raise CorruptImage(f"damaged: an image begins behind {at} foreign bytes")
    is_text = b"\0" not in data[:4096] and data[:4096].isascii()
    if suffix in matrix.FORMAT.suffixes or (suffix == "" and is_text):
        return
    if is_text:
        raise UnsupportedImage("the content is text, not an image; a matrix must be named .csv")
    *names, last = (image.name for image in IMAGES)
    raise UnsupportedImage(f"not a {', '.join(names)} or {last} image, nor a CSV matrix")


def _refuse_by_name(data: bytes) -> None:
    """Raise for formats that are known and not read."""
    thermal = next((name for start, name in _THERMAL if data.startswith(start)), None)
    if data.startswith(b"PK\x03\x04") and _FLUKE in data:
        thermal = "Fluke (.is2, .is3)"
    if data.startswith(b"RIFF") and data[8:12] == b"AVI ":
        thermal = "AVI (Optris .ravi and other films)"
    if thermal is not None:
        raise UnsupportedImage(
            f"{thermal} files are not read: export a radiometric TIFF or CSV with the maker's "
            "software"
        )
    other = next((name for start, name in _UNREAD if data.startswith(start)), None)
    if data[4:8] == b"ftyp":
        other = _BOXES.get(data[8:12], "MP4 or other film")
    if other is not None:
        raise UnsupportedImage(f"{other} files are not read")
