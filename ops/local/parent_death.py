"""Becomes another program that cannot outlive its parent, whatever kills the parent.

Run as a script: ``python -I -S parent_death.py PARENT_PID PROGRAM [ARGUMENT…]``. Linux sends the
signal; elsewhere the program is merely run. Being a program of its own (instead of a
`preexec_fn`), it needs no code between fork and exec in a process that has threads.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1


def main(argv: list[str]) -> None:
    parent_pid, *command = argv
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(signal.SIGKILL), 0, 0, 0)
        if os.getppid() != int(parent_pid):
            sys.exit("the parent is gone")  # it ended before the request was in place
    os.execvp(command[0], command)  # noqa: S606 - the argument list is the supervisor's


if __name__ == "__main__":
    main(sys.argv[1:])
