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
    with pytest.raises(UnsupportedImage, match=r"several frames: .*[259]"):
        read_matrix(text.encode(), 100_000)


def noisy(frames: int, change: float = 0.0) -> NDArray[np.float64]:
    """Frames of one scene below one another, each warmer by `change` °C."""
    noise = np.random.default_rng(5).normal(0, 0.1, (frames, 24, 32))
    scenes = IMAGE + noise + change * np.arange(frames)[:, None, None]
    return np.asarray(scenes.reshape(-1, 32).round(2))


@pytest.mark.parametrize("frames", [2, 3, 5, 10])
@pytest.mark.parametrize("change", [0.0, 0.3])
def test_frames_of_one_scene_directly_below_one_another_are_counted(
    frames: int, change: float
) -> None:
    # to see it fail: in `read_matrix`, don't call `refuse_stacked`
    tilted = noisy(frames, change) + np.tile(0.1 * _Y, (frames, 1))
    with pytest.raises(UnsupportedImage, match=rf"several frames: {frames} of 32×24 px.* line 25 "):
        read_matrix(csv(tilted), 100_000)


def test_a_changed_object_does_not_hide_that_there_are_two_frames() -> None:
    stacked = noisy(2) + np.tile(0.1 * _Y, (2, 1))
    stacked[30:36, 4:12] += 60
    stacked[3, 3] = np.nan
    with pytest.raises(UnsupportedImage, match="several frames: 2 of 32×24 px"):
        read_matrix(csv(stacked), 100_000)


@pytest.mark.parametrize(
    "image",
    [
        np.vstack([IMAGE - 20, IMAGE - 0.2 * _Y + 20]),  # sky and ground
        np.vstack([IMAGE + 0.1 * _Y, (IMAGE + 0.1 * _Y)[::-1]]),  # mirrored in water
        np.full((48, 32), 20.0),
        20 + np.random.default_rng(2).normal(0, 0.1, (48, 32)).round(2),
        np.where(np.arange(48)[:, None] % 24 < 2, 24.0, 30.0) + noisy(2) - 20,  # two modules
        20 + np.tile(np.arange(12) % 6, (48, 4))[:, :32] + 0.01 * np.arange(48)[:, None],
    ],
    ids=["horizon", "mirror", "constant", "noise", "two modules", "columns"],
)
def test_one_image_whose_halves_are_alike_is_read(image: NDArray[np.float64]) -> None:
    assert read_matrix(csv(image), 100_000).values.shape == image.shape


SIZES = [
    "Width,32\nHeight,{rows}\n",
    "Width: 32 px\nHeight: {rows} px\n",
    "Image Width,Image Height,Emissivity\n32,{rows},0.95\n",
    "Columns,32,Rows,{rows}\n",
    "# Resolution: 32 x {rows}\n",
    "IR image size: 32×{rows} px; visual resolution: 640×480\n",
]


@pytest.mark.parametrize("settings", SIZES)
def test_the_size_that_the_settings_state_tells_how_many_frames_there_are(settings: str) -> None:
    # to see it fail: in `read_matrix`, don't call `refuse_other_size`
    other = csv(IMAGE[::-1] + 5).decode()
    with pytest.raises(UnsupportedImage, match=r"several frames: 2 of 32×24 px"):
        read_matrix((settings.format(rows=24) + ROWS + other).encode(), 100_000)
    with pytest.raises(CorruptImage, match=r"cut off: 24 of 30 rows"):
        read_matrix((settings.format(rows=30) + ROWS).encode(), 100_000)
    assert read_matrix((settings.format(rows=24) + ROWS).encode(), 10_000).values.shape == (24, 32)


@pytest.mark.parametrize(
    "settings",
    [
        "Width,640\nHeight,480\n",  # of the visual picture
        "Width: 24\nHeight: 32\n",  # of the camera, held upright
        "Distance,32\nHeight,12\n",
        "Max,Max X,Max Y\n27.5,12,9\n",
        "Max,Max X,Max Y\n26,300,200\n",  # in the pixels of the screen
    ],
)
def test_settings_about_something_else_do_not_matter(settings: str) -> None:
    assert read_matrix((settings + ROWS).encode(), 10_000).values.shape == (24, 32)


@pytest.mark.parametrize(
    "settings",
    [
        "Temp min,Temp max,Temp max X,Temp max Y\n17.2,141.2,30,90\n",
        "Max: 141.2\nMax X: 300\nMax Y: 200\n",
        "Min,Min X,Min Y\n-41.2,1,40\n",
    ],
)
def test_a_matrix_without_the_hottest_or_coldest_pixel_that_is_stated_was_cut_off(
    settings: str,
) -> None:
    with pytest.raises(CorruptImage, match=r"cut off: the settings state a pixel of -?1?41.2"):
        read_matrix((settings + ROWS).encode(), 10_000)


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
