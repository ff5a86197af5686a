"""What camera makers put into a JPEG or BMP beside the picture, recognized by its structure.

Sources: exiftool's tables for APP3 to APP6 (DJI, Parrot), https://exiftool.org/TagNames/JPEG.html;
for HIKMICRO the block `HDRI` that its files have behind the picture.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from thermal.errors import UnsupportedImage

#: Bytes from which unknown data are worth telling; raw thermal data are larger.
_LARGE: Final = 4096

#: Most bytes of a header before raw values.
_MOST_HEADER_BYTES: Final = 4096

#: APP segments in which DJI keeps raw values, their parameters and calibration.
_DJI_SEGMENTS: Final = (3, 4, 5, 6)
_DJI_OLD_PARAMETERS: Final = b"\xaaU"

_PARROT: Final = b"PARROT\0"
_HIKMICRO: Final = b"HDRI"
_PADDING: Final = b"\0\xff"

#: Segments of pictures without thermal data, by their first bytes.
_COMMON: Final = (
    b"JFIF\0", b"JFXX\0", b"Exif\0", b"http://ns.adobe.com/", b"ICC_PROFILE\0", b"MPF\0", b"FPXR\0",
    b"Photoshop ", b"Adobe", b"Ducky", b"FLIR\0", b"QVCI", b"PADDING", b"[sensor_", b"DJI-DBG",
)  # fmt: skip

#: Name of such data in a frame's metadata.
UNREAD_DATA: Final = "unread_data"

_CONVERT: Final = "Convert it with the maker's software to a float TIFF or CSV"
_DECODE: Final = ", name a program that measures it as `decoder` of this camera"
_IGNORE: Final = ', or set radiometry = "ignore" to take it as a plain picture without degrees'


@dataclass(frozen=True)
class Vendor:
    """The parts of a JPEG or BMP that only some software knows."""

    width: int  #: of the picture in px
    height: int
    maker: str  #: as EXIF names it
    segments: Mapping[int, bytes]  #: content of unknown APP segments by their number, joined
    behind: bytes  #: what follows the end of the picture and of its previews

    def unread_thermogram(self) -> str | None:
        """What thermal data there are that are not read here, in words; None if none are known."""
        if self._is_dji():
            return "a DJI R-JPEG, whose temperatures only DJI's Thermal SDK can read"
        if self.segments.get(1, b"").startswith(_PARROT):
            return "a Parrot thermal JPEG, for whose raw values no scale is published"
        if self.behind.startswith(_HIKMICRO):
            return "a HIKMICRO JPEG, for whose raw values no scale is published"
        for where, size in self._sizes().items():
            for value_bytes in (2, 4):
                header_bytes = size - value_bytes * self.width * self.height
                if 0 <= header_bytes <= _MOST_HEADER_BYTES and size >= _LARGE:
                    return (
                        f"a picture with {size:,} bytes {where}, as many {8 * value_bytes}-bit "
                        "values as it has pixels: raw thermal data of an unknown maker"
                    )
        return None

    def unread_data(self) -> str:
        """Large unknown data, in words; empty if there are none."""
        sizes = self._sizes().items()
        return ", ".join(f"{size:,} bytes {where}" for where, size in sizes if size >= _LARGE)

    def _is_dji(self) -> bool:
        sizes = {number: len(self.segments.get(number, b"")) for number in _DJI_SEGMENTS}
        old = self.segments.get(4, b"").startswith(_DJI_OLD_PARAMETERS) and sizes[3] >= _LARGE
        return old or (self.maker.upper().startswith("DJI") and sum(sizes.values()) >= _LARGE)

    def _sizes(self) -> dict[str, int]:
        """Bytes of unknown data by where they are."""
        sizes = {f"in APP{number}": len(content) for number, content in self.segments.items()}
        if self.behind[4:8] != b"ftyp" and self.behind.strip(_PADDING):  # neither film nor padding
            sizes["behind the picture"] = len(self.behind)
        return sizes


def is_common(content: bytes) -> bool:
    """Whether an APP segment is one that pictures without thermal data have too."""
    return content.startswith(_COMMON)


def refuse(what: str, *, decodable: bool) -> UnsupportedImage:
    """The error for thermal data that are not read; `decodable` if a `decoder` may read them."""
    return UnsupportedImage(f"{what}. {_CONVERT}{_DECODE if decodable else ''}{_IGNORE}")
