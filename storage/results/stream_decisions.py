"""The decisions of a stream, with or without results."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Engine, bindparam, null, select, union_all
from sqlalchemy import text as sql

from storage.db.database import reading
from storage.db.result_fields import DECISION_NAMES
from storage.db.schema import open_decisions, results
from storage.results.rows import decision_of
from thermal.threshold import Decision

_BATCH: Final = 1000  # rows held in memory by a streaming query


@dataclass(frozen=True)
class StreamRow:
    """One decision of a stream."""

    frame_id: str
    epoch: str | None  #: None while the frame has no result
    decision: Decision


def stream_rows(
    engine: Engine, camera: str, model_id: str, *, last: int | None = None, after_seq: int = 0
) -> Generator[StreamRow]:
    """The decisions of a stream in order of `seq`, in constant memory.

    Includes decisions that were recorded without a result. `last` keeps only that many, from the
    end.
    """
    seqs = union_all(
        *(
            select(table.c.seq).where(table.c.camera == camera, table.c.model_id == model_id)
            for table in (results, open_decisions)
        )
    )
    rows = union_all(
        *(
            select(
                table.c.frame_id,
                *(table.c[name] for name in DECISION_NAMES),
                (table.c.epoch if table is results else null()).label("epoch"),
            ).where(
                table.c.camera == camera,
                table.c.model_id == model_id,
                table.c.seq > bindparam("after"),
            )
            for table in (results, open_decisions)
        )
    )
    with reading(engine) as connection:
        if last is not None:
            cut = seqs.order_by(sql("seq DESC")).limit(1).offset(last)
            after_seq = max(after_seq, connection.scalar(cut) or 0)
        streamed = rows.order_by(sql("seq")).execution_options(yield_per=_BATCH)
        with connection.execute(streamed, {"after": after_seq}) as found:
            for row in found:
                yield StreamRow(row.frame_id, row.epoch, decision_of(row))
