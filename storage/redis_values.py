"""Values that Redis holds for us and that are not what we wrote: discarded, never trusted.

Whoever can write to Redis, or a program that shares it, may overwrite any key with anything. Each
module checks what it reads; this one tells an error about a value from an outage, and deletes,
reports and counts what is refused.
"""

from __future__ import annotations

import logging
from typing import Final, Literal, cast

from redis import Redis, RedisError
from redis.exceptions import ResponseError

log = logging.getLogger(__name__)

#: What is checked; the values of the metric's label.
Kind = Literal["window", "note", "durations", "heartbeat", "job", "queue"]
KINDS: Final[tuple[Kind, ...]] = ("window", "note", "durations", "heartbeat", "job", "queue")
#: A hash: kind → number of values that were refused.
KEY: Final = "thermalwatch:refused"
#: Most characters of a value that a warning quotes.
_QUOTED: Final = 120
#: What Redis says about a command or a script that met a value of another type or format.
_MALFORMED: Final = (
    "WRONGTYPE",
    "MALFORMED",  # said by our scripts
    "not an integer",
    "not a valid float",
    "not a float",
    "would overflow",
    "would produce NaN or Infinity",
    "attempt to ",  # Lua: arithmetic on nil, comparison of other types
    "bad argument",
    "invalid value",
    "too many results to unpack",
)


def is_malformed(error: object) -> bool:
    """Whether a command failed because of a key's value, not because of Redis itself."""
    return isinstance(error, ResponseError) and any(words in str(error) for words in _MALFORMED)


def text_of(value: bytes) -> str | None:
    """The text that `value` is in UTF-8; None if it is none."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return None


def count_refusal(redis: Redis, kind: Kind, name: str, why: object) -> None:
    """Log and count a value that was refused and deleted.

    Raises:
        redis.RedisError: Redis cannot be reached.
    """
    log.warning("discarded %s from Redis, which %s", name, str(why)[:_QUOTED])
    try:
        redis.hincrby(KEY, kind, 1)
    except RedisError as error:
        if not is_malformed(error):
            raise
        redis.delete(KEY)
        redis.hincrby(KEY, kind, 1)


def discard(
    redis: Redis, kind: Kind, name: str, why: object, *, key: str | bytes | None = None
) -> None:
    """Delete a key whose value is not what we wrote, and report it under its name.

    Raises:
        redis.RedisError: Redis cannot be reached.
    """
    redis.delete(name if key is None else key)
    count_refusal(redis, kind, name, why)


def refusals(redis: Redis) -> dict[str, int]:
    """Number of values refused so far, by kind.

    Raises:
        redis.RedisError: Redis cannot be reached.
    """
    try:
        found = cast("list[bytes | None]", redis.hmget(KEY, list(KINDS)))
    except RedisError as error:
        if not is_malformed(error):
            raise
        found = [None] * len(KINDS)
    return {kind: _number(text) for kind, text in zip(KINDS, found, strict=True)}


def _number(text: bytes | None) -> int:
    return int(text) if text and text.isdigit() and len(text) < 16 else 0
