"""Reads a bundle's files from a folder that somebody else may have prepared."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from thermal.errors import BundleError


def read_file(folder: Path, name: str, most_bytes: int) -> bytes:
    """Read one file of a bundle.

    Raises:
        BundleError: it is missing, larger than `most_bytes`, no regular file, or a link that leads
            out of the folder. Nothing that could block is opened.
    """
    try:
        inside = folder.resolve(strict=True)
        path = (folder / name).resolve(strict=True)
        if not path.is_relative_to(inside):
            raise BundleError(f"{name} is a link out of {folder}: copy the file itself there")
        if not stat.S_ISREG(path.stat().st_mode):
            raise BundleError(f"{folder / name} is not a regular file: copy the bundle again")
        # the file may have been replaced since: a FIFO must not block either
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            if not stat.S_ISREG(os.fstat(handle).st_mode):
                raise BundleError(f"{folder / name} is not a regular file: copy the bundle again")
            content = file.read(most_bytes + 1)
    except (OSError, RuntimeError) as error:  # RuntimeError: links in a circle
        raise BundleError(
            f"{folder} is not a readable model bundle: {name}: {error}; copy the bundle again"
        ) from error
    if len(content) > most_bytes:
        raise BundleError(
            f"{folder / name} has more than {most_bytes:,} bytes, which no model bundle has: "
            "check what was copied there"
        )
    return content
