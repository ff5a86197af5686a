"""Decoding: what each format becomes, in which unit, and what is refused before it is decoded."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from PIL import Image

from tests.thermal.decode.samples import (
    app_segment,
    exif,
    flir,
    samples,
    saved,
    with_segments,
    written,
)
from thermal.decode import FORMATS, IMAGE_SUFFIXES, DecodeOptions, decode
from thermal.decode.format import Format
from thermal.errors import CorruptImage, ImpossibleUnit, UnsupportedImage
from thermal.frame import LinearScale

GREY = np.random.default_rng(0).integers(0, 256, (9, 7), np.uint8)
COLOUR = np.random.default_rng(1).integers(0, 256, (9, 7, 3), np.uint8)
RGB = Image.fromarray(COLOUR)
LUMA = COLOUR @ np.array([0.299, 0.587, 0.114])  # ITU-R BT.601

SAMPLES = samples()
COLOURED = {"alpha.bmp", "deflate.tif", "palette.png", "progressive.jpg"}
COLOURED |= {"restarts.jpg"}
THERMAL = {"float.tif", "raw.flir.jpg", "png.flir.jpg", "p2pro.infiray.jpg", "one.fff", "comma.csv"}
REPOSITORY = Path(__file__).parents[3]
COUNTS_16 = hnp.arrays(np.uint16, hnp.array_shapes(min_dims=2, max_dims=2, max_side=20))


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif"])
def test_8_bit_grey_values_are_kept_exactly(suffix: str) -> None:
    frame = decode(written(suffix, GREY), suffix=suffix)
    assert np.array_equal(frame.values, GREY)
    assert frame.values.dtype == np.float32
    assert (frame.unit, frame.radiometric, frame.bit_depth) == ("counts", False, 8)


@given(COUNTS_16)
def test_16_bit_png_and_tiff_keep_every_count(counts: NDArray[np.uint16]) -> None:
    for data in (written(".png", counts), written(".tif", counts)):
        frame = decode(data)
        assert np.array_equal(frame.values, counts)
        assert (frame.unit, frame.bit_depth) == ("counts", 16)


@given(COUNTS_16)
def test_three_equal_16_bit_channels_keep_every_count(counts: NDArray[np.uint16]) -> None:
    frame = decode(written(".png", np.dstack([counts, counts, counts])))
    assert np.array_equal(frame.values, counts)


@given(hnp.arrays(np.uint8, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40)))
def test_a_grey_jpeg_is_what_libjpeg_makes_of_it(pixels: NDArray[np.uint8]) -> None:
    data = written(".jpg", pixels)
    frame = decode(data)
    assert frame.shape == pixels.shape
    with Image.open(io.BytesIO(data)) as reference:
        assert np.array_equal(frame.values, np.asarray(reference))


@pytest.mark.parametrize(
    "data",
    [
        saved(RGB, "PNG"),
        saved(RGB.convert("RGBA"), "PNG"),
        saved(RGB, "BMP"),
        saved(RGB.convert("RGBA"), "BMP"),
        saved(RGB, "TIFF"),
        saved(RGB.convert("RGBA"), "TIFF"),
        saved(RGB, "TIFF", compression="tiff_adobe_deflate"),
        # 4:4:4 at the best quality, so that only rounding differs
        saved(RGB, "JPEG", quality=100, subsampling=0),
    ],
    ids=["PNG", "PNG+A", "BMP", "BMP+A", "TIFF", "TIFF+A", "deflated TIFF", "JPEG"],
)
def test_a_colour_picture_becomes_luma_in_counts(data: bytes) -> None:
    frame = decode(data)
    assert np.abs(frame.values - LUMA).max() <= 2
    assert (frame.unit, frame.radiometric, frame.bit_depth) == ("counts", False, 8)


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_alpha_is_dropped_and_changes_no_value(kind: str, mode: str) -> None:
    picture = Image.fromarray(GREY).convert(mode)
    picture.putalpha(Image.fromarray(255 - GREY))
    assert np.array_equal(decode(saved(picture, kind)).values, GREY)


def test_an_animated_png_is_refused_with_its_number_of_frames() -> None:
    first, *others = (Image.fromarray(np.roll(GREY, shift)) for shift in range(3))
    data = saved(first, "PNG", save_all=True, append_images=others)
    with pytest.raises(UnsupportedImage, match="several frames: an animated PNG of 3"):
        decode(data)
    assert decode(saved(first, "PNG", save_all=True, append_images=[])).shape == GREY.shape


def test_a_grey_palette_keeps_its_values() -> None:
    data = saved(Image.fromarray(GREY // 32 * 32).convert("P"), "PNG")
    assert np.array_equal(decode(data).values, GREY // 32 * 32)


def test_no_picture_claims_degrees_of_its_own() -> None:
    for name, data in SAMPLES.items():
        frame = decode(data)
        assert (frame.unit == "celsius") == frame.radiometric == (name in THERMAL), name


@pytest.mark.parametrize("name", sorted(set(SAMPLES) - COLOURED - THERMAL))
def test_a_declared_scale_makes_degrees_of_integers(name: str) -> None:
    plain = decode(SAMPLES[name])
    scaled = decode(SAMPLES[name], options=DecodeOptions(scale=LinearScale(0.04, -100)))
    assert (scaled.unit, scaled.temperature_source) == ("celsius", "scale")
    assert scaled.values == pytest.approx(plain.values * 0.04 - 100, abs=1e-3)


@pytest.mark.parametrize("name", sorted(THERMAL))
def test_a_declared_scale_that_cannot_apply_is_never_ignored(name: str) -> None:
    with pytest.raises(UnsupportedImage, match="`scale`"):
        decode(SAMPLES[name], options=DecodeOptions(scale=LinearScale(0.04, -100)))


@pytest.mark.parametrize("name", sorted(COLOURED))
def test_a_declared_scale_makes_no_degrees_of_colours(name: str) -> None:
    with pytest.raises(UnsupportedImage, match="a colour picture"):
        decode(SAMPLES[name], options=DecodeOptions(scale=LinearScale(0.04, -273.15)))


@pytest.mark.parametrize("name", sorted(SAMPLES))
def test_a_scale_for_all_cameras_leaves_files_alone_that_it_cannot_apply_to(name: str) -> None:
    # to see it fail: in `decode`, raise whatever `scale_must_apply` says
    for_all = DecodeOptions(scale=LinearScale(0.04, -100), scale_must_apply=False)
    plain, frame = decode(SAMPLES[name]), decode(SAMPLES[name], options=for_all)
    assert (frame.temperature_source == "scale") == (name not in COLOURED | THERMAL)
    if name in COLOURED | THERMAL:
        assert (frame.unit, frame.temperature_source) == (plain.unit, plain.temperature_source)
        assert np.array_equal(frame.values, plain.values)


def test_a_scale_for_all_cameras_is_for_matrices_that_are_declared_as_counts() -> None:
    data = b"29315;29415\n29515;29615\n"
    for_all = DecodeOptions(scale=LinearScale(0.01, -273.15), scale_must_apply=False)
    counts = decode(data, options=replace(for_all, matrix_unit="counts"))
    assert counts.values == pytest.approx(np.array([[20.0, 21.0], [22.0, 23.0]]), abs=1e-3)
    with pytest.raises(ImpossibleUnit):  # as if there were no scale
        decode(data, options=for_all)


def test_a_scale_that_is_no_number_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="gain: should be a number above 0"):
        DecodeOptions(scale=LinearScale(float("nan"), 0))


@pytest.mark.data
def test_workswell_16_bit_tiffs_are_temperatures_by_their_scale(shared_data: Path) -> None:
    files = sorted((shared_data / "radiometric/tiff16").glob("*.tiff"))
    assert len(files) == 4
    for file in files:
        data = file.read_bytes()
        frame = decode(data, options=DecodeOptions(scale=LinearScale(1 / 40, -100)))
        counts = np.frombuffer(data, "<u2", 640 * 512, offset=392).reshape(512, 640)
        np.testing.assert_allclose(frame.values, counts / 40 - 100, atol=1e-4)
        assert 10 < frame.values.min() < frame.values.max() < 26
        assert frame.metadata == {"camera_model": "WIRIS Pro"}
        assert (
            frame.captured_at is not None and frame.captured_at.date().isoformat() == "2024-10-30"
        )


@pytest.mark.data
def test_photovoltaic_modules_are_counts_of_40_by_24(shared_data: Path) -> None:
    files = sorted((shared_data / "solar-modules/test/good").glob("*.jpg"))[:50]
    assert files
    for file in files:
        frame = decode(file.read_bytes(), suffix=".jpg")
        assert (frame.shape, frame.unit) == ((40, 24), "counts")


def test_float_tiff_is_celsius_or_kelvin_as_declared() -> None:
    celsius = np.array([[20.5, 21.25], [-40.0, 900.0]], np.float32)
    assert np.array_equal(decode(written(".tif", celsius)).values, celsius)
    in_kelvin = DecodeOptions(matrix_unit="kelvin")
    frame = decode(written(".tif", celsius + np.float32(273.15)), options=in_kelvin)
    assert frame.values == pytest.approx(celsius, abs=1e-4)
    assert (frame.unit, frame.radiometric, frame.bit_depth) == ("celsius", True, 32)


@pytest.mark.parametrize("image_format", FORMATS, ids=lambda image_format: image_format.name)
def test_each_format_has_a_sample_and_is_documented(image_format: Format) -> None:
    assert any(name.endswith(image_format.suffixes) for name in SAMPLES)
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    table = readme.partition("| file | read as |")[2].partition("\n\n")[0]
    assert image_format.name in table


def test_formats_do_not_share_suffixes_media_types_or_signatures() -> None:
    for field in ("suffixes", "signatures"):
        values = [value for image_format in FORMATS for value in getattr(image_format, field)]
        assert len(values) == len(set(values))
    assert len({image_format.media_type for image_format in FORMATS}) == len(FORMATS)


def test_the_content_decides_and_not_the_name() -> None:
    for name, data in SAMPLES.items():
        if not name.endswith(".csv"):
            for suffix in IMAGE_SUFFIXES:
                assert decode(data, suffix=suffix).shape == (12, 10)


def test_pictures_are_turned_upright() -> None:
    for kind in ("JPEG", "TIFF", "PNG"):
        tags = Image.Exif()
        tags[274] = 6  # turn clockwise
        data = saved(Image.fromarray(np.full((4, 9), 7, np.uint8)), kind, exif=tags)
        assert decode(data).shape == (9, 4), kind


@pytest.mark.parametrize("name", [name for name in sorted(SAMPLES) if not name.endswith("csv")])
@pytest.mark.parametrize("appended", [b"\0" * 5000, b"\xff\xd8\xff\xe0vendor data", b"\xff" * 9])
def test_bytes_after_the_end_of_the_picture_do_no_harm(name: str, appended: bytes) -> None:
    frame = decode(SAMPLES[name] + appended)
    assert np.array_equal(frame.values, decode(SAMPLES[name]).values)


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({"time": "2024:02:29 23:59:58"}, datetime(2024, 2, 29, 23, 59, 58)),
        (
            {"time": "2024:03:01 00:00:00", "original": "2024:02:29 10:20:30", "fraction": "25"},
            datetime(2024, 2, 29, 10, 20, 30, 250_000),
        ),
        (
            {"original": "2024:02:29 10:20:30", "zone": "-03:30"},
            datetime(2024, 2, 29, 10, 20, 30, tzinfo=timezone(-timedelta(hours=3, minutes=30))),
        ),
        (
            {"original": "2024:02:29 10:20:30", "zone": "+00:00"},
            datetime(2024, 2, 29, 10, 20, 30, tzinfo=UTC),
        ),
        (
            {"time": "2024:02:29 10:20:30", "time_zone": "+09:00"},
            datetime(2024, 2, 29, 10, 20, 30, tzinfo=timezone(timedelta(hours=9))),
        ),
        ({"time": "2000:01:01 06:54:26"}, None),  # a clock that was never set
        ({"time": "2024:02:30 10:00:00"}, None),  # no such day
        ({"time": "yesterday"}, None),
        ({}, None),
    ],
)
def test_the_time_of_capture_is_read_where_it_is_plausible(
    texts: dict[str, str], expected: datetime | None
) -> None:
    data = with_segments(written(".jpg", GREY), app_segment(1, exif(model="Cam 3", **texts)))
    frame = decode(data)
    assert frame.captured_at == expected
    assert frame.captured_at_source == (None if expected is None else "exif")
    assert frame.metadata["camera_model"] == "Cam 3"
    if expected is not None and frame.captured_at is not None:
        assert frame.captured_at.utcoffset() == expected.utcoffset()


def test_a_time_of_a_clock_that_was_never_set_is_told() -> None:
    block = exif(original="1970:01:01 00:00:07")
    frame = decode(with_segments(written(".jpg", GREY), app_segment(1, block)))
    assert frame.captured_at is None
    assert frame.metadata == {"implausible_time": "exif: 1970-01-01T00:00:07"}


def test_damaged_exif_costs_the_facts_and_not_the_picture() -> None:
    block = exif(model="Cam 3", time="2024:02:29 23:59:58")
    for cut in range(6, len(block)):
        data = with_segments(written(".jpg", GREY), app_segment(1, block[:cut]))
        assert decode(data).shape == GREY.shape


@pytest.mark.parametrize(
    ("data", "suffix", "error", "reason"),
    [
        (b"", ".jpg", CorruptImage, "^the file is empty$"),
        (bytes(4000), ".tif", CorruptImage, "zero bytes"),
        (b"\x89PN", ".png", CorruptImage, "cut off"),
        (b"Access denied\n", ".jpg", UnsupportedImage, "text, not an image"),
        (b"1.0,2.0\n3.0,4.0\n", ".jpg", UnsupportedImage, "must be named .csv"),
        (b"Access denied\n", ".csv", CorruptImage, "no matrix"),
        (b"BM;BN\nx;y\n", ".csv", CorruptImage, "no matrix"),
        (b"GIF89a....", ".png", UnsupportedImage, "GIF"),
        (b"FFF\0....", ".seq", CorruptImage, "FLIR header is not complete"),
        (b"II+\0\x08\0\0\0", ".tif", CorruptImage, "cannot be decoded"),
        (b"\0\0\0\x1cftypavif\0\0\0\0", ".jpg", UnsupportedImage, "AVIF"),
        (b"\0\0\0\x1cftypheic\0\0\0\0", ".jpg", UnsupportedImage, "HEIC"),
        (b"\0\0\0\x1cftypisom\0\0\0\0", ".jpg", UnsupportedImage, "film"),
        (b"\r\n" + written(".jpg", GREY), ".jpg", CorruptImage, "behind 2 foreign bytes"),
        (b"HTTP: 200\r\n" + written(".png", GREY), ".png", CorruptImage, "behind 11 foreign"),
        (b"\x93NUMPY\x01\x00", "", UnsupportedImage, "NumPy"),
        (b"\x91XYZ\x01\x00", "", UnsupportedImage, "not a PNG"),
        (b"BM" + bytes(100), ".bmp", UnsupportedImage, "header of 0 bytes"),
        (saved(RGB.convert("CMYK"), "JPEG"), ".jpg", UnsupportedImage, "4 channels"),
        (flir(np.ones((4, 4), np.uint16))[:-2], ".jpg", CorruptImage, "end-of-image"),
        (b"\xff\xd8\xff\xd9", ".jpg", CorruptImage, "no picture"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_reason(
    data: bytes, suffix: str, error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        decode(data, suffix=suffix)


def test_importing_the_decoder_loads_no_heavy_library() -> None:
    code = (
        "import sys, thermal.decode; heavy = {'torch', 'pandas', 'flyr', 'PIL', 'tifffile'}\n"
        "print((heavy | {'imagecodecs'}) & set(sys.modules))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
