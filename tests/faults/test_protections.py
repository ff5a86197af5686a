"""The removals match the current files and tests; running them takes an hour."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import pytest

from tests.faults.protections import FAULT_TESTS, REPOSITORY
from tests.faults.removals import REMOVALS
from tests.faults.removals.removal import Removal


@pytest.fixture(scope="module")
def fault_tests() -> set[str]:
    """The node ids of all fault tests, as removals name them."""
    listed = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", FAULT_TESTS],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    found = {
        line.removeprefix(FAULT_TESTS)
        for line in listed.stdout.splitlines()
        if line.startswith(FAULT_TESTS)
    }
    return {test for test in found if not test.startswith("test_protections.py")}


@pytest.mark.parametrize("removal", REMOVALS, ids=lambda removal: removal.name)
def test_what_a_removal_takes_out_is_there_once(removal: Removal) -> None:
    for edit in removal.edits:
        text = (REPOSITORY / edit.file).read_text(encoding="utf-8")
        assert text.count(edit.old) == 1, edit
        assert edit.new != edit.old


def test_removals_have_names_of_their_own() -> None:
    assert max(Counter(removal.name for removal in REMOVALS).values()) == 1


def test_every_test_that_a_removal_names_exists(fault_tests: set[str]) -> None:
    named = {test for removal in REMOVALS for test in removal.tests}
    assert {test for test in named if not _covered(fault_tests, test)} == set()


def test_every_fault_test_sees_a_removal(fault_tests: set[str]) -> None:
    named = {test for removal in REMOVALS for test in removal.tests}
    assert {test for test in fault_tests if not named & {test, test.partition("[")[0]}} == set()


def _covered(fault_tests: set[str], name: str) -> bool:
    return any(name in (test, test.partition("[")[0]) for test in fault_tests)
