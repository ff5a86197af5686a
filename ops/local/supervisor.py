"""Keeps groups of child processes running, and stops them in order.

Groups start in the given order and stop in reverse, so what others need starts first and stops
last. A child that ends is restarted after a pause, which grows while its runs are short. Children
cannot outlive the supervisor, even if it is killed (`ops.local.parent_death`).
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType

from ops.errors import ChildError, OpsError
from ops.local.child_logs import ChildLog, Console
from ops.local.parent_death import bound_to_this_process

#: Signals that stop the supervisor in order; a second one stops it at once.
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

#: Seconds between checks of a child that is starting or stopping.
LOOK_S = 0.05


def _nothing() -> None:
    """Default for `ChildSpec.before_start`."""


def _at_once() -> bool:
    """Default for `ChildSpec.ready`."""
    return True


@dataclass(frozen=True)
class ChildSpec:
    """A child process. `env` is added to the supervisor's environment."""

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    #: Seconds from SIGTERM to SIGKILL.
    stop_timeout_s: float = 30.0
    #: Whether the console shows its output. The log file always has it.
    echo: bool = True
    #: Called before every start, to repair what may have ended the child.
    before_start: Callable[[], None] = _nothing
    #: Returns whether the child is ready; the next group waits for this.
    ready: Callable[[], bool] = _at_once


@dataclass(frozen=True)
class Backoff:
    """Pause before a restart: doubles from `first_s` to `max_s` while runs are short."""

    first_s: float = 0.5
    #: Pause and start together take less than 60 s, so that work resumes within a minute.
    max_s: float = 20.0
    #: After a run of this length, the next pause is `first_s` again.
    settled_s: float = 60.0

    def pause_s(self, failures: int) -> float:
        """Seconds to wait after this many short runs in a row, counted from 1."""
        return float(min(self.max_s, self.first_s * 2.0 ** min(failures - 1, 32)))


class Supervisor:
    """Runs `groups` of children until a stop signal, as the module's docstring describes."""

    def __init__(
        self,
        groups: Sequence[Sequence[ChildSpec]],
        *,
        log_dir: Path,
        console: Console,
        backoff: Backoff | None = None,
        ready_timeout_s: float = 60.0,
    ) -> None:
        log_dir.mkdir(parents=True, exist_ok=True)
        backoff = backoff or Backoff()
        self._groups = [
            [
                _Child(
                    spec,
                    ChildLog(
                        spec.name, log_dir / f"{spec.name}.log", console if spec.echo else None
                    ),
                    backoff,
                )
                for spec in group
            ]
            for group in groups
        ]
        self._log = ChildLog("up", log_dir / "up.log", console)
        self._ready_timeout_s = ready_timeout_s
        self._stop_signals: list[int] = []
        self._wake_fd = -1

    def run(self, on_running: Callable[[], None] = _nothing) -> int:
        """Run until a stop signal, and return its number. Call it from the main thread.

        `on_running` is called once, when all groups are ready.

        Raises:
            ChildError: a child was not ready in time. All others have been stopped.
        """
        with self._signals():
            try:
                for group in self._groups:
                    self._start_group(group)
                if not self._stop_signals:
                    on_running()
                while not self._stop_signals:
                    self._sleep(self._tick())
            finally:
                self._stop_all()
        return self._stop_signals[0]

    def say(self, text: str) -> None:
        """Log a line to up.log and the console."""
        self._log.write(text)

    def _start_group(self, group: Sequence[_Child]) -> None:
        for child in group:
            child.start(time.monotonic())
        deadline = time.monotonic() + self._ready_timeout_s
        while not self._stop_signals and not all(c.spec.ready() for c in group):
            if time.monotonic() > deadline:
                names = ", ".join(c.spec.name for c in group)
                raise ChildError(
                    f"{names}: not ready within {self._ready_timeout_s:.0f} s; "
                    f"see {group[0].log.path}"
                )
            self._sleep(min(LOOK_S, self._tick()))

    def _tick(self) -> float:
        """Restart children that are due; return the seconds until the next may be due."""
        now = time.monotonic()
        waits = [child.tick(now, self.say) for group in self._groups for child in group]
        return min(waits, default=60.0)

    def _stop_all(self) -> None:
        for group in reversed(self._groups):
            running = [child for child in group if child.running]
            for child in running:
                child.request_end()
            if running:
                names = ", ".join(c.spec.name for c in running)
                limit_s = max(c.spec.stop_timeout_s for c in running)
                self.say(
                    f"stopping {names} (waits up to {limit_s:.0f} s; a second signal kills at once)"
                )
            self._await_end(running)
        for group in self._groups:
            for child in group:
                child.close()
        self.say("stopped")

    def _await_end(self, children: Sequence[_Child]) -> None:
        begun = time.monotonic()
        while running := [child for child in children if child.running]:
            waited_s = time.monotonic() - begun
            for child in running:
                if len(self._stop_signals) > 1 or waited_s > child.spec.stop_timeout_s:
                    self.say(f"{child.spec.name} did not end in time: killed")
                    child.kill()
            self._sleep(LOOK_S)

    def _sleep(self, seconds: float) -> None:
        """Sleep until a signal arrives (a child ended, or a stop request) or the time is up."""
        if select.select([self._wake_fd], [], [], max(0.0, seconds))[0]:
            os.read(self._wake_fd, 4096)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """Let every signal write to a pipe that `_sleep` watches, so that none is missed."""

        def stop(number: int, _frame: FrameType | None) -> None:
            self._stop_signals.append(number)

        def ignore(_number: int, _frame: FrameType | None) -> None:
            """Without a Python handler, SIGCHLD would not write to the pipe."""

        self._wake_fd, write_fd = os.pipe()
        os.set_blocking(write_fd, False)
        earlier_fd = signal.set_wakeup_fd(write_fd, warn_on_full_buffer=False)
        earlier = {s: signal.signal(s, stop) for s in STOP_SIGNALS}
        earlier[signal.SIGCHLD] = signal.signal(signal.SIGCHLD, ignore)
        try:
            yield
        finally:
            for number, handler in earlier.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(earlier_fd)
            os.close(self._wake_fd)
            os.close(write_fd)


