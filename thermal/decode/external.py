"""Temperatures measured by a program of the camera's maker, such as DJI's `dji_irp`.

The program gets a copy of the file and writes raw values: float32 in °C, or int16 in tenths of a
degree, little-endian, row by row, without a header. It runs without a shell, in an empty directory
and a process group of its own, with limits on time, memory and the size of files.
"""

from __future__ import annotations

import os
import signal
import stat
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import numpy as np
from numpy.typing import NDArray

from thermal.decode.confined import confined
from thermal.errors import CorruptImage, DecodeTooSlow, UnsupportedImage

#: What stands for the paths in the command.
INPUT, OUTPUT = "{input}", "{output}"

#: Seconds that the program may take; less than a decoder process has.
WALL_S: Final = 15.0
CPU_S: Final = 15
MEMORY_BYTES: Final = 2 << 30
#: Bytes of any file that it may write beyond the values.
_SPARE_FILE_BYTES: Final = 1 << 20

#: Pixels of the picture across one measured pixel, at most: some cameras enlarge their pictures.
_MOST_ENLARGED: Final = 4

_CELSIUS_PER_INT16: Final = 0.1
_KEPT_VARIABLES: Final = ("PATH", "LANG", "TZ")
_SHOWN_CHARACTERS: Final = 200


def check_command(command: Sequence[str]) -> None:
    """Raise ValueError if this cannot be the command of a decoder."""
    arguments = command[1:]
    for placeholder in (INPUT, OUTPUT):
        if not any(placeholder in argument for argument in arguments):
            raise ValueError(
                f"should be a program and its arguments, {placeholder} among them, such as "
                '["dji_irp", "-a", "measure", "--measurefmt", "float32", "--source", "{input}", '
                '"--output", "{output}"]'
            )


def measure(data: bytes, command: Sequence[str], width: int, height: int) -> NDArray[np.float64]:
    """Temperatures (H, W) in °C of a JPEG whose picture has this size in px.

    Raises:
        UnsupportedImage: the program cannot be started or refuses the file.
        DecodeTooSlow: it takes too long.
        CorruptImage: what it writes are not the values of this picture.
    """
    with TemporaryDirectory(prefix="thermalwatch-") as name:
        folder = Path(name)
        paths = {INPUT: folder / "input.jpg", OUTPUT: folder / "output.raw"}
        paths[INPUT].write_bytes(data)
        most_bytes = 4 * width * height + _SPARE_FILE_BYTES
        _run(_with_paths(command, paths), folder, most_bytes)
        return _values(_read(paths[OUTPUT], most_bytes), width, height, command[0])


def _with_paths(command: Sequence[str], paths: dict[str, Path]) -> list[str]:
    filled = list(command)
    for placeholder, path in paths.items():
        filled = [argument.replace(placeholder, str(path)) for argument in filled]
    return filled


def _run(command: Sequence[str], folder: Path, file_bytes: int) -> None:
    messages = folder / "messages"
    with messages.open("wb") as output:
        process = subprocess.Popen(
            confined(command, cpu_s=CPU_S, memory_bytes=MEMORY_BYTES, file_bytes=file_bytes),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={key: os.environ[key] for key in _KEPT_VARIABLES if key in os.environ},
            start_new_session=True,
        )
    try:
        status = process.wait(WALL_S)
    except subprocess.TimeoutExpired:
        status = None
    finally:
        with suppress(ProcessLookupError):  # it and what it has started
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    program = Path(command[0]).name
    if status is None or status == -signal.SIGXCPU:
        raise DecodeTooSlow(f"the decoder {program} took more than {WALL_S:.0f} s")
    if status:
        said = _tail(messages)
        ended = signal.Signals(-status).name if status < 0 else f"exit status {status}"
        raise UnsupportedImage(f"the decoder {program} failed ({ended}): {said}")


def _tail(file: Path) -> str:
    """The end of what a program said, on one line."""
    with suppress(OSError):
        text = file.read_bytes()[-4 * _SHOWN_CHARACTERS :].decode("utf-8", "replace")
        words = "".join(c if c.isprintable() else " " for c in text).split()
        return " ".join(words)[-_SHOWN_CHARACTERS:] or "it said nothing"
    return "it said nothing"


def _read(file: Path, most_bytes: int) -> bytes:
    """The content of a regular file; empty if there is none."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        return b""
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return b""
    with os.fdopen(descriptor, "rb") as stream:
        return stream.read(most_bytes + 1)


def _values(raw: bytes, width: int, height: int, program: str) -> NDArray[np.float64]:
    for enlarged in range(1, _MOST_ENLARGED + 1):
        if width % enlarged or height % enlarged:
            continue
        shape = height // enlarged, width // enlarged
        pixels = shape[0] * shape[1]
        if len(raw) == 4 * pixels:
            return np.frombuffer(raw, "<f4").reshape(shape).astype(np.float64)
        if len(raw) == 2 * pixels:
            return np.frombuffer(raw, "<i2").reshape(shape) * _CELSIUS_PER_INT16
    raise CorruptImage(
        f"the decoder {Path(program).name} wrote {len(raw):,} bytes, which are not the float32 or "
        f"int16 values of {width}×{height} px"
    )
