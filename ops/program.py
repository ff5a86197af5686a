"""Prints commands so that they work in the shell in which they are printed.

The program may be on the PATH (`thermalwatch`), in a virtual environment that is not activated
(`.venv/bin/thermalwatch`), or only a checkout (`python -m ops`). Hints name it accordingly.
"""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

#: Name of the console script, and of the program in messages of packages that print nothing.
NAME = "thermalwatch"

#: How messages quote a command.
QUOTED = f"`{NAME} "


def program() -> str:
    """What to type to start this program, quoted for a POSIX shell.

    `thermalwatch` if that is what the PATH leads to, otherwise the path by which it was started.
    """
    started = Path(sys.argv[0])
    if started.name != NAME:  # started as `python -m ops`, or imported
        started = Path(sys.executable).with_name(NAME)
    if not started.is_file():
        return shlex.join((sys.executable, "-m", "ops"))
    found = shutil.which(NAME)
    if found is not None and started.samefile(found):
        return NAME
    return shlex.quote(str(started))


def command_line(*words: str | Path) -> str:
    """This program with arguments, ready to be pasted: `command_line("audit", "--data", path)`."""
    return " ".join((program(), *(shlex.quote(str(word)) for word in words)))


def as_called(message: str) -> str:
    """`message` with every quoted `thermalwatch …` replaced by what starts this program."""
    return message.replace(QUOTED, f"`{program()} ")
