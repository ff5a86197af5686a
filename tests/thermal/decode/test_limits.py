"""Limits: what claims too much is refused before anything is decoded."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.thermal.decode.samples import csv, flir, samples, tiff, written
from thermal.decode import DecodeOptions, decode
from thermal.errors import CorruptImage, ImageTooLarge, UnsupportedImage

GREY = np.random.default_rng(0).integers(0, 256, (9, 7), np.uint8)
SAMPLES = samples()


def png_chunk(kind: bytes, content: bytes) -> bytes:
    checksum = struct.pack(">I", zlib.crc32(kind + content))
    return struct.pack(">I", len(content)) + kind + content + checksum


def png(width: int, height: int, *chunks: bytes) -> bytes:
    header = png_chunk(b"IHDR", struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(chunks) + png_chunk(b"IEND", b"")


HUGE = 60_000


@pytest.mark.parametrize(
    "data",
    [
        png(HUGE, HUGE, png_chunk(b"IDAT", zlib.compress(bytes(HUGE)))),
        png(1, 2**31 - 1, png_chunk(b"IDAT", b"")),
        tiff([b"x"], HUGE, HUGE, 16),
        tiff([b"x"], 2**32 - 1, 2**32 - 1, 8),
        written(".jpg", GREY).replace(struct.pack(">HH", 9, 7), struct.pack(">HH", HUGE, HUGE), 1),
        b"BM" + struct.pack("<IIIIiiHHI", 0, 0, 54, 40, HUGE, -HUGE, 1, 8, 0) + bytes(20),
        flir(np.ones((2, 2), np.uint16), claimed_size=(HUGE, HUGE)),
        written(".png", np.zeros((1001, 1000), np.uint8)),
        csv(np.ones((1001, 1000)), decimals=0),
    ],
    ids=["PNG", "long PNG", "TIFF", "endless TIFF", "JPEG", "BMP", "FLIR", "real PNG", "CSV"],
)
def test_an_image_over_the_pixel_limit_is_refused_before_it_is_decoded(data: bytes) -> None:
    with pytest.raises(ImageTooLarge, match="over the limit of 1,000,000 px"):
        decode(data, options=DecodeOptions(max_pixels=1_000_000))


@pytest.mark.parametrize(
    "data",
    [
        png(7000, 7000, png_chunk(b"IDAT", zlib.compress(bytes(7000)))),
        tiff([b"x"], 7000, 7000, 16, tags={259: 8}),
        tiff([b"x"], 7000, 7000, 16),
        written(".jpg", GREY).replace(struct.pack(">HH", 9, 7), struct.pack(">HH", 7000, 7000), 1),
        b"BM" + struct.pack("<IIIIiiHHI", 0, 0, 54, 40, 7000, 7000, 1, 8, 0) + bytes(20),
    ],
    ids=["PNG", "deflated TIFF", "TIFF", "JPEG", "BMP"],
)
def test_a_claim_that_the_bytes_cannot_hold_is_refused_before_it_is_decoded(data: bytes) -> None:
    with pytest.raises(CorruptImage, match="cut off"):
        decode(data)


def test_a_file_over_the_byte_limit_is_refused() -> None:
    data = SAMPLES["grey.png"]
    assert decode(data, options=DecodeOptions(max_bytes=len(data)))
    with pytest.raises(ImageTooLarge, match="over the limit of"):
        decode(data, options=DecodeOptions(max_bytes=len(data) - 1))


def test_a_png_that_unpacks_to_far_more_than_its_pixels_is_refused_at_once() -> None:
    # to see it fail: leave out _unpacks_to_more_than; libpng then unpacks all of it
    deflate = zlib.compressobj(9)
    packed = b"".join(deflate.compress(bytes(1 << 20)) for _ in range(300)) + deflate.flush()
    assert len(packed) > 1 << 18
    for cut in (0, 9, 1000):
        with pytest.raises(CorruptImage, match="unpacks to far more"):
            decode(png(64, 64, png_chunk(b"IDAT", packed[:cut]), png_chunk(b"IDAT", packed[cut:])))


#: First column and row, and steps between columns and rows, of each pass of Adam7.
ADAM7 = (
    (0, 0, 8, 8),
    (4, 0, 8, 8),
    (0, 4, 4, 8),
    (2, 0, 4, 4),
    (0, 2, 2, 4),
    (1, 0, 2, 2),
    (0, 1, 1, 2),
)


def interlaced(pixels: NDArray[np.uint8]) -> bytes:
    """An 8-bit grey PNG in seven passes."""
    height, width = pixels.shape
    header = struct.pack(">2I5B", width, height, 8, 0, 0, 0, 1)
    passes = [pixels[y::step_y, x::step_x] for x, y, step_x, step_y in ADAM7]
    rows = b"".join(b"\0" + row.tobytes() for part in passes if part.size for row in part)
    parts = (png_chunk(b"IHDR", header), png_chunk(b"IDAT", zlib.compress(rows)))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + png_chunk(b"IEND", b"")


@pytest.mark.parametrize("interlace", [False, True])
@pytest.mark.parametrize("shape", [(700, 700), (300_000, 1), (1, 300_000)])
def test_a_large_png_that_hardly_packs_is_read(shape: tuple[int, int], interlace: bool) -> None:
    noise = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    data = interlaced(noise) if interlace else written(".png", noise)
    assert len(data) > 1 << 18
    assert np.array_equal(decode(data).values, noise)


def test_a_png_of_countless_tiny_chunks_is_refused() -> None:
    with pytest.raises(CorruptImage, match="chunks"):
        decode(png(2, 2, png_chunk(b"tEXt", b"") * 70_000))


def test_a_progressive_jpeg_of_countless_scans_is_refused() -> None:
    data = SAMPLES["progressive.jpg"]
    scan = data[data.rindex(b"\xff\xda") : -2]
    with pytest.raises(UnsupportedImage, match="scans"):
        decode(data[:-2] + scan * 300 + data[-2:])


def test_ancillary_png_chunks_are_kept_from_libpng(capfd: pytest.CaptureFixture[str]) -> None:
    bad_profile = png_chunk(b"iCCP", b"x\0\0" + zlib.compress(b"no profile"))
    rows = zlib.compress(b"".join(b"\0" + row.tobytes() for row in GREY))
    assert np.array_equal(decode(png(7, 9, bad_profile, png_chunk(b"IDAT", rows))).values, GREY)
    assert capfd.readouterr() == ("", "")
