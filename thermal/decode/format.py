"""What a file format declares to be read, and the options of reading."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from thermal.frame import Frame, LinearScale
from thermal.measurement import UNKNOWN, MeasurementParameters

MatrixUnit = Literal["celsius", "kelvin", "fahrenheit", "counts"]
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
    #: Files that `scale` cannot apply to are refused; if false, they are read without it.
    scale_must_apply: bool = True
    #: What float TIFF and CSV files hold; None: the unit that the file names, else °C.
    matrix_unit: MatrixUnit | None = None
    #: Replace those in a file; correct °C for another emissivity where a file has none.
    parameters: MeasurementParameters = UNKNOWN
    #: Images with a larger share of unusable pixels (dead or without data), 0 to 1, are refused.
    max_unusable_share: float = 0.5
    #: `ignore` reads vendor R-JPEG files as plain pictures.
    radiometry: Radiometry = "auto"
    #: Program and arguments that measure vendor files which are not read here; none if empty.
    decoder: tuple[str, ...] = ()


@dataclass(frozen=True)
class Format:
    """A file format: how its files are recognized, and the function that reads them.

    `read` takes the whole file, which begins with one of the signatures, and raises
    `UnsupportedImage`, `ImageTooLarge` or `CorruptImage`, whatever the bytes. It must settle size
    and completeness on the header, before it decodes anything.
    """

    name: str  #: as messages call it
    suffixes: tuple[str, ...]  #: endings of file names, lower case; new files get the first
    media_type: str  #: of an upload over HTTP
    signatures: tuple[bytes, ...]  #: first bytes of a file; none for text without a signature
    read: Callable[[bytes, DecodeOptions], Frame]
