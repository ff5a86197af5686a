"""Thermal data that camera makers hide in pictures: read, or refused by name, never a picture."""

from __future__ import annotations

import struct
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.thermal.decode.samples import app_segment, infiray, with_segments, written
from thermal.decode import DecodeOptions, decode
from thermal.errors import CorruptImage, ImageTooLarge, UnsupportedImage
from thermal.measurement import MeasurementParameters

PICTURE = written(".jpg", np.random.default_rng(2).integers(0, 256, (48, 64), np.uint8))
RAW = np.random.default_rng(3).integers(18_000, 20_000, (48, 64), np.uint16)
CELSIUS = RAW / 64 - 273.15
IGNORE = DecodeOptions(radiometry="ignore")


def made_by(maker: str, *segments: bytes) -> bytes:
    """The picture with an EXIF block that names the maker, and more segments."""
    block = Image.Exif()
    block[271] = maker
    return with_segments(PICTURE, app_segment(1, block.tobytes()), *segments)


def app3(content: bytes) -> list[bytes]:
    return [app_segment(3, content[at : at + 5000]) for at in range(0, len(content), 5000)]


def test_infiray_temperatures_are_read_exactly() -> None:
    frame = decode(infiray(RAW))
    assert frame.values == pytest.approx(CELSIUS, abs=1e-4)
    assert (frame.unit, frame.radiometric, frame.bit_depth) == ("celsius", True, 16)
    assert frame.parameters == MeasurementParameters(
        emissivity=0.95, reflected_c=23.5, distance_m=2.0, humidity=0.45, atmosphere_c=25.0
    )


def test_infiray_temperatures_are_corrected_for_a_declared_emissivity() -> None:
    declared = MeasurementParameters(emissivity=0.8, camera_emissivity=0.95, reflected_c=20.0)
    frame = decode(infiray(RAW), options=DecodeOptions(parameters=declared))
    warm = CELSIUS > 22
    assert (frame.values[warm] > CELSIUS[warm]).all()
    assert frame.parameters == declared


def test_infiray_parameters_that_are_impossible_are_left_out() -> None:
    data = infiray(RAW, settings=(25.0, 2.0, 1.5, 0.45, float("nan")))
    assert decode(data).parameters == MeasurementParameters(
        distance_m=2.0, humidity=0.45, atmosphere_c=25.0
    )


def test_infiray_heights_that_are_wrong_do_not_matter() -> None:
    # seen in real files: https://github.com/exiftool/exiftool/pull/184
    assert decode(infiray(RAW, claimed_height=96)).values == pytest.approx(CELSIUS, abs=1e-4)


def test_infiray_values_of_the_extended_range_are_refused() -> None:
    # they are not 1/64 kelvin: https://github.com/ks00x/p2proviewer/issues/3
    hot = RAW.copy()
    hot[5, 5] = 64 * 583
    with pytest.raises(UnsupportedImage, match="extended range"):
        decode(infiray(hot))


@pytest.mark.parametrize(
    ("change", "error", "reason"),
    [
        ({"kept": 100}, CorruptImage, "not complete"),
        ({"claimed_width": 60_000, "claimed_bytes": 2 * 60_000 * 50_000}, ImageTooLarge, "limit"),
        ({"claimed_width": 47}, UnsupportedImage, "no rows of 47 px"),
        ({"claimed_width": 0}, UnsupportedImage, "no rows of 0 px"),
        ({"claimed_bytes": 0}, UnsupportedImage, "without temperatures"),
    ],
)
def test_infiray_data_that_contradict_themselves_are_refused(
    change: dict[str, Any], error: type[Exception], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        decode(infiray(RAW, **change))


def test_an_infiray_file_without_values_is_refused() -> None:
    with pytest.raises(UnsupportedImage, match="all zero"):
        decode(infiray(np.zeros_like(RAW)))


@pytest.mark.parametrize(
    "parameters", [b"\xaaU\x12\x06", b"\0\0\xc8A\0\0", b"\xff\xd2\xd1\xffiirp"]
)
def test_dji_files_are_recognized_whatever_their_parameters(parameters: bytes) -> None:
    data = made_by("DJI", *app3(RAW.tobytes()), app_segment(4, parameters.ljust(256, b"\0")))
    with pytest.raises(UnsupportedImage, match=r"DJI R-JPEG.*`decoder`"):
        decode(data)
    assert decode(data, options=IGNORE).unit == "counts"


def test_dji_files_of_other_size_than_their_picture_are_recognized() -> None:
    data = made_by("DJI", *app3(bytes(7000)))  # cameras that enlarge the picture
    with pytest.raises(UnsupportedImage, match="DJI R-JPEG"):
        decode(data)


def test_a_dji_picture_without_thermal_data_is_a_picture() -> None:
    data = made_by("DJI", app_segment(7, b"DJI-DBG\0" + bytes(6000)), app_segment(4, bytes(30)))
    assert decode(data).metadata == {}


@pytest.mark.parametrize(
    ("data", "maker"),
    [
        (with_segments(PICTURE, app_segment(1, b"PARROT\0II*\0" + bytes(6144))), "Parrot"),
        (PICTURE + b"HDRI" + bytes(700), "HIKMICRO"),
        (PICTURE + PICTURE * 2 + b"HDRI" + bytes(700), "HIKMICRO"),
        (PICTURE + PICTURE + b"XYZ1" + RAW.tobytes(), "unknown maker"),
        (PICTURE + bytes(40) + RAW.tobytes(), "unknown maker"),
        (PICTURE + b"XYZ1" + RAW.tobytes(), "unknown maker"),
        (PICTURE + b"XYZ1" + CELSIUS.astype("<f4").tobytes(), "unknown maker"),
        (with_segments(PICTURE, *app3(RAW.tobytes())), "unknown maker"),
        (with_segments(PICTURE, app_segment(8, b"RAW\0" + RAW.tobytes())), "unknown maker"),
    ],
)
def test_thermal_data_of_other_makers_are_refused_by_name(data: bytes, maker: str) -> None:
    with pytest.raises(UnsupportedImage, match=maker):
        decode(data)
    assert decode(data, options=IGNORE).unit == "counts"


BITMAP = written(".bmp", np.random.default_rng(2).integers(0, 256, (48, 64, 3), np.uint8))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (BITMAP + bytes(86) + BITMAP, r"Testo's files \(\.bmt\)"),
        (BITMAP + b"XYZ1" + RAW.tobytes(), "unknown maker"),
        (BITMAP + CELSIUS.astype("<f4").tobytes(), "unknown maker"),
    ],
    ids=["two pictures", "16 bits", "32 bits"],
)
def test_thermal_data_behind_a_bitmap_are_refused_with_what_to_do(data: bytes, words: str) -> None:
    # to see it fail: read BMP files as `radiometry = "ignore"` does
    with pytest.raises(UnsupportedImage, match=rf"{words}.* float TIFF or CSV, or set radiometry"):
        decode(data)
    plain = decode(data, options=IGNORE)
    assert np.array_equal(plain.values, decode(BITMAP).values)


