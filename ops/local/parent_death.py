"""Kills child processes when their parent dies, even by SIGKILL (Linux only).

This module is also the script that arranges it: ``python -I -S parent_death.py PARENT_PID PROGRAM
[ARGUMENT…]`` asks the kernel for SIGKILL when the parent dies, then executes PROGRAM. (A
`preexec_fn` would run Python between fork and exec, which can deadlock in a process with threads.)
On other systems PROGRAM just runs. Standard library only: ``-I -S`` skips site-packages.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1


def bound_to_this_process(argv: Sequence[str]) -> tuple[str, ...]:
    """The argument list that runs `argv` so that it cannot outlive the calling process.

    Start it from a thread that lives as long as the child: the kernel sends the signal when that
    thread ends, not only when the process does.
    """
    return (sys.executable, "-I", "-S", __file__, str(os.getpid()), *argv)


def main(argv: list[str]) -> None:
    parent_pid, *command = argv
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != int(parent_pid):
            sys.exit("the parent is gone")  # it died before prctl
    os.execvp(command[0], command)  # noqa: S606 - the argument list is the caller's


if __name__ == "__main__":
    main(sys.argv[1:])
