"""Vendor R-JPEGs: FLIR's temperatures against flyr and by hand, DJI's refused by name."""

from __future__ import annotations

import io
import math
import struct
from pathlib import Path

import flyr
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from tests.thermal.decode.samples import (
    E40,
    PLANCK_O,
    app_segment,
    exif,
    fff,
    flir,
    with_segments,
    written,
)
from thermal.decode import DecodeOptions, decode
from thermal.errors import CorruptImage, DecodeError, UnsupportedImage

IGNORE = DecodeOptions(radiometry="ignore")

#: Raw values that the calibration in `decode_samples` turns into 0 … 100 °C or so.
RAW = hnp.arrays(
    np.uint16,
    hnp.array_shapes(min_dims=2, max_dims=2, max_side=12),
    elements=st.integers(14_000, 30_000),
)


def planck_celsius(raw: int) -> float:
    """The inverse Planck law alone: what is left of the model for a black body without air."""
    r1, b, f, r2 = (E40[offset] for offset in (88, 92, 96, 780))
    return b / math.log(r1 / (r2 * (raw + PLANCK_O)) + f) - 273.15


@pytest.mark.data
@pytest.mark.parametrize(
    ("camera", "shape", "lowest_c", "highest_c", "model", "captured_at"),
    [
        ("AX8", (60, 80), 24.36, 25.47, "FLIR AX8", None),  # its clock stood at 2000-01-01
        ("E40", (120, 160), 17.88, 24.70, "FLIR E40", "2013-04-12T09:24:01.131000-01:00"),
        ("B60", (180, 180), -68.08, -0.23, "Flir b60", "2010-12-18T14:44:09.482000+00:00"),
    ],
)
def test_flir_cameras_give_the_temperatures_that_flyr_gives(
    shared_data: Path,
    camera: str,
    shape: tuple[int, int],
    lowest_c: float,
    highest_c: float,
    model: str,
    captured_at: str | None,
) -> None:
    data = (shared_data / f"radiometric/flir/FLIR_{camera}.jpg").read_bytes()
    frame = decode(data, suffix=".jpg")
    assert frame.shape == shape
    assert (frame.unit, frame.radiometric, frame.bit_depth) == ("celsius", True, 16)
    assert frame.values.min() == pytest.approx(lowest_c, abs=0.01)
    assert frame.values.max() == pytest.approx(highest_c, abs=0.01)
    np.testing.assert_allclose(frame.values, flyr.unpack(io.BytesIO(data)).celsius, atol=1e-4)
    assert frame.metadata["camera_model"] == model
    assert (frame.captured_at and frame.captured_at.isoformat()) == captured_at


@pytest.mark.data
def test_the_measurement_settings_of_a_flir_file_are_kept(shared_data: Path) -> None:
    frame = decode((shared_data / "radiometric/flir/FLIR_E40.jpg").read_bytes())
    assert frame.metadata == {"camera_model": "FLIR E40"}
    assert frame.parameters.known() == {
        "emissivity": pytest.approx(0.95),
        "reflected_c": pytest.approx(21, abs=0.02),
        "distance_m": 2.0,
        "humidity": pytest.approx(0.49),
        "atmosphere_c": pytest.approx(14, abs=0.02),
        "window_transmission": 0.98,
        "window_c": pytest.approx(19, abs=0.02),
    }


@pytest.mark.data
def test_a_flir_file_is_a_plain_picture_where_radiometry_is_ignored(shared_data: Path) -> None:
    data = (shared_data / "radiometric/flir/FLIR_AX8.jpg").read_bytes()
    frame = decode(data, options=IGNORE)
    assert (frame.shape, frame.unit, frame.bit_depth) == ((480, 640), "counts", 8)
    assert "emissivity" not in frame.metadata


@pytest.mark.data
def test_a_dji_thermogram_is_refused_or_a_plain_picture(shared_data: Path) -> None:
    data = (shared_data / "radiometric/dji/DJI_0001_R.JPG").read_bytes()
    with pytest.raises(UnsupportedImage, match=r"DJI R-JPEG.*Thermal SDK.*radiometry"):
        decode(data, suffix=".jpg")
    frame = decode(data, suffix=".jpg", options=IGNORE)
    assert (frame.shape, frame.unit, frame.radiometric) == ((512, 640), "counts", False)


