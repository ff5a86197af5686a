"""CSV matrices of temperatures, as thermography programs export them.

What is read: one row of the image a line, cells separated by semicolon, tab or comma (the first
of these in the last line); a decimal comma where the separator is not the comma. Passed over are
blank lines, lines before the matrix (settings), headings of column numbers or names, a first
column of labels or row numbers, and an empty last column. At least two rows and two columns. No
quotes, no thousands marks.

A file that was cut off exactly between two rows cannot be told from a smaller matrix.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from thermal.decode.format import DecodeOptions, Format
from thermal.decode.raster import check_size
from thermal.decode.to_frame import temperature_frame
from thermal.errors import CorruptImage, ImageTooLarge, UnsupportedImage
from thermal.frame import Frame

#: Numbers that must agree in their decimals before these are taken for the file's format.
_ENOUGH_NEIGHBOURS = 8

#: Most line ends in a file; each costs memory before anything is known about the matrix.
_MAX_LINES = 1 << 20


def read_matrix(data: bytes, max_pixels: int) -> NDArray[np.float64]:
    """(H, W) values of a CSV matrix; cells `nan` and `inf` are kept as such.

    Raises UnsupportedImage if the file is not text, ImageTooLarge, and CorruptImage if rows differ
    in length, a cell is not a number, or the file is truncated.
    """
    if b"\0" in data:
        raise UnsupportedImage("a matrix must be text in ASCII, UTF-8 or Latin-1")
    if data.count(b"\n") + data.count(b"\r") > _MAX_LINES:
        raise ImageTooLarge(f"more than {_MAX_LINES:,} lines are no image")
    lines = [line for line in data.removeprefix(b"\xef\xbb\xbf").splitlines() if line.strip()]
    last = lines[-1] if lines else b""
    separator = next((mark for mark in (b";", b"\t", b",") if mark in last), b",")
    rows = _last_block(lines, separator)
    columns = last.count(separator) + 1
    check_size(columns, len(rows), max_pixels)
    start, end = 0, columns
    while rows and _is_heading(heading := rows[0].split(separator)):
        rows = rows[1:]
        start = 1 if _heads_row_numbers(heading) else 0
    if len(rows) < 2:
        raise CorruptImage("cut off, or no matrix: fewer than two rows of equal length")
    if all(_number(row.split(separator, 1)[0]) is None for row in rows):
        start = 1
    if all(row.endswith(separator) for row in rows):
        end -= 1
    if end - start < 2:
        raise CorruptImage("cut off, or no matrix: fewer than two columns of numbers")
    numbers = range(start, end)
    if not data.endswith((b"\n", b"\r")) and _ends_within_number(rows, separator, numbers):
        raise CorruptImage("cut off: the file ends inside a number")
    return _parse(rows, separator, numbers)


def _last_block(lines: list[bytes], separator: bytes) -> list[bytes]:
    """The lines at the end that have as many cells as the last one."""
    if not lines:
        raise CorruptImage("cut off, or no matrix: the file holds blank lines only")
    marks = lines[-1].count(separator)
    first = len(lines)
    while first and lines[first - 1].count(separator) == marks:
        first -= 1
    for line in lines[:first]:
        cells = line.split(separator)
        if 2 * len(cells) > marks + 1 and 2 * _numbers_in(cells) > marks + 1:
            raise CorruptImage("cut off or damaged: the rows of the matrix differ in length")
    return lines[first:]


def _parse(rows: list[bytes], separator: bytes, columns: range) -> NDArray[np.float64]:
    if separator != b",":
        rows = [row.replace(b",", b".") for row in rows]
    text = (row.decode("latin-1") for row in rows)  # digits are the same; anything else fails
    try:
        return np.loadtxt(
            text,
            dtype=np.float64,
            delimiter=separator.decode(),
            comments=None,
            usecols=columns,
            ndmin=2,
        )
    except ValueError as error:
        raise CorruptImage("cut off or damaged: a cell of the matrix is no number") from error


def _is_heading(cells: list[bytes]) -> bool:
    """Column names, or column numbers after a first cell that is not a number."""
    return 2 * _numbers_in(cells) < len(cells) or _counts_columns(cells)


def _heads_row_numbers(heading: list[bytes]) -> bool:
    first_is_blank = not heading[0].strip() and all(cell.strip() for cell in heading[1:-1])
    return first_is_blank or _counts_columns(heading)


def _counts_columns(cells: list[bytes]) -> bool:
    if _number(cells[0]) is not None:
        return False
    numbers = [cell.strip() for cell in cells[1:] if cell.strip()]
    return any(
        numbers == [b"%d" % index for index in range(first, first + len(numbers))]
        for first in (0, 1)
    )


def _ends_within_number(rows: list[bytes], separator: bytes, columns: range) -> bool:
    """Whether the very last number has fewer decimals than its many neighbours, which agree."""
    cells = rows[-2].split(separator)[columns.start : columns.stop]
    cells += rows[-1].split(separator)[columns.start : columns.stop]
    *neighbours, last = (_decimals(cell, separator) for cell in cells)
    agree = len(neighbours) >= _ENOUGH_NEIGHBOURS and len(set(neighbours)) == 1
    return agree and last < neighbours[0]


def _decimals(cell: bytes, separator: bytes) -> int:
    mark = b"." if separator == b"," or b"," not in cell else b","
    return len(cell.strip().partition(mark)[2])


def _numbers_in(cells: list[bytes]) -> int:
    return sum(_number(cell) is not None for cell in cells)


def _number(cell: bytes) -> float | None:
    try:
        return float(cell.replace(b",", b"."))
    except ValueError:
        return None


def read_csv(data: bytes, options: DecodeOptions) -> Frame:
    """Read a matrix as °C or kelvin by `options.matrix_unit`. Raises as `read_matrix`."""
    return temperature_frame(read_matrix(data, options.max_pixels), options.matrix_unit)


FORMAT = Format("CSV", (".csv",), "text/csv", (), read_csv)