def test_stretched_8_bit_values_behind_a_bitmap_are_told() -> None:
    # as UNI-T's cameras write: a grey picture, its palette of 512 bytes and 26 of settings
    grey = np.random.default_rng(4).integers(0, 255, (120, 160), np.uint8)
    data = written(".bmp", np.stack([grey] * 3, axis=-1)) + grey.tobytes() + bytes(537) + b"\1"
    frame = decode(data)
    assert frame.unit == "counts"
    assert frame.metadata["unread_data"] == "19,738 bytes behind the picture"
    assert decode(BITMAP + bytes(9000)).metadata == {}  # padding


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"PK\x03\x04" + bytes(26) + b"CalibrationData.gpbenc" + bytes(99), r"Fluke \(\.is2"),
        (b"\xffIRB\0VARIOCAM" + bytes(99), r"InfraTec \(\.irb\)"),
        (b"\xca\xac\x80\0" + bytes(99), r"InfiRay \(\.irg\)"),
        (b"FLIR Public Image Format" + bytes(99), r"FLIR \(\.fpf\)"),
        (b"RIFF\x10\0\0\0AVI LIST" + bytes(99), r"AVI \(Optris \.ravi"),
    ],
    ids=["Fluke", "InfraTec", "InfiRay", "FLIR", "Optris"],
)
@pytest.mark.parametrize("suffix", ["", ".png", ".csv"])
def test_thermal_files_of_other_formats_are_refused_with_what_to_do(
    data: bytes, words: str, suffix: str
) -> None:
    with pytest.raises(UnsupportedImage, match=rf"{words}.*not read: export a radiometric TIFF"):
        decode(data, suffix=suffix)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (b"PK\x03\x04" + bytes(26) + b"[Content_Types].xml" + bytes(99), "ZIP or Excel"),
        (b"RIFF\x10\0\0\0WEBPVP8 " + bytes(99), "WebP or other RIFF"),
        (b"RIFF\x10\0\0\0WAVEfmt " + bytes(99), "WebP or other RIFF"),
    ],
)
def test_archives_and_others_are_refused_by_name(data: bytes, name: str) -> None:
    with pytest.raises(UnsupportedImage, match=rf"^{name} files are not read"):
        decode(data)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (PICTURE + b"TAIL" + bytes(30_000), "30,004 bytes behind the picture"),
        (with_segments(PICTURE, app_segment(10, b"X" + bytes(5000))), "5,001 bytes in APP10"),
        (PICTURE, None),
        (PICTURE + bytes(9000), None),  # padding
        (PICTURE + PICTURE * 3, None),  # previews
        (PICTURE + PICTURE[:-2] + b"\xff" * 30_000, "bytes behind the picture"),  # cut off
        (PICTURE + struct.pack(">I", 24) + b"ftypmp42" + bytes(9000), None),  # a moving picture
        (with_segments(PICTURE, app_segment(2, b"ICC_PROFILE\0" + bytes(5000))), None),
        (with_segments(PICTURE, app_segment(13, b"Photoshop 3.0\0" + bytes(5000))), None),
    ],
)
def test_large_unknown_data_beside_a_picture_are_told(data: bytes, told: str | None) -> None:
    frame = decode(data)
    assert frame.unit == "counts"
    stated = str(frame.metadata.get("unread_data", ""))
    assert stated.endswith(told) if told else stated == ""