@pytest.mark.data
@pytest.mark.parametrize("name", ["flir/FLIR_AX8.jpg", "flir/FLIR_B60.jpg", "dji/DJI_0001_R.JPG"])
def test_a_vendor_file_cut_off_anywhere_is_corrupt(shared_data: Path, name: str) -> None:
    data = (shared_data / "radiometric" / name).read_bytes()
    end = data.rindex(b"\xff\xd9") if "FLIR" in name else data.index(b"\xff\xd9\xff\xd8")
    for size in [*range(1, 2000, 37), *range(2000, end, end // 60), end, end + 1]:
        for options in (DecodeOptions(), IGNORE):
            with pytest.raises(CorruptImage):
                decode(data[:size], options=options)


def test_a_dji_photo_without_sensor_values_is_a_picture() -> None:
    photo = with_segments(written(".jpg", np.zeros((8, 8), np.uint8)), app_segment(4, b"\xaaU"))
    assert decode(photo).unit == "counts"
    with pytest.raises(UnsupportedImage, match="DJI"):
        decode(with_segments(photo, app_segment(3, bytes(8000))))


@given(RAW, st.booleans(), st.sampled_from([700, 65_000]))
def test_raw_values_survive_every_way_of_storing_them(
    raw: NDArray[np.uint16], as_png: bool, chunk_bytes: int
) -> None:
    # Emissivity and transmissions of one leave the Planck law alone.
    black_body = E40 | {32: 1.0, 36: 0.0, 52: 1.0}
    data = flir(raw, as_png=as_png, chunk_bytes=chunk_bytes, calibration=black_body)
    expected = [[planck_celsius(value) for value in row] for row in raw.tolist()]
    np.testing.assert_allclose(decode(data).values, expected, atol=1e-3)


def test_humidity_in_percent_means_the_same_as_its_fraction() -> None:
    raw = np.full((3, 3), 18_000, np.uint16)
    percent = decode(flir(raw, calibration=E40 | {60: 49.0}))
    assert np.array_equal(percent.values, decode(flir(raw)).values)
    assert percent.parameters.humidity == 0.49


@pytest.mark.parametrize(
    ("unix_s", "milliseconds", "minutes_west", "expected", "source"),
    [
        (1_365_762_241, 131, 60, "2013-04-12T09:24:01.131000-01:00", "flir"),
        (1_365_762_241, 131, -330, "2013-04-12T15:54:01.131000+05:30", "flir"),
        (1_365_762_241, 0, 0, "2013-04-12T10:24:01+00:00", "flir"),
        (1_365_762_241, 5000, 9999, "2013-04-12T10:24:01+00:00", "flir"),  # no such zone
        (0, 0, 0, "2014-01-02T03:04:05", "exif"),  # no time
        (946_706_066, 0, 0, "2014-01-02T03:04:05", "exif"),  # a clock that was never set: 2000
        (2**32 - 1, 0, 0, "2014-01-02T03:04:05", "exif"),  # 2106
    ],
)
def test_the_time_of_a_flir_record_comes_first_where_it_is_plausible(
    unix_s: int, milliseconds: int, minutes_west: int, expected: str, source: str
) -> None:
    time = (unix_s, milliseconds, minutes_west)
    data = flir(np.full((3, 3), 18_000, np.uint16), time=time)
    block = exif(original="2014:01:02 03:04:05")
    frame = decode(with_segments(data, app_segment(1, block)))
    assert frame.captured_at is not None
    assert frame.captured_at.isoformat() == expected
    assert frame.captured_at_source == source


def test_a_container_in_a_file_of_its_own_is_read_as_one_in_a_jpeg() -> None:
    raw = np.random.default_rng(8).integers(17_000, 19_000, (6, 5), np.uint16)
    time = (1_365_762_241, 131, 60)
    alone, inside = decode(fff(raw, time=time)), decode(flir(raw, time=time))
    assert np.array_equal(alone.values, inside.values)
    assert alone.metadata == inside.metadata
    assert (alone.captured_at, alone.captured_at_source) == (inside.captured_at, "flir")


@pytest.mark.parametrize("frames", [2, 7])
def test_a_sequence_is_refused_with_its_number_of_frames(frames: int) -> None:
    data = fff(np.full((6, 5), 18_000, np.uint16)) * frames
    with pytest.raises(UnsupportedImage, match=f"a FLIR sequence of {frames}"):
        decode(data, suffix=".seq")


def test_exif_and_calibration_go_together() -> None:
    data = flir(np.full((3, 3), 18_000, np.uint16))
    block = exif(model="FLIR E40", time="2013:04:12 09:24:01")
    frame = decode(with_segments(data, app_segment(1, block)))
    assert frame.captured_at is not None
    assert frame.metadata["camera_model"] == "FLIR E40"
    assert frame.parameters.emissivity == 0.95


PICTURE = flir(np.full((4, 4), 18_000, np.uint16), chunk_bytes=1000)
DIRECTORY = PICTURE.index(b"FFF\0")


@pytest.mark.parametrize(
    ("data", "error", "reason"),
    [
        (flir(np.ones((4, 4), np.uint16), records=[32]), UnsupportedImage, "without raw thermal"),
        (flir(np.ones((4, 4), np.uint16), records=[1]), UnsupportedImage, "without raw thermal"),
        # all raw values below the offset of the calibration: no temperature
        (flir(np.ones((4, 4), np.uint16)), CorruptImage, "most of FLIR's raw values"),
        (
            flir(np.ones((4, 4), np.uint16), calibration=E40 | {32: 0.0}),
            UnsupportedImage,
            "above 0",
        ),
        (
            flir(np.ones((4, 4), np.uint16), calibration=E40 | {88: math.nan}),
            CorruptImage,
            "most of FLIR's raw values",
        ),
        (flir(np.ones((4, 4), np.uint16), claimed_size=(4, 5)), UnsupportedImage, "compression"),
        (
            flir(np.ones((4, 4), np.uint16), as_png=True, claimed_size=(4, 5)),
            CorruptImage,
            "header",
        ),
        # four billion records: refused, not walked through
        (
            PICTURE[: DIRECTORY + 28] + b"\xff\xff\xff\xff" + PICTURE[DIRECTORY + 32 :],
            CorruptImage,
            "directory",
        ),
        (PICTURE.replace(b"FFF\0", b"XXX\0"), CorruptImage, "header"),
        # the second of three chunks is numbered like the first
        (PICTURE.replace(b"FLIR\0\x01\x01", b"FLIR\0\x01\x00"), CorruptImage, "not complete"),
        (PICTURE.replace(b"FLIR\0\x01\x01", b"FLIX\0\x01\x01"), CorruptImage, "not complete"),
    ],
)
def test_damaged_flir_data_are_refused_and_the_picture_is_still_there(
    data: bytes, error: type[DecodeError], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        decode(data)
    assert decode(data, options=IGNORE).shape == (16, 16)


@given(
    st.integers(0, len(PICTURE) - 1), st.sampled_from([b"\0\0\0\0", b"\xff\xff\xff\x7f", b"\xff"])
)
def test_wrong_numbers_in_flir_data_give_a_frame_or_a_decode_error(at: int, wrong: bytes) -> None:
    try:
        frame = decode(PICTURE[:at] + wrong + PICTURE[at + len(wrong) :])
    except DecodeError:
        return
    assert np.isfinite(frame.values).all()


@given(st.dictionaries(st.sampled_from(sorted(E40)), st.floats(width=32)))
def test_any_calibration_gives_a_frame_or_a_decode_error(wrong: dict[int, float]) -> None:
    raw = np.array([[14_000, 18_000], [22_000, 65_535]], np.uint16)
    try:
        frame = decode(flir(raw, calibration=E40 | wrong))
    except DecodeError:
        return
    assert np.isfinite(frame.values).all()
    assert all(map(math.isfinite, frame.parameters.known().values()))


def test_big_endian_raw_values_are_read_as_such() -> None:
    raw = np.array([[18_000, 19_000]], np.uint16)
    data = flir(raw)
    header = struct.pack("<HHH26x", 2, 2, 1)
    swapped = struct.pack(">HHH26x", 2, 2, 1) + raw.astype(">u2").tobytes()
    data = data.replace(header + raw.astype("<u2").tobytes(), swapped)
    assert np.array_equal(decode(data).values, decode(flir(raw)).values)
