"""Binds child processes to their parent: when the parent dies, even by SIGKILL, they are killed.

The module is also the script that does so: ``python -I -S parent_death.py PARENT_PID PROGRAM
[ARGUMENT…]`` asks the kernel for SIGKILL at the parent's death, then becomes PROGRAM. A script
instead of a `preexec_fn` means that none of our code runs between fork and exec in a process that
has threads. Only Linux offers this; elsewhere PROGRAM just runs. Standard library only: ``-I -S``
leaves out site-packages.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Sequence

PR_SET_PDEATHSIG = 1


def bound_to_this_process(argv: Sequence[str]) -> tuple[str, ...]:
    """Argument list that runs `argv` so that it cannot outlive the calling process.

    Start it from a thread that lasts as long as the child: the kernel sends the signal when the
    thread that started the child ends.
    """
    return (sys.executable, "-I", "-S", __file__, str(os.getpid()), *argv)


def main(argv: list[str]) -> None:
    parent_pid, *command = argv
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != int(parent_pid):
            sys.exit("the parent is gone")  # it ended before the request was in place
    os.execvp(command[0], command)  # noqa: S606 - the argument list is the caller's


if __name__ == "__main__":
    main(sys.argv[1:])
