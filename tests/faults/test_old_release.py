"""Workers of the first release beside a producer of this one, while a plant is being updated."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.faults.conftest import MakeSite
from tests.faults.site import RECOVERY_S, REPOSITORY, START_S
from tests.waiting import wait_until

FIRST_RELEASE = "3e06feafc000fea614ea2027037153e8f090a5cc"
#: A bundle that both releases read.
BUNDLE = REPOSITORY / "tests" / "thermal" / "detection" / "release_0_1"


@pytest.fixture
def old_code(tmp_path: Path) -> str:
    """A folder with the code of the first release, from this repository's history."""
    folder = tmp_path / "old"
    folder.mkdir()
    words = ["git", "-C", str(REPOSITORY), "archive", "--format=tar", FIRST_RELEASE]
    archive = subprocess.run(words, capture_output=True, check=False)
    if archive.returncode != 0:
        pytest.skip("the first release is not in this checkout's history")
    subprocess.run(["tar", "-x", "-C", str(folder)], input=archive.stdout, check=True)
    return os.fspath(folder)


def test_workers_of_the_first_release_lose_nothing_beside_a_new_producer(
    make_site: MakeSite, old_code: str
) -> None:
    site = make_site()
    site.model = BUNDLE
    site.settings = {"PYTHONPATH": old_code}
    site.start_worker("old")
    wait_until(lambda: "old" in site.workers(), START_S, "the old worker")
    site.settings = {}
    site.start_producer()
    for number in range(4):
        site.upload(5, camera=f"cam-{number}")
    site.wait_until_settled()
    # a batch is logged after its rows are stored
    wait_until(
        lambda: site.said_to_be("scored", "old") == 20, RECOVERY_S, "the old worker's log lines"
    )

    site.settings = {"PYTHONPATH": old_code}
    site.start_worker("late")
    assert site.wait_for_death("late") != 0
    assert "a newer thermalwatch; install that release" in site.log("late")

    site.settings = {}
    site.start_worker("new")
    site.upload(200)
    site.wait_until_settled()
    site.check_ledger()
    assert site.scored() == 220
