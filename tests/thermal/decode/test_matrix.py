"""CSV matrices: the layouts of exporting programs, and text that is no matrix."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from tests.thermal.decode.samples import csv
from thermal.decode import DecodeOptions, decode
from thermal.errors import CorruptImage, DecodeError, ImageTooLarge, UnsupportedImage

MATRIX = [[20.5, 21.25], [-3.0, 900.0]]


@pytest.mark.parametrize(
    "text",
    [
        "20.5,21.25\n-3,900\n",
        "20.5,21.25\n-3,900",  # no line end after the last row
        "20.5;21.25\r\n-3;9e2\r\n",
        "20,5;21,25\n-3,0;900,0\n",  # decimal comma
        "20,5\t21,25\n-3,0\t900,0\n",
        "\ufeff20.5 , 21.25\n\n-3 , 900\n\n",  # byte order mark, blanks, blank lines
        "20.5,21.25,\n-3,900,\n",  # a separator after each cell
        "Emissivity: 0,95\nDistance: 2,0 m\n20,5;21,25\n-3,0;900,0\n",
        "File: plant 7, T in °C\n\nCamera,E40,serial,7,x\n20.5,21.25\n-3,900\n",
        "Emissivity;0,95;;;\n;;;;\n;20,5;21,25;\n;-3,0;900,0;\n".replace(";\n", "\n"),
        ",0,1\n0,20.5,21.25\n1,-3,900\n",  # pandas
        "y/x;1;2\n1;20,5;21,25\n2;-3,0;900,0\n",
        "left,right\n20.5,21.25\n-3,900\n",
        ",left,right\n0,20.5,21.25\n1,-3,900\n",
        "Frame 1,20.5,21.25\n,-3,900\n",  # FLIR Tools
    ],
)
def test_exports_of_common_programs_are_read(text: str) -> None:
    frame = decode(text.encode(), suffix=".csv")
    assert frame.values.tolist() == MATRIX
    assert (frame.unit, frame.radiometric) == ("celsius", True)


def test_a_latin_1_header_line_is_passed_over() -> None:
    data = "T in °C\n20.5,21.25\n-3,900\n".encode("latin-1")
    assert decode(data, suffix=".csv").values.tolist() == MATRIX


@given(
    hnp.arrays(
        np.int64,
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=15),
        elements=st.integers(-273, 9999),
    ),
    st.sampled_from([",", ";", "\t"]),
    st.integers(0, 4),
)
def test_a_written_matrix_comes_back(
    digits: NDArray[np.int64], separator: str, decimals: int
) -> None:
    expected = (digits / 10**decimals).astype(np.float32)
    data = csv(digits / 10**decimals, separator, decimals)
    assert np.array_equal(decode(data).values, expected)
    if separator != ",":
        assert np.array_equal(decode(data.replace(b".", b",")).values, expected)


def test_kelvin_becomes_celsius_where_it_is_declared() -> None:
    frame = decode(b"273.15,293.15\n300,0\n", options=DecodeOptions(matrix_unit="kelvin"))
    assert frame.values == pytest.approx(np.array([[0, 20], [26.85, -273.15]]), abs=1e-4)


def test_numbers_of_varying_length_may_end_without_a_line_end() -> None:
    frame = decode(b"1.25,2.5,3,4.125,5.5\n6.25,7.5,8,9.75,10")
    assert frame.values[1].tolist() == [6.25, 7.5, 8, 9.75, 10]


def test_missing_numbers_become_the_median() -> None:
    frame = decode(b"10,nan,30\n20,1e999,25\n")
    assert frame.values.tolist() == [[10, 22.5, 30], [20, 22.5, 25]]
    assert frame.metadata["unusable_px"] == 2


@pytest.mark.parametrize(
    ("text", "error", "reason"),
    [
        ("1.0,2.0\n", CorruptImage, "fewer than two rows"),
        ("1.0\n2.0\n3.0\n", CorruptImage, "fewer than two columns"),
        ("1,2,3\n4,5\n6,7,8\n9,10,11\n", CorruptImage, "differ in length"),
        ("1,2,3\n4,5,6\n7,8\n", CorruptImage, "fewer than two rows|differ in length"),
        ("1,2,3\n4,5,6\n7,8,", CorruptImage, "no number"),
        (
            "1.25,2.50,7.00,8.00,9.00\n" * 2 + "5.75,6.25,7.00,8.00,9.2",
            CorruptImage,
            "inside a number",
        ),
        ("1,2\n3,4x\n", CorruptImage, "no number"),
        ("1,2\n3,\n", CorruptImage, "no number"),
        ("1.000,5;2.000,5\n1.000,5;2.000,5\n", CorruptImage, "no matrix"),  # thousands marks
        ("x,y\nz,w\n", CorruptImage, "no matrix"),
        (" \n\n", CorruptImage, "blank lines"),
        ("1,2\n3,\x004\n", UnsupportedImage, "text"),
    ],
)
def test_text_that_is_no_whole_matrix_is_refused(
    text: str, error: type[DecodeError], reason: str
) -> None:
    with pytest.raises(error, match=reason):
        decode(text.encode(), suffix=".csv")


def test_a_text_of_millions_of_lines_is_refused_before_it_is_taken_apart() -> None:
    with pytest.raises(ImageTooLarge, match="lines"):
        decode(b"1,2\n" * 2_000_000, suffix=".csv")


@given(st.text(alphabet="0123456789.,;-+e\t\n\r nai", max_size=120))
def test_any_text_gives_a_frame_or_a_decode_error(text: str) -> None:
    try:
        frame = decode(text.encode(), suffix=".csv")
    except DecodeError:
        return
    assert np.isfinite(frame.values).all()
    assert min(frame.shape) >= 2
