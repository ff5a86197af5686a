"""Runs a program with limits: ``python -I -S confined.py PARENT_PID CPU_S MEMORY FILE PROGRAM …``.

Limits are set here, between fork and exec, because a `preexec_fn` can deadlock in a process with
threads. MEMORY and FILE are in bytes: of address space, and of any one file it writes. The kernel
kills the program when its parent dies. Standard library only: ``-I -S`` skips site-packages.
"""

import ctypes
import os
import resource
import signal
import sys
from collections.abc import Sequence

_PR_SET_PDEATHSIG = 1


def confined(
    command: Sequence[str], *, cpu_s: int, memory_bytes: int, file_bytes: int
) -> tuple[str, ...]:
    """The argument list that runs `command` with these limits."""
    limits = (os.getpid(), cpu_s, memory_bytes, file_bytes)
    return (sys.executable, "-I", "-S", __file__, *map(str, limits), *command)


def _limit(kind: int, most: int) -> None:
    hard = resource.getrlimit(kind)[1]
    value = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (value, value))


def main(argv: list[str]) -> None:
    parent_pid, cpu_s, memory_bytes, file_bytes, *command = argv
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != int(parent_pid):
            sys.exit("the parent is gone")  # it died before prctl
    _limit(resource.RLIMIT_CPU, int(cpu_s))
    _limit(resource.RLIMIT_AS, int(memory_bytes))
    _limit(resource.RLIMIT_FSIZE, int(file_bytes))
    _limit(resource.RLIMIT_CORE, 0)
    for number in (signal.SIGINT, signal.SIGTERM):  # a decoder process ignores them
        signal.signal(number, signal.SIG_DFL)
    try:
        os.execvp(command[0], command)  # noqa: S606 - the argument list is the settings'
    except OSError as error:
        sys.exit(f"cannot be started: {error.strerror}")


if __name__ == "__main__":
    main(sys.argv[1:])
