"""What the settings around a matrix say of its size: fewer rows are cut off, more are frames."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import NDArray

from thermal.decode.table.cells import is_number, read_cell
from thermal.decode.table.layout import Table
from thermal.errors import CorruptImage, UnsupportedImage

#: Names without blanks and marks, in lower case.
_PIXELS: Final = r"(px|pixels?)?"
_WIDTH: Final = re.compile(
    rf"(image|ir|thermal|matrix|frame|sensor)?(width|columns|cols|breite|spalten){_PIXELS}"
)
_HEIGHT: Final = re.compile(
    rf"(image|ir|thermal|matrix|frame|sensor)?(height|rows|lines|höhe|hoehe|zeilen){_PIXELS}"
)
_ACROSS: Final = re.compile(rf"(?P<of>.*(max|min|hot|cold).*)x{_PIXELS}")
_DOWN: Final = re.compile(rf"(?P<of>.*(max|min|hot|cold).*)y{_PIXELS}")

#: A stated temperature differs from those of the matrix by more than this.
_OTHER: Final = 1.0

#: «Resolution: 80 x 60».
_SIDES: Final = re.compile(
    r"\b(?:size|resolution|dimensions?|matrix|pixels)\b[^\d\n]{1,20}(\d{1,5})\s?[x×*]\s?(\d{1,5})\b",
    re.IGNORECASE,
)
#: «Width: 80 px», in one cell.
_PAIR: Final = re.compile(r"([^:=\d]+)[:=]\s*([\d.,]+)\s*(?:px|pixels?)?\s*", re.IGNORECASE)


def refuse_other_size(values: NDArray[np.float64], table: Table) -> None:
    """Raise if the (H, W) values are not the whole image that the settings describe.

    Raises `CorruptImage` if they state more rows, or a pixel outside whose temperature is not
    here either, and `UnsupportedImage` if the rows are those of several frames.
    """
    height, width = values.shape
    stated = _settings(table)
    _refuse_without_extreme(values, stated)
    for columns, rows in _sizes(table, stated):
        if columns != width or not 0 < rows != height:
            continue  # such as the size of the visual picture
        if height < rows:
            raise CorruptImage(
                f"cut off: {height} of {rows:g} rows; the settings say that the image has "
                f"{columns:g}×{rows:g} px"
            )
        if height % rows == 0:
            raise UnsupportedImage(
                f"several frames: {height / rows:g} of {columns:g}×{rows:g} px, the size that the "
                f"settings state, the second from line {table.rows[int(rows)].number} on; one file "
                "must hold one frame"
            )


def _settings(table: Table) -> dict[str, float]:
    """Numbers by the names that stand before or above them."""
    lines = [line.split(table.text.separator) for line in table.around]
    pairs = [pair for cells in lines for pair in pairwise(cells)]
    for names, values in pairwise(lines):
        if len(names) == len(values) and not any(map(is_number, names)):
            pairs += zip(names, values, strict=True)
    for cell in (cell for cells in lines for cell in cells):
        if found := _PAIR.fullmatch(cell):
            pairs.append((found[1], found[2]))
    read = (("".join(filter(str.isalpha, name.lower())), read_cell(value)) for name, value in pairs)
    return {name: cell.value for name, cell in read if name and cell and cell.is_number}


def _refuse_without_extreme(values: NDArray[np.float64], stated: dict[str, float]) -> None:
    """Raise if the hottest or coldest pixel that the settings state is not in the matrix."""
    height, width = values.shape
    across = {found["of"]: x for name, x in stated.items() if (found := _ACROSS.fullmatch(name))}
    down = {found["of"]: y for name, y in stated.items() if (found := _DOWN.fullmatch(name))}
    for name in sorted(across.keys() & down.keys() & stated.keys()):
        x, y, value = across[name], down[name], stated[name]
        outside = (x > width or y > height) and (y > width or x > height)
        if outside and (value > np.nanmax(values) + _OTHER or value < np.nanmin(values) - _OTHER):
            raise CorruptImage(
                f"cut off: the settings state a pixel of {value:g} at x = {x:g}, y = {y:g}, but "
                f"the matrix has {width}×{height} px of {np.nanmin(values):g} to "
                f"{np.nanmax(values):g}"
            )


def _sizes(table: Table, stated: dict[str, float]) -> list[tuple[float, float]]:
    """(columns, rows) that the settings state."""
    found = [(float(m[1]), float(m[2])) for line in table.around for m in _SIDES.finditer(line)]
    columns = [value for name, value in stated.items() if _WIDTH.fullmatch(name)]
    rows = [value for name, value in stated.items() if _HEIGHT.fullmatch(name)]
    return found + [(each, other) for each in columns for other in rows]
