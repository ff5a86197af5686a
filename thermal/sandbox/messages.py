"""What a worker and its decoder processes send one another: a JSON head, then raw bytes.

Several small files go in one message, because a message costs as much as decoding one of them. No
pickle: the decoder reads files of strangers, so what it sends is checked like they are.
"""

from __future__ import annotations

import json
import math
import socket
import struct
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, get_args

import numpy as np

from thermal.decode import DecodeOptions
from thermal.frame import CaptureSource, Frame, LinearScale, TemperatureSource, Unit
from thermal.measurement import UNKNOWN, MeasurementParameters

#: Bytes of the head and of the body.
_SIZES: Final = struct.Struct("<IQ")
#: Longest head in bytes.
LONGEST_HEAD: Final = 1 << 20
#: Longest message of an error in characters.
LONGEST_TEXT: Final = 1000
#: Exit status of a decoder process that has too little memory for a message.
NO_MEMORY: Final = 77
_UNITS: Final = get_args(Unit)
_TEMPERATURE_SOURCES: Final = (None, *get_args(TemperatureSource))
_CAPTURE_SOURCES: Final = (None, *get_args(CaptureSource))
_COUNTERS: Final = ("saturated_px", "under_range_px", "unusable_px")


class BadMessage(Exception):
    """The other side sent something that is not a message."""


@dataclass(frozen=True)
class Failed:
    """A file that could not be decoded: the error's class and message."""

    kind: str
    text: str


def send(connection: socket.socket, head: bytes, body: Sequence[bytes | memoryview] = ()) -> None:
    """Send one message. Raises `OSError`."""
    parts = [_SIZES.pack(len(head), sum(map(len, body))) + head, *body]
    sent = connection.sendmsg(parts)
    for part in parts:
        if sent < len(part):
            connection.sendall(memoryview(part)[sent:])
        sent = max(0, sent - len(part))


def receive_head(connection: socket.socket) -> tuple[bytes, int] | None:
    """A message's head and the bytes of its body, which follow; None if the other side has closed.

    Raises:
        OSError: the connection failed.
        BadMessage: the head is too long.
    """
    sizes = bytearray(_SIZES.size)
    if not receive_into(connection, memoryview(sizes)):
        return None
    length, body_bytes = _SIZES.unpack(sizes)
    if length > LONGEST_HEAD:
        raise BadMessage(f"a head of {length} bytes")
    head = bytearray(length)
    return (bytes(head), body_bytes) if receive_into(connection, memoryview(head)) else None


def receive_into(connection: socket.socket, target: memoryview) -> bool:
    """Fill `target`; False if the other side closes first. Raises `OSError`."""
    while target:
        received = connection.recv_into(target)
        if not received:
            return False
        target = target[received:]
    return True


@lru_cache(maxsize=256)
def _options_text(options: DecodeOptions) -> str:
    return json.dumps(asdict(options))


def request_head(files: Sequence[tuple[int, str]], options: DecodeOptions) -> bytes:
    """The head of a request to decode files of these (bytes, suffix) with the same options."""
    return f'{{"files": {json.dumps(files)}, "options": {_options_text(options)}}}'.encode()


def read_request_head(head: bytes) -> tuple[list[tuple[int, str]], DecodeOptions]:
    """The (bytes, suffix) of the files of a request, and their options."""
    values = json.loads(head)
    options = values["options"]
    if options["scale"] is not None:
        options["scale"] = LinearScale(**options["scale"])
    options["decoder"] = tuple(options["decoder"])
    options["parameters"] = MeasurementParameters(**options["parameters"])
    return [(size, suffix) for size, suffix in values["files"]], DecodeOptions(**options)


def answer_head(results: Sequence[Frame | Failed]) -> bytes:
    """The head of an answer; the body holds the values of the frames, one after the other."""
    return json.dumps([_described(result) for result in results]).encode()


def _described(result: Frame | Failed) -> dict[str, object]:
    if isinstance(result, Failed):
        return {"error": result.kind, "text": result.text[:LONGEST_TEXT]}
    values: dict[str, object] = {
        "shape": result.shape,
        "unit": result.unit,
        "bit_depth": result.bit_depth,
        "temperature_source": result.temperature_source,
        **{name: getattr(result, name) for name in _COUNTERS},
    }
    if result.captured_at is not None:
        values["captured_at"] = result.captured_at.isoformat()
        values["captured_at_source"] = result.captured_at_source
    if result.parameters != UNKNOWN:
        values["parameters"] = result.parameters.known()
    if result.metadata:
        values["metadata"] = dict(result.metadata)
    return values


def read_answer_head(
    head: bytes, body_bytes: int, *, files: int, max_pixels: int
) -> tuple[list[Frame | Failed], memoryview]:
    """The results that an answer's head describes, and the memory of their values, to be filled.

    Raises:
        BadMessage: it is no answer to a request of `files` files.
    """
    try:
        described = json.loads(head)
        if not isinstance(described, list) or len(described) != files:
            raise BadMessage("the head is no list of as many results as files")
        areas = [0 if "error" in each else _area(each, max_pixels) for each in described]
        if body_bytes != 4 * sum(areas):
            raise BadMessage("the body does not hold the values of the frames")
        values = np.empty(sum(areas), np.float32)
        results, start = list[Frame | Failed](), 0
        for each, area in zip(described, areas, strict=True):
            if area:
                part = values[start : start + area].reshape(each["shape"])
                results.append(_frame(each, part))
            else:
                results.append(Failed(str(each["error"]), str(each.get("text", ""))))
            start += area
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise BadMessage("the head describes no results") from error
    return results, memoryview(values.data).cast("B")


def _area(described: Mapping[str, Any], max_pixels: int) -> int:
    height, width = described["shape"]
    if not (isinstance(height, int) and isinstance(width, int) and min(height, width) > 0):
        raise BadMessage("a frame without pixels")
    if height * width > max_pixels:
        raise BadMessage("a frame larger than the limit")
    return math.prod((height, width))


def _frame(described: Mapping[str, Any], values: np.ndarray[Any, np.dtype[np.float32]]) -> Frame:
    unit, source = described["unit"], described["temperature_source"]
    bit_depth, at = described["bit_depth"], described.get("captured_at")
    counters = {name: described[name] for name in _COUNTERS}
    at_source, metadata = described.get("captured_at_source"), described.get("metadata", {})
    parameters = described.get("parameters")
    if (
        unit not in _UNITS
        or source not in _TEMPERATURE_SOURCES
        or at_source not in _CAPTURE_SOURCES
        or not isinstance(bit_depth, int)
        or not all(isinstance(px, int) and 0 <= px <= values.size for px in counters.values())
        or not all(isinstance(value, str | int | float) for value in metadata.values())
    ):
        raise BadMessage("the head describes no frame")
    captured_at = None if at is None else datetime.fromisoformat(at)
    return Frame(
        values,
        unit,
        bit_depth,
        source,
        captured_at,
        at_source,
        **counters,
        parameters=MeasurementParameters(**parameters) if parameters else UNKNOWN,
        metadata=metadata,
    )
