"""Files that crash the decoder, or take too much memory or time: they cost only themselves."""

from __future__ import annotations

import os
import signal
from contextlib import suppress

import cv2
import numpy as np
import psutil

from tests.faults.conftest import MakeSite
from tests.faults.site import START_S, Site
from tests.scene import picture
from tests.waiting import wait_until

#: Times that a decoder process crashes.
CRASHES = 5


def test_files_that_take_too_much_are_quarantined_and_hold_up_no_other(make_site: MakeSite) -> None:
    # to see it fail: decode in the worker's own process
    site = make_site(
        THERMALWATCH_LIMITS_DECODE_MEMORY_MIB="350", THERMALWATCH_LIMITS_DECODE_CPU_S="0.5"
    )
    site.start_producer()
    site.start_worker()
    large = cv2.imencode(".png", np.zeros((7000, 7000), np.uint16))[1].tobytes()
    slow = b"\n".join([b",".join([b"21.5"] * 3000)] * 1500)
    wrong = {
        site.put("cam-a/large.png", large): ["too_large"],
        site.put("cam-a/slow.csv", slow): ["too_slow"],
    }
    good = [site.put(f"cam-a/{number}.png", picture(number)) for number in range(20)]
    wait_until(lambda: site.seen() == 22, START_S, "their registration")
    site.wait_for(wrong | {path: ["scored"] for path in good})
    assert site.processes["worker-1"].poll() is None
    site.check_ledger()


def test_a_decoder_that_crashes_costs_no_other_file_and_no_worker(make_site: MakeSite) -> None:
    # to see it fail: decode in the worker's own process
    site = make_site()
    site.start_producer()
    site.start_worker()
    for _ in range(CRASHES):
        site.upload(5)
        wait_until(lambda: bool(decoders(site)), START_S, "a decoder process")
        for process in decoders(site):
            with suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGSEGV)
        site.upload(5)
        site.wait_until_settled()
    assert site.scored() == 10 * CRASHES
    assert site.processes["worker-1"].poll() is None
    assert "Traceback" not in site.log("worker-1")
    site.check_ledger()


def decoders(site: Site) -> list[psutil.Process]:
    """The decoder processes of the worker."""
    found = []
    for child in psutil.Process(site.processes["worker-1"].pid).children():
        with suppress(psutil.Error):
            if "thermal.sandbox.process" in child.cmdline():
                found.append(child)
    return found
