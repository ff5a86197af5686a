"""After any sequence of calls to the ledger, every frame has exactly one outcome.

The model is a dictionary: it predicts the ledger's rows and what every call returns.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine, delete, select

from storage.db.database import reading, writing
from storage.db.schema import frames, metadata
from storage.frames.audit import audit
from storage.frames.ledger import claim_pending, lease, load_pending, postpone, requeue
from storage.frames.outcomes import Quarantined, Superseded, finish
from storage.frames.registration import MISSING, known, register
from storage.results.commit import commit_results
from storage.results.stream_decisions import stream_rows
from tests.storage.examples import EPOCH, MODEL, new_frame, open_streams, result

FRAMES = tuple(new_frame(number) for number in range(8))
BY_ID = {frame.frame_id: frame for frame in FRAMES}

some_ids = st.lists(st.sampled_from(sorted(BY_ID)), max_size=5)
distinct_ids = st.lists(st.sampled_from(sorted(BY_ID)), max_size=5, unique=True)
reasons = st.sampled_from([MISSING, "corrupt"])


@dataclass
class Entry:
    """The row that the ledger must have for one frame."""

    arrival: int
    state: str = "pending"
    reason: str | None = None
    lease_until: float = 0.0
    attempts: int = 0

    def finish(self, state: str, reason: str | None = None) -> None:
        assert self.state == "pending"
        self.state, self.reason = state, reason

    def revive(self) -> None:
        assert self.state == "quarantined"
        self.state, self.reason, self.lease_until, self.attempts = "pending", None, 0.0, 0


class LedgerMachine(RuleBasedStateMachine):
    """Compares calls to the ledger with the model."""

    def __init__(self, engine: Engine) -> None:
        super().__init__()
        self.engine = engine
        self.now = 100.0
        self.entries: dict[str, Entry] = {}
        self.arrivals, self.seqs = count(), count(1)
        self.decided: dict[str, int] = {}
        with writing(engine) as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(delete(table))
        open_streams(engine, "north")

    def pending(self, ids: list[str]) -> list[str]:
        asked = dict.fromkeys(ids)
        return [i for i in asked if i in self.entries and self.entries[i].state == "pending"]

    @rule(passed_s=st.sampled_from([1.0, 10.0]))
    def wait(self, passed_s: float) -> None:
        self.now += passed_s

    @rule(ids=some_ids)
    def register(self, ids: list[str]) -> None:
        expected = []
        for frame_id in dict.fromkeys(ids):
            entry = self.entries.get(frame_id)
            if entry is None:
                self.entries[frame_id] = Entry(next(self.arrivals))
            elif entry.reason == MISSING:
                entry.revive()
            else:
                continue
            expected.append(frame_id)
        assert register(self.engine, [BY_ID[i] for i in ids], now=self.now) == expected

    @rule(limit=st.integers(1, 4))
    def claim(self, limit: int) -> None:
        due = [
            (entry.arrival, frame_id)
            for frame_id, entry in self.entries.items()
            if entry.state == "pending" and entry.lease_until <= self.now
        ]
        expected = [frame_id for _, frame_id in sorted(due)[:limit]]
        claimed = claim_pending(self.engine, now=self.now, lease_s=5.0, limit=limit)
        assert [frame.id for frame in claimed] == expected
        for frame_id in expected:
            self.entries[frame_id].lease_until = self.now + 5.0

    @rule(ids=some_ids)
    def lease(self, ids: list[str]) -> None:
        lease(self.engine, ids, until=self.now + 5.0)
        for frame_id in self.pending(ids):
            self.entries[frame_id].lease_until = self.now + 5.0

    @rule(ids=some_ids)
    def postpone(self, ids: list[str]) -> None:
        postpone(self.engine, ids, until=self.now + 5.0)
        for frame_id in self.pending(ids):
            self.entries[frame_id].lease_until = self.now + 5.0
            self.entries[frame_id].attempts += 1

    @rule(ids=distinct_ids, cut=st.integers(0, 5), reason=reasons)
    def finish(self, ids: list[str], cut: int, reason: str) -> None:
        expected = set(self.pending(ids))
        finished = finish(
            self.engine,
            [
                *(Quarantined(i, reason, "") for i in ids[:cut]),
                *(Superseded(i, None) for i in ids[cut:]),
            ],
            now=self.now,
        )
        assert finished == expected
        for frame_id in expected:
            if frame_id in ids[:cut]:
                self.entries[frame_id].finish("quarantined", reason)
            else:
                self.entries[frame_id].finish("superseded")

    @rule(ids=distinct_ids, cut=st.integers(0, 5), reason=reasons)
    def score(self, ids: list[str], cut: int, reason: str) -> None:
        for frame_id in ids[:cut]:  # as in the window, a frame keeps its number
            if frame_id not in self.decided:
                self.decided[frame_id] = next(self.seqs)
        expected = set(self.pending(ids))
        committed = commit_results(
            self.engine,
            [result(BY_ID[i], self.decided[i]) for i in ids[:cut]],
            epochs={"north": EPOCH} if ids[:cut] else {},
            open_decisions={},
            model_id=MODEL,
            others=[Quarantined(i, reason, "") for i in ids[cut:]],
            now=self.now,
        )
        assert committed == expected
        for frame_id in expected:
            if frame_id in ids[:cut]:
                self.entries[frame_id].finish("scored")
            else:
                self.entries[frame_id].finish("quarantined", reason)

    @rule(ids=some_ids)
    def requeue(self, ids: list[str]) -> None:
        asked = dict.fromkeys(i for i in ids if i in self.entries)
        expected = [i for i in asked if self.entries[i].state == "quarantined"]
        assert requeue(self.engine, ids, now=self.now) == expected
        for frame_id in expected:
            self.entries[frame_id].revive()

    @rule(ids=some_ids)
    def look(self, ids: list[str]) -> None:
        loaded = load_pending(self.engine, ids)
        assert [frame.id for frame in loaded] == self.pending(ids)
        for frame in loaded:
            assert frame.attempts == self.entries[frame.id].attempts
        settled = {i for i in ids if i in self.entries and self.entries[i].reason != MISSING}
        asked = [BY_ID[frame_id] for frame_id in ids]
        assert known(self.engine, asked, now=self.now).settled == settled

    @invariant()
    def every_frame_has_the_state_of_the_model(self) -> None:
        with reading(self.engine) as connection:
            rows = connection.execute(select(frames.c.id, frames.c.state, frames.c.reason))
            found = {row.id: (row.state, row.reason) for row in rows}
        assert found == {i: (entry.state, entry.reason) for i, entry in self.entries.items()}

    @invariant()
    def the_ledger_counts_balance(self) -> None:
        report = audit(self.engine)
        assert report.passed
        assert report.counts.seen == len(self.entries)

    @invariant()
    def every_decision_is_recorded_once(self) -> None:
        rows = list(stream_rows(self.engine, "north", MODEL))
        assert [(row.decision.seq, row.frame_id) for row in rows] == sorted(
            (seq, frame_id) for frame_id, seq in self.decided.items()
        )
        scored = {i for i, entry in self.entries.items() if entry.state == "scored"}
        assert {row.frame_id for row in rows if row.epoch is not None} == scored


@pytest.mark.parametrize("database_url", ["sqlite"], indirect=True)
def test_any_sequence_of_calls_matches_the_model_on_sqlite(engine: Engine) -> None:
    _run(engine, examples=40, steps=30)


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_any_sequence_of_calls_matches_the_model_on_postgres(engine: Engine) -> None:
    _run(engine, examples=10, steps=20)


def _run(engine: Engine, *, examples: int, steps: int) -> None:
    class Machine(LedgerMachine):
        def __init__(self) -> None:
            super().__init__(engine)

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
