"""The rolling window in Redis: one atomic script call decides a batch of one stream.

Redis holds the window because many workers share it; the rows in the database hold its history.
Three rules keep the two consistent whichever process dies:

- A decided frame keeps its decision (`decisions`), so a batch that is repeated gets the same
  answers.
- With its own rows, a batch commits the earlier decisions of other batches that may not be in the
  database yet (`open_decisions`). So for every row in the database all earlier decisions of its
  stream are there too, and the window can be rebuilt and replayed from it.
- A rebuilt window gets a new epoch, which is written to the database first. Rows decided in an
  older epoch are refused there (`StaleEpoch`) and their frames decided again.

Redis is not trusted: keys that do not hold what the script writes are deleted here, and every
decision is checked by `storage.stream.follow`.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass
from importlib.resources import files
from typing import cast

from redis import Redis, RedisError
from redis.commands.core import Script
from redis.exceptions import LockError, ResponseError
from redis.lock import Lock

from storage.redis_values import count_refusal, is_malformed
from storage.stream.wire import (
    Decided,
    MalformedReply,
    finite,
    from_reply,
    number_text,
    to_wire,
)
from thermal.threshold import (
    HOLD_FRAMES,
    HOLD_SHARE,
    Baseline,
    Decision,
    RollingThreshold,
    WindowConfig,
)

#: Decisions that a stream remembers for frames that are delivered again.
DECISIONS_KEPT = 2048
#: Seconds after which Redis forgets an idle stream; it is then restored from its rows.
STREAM_TTL_S = 7 * 24 * 3600
#: Most decisions of a stream that may be open; far more than all workers have in progress.
MAX_OPEN = 8192
#: Seconds for which a worker has the lock to rebuild a stream, and for which others wait for it. A
#: rebuild takes a fraction of a second, and two at once do no harm: the epoch of one is refused.
REBUILD_LOCK_S = 10
REBUILD_WAIT_S = 5
#: Most scores of a window that are shown: the largest window.
MAX_VIEWED = 1_000_000

#: Deletes a stream unless its epoch has changed.
_DROP = """
local unpack = unpack or table.unpack
if redis.call('HGET', KEYS[1], 'epoch') == ARGV[1] then redis.call('DEL', unpack(KEYS)) end
"""


@dataclass(frozen=True)
class StreamKey:
    """One stream of scores: a camera under a model."""

    camera: str
    model_id: str

    def redis_keys(self) -> list[str]:
        """The stream's keys, in the order of the script's KEYS."""
        digest = hashlib.blake2b(
            json.dumps([self.camera, self.model_id]).encode(), digest_size=12
        ).hexdigest()
        parts = ("state", "by-sequence", "by-score", "decisions", "order", "open", "flagged")
        return [f"thermalwatch:window:{{{digest}}}:{part}" for part in parts]


@dataclass(frozen=True)
class WindowView:
    """A stream's window, for display."""

    scores: tuple[float, ...]  #: ascending
    threshold: float | None  #: None if Redis does not hold the stream


class StreamMissing(Exception):
    """Redis does not hold the stream: restore it from the rows, then decide again."""


