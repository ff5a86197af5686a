"""CSV matrices of temperatures, as thermography programs export them.

What is read: text in UTF-8, UTF-16 or Latin-1 with one row of the image a line. Cells are separated
by semicolon, tab, comma or blanks, perhaps quoted, with a decimal point or comma. They may name
their unit, and have marks for missing (NaN, ---, #N/A) and over-range values (>150, OL), which
become NaN and infinite. Passed over are settings before and totals below the matrix, headings, a
first column of labels or row numbers, and an empty last column. At least two rows and two columns.
No thousands marks.

A file that was cut off exactly between two rows is told from a smaller matrix only by settings that
state the size of the image, or the place of a pixel in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from thermal.decode.format import DecodeOptions, Format
from thermal.decode.raster import check_size
from thermal.decode.table.cells import Unit, read_cell
from thermal.decode.table.foreign import (
    refuse_frame_lines,
    refuse_list_headings,
    refuse_lists,
    refuse_split_decimals,
    refuse_times,
)
from thermal.decode.table.heading_unit import named_unit
from thermal.decode.table.layout import Table, find_table
from thermal.decode.table.lines import read_text
from thermal.decode.table.row_numbers import row_number_columns
from thermal.decode.table.stacked import refuse_stacked
from thermal.decode.table.stated_size import refuse_other_size
from thermal.decode.to_frame import temperature_frame
from thermal.errors import UnsupportedImage
from thermal.frame import Frame

#: Characters of a cell that a message shows.
_SHOWN: Final = 40


@dataclass(frozen=True, eq=False)
class Matrix:
    """The numbers of a file, as they are written."""

    values: NDArray[np.float64]  #: (H, W); NaN where there is none, infinite where out of range
    unit: Unit | None  #: that the cells or headings name
    in_cells: bool  #: the cells themselves name it


def read_matrix(data: bytes, max_pixels: int) -> Matrix:
    """The matrix in a CSV file.

    Raises `UnsupportedImage` if the file is not text, holds something else than one image, or a
    cell is not a number; `ImageTooLarge`; and `CorruptImage` if rows differ in length or the file
    is truncated.
    """
    table = find_table(read_text(data))
    check_size(table.width, len(table.rows), max_pixels)
    refuse_times(table)
    refuse_list_headings(table)
    refuse_split_decimals(table)
    values, unit = _numbers(table)
    refuse_lists(values, table)
    values = values[:, row_number_columns(table) :]
    refuse_frame_lines(values, table)
    refuse_other_size(values, table)
    refuse_stacked(values, table)
    headings = ("\n".join(cells) for cells in table.headings)
    return Matrix(values, unit or named_unit([*table.around, *headings]), unit is not None)


def _numbers(table: Table) -> tuple[NDArray[np.float64], Unit | None]:
    """The values (H, W) of a table, and the unit that all of its cells name."""
    separator = table.text.separator
    lines = (row.text for row in table.rows)
    if separator != ",":
        lines = (line.replace(",", ".") for line in lines)
    try:
        values = np.loadtxt(
            lines,
            dtype=np.float64,
            delimiter=separator,
            comments=None,
            usecols=range(table.start, table.start + table.width),
            ndmin=2,
        )
    except ValueError:
        return _cell_by_cell(table)
    return values, None


def _cell_by_cell(table: Table) -> tuple[NDArray[np.float64], Unit | None]:
    """The same for cells that are more than bare numbers."""
    values = np.empty((len(table.rows), table.width))
    units = set[Unit]()
    for y, row in enumerate(table.rows):
        cells = table.text.cells(row)[table.start : table.start + table.width]
        for x, text in enumerate(cells):
            cell = read_cell(text)
            if cell is None:
                raise UnsupportedImage(
                    f"line {row.number}, cell {table.start + x + 1}: «{text.strip()[:_SHOWN]}» is "
                    "no number"
                )
            values[y, x] = cell.value
            if cell.unit is not None:
                units.add(cell.unit)
    if len(units) > 1:
        raise UnsupportedImage("the cells of the matrix are in different units")
    return values, units.pop() if units else None


def read_csv(data: bytes, options: DecodeOptions) -> Frame:
    """Read a matrix in `options.matrix_unit`, else in the unit that it names, else in °C.

    Raises as `read_matrix` and `temperature_frame`.
    """
    matrix = read_matrix(data, options.max_pixels)
    if matrix.in_cells and options.matrix_unit not in (None, matrix.unit):
        raise UnsupportedImage(
            f"the numbers in this file say that they are {matrix.unit}, not "
            f'matrix_unit = "{options.matrix_unit}": remove that for this camera'
        )
    return temperature_frame(matrix.values, options, named_unit=matrix.unit)


FORMAT = Format("CSV", (".csv",), "text/csv", (), read_csv)
