"""How results.csv is written, whoever writes it.

Text is quoted, unknown is empty, a number is written as the shortest text that reads back as
exactly the same float64 (`37`, `0.1`, `1e-7`), a time is RFC 3339 in UTC to the microsecond. A text
that a spreadsheet would run as a formula gets a leading apostrophe.
"""

from __future__ import annotations

import io
import re
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute
from pyarrow.csv import WriteOptions, write_csv

from storage.results.record_batches import SCHEMA

#: A spreadsheet runs a text that begins so as a formula (OWASP, CSV Injection).
FORMULA_STARTS: Final = ("=", "+", "-", "@")
#: Characters that some readers take for the end of a line or of a cell, even between quotes: what
#: follows would be a cell of its own, perhaps a formula. They are written as in Python (``\r``).
CONTROL: Final = re.compile("[\0-\x1f\x7f\x85\u2028\u2029]")

_FORMULA: Final = f"^[{''.join(FORMULA_STARTS).replace('-', chr(92) + '-')}]"
_FORMULA_BYTES: Final = np.frombuffer("".join(FORMULA_STARTS).encode(), np.uint8)
_OPTIONS: Final = WriteOptions(include_header=False)


def csv_header(schema: Any = SCHEMA) -> bytes:
    """The first line of the file."""
    return (",".join(schema.names) + "\n").encode()


def csv_lines(batch: Any) -> bytes:
    """The lines of a `pyarrow.RecordBatch` of texts, numbers, booleans and times, in UTF-8."""
    cells = [_as_csv(column) for column in batch.columns]
    lines = io.BytesIO()
    write_csv(pa.record_batch(cells, batch.schema.names), lines, _OPTIONS)
    return lines.getvalue()


def _as_csv(array: Any) -> Any:
    if pa.types.is_timestamp(array.type):  # pyarrow writes 2026-07-01 12:00:00.250000Z
        return compute.utf8_replace_slice(array.cast(pa.string()), 10, 11, "T")
    return _without_formulas(_printable(array)) if pa.types.is_string(array.type) else array


def _printable(texts: Any) -> Any:
    """The texts without control characters."""
    characters, _ = _characters(texts)
    if CONTROL.search(characters.decode("utf-8", "replace")) is None:
        return texts
    return pa.array(
        [text and CONTROL.sub(_escaped, text) for text in texts.to_pylist()], pa.string()
    )


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")


def _without_formulas(texts: Any) -> Any:
    characters, starts = _characters(texts)
    if not np.isin(np.frombuffer(characters, np.uint8)[starts], _FORMULA_BYTES).any():
        return texts
    formulas = compute.match_substring_regex(texts, _FORMULA)
    return compute.if_else(formulas, compute.binary_join_element_wise("'", texts, ""), texts)


def _characters(texts: Any) -> tuple[bytes, NDArray[np.int32]]:
    """The UTF-8 of all texts, and the offsets in it of the texts that are not empty.

    One look at all of it is several times as fast as a look at each text.
    """
    _, offsets, data = texts.buffers()
    if not len(texts) or data is None:
        return b"", np.empty(0, np.int32)
    bounds = np.frombuffer(offsets, np.int32)[texts.offset : texts.offset + len(texts) + 1]
    first, last = int(bounds[0]), int(bounds[-1])
    starts = bounds[:-1][bounds[:-1] < bounds[1:]] - first
    return bytes(memoryview(data)[first:last]), starts
