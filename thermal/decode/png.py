"""PNG: its chunks are checked before libpng, inside OpenCV, decodes the pixels."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from thermal.decode.format import DecodeOptions, Format
from thermal.decode.raster import check_size, decode_pixels
from thermal.decode.to_frame import counts_frame
from thermal.errors import CorruptImage, UnsupportedImage
from thermal.frame import Frame

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

#: Most chunks of one PNG; more is an attack on the reader's time.
_MAX_CHUNKS = 1 << 16

#: No byte of a deflate stream becomes more than this many.
_DEFLATE_EXPANSION = 1032

#: A PNG with more packed bytes is unpacked once to measure the result: libpng unpacks everything,
#: whatever the header says, and this many bytes could become 256 MB, which takes it a second.
_MUCH_PACKED_BYTES = 1 << 18

#: Unpacked bytes that are kept for the decoder; more are unpacked twice.
_MUCH_UNPACKED_BYTES = 1 << 26

#: PNG colour type → (channels, bit depths that the standard allows).
_PNG_COLOUR: Mapping[int, tuple[int, tuple[int, ...]]] = {
    0: (1, (1, 2, 4, 8, 16)),
    2: (3, (8, 16)),
    3: (1, (1, 2, 4, 8)),
    4: (2, (8, 16)),
    6: (4, (8, 16)),
}

#: Chunks that make the picture (and its orientation). The rest stays out of libpng's reach: it
#: warns on stderr about some, unpacks others, and transparency is dropped anyway.
_PNG_PASSED_ON = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND", b"eXIf"})


#: Rows that are looked at, and fewest pixels of them, to tell whether bytes are exchanged.
_SAMPLED_ROWS, _FEWEST_PIXELS = 16, 256
#: So many times smoother are images once their bytes are put right: real ones from 3 to 16 times,
#: while none becomes more than 1.3 times smoother if right ones are exchanged.
_SMOOTHER = 2.0
#: Share of hot and of dead pixels that may be rough.
_OUTLIERS = 0.03


def read_png(data: bytes, options: DecodeOptions) -> Frame:
    """Read a PNG of 1 to 16 bits, grey, palette or colour, as counts; alpha is dropped.

    Raises `ImageTooLarge`, `UnsupportedImage` (an animation, values whose bytes are exchanged) or
    `CorruptImage`.
    """
    checked = checked_png(data, options.max_pixels)
    _refuse_animation(data)
    pixels = decode_pixels(checked)
    if pixels.dtype == np.uint16 and pixels.ndim == 2:
        _refuse_exchanged_bytes(pixels)
    return counts_frame(pixels, options)


def _refuse_exchanged_bytes(pixels: NDArray[Any]) -> None:
    """Raise UnsupportedImage if (H, W) 16-bit values make an image in the other byte order only."""
    rows = pixels[:: -(-len(pixels) // _SAMPLED_ROWS)]
    if rows.size >= _FEWEST_PIXELS and all(
        _roughness(rows, share) > _SMOOTHER * _roughness(rows.byteswap(), share)
        for share in (0.0, _OUTLIERS)  # without them is slower, so only if need be
    ):
        raise UnsupportedImage(
            "the two bytes of its values are exchanged, as in the raw image that exiftool takes "
            "out of a FLIR file: keep the FLIR file itself, or write the values in PNG's order"
        )


def _roughness(rows: NDArray[Any], outliers: float) -> float:
    """Mean step between neighbours of (H, W) values, as a share of their standard deviation.

    A share of `outliers` at each end gets the values of the others' ends.
    """
    values = rows.astype(np.float32)
    if outliers:
        values = values.clip(*np.quantile(values, [outliers, 1 - outliers]))
    spread = float(values.std())
    return float(np.abs(np.diff(values, axis=1)).mean()) / spread if spread else 0.0


def checked_png(data: bytes, max_pixels: int) -> bytes:
    """The PNG's picture chunks, once size, completeness and checksums are known to be good.

    Raises ImageTooLarge or CorruptImage. Bytes after the end are dropped.
    """
    view = memoryview(data)
    kept: list[memoryview] = [view[:8]]
    packed: list[memoryview] = []
    position, pixel_bytes = 8, 0
    for _ in range(_MAX_CHUNKS):
        if position + 12 > len(data):
            raise CorruptImage("cut off: the PNG has no end chunk")
        length, kind = struct.unpack_from(">I4s", data, position)
        end = position + 12 + length
        if end > len(data):
            raise CorruptImage(f"cut off: a chunk of the PNG lacks {end - len(data):,} bytes")
        if zlib.crc32(view[position + 4 : end - 4]) != int.from_bytes(view[end - 4 : end], "big"):
            raise CorruptImage("damaged: a checksum in the PNG is wrong")
        if position == 8:
            pixel_bytes = _png_pixel_bytes(kind, data[16 : 16 + length], max_pixels)
        if kind == b"IDAT":
            packed.append(view[position + 8 : end - 4])
        if kind in _PNG_PASSED_ON:
            kept.append(view[position:end])
        if kind == b"IEND":
            break
        position = end
    else:
        raise CorruptImage(f"damaged: more than {_MAX_CHUNKS:,} chunks in the PNG")
    packed_bytes = sum(map(len, packed))
    if packed_bytes * _DEFLATE_EXPANSION < pixel_bytes:
        raise CorruptImage("cut off: the PNG holds too few bytes for the size that it claims")
    # Each row adds a filter byte and up to one of padding; interlacing doubles the rows at most.
    most_bytes = 2 * pixel_bytes + 4 * int.from_bytes(data[20:24], "big") + 4096
    if packed_bytes > _MUCH_PACKED_BYTES:
        pixels = _unpack(packed, most_bytes)
        if pixels is not None:
            return _stored(kept, pixels)
    return b"".join(kept)


def _refuse_animation(data: bytes) -> None:
    """Raise UnsupportedImage for a checked PNG of several frames (APNG), by its control chunk."""
    at = data.find(b"\0\0\0\x08acTL", 8, data.find(b"IDAT"))
    frames = int.from_bytes(data[at + 8 : at + 12], "big") if at > 0 else 1
    if frames > 1:
        raise UnsupportedImage(
            f"several frames: an animated PNG of {frames}; one file must hold one frame"
        )


def _unpack(packed: Sequence[memoryview], most_bytes: int) -> bytes | None:
    """What the packed data become, if they are whole and that is little enough to keep.

    Raises CorruptImage if they become more than `most_bytes`.
    """
    inflater, unpacked, unpacked_bytes = zlib.decompressobj(), list[bytes](), 0
    for part in packed:
        rest: memoryview | bytes = part
        while rest and not inflater.eof:
            try:
                unpacked.append(inflater.decompress(rest, 1 << 20))
            except zlib.error:
                return None  # libpng stops here too
            unpacked_bytes += len(unpacked[-1])
            if unpacked_bytes > most_bytes:
                raise CorruptImage("damaged: the PNG unpacks to far more than its size says")
            if unpacked_bytes > _MUCH_UNPACKED_BYTES:
                unpacked.clear()
            rest = inflater.unconsumed_tail
    whole = inflater.eof and unpacked_bytes <= _MUCH_UNPACKED_BYTES
    return b"".join(unpacked) if whole else None


def _stored(chunks: Sequence[memoryview], pixels: bytes) -> bytes:
    """The PNG with its unpacked data in place of the packed: libpng need not do that again."""
    content = b"IDAT" + zlib.compress(pixels, 0)
    data = [struct.pack(">I", len(content) - 4), content, struct.pack(">I", zlib.crc32(content))]
    others = [chunk for chunk in chunks if bytes(chunk[4:8]) != b"IDAT"]
    return b"".join([*others[:-1], *data, others[-1]])


def _png_pixel_bytes(kind: bytes, header: bytes, max_pixels: int) -> int:
    if kind != b"IHDR" or len(header) != 13:
        raise CorruptImage("damaged: the PNG does not start with its header")
    width, height, depth, colour, method, filtering, interlace = struct.unpack(">2I5B", header)
    check_size(width, height, max_pixels)
    channels, depths = _PNG_COLOUR.get(colour, (0, ()))
    if depth not in depths or method or filtering or interlace > 1:
        raise CorruptImage("damaged: the PNG's header contradicts itself")
    return int(width * height * channels * depth // 8)


FORMAT = Format("PNG", (".png",), "image/png", (PNG_SIGNATURE,), read_png)
