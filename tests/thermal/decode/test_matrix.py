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
from thermal.decode.matrix import read_matrix
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
        "2.05e+01 2.125e+01\n-3 9e+02\n",  # NumPy
        "  20,5   21,25\n  -3,0  900,0\n",
        "# Emissivity 0.95\n20.5 21.25\n-3 900\n",
        '"20.5","21.25"\n"-3","900"\n',
        '"20,5","21,25"\n"-3","900"\n',  # a decimal comma, but no doubt
        "sep=;\n20,5;21,25;\n-3;900;\n",
        "20.5|21.25\n-3|900\n",
        "['20.5', '21.25']\n['-3.0', '900.0']\n",
        "20.5 °C;21.25 °C\n-3.0 °C;900 °C\n",
        "20,5 Â°C;21,25 Â°C\n-3,0 Â°C;900 Â°C\n",  # UTF-8 taken for Latin-1
        "20.5,21.25,\n-3,900\n",  # a separator behind some of the rows
        "20.5,21.25\n-3,900\n\nMin,Max\n-3,900\n"[:-7],
        "20.5,21.25\n-3,900\nMin;Max;Mean\n-3;900;300\n",
        "20.5,21.25\n-3,900\nMax,\n",
        "0,20.5,21.25\n1,-3.0,900.0\n",  # pandas without its header
        "0,1\n20.5,21.25\n-3.0,900.0\n",  # and without its index
    ],
)
def test_exports_of_common_programs_are_read(text: str) -> None:
    frame = decode(text.encode(), suffix=".csv")
    assert frame.values.tolist() == MATRIX
    assert (frame.unit, frame.radiometric) == ("celsius", True)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-8-sig"])
def test_the_encodings_of_spreadsheets_are_read(encoding: str) -> None:
    data = "20,5\t21,25\r\n-3,0\t900,0\r\n".encode(encoding)
    assert decode(data, suffix=".csv").values.tolist() == MATRIX


@pytest.mark.parametrize("mark", ["", "NaN", "---", "-", "#N/A", "n/a", "null", "#DIV/0!", "*"])
def test_a_mark_for_a_missing_value_is_no_temperature(mark: str) -> None:
    values = read_matrix(f"10.5,{mark},30.0\n20.0,21.0,25.0\n".encode(), 100).values
    assert np.isnan(values[0, 1])
    assert np.isfinite(values).sum() == 5


@pytest.mark.parametrize(
    ("mark", "value"),
    [
        (">150.0", np.inf),
        ("> 150 °C", np.inf),
        ("OL", np.inf),
        ("+inf", np.inf),
        ("<-40", -np.inf),
        ("-OL", -np.inf),
    ],
)
def test_a_value_beyond_the_range_of_the_camera_stays_beyond_it(mark: str, value: float) -> None:
    values = read_matrix(f"10.5,{mark},30.0\n20.0,21.0,25.0\n".encode(), 100).values
    assert values[0].tolist() == [10.5, value, 30.0]


@pytest.mark.parametrize(
    ("text", "unit"),
    [
        ("20.5,21.0\n22.0,23.0\n", None),
        ("Temperature unit: °F\n20.5,21.0\n22.0,23.0\n", "fahrenheit"),
        ("Image temperatures [K]\n20.5,21.0\n22.0,23.0\n", "kelvin"),
        ("Unit;°C\n20,5;21,0\n22,0;23,0\n", "celsius"),
        ("Units,Emissivity\nF,0.95\nPixels\n20.5,21.0\n22.0,23.0\n24.0,25.0\n", "fahrenheit"),
        ("# data in Kelvin\n20.5 21.0\n22.0 23.0\n", "kelvin"),
        ("temp_k,\n20.5,21.0\n22.0,23.0\n", "kelvin"),
        ("Reflected: 20 °C\nUnit: K\n20.5,21.0\n22.0,23.0\n", "kelvin"),
        ("Reflected: 20 °C\nImage in K [K]\n20.5,21.0\n22.0,23.0\n", None),  # which of them?
        ("Camera FLIR K-type, Kitchen, file C:\n20.5,21.0\n22.0,23.0\n", None),
        ("20.5 K;21.0 K\n22.0 K;--\n", "kelvin"),
        ("20.5°F,21.0°F\n22.0°F,23.0°F\n", "fahrenheit"),
    ],
)
def test_the_unit_that_a_file_names_is_found(text: str, unit: str | None) -> None:
    assert read_matrix(text.encode(), 100).unit == unit


def test_a_unit_in_the_cells_is_never_overruled() -> None:
    data = b"68.0 F,70.0 F\n68.0 F,71.6 F\n"
    assert decode(data).values[1, 1] == pytest.approx(22.0, abs=1e-4)
    with pytest.raises(UnsupportedImage, match="fahrenheit, not matrix_unit"):
        decode(data, options=DecodeOptions(matrix_unit="kelvin"))


def test_a_latin_1_header_line_is_passed_over() -> None:
    data = "T in °C\n20.5,21.25\n-3,900\n".encode("latin-1")
    assert decode(data, suffix=".csv").values.tolist() == MATRIX


@given(
    hnp.arrays(
        np.int64,
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=2, max_side=15),
        elements=st.integers(-149, 2500),
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
    frame = decode(b"273.15,293.15\n300,1\n", options=DecodeOptions(matrix_unit="kelvin"))
    assert frame.values == pytest.approx(np.array([[0, 20], [26.85, -272.15]]), abs=1e-4)


def test_numbers_of_varying_length_may_end_without_a_line_end() -> None:
    frame = decode(b"1.25,2.5,3,4.125,5.5\n6.25,7.5,8,9.75,10")
    assert frame.values[1].tolist() == [6.25, 7.5, 8, 9.75, 10]


def test_missing_numbers_become_the_median_and_endless_ones_stay_the_hottest() -> None:
    frame = decode(b"10,nan,30\n20,1e999,25\n")
    assert frame.values.tolist() == [[10, 25, 30], [20, 10_000, 25]]
    assert (frame.saturated_px, frame.unusable_px) == (1, 1)


@pytest.mark.parametrize(
    ("text", "error", "reason"),
    [
        ("1.0,2.0\n", CorruptImage, "fewer than two rows"),
        ("1.0\n2.0\n3.0\n", CorruptImage, "fewer than two columns"),
        ("1,2,3\n4,5\n6,7,8\n9,10,11\n", CorruptImage, "differ in length"),
        ("1,2,3\n4,5,6\n7,8\n", CorruptImage, "fewer than two rows|differ in length"),
        ("1,2,3\n4,5,6\n7,8,", CorruptImage, "ends inside line 3"),
        ("1,2,3\n4,5,6\n7,8,-", CorruptImage, "ends inside line 3"),
        (
            "1.25,2.50,7.00,8.00,9.00\n" * 2 + "5.75,6.25,7.00,8.00,9.2",
            CorruptImage,
            "inside a number",
        ),
        ("1,2\n3,4x\n", UnsupportedImage, "line 2, cell 2: «4x» is no number"),
        ("1,2\n3,4x", CorruptImage, "ends inside line 2"),
        ("10,20\n3 °C,4 °F\n", UnsupportedImage, "different units"),
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
