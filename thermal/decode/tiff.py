"""TIFF: its directory read and checked before a library touches the pixels.

Two uses: TIFF images themselves, and EXIF blocks, which have the same structure.
Tag numbers and defaults are those of TIFF 6.0 (Adobe, 1992) and its Technical Note 2.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from thermal.decode.raster import check_size
from thermal.errors import CorruptImage, UnsupportedImage

_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC = 256, 257, 258, 259, 262
_STRIP_OFFSETS, _SAMPLES, _ROWS_PER_STRIP, _STRIP_BYTES, _PLANAR = 273, 277, 278, 279, 284
_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES = 322, 323, 324, 325
_SUBFILE_TYPE, _DESCRIPTION, _FILL_ORDER, _ORIENTATION, _PREDICTOR, _COLOUR_MAP = (
    254,
    270,
    266,
    274,
    317,
    320,
)
_SAMPLE_FORMAT = 339

#: What libtiff needs to see. All other tags stay out of its reach: vendors write tags that it
#: stumbles over, and an alpha declaration makes it multiply the colours.
_PASSED_ON = frozenset(
    {_WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER, _STRIP_OFFSETS, _ORIENTATION}
    | {_SAMPLES, _ROWS_PER_STRIP, _STRIP_BYTES, _PLANAR, _PREDICTOR, _COLOUR_MAP, _SAMPLE_FORMAT}
    | {_TILE_WIDTH, _TILE_HEIGHT, _TILE_OFFSETS, _TILE_BYTES}
)

#: Compression → most bytes that one compressed byte can become (none, LZW, deflate, PackBits).
_EXPANSION: Mapping[int, int] = {1: 1, 5: 4096, 8: 1032, 32946: 1032, 32773: 64}

#: (photometric, samples, bits, sample format) → NumPy kind. Grey, palette and RGB(A) pictures.
#: 16-bit and float data marked "white is zero" are left out: writers disagree on what it means
#: there, and a picture with hot and cold exchanged is worse than none.
_LAYOUTS: Mapping[tuple[int, int, int, int], str] = {
    (0, 1, 8, 1): "u1",
    (1, 1, 8, 1): "u1",
    (1, 2, 8, 1): "u1",
    (3, 1, 8, 1): "u1",
    (2, 3, 8, 1): "u1",
    (2, 4, 8, 1): "u1",
    (1, 1, 16, 1): "u2",
    (1, 1, 16, 2): "i2",
    (2, 3, 16, 1): "u2",
    (2, 4, 16, 1): "u2",
    (1, 1, 32, 3): "f4",
    (1, 1, 64, 3): "f8",
}

_ITEM_BYTES: Mapping[int, int] = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 7: 1}  # type → bytes a value
_INTEGER_DTYPES: Mapping[int, str] = {1: "u1", 3: "u2", 4: "u4"}

#: Longest list of integers in bytes: 2²⁰ strips or tiles at 4 bytes.
_LONGEST_LIST = 4 << 20

#: Longest text of a tag in bytes; what follows is cut off.
_LONGEST_TEXT = 4096

#: Pages that are counted.
_MAX_PAGES = 10_000


class OtherLayout(UnsupportedImage):
    """A TIFF that OpenCV does not read; tifffile may."""


@dataclass(frozen=True)
class Directory:
    """One image file directory: the raw 12-byte entries of `data` by tag."""

    data: bytes
    order: Literal["<", ">"]
    entries: Mapping[int, bytes]
    next_offset: int

    def content(self, tag: int, *, most: int) -> tuple[int, bytes] | None:
        """(type, first `most` bytes) of a tag; None if it is absent or of an unknown type."""
        entry = self.entries.get(tag)
        if entry is None:
            return None
        kind, count, offset = struct.unpack(f"{self.order}HII", entry[2:])
        size = count * _ITEM_BYTES.get(kind, 0)
        if size <= 4:
            return kind, entry[8 : 8 + size]
        if offset + size > len(self.data):
            raise CorruptImage(f"cut off: the values of tag {tag} lie behind the end of the file")
        return kind, self.data[offset : offset + min(size, most)]

    def integers(self, tag: int) -> NDArray[np.int64]:
        """All values of an integer tag; empty if it is absent or of another type."""
        kind, content = self.content(tag, most=_LONGEST_LIST + 1) or (0, b"")
        if kind not in _INTEGER_DTYPES:
            return np.empty(0, np.int64)
        if len(content) > _LONGEST_LIST:
            raise CorruptImage(f"damaged: tag {tag} lists more strips than an image has")
        return np.frombuffer(content, self.order + _INTEGER_DTYPES[kind]).astype(np.int64)

    def integer(self, tag: int, default: int) -> int:
        """The one value of an integer tag that must not differ between samples."""
        entry = self.entries.get(tag)
        if entry is None:
            return default
        kind, count = struct.unpack_from(f"{self.order}HI", entry, 2)
        if count == 1 and kind in _INTEGER_DTYPES:  # nearly always
            end = 8 + _ITEM_BYTES[kind]
            return int.from_bytes(entry[8:end], "little" if self.order == "<" else "big")
        values = self.integers(tag)
        if values.size and (values != values[0]).any():
            raise UnsupportedImage("a TIFF whose channels differ in depth is not read")
        return int(values[0]) if values.size else default

    def text(self, tag: int) -> str:
        """The text of an ASCII tag up to its first NUL, printable characters only."""
        kind, content = self.content(tag, most=_LONGEST_TEXT) or (0, b"")
        if kind != 2:
            return ""
        line = content.split(b"\0", 1)[0].decode("utf-8", "replace")
        return "".join(filter(str.isprintable, line)).strip()


def byte_order(data: bytes) -> Literal["<", ">"] | None:
    """The byte order that a classic TIFF header declares; None if this is no such header."""
    if data[:4] == b"II*\0":
        return "<"
    return ">" if data[:4] == b"MM\0*" else None


def read_directory(data: bytes, order: Literal["<", ">"], offset: int) -> Directory:
    """The directory at `offset`. Raises CorruptImage where it does not fit into `data`."""
    if not 8 <= offset <= len(data) - 2:
        raise CorruptImage("cut off: the TIFF directory lies behind the end of the file")
    (count,) = struct.unpack_from(f"{order}H", data, offset)
    end = offset + 2 + 12 * count
    if end + 4 > len(data):
        raise CorruptImage("cut off: the TIFF directory is not complete")
    entries: dict[int, bytes] = {}
    for start in range(offset + 2, end, 12):
        entry = data[start : start + 12]
        entries[struct.unpack_from(f"{order}H", entry)[0]] = entry
    return Directory(data, order, entries, struct.unpack_from(f"{order}I", data, end)[0])


def first_directory(data: bytes) -> Directory:
    """The directory that the header of `data` points to. Raises CorruptImage."""
    order = byte_order(data)
    if order is None or len(data) < 8:
        raise CorruptImage("cut off or damaged: no complete TIFF header")
    return read_directory(data, order, struct.unpack_from(f"{order}I", data, 4)[0])


def check_tiff(directory: Directory, max_pixels: int) -> np.dtype[np.generic]:
    """Whether this TIFF is one complete image that OpenCV reads; the dtype of its samples.

    Raises OtherLayout if OpenCV does not, ImageTooLarge, UnsupportedImage or CorruptImage. Nothing
    is decompressed.
    """
    width, height = directory.integer(_WIDTH, 0), directory.integer(_HEIGHT, 0)
    check_size(width, height, max_pixels)
    compression = directory.integer(_COMPRESSION, 1)
    _check_single_frame(directory, width * height)
    if compression not in _EXPANSION:
        raise OtherLayout(f"TIFF compression {compression}")
    samples, bits = directory.integer(_SAMPLES, 1), directory.integer(_BITS, 1)
    photometric = _photometric(directory, samples)
    layout = (photometric, samples, bits, directory.integer(_SAMPLE_FORMAT, 1))
    if layout not in _LAYOUTS or (samples > 1 and directory.integer(_PLANAR, 1) != 1):
        if layout[0] == 0 and samples == 1:
            raise UnsupportedImage(
                f"a TIFF of {bits}-bit values that says that white is zero (photometric 0) is not "
                "read: writers disagree on whether its values are inverted"
            )
        raise OtherLayout(f"{samples} samples of {bits} bits")
    if bits == 8 and photometric in (1, 2) and directory.integer(_TILE_WIDTH, 64) < 64:
        raise OtherLayout("small tiles of 8 bits, which OpenCV fails on")
    _check_extent(directory, width, height, samples * bits // 8, _EXPANSION[compression])
    return np.dtype(_LAYOUTS[layout])


def with_checked_tags(directory: Directory) -> bytes:
    """The file with a new directory that holds nothing but the tags that `check_tiff` knows."""
    order, data = directory.order, directory.data
    entries = {tag: entry for tag, entry in directory.entries.items() if tag in _PASSED_ON}
    if _PHOTOMETRIC not in entries:  # required by the standard, absent from Workswell's files
        kind = _photometric(directory, directory.integer(_SAMPLES, 1))
        entries[_PHOTOMETRIC] = struct.pack(f"{order}HHIHH", _PHOTOMETRIC, 3, 1, kind, 0)
    padding = b"\0" * (len(data) % 2)
    start = struct.pack(f"{order}I", len(data) + len(padding))
    listing = b"".join(entries[tag] for tag in sorted(entries))
    count = struct.pack(f"{order}H", len(entries))
    return b"".join((data[:4], start, data[8:], padding, count, listing, b"\0\0\0\0"))


def _photometric(directory: Directory, samples: int) -> int:
    return directory.integer(_PHOTOMETRIC, 2 if samples >= 3 else 1)


def _check_extent(
    directory: Directory, width: int, height: int, pixel_bytes: int, expansion: int
) -> None:
    tiled = _TILE_OFFSETS in directory.entries
    if tiled:
        block_width = directory.integer(_TILE_WIDTH, 0)
        block_height = directory.integer(_TILE_HEIGHT, 0)
    else:
        block_width, block_height = width, min(directory.integer(_ROWS_PER_STRIP, height), height)
    # A tile is at most one step of 16 larger than the image: more is a trap for the allocator.
    if not (0 < block_width < width + 4096 and 0 < block_height < height + 4096):
        raise CorruptImage(f"damaged: blocks of {block_width}×{block_height} px in the TIFF")
    offsets = directory.integers(_TILE_OFFSETS if tiled else _STRIP_OFFSETS)
    sizes = directory.integers(_TILE_BYTES if tiled else _STRIP_BYTES)
    blocks = -(-width // block_width) * -(-height // block_height)
    if offsets.size != blocks or sizes.size != blocks:
        raise CorruptImage("damaged: the TIFF does not list all of its strips or tiles")
    if int((offsets + sizes).max()) > len(directory.data):
        raise CorruptImage("cut off: pixel data lie behind the end of the file")
    area = blocks * block_width * block_height if tiled else width * height
    if int(sizes.sum()) * expansion < area * pixel_bytes:
        raise CorruptImage(f"cut off: too few bytes for {width}×{height} px in the TIFF")


def _check_single_frame(directory: Directory, pixels: int) -> None:
    """Raise UnsupportedImage if the file has several frames, in pages or behind one another."""
    frames, page, seen = 1, directory, set[int]()
    while page.next_offset and page.next_offset not in seen and len(seen) < _MAX_PAGES:
        seen.add(page.next_offset)
        page = read_directory(directory.data, directory.order, page.next_offset)
        frames += not page.integer(_SUBFILE_TYPE, 0) & 0b101  # neither a preview nor a mask
    if page.next_offset:
        raise UnsupportedImage(
            f"several frames: a TIFF whose pages do not end after {len(seen)}; one file must hold "
            "one frame"
        )
    what = "pages"
    if frames == 1:
        frames, what = _described_frames(directory, pixels), "frames behind one another"
    if frames > 1:
        raise UnsupportedImage(
            f"several frames: a TIFF of {frames} {what}; one file must hold one frame"
        )


def _described_frames(directory: Directory, pixels: int) -> int:
    """Frames that ImageJ and tifffile write into one page, by what they say in its description."""
    text = directory.text(_DESCRIPTION)
    if text.startswith("ImageJ") and (match := re.search(r"images=(\d{1,9})", text)):
        return int(match[1])
    if match := re.match(r'\{"shape": \[([\d, ]{1,99})\]', text):
        values = math.prod(int(part) for part in match[1].split(",") if part.strip())
        return values // (pixels * directory.integer(_SAMPLES, 1))
    return 1
