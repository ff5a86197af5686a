"""The decoder processes of one worker or server, and what becomes of files that break them."""

from __future__ import annotations

import os
import queue
import signal
import socket
import subprocess
import sys
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Final

from thermal import errors
from thermal.errors import DecodeCrashed, DecodeError, DecodeTooSlow, ImageTooLarge
from thermal.frame import Frame
from thermal.sandbox.decoder import EncodedImage
from thermal.sandbox.messages import (
    NO_MEMORY,
    BadMessage,
    Failed,
    read_answer_head,
    receive_head,
    receive_into,
    request_head,
    send,
)

#: Seconds for a process to start on a busy machine.
START_S: Final = 60.0
#: Seconds that a file may take, waiting for a core included.
WALL_S: Final = 20.0
#: Seconds for an idle process to end.
ENDING_S: Final = 0.2
#: Bytes of a connection's buffers; most files and frames fit, so that neither side waits.
_BUFFER: Final = 1 << 20


class SandboxUnavailable(OSError):
    """No decoder process can be started."""


@dataclass(frozen=True)
class SandboxLimits:
    """What one file may take.

    Raises:
        ValueError: a limit is not positive.
    """

    #: MiB of memory.
    memory_mib: int = 2048
    #: Seconds of CPU time.
    cpu_s: float = 3.0

    def __post_init__(self) -> None:
        if self.memory_mib < 64:
            raise ValueError(f"memory_mib: should be at least 64, given {self.memory_mib}")
        if not self.cpu_s >= 0.1:
            raise ValueError(f"cpu_s: should be at least 0.1 s, given {self.cpu_s}")


class Sandbox:
    """Up to `processes` decoder processes, started when they are needed. Thread-safe."""

    def __init__(self, processes: int, limits: SandboxLimits | None = None):
        limits = limits or SandboxLimits()
        self._all = [ProcessDecoder(limits) for _ in range(processes)]
        self._free: queue.LifoQueue[ProcessDecoder] = queue.LifoQueue()
        for decoder in self._all:
            self._free.put(decoder)

    @contextmanager
    def decoder(self) -> Iterator[ProcessDecoder]:
        """A decoder for this thread alone; waits until one is free."""
        decoder = self._free.get()
        try:
            yield decoder
        finally:
            decoder.give_up()
            self._free.put(decoder)

    def close(self) -> None:
        """End all processes."""
        for decoder in self._all:
            decoder.close()


