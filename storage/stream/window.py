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
"""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from importlib.resources import files
from typing import cast

from redis import Redis
from redis.commands.core import Script
from redis.lock import Lock

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
#: Seconds that a worker may take to rebuild a stream before another one tries.
REBUILD_LOCK_S = 60

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
class Decided:
    """The decisions of one call for one stream."""

    epoch: str
    decisions: Mapping[str, Decision]  #: by frame id, in the order of the request
    open_decisions: Mapping[str, Decision]  #: of other batches, perhaps not committed


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

        Streams that Redis does not hold are missing from the answer.

        Raises:
            redis.RedisError: Redis cannot be reached; some streams may have been decided.
        """
        with self.redis.pipeline(transaction=False) as pipeline:
            for stream, batch in frames.items():
                arguments = self._arguments(baseline)
                for frame_id, score in batch:
                    arguments += [frame_id, _text(score)]
                self._decide(keys=stream.redis_keys(), args=arguments, client=pipeline)
            replies = pipeline.execute()
        return {
            stream: _from_reply([frame_id for frame_id, _ in batch], reply)
            for (stream, batch), reply in zip(frames.items(), replies, strict=True)
            if reply
        }

    def _arguments(self, baseline: Baseline) -> list[str | int]:
        config = self.config
        return [
            self._fingerprint,
            config.window_size,
            _text(config.steady_quantile),
            _text(config.body_percentile / 100),
            _text(baseline.tail),
            _text(config.step_factor),
            config.learn_frames,
            _text(baseline.threshold),
            DECISIONS_KEPT,
            STREAM_TTL_S,
            HOLD_FRAMES,
            _text(HOLD_SHARE * HOLD_FRAMES),
        ]

    def confirm_all(self, frame_ids: Mapping[StreamKey, Sequence[str]]) -> None:
        """Mark the decisions of these frames as committed to the database; one round trip."""
        with self.redis.pipeline(transaction=False) as pipeline:
            for stream, ids in frame_ids.items():
                if ids:
                    pipeline.zrem(stream.redis_keys()[5], *ids)
            pipeline.execute()

    def drop(self, stream: StreamKey, epoch: str) -> None:
        """Delete the stream if it is still in this epoch, so that it is rebuilt from its rows."""
        self._drop(keys=stream.redis_keys(), args=[epoch])

    def holds(self, stream: StreamKey) -> bool:
        """Whether Redis holds the stream under these settings."""
        held = cast("bytes | None", self.redis.hget(stream.redis_keys()[0], "config"))
        return held == self._fingerprint.encode()

    def rebuild_lock(self, stream: StreamKey) -> Lock:
        """A lock, for `with`, that lets one worker at a time rebuild the stream."""
        return Lock(
            self.redis,
            stream.redis_keys()[0] + ":rebuild",
            timeout=REBUILD_LOCK_S,
            blocking_timeout=REBUILD_LOCK_S,
        )

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
        members = {f"{first + i}:{_text(s)}": (first + i, s) for i, s in enumerate(state.window)}
        with self.redis.pipeline(transaction=True) as pipeline:
            pipeline.delete(*keys)
            if members:
                pipeline.zadd(keys[1], {name: seq for name, (seq, _) in members.items()})
                pipeline.zadd(keys[2], {name: _text(score) for name, (_, score) in members.items()})
            first = state.seq - len(state.recent) + 1
            if flagged := {
                str(first + i): first + i for i, flag in enumerate(state.recent) if flag
            }:
                pipeline.zadd(keys[6], flagged)
            if open_decisions:
                pipeline.hset(
                    keys[3],
                    mapping={frame: _to_wire(d) for frame, d in open_decisions.items()},
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
                    "threshold": _text(state.threshold),
                    "learned": state.learned,
                    "settled": int(state.settled),
                },
            )
            for key in keys:
                pipeline.expire(key, STREAM_TTL_S)
            pipeline.execute()


def _from_reply(frame_ids: Sequence[str], reply: tuple[bytes, list[bytes], list[bytes]]) -> Decided:
    epoch, decisions, others = reply
    return Decided(
        epoch=epoch.decode(),
        decisions=dict(zip(frame_ids, map(_from_wire, decisions), strict=True)),
        open_decisions={
            others[i].decode(): _from_wire(others[i + 1]) for i in range(0, len(others), 2)
        },
    )


def look_at_window(redis: Redis, stream: StreamKey) -> WindowView:
    """The current window; empty for a stream that Redis does not hold.

    Raises:
        redis.RedisError: Redis cannot be reached.
    """
    keys = stream.redis_keys()
    with redis.pipeline(transaction=True) as pipeline:
        pipeline.hget(keys[0], "threshold")
        pipeline.zrange(keys[2], 0, -1, withscores=True)
        threshold, members = pipeline.execute()
    return WindowView(
        scores=tuple(float(score) for _, score in members),
        threshold=None if threshold is None else float(threshold),
    )


def new_epoch() -> str:
    """A unique name for the period between two rebuilds of a stream."""
    return uuid.uuid4().hex


def config_to_text(config: WindowConfig) -> str:
    """The settings as text: a fingerprint that `config_from_text` can read."""
    return json.dumps(astuple(config))


def config_from_text(text: str) -> WindowConfig:
    """The inverse of `config_to_text`."""
    return WindowConfig(*json.loads(text))


def _text(number: float) -> str:
    return format(number, ".17g")


def _to_wire(decision: Decision) -> str:
    return " ".join(
        [
            str(decision.seq),
            *map(_text, (decision.score, decision.previous_threshold)),
            *map(_text, (decision.threshold, decision.body)),
            *map(str, (decision.window_n, decision.exceeding)),
            *map(str, map(int, (decision.anomaly, decision.learning, decision.held))),
        ]
    )


def _from_wire(text: bytes) -> Decision:
    fields = text.decode().split()
    seq, score, previous, threshold, body, n, exceeding, anomaly, learning, held = fields
    return Decision(
        seq=int(seq),
        score=float(score),
        previous_threshold=float(previous),
        threshold=float(threshold),
        body=float(body),
        window_n=int(n),
        exceeding=int(exceeding),
        anomaly=anomaly == "1",
        learning=learning == "1",
        held=held == "1",
    )
