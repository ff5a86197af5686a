"""Inputs from public bug reports: each gives its right values, or the refusal that fits."""

from __future__ import annotations

from datetime import UTC
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.thermal.decode import cases
from tests.thermal.decode.cases import Elsewhere, Range, Refused, Truth
from thermal.decode import decode
from thermal.errors import DecodeError
from thermal.frame import Frame

INPUTS = cases.paths()
DECODED = [path for path in INPUTS if not isinstance(cases.expected_of(path), Elsewhere)]


@pytest.fixture
def truth() -> NDArray[np.float64]:
    """(60, 80) °C."""
    values: NDArray[np.float64] = np.load(cases.ROOT / "truth.npy").astype(np.float64)
    return values


def written_as(truth: NDArray[np.float64], scale: cases.Scale) -> NDArray[np.float64]:
    """The numbers of the true temperatures in a unit."""
    kelvin = truth + 273.15
    return {
        "°C": truth,
        "°C × 10": truth * 10,
        "K × 10": kelvin * 10,
        "K × 100": kelvin * 100,
        "K × 100 / 32": np.floor(kelvin * 100 / 32),
        "°C, whole": truth,
    }[scale]


@pytest.mark.data
@pytest.mark.skipif(not INPUTS, reason=f"no inputs of bug reports: {cases.ROOT} does not exist")
def test_every_input_has_a_result_that_is_right_for_it() -> None:
    assert [path for path in INPUTS if cases.expected_of(path) is None] == []
    assert set(cases.FILES) <= set(INPUTS)


@pytest.mark.data
@pytest.mark.skipif(not INPUTS, reason=f"no inputs of bug reports: {cases.ROOT} does not exist")
def test_the_table_of_cases_is_up_to_date() -> None:
    # `python -m tests.thermal.decode.cases` rewrites it
    assert cases.PAGE.read_text(encoding="utf-8") == cases.page()


def test_the_tests_that_the_table_names_have_the_inputs() -> None:
    elsewhere = {
        path.partition("/")[0]: expected.test
        for path in INPUTS
        if isinstance(expected := cases.expected_of(path), Elsewhere)
    }
    for folder, test in elsewhere.items():
        assert f'"{folder}"' in (cases.PAGE.parents[1] / test).read_text(encoding="utf-8")


@pytest.mark.data
@pytest.mark.parametrize("path", DECODED)
def test_an_input_gives_its_result(path: str, truth: NDArray[np.float64]) -> None:
    expected = cases.expected_of(path)
    assert expected is not None
    assert not isinstance(expected, Elsewhere)
    data = (cases.ROOT / path).read_bytes()
    suffix = Path(path).suffix
    if isinstance(expected, Refused):
        with pytest.raises(DecodeError) as error:
            decode(data, suffix=suffix, options=expected.options)
        assert expected.words in str(error.value)
        return
    frame = decode(data, suffix=suffix, options=expected.options)
    if isinstance(expected, Truth):
        check_truth(frame, expected, truth)
        return
    assert (frame.unit, frame.shape) == (expected.unit, expected.shape)
    assert frame.values.min() == pytest.approx(expected.low, abs=0.01)
    assert frame.values.max() == pytest.approx(expected.high, abs=0.01)
    if expected.captured_at is not None:
        check_time(frame, expected)


def check_truth(frame: Frame, expected: Truth, truth: NDArray[np.float64]) -> None:
    degrees = expected.scale == "°C"
    assert frame.unit == ("celsius" if degrees else "counts")
    right = written_as(truth, expected.scale)
    # as much as the file's own rounding
    tenths = expected.options.scale is not None and expected.options.scale.gain == 0.1
    tolerance = 1.0 if not degrees else 0.06 if tenths else 0.011
    off = np.abs(frame.values - right) > tolerance
    assert frame.shape == right.shape
    assert np.count_nonzero(off) <= expected.missing
    if degrees and expected.missing:
        assert frame.saturated_px + frame.under_range_px + frame.unusable_px == expected.missing


def check_time(frame: Frame, expected: Range) -> None:
    found = frame.captured_at
    assert found is not None
    assert expected.captured_at is not None
    stated = found if found.tzinfo is None else found.astimezone(UTC)
    assert stated.isoformat().replace("000+00:00", "Z") == expected.captured_at
