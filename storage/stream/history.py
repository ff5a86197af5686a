"""The decisions of a stream in the database, and the state that follows from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, select

from storage.db.result_fields import DECISION_NAMES
from storage.db.schema import epochs, frames, is_pending, open_decisions, results
from storage.db.schema import streams as streams_table
from storage.results.rows import decision_of
from storage.stream.window import StreamKey
from thermal.detection.bundle import Bundle
from thermal.threshold import HOLD_FRAMES, Baseline, Decision, RollingThreshold, WindowConfig

#: Decisions read from the database per query.
_PAGE = 4096


@dataclass
class Restored:
    """The state of a stream after its last recorded decision."""

    state: RollingThreshold
    #: scores that must enter, and frames that must pass, before the state is exact, because
    #: retention has deleted part of the window
    unknown_scores: int
    unknown_frames: int

    @property
    def exact(self) -> bool:
        """Whether the window is the stream's."""
        return self.unknown_scores <= 0 and self.unknown_frames <= 0

    def absorb(self, decision: Decision) -> None:
        """Take in a decision without deciding again."""
        self.state.absorb(decision)
        self.unknown_scores -= decision.enters
        self.unknown_frames -= 1
        if decision.learning and decision.window_n == 0:
            self.unknown_scores = self.unknown_frames = 0


def restored(
    connection: Connection,
    stream: StreamKey,
    config: WindowConfig,
    baseline: Baseline,
    bundle: Bundle,
) -> Restored:
    """The state that the recorded decisions of a stream leave."""
    state = start_state(config, baseline, bundle, stream.camera)
    begin = complete_from(connection, stream)
    recent = recent_decisions(connection, stream, config.window_size, from_seq=begin)
    for decision in recent.decisions:
        state.absorb(decision)
    known = recent.complete
    return Restored(
        state,
        unknown_scores=0 if known else config.window_size - recent.members,
        unknown_frames=0 if known else HOLD_FRAMES - len(recent.decisions),
    )


def enter_epoch(
    connection: Connection, stream: StreamKey, state: RollingThreshold, config_text: str
) -> None:
    """Apply to a state what the epoch of its next decision begins with.

    Either a new level that an operator accepted, or new settings, which apply at once.
    """
    of_stream = (epochs.c.camera == stream.camera, epochs.c.model_id == stream.model_id)
    begins = select(epochs.c.accepted).where(*of_stream, epochs.c.first_seq == state.seq + 1)
    if connection.scalar(begins):
        state.start_learning()
        return
    before = (
        select(epochs.c.config)
        .where(*of_stream, epochs.c.first_seq <= state.seq)
        .order_by(epochs.c.first_seq.desc())
        .limit(1)
    )
    if connection.scalar(before) not in (None, config_text):
        state.settled = False


def start_state(
    config: WindowConfig, baseline: Baseline, bundle: Bundle, camera: str
) -> RollingThreshold:
    """The state of a stream before its first frame.

    A camera in the training set starts from the held-out scores, and so does every camera if the
    training set names none. Other cameras start by learning their level.
    """
    known = not bundle.training.cameras or camera in bundle.training.cameras
    return RollingThreshold(config, baseline, learning=not known)


def read_decisions(
    connection: Connection, stream: StreamKey, *, before_seq: int | None = None
) -> Iterator[Decision]:
    """All decisions of a stream, latest first: those of its rows and its open decisions."""
    while page := _page(connection, stream, before_seq):
        yield from page
        before_seq = page[-1].seq


def _page(connection: Connection, stream: StreamKey, before_seq: int | None) -> list[Decision]:
    found: dict[int, Decision] = {}
    for table in (open_decisions, results):
        query = (
            select(*(table.c[name] for name in DECISION_NAMES))
            .where(table.c.camera == stream.camera, table.c.model_id == stream.model_id)
            .order_by(table.c.seq.desc())
            .limit(_PAGE)
        )
        if before_seq is not None:
            query = query.where(table.c.seq < before_seq)
        for row in connection.execute(query):
            found[row.seq] = decision_of(row)
    return [found[seq] for seq in sorted(found, reverse=True)[:_PAGE]]


@dataclass(frozen=True)
class Recent:
    """The last decisions of a stream, oldest first."""

    decisions: tuple[Decision, ...]
    complete: bool  #: whether absorbing them restores the window exactly
    members: int  #: number of their scores that entered the window


def complete_from(connection: Connection, stream: StreamKey) -> int:
    """The sequence number from which on no decision of the stream was deleted."""
    query = select(streams_table.c.complete_from).where(
        streams_table.c.camera == stream.camera, streams_table.c.model_id == stream.model_id
    )
    return connection.scalar(query) or 1


def recent_decisions(
    connection: Connection,
    stream: StreamKey,
    size: int,
    *,
    from_seq: int = 1,
    before_seq: int | None = None,
) -> Recent:
    """The decisions that restore a stream's window, as it was before `before_seq`.

    Decisions before `from_seq`, the stream's `complete_from`, are left out.
    """
    recent: list[Decision] = []
    members, complete = 0, from_seq == 1
    for decision in read_decisions(connection, stream, before_seq=before_seq):
        if decision.seq < from_seq:
            break
        recent.append(decision)
        members += decision.enters
        full = members >= size and len(recent) >= HOLD_FRAMES
        if full or (decision.learning and decision.window_n == 0):
            complete = True
            break
    return Recent(tuple(recent[::-1]), complete, members)


def waiting_decisions(connection: Connection, stream: StreamKey) -> dict[str, Decision]:
    """Open decisions, by frame id, of frames that are pending and will be delivered again."""
    query = (
        select(open_decisions.c.frame_id, *(open_decisions.c[name] for name in DECISION_NAMES))
        .join(frames, frames.c.id == open_decisions.c.frame_id)
        .where(
            open_decisions.c.camera == stream.camera,
            open_decisions.c.model_id == stream.model_id,
            is_pending,
        )
    )
    return {row.frame_id: decision_of(row) for row in connection.execute(query)}
