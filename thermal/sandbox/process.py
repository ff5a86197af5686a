"""A decoder process: ``python -m thermal.sandbox.process MEMORY_BYTES CPU_S``, the socket as stdin.

It reads nothing but its socket and ends when that is closed.
"""

from __future__ import annotations

import resource
import signal
import socket
import sys
from pathlib import Path
from typing import Final

import cv2
import numpy as np

from thermal.decode import DecodeOptions, decode
from thermal.errors import DecodeError
from thermal.frame import Frame
from thermal.memory import keep_freed_memory
from thermal.sandbox.messages import (
    NO_MEMORY,
    Failed,
    answer_head,
    read_request_head,
    receive_head,
    receive_into,
    send,
)

#: Seconds of CPU time for several small files together; if they need more, each is tried alone.
SEVERAL_CPU_S: Final = 1.0


def main(memory_bytes: int, cpu_s: float) -> None:
    """Decode files until the other side closes the connection."""
    for number in (signal.SIGINT, signal.SIGTERM):  # sent to the whole group; the worker decides
        signal.signal(number, signal.SIG_IGN)
    cv2.setNumThreads(1)
    keep_freed_memory()
    limit_memory(memory_bytes)
    connection = socket.socket(fileno=0)
    send(connection, b"")  # ready
    while received := receive_head(connection):
        files, options = read_request_head(received[0])
        body = bytearray(received[1])
        if not receive_into(connection, memoryview(body)):
            return
        limit_cpu(cpu_s if len(files) == 1 else SEVERAL_CPU_S)
        content = memoryview(body)
        results, start = list[Frame | Failed](), 0
        for size, suffix in files:
            results.append(result(content[start : start + size], suffix, options))
            start += size
        send(connection, answer_head(results), [v for r in results for v in values_of(r)])


def result(data: memoryview, suffix: str, options: DecodeOptions) -> Frame | Failed:
    """The frame in a file, or why there is none."""
    try:
        return decode(bytes(data), suffix=suffix, options=options)
    except (MemoryError, DecodeError) as error:
        return Failed(type(error).__name__, str(error))


def values_of(result: Frame | Failed) -> list[memoryview]:
    """The values of a frame as bytes."""
    if isinstance(result, Failed):
        return []
    return [memoryview(np.ascontiguousarray(result.values, np.float32).data).cast("B")]


def limit_memory(memory_bytes: int) -> None:
    """Let this process use so many bytes of address space beyond what it has now."""
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + memory_bytes
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_cpu(seconds: float) -> None:
    """Let this process compute for so long from now; then SIGPROF ends it."""
    signal.setitimer(signal.ITIMER_PROF, seconds)


if __name__ == "__main__":
    try:
        main(int(sys.argv[1]), float(sys.argv[2]))
    except MemoryError:  # outside the decoder: the file itself does not fit
        sys.exit(NO_MEMORY)
