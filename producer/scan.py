"""Walks a watch directory in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from producer.naming import WatchRoot, is_frame_name, is_ignored, new_frame
from storage.files.paths import path_to_text
from storage.frames.ledger import NewFrame

#: Frames in one batch: one query of the ledger, one statement to register them.
BATCH = 1000


def walk(
    root: WatchRoot,
    start: str,
    *,
    enter: Callable[[str], None],
    refused: Callable[[str, OSError], None],
) -> Iterator[list[NewFrame]]:
    """Yield the frames in and beneath `start` (relative to the root), `BATCH` at a time.

    `enter` is called with each directory before it is listed, so that a watch set there reports
    files added after the listing. `refused` is called with paths that cannot be read; the walk
    goes on. Memory holds one batch and the names of the directories still to visit.
    """
    batch: list[NewFrame] = []
    directories = [start]
    while directories:
        directory = directories.pop()
        try:
            enter(directory)
            for frame in _list(root, directory, directories, refused):
                batch.append(frame)
                if len(batch) == BATCH:
                    yield batch
                    batch = []
        except OSError as error:
            refused(directory, error)
    if batch:
        yield batch


def _list(
    root: WatchRoot,
    directory: str,
    directories: list[str],
    refused: Callable[[str, OSError], None],
) -> Iterator[NewFrame]:
    """Yield the frames directly in `directory`; append its subdirectories to `directories`."""
    camera = root.camera_of(directory)
    prefix = f"{directory}/" if directory else ""
    prefix_text = path_to_text(prefix)
    with os.scandir(root.join(directory)) as entries:
        for entry in entries:
            name = entry.name
            try:
                if entry.is_dir(follow_symlinks=False):
                    if not is_ignored(name):
                        directories.append(prefix + name)
                elif is_frame_name(name) and entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    yield new_frame(camera, root.text, prefix_text + path_to_text(name), status)
            except OSError as error:
                refused(prefix + name, error)
