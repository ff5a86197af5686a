"""The parts of a removal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

#: Where the fault tests are, relative to the root of the repository.
FAULT_TESTS: Final = "tests/faults/"


@dataclass(frozen=True)
class Edit:
    """Replaces a text that occurs exactly once in a file of the repository."""

    file: str
    old: str
    new: str


@dataclass(frozen=True)
class Removal:
    """A protection to remove from the product, and the tests that must then fail.

    Where several layers protect against the same attack or fault, all have to go, so there are
    several edits. A test is named with its parameters if each case checks a protection of its own.
    """

    name: str
    tests: tuple[str, ...]  #: pytest node ids: `tests/…`, or relative to `FAULT_TESTS`
    edits: tuple[Edit, ...]

    @property
    def node_ids(self) -> tuple[str, ...]:
        """The tests, relative to the root of the repository."""
        return tuple(
            test if test.startswith("tests/") else FAULT_TESTS + test for test in self.tests
        )
