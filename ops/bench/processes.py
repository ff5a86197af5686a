"""Processes of the benchmark: start them, wait for them, and end them in order."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, cast

from ops.config import addresses
from ops.errors import OpsError
from ops.local import embedded_redis
from ops.local.parent_death import bound_to_this_process
from ops.local.up import child_environment

#: Time limits in seconds: for a process to get ready, and for a contender to finish its images.
START_S = 120.0
RUN_S = 900.0
#: Seconds that a process may take to end before it is killed.
STOP_S = 60.0


class BenchError(OpsError):
    """A contender did not start or did not finish."""


@contextmanager
def process(
    argv: Sequence[str], *, log: Path, threads: int, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[str]]:
    """A child process with that many threads, until the end of the block."""
    plain = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("THERMALWATCH_") and name not in ("REDIS_URL", "DATABASE_URL")
    }
    plain |= child_environment(plain) | {
        "OMP_NUM_THREADS": str(threads),
        "OPENCV_FOR_THREADS_NUM": str(threads),
    }
    with log.open("ab") as output:
        child = subprocess.Popen(
            bound_to_this_process(argv),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
            env={**plain, **(environment or {})},
            start_new_session=True,  # Ctrl-C must reach only the benchmark, which ends its children
        )
    try:
        yield child
    finally:
        child.terminate()
        try:
            child.wait(STOP_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def python(module: str, *words: str | Path | int) -> tuple[str, ...]:
    """The argument list that runs a module of this project."""
    return (sys.executable, "-P", "-m", module, *map(str, words))


def ask(child: subprocess.Popen[str], count: int) -> float:
    """Let a process of `ops.bench.child` process `count` images; returns seconds."""
    requests, answers = cast("IO[str]", child.stdin), cast("IO[str]", child.stdout)
    requests.write(f"{count}\n")
    requests.flush()
    return float(answers.readline() or "nan")


def await_ready(child: subprocess.Popen[str], log: Path) -> None:
    """Wait for the first line of output. Raises `BenchError` if the process ends without one."""
    if not cast("IO[str]", child.stdout).readline():
        raise BenchError(f"a contender did not start; end of {log}:\n{tail(log)}")


@contextmanager
def redis_server(state: Path) -> Iterator[tuple[str, int]]:
    """The embedded Redis of a state directory, as in `up`; yields its URL and process id."""
    embedded_redis.prepare(state)
    log = state / "redis.log"
    with process(embedded_redis.redis_command(state), log=log, threads=1) as server:
        until(lambda: embedded_redis.answers(state), START_S, "answer of Redis", log)
        yield addresses.urls_for(state).redis_url, server.pid


def cpu_s(pids: Sequence[int]) -> float:
    """CPU seconds of processes, including their ended children; NaN if unknown."""
    ticks = 0
    for pid in pids:
        try:
            status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except OSError:  # not on Linux
            return float("nan")
        fields = status.rpartition(")")[2].split()
        ticks += sum(map(int, fields[11:15]))  # utime, stime, cutime, cstime: proc(5)
    return ticks / os.sysconf("SC_CLK_TCK")


def until(condition: Callable[[], bool], timeout_s: float, what: str, log: Path) -> None:
    """Poll `condition`. Raises `BenchError` with the end of `log` after `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline:
            raise BenchError(f"no {what} within {timeout_s:.0f} s; end of {log}:\n{tail(log)}")
        time.sleep(0.02)


def tail(log: Path, lines: int = 8) -> str:
    """The last lines of a log."""
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
