"""The parts of a removal."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Edit:
    """Replaces a text that occurs exactly once in a file of the repository."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Removal:
    """A protection to remove from the product, and the fault tests that must then fail.

    Where several layers protect against the same fault, all have to go, so there are several edits.
    A test is named with its parameters if each case checks a protection of its own.
    """

    name: str
    tests: tuple[str, ...]  #: pytest node ids, relative to the directory of the fault tests
    edits: tuple[Edit, ...]
