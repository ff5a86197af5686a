"""A producer's heartbeat in Redis, for `status` and `doctor`."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass

from redis import Redis

from producer.observe import RootStatus

#: A producer's key is this prefix and its name.
KEY_PREFIX = "thermalwatch:producer:"
#: Seconds between heartbeats.
INTERVAL_S = 2.0
#: Seconds without a heartbeat after which a producer counts as gone.
LIFETIME_S = 15


@dataclass(frozen=True)
class Heartbeat:
    """The latest state that a producer published."""

    name: str  #: host and process id
    at: float  #: Unix s
    started_at: float  #: Unix s
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
    """The heartbeats of the last `LIFETIME_S`, by producer name.

    Raises:
        redis.RedisError: Redis cannot be reached.
    """
    keys = sorted(redis.scan_iter(match=KEY_PREFIX + "*", count=1000))
    texts = [text for text in redis.mget(keys) if text is not None] if keys else []
    return [heartbeat for text in texts if (heartbeat := _read(text)) is not None]


def _read(text: bytes | str) -> Heartbeat | None:
    """The heartbeat; None if another release wrote it in a format unknown here."""
    try:
        values = json.loads(text)
        roots = tuple(RootStatus(**root) for root in values.pop("roots"))
        return Heartbeat(**values, roots=roots)
    except (ValueError, TypeError, KeyError, AttributeError):
        return None
