"""Walks a watch directory in bounded memory."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from producer.ignored import Ignored, directory_ignored
from producer.naming import WatchRoot
from storage.files.paths import path_to_text
from storage.frames.identity import NewFrame

#: Frames in one batch: one query of the ledger, one statement to register them.
BATCH = 1000


def walk(
    root: WatchRoot,
    start: str,
    *,
    enter: Callable[[str], None],
    refused: Callable[[str, OSError], None],
    ignored: Callable[[Ignored, str], None],
) -> Iterator[list[NewFrame]]:
    """Yield the frames in and beneath `start` (relative to the root), `BATCH` at a time.

    `enter` is called with each directory before it is listed, so that a watch set there reports
    files added after the listing. `refused` is called with paths that cannot be read; the walk
    goes on. `ignored` is called with the reason and the name of each file, link and directory
    that is left alone. Memory holds one batch and the names of the directories still to visit.
    """
    batch: list[NewFrame] = []
    directories = [start]
    while directories:
        directory = directories.pop()
        try:
            enter(directory)
            for frame in _list(root, directory, directories, refused, ignored):
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
    ignored: Callable[[Ignored, str], None],
) -> Iterator[NewFrame]:
    """Yield the frames directly in `directory`; append its subdirectories to `directories`."""
    camera = root.camera_of(directory)
    prefix = f"{directory}/" if directory else ""
    prefix_text = path_to_text(prefix)
    with os.scandir(root.join(directory)) as entries:
        for entry in entries:
            name = entry.name
            try:
                if entry.is_symlink():
                    ignored("link", name)
                elif entry.is_dir(follow_symlinks=False):
                    if why := directory_ignored(name):
                        ignored(why, name)
                    else:
                        directories.append(prefix + name)
                elif why := root.ignores(prefix + name, camera):
                    ignored(why, name)
                elif entry.is_file(follow_symlinks=False):
                    status = entry.stat(follow_symlinks=False)
                    yield NewFrame.at(camera, root.text, prefix_text + path_to_text(name), status)
            except OSError as error:
                refused(prefix + name, error)
