"""FLIR's parameters, measuring range and byte order, against the published radiometric model."""

from __future__ import annotations

import math
import struct
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.thermal.decode.samples import E40, PLANCK_O, flir
from thermal.decode import DecodeOptions, decode
from thermal.errors import UnsupportedImage
from thermal.measurement import MeasurementParameters

#: Offsets of what `raw_to_celsius` needs in the record.
_OFFSETS = {
    "E": 32, "OD": 36, "RTemp": 40, "ATemp": 44, "IRWTemp": 48, "IRT": 52, "RH": 60,
    "PR1": 88, "PB": 92, "PF": 96, "ATA1": 112, "ATA2": 116, "ATB1": 120, "ATB2": 124,
    "ATX": 128, "PR2": 780,
}  # fmt: skip
RAW = np.array([[15_000, 17_000, 18_000], [20_000, 25_000, 30_000]], np.uint16)


def raw_to_celsius(raw: NDArray[np.uint16], calibration: Mapping[int, float]) -> list[list[float]]:
    """`raw2temp` of the R package Thermimage, term by term, temperatures in kelvin."""
    p = {name: float(calibration[offset]) for name, offset in _OFFSETS.items()}
    air_c, rh = p["ATemp"] - 273.15, p["RH"] / 100 if p["RH"] > 1 else p["RH"]
    h2o = rh * math.exp(1.5587 + 0.06939 * air_c - 0.00027816 * air_c**2 + 0.00000068455 * air_c**3)
    first = math.exp(-math.sqrt(p["OD"] / 2) * (p["ATA1"] + p["ATB1"] * math.sqrt(h2o)))
    second = math.exp(-math.sqrt(p["OD"] / 2) * (p["ATA2"] + p["ATB2"] * math.sqrt(h2o)))
    tau = p["ATX"] * first + (1 - p["ATX"]) * second

    def planck(kelvin: float) -> float:
        return p["PR1"] / (p["PR2"] * (math.exp(p["PB"] / kelvin) - p["PF"])) - PLANCK_O

    e, irt = p["E"], p["IRT"]
    taken = (1 - e) / e * planck(p["RTemp"])
    taken += (1 - tau) / e / tau * planck(p["ATemp"])
    taken += (1 - irt) / e / tau / irt * planck(p["IRWTemp"])
    taken += (1 - tau) / e / tau / irt / tau * planck(p["ATemp"])

    def celsius(value: int) -> float:
        radiated = value / e / tau / irt / tau - taken
        return p["PB"] / math.log(p["PR1"] / (p["PR2"] * (radiated + PLANCK_O)) + p["PF"]) - 273.15

    return [[celsius(value) for value in row] for row in raw.tolist()]


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {32: 0.8},  # emissivity
        {32: 0.8, 36: 20.0},  # and distance
        {32: 0.8, 36: 20.0, 60: 0.9},  # and humidity
        {36: 100.0, 60: 0.1, 44: 308.15},
        {36: 0.0},
        {52: 0.82, 48: 313.15},  # a warm window
        {60: 80.0},  # humidity in percent
        {60: 1.5},
    ],
)
def test_temperatures_follow_the_published_model(changed: dict[int, float]) -> None:
    calibration = E40 | changed
    expected = raw_to_celsius(RAW, calibration)
    np.testing.assert_allclose(
        decode(flir(RAW, calibration=calibration)).values, expected, atol=0.02
    )


@pytest.mark.parametrize(
    ("changed", "complaint"),
    [
        ({32: 0.0}, "emissivity: should be above 0 and at most 1, given 0"),
        ({32: 1.2}, "emissivity: should be above 0 and at most 1, given 1.2"),
        ({36: -1.0}, "distance_m: should lie between"),
        ({40: 571.15}, "reflected_c: 298 °C was meant in kelvin, which is 24.85 °C"),
        ({40: math.nan}, "reflected_c: should be a number"),
        ({44: 0.0}, "atmosphere_c: should lie between"),
        ({52: 0.0}, "window_transmission: should be above 0"),
        ({60: 300.0}, "humidity: should lie between 0 and 1"),
    ],
)
def test_an_impossible_parameter_is_refused_by_name_unless_another_is_declared(
    changed: dict[int, float], complaint: str
) -> None:
    data = flir(RAW, calibration=E40 | changed)
    with pytest.raises(UnsupportedImage, match=complaint):
        decode(data)
    name = complaint.partition(":")[0]
    right = getattr(decode(flir(RAW)).parameters, name)
    options = DecodeOptions(parameters=MeasurementParameters(**{name: right}))
    np.testing.assert_allclose(
        decode(data, options=options).values, decode(flir(RAW)).values, atol=1e-3
    )