class RollingWindows:
    """All streams of one deployment, as a worker sees them."""

    def __init__(self, redis: Redis, config: WindowConfig):
        self.redis = redis
        self.config = config
        self._fingerprint = config_to_text(config)
        script = files("storage.stream").joinpath("window.lua").read_text(encoding="utf-8")
        self._decide: Script = redis.register_script(script)
        self._drop: Script = redis.register_script(_DROP)

    def decide(
        self, stream: StreamKey, baseline: Baseline, frames: Sequence[tuple[str, float]]
    ) -> Decided:
        """Decide (frame id, score) pairs, in this order, in one atomic call.

        Raises:
            StreamMissing: Redis does not hold the stream under these settings.
            redis.RedisError: Redis cannot be reached.
        """
        decided = self.decide_all({stream: frames}, baseline)
        if not decided:
            raise StreamMissing(stream.camera)
        return decided[stream]

    def decide_all(
        self, frames: Mapping[StreamKey, Sequence[tuple[str, float]]], baseline: Baseline
    ) -> dict[StreamKey, Decided]:
        """`decide` for several streams in one round trip, each atomically.

        Streams that Redis does not hold are missing from the answer. So are those whose keys hold
        something else; these are deleted.

        Raises:
            redis.RedisError: Redis cannot be reached; some streams may have been decided.
        """
        with self.redis.pipeline(transaction=False) as pipeline:
            for stream, batch in frames.items():
                arguments = self._arguments(baseline)
                for frame_id, score in batch:
                    arguments += [frame_id, number_text(score)]
                self._decide(keys=stream.redis_keys(), args=arguments, client=pipeline)
            replies = pipeline.execute(raise_on_error=False)
        answers = {}
        for (stream, batch), reply in zip(frames.items(), replies, strict=True):
            try:
                if answer := from_reply([frame_id for frame_id, _ in batch], reply):
                    answers[stream] = answer
            except MalformedReply as error:
                self.discard(stream, error)
        return answers

    def _arguments(self, baseline: Baseline) -> list[str | int]:
        config = self.config
        return [
            self._fingerprint,
            config.window_size,
            number_text(config.steady_quantile),
            number_text(config.body_percentile / 100),
            number_text(baseline.tail),
            number_text(config.step_factor),
            config.learn_frames,
            number_text(baseline.threshold),
            DECISIONS_KEPT,
            STREAM_TTL_S,
            HOLD_FRAMES,
            number_text(HOLD_SHARE * HOLD_FRAMES),
            MAX_OPEN,
        ]

    def confirm_all(self, frame_ids: Mapping[StreamKey, Sequence[str]]) -> None:
        """Mark the decisions of these frames as committed to the database; one round trip."""
        with self.redis.pipeline(transaction=False) as pipeline:
            for stream, ids in frame_ids.items():
                if ids:
                    pipeline.zrem(stream.redis_keys()[5], *ids)
            for reply in pipeline.execute(raise_on_error=False):
                # what is malformed is noticed by the next decision
                if isinstance(reply, Exception) and not is_malformed(reply):
                    raise reply

    def drop(self, stream: StreamKey, epoch: str) -> None:
        """Delete the stream if it is still in this epoch, so that it is rebuilt from its rows."""
        try:
            self._drop(keys=stream.redis_keys(), args=[epoch])
        except ResponseError as error:
            if not is_malformed(error):
                raise
            self.redis.delete(*stream.redis_keys())

    def discard(self, stream: StreamKey, why: object, *, epoch: str | None = None) -> None:
        """Delete a stream that Redis does not hold as it was written there, and report it.

        With `epoch`, unless another worker has rebuilt it meanwhile.
        """
        if epoch is None:
            self.redis.delete(*stream.redis_keys())
        else:
            self.drop(stream, epoch)
        count_refusal(self.redis, "window", f"the window of camera {stream.camera}", why)

    def holds(self, stream: StreamKey) -> bool:
        """Whether Redis holds the stream under these settings."""
        try:
            held = cast("bytes | None", self.redis.hget(stream.redis_keys()[0], "config"))
        except ResponseError as error:
            if not is_malformed(error):
                raise
            return False
        return held == self._fingerprint.encode()

    @contextmanager
    def rebuild_lock(self, stream: StreamKey) -> Iterator[None]:
        """Let one worker at a time rebuild the stream, if none takes longer than it should."""
        name = stream.redis_keys()[0] + ":rebuild"
        lock = Lock(self.redis, name, timeout=REBUILD_LOCK_S, blocking_timeout=REBUILD_WAIT_S)
        if not lock.acquire():
            self.redis.delete(name)  # its owner died, or it is not a lock of ours
        try:
            yield
        finally:
            with suppress(LockError, ResponseError):  # it was deleted or overwritten
                lock.release()

    def install(
        self,
        stream: StreamKey,
        state: RollingThreshold,
        epoch: str,
        open_decisions: Mapping[str, Decision],
    ) -> None:
        """Replace the stream in Redis by a restored one.

        `open_decisions`, by frame id, are recorded decisions without a row: their frames will be
        delivered again and must get the same answers.
        """
        keys = stream.redis_keys()
        first = state.seq - len(state.window) + 1
        members = {
            f"{first + i}:{number_text(s)}": (first + i, s) for i, s in enumerate(state.window)
        }
        with self.redis.pipeline(transaction=True) as pipeline:
            pipeline.delete(*keys)
            if members:
                pipeline.zadd(keys[1], {name: seq for name, (seq, _) in members.items()})
                pipeline.zadd(
                    keys[2], {name: number_text(score) for name, (_, score) in members.items()}
                )
            first = state.seq - len(state.recent) + 1
            if flagged := {
                str(first + i): first + i for i, flag in enumerate(state.recent) if flag
            }:
                pipeline.zadd(keys[6], flagged)
            if open_decisions:
                pipeline.hset(
                    keys[3],
                    mapping={frame: to_wire(d) for frame, d in open_decisions.items()},
                )
                pipeline.zadd(keys[4], {frame: d.seq for frame, d in open_decisions.items()})
            pipeline.hset(
                keys[0],
                mapping={
                    "camera": stream.camera,
                    "model_id": stream.model_id,
                    "epoch": epoch,
                    "config": self._fingerprint,
                    "seq": state.seq,
                    "threshold": number_text(state.threshold),
                    "learned": state.learned,
                    "settled": int(state.settled),
                },
            )
            for key in keys:
                pipeline.expire(key, STREAM_TTL_S)
            pipeline.execute()


def look_at_window(redis: Redis, stream: StreamKey) -> WindowView:
    """The current window; empty for a stream that Redis does not hold, or not as it was written.

    Raises:
        redis.RedisError: Redis cannot be reached.
    """
    keys = stream.redis_keys()
    with redis.pipeline(transaction=True) as pipeline:
        pipeline.hget(keys[0], "threshold")
        pipeline.zrange(keys[2], 0, MAX_VIEWED - 1, withscores=True)
        replies = pipeline.execute(raise_on_error=False)
    for reply in replies:
        if isinstance(reply, RedisError) and not is_malformed(reply):
            raise reply
    try:
        text, members = replies
        threshold = None if text is None else finite(text)
        return WindowView(tuple(finite(score) for _, score in members), threshold)
    except (ValueError, TypeError):
        return WindowView((), None)  # the next decision deletes it


def new_epoch() -> str:
    """A unique name for the period between two rebuilds of a stream."""
    return uuid.uuid4().hex


def config_to_text(config: WindowConfig) -> str:
    """The settings as text: a fingerprint that `config_from_text` can read."""
    return json.dumps(astuple(config))


def config_from_text(text: str) -> WindowConfig:
    """The inverse of `config_to_text`."""
    return WindowConfig(*json.loads(text))
