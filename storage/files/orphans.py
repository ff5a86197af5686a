"""Artifacts that no row names, left by uncommitted batches and deleted rows."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from sqlalchemy import Engine, select

from storage.db.database import reading
from storage.db.schema import ARTIFACT_COLUMNS, results
from storage.files.artifacts import TEMPORARY_PREFIX, ArtifactStore

#: Minimum age of a deleted file in s; a younger one may belong to a batch in progress.
GRACE_S: Final = 86_400.0
#: Files looked up per query.
BATCH: Final = 1000

_PICTURE = re.compile(
    r"([0-9a-f]{32})-(?:(?:original|reconstruction|heatmap|overlay|sheet)\.png|map\.npz)"
)


def sweep_orphans(engine: Engine, store: ArtifactStore, *, now: float) -> Iterator[int]:
    """Delete orphans and empty directories; yield the number of files deleted in each batch.

    `now` is in Unix s. Files whose names the store does not use are left alone. Only one batch of
    file names is held in memory.
    """
    batch: list[str] = []
    for path in _old_files(store.root.resolve(), now - GRACE_S):
        batch.append(path)
        if len(batch) == BATCH:
            yield _delete_unnamed(engine, store, batch, now)
            batch = []
    if batch:
        yield _delete_unnamed(engine, store, batch, now)


def _old_files(root: Path, before: float) -> Iterator[str]:
    """Yield old artifacts and temporary files, relative to `root`; remove empty directories."""
    pending = [("", False)]
    while pending:
        directory, listed = pending.pop()
        full = root / directory
        if listed:
            # Emptying a directory updates its mtime, so it is removed in a later run. A worker
            # may have just created a young one; workers recreate directories that vanish.
            with suppress(OSError):
                if full.stat().st_mtime < before:
                    full.rmdir()
            continue
        if directory:
            pending.append((directory, True))
        with suppress(FileNotFoundError), os.scandir(full) as entries:
            for entry in entries:
                path = f"{directory}/{entry.name}" if directory else entry.name
                if entry.is_dir(follow_symlinks=False):
                    pending.append((path, False))
                elif _is_ours(entry.name) and _older(root / path, before):
                    yield path


def _is_ours(name: str) -> bool:
    return name.startswith(TEMPORARY_PREFIX) or _PICTURE.fullmatch(name) is not None


def _older(path: Path, before: float) -> bool:
    try:
        return path.lstat().st_mtime < before
    except FileNotFoundError:
        return False


def _delete_unnamed(engine: Engine, store: ArtifactStore, paths: Sequence[str], now: float) -> int:
    ids = {match[1] for path in paths if (match := _PICTURE.fullmatch(path.rpartition("/")[2]))}
    with reading(engine) as connection:
        rows = connection.execute(
            select(*ARTIFACT_COLUMNS).where(results.c.frame_id.in_(sorted(ids)))
        )
        named = {picture for row in rows for picture in row if picture is not None}
    number = 0
    for path in paths:
        # Check the age again: a worker may have rewritten the picture meanwhile.
        if path not in named and _older(store.root / path, now - GRACE_S):
            store.remove(path)
            number += 1
    return number
