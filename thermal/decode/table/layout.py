"""Where the image is in a text: headings and settings before it, labels beside it, totals below it.

Anything that would make a part of something else look like an image is an error that names the
line: rows that differ in length, several frames in one file, cells that are no numbers.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from thermal.decode.table.cells import is_number, is_row, numbers_in, read_cell
from thermal.decode.table.lines import Line, Text
from thermal.errors import CorruptImage, UnsupportedImage

#: Numbers that must agree in their decimals before these are taken for the file's format.
_ENOUGH_NEIGHBOURS: Final = 8

#: Columns or rows whose numbers 0, 1, 2 … are taken for a heading where decimals don't tell.
_LONG_COUNT: Final = 8


@dataclass(frozen=True)
class Table:
    """The lines of the image, and what is around it."""

    text: Text
    rows: tuple[Line, ...]
    headings: tuple[list[str], ...]  #: the cells of the lines directly above the rows
    around: tuple[str, ...]  #: all other lines of the file
    start: int  #: the first column that holds pixels, from 0
    width: int  #: of the image in pixels


def find_table(text: Text) -> Table:
    """The rows of the image in a text.

    Raises `CorruptImage` for rows of differing lengths or a truncated file, `UnsupportedImage` for
    several frames.
    """
    width = _width(text)
    fits = [_fits(text, line, width) for line in text.lines]
    runs = _runs(fits)
    if not runs:
        raise CorruptImage("cut off, or no matrix: no two lines have the same number of cells")
    bodies = [_without_headings(text, start, end) for start, end in runs]
    first, end = max(bodies, key=lambda body: body[1] - body[0])
    _refuse_other_lengths(text, fits, first, end)
    if end - first < 2:
        raise CorruptImage("cut off, or no matrix: fewer than two rows of equal length")
    _refuse_several(text, bodies)
    rows = text.lines[first:end]
    above = text.lines[max(start for start, _ in runs if start <= first) : first]
    _refuse_gaps(rows)
    _refuse_repeated(above, rows)
    headings = tuple(map(text.cells, above))
    around = tuple(line.text for line in (*text.lines[:first], *text.lines[end:]))
    start = 1 if _has_labels(text, rows, headings) else 0
    if width - start < 2:
        raise CorruptImage("cut off, or no matrix: fewer than two columns of numbers")
    table = Table(text, rows, headings, around, start, width - start)
    if not text.complete and end == len(text.lines):
        _refuse_cut_end(table)
    return table


def _count(text: Text, line: Line) -> int:
    return line.text.count(text.separator) + 1


def _ends_empty(text: Text, line: Line) -> bool:
    return line.text.rstrip(" \u00a0").endswith(text.separator)


def _width(text: Text) -> int:
    """The number of cells of a row, not counting an empty one at its end."""
    found = Counter(_count(text, line) - _ends_empty(text, line) for line in text.lines)
    return max(found, key=lambda width: (width * found[width], found[width]))


def _fits(text: Text, line: Line, width: int) -> bool:
    count = _count(text, line)
    return count == width or (count == width + 1 and _ends_empty(text, line))


def _runs(fits: list[bool]) -> list[tuple[int, int]]:
    """(start, end) of each series of true values."""
    edges = [i for i, (a, b) in enumerate(pairwise([False, *fits, False])) if a != b]
    return list(zip(edges[::2], edges[1::2], strict=True))


def _without_headings(text: Text, start: int, end: int) -> tuple[int, int]:
    """(start, end) of a series of lines without the headings above it and the totals below it."""
    first, last = start, end
    while first < end:
        cells = text.cells(text.lines[first])
        following = text.cells(text.lines[first + 1]) if first + 1 < end else []
        if not (
            _is_text(cells)
            or _counts_columns(cells, following)
            or (first > start and _is_blank(cells))
        ):
            break
        first += 1
    while last - first > 2:
        cells = text.cells(text.lines[last - 1])
        if not (_is_text(cells) or (last < end and _is_blank(cells))):
            break
        last -= 1
    return first, last


def _is_text(cells: list[str]) -> bool:
    """Whether this is a line of names, or of a name and its value, rather than a row of pixels."""
    return 2 * numbers_in(cells) < len(cells) and any(read_cell(cell) is None for cell in cells)


def _is_blank(cells: list[str]) -> bool:
    """Whether there is nothing between the separators."""
    return not any(map(str.strip, cells))


def _counts_columns(cells: list[str], following: list[str]) -> bool:
    """Whether the cells are 0, 1, 2 … or 1, 2, 3 …, perhaps after a first one that is no number."""
    labelled = not is_number(cells[0])
    numbers = [cell for cell in cells[labelled:] if cell.strip()]
    if not numbers or not counts_up([cell.strip() for cell in numbers], (0, 1)):
        return False
    if labelled or len(numbers) >= _LONG_COUNT:
        return True
    return all(map(_is_bare, numbers)) and not any(map(_is_bare, following))


def counts_up(cells: list[str], starts: tuple[int, ...] | None) -> bool:
    """Whether cells are whole numbers that go up by one, from one of `starts` if given."""
    try:
        numbers = [float(cell.replace(",", ".")) for cell in cells]
    except ValueError:
        return False
    begins = starts is None or numbers[0] in starts
    return begins and all(b - a == 1 for a, b in pairwise(numbers))


def _is_bare(cell: str) -> bool:
    """Whether a cell is a whole number without decimals."""
    return cell.strip().lstrip("+-").isdecimal()


def _refuse_other_lengths(text: Text, fits: list[bool], first: int, end: int) -> None:
    """Raise for lines that look like rows with too few or too many cells."""
    width = _count(text, text.lines[first]) if first < end else 0
    for index, line in enumerate(text.lines):
        if fits[index]:
            continue
        cells = text.cells(line)
        numbers = numbers_in(cells)
        is_last = index == len(text.lines) - 1
        if is_last and not text.complete and numbers and numbers >= len(cells) - 1:
            raise CorruptImage(f"cut off: the file ends inside line {line.number}")
        after_row = index >= end > 0 and fits[index - 1] and not _is_gap(text, index)
        if (2 * len(cells) > width and 2 * numbers > width) or (
            after_row and numbers == len(cells) > 1
        ):
            raise CorruptImage(
                f"the rows of the matrix differ in length: line {line.number} has {len(cells)} "
                f"cells, others have {width}{_decimal_comma_hint(text, line)}"
            )


def _is_gap(text: Text, index: int) -> bool:
    return text.lines[index].number - text.lines[index - 1].number > 1


def _decimal_comma_hint(text: Text, line: Line) -> str:
    if text.separator == "," and "." not in line.text and "," in line.text:
        return "; decimal commas need another separator, such as a semicolon"
    return ""


def _refuse_several(text: Text, bodies: list[tuple[int, int]]) -> None:
    """Raise if other series of lines are images too."""
    frames = [
        (first, end)
        for first, end in bodies
        if end - first >= 2 and is_row(text.cells(text.lines[first]))
    ]
    if len(frames) > 1:
        line = text.lines[frames[1][0]].number
        raise UnsupportedImage(
            f"several frames: {len(frames)} blocks of numbers, the second from line {line} on; "
            "one file must hold one frame"
        )


def _refuse_gaps(rows: tuple[Line, ...]) -> None:
    """Raise if blank lines divide the rows into blocks; one after each row is fine."""
    gaps = [b.number for a, b in pairwise(rows) if b.number - a.number > 1]
    if gaps and len(gaps) < len(rows) - 1:
        raise UnsupportedImage(
            f"several frames: blank lines divide the numbers into {len(gaps) + 1} blocks, the "
            f"second from line {gaps[0]} on; one file must hold one frame"
        )


def _refuse_repeated(headings: tuple[Line, ...], rows: tuple[Line, ...]) -> None:
    """Raise if a heading comes again between the rows."""
    again = [[row.number for row in rows if row.text == heading.text] for heading in headings]
    frames = 1 + max(map(len, again), default=0)
    if frames > 1:
        line = min(number for numbers in again for number in numbers)
        raise UnsupportedImage(
            f"several frames: {frames} of them have the headings, the second from line {line} on; "
            "one file must hold one frame"
        )


def _has_labels(text: Text, rows: tuple[Line, ...], headings: tuple[list[str], ...]) -> bool:
    """Whether the first column holds labels or row numbers, not pixels."""
    if headings and (_blank_corner(headings[-1]) or _counts_after_label(headings[-1])):
        return True
    labels = [row.text.split(text.separator, 1)[0] for row in rows]
    named = [label for label in labels if label.strip()]
    if any(map(is_number, named)):
        return False
    _refuse_frame_labels(rows, labels)
    return len(named) == 0 or not all(read_cell(label) is not None for label in named)


def _blank_corner(heading: list[str]) -> bool:
    return not heading[0].strip() and all(cell.strip() for cell in heading[1:-1])


def _counts_after_label(heading: list[str]) -> bool:
    return not is_number(heading[0]) and _counts_columns(heading, [])


def _refuse_frame_labels(rows: tuple[Line, ...], labels: list[str]) -> None:
    """Raise if labels such as «Frame 2» begin several groups of rows."""
    begins = [
        (row.number, label.strip())
        for row, label, before in zip(rows, labels, ["", *labels], strict=False)
        if label.strip() and label.strip() != before.strip()
    ]
    if 1 < len(begins) <= len(rows) // 2 and len({label for _, label in begins}) > 1:
        number, label = begins[1]
        raise UnsupportedImage(
            f"several frames: {len(begins)} of them are labelled, the second, «{label[:40]}», from "
            f"line {number} on; one file must hold one frame"
        )


def _refuse_cut_end(table: Table) -> None:
    """Raise if the last row, which has no line end, is not whole."""
    last = table.rows[-1]
    cells = table.text.cells(last)[: table.start + table.width]
    cell = read_cell(cells[-1])
    if cell is None or not cells[-1].strip(" -+"):
        raise CorruptImage(f"cut off: the file ends inside line {last.number}")
    before = table.text.cells(table.rows[-2])[table.start : table.start + table.width]
    *neighbours, decimals = (_decimals(each) for each in before + cells[table.start :])
    agree = len(neighbours) >= _ENOUGH_NEIGHBOURS and len(set(neighbours)) == 1
    if agree and decimals < neighbours[0]:
        raise CorruptImage(f"cut off: the file ends inside a number, in line {last.number}")


def _decimals(cell: str) -> int:
    return len(cell.strip().replace(",", ".").partition(".")[2])