@pytest.mark.parametrize(
    "changed",
    [{32: 1.0, 40: 0.0}, {36: 0.0, 44: 0.0}, {36: 0.0, 60: 900.0}, {52: 1.0, 48: 0.0}],
)
def test_a_parameter_that_does_not_matter_may_hold_anything(changed: dict[int, float]) -> None:
    known = E40 | changed | {40: 294.15, 44: 287.15, 48: 292.15, 60: 0.49}
    found, expected = (decode(flir(RAW, calibration=each)) for each in (E40 | changed, known))
    assert found.values == pytest.approx(expected.values, abs=1e-3)


def test_declared_parameters_replace_the_files_and_are_kept_with_the_frame() -> None:
    declared = MeasurementParameters(
        emissivity=0.8,
        reflected_c=60.0,
        distance_m=20.0,
        humidity=0.9,
        atmosphere_c=30.0,
        window_transmission=0.82,
        window_c=40.0,
    )
    frame = decode(flir(RAW), options=DecodeOptions(parameters=declared))
    assert frame.parameters == declared
    patched = E40 | {32: 0.8, 40: 333.15, 36: 20, 60: 0.9, 44: 303.15, 52: 0.82, 48: 313.15}
    np.testing.assert_allclose(frame.values, raw_to_celsius(RAW, patched), atol=0.02)


def test_raw_values_beyond_the_cameras_range_are_over_range() -> None:
    # to see it fail: convert them like the others
    hot = RAW.copy()
    hot[1, 2] = 57_300
    frame = decode(flir(hot, raw_range=(7783, 57_300), median_and_extent=(17_600, 1000)))
    assert frame.saturated_px == 1
    assert frame.values[1, 2] == frame.values.max() == 10_000


def test_raw_values_below_what_the_calibration_tells_are_under_range() -> None:
    cold = RAW.copy()
    cold[0, 0] = 3000
    frame = decode(flir(cold))
    assert (frame.under_range_px, frame.unusable_px) == (1, 0)
    assert frame.values[0, 0] == frame.values.min() < -273


@pytest.mark.parametrize("big_endian", [False, True])
def test_the_byte_order_of_a_png_follows_from_what_the_file_says_of_its_values(
    big_endian: bool,
) -> None:
    told = (int(np.median(RAW)) + 300, 12_000)  # cameras tell roughly
    data = flir(RAW, as_png=True, big_endian_png=big_endian, median_and_extent=told)
    np.testing.assert_array_equal(decode(data).values, decode(flir(RAW)).values)


def test_the_byte_order_is_flirs_usual_one_where_the_file_says_nothing() -> None:
    data = flir(RAW, as_png=True)
    np.testing.assert_array_equal(decode(data).values, decode(flir(RAW)).values)


@pytest.mark.parametrize(("camera", "low", "high"), [("AX8", 24.36, 25.47), ("B60", -68.08, -0.23)])
def test_files_of_bug_reports_are_read_in_either_order(
    shared_cases: Path, camera: str, low: float, high: float
) -> None:
    files = sorted((shared_cases / "flir-byte-order").glob(f"FLIR_{camera}_*.jpg"))
    assert len(files) == 3
    for file in files:
        values = decode(file.read_bytes()).values
        assert values.min() == pytest.approx(low, abs=0.01)
        assert values.max() == pytest.approx(high, abs=0.01)


@pytest.mark.parametrize(
    ("name", "complaint"),
    [
        ("ATzero", "atmosphere_c"),
        ("E0", "emissivity"),
        ("E1.2", "emissivity"),
        ("OD-1", "distance_m"),
        ("RT298C", "reflected_c: 298 °C was meant in kelvin"),
        ("RTnan", "reflected_c"),
        ("E005", r"no temperature with an emissivity of 0\.05 and .*Declare the right ones"),
        ("E03_RT60", r"no temperature .* of 0\.3 and a reflected temperature of 60 °C"),
    ],
)
def test_files_with_impossible_parameters_are_refused(
    shared_cases: Path, name: str, complaint: str
) -> None:
    data = (shared_cases / f"flir-parameters/E40_{name}.jpg").read_bytes()
    with pytest.raises(UnsupportedImage, match=complaint):
        decode(data)


def test_files_with_patched_parameters_follow_the_published_model(shared_cases: Path) -> None:
    names = "E08 E08_OD20 E08_OD20_RH90 IRT082 IRT082_IRWT40 OD0 OD20_RH100 OD5000"
    names += " OD100_RH10_AT35 RH1.5percent RH80percent"
    for name in names.split():
        data = (shared_cases / f"flir-parameters/E40_{name}.jpg").read_bytes()
        record = data.index(b"\x02\0", data.index(struct.pack("<f", 14_866.514)) - 200)
        calibration = {
            offset: struct.unpack_from("<f", data, record + offset)[0]
            for offset in _OFFSETS.values()
        }
        assert calibration[88] == pytest.approx(14_866.514), name
        raw = np.array([[17_059, 17_604, 18_266]], np.uint16)
        [[lowest, _, highest]] = raw_to_celsius(raw, calibration)
        values = decode(data).values
        assert values.min() == pytest.approx(lowest, abs=0.02), name
        assert values.max() == pytest.approx(highest, abs=0.02), name
