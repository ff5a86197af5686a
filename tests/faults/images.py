"""Image files as bytes: larger scenes, and decompression bombs."""

from __future__ import annotations

import struct
import zlib

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from tests.thermal.decode.samples import saved, tiff, written

#: Side length in pixels that exceeds every limit.
HUGE = 60_000


def large_picture(number: int, suffix: str = ".png") -> bytes:
    """The scene of `tests.scene.picture` at five times its size: some 20 KB."""
    noise = np.random.default_rng(number)
    scene = np.full((24, 32), 80.0)
    scene[6:18, 8:24] += 20
    scene = cv2.resize(scene, (160, 120), interpolation=cv2.INTER_NEAREST)
    noisy = scene + noise.normal(0, 2, scene.shape)
    return written(suffix, noisy.clip(0, 255).astype(np.uint8))


def png_chunk(kind: bytes, content: bytes) -> bytes:
    """One chunk with its length and checksum."""
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def png(width: int, height: int, *chunks: bytes) -> bytes:
    """An 8-bit grey PNG of the chunks given."""
    header = png_chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + png_chunk(b"IEND", b"")


def zeros(size: int) -> bytes:
    """Deflated zero bytes, a thousandth of the size."""
    deflate = zlib.compressobj(9)
    piece = bytes(1 << 20)
    parts = [deflate.compress(piece) for _ in range(size >> 20)]
    return b"".join([*parts, deflate.flush()])


def bombs() -> dict[str, tuple[bytes, str]]:
    """Name → (small file that claims or unpacks to a lot, its expected outcome)."""
    good, jpeg = large_picture(1), large_picture(1, ".jpg")
    header, rest = good[:33], good[33:]
    packed = zeros(300 << 20)
    side = 1 << 14  # its square is 256 Mi
    flat = np.full((6000, 8000), 80, np.uint8)
    size = struct.pack(">HH", 120, 160)
    return {
        "claim.png": (png(HUGE, HUGE, png_chunk(b"IDAT", zlib.compress(bytes(HUGE)))), "too_large"),
        "zeros.png": (png(side, side, png_chunk(b"IDAT", packed)), "too_large"),
        "behind.png": (png(64, 64, png_chunk(b"IDAT", packed)), "corrupt"),
        "text.png": (header + png_chunk(b"zTXt", b"Comment\0\0" + packed) + rest, "scored"),
        "profile.png": (header + png_chunk(b"iCCP", b"icc\0\0" + packed) + rest, "scored"),
        "claim.tiff": (tiff([b"x"], HUGE, HUGE, 16), "too_large"),
        "zeros.tiff": (tiff([packed], side, side, 8, tags={259: 8}), "too_large"),
        "behind.tiff": (tiff([packed], 64, 48, 8, tags={259: 8}), "scored"),
        "claim.jpg": (jpeg.replace(size, struct.pack(">HH", HUGE, HUGE), 1), "too_large"),
        "flat.jpg": (written(".jpg", flat), "scored"),
        "scans.jpg": (_scans(flat[:9, :7]), "unsupported"),
    }


def _scans(pixels: NDArray[np.uint8]) -> bytes:
    """A progressive JPEG whose last scan is repeated thousands of times."""
    data = saved(Image.fromarray(pixels), "JPEG", progressive=True)
    scan = data[data.rindex(b"\xff\xda") : -2]
    return data[:-2] + scan * 5000 + data[-2:]
