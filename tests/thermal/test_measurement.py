"""Parameters of a measurement, and °C corrected for another emissivity."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.thermal.decode.samples import written
from thermal.decode import DecodeOptions, decode
from thermal.errors import UnsupportedImage
from thermal.frame import LinearScale
from thermal.measurement import MeasurementParameters, correct_emissivity

DECLARED = MeasurementParameters(emissivity=0.6, camera_emissivity=0.95, reflected_c=20.0)
EMISSIVITY = st.floats(0.1, 1.0)


def test_a_correction_worked_by_hand() -> None:
    # 100 °C at 0.95 and surroundings of 20 °C, with c₂/λ = 1438.777 K:
    # W(373.15 K) = 1 / (e^3.85576 − 1) = 0.021615, W(293.15 K) = 1 / (e^4.90799 − 1) = 0.007442
    # W₂ = (0.95 · 0.021615 + (0.6 − 0.95) · 0.007442) / 0.6 = 0.029882
    # T₂ = 1438.777 / ln(1 + 1 / 0.029882) − 273.15 = 133.3 °C
    found = correct_emissivity(np.array([[100.0]]), camera=0.95, surface=0.6, reflected_c=20.0)
    assert found[0, 0] == pytest.approx(133.3, abs=0.1)


@given(st.floats(-30, 1500), EMISSIVITY, EMISSIVITY, st.floats(-30, 100))
def test_a_correction_there_and_back_changes_nothing(
    celsius: float, first: float, second: float, reflected_c: float
) -> None:
    values = np.array([[celsius]])
    there = correct_emissivity(values, camera=first, surface=second, reflected_c=reflected_c)
    if np.isfinite(there).all():
        back = correct_emissivity(there, camera=second, surface=first, reflected_c=reflected_c)
        assert back == pytest.approx(values, abs=0.01)


def test_what_reflects_its_own_temperature_needs_no_correction() -> None:
    found = correct_emissivity(np.array([[20.0]]), camera=0.95, surface=0.3, reflected_c=20.0)
    assert found[0, 0] == pytest.approx(20)


def test_a_surface_that_would_radiate_less_than_nothing_is_under_range() -> None:
    found = correct_emissivity(np.array([[-40.0]]), camera=0.95, surface=0.1, reflected_c=60.0)
    assert found[0, 0] == -math.inf


def test_a_lower_emissivity_makes_matrices_hotter_and_keeps_what_is_out_of_range() -> None:
    values = np.array([[100, np.inf, np.nan], [-9999, 20, 30]], np.float32)
    frame = decode(written(".tif", values), options=DecodeOptions(parameters=DECLARED))
    assert frame.values[0, 0] == pytest.approx(133.3, abs=0.1)
    assert frame.values[1, 1] == pytest.approx(20)
    assert (frame.saturated_px, frame.under_range_px, frame.unusable_px) == (1, 0, 2)
    assert frame.parameters == DECLARED


def test_scaled_counts_are_corrected_too() -> None:
    options = DecodeOptions(scale=LinearScale(0.01, -273.15), parameters=DECLARED)
    counts = np.array([[37_315, 65_535], [29_315, 29_315]], np.uint16)
    frame = decode(written(".png", counts), options=options)
    assert frame.values[0, 0] == pytest.approx(133.3, abs=0.1)
    assert frame.values[0, 1] == frame.values.max()
    assert frame.saturated_px == 1


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        ({"emissivity": 0.9}, "`camera_emissivity` is not declared"),
        ({"reflected_c": 20.0}, "`emissivity` is not declared"),
        ({"emissivity": 0.9, "camera_emissivity": 0.95}, "`reflected_c` is not declared"),
        ({"distance_m": 3.0}, "`distance_m` is declared .* remove it"),
    ],
)
def test_what_cannot_be_applied_to_temperatures_is_refused_and_never_ignored(
    parameters: dict[str, float], complaint: str
) -> None:
    options = DecodeOptions(parameters=MeasurementParameters(**parameters))
    with pytest.raises(UnsupportedImage, match=complaint):
        decode(written(".tif", np.full((2, 2), 20, np.float32)), options=options)


def test_counts_have_no_emissivity() -> None:
    options = DecodeOptions(parameters=DECLARED)
    with pytest.raises(UnsupportedImage, match="the file holds counts"):
        decode(written(".png", np.full((2, 2), 20, np.uint16)), options=options)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("emissivity", 0.0),
        ("emissivity", 1.01),
        ("camera_emissivity", -0.5),
        ("window_transmission", 0.0),
        ("humidity", 50.0),
        ("humidity", -0.1),
        ("distance_m", -1.0),
        ("reflected_c", 298.0),
        ("window_c", 293.0),
        ("atmosphere_c", 293.0),
        ("reflected_c", -274.0),
        ("emissivity", math.nan),
        ("reflected_c", math.inf),
    ],
)
def test_impossible_parameters_are_refused_by_name(name: str, value: float) -> None:
    with pytest.raises(ValueError, match=f"^{name}: "):
        MeasurementParameters(**{name: value})