class _Child:
    """A child: its process while it runs, and when to restart it."""

    def __init__(self, spec: ChildSpec, log: ChildLog, backoff: Backoff) -> None:
        self.spec = spec
        self.log = log
        self._backoff = backoff
        self._process: subprocess.Popen[bytes] | None = None
        self._wanted = False  # until its group is started
        self._started_at = 0.0
        self._due_at: float | None = None
        self._failures = 0

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self, now: float) -> None:
        self._wanted = True
        self._process, self._due_at, self._started_at = None, None, now
        self.spec.before_start()
        self._process = subprocess.Popen(
            bound_to_this_process(self.spec.argv),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **self.spec.env},
            start_new_session=True,  # Ctrl-C must reach only the supervisor
        )
        if self._process.stdout is not None:
            self.log.follow(self._process.stdout)

    def tick(self, now: float, say: Callable[[str], None]) -> float:
        """Notice that it ended and restart it when due; return the seconds until then."""
        if not self._wanted or self.running:
            return 60.0
        if self._due_at is None:
            settled = now - self._started_at >= self._backoff.settled_s
            self._failures = 1 if settled else self._failures + 1
            pause_s = self._backoff.pause_s(self._failures)
            self._due_at = now + pause_s
            say(f"{self.spec.name} {self._end()}; restarting in {pause_s:.1f} s")
        if now < self._due_at:
            return self._due_at - now
        try:
            self.start(now)
        except (OSError, OpsError) as error:  # no memory or file handles: try again later
            say(f"{self.spec.name} cannot be started: {error}")
            return 0.0
        return 60.0

    def request_end(self) -> None:
        if self._process is not None:
            self._process.terminate()

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        self.log.close()

    def _end(self) -> str:
        code = self._process.returncode if self._process else None
        if code is None:
            return "did not start"
        if code < 0:
            return f"was ended by {signal.Signals(-code).name}"
        return f"ended with exit code {code} (see {self.log.path})"
