"""Freed memory stays in the process."""

from __future__ import annotations

import subprocess
import sys

import pytest

#: Prints the number of page faults while a thread frees and allocates 16 MB again and again.
PROGRAM = """
import resource, sys, threading
import numpy as np
from thermal.memory import keep_freed_memory
if sys.argv[1] == "keep" and not keep_freed_memory():
    sys.exit("not glibc")
def work():
    def take():
        return [np.ones(1 << 18) for _ in range(8)]
    faults = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    take()
    before = faults()
    for _ in range(10):
        take()
    print(faults() - before)
thread = threading.Thread(target=work)
thread.start()
thread.join()
"""


def faults(word: str) -> int:
    answer = subprocess.run(
        [sys.executable, "-c", PROGRAM, word], capture_output=True, text=True, check=False
    )
    if "not glibc" in answer.stderr:
        pytest.skip("this C library has no mallopt")
    assert answer.returncode == 0, answer.stderr
    return int(answer.stdout)


def test_freed_memory_is_reused_without_page_faults() -> None:
    # to see it fail: remove either mallopt call from keep_freed_memory
    assert faults("keep") < 100 < faults("by itself")
