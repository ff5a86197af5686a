"""When a parent process is killed, its child must die too."""

import contextlib
import os
import select
import signal
import subprocess
import sys

import pytest

#: Starts a child that keeps our stdout open, prints its process id, and waits.
PARENT = """
import subprocess, sys
from ops.local.parent_death import bound_to_this_process
sleeper = (sys.executable, "-c", "print('up', flush=True); import time; time.sleep(60)")
subprocess.Popen(bound_to_this_process(sleeper)).wait()
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux kills children with their parent")
def test_child_is_killed_when_its_parent_is_killed() -> None:
    # to see it fail: return tuple(argv) from bound_to_this_process
    with subprocess.Popen(
        (sys.executable, "-c", PARENT),
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        start_new_session=True,
    ) as parent:
        assert parent.stdout is not None
        try:
            assert parent.stdout.readline() == b"up\n"
            parent.kill()
            closed, _, _ = select.select([parent.stdout], [], [], 10)
            assert closed, "the child still runs 10 s after its parent was killed"
            assert parent.stdout.read() == b""
        finally:
            parent.kill()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(parent.pid, signal.SIGKILL)
