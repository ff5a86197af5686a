"""The cells of a table: numbers as cameras, spreadsheets and programming languages write them."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final, Literal

Unit = Literal["celsius", "kelvin", "fahrenheit"]

_UNITS: Final[dict[str, Unit]] = {"c": "celsius", "k": "kelvin", "f": "fahrenheit"}

#: A number with either decimal mark, and an optional unit: degree signs as UTF-8, Latin-1 and wrong
#: conversions between them leave them.
_NUMBER: Final = re.compile(
    r"([<>≤≥]=?)?\s*([+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:e[+-]?\d+)?)"
    r"\s*(?:(?:\u00c2?[°º]|deg\.?|\ufffd)?\s*([cfk])|[℃℉])?",
    re.IGNORECASE | re.ASCII,
)

#: What programs write where the camera had no value.
_MISSING: Final = re.compile(
    r"|[-–—]+|\*+|\?+|\.{2,}|#?n/?a|#nv|[-+]?nan(\(ind\))?|null|none|nil|#[a-z/0]+[!?]",
    re.IGNORECASE,
)
_OVER: Final = re.compile(r"\+?(ol|inf(inity)?|over(flow|range)?|∞)", re.IGNORECASE)
_UNDER: Final = re.compile(r"-(ol|inf(inity)?|∞)|ul|under(flow|range)?", re.IGNORECASE)

#: Quotes and brackets around cells of a list that a program printed, and of text in Excel (="1.5").
_AROUND: Final = " \t\u00a0\"'[](){}="


@dataclass(frozen=True)
class Cell:
    """What a cell says."""

    #: NaN where there is no value; infinite where it is beyond what the camera measures
    value: float
    unit: Unit | None = None  #: if the cell names one

    @property
    def is_number(self) -> bool:
        """Whether it states a value."""
        return not math.isnan(self.value)


def read_cell(text: str) -> Cell | None:
    """The value in a cell; None if it is neither a number nor a sign that one is missing."""
    try:
        return Cell(float(text.replace(",", ".")))  # nearly always
    except ValueError:
        pass
    text = text.strip(_AROUND).replace("−", "-")
    match = _NUMBER.fullmatch(text)
    if match is not None:
        unit = _UNITS.get((match[3] or {"℃": "c", "℉": "f"}.get(text[-1], "")).lower())
        if match[1]:
            return Cell(math.copysign(math.inf, 1 if match[1][0] in ">≥" else -1), unit)
        return Cell(float(match[2].replace(",", ".")), unit)
    if _MISSING.fullmatch(text):
        return Cell(math.nan)
    if _OVER.fullmatch(text):
        return Cell(math.inf)
    return Cell(-math.inf) if _UNDER.fullmatch(text) else None


def is_number(text: str) -> bool:
    """Whether a cell states a value."""
    cell = read_cell(text)
    return cell is not None and cell.is_number


def numbers_in(cells: list[str]) -> int:
    """How many cells state a value."""
    return sum(map(is_number, cells))


def is_row(cells: list[str]) -> bool:
    """Whether every cell but a label at the front is a number or says that one is missing."""
    return all(read_cell(cell) is not None for cell in cells[1:])
