"""TIFF variants: layouts that are read exactly, and those that are refused by name."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image

from tests.thermal.decode.samples import saved, tiff
from thermal.decode import decode
from thermal.errors import CorruptImage, DecodeError, UnsupportedImage

COUNTS = np.random.default_rng(3).integers(0, 65536, (20, 18), np.uint16)
PIXELS = COUNTS.astype("<u2").tobytes()


def tiles(pixels: NDArray[Any], side: int) -> list[bytes]:
    height, width = pixels.shape
    padded = np.pad(pixels, ((0, -height % side), (0, -width % side)))
    return [
        padded[top : top + side, left : left + side].tobytes()
        for top in range(0, height, side)
        for left in range(0, width, side)
    ]


@given(
    hnp.arrays(
        st.sampled_from([np.uint8, np.uint16, np.float32, np.float64]),
        hnp.array_shapes(min_dims=2, max_dims=2, max_side=80),
        elements={"min_value": 0, "max_value": 200},
    ),
    st.sampled_from(["<", ">"]),
    st.sampled_from(["one strip", "a strip a row", "tiles"]),
)
def test_depths_byte_orders_strips_and_tiles_are_all_read_exactly(
    pixels: NDArray[Any], order: Literal["<", ">"], split: str
) -> None:
    height, width = pixels.shape
    stored = pixels.astype(pixels.dtype.newbyteorder(order))
    tags: dict[int, int | None] = {339: 3 if pixels.dtype.kind == "f" else 1}
    blocks = [stored.tobytes()]
    if split == "a strip a row":
        tags |= {278: 1}
        blocks = [row.tobytes() for row in stored]
    elif split == "tiles":
        tags |= {322: 64, 323: 64}
        blocks = tiles(stored, 64)
    data = tiff(blocks, width, height, 8 * pixels.dtype.itemsize, tags=tags, order=order)
    frame = decode(data)
    assert np.array_equal(frame.values, pixels.astype(np.float32))
    assert frame.bit_depth == 8 * pixels.dtype.itemsize
    assert frame.radiometric == (pixels.dtype.kind == "f")


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits"])
@pytest.mark.parametrize("mode", ["L", "I;16", "F"])
def test_compressions_of_another_writer_are_read_exactly(compression: str, mode: str) -> None:
    pixels = (COUNTS >> 8).astype({"L": np.uint8, "I;16": np.uint16, "F": np.float32}[mode])
    data = saved(Image.fromarray(pixels), "TIFF", compression=compression)
    assert np.array_equal(decode(data).values, pixels)


def test_signed_16_bit_counts_are_read() -> None:
    counts = np.array([[-300, 0], [5, 32767]], "<i2")
    frame = decode(tiff([counts.tobytes()], 2, 2, 16, tags={339: 2}))
    assert np.array_equal(frame.values, counts)


def test_white_is_zero_is_inverted_for_8_bits_and_refused_for_16() -> None:
    dark = bytes([0, 10, 255, 100])
    assert decode(tiff([dark], 2, 2, 8, tags={262: 0})).values.tolist() == [[255, 245], [0, 155]]
    with pytest.raises(UnsupportedImage, match="photometric 0"):
        decode(tiff([PIXELS], 18, 20, 16, tags={262: 0}))


@pytest.mark.parametrize(
    "tags",
    [
        {262: None},  # no photometric interpretation, as Workswell writes it
        {258: 16, 50735: 7, 36867: 9},  # private tags
        {278: 2**32 - 1},  # "all rows in one strip"
        {700: 2**31},  # a vendor tag that points nowhere
    ],
)
def test_what_vendors_leave_out_or_add_does_no_harm(tags: Mapping[int, int | None]) -> None:
    assert np.array_equal(decode(tiff([PIXELS], 18, 20, 16, tags=tags)).values, COUNTS)


def test_a_long_text_of_a_tag_is_cut_off() -> None:
    # to see it fail: leave out _LONGEST_TEXT
    picture = Image.fromarray(np.zeros((4, 5), np.uint8))
    data = saved(picture, "TIFF", tiffinfo={272: "x" * 1_000_000})
    assert decode(data).metadata == {"camera_model": "x" * 4096}


@pytest.mark.parametrize(
    ("tags", "error", "reason"),
    [
        ({259: 50001}, UnsupportedImage, "compression 50001 is not read.*zstd"),
        ({259: 50000}, CorruptImage, "cannot be decoded"),
        ({259: 7}, CorruptImage, "cannot be decoded"),
        ({258: 32}, CorruptImage, "cannot be decoded"),
        ({277: 3, 284: 2}, UnsupportedImage, "3 samples"),
        ({277: 40_000}, UnsupportedImage, "40000 samples"),
        ({339: 6}, UnsupportedImage, "sample format 6"),
        ({256: None}, CorruptImage, "0×20"),
        ({273: None}, CorruptImage, "strips"),
        ({279: None}, CorruptImage, "strips"),
        ({278: 0}, CorruptImage, "blocks of 18×0"),
        ({278: 7}, CorruptImage, "strips"),  # three strips, one listed
        ({279: 719}, CorruptImage, "too few bytes"),
        ({273: 5000}, CorruptImage, "behind the end"),
        ({273: 2**32 - 1}, CorruptImage, "behind the end"),
        ({322: 60_000, 323: 60_000, 324: 8, 325: 720}, CorruptImage, "blocks of 60000"),
    ],
)
def test_other_tiffs_are_refused_with_the_reason(
    tags: Mapping[int, int | None], error: type[DecodeError], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        decode(tiff([PIXELS], 18, 20, 16, tags=tags))


def test_a_second_page_is_refused_unless_it_is_a_preview() -> None:
    for pages in (2, 30):
        with pytest.raises(UnsupportedImage, match=f"several frames: a TIFF of {pages} pages"):
            decode(tiff([PIXELS], 18, 20, 16, pages=pages))
    preview = tiff([PIXELS], 18, 20, 16, pages=3, next_page_tags={254: 1})
    assert np.array_equal(decode(preview).values, COUNTS)


def test_pages_in_a_circle_end() -> None:
    data = bytearray(tiff([PIXELS], 18, 20, 16, tags={254: 1}))
    start = struct.unpack_from("<I", data, 4)[0]
    entries = struct.unpack_from("<H", data, start)[0]
    struct.pack_into("<I", data, start + 2 + 12 * entries, start)
    with pytest.raises(UnsupportedImage, match=r"several frames: .* do not end after 1"):
        decode(bytes(data))
