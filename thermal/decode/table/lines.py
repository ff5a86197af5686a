"""Bytes to lines and cells: the encoding of a text, its line ends, and what separates its cells."""

from __future__ import annotations

import codecs
import csv
import re
from dataclasses import dataclass
from typing import Final

from thermal.decode.table.cells import is_row, numbers_in
from thermal.errors import CorruptImage, ImageTooLarge, UnsupportedImage

#: Most line ends in a file; each costs memory before anything is known about the matrix.
_MAX_LINES: Final = 1 << 20

#: Separators in the order in which they are preferred; a blank stands for any white space.
_SEPARATORS: Final = (";", "\t", ",", "|", " ")

#: Lines, and characters of each, that are looked at to choose the separator.
_SAMPLE_LINES, _SAMPLE_CHARACTERS = 12, 100

_CELL_END: Final = re.compile(r"[;,|\t ]")

_MARKS: Final = {
    codecs.BOM_UTF8: "utf-8",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}


@dataclass(frozen=True)
class Line:
    """A line that is not blank."""

    number: int  #: from 1, as editors count
    text: str


@dataclass(frozen=True)
class Text:
    """The lines of a file, and how they are taken apart."""

    lines: tuple[Line, ...]
    separator: str  #: one character; cells that were quoted or between blanks are between tabs
    complete: bool  #: the last line has a line end

    def cells(self, line: Line) -> list[str]:
        """The cells of a line."""
        return line.text.split(self.separator)


def read_text(data: bytes) -> Text:
    """The lines of a text file that is not empty.

    Raises `UnsupportedImage` if it is not text, `ImageTooLarge` for too many lines, and
    `CorruptImage` if all lines are blank.
    """
    if data.count(b"\n") + data.count(b"\r") > _MAX_LINES:
        raise ImageTooLarge(f"more than {_MAX_LINES:,} lines are no image")
    text = _decoded(data).replace("\r\n", "\n").replace("\r", "\n")
    lines = [Line(n, each) for n, each in enumerate(text.split("\n"), 1) if each.strip()]
    named = ""
    if lines and (start := lines[0].text.strip().lower()).startswith("sep=") and len(start) == 5:
        named = lines.pop(0).text.strip()[-1]  # how spreadsheets are told
    if not lines:
        raise CorruptImage("cut off, or no matrix: the file holds blank lines only")
    quoted = '"' in text
    separator = named or _separator(lines, quoted=quoted)
    if quoted or separator == " ":
        parts = ((line, split(line.text, separator, quoted=quoted)) for line in lines)
        lines = [Line(line.number, "\t".join(cells)) for line, cells in parts]
        separator = "\t"
    return Text(tuple(lines), separator, text.endswith("\n"))


def _decoded(data: bytes) -> str:
    for mark, encoding in _MARKS.items():
        if data.startswith(mark):
            return data.removeprefix(mark).decode(encoding, "replace")
    if b"\0" in data:
        head = data[:4096]
        for first_zero, encoding in ((1, "utf-16-le"), (0, "utf-16-be")):
            if len(head) > 3 and not any(head[first_zero::2]) and all(head[1 - first_zero :: 2]):
                return data.decode(encoding, "replace")
        raise UnsupportedImage("a matrix must be text in UTF-8, UTF-16 or Latin-1")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        return data.decode("latin-1")


def _separator(lines: list[Line], *, quoted: bool) -> str:
    """What takes lines apart into most numbers and nothing else, but for a label at the front."""
    step = -(-len(lines) // _SAMPLE_LINES)
    sample = [_beginning(line.text) for line in lines[::-1][::step]]

    def numbers(separator: str) -> int:
        rows = (split(text, separator, quoted=quoted) for text in sample)
        return sum(numbers_in(cells) for cells in rows if len(cells) > 1 and is_row(cells))

    present = [mark for mark in _SEPARATORS if any(mark in text for text in sample)]
    return max(present, key=numbers) if len(present) > 1 else "".join(present) or ","


def _beginning(text: str) -> str:
    """The first cells of a line. A cell that is cut at its decimal comma is still a number."""
    end = _CELL_END.search(text, _SAMPLE_CHARACTERS)
    return text[: end.start()] if end else text


def split(text: str, separator: str, *, quoted: bool) -> list[str]:
    """The cells of a line."""
    if separator == " ":
        return text.split()
    if quoted and '"' in text:
        reader = csv.reader([text], delimiter=separator, skipinitialspace=True)
        try:
            return next(reader)
        except csv.Error:  # longer than a cell may be
            return text.split(separator)
    return text.split(separator)
