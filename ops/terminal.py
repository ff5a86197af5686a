"""Output for people at a terminal."""

from __future__ import annotations

import click

from ops.program import as_called


def note(text: str) -> None:
    """Print a message for people on standard error; standard output is for programs."""
    click.echo(as_called(text), err=True)


def printable(text: str) -> str:
    r"""`text` with non-printable characters escaped: ``\n``, ``\x1b``, ``\u2028``.

    File names may contain anything, such as a line break that forges a log line, or an escape
    sequence that controls the reader's terminal.
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )
