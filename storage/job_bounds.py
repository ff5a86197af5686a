"""Bounds of a job in Redis, checked before RQ unpacks it.

RQ reads every field of a job's hash, inflates and parses it. Whoever can write to Redis could make
that take all memory, or make a job come back a billion times. Our jobs are small and have few
fields; whatever exceeds that is no job of ours.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from typing import Final, cast

from redis import Redis

from storage.errors import InvalidMessage
from storage.queue import (
    FAILURE_TTL_S,
    FRAME_TIMEOUT_S,
    JOB_TIMEOUT_S,
    MAX_DATA_BYTES,
    MAX_FRAMES,
    RETRIES,
)

#: Most bytes of a job's hash: compressed frame ids, times, and the text of an error.
MAX_JOB_BYTES: Final = 256 * 1024
#: Most bytes that the text of an error may inflate to.
MAX_ERROR_BYTES: Final = 1024 * 1024

#: Fields that RQ writes about a job without dependencies, repeats, results and rate limits.
_TEXTS: Final = frozenset(
    {
        "allow_dependency_failures",
        "created_at",
        "description",
        "ended_at",
        "enqueued_at",
        "failure_callback_name",
        "group_id",
        "last_heartbeat",
        "origin",
        "started_at",
        "status",
        "stopped_callback_name",
        "success_callback_name",
        "worker_name",
    }
)
#: Fields that are numbers, with their largest value.
_NUMBERS: Final = {
    "enqueue_at_front": 1,
    "enqueue_at_front_on_retry": 1,
    "failure_callback_timeout": 3600,
    "failure_ttl": 365 * 24 * 3600,  # RQ's default for jobs of other programs
    "number_of_retries": RETRIES,
    "result_ttl": FAILURE_TTL_S,
    "retries_left": RETRIES,
    "stopped_callback_timeout": 3600,
    "success_callback_timeout": 3600,
    "timeout": JOB_TIMEOUT_S + FRAME_TIMEOUT_S * MAX_FRAMES,
}
#: Fields that are compressed, with the most bytes that they may inflate to.
_COMPRESSED: Final = {"data": MAX_DATA_BYTES, "exc_info": MAX_ERROR_BYTES}
#: Field with the pauses between retries: none, as JSON.
_PAUSES: Final = {"retry_intervals": b"[0]"}
_FIELDS: Final = _TEXTS | _NUMBERS.keys() | _COMPRESSED.keys() | _PAUSES.keys()

#: Reads a hash whole, unless it has too many fields or bytes.
_READ: Final = """
local fields = redis.call('HLEN', KEYS[1])
if fields > tonumber(ARGV[1]) then
  return redis.error_reply('MALFORMED it has ' .. fields .. ' fields')
end
local size = 0
for _, field in ipairs(redis.call('HKEYS', KEYS[1])) do
  size = size + #field + redis.call('HSTRLEN', KEYS[1], field)
end
if size > tonumber(ARGV[2]) then
  return redis.error_reply('MALFORMED it has ' .. size .. ' bytes')
end
return redis.call('HGETALL', KEYS[1])
"""


def read_job(redis: Redis, key: bytes | str) -> dict[bytes, bytes]:
    """The hash of a job; empty if there is none.

    Raises:
        redis.ResponseError: it is too large (`storage.redis_values.is_malformed`).
        redis.RedisError: Redis cannot be reached.
    """
    script = redis.register_script(_READ)
    flat = cast("list[bytes]", script(keys=[key], args=[len(_FIELDS), MAX_JOB_BYTES]))
    return dict(zip(flat[::2], flat[1::2], strict=True))


def check_job(found: Mapping[bytes, bytes]) -> None:
    """Check the fields of a job's hash.

    Raises:
        InvalidMessage: it is not a job of ours.
    """
    for name, value in found.items():
        field = name.decode("ascii", "replace")
        if field not in _FIELDS:
            raise InvalidMessage(f"has the field {field!r}")
        if field in _NUMBERS and value and not _is_number(value, _NUMBERS[field]):
            raise InvalidMessage(f"has {value[:20]!r} as {field}")
        if field in _COMPRESSED and not _inflates_within(value, _COMPRESSED[field]):
            raise InvalidMessage(f"has more than {_COMPRESSED[field]} bytes of {field}")
        if field in _PAUSES and value not in (_PAUSES[field], b"null"):
            raise InvalidMessage(f"has {value[:20]!r} as {field}")
    if b"data" not in found:
        raise InvalidMessage("has no data")


def _is_number(text: bytes, most: int) -> bool:
    digits = text.removeprefix(b"-")
    return digits.isdigit() and len(digits) < 16 and int(text) <= most


def _inflates_within(value: bytes, most: int) -> bool:
    inflating = zlib.decompressobj()
    try:
        inflated = inflating.decompress(value, most + 1)
    except zlib.error:
        return len(value) <= most  # RQ takes it as it is
    return len(inflated) <= most