class ProcessDecoder:
    """One process. `start` hands it files, `results` waits for their frames."""

    def __init__(self, limits: SandboxLimits):
        self._limits = limits
        self._running: tuple[subprocess.Popen[bytes], socket.socket] | None = None
        self._end: weakref.finalize[..., ProcessDecoder] | None = None
        self._asked: tuple[EncodedImage, ...] = ()

    @property
    def pid(self) -> int | None:
        """Of the running process."""
        return self._running[0].pid if self._running else None

    def start(self, files: Sequence[EncodedImage]) -> None:
        """Hand over files with the same options; they are decoded while the caller goes on.

        Raises:
            SandboxUnavailable: no process can be started.
        """
        self._asked = tuple(files)
        self._send(self._asked)

    def results(self) -> list[Frame | DecodeError]:
        """Wait for the frames of the files handed over last, or for the reasons against them.

        If a process ends, or has too little memory for several files, each file is tried alone. One
        that ends a process alone is tried once more: that may not be its fault.

        Raises:
            SandboxUnavailable: no process can be started.
        """
        files, self._asked = self._asked, ()
        if len(files) > 1:
            with suppress(OSError, BadMessage):
                found = self._receive(files)
                if not any(isinstance(each, _NoMemory) for each in found):
                    return [*found]
            self.close()  # unless the files were only too many for it, it has ended anyway
            return [self._alone(file) for file in files]
        return [self._alone(file, is_asked=True) for file in files]

    def _alone(self, file: EncodedImage, *, is_asked: bool = False) -> Frame | DecodeError:
        ended = ""
        for is_sent in (is_asked, False):
            try:
                if not is_sent:
                    self._send((file,))
                return self._receive((file,))[0]
            except SandboxUnavailable:
                raise
            except (OSError, BadMessage) as error:
                status = self.close()
                if isinstance(error, TimeoutError):
                    return DecodeTooSlow(f"was not decoded within {WALL_S:.0f} s")
                if status == -signal.SIGPROF:
                    seconds = self._limits.cpu_s
                    return DecodeTooSlow(f"needs more than {seconds:g} s of computing to decode")
                if status == NO_MEMORY:
                    return self._no_memory()
                ended = _ended(status, error)
        return DecodeCrashed(f"ended the process that decoded it, twice: {ended}")

    def give_up(self) -> None:
        """Forget files whose results nobody took."""
        if self._asked:
            self._asked = ()
            self.close()

    def _send(self, files: Sequence[EncodedImage]) -> None:
        if self._running is None:
            self._running = _start(self._limits)
            self._end = weakref.finalize(self, _end, *self._running)  # if nobody calls `close`
        sizes = [(len(file.data), file.suffix) for file in files]
        with suppress(OSError):  # it has ended: the attempt to receive will find that out
            head = request_head(sizes, files[0].options)
            send(self._running[1], head, [file.data for file in files])

    def _receive(self, files: Sequence[EncodedImage]) -> list[Frame | DecodeError]:
        if self._running is None:
            raise ConnectionResetError("the process has ended")
        connection = self._running[1]
        received = receive_head(connection)
        if received is None:
            raise ConnectionResetError("the connection was closed")
        results, values = read_answer_head(
            *received, files=len(files), max_pixels=files[0].options.max_pixels
        )
        if not receive_into(connection, values):
            raise ConnectionResetError("the connection was closed")
        return [self._error(each) if isinstance(each, Failed) else each for each in results]

    def _error(self, failed: Failed) -> DecodeError:
        if failed.kind == "MemoryError":
            return self._no_memory()
        found = getattr(errors, failed.kind, None)
        if not (isinstance(found, type) and issubclass(found, DecodeError)):
            raise BadMessage(f"unknown error {failed.kind!r}")
        return found(failed.text)

    def _no_memory(self) -> DecodeError:
        return _NoMemory(f"needs more than {self._limits.memory_mib:,} MiB of memory to decode")

    def close(self) -> int | None:
        """End the process; return its exit status, its own if it was ending anyway."""
        self._running = None
        return self._end() if self._end is not None else None


def _end(process: subprocess.Popen[bytes], connection: socket.socket) -> int:
    connection.close()  # it ends by itself then, unless it is busy
    with suppress(subprocess.TimeoutExpired):
        return process.wait(ENDING_S)
    process.kill()
    return process.wait()


class _NoMemory(ImageTooLarge):
    """There was too little memory; for several files at a time there may be enough for each."""


def _ended(status: int | None, error: Exception) -> str:
    """How a process ended, for people."""
    if status is None:
        return str(error)
    return signal.Signals(-status).name if status < 0 else f"exit status {status}"


def _start(limits: SandboxLimits) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a process and wait until it is ready.

    Its environment holds no secrets, and one thread is enough for it.
    """
    ours, theirs = socket.socketpair()
    for end in (ours, theirs):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _BUFFER)
    words = [str(limits.memory_mib << 20), str(limits.cpu_s)]
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TZ") if name in os.environ}
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    try:
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-m", "thermal.sandbox.process", *words],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                env=kept | threads | {"PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
                cwd="/",
            )
        ours.settimeout(START_S)
        if receive_head(ours) is None:
            raise ConnectionResetError(f"exit status {process.wait()}")
    except (OSError, BadMessage) as error:
        ours.close()
        raise SandboxUnavailable(f"no process for decoding can be started: {error}") from error
    ours.settimeout(WALL_S)
    return process, ours
