r"""File names as text, and opening files only if they are beneath a directory.

A POSIX file name may contain any byte but NUL; database columns, JSON and CSV contain Unicode.
`path_to_text` converts one to the other and `text_to_path` back, without loss: UTF-8 names are
unchanged, bytes that are not UTF-8 become ``\xff``, and a backslash becomes ``\\``.

::

    StorageError
    ├── UnsafePath
    │   └── OutsideRoot       the path leaves its root or contains a symbolic link
    ├── NotRegular            a directory, FIFO, socket or device, not a regular file
    └── MalformedPathText     text that `path_to_text` does not produce
"""

from __future__ import annotations

import errno
import os
import re
import stat
from pathlib import Path

from storage.errors import StorageError, UnsafePath

_ESCAPE = re.compile(rb"\\(\\|x[0-9a-f]{2})")

#: For parent directories: they need not be listed, so search permission is enough.
_PASS = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
#: Don't follow links, wait for a FIFO's writer, or acquire a controlling terminal.
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class OutsideRoot(UnsafePath):
    """The path leaves its root or contains a symbolic link."""


class NotRegular(StorageError):
    """A directory, FIFO, socket or device, not a regular file."""


class MalformedPathText(StorageError):
    """Text that `path_to_text` does not produce."""


def path_to_text(path: str | bytes | Path) -> str:
    r"""Convert a file name or path to text that any database and file format can store.

    Example:
        >>> path_to_text("cam-a/Kühler 1.png")
        'cam-a/Kühler 1.png'
        >>> print(path_to_text(b"a\xffb\\c"))
        a\xffb\\c

    Raises:
        MalformedPathText: the name contains NUL, or a surrogate that no file name decodes to. The
            operating system never returns such names.
    """
    try:
        name = os.fsencode(path)
    except UnicodeEncodeError as error:
        raise MalformedPathText(f"{path!r} is not a file name: {error.reason}") from error
    if b"\0" in name:
        raise MalformedPathText(f"{path!r} is not a file name: it contains NUL")
    return name.replace(b"\\", b"\\\\").decode("utf-8", "backslashreplace")


def text_to_path(text: str) -> str:
    r"""Convert text from `path_to_text` back to a path for `os` functions (surrogateescape).

    Raises:
        MalformedPathText: the text is not the one that `path_to_text` produces for any path.
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

    ``..``, absolute paths and symbolic links below `root` are rejected, wherever a link points;
    `root` itself may be a link, because the operator chose it. Each component is opened relative to
    the one before, so replacing a directory by a link meanwhile has no effect. FIFOs do not block,
    and devices are not opened.

    Raises:
        OutsideRoot: the path leaves `root` or contains a symbolic link.
        NotRegular: it names a directory, FIFO, socket or device.
        OSError: the operating system's error, such as `FileNotFoundError` (also for a missing
            `root`), `NotADirectoryError` (a file in place of a directory) or `PermissionError`.
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
        # for a link, Linux returns ENOTDIR here, other systems ELOOP
        if error.errno in (errno.ENOTDIR, errno.ELOOP):
            _refuse_link(os.lstat(name, dir_fd=directory), relative)
        raise


def _open_regular(directory: int, name: str, relative: str) -> int:
    # Check the type before opening: opening a device may have side effects.
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
        raise OutsideRoot(f"{relative!r} contains a symbolic link")
