"""Text for people at a terminal."""

from __future__ import annotations

import click

from ops.program import as_called


def note(text: str) -> None:
    """Print for people, on stderr: stdout is for programs."""
    click.echo(as_called(text), err=True)


def printable(text: str) -> str:
    r"""`text` with whatever does not print as an escape: ``\n``, ``\x1b``, ``\u2028``.

    A file's name may hold anything: a line break that forges the next log line, or a sequence that
    makes the terminal of whoever reads it do things.
    """
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode("ascii")
        for letter in text
    )
