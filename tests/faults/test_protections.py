"""The removals match the current files and tests; running them takes an hour and a half."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from tests.faults.protections import REPOSITORY
from tests.faults.removals import REMOVALS
from tests.faults.removals.removal import FAULT_TESTS, Removal

NAMED = {test for removal in REMOVALS for test in removal.node_ids}


@pytest.fixture(scope="module")
def collected() -> set[str]:
    """The node ids of all fault tests and of the other files that removals name."""
    files = {FAULT_TESTS, *(test.partition("::")[0] for test in NAMED)}
    listed = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", *sorted(files)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    return {line for line in listed.stdout.splitlines() if line.startswith("tests/")}


@pytest.mark.parametrize("removal", REMOVALS, ids=lambda removal: removal.name)
def test_what_a_removal_takes_out_is_there_once(removal: Removal) -> None:
    for edit in removal.edits:
        text = (REPOSITORY / edit.file).read_text(encoding="utf-8")
        assert text.count(edit.old) == 1, edit
        assert edit.new != edit.old


def test_removals_have_names_of_their_own() -> None:
    assert max(Counter(removal.name for removal in REMOVALS).values()) == 1


def test_every_test_that_a_removal_names_exists(collected: set[str]) -> None:
    without_parameters = {test.partition("[")[0] for test in collected}
    assert NAMED - collected - without_parameters == set()


def test_every_fault_test_sees_a_removal(collected: set[str]) -> None:
    own = f"{FAULT_TESTS}test_protections.py::"
    of_faults = {test for test in collected if test.startswith(FAULT_TESTS) and own not in test}
    assert {test for test in of_faults if not NAMED & {test, test.partition("[")[0]}} == set()
