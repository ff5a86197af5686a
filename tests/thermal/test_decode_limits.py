"""Limits: what claims too much is refused before anything is decoded."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest

from tests.thermal.decode_samples import csv, flir, samples, tiff, written
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
