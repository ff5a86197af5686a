"""Columns of numbers that are no pixels: row numbers, and the numbers of several frames."""

from __future__ import annotations

from itertools import groupby, pairwise
from typing import Final

from thermal.decode.table.layout import Table, counts_up
from thermal.errors import UnsupportedImage

#: From this many rows on, a first column 0, 1, 2 … counts as row numbers whatever the decimals.
_LONG_COUNT: Final = 8

#: Most columns in front of the pixels: the number of the frame, of the row, and one more.
_MOST: Final = 3


def row_number_columns(table: Table) -> int:
    """How many columns before the pixels number the rows or the frame.

    Raises `UnsupportedImage` if they number several frames.
    """
    columns = _whole_columns(table)
    told = len(columns) <= _MOST and len(columns) + 2 <= table.width
    for column in columns if told else columns[:1]:
        _refuse_frames(column, table, told=told)
    if table.width < 3:
        return 0
    if not columns:
        return 1 if _counts_in_decimals(table) else 0
    if told and all(map(_is_numbering, columns)):
        return len(columns)
    return 1 if counts_up(columns[0], (0, 1)) and len(columns[0]) >= _LONG_COUNT else 0


def _counts_in_decimals(table: Table) -> bool:
    """Whether the first column is 0.0, 1.0, 2.0 …, as pandas writes an index of floats."""
    if len(table.rows) < _LONG_COUNT:
        return False
    separator, at = table.text.separator, table.start
    return counts_up([row.text.split(separator, at + 1)[at] for row in table.rows], (0, 1))


def _whole_columns(table: Table) -> list[list[str]]:
    """The cells of the first columns, up to the first with decimals; at most one too many."""
    text, start = table.text, table.start
    first = text.cells(table.rows[0])[start : start + _MOST + 1]
    count = next((i for i, cell in enumerate(first) if not _is_whole(cell)), len(first))
    if not count:
        return []
    parts = (row.text.split(text.separator, start + count) for row in table.rows)
    rows = [[cell.strip() for cell in cells[start : start + count]] for cells in parts]
    columns = [list(column) for column in zip(*rows, strict=False)]
    wrong = (i for i, column in enumerate(columns) if not all(map(_is_whole, column)))
    return columns[: next(wrong, count)]


def _is_whole(cell: str) -> bool:
    """Whether a cell is a number without decimals."""
    return cell.strip().lstrip("+-").isdecimal()


def _is_numbering(column: list[str]) -> bool:
    """Whether whole numbers among decimals count the rows, or are the same in many of them."""
    return counts_up(column, None) or (len(column) >= _LONG_COUNT and len(set(column)) == 1)


def _refuse_frames(column: list[str], table: Table, *, told: bool) -> None:
    """Raise if a column has one number for each frame, or counts the rows of each."""
    if len(column) < _LONG_COUNT:
        return
    groups = [len(list(group)) for _, group in groupby(column)]
    if told and len(set(column)) == len(groups) > 1 and min(groups) == max(groups) > 1:
        _refuse(len(groups), groups[0], table)
    begins = [i for i, (a, b) in enumerate(pairwise(column), 1) if int(b) < int(a)]
    period = begins[0] if begins else 0
    if period >= _LONG_COUNT and counts_up(column[:period], (0, 1)):
        pieces = [column[at : at + period] for at in range(0, len(column), period)]
        if all(piece == column[: len(piece)] for piece in pieces):
            _refuse(len(pieces), period, table)


def _refuse(frames: int, rows: int, table: Table) -> None:
    raise UnsupportedImage(
        f"several frames: a column numbers {frames} of them, the second from line "
        f"{table.rows[rows].number} on; one file must hold one frame"
    )
