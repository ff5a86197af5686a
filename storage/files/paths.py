r"""File names as text, and opening files that must lie beneath a directory.

A POSIX file name is any bytes but NUL; a database column, a JSON message and a CSV cell hold
Unicode. `path_to_text` maps one to the other and back without loss: UTF-8 names are unchanged,
bytes that are not UTF-8 become ``\xff``, and a backslash becomes ``\\``.

::

    StorageError
    ├── UnsafePath
    │   └── OutsideRoot       the path leaves its root, or goes through a symbolic link
    ├── NotRegular            a directory, FIFO, socket or device: nothing that can be read
    └── MalformedPathText     text that `path_to_text` did not write
"""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path

from storage.errors import StorageError, UnsafePath

_ESCAPE = re.compile(rb"\\(\\|x[0-9a-f]{2})")

#: A directory on the way is only passed through, which needs no permission to list it.
_PASS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: Never follow a link, never wait for a FIFO's writer, never take a terminal.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class OutsideRoot(UnsafePath):
    """The path leaves its root, or goes through a symbolic link."""


class NotRegular(StorageError):
    """Not a regular file: a directory, FIFO, socket or device."""


class MalformedPathText(StorageError):
    """Text that `path_to_text` did not write."""


def path_to_text(path: str | bytes | Path) -> str:
    r"""Write a file name or path as text that any database or file can hold.

    Example:
        >>> path_to_text("cam-a/Kühler 1.png")
        'cam-a/Kühler 1.png'
        >>> print(path_to_text(b"a\xffb\\c"))
        a\xffb\\c

    Raises:
        MalformedPathText: the name holds NUL, or a surrogate that no file name decodes to; the
            operating system gives no such name.
    """
    try:
        name = os.fsencode(path)
    except UnicodeEncodeError as error:
        raise MalformedPathText(f"{path!r} is not a file name: {error.reason}") from error
    if b"\0" in name:
        raise MalformedPathText(f"{path!r} is not a file name: it holds NUL")
    return name.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")


def text_to_path(text: str) -> str:
    r"""Return the path that `path_to_text` wrote, as `os` functions take it (surrogateescape).

    Raises:
        MalformedPathText: not the output of `path_to_text`, which is unique for each path.
    """
    try:
        path = os.fsdecode(_ESCAPE.sub(_unescape, text.encode("utf-8")))
        if path_to_text(path) == text:
            return path
    except UnicodeEncodeError:
        pass  # a surrogate
    raise MalformedPathText(f"{text!r} is not a path in text form")


def _unescape(match: re.Match[bytes]) -> bytes:
    escaped = match[1]
    return escaped if escaped == b"\\" else bytes([int(escaped[1:], 16)])


def open_beneath(root: str, relative: str) -> int:
    """Open a regular file beneath a directory for reading; return its file descriptor.

    The rule is simple: no ``..``, no absolute path, and no symbolic link anywhere below `root`,
    wherever it points. (`root` itself may be one: the operator chose it.) Each component is opened
    relative to the one before, so a directory that is swapped for a link meanwhile leads nowhere.
    A FIFO does not block, and a device is not touched.

    Raises:
        OutsideRoot: the path leaves `root` or goes through a symbolic link.
        NotRegular: it names a directory, FIFO, socket or device.
        OSError: as the operating system says: `FileNotFoundError` (also for a missing `root`),
            `NotADirectoryError` (a file where a directory should be), `PermissionError`, …
    """
    if relative.startswith("/") or "\0" in relative:
        raise OutsideRoot(f"{relative!r} is not a relative path")
    parts = [part for part in relative.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise OutsideRoot(f"{relative!r} contains '..'")
    if not parts:
        raise NotRegular(f"{relative!r} names the root directory itself")
    directory = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for part in parts[:-1]:
            inner = _pass_through(directory, part, relative)
            os.close(directory)
            directory = inner
        return _open_regular(directory, parts[-1], relative)
    finally:
        os.close(directory)


def _pass_through(directory: int, name: str, relative: str) -> int:
    try:
        return os.open(name, _PASS, dir_fd=directory)
    except OSError as error:
        # ENOTDIR is what Linux says of a link here; other systems say ELOOP
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            _refuse_link(os.lstat(name, dir_fd=directory), relative)
        raise


def _open_regular(directory: int, name: str, relative: str) -> int:
    # Looked at before it is opened: opening some devices has effects.
    _refuse_irregular(os.lstat(name, dir_fd=directory), relative)
    try:
        descriptor = os.open(name, _READ, dir_fd=directory)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OutsideRoot(f"{relative!r} is a symbolic link") from error
        raise
    try:
        _refuse_irregular(os.fstat(descriptor), relative)
    except NotRegular:
        os.close(descriptor)
        raise
    return descriptor


def _refuse_irregular(status: os.stat_result, relative: str) -> None:
    _refuse_link(status, relative)
    if not stat.S_ISREG(status.st_mode):
        raise NotRegular(f"{relative!r} is not a regular file")


def _refuse_link(status: os.stat_result, relative: str) -> None:
    if stat.S_ISLNK(status.st_mode):
        raise OutsideRoot(f"{relative!r} goes through a symbolic link")
