"""How decisions travel between a worker and the script in Redis; what comes back is checked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import cast

from storage.redis_values import is_malformed
from thermal.threshold import Decision

#: Most characters of a decision, a frame id or an epoch.
_MAX_TEXT = 400


@dataclass(frozen=True)
class Decided:
    """The decisions of one call for one stream."""

    epoch: str
    decisions: Mapping[str, Decision]  #: by frame id, in the order of the request
    open_decisions: Mapping[str, Decision]  #: of other batches, perhaps not committed


class MalformedReply(Exception):
    """What the script answered about a stream cannot come from what it wrote."""


def from_reply(frame_ids: Sequence[str], reply: object) -> Decided | None:
    """The answer of the script; None if Redis does not hold the stream.

    Raises:
        MalformedReply: the stream's keys hold something else.
        redis.RedisError: the script did not run.
    """
    if isinstance(reply, Exception):
        if is_malformed(reply):
            raise MalformedReply(f"fails the script: {reply}")
        raise reply
    if not reply:
        return None
    epoch, decisions, others = cast("tuple[bytes, list[bytes], list[bytes]]", reply)
    try:
        return Decided(
            epoch=_name(epoch),
            decisions=dict(zip(frame_ids, map(from_wire, decisions), strict=True)),
            open_decisions={
                _name(others[i]): from_wire(others[i + 1]) for i in range(0, len(others), 2)
            },
        )
    except (ValueError, TypeError, IndexError, AttributeError) as error:
        raise MalformedReply(f"holds no decision in its place: {error}") from None


def _name(text: bytes) -> str:
    """A frame id or an epoch."""
    name = text.decode("ascii") if len(text) <= _MAX_TEXT else ""
    if not name.isprintable() or not name:
        raise ValueError("a name of unprintable characters, or too long")
    return name


def number_text(number: float) -> str:
    return format(number, ".17g")


def to_wire(decision: Decision) -> str:
    return " ".join(
        [
            str(decision.seq),
            *map(number_text, (decision.score, decision.previous_threshold)),
            *map(number_text, (decision.threshold, decision.body)),
            *map(str, (decision.window_n, decision.exceeding)),
            *map(str, map(int, (decision.anomaly, decision.learning, decision.held))),
        ]
    )


def from_wire(text: bytes) -> Decision:
    if len(text) > _MAX_TEXT:
        raise ValueError(f"{len(text)} characters")
    fields = text.decode("ascii").split()
    seq, score, previous, threshold, body, n, exceeding, anomaly, learning, held = fields
    return Decision(
        seq=_count(seq),
        score=finite(score),
        previous_threshold=finite(previous),
        threshold=finite(threshold),
        body=finite(body),
        window_n=_count(n),
        exceeding=_count(exceeding),
        anomaly=_flag(anomaly),
        learning=_flag(learning),
        held=_flag(held),
    )


def finite(text: str | bytes | float) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{number} is not finite")
    return number


def _count(text: str) -> int:
    number = int(text)
    if not 0 <= number < 2**53:  # Lua counts in doubles
        raise ValueError(f"{number} is not a number of frames")
    return number


def _flag(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError(f"{text!r} is neither 0 nor 1")
    return text == "1"
