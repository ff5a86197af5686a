"""TIFF variants that tifffile decodes: read exactly, or refused before it fills what is missing."""

from __future__ import annotations

import io
from typing import Any

import imagecodecs
import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from tests.thermal.decode.samples import tiff
from thermal.decode import DecodeOptions, decode
from thermal.errors import CorruptImage, ImageTooLarge, UnsupportedImage

NOISE = np.random.default_rng(4)
CELSIUS = NOISE.normal(25, 8, (40, 30))
COUNTS = NOISE.integers(0, 4096, (40, 30))


def written(pixels: NDArray[Any], **how: Any) -> bytes:
    """`pixels` as tifffile writes them."""
    file = io.BytesIO()
    tifffile.imwrite(file, pixels, **how)
    return file.getvalue()


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize(
    "how",
    [
        {"bigtiff": True},
        {"bigtiff": True, "byteorder": ">", "compression": "zlib", "predictor": True},
        {"compression": "zstd"},
        {"compression": "lzma", "rowsperstrip": 7},
        {"compression": "zstd", "tile": (16, 16)},
    ],
)
def test_floats_are_read_exactly(dtype: type, how: dict[str, Any]) -> None:
    values: NDArray[Any] = CELSIUS.astype(dtype)
    frame = decode(written(values, **how))
    assert np.array_equal(frame.values, values.astype(np.float32))
    assert (frame.unit, frame.bit_depth) == ("celsius", 8 * values.dtype.itemsize)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.uint32, np.int8, np.int16, np.int32])
@pytest.mark.parametrize("how", [{"bigtiff": True}, {"compression": "zstd"}, {"tile": (16, 16)}])
def test_whole_numbers_are_read_exactly(dtype: type, how: dict[str, Any]) -> None:
    counts: NDArray[Any] = (COUNTS >> 5).astype(dtype)
    frame = decode(written(counts, photometric="minisblack", **how))
    assert np.array_equal(frame.values, counts)
    assert (frame.unit, frame.bit_depth) == ("counts", 8 * counts.dtype.itemsize)


def test_packed_12_bit_values_are_read_exactly() -> None:
    packed = bytes(imagecodecs.packints_encode(COUNTS.astype(np.uint16), 12))
    assert np.array_equal(decode(tiff([packed], 30, 40, 12)).values, COUNTS)


def test_32_bit_values_that_float32_would_round_are_refused() -> None:
    exact = np.array([[1 << 24, 0], [1, 2]], np.uint32)
    assert decode(written(exact)).values[0, 0] == 1 << 24
    with pytest.raises(UnsupportedImage, match="16,777,216"):
        decode(written(exact + np.uint32(1)))


def test_alpha_is_dropped_and_planes_become_luma() -> None:
    grey = COUNTS.astype(np.uint16)
    with_alpha = np.dstack([grey, 4095 - grey])
    assert np.array_equal(
        decode(written(with_alpha, photometric="minisblack", extrasamples=["unassalpha"])).values,
        grey,
    )
    planes = np.stack([grey] * 3)
    data = written(planes, photometric="rgb", planarconfig="separate")
    assert np.array_equal(decode(data).values, grey)


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [(1, COUNTS), (3, COUNTS[::-1, ::-1]), (6, np.rot90(COUNTS, -1)), (8, np.rot90(COUNTS))],
)
def test_pictures_are_turned_upright_as_others_are(orientation: int, upright: NDArray[Any]) -> None:
    how: dict[str, Any] = {"extratags": [(274, 3, 1, orientation, True)]}
    for compression in (None, "zstd"):
        data = written(COUNTS.astype(np.uint16), compression=compression, **how)
        assert np.array_equal(decode(data).values, upright)


@pytest.mark.parametrize("mark", ["0", "-9999", "-3.4e38", "nan", "none"])
def test_pixels_that_gdal_declares_to_have_no_data_are_unusable(mark: str) -> None:
    values = CELSIUS.astype(np.float32)
    if mark != "none":
        values[3, 4:7] = np.float32(mark)
    extra: Any = [(42113, "s", 0, mark, True)]
    frame = decode(written(values, extratags=extra))
    assert frame.unusable_px == (0 if mark == "none" else 3)


@pytest.mark.parametrize("frames", [2, 5])
@pytest.mark.parametrize(
    "how",
    [
        {"photometric": "minisblack", "metadata": None},  # pages
        {"photometric": "minisblack", "metadata": None, "bigtiff": True},
        {"photometric": "minisblack", "truncate": True},  # one page, the rest behind it
        {"photometric": "minisblack", "imagej": True},
    ],
    ids=["pages", "BigTIFF", "tifffile", "ImageJ"],
)
def test_several_frames_are_refused_with_their_number(frames: int, how: dict[str, Any]) -> None:
    data = written(np.stack([CELSIUS.astype(np.float32)] * frames), **how)
    with pytest.raises(UnsupportedImage, match=f"several frames: a TIFF of {frames} "):
        decode(data)


@pytest.mark.parametrize(
    "how", [{"bigtiff": True}, {"compression": "zstd"}, {"compression": "lzma", "rowsperstrip": 7}]
)
def test_a_variant_cut_off_anywhere_is_corrupt(how: dict[str, Any]) -> None:
    # to see it fail: leave out the extents in thermal/decode/tiff_variants.py
    data = written(CELSIUS[:10].astype(np.float32), metadata=None, software=None, **how)
    for size in range(0, len(data) - 1, 7):
        with pytest.raises(CorruptImage):
            decode(data[:size], suffix=".tif")


def test_a_claim_of_many_pixels_is_refused_before_it_is_decoded() -> None:
    data = tiff([b"x"], 60_000, 60_000, 32)
    with pytest.raises(ImageTooLarge, match="over the limit"):
        decode(data)
    big = written(CELSIUS, bigtiff=True)
    with pytest.raises(ImageTooLarge, match="over the limit"):
        decode(big, options=DecodeOptions(max_pixels=1000))


@pytest.mark.parametrize("how", [{"bigtiff": True}, {"compression": "zstd"}])
def test_damage_in_a_variant_gives_a_frame_or_a_refusal_and_prints_nothing(
    how: dict[str, Any], capfd: pytest.CaptureFixture[str]
) -> None:
    data = written(CELSIUS[:10].astype(np.float32), **how)
    for at in range(0, len(data), 11):
        changed = data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]
        try:
            decode(changed, suffix=".tif")
        except (CorruptImage, UnsupportedImage, ImageTooLarge):
            continue
    assert capfd.readouterr() == ("", "")
