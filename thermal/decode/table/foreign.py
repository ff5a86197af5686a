"""Tables of numbers that are no image: lists of pixels, logs, several frames, split decimals.

Each would pass as a picture of the wrong temperatures, so each is refused by what it is.
"""

from __future__ import annotations

import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

from thermal.decode.table.layout import Table
from thermal.errors import UnsupportedImage

#: Columns up to which a table may be a list; rows from which, and how many for each column.
_LIST_COLUMNS, _LIST_ROWS, _ROWS_PER_COLUMN = 8, 16, 10

#: Cells that are needed to tell split decimals from whole numbers.
_ENOUGH_DECIMALS: Final = 16

#: A jump between frames in one line is so many times the step between neighbouring pixels.
_JUMP: Final = 3.0
#: Steps elsewhere reach at most this share of it; a stripe has a step on either side.
_OTHERS: Final = 2 / 3

#: Lines that are looked at to tell whether each is a frame.
_FRAME_LINES: Final = 8

#: Pixels of small sensors whose frames are logged in lines, where no camera has such a width.
_SENSORS: Final = {768: "32×24", 4800: "80×60", 19200: "160×120", 49152: "256×192"}
#: Rows of the one image format that is 768 px wide.
_PAL_ROWS: Final = 576

_ONE_FRAME: Final = "; one file must hold one frame"
_AS_MATRIX: Final = "; save the image as a matrix, one line for each row of pixels"

_TIME: Final = re.compile(
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}|\d{1,2}[-/.]\d{1,2}[-/.]\d{2,4}|\d{1,2}:\d\d(:\d\d)?", re.ASCII
)
_TIME_HEADING: Final = re.compile(
    r"(date|time|timestamp|elapsed|seconds?|zeit|datum|heure|fecha)\b", re.IGNORECASE
)
_LOG_HEADING: Final = re.compile(
    rf"{_TIME_HEADING.pattern}|(spot|sp\d|probe|sensor)\b", re.IGNORECASE
)
_ACROSS: Final = frozenset({"x", "col", "column", "u", "px", "pixelx", "xpixel", "xpos", "posx"})
_DOWN: Final = frozenset({"y", "row", "line", "v", "py", "pixely", "ypixel", "ypos", "posy"})


def refuse_times(table: Table) -> None:
    """Raise if each line begins with a time: a log, or one frame a line."""
    if not table.start:
        return
    labels = [table.text.cells(row)[0] for row in (table.rows[0], table.rows[-1])]
    if all(map(_TIME.search, labels)):
        raise UnsupportedImage(
            f"line {table.rows[0].number}: each line begins with a time, so this is a log, or "
            f"several frames with one in each line, not one image{_AS_MATRIX}"
        )


def refuse_list_headings(table: Table) -> None:
    """Raise if the headings are those of a list or a log."""
    if not table.headings:
        return
    heading = [cell.strip() for cell in table.headings[-1]]
    shown = ", ".join(heading)[:80]
    if _TIME_HEADING.match(heading[0]) and 2 * sum(map(bool, heading)) > len(heading):
        raise UnsupportedImage(f"a log ({shown}), not an image{_AS_MATRIX}")
    if table.width > _LIST_COLUMNS:
        return
    names = [re.sub(r"[^a-z]", "", cell.lower()) for cell in heading]
    if _ACROSS.intersection(names) and _DOWN.intersection(names):
        raise UnsupportedImage(f"a list of pixels ({shown}), not a matrix{_AS_MATRIX}")
    if any(map(_LOG_HEADING.match, heading)):
        raise UnsupportedImage(f"a log ({shown}), not an image{_AS_MATRIX}")


def refuse_split_decimals(table: Table) -> None:
    """Raise if decimal commas were taken for separators: 24,05 read as the pixels 24 and 05."""
    text = table.text
    if text.separator != "," or table.start or table.width % 2:
        return
    rows = table.rows[: 1 + 4 * _ENOUGH_DECIMALS // table.width]
    cells = [cell.strip() for row in rows for cell in text.cells(row)[: table.width]]
    whole, decimals = cells[::2], cells[1::2]
    if not all(cell.lstrip("+-").isdecimal() for cell in whole + decimals):
        return
    padded = any(len(cell) > 1 and cell[0] == "0" for cell in decimals)
    single = (
        len(decimals) >= _ENOUGH_DECIMALS
        and all(len(cell) == 1 for cell in decimals)
        and 5 * sum(len(cell) > 1 for cell in whole) >= 4 * len(whole)
    )
    if padded or single:
        raise UnsupportedImage(
            f"line {rows[0].number}, cell 2: decimal commas between commas, so 24,05 would be read "
            "as two pixels; export with a semicolon or tab between cells, or with decimal points"
        )


def refuse_lists(values: NDArray[np.float64], table: Table) -> None:
    """Raise if the numbers (H, W) are a list of pixels or a series of measurements."""
    height, width = values.shape
    line = table.rows[0].number
    if width <= _LIST_COLUMNS and height >= _LIST_ROWS and _has_grid(values):
        raise UnsupportedImage(
            f"line {line}: a list of pixels with their coordinates, not a matrix{_AS_MATRIX}"
        )
    if width <= _LIST_COLUMNS and height >= max(_LIST_ROWS, _ROWS_PER_COLUMN * width):
        raise UnsupportedImage(
            f"{height:,} lines of {width} numbers are a list or a log, not an image{_AS_MATRIX}"
        )


def _has_grid(values: NDArray[np.float64]) -> bool:
    """Whether two columns hold each pair of some whole numbers once: coordinates."""
    whole = [column for column in values.T if (np.mod(column, 1) == 0).all()]
    distinct = [(column, np.unique(column).size) for column in whole]
    return any(
        min(a, b) > 1
        and a * b == len(values)
        and np.unique(np.stack([first, second]), axis=1).shape[1] == len(values)
        for at, (first, a) in enumerate(distinct)
        for second, b in distinct[at + 1 :]
    )


def refuse_frame_lines(values: NDArray[np.float64], table: Table) -> None:
    """Raise if each line is a frame: pixels drift along its rows and jump back at each new row.

    (H, W) values. The rows of one image have no jumps of equal sign at equal distances.
    """
    height, width = values.shape
    for pixels, shape in _SENSORS.items():
        if width == pixels and height != _PAL_ROWS:
            raise UnsupportedImage(
                f"several frames: each of the {height} lines holds {width} numbers, one frame of "
                f"{shape} px{_ONE_FRAME}"
            )
    if width < 12 or not np.isfinite(values[:_FRAME_LINES]).all():
        return
    steps = np.diff(values[:_FRAME_LINES], axis=1)
    usual = float(np.median(np.abs(steps)))
    typical = np.median(steps, axis=0)
    for across in range(4, width // 3 + 1):
        if width % across:
            continue
        jumps = steps[:, across - 1 :: across]
        others = np.delete(typical, np.s_[across - 1 :: across])
        sizes = np.abs(jumps)
        if (
            (np.sign(jumps) == np.sign(jumps[0, 0])).all()
            and float(sizes.min()) > _JUMP * max(usual, 1e-9)
            and float(np.abs(others).max()) < _OTHERS * float(np.median(sizes))
        ):
            raise UnsupportedImage(
                f"several frames: each of the {height} lines holds one of {across}×"
                f"{width // across} px{_ONE_FRAME}"
            )
