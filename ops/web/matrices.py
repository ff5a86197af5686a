"""Matrices of values as responses, of bounded size."""

from __future__ import annotations

import json
from collections.abc import Iterator
from math import ceil, sqrt
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from numpy.typing import NDArray

if TYPE_CHECKING:
    from storage.db.result_fields import ResultRow

#: Most values in a response, more than a Full HD image has; 8 MiB as float32.
MOST_PX: Final = 1 << 21
#: Values in a part of a JSON response.
PART_PX: Final = 1 << 14


def reduced(values: NDArray[np.float32]) -> tuple[NDArray[np.float32], int]:
    """An (H, W) array with at most `MOST_PX` values, and the step s.

    Each value is the highest of a square of s x s, so that no hot spot is lost; s = 1: all values.
    """
    height, width = values.shape
    step = max(1, ceil(sqrt(height * width / MOST_PX)))
    while ceil(height / step) * ceil(width / step) > MOST_PX:  # a very narrow image
        step += 1
    if step == 1:
        return values, 1
    rows = np.maximum.reduceat(values, np.arange(0, height, step), axis=0)
    return np.maximum.reduceat(rows, np.arange(0, width, step), axis=1), step


def matrix(
    request: Request,
    row: ResultRow,
    array: NDArray[np.float32],
    unit: str,
    source: str,
    *,
    step: int = 1,
    headers: dict[str, str],
) -> Response:
    """An (H, W) array as JSON or little-endian float32, whichever the request accepts."""
    height, width = array.shape
    sizes = {"X-Width": str(width), "X-Height": str(height), "X-Step": str(step)}
    headers = headers | sizes | {"X-Unit": unit, "X-Source": source, "Vary": "Accept"}
    if "application/octet-stream" in request.headers.get("accept", ""):
        data = np.ascontiguousarray(array, "<f4").tobytes()
        return Response(data, media_type="application/octet-stream", headers=headers)
    document = {
        "result_id": row.id,
        "width": width,
        "height": height,
        "step": step,
        "unit": unit,
        "source": source,
    }
    # in parts, because Python's floats take many times the memory of the array
    return StreamingResponse(
        _json_parts(document, array), media_type="application/json", headers=headers
    )


def _json_parts(document: dict[str, Any], array: NDArray[np.float32]) -> Iterator[str]:
    lines = max(1, PART_PX // array.shape[1])
    yield json.dumps(document, separators=(",", ":"))[:-1] + ',"values":['
    for first in range(0, len(array), lines):
        # nine digits distinguish all float32 values; more would double the size
        part = [
            [float(f"{value:.9g}") for value in line]
            for line in array[first : first + lines].tolist()
        ]
        comma = "," if first else ""
        yield comma + json.dumps(part, separators=(",", ":"))[1:-1]
    yield "]}"
