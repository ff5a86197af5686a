"""Tables of numbers that are no image are refused by what they are, images like them are read."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.thermal.decode.samples import csv
from thermal.decode.matrix import read_matrix
from thermal.errors import CorruptImage, UnsupportedImage

_Y, _X = np.mgrid[:24, :32]
#: (24, 32) °C with a gradient, a warm object and noise, as a camera sees a wall.
IMAGE = (
    20
    + 0.2 * _X
    + 5 * np.exp(-((_X - 12.0) ** 2 + (_Y - 9.0) ** 2) / 20)
    + np.random.default_rng(3).normal(0, 0.05, (24, 32))
).round(2)
ROWS = csv(IMAGE).decode()


def numbered(values: NDArray[np.float64], number: Callable[[int], object]) -> str:
    """Rows behind a first cell that `number` makes of their position."""
    lines = csv(values).decode().splitlines()
    return "".join(f"{number(y)},{line}\n" for y, line in enumerate(lines))


def pixels(template: str) -> str:
    """A line for each pixel."""
    return "".join(
        template.format(x=x, y=y, t=IMAGE[y, x]) + "\n" for y in range(24) for x in range(32)
    )


def log(template: str) -> str:
    """A line for each minute of an hour."""
    return "".join(
        template.format(i=i, a=20 + i / 10, b=30 + i / 5, c=41 + i / 20) + "\n" for i in range(60)
    )


@pytest.mark.parametrize(
    "text",
    [
        "x,y,temp (c)\n" + pixels("{x},{y},{t:.2f}"),
        "Row;Column;T [°C]\n" + pixels("{y};{x};{t:.2f}").replace(".", ","),
        pixels("{y},{x},{t:.2f}"),
        pixels("{t:.2f},{x},{y}"),
        pixels("{x}.0\t{y}.0\t{t:.2f}"),
        "a,b,c\n" + pixels("{y},{x},{t:.2f},255,128,0"),
    ],
    ids=["headed", "semicolons", "bare", "temperature first", "floats", "with colours"],
)
def test_a_list_of_pixels_is_no_matrix(text: str) -> None:
    with pytest.raises(UnsupportedImage, match="a list of pixels"):
        read_matrix(text.encode(), 10_000)


@pytest.mark.parametrize(
    "text",
    [
        "timestamp,spot1,spot2\n" + log("2024-05-01 10:{i:02d}:00,{a:.1f},{b:.1f}"),
        log("01.05.2024 10:{i:02d};{a:.1f};{b:.1f};{c:.1f}").replace(".", ","),
        log("10:{i:02d}:00\t{a:.1f}\t{b:.1f}"),
        "Time,A,B\n" + log("{i},{a:.1f},{b:.1f}"),
        "Time," + ",".join(f"A{i}" for i in range(12)) + "\n" + log("{i}" + ",{a:.1f}" * 12),
        "Spot 1,Spot 2,Box\n" + log("{a:.1f},{b:.1f},{c:.1f}"),
        log("{a:.1f},{b:.1f},{c:.1f}"),
        log("17145{i:02d}600,{a:.1f},{b:.1f},{c:.1f}"),
    ],
    ids=["headed", "German", "times", "elapsed", "wide", "spots", "bare", "Unix time"],
)
def test_a_log_is_no_image(text: str) -> None:
    with pytest.raises(UnsupportedImage, match="log"):
        read_matrix(text.encode(), 10_000)


HEADING = ",".join(f"c{x}" for x in range(32)) + "\n"
NUMBERS = ",".join(map(str, range(32))) + "\n"
TWO = np.vstack([IMAGE, IMAGE + 1])


@pytest.mark.parametrize(
    "text",
    [
        f"{ROWS}\n{ROWS}",
        f"Frame 1\n{ROWS}Frame 2\n{ROWS}",
        f"2024-05-01 10:00:00\n{ROWS}\n2024-05-01 10:01:00\n{ROWS}",
        f"{HEADING}{ROWS}{HEADING}{ROWS}",
        f"{NUMBERS}{ROWS}{NUMBERS}{ROWS}",
        numbered(TWO, lambda y: y // 24),
        numbered(TWO, lambda y: y % 24),
        numbered(TWO, lambda y: f"{y // 24},{y % 24}"),
        numbered(TWO, lambda y: f"Frame {y // 24}"),
        numbered(TWO, lambda y: "" if y % 24 else f"Frame {y // 24}"),
        csv(np.stack([IMAGE.ravel() + i for i in range(5)])).decode(),
        csv(np.stack([IMAGE[:12, :16].ravel() + i for i in range(9)])).decode(),
    ],
    ids=[
        "blank line", "titles", "times", "headings", "column numbers", "frame numbers",
        "row numbers", "both numbers", "labels", "label once", "32×24 a line", "16×12 a line",
    ],
)  # fmt: skip
def test_several_frames_in_one_file_are_refused_as_such(text: str) -> None:
    with pytest.raises(UnsupportedImage, match="several frames"):
        read_matrix(text.encode(), 100_000)


@pytest.mark.parametrize("decimals", [1, 2, 3])
@pytest.mark.parametrize("above", ["", NUMBERS, "Emissivity 0.95\n"])
def test_decimal_commas_between_commas_are_not_split_into_pixels(decimals: int, above: str) -> None:
    text = above + csv(IMAGE, ",", decimals).decode().replace(".", ",")
    with pytest.raises(UnsupportedImage, match="decimal commas"):
        read_matrix(text.encode(), 10_000)


def test_decimal_commas_of_varying_length_are_named_as_a_possible_cause() -> None:
    text = "\n".join(",".join(f"{value:g}".replace(".", ",") for value in row) for row in IMAGE)
    with pytest.raises(CorruptImage, match=r"differ in length.*decimal commas"):
        read_matrix(text.encode(), 10_000)


@pytest.mark.parametrize(
    "text",
    [
        ROWS,
        NUMBERS + ROWS,
        NUMBERS.replace(",", ".0,").replace("31", "31.0") + ROWS,
        HEADING + ROWS,
        "Date,2024-05-01" + "," * 30 + "\n" + ROWS,
        '="' + ROWS.replace(",", '",="').replace("\n", '"\n="')[:-2],
        numbered(IMAGE, lambda y: y),
        numbered(IMAGE, lambda y: f"{y}.0"),
        numbered(IMAGE, lambda y: y + 100),  # a region of a larger image
        "," + NUMBERS + numbered(IMAGE, lambda y: y),
        numbered(IMAGE, lambda _: 0),  # one frame, numbered
        numbered(IMAGE, lambda _: "Frame 7"),
        ROWS.replace("\n", "\n\n"),
    ],
)
def test_headings_and_numbers_around_one_image_are_no_pixels(text: str) -> None:
    assert np.array_equal(read_matrix(text.encode(), 10_000).values, IMAGE)


def test_row_and_column_numbers_around_whole_counts_are_no_pixels() -> None:
    counts = (IMAGE * 100).astype(int).astype(float)
    rows = csv(counts, decimals=0).decode()
    for text in (rows, NUMBERS + rows, numbered(counts, lambda y: y).replace(".00", "")):
        assert np.array_equal(read_matrix(text.encode(), 10_000).values, counts)


@pytest.mark.parametrize("shape", [(8, 8), (24, 32), (40, 24), (62, 80)])
@pytest.mark.parametrize("period", [4, 8])
def test_stripes_in_an_image_are_not_taken_for_frames(shape: tuple[int, int], period: int) -> None:
    image = np.full(shape, 30.0) + np.random.default_rng(1).normal(0, 0.2, shape)
    image[:, ::period] -= 6  # the gaps between the cells of a photovoltaic module
    values = read_matrix(csv(image), 10_000).values
    assert values.shape == shape
