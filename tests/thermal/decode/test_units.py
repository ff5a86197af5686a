"""Units of matrices, declared scales, and what cannot be in °C whatever is declared."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.thermal.decode.samples import tiff, written
from thermal.decode import DecodeOptions, MatrixUnit, decode
from thermal.errors import DecodeError, ImpossibleUnit, UnsupportedImage
from thermal.frame import Frame, LinearScale

#: Of the files of bug reports, °C: 16.66 to 41.25.
TRUTH_MAX = 41.25
DECIKELVIN = DecodeOptions(scale=LinearScale(0.1, -273.15), matrix_unit="counts")
CENTIKELVIN = DecodeOptions(scale=LinearScale(0.01, -273.15), matrix_unit="counts")
CELSIUS = np.array([[20.5, 21.25, -40.0], [100.0, 22.0, 23.0]])


def case(folder: Path, name: str, options: DecodeOptions) -> Frame:
    path = folder / name
    return decode(path.read_bytes(), suffix=path.suffix, options=options)


@pytest.mark.parametrize(
    ("unit", "written_as"),
    [
        (None, CELSIUS),
        ("celsius", CELSIUS),
        ("kelvin", CELSIUS + 273.15),
        ("fahrenheit", CELSIUS * 1.8 + 32),
    ],
)
def test_a_matrix_is_read_in_the_declared_unit(
    unit: MatrixUnit | None, written_as: NDArray[np.float64]
) -> None:
    data = written(".tif", written_as.astype(np.float32))
    frame = decode(data, options=DecodeOptions(matrix_unit=unit))
    assert frame.values == pytest.approx(CELSIUS, abs=1e-4)
    assert (frame.unit, frame.temperature_source) == ("celsius", "matrix")


def test_a_matrix_of_counts_is_counts_or_degrees_by_the_scale() -> None:
    counts = np.array([[2950.5, 2972.0], [3144.0, np.nan], [np.inf, -np.inf]], np.float32)
    plain = decode(written(".tif", counts), options=DecodeOptions(matrix_unit="counts"))
    assert (plain.unit, plain.temperature_source) == ("counts", None)
    assert plain.values[0, 0] == 2950.5
    assert plain.values[2, 0] == plain.values.max() > 3144
    assert plain.values[2, 1] == plain.values.min() < 2950
    assert (plain.saturated_px, plain.under_range_px, plain.unusable_px) == (1, 1, 1)
    scaled = decode(written(".tif", counts[:2]), options=DECIKELVIN)
    assert (scaled.unit, scaled.temperature_source) == ("celsius", "scale")
    assert scaled.values[1, 0] == pytest.approx(41.25)


def test_a_camera_may_send_scaled_pictures_and_matrices_in_a_declared_unit() -> None:
    both = DecodeOptions(scale=LinearScale(0.01, -273.15), matrix_unit="kelvin")
    matrix = decode(written(".tif", np.full((2, 2), 293.15, np.float32)), options=both)
    picture = decode(written(".png", np.full((2, 2), 29_315, np.uint16)), options=both)
    for frame in (matrix, picture):
        assert frame.values == pytest.approx(20, abs=1e-4)
    assert (matrix.temperature_source, picture.temperature_source) == ("matrix", "scale")


@pytest.mark.parametrize(
    ("options", "counts"),
    [
        (DecodeOptions(), 2950.0),  # tenths of a kelvin, taken for °C
        (DecodeOptions(), 29_500.0),
        (DecodeOptions(matrix_unit="kelvin"), 29_500.0),
        (DecodeOptions(matrix_unit="kelvin"), 21.0),  # °C, taken for kelvin
        (DECIKELVIN, 29_500.0),
        (CENTIKELVIN, 2950.0),
    ],
)
def test_a_frame_that_no_scene_gives_is_in_another_unit(
    options: DecodeOptions, counts: float
) -> None:
    # to see it fail: remove `_check_scene`
    values = np.full((4, 5), counts, np.float32)
    values[0, :2] = 20, np.nan
    with pytest.raises(ImpossibleUnit, match=r"median would be .* °C, which no scene has"):
        decode(written(".tif", values), options=options)


def test_scaled_counts_pass_the_same_check_as_matrices() -> None:
    eight_bits = np.full((4, 5), 100, np.uint8)
    with pytest.raises(ImpossibleUnit, match=r"median would be -272 °C.*check the camera's `sc"):
        decode(written(".png", eight_bits), options=DecodeOptions(scale=CENTIKELVIN.scale))


def test_a_hot_object_does_not_make_a_scene_impossible() -> None:
    values = np.full((4, 5), 30, np.float32)
    values[0, 0], values[0, 1] = 2600, 1e6
    assert decode(written(".tif", values)).saturated_px == 1


def test_a_frame_mostly_over_range_is_no_mistake_of_the_unit() -> None:
    values = np.full((4, 5), np.inf, np.float32)
    values[0, :2] = 800.0
    assert decode(written(".tif", values)).saturated_px == 18


@pytest.mark.parametrize("name", ["kelvin10.csv", "kelvin10_float.tif"])
def test_tenths_of_a_kelvin_are_read_by_their_scale_or_refused(
    shared_cases: Path, name: str
) -> None:
    folder = shared_cases / "unit-of-matrix"
    assert case(folder, name, DECIKELVIN).values.max() == pytest.approx(TRUTH_MAX, abs=0.06)
    only_scale = DecodeOptions(scale=DECIKELVIN.scale)
    for options in (DecodeOptions(), only_scale, DecodeOptions(matrix_unit="kelvin")):
        with pytest.raises((ImpossibleUnit, UnsupportedImage), match="matrix_unit"):
            case(folder, name, options)


@pytest.mark.parametrize("name", ["kelvin100.csv", "kelvin100_float.tif"])
def test_hundredths_of_a_kelvin_likewise(shared_cases: Path, name: str) -> None:
    folder = shared_cases / "unit-of-matrix"
    assert case(folder, name, CENTIKELVIN).values.max() == pytest.approx(TRUTH_MAX, abs=0.01)
    for options in (DecodeOptions(), DecodeOptions(scale=CENTIKELVIN.scale)):
        with pytest.raises((ImpossibleUnit, UnsupportedImage), match="matrix_unit"):
            case(folder, name, options)


@pytest.mark.parametrize("name", ["counts14.csv", "counts14_float.tif"])
def test_sensor_counts_are_counts_where_that_is_declared(shared_cases: Path, name: str) -> None:
    folder = shared_cases / "unit-of-matrix"
    frame = case(folder, name, DecodeOptions(matrix_unit="counts"))
    assert (frame.unit, frame.values.max()) == ("counts", 8225)
    with pytest.raises(ImpossibleUnit, match="matrix_unit"):
        case(folder, name, DecodeOptions())


@pytest.mark.parametrize(
    ("name", "unit"), [("fahrenheit.csv", "fahrenheit"), ("kelvin_float.tif", "kelvin")]
)
def test_matrices_of_bug_reports_are_read_in_their_unit(
    shared_cases: Path, name: str, unit: MatrixUnit
) -> None:
    frame = case(shared_cases / "unit-of-matrix", name, DecodeOptions(matrix_unit=unit))
    assert frame.values.max() == pytest.approx(TRUTH_MAX, abs=0.01)


@pytest.mark.parametrize("name", ["rgb.png", "normal-ycc.jpg"])
def test_colours_are_no_degrees(shared_cases: Path, name: str) -> None:
    folder = shared_cases / "scale-on-colour"
    with pytest.raises(UnsupportedImage, match="a colour picture"):
        case(folder, name, DecodeOptions(scale=CENTIKELVIN.scale))
    assert case(folder, name, DecodeOptions()).unit == "counts"


def test_the_thermogram_beside_a_colour_picture_is_scaled(shared_cases: Path) -> None:
    scaled = DecodeOptions(scale=CENTIKELVIN.scale)
    frame = case(shared_cases / "scale-on-colour", "u16.png", scaled)
    assert frame.values.max() == pytest.approx(TRUTH_MAX, abs=0.01)


def test_equal_channels_are_one_measurement() -> None:
    grey = np.full((4, 5), 200, np.uint8)
    data = written(".png", np.dstack([grey] * 3))
    assert decode(data, options=DecodeOptions(scale=LinearScale(0.5, -20))).values.max() == 80


@pytest.mark.parametrize(
    ("name", "gain", "offset"),
    [("dead.png", 0.01, -273.15), ("i16_nodata.tif", 0.1, 0.0)],
)
def test_no_data_under_a_scale_measure_nothing_and_saturation_stays(
    shared_cases: Path, name: str, gain: float, offset: float
) -> None:
    scaled = DecodeOptions(scale=LinearScale(gain, offset))
    frame = case(shared_cases / "scale-impossible", name, scaled)
    assert frame.unusable_px > 0
    assert frame.values.min() > 16
    measured = frame.values[frame.values < 300]
    assert measured.max() == pytest.approx(TRUTH_MAX, abs=0.06)
    assert frame.values.size - measured.size == frame.saturated_px


@pytest.mark.parametrize("name", ["zeros.png", "i16_nodata.tif", "dead.png"])
@pytest.mark.parametrize(("gain", "offset"), [(0.1, -273.15), (0.01, -273.15), (0.1, 0.0)])
def test_no_frame_gets_degrees_that_its_scale_cannot_give(
    shared_cases: Path, name: str, gain: float, offset: float
) -> None:
    scaled = DecodeOptions(scale=LinearScale(gain, offset))
    try:
        frame = case(shared_cases / "scale-impossible", name, scaled)
    except DecodeError as error:
        assert str(error)
    else:
        assert frame.values.min() > -60


def test_a_signed_tiff_without_a_scale_keeps_its_values() -> None:
    counts = np.array([[-32768, 5], [7, 9]], "<i2")
    frame = decode(tiff([counts.tobytes()], 2, 2, 16, tags={339: 2}))
    assert np.array_equal(frame.values, counts)
