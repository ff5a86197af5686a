"""Directories beneath a root, opened or made without following symbolic links.

Each component is opened relative to the one before, so replacing a directory by a link meanwhile
has no effect; what is then done relative to the descriptor stays beneath the root.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from storage.files.paths import OutsideRoot

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@contextmanager
def directory_beneath(root: str, relative: str) -> Iterator[int]:
    """A descriptor of the directory `relative` beneath `root`, made where it is missing.

    `root` itself may be a link, because the operator chose it. If the block raises, directories
    that were made for it and are empty are removed again.

    Raises:
        OutsideRoot: the path leaves `root` or contains a symbolic link.
        OSError: the operating system's error.
    """
    parts = [part for part in relative.split("/") if part not in ("", ".")]
    if relative.startswith("/") or "\0" in relative or ".." in parts:
        raise OutsideRoot(f"{relative!r} is not a path beneath a root")
    opened = [os.open(root, _DIRECTORY)]
    made: list[tuple[int, str]] = []  # directories above, names
    try:
        for part in parts:
            with suppress(FileExistsError):
                os.mkdir(part, 0o777, dir_fd=opened[-1])
                made.append((opened[-1], part))
            opened.append(_inner(opened[-1], part, relative))
        yield opened[-1]
    except BaseException:
        with suppress(OSError):  # somebody has put something there
            for above, name in reversed(made):
                os.rmdir(name, dir_fd=above)
        raise
    finally:
        for descriptor in opened:
            os.close(descriptor)


def _inner(directory: int, name: str, relative: str) -> int:
    try:
        return os.open(name, _DIRECTORY | os.O_NOFOLLOW, dir_fd=directory)
    except OSError as error:
        # for a link, Linux returns ENOTDIR here, other systems ELOOP
        if error.errno in (errno.ENOTDIR, errno.ELOOP) and _is_link(directory, name):
            raise OutsideRoot(f"{relative!r} contains a symbolic link") from error
        raise


def _is_link(directory: int, name: str) -> bool:
    with suppress(OSError):
        os.readlink(name, dir_fd=directory)
        return True
    return False
