"""What a removal is."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Edit:
    """Replaces a text that occurs once in a file of the repository."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Removal:
    """A protection taken out of the product, and the fault tests that must then fail.

    Where several layers protect from the same fault, all of them have to go: then there are several
    edits. A test is named with its parameters if each of them guards something of its own.
    """

    name: str
    tests: tuple[str, ...]  #: pytest's node ids, from the directory of the fault tests on
    edits: tuple[Edit, ...]
