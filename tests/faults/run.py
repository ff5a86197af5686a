"""Run a command of the program in this process with one injected fault.

``python -m tests.faults.run "after worker.batch.commit_results 2 kill" work --data DIR`` kills the
process, as ``kill -9`` would, when `commit_results` has returned for the second time. The product
is unchanged; the named function is wrapped before the command runs.
"""

from __future__ import annotations

import errno
import functools
import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any


def kill() -> None:
    """End the process without any clean-up."""
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)  # the signal arrives before this call returns


def hang() -> None:
    """Hang where no signal handler can run."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGALRM, signal.SIGTERM})
    threading.Event().wait()


def out_of_memory() -> None:
    """Fail like an allocation."""
    raise MemoryError("planted: no memory for this batch")


def device_error() -> None:
    """Fail like a GPU."""
    raise RuntimeError("planted: CUDA error: an illegal memory access was encountered")


def bug() -> None:
    """Fail unexpectedly."""
    raise ValueError("planted: a bug")


def full_disk() -> None:
    """Fail like a full disk."""
    raise OSError(errno.ENOSPC, "planted: no space left on device")


ACTIONS: dict[str, Callable[[], None]] = {
    "kill": kill,
    "hang": hang,
    "out_of_memory": out_of_memory,
    "device_error": device_error,
    "bug": bug,
    "full_disk": full_disk,
}


def plant(fault: str) -> None:
    """Wrap the function that `fault` names: ``before|after DOTTED.NAME CALL ACTION``.

    `CALL` is the number of the call that fails, from 1; followed by ``+``, later calls fail too.
    ``with:TEXT`` instead: every call fails that has `TEXT` in its arguments.
    """
    when, name, call, action = fault.split()
    owner, attribute = _locate(name)
    original = getattr(owner, attribute)
    calls = itertools.count(1)
    lock = threading.Lock()

    def strikes(arguments: tuple[Any, ...]) -> bool:
        if call.startswith("with:"):
            return call.removeprefix("with:") in repr(arguments)
        with lock:
            number = next(calls)
        return number >= int(call[:-1]) if call.endswith("+") else number == int(call)

    @functools.wraps(original)
    def faulty(*args: Any, **kwargs: Any) -> Any:
        struck = strikes(args)
        if struck and when == "before":
            ACTIONS[action]()
        result = original(*args, **kwargs)
        if struck and when == "after":
            ACTIONS[action]()
        return result

    setattr(owner, attribute, faulty)


def _locate(name: str) -> tuple[Any, str]:
    """The module or class that has the last part of a dotted name as attribute."""
    *path, attribute = name.split(".")
    for length in range(len(path), 0, -1):
        try:
            owner: Any = import_module(".".join(path[:length]))
        except ModuleNotFoundError:
            continue
        for part in path[length:]:
            owner = getattr(owner, part)
        return owner, attribute
    raise ValueError(f"no module in {name}")


def follow_clock(file: Path) -> None:
    """Shift `time.time` by the seconds written in the file, which may change."""
    right = time.time
    setattr(time, "time", lambda: right() + float(file.read_text()))  # noqa: B010 - mypy


if __name__ == "__main__":
    if "TESTS_CLOCK" in os.environ:  # before any module holds a reference to `time.time`
        follow_clock(Path(os.environ["TESTS_CLOCK"]))
    from ops.cli.main import main

    if sys.argv[1]:
        plant(sys.argv[1])
    sys.argv[1:] = sys.argv[2:]
    main()
