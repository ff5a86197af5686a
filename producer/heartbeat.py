"""A producer's heartbeat in Redis, for `status` and `doctor`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import islice
from typing import Final

from pydantic import ConfigDict, TypeAdapter, ValidationError
from redis import Redis
from redis.exceptions import ResponseError

from producer.observe import Instant, RootStatus
from storage.redis_values import discard, is_malformed

#: A producer's key is this prefix and its name.
KEY_PREFIX = "thermalwatch:producer:"
#: Seconds between heartbeats.
INTERVAL_S = 2.0
#: Seconds without a heartbeat after which a producer counts as gone.
LIFETIME_S = 15
#: Most heartbeats that are read, and most bytes of one.
MAX_PRODUCERS: Final = 1000
MAX_BYTES: Final = 1024 * 1024


@dataclass(frozen=True)
class Heartbeat:
    """The latest state that a producer published."""

    # a later release may send more
    __pydantic_config__ = ConfigDict(extra="ignore", allow_inf_nan=False)

    name: str  #: host and process id
    at: Instant
    started_at: Instant
    roots: tuple[RootStatus, ...]


def beat(redis: Redis, heartbeat: Heartbeat) -> None:
    """Publish a heartbeat that expires after `LIFETIME_S`.

    Raises:
        redis.RedisError: Redis cannot be reached.
    """
    redis.set(KEY_PREFIX + heartbeat.name, json.dumps(asdict(heartbeat)), ex=LIFETIME_S)


def retire(redis: Redis, name: str) -> None:
    """Delete the heartbeat of a producer that stops in order.

    Raises:
        redis.RedisError: Redis cannot be reached.
    """
    redis.delete(KEY_PREFIX + name)


def living_producers(redis: Redis) -> Sequence[Heartbeat]:
    """The heartbeats of the last `LIFETIME_S`, by producer name; what is none is deleted.

    Raises:
        redis.RedisError: Redis cannot be reached.
    """
    keys = sorted(islice(redis.scan_iter(match=KEY_PREFIX + "*", count=1000), MAX_PRODUCERS))
    with redis.pipeline(transaction=False) as pipeline:
        for key in keys:
            pipeline.getrange(key, 0, MAX_BYTES)
        found = pipeline.execute(raise_on_error=False)
    heartbeats = []
    for key, text in zip(keys, found, strict=True):
        if isinstance(text, ResponseError) and not is_malformed(text):
            raise text
        try:
            if text:  # else it has expired
                heartbeats.append(_HEARTBEAT.validate_json(text))
        except ValidationError as error:
            said = error.errors()[0]
            where = ".".join(map(str, said["loc"]))
            discard(redis, "heartbeat", _printable(key), f"has {where}: {said['msg']}", key=key)
    return heartbeats


def _printable(key: bytes) -> str:
    return repr(key[:80].decode(errors="replace"))


_HEARTBEAT: Final = TypeAdapter(Heartbeat)
