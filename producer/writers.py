"""Whether a local file is open for writing, asked of the kernel by way of a read lease."""

from __future__ import annotations

import fcntl
import os
import signal
from typing import Final

#: The kernel signals a lease's holder if somebody opens the file for writing meanwhile. This signal
#: is ignored unless a program handles it; the default, SIGIO, ends the process.
_SIGNAL: Final = signal.SIGURG


def surely_not_written(path: str) -> bool:
    """Whether no process has the file open for writing now.

    False also if that cannot be told: the file is another user's (and the process is not root), or
    its file system has no leases. See fcntl(2), F_SETLEASE.
    """
    if not hasattr(fcntl, "F_SETLEASE"):
        return False  # not Linux
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, _SIGNAL)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)  # gives up the lease
