"""One minute of the soak; `make soak` runs it longer."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.soak import Soak, describe
from thermal.detection.bundle import Bundle


@pytest.mark.slow
def test_a_minute_of_faults_loses_no_image_and_doubles_none(tmp_path: Path, bundle: Bundle) -> None:
    # to see it fail: any removal of the other fault tests, such as leases that never expire
    report = Soak(tmp_path, bundle, minutes=1, seed=4, say=print).run()
    assert report.passed, describe(report)
    assert report.faults.total() >= 2
    assert report.uploaded > 100
