"""The supervisor with trivial children, in a real process tree with real signals."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ops.config.state_directory import StateDirectory
from ops.errors import StateError
from ops.local.supervisor import Backoff
from tests.waiting import PATIENCE_S, wait_until

REPOSITORY = Path(__file__).parents[3]

#: A child that writes its process id and then waits for SIGTERM.
WAITER = """
import os, pathlib, signal, sys, time
me = sys.argv[1]
folder = pathlib.Path(sys.argv[2])
def end(*_):
    with (folder / "order").open("a") as order:
        order.write(me + " ")
    sys.exit(0)
signal.signal(signal.SIGTERM, end)
print("hello from", me, flush=True)
with (folder / (me + ".pids")).open("a") as pids:
    pids.write(str(os.getpid()) + " ")
while True:
    time.sleep(60)
"""

SUPERVISOR = """
import sys
from pathlib import Path
from ops.local.child_logs import Console
from ops.local.supervisor import Backoff, ChildSpec, Supervisor
folder = Path(sys.argv[1])
child = (folder / "child.py").as_posix()
def spec(name, **more):
    return ChildSpec(name, (sys.executable, child, name, str(folder)), **more)
{body}
console = Console(sys.stderr)
supervisor = Supervisor(
    groups, log_dir=folder / "logs", console=console,
    backoff=Backoff(first_s=0.1, max_s=0.4), ready_timeout_s=2,
)
try:
    print(supervisor.run(lambda: (folder / "running").touch()), flush=True)
finally:
    console.close()  # it prints in a thread of its own, which the end would cut off
"""


def alive(pid: int) -> bool:
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"  # nobody may be left to reap it


class Tree:
    """A running supervisor, and the output of its children."""

    def __init__(self, folder: Path, body: str) -> None:
        self.folder = folder
        (folder / "child.py").write_text(WAITER)
        (folder / "supervisor.py").write_text(SUPERVISOR.format(body=textwrap.dedent(body)))
        self.process = subprocess.Popen(
            [sys.executable, str(folder / "supervisor.py"), str(folder)],
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def pids(self, name: str) -> list[int]:
        path = self.folder / f"{name}.pids"
        return [int(p) for p in path.read_text().split()] if path.exists() else []

    def wait_running(self) -> None:
        wait_until((self.folder / "running").exists, what="all children ready")

    def end(self, number: signal.Signals) -> tuple[str, str]:
        self.process.send_signal(number)
        return self.process.communicate(timeout=PATIENCE_S)


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Callable[[str], Tree]]:
    trees: list[Tree] = []

    def start(body: str) -> Tree:
        trees.append(Tree(tmp_path, body))
        return trees[-1]

    yield start
    for one in trees:
        one.process.kill()
        one.process.communicate()


ONE_EACH = 'groups = [[spec("redis")], [spec("worker-1"), spec("worker-2")], [spec("producer")]]'


def test_killed_child_is_started_again(tree: Callable[[str], Tree]) -> None:
    up = tree(ONE_EACH)
    up.wait_running()
    wait_until(lambda: len(up.pids("worker-2")) == 1, what="first worker")
    os.kill(up.pids("worker-2")[0], signal.SIGKILL)
    wait_until(lambda: len(up.pids("worker-2")) == 2, what="second worker")
    assert alive(up.pids("worker-2")[1])
    _, said = up.end(signal.SIGTERM)
    assert "worker-2 was ended by SIGKILL; restarting in 0.1 s" in said


def test_children_are_gone_when_the_supervisor_is_killed(tree: Callable[[str], Tree]) -> None:
    up = tree(ONE_EACH)
    up.wait_running()
    names = ("redis", "worker-1", "worker-2", "producer")
    wait_until(lambda: all(up.pids(name) for name in names), what="all children")
    up.end(signal.SIGKILL)
    for name in names:
        wait_until(lambda name=name: not alive(up.pids(name)[0]), what=f"{name} gone")  # type: ignore[misc]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_stop_signal_ends_children_in_reverse_order(
    tree: Callable[[str], Tree], tmp_path: Path, number: signal.Signals
) -> None:
    up = tree(ONE_EACH)
    up.wait_running()
    names = ("redis", "worker-1", "worker-2", "producer")
    wait_until(lambda: all(up.pids(name) for name in names), what="all children")
    printed, _ = up.end(number)
    order = (tmp_path / "order").read_text().split()
    assert order[0] == "producer"
    assert sorted(order[1:3]) == ["worker-1", "worker-2"]
    assert order[3] == "redis"
    assert printed.strip() == str(int(number))
    assert up.process.returncode == 0


def test_child_that_does_not_end_is_killed_after_its_time(tree: Callable[[str], Tree]) -> None:
    up = tree(
        """
        stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " \\
            "open(r'%s/pid', 'w').write('x'); signal.pause()" % folder
        groups = [[ChildSpec("stubborn", (sys.executable, "-c", stubborn), stop_timeout_s=0.3)]]
        """
    )
    wait_until((up.folder / "pid").exists, what="child")
    _, said = up.end(signal.SIGTERM)
    assert "stubborn did not end in time: killed" in said
    assert up.process.returncode == 0


def test_second_stop_signal_does_not_wait(tree: Callable[[str], Tree]) -> None:
    up = tree(
        """
        stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " \\
            "open(r'%s/pid', 'w').write('x'); signal.pause()" % folder
        groups = [[ChildSpec("stubborn", (sys.executable, "-c", stubborn), stop_timeout_s=300)]]
        """
    )
    wait_until((up.folder / "pid").exists, what="child")
    up.process.send_signal(signal.SIGINT)
    log = up.folder / "logs" / "up.log"
    wait_until(lambda: log.exists() and "stopping stubborn" in log.read_text(), what="stopping")
    _, said = up.end(signal.SIGINT)
    assert "killed" in said


def test_group_waits_for_the_one_before_it(tree: Callable[[str], Tree]) -> None:
    up = tree('groups = [[spec("redis", ready=(folder / "go").exists)], [spec("worker")]]')
    wait_until(lambda: bool(up.pids("redis")), what="redis")
    assert not up.pids("worker")
    (up.folder / "go").touch()
    wait_until(lambda: bool(up.pids("worker")), what="worker")
    _, said = up.end(signal.SIGTERM)
    assert "worker did not start" not in said
    assert len(up.pids("worker")) == 1


def test_child_that_never_becomes_ready_ends_all_with_an_error(tree: Callable[[str], Tree]) -> None:
    up = tree('groups = [[spec("redis", ready=lambda: False)], [spec("worker")]]')
    _, said = up.process.communicate(timeout=PATIENCE_S)
    assert "ChildError: redis: not ready within 2 s; see" in said
    assert not alive(up.pids("redis")[0])


def test_child_that_keeps_failing_is_tried_at_growing_intervals(
    tree: Callable[[str], Tree], tmp_path: Path
) -> None:
    up = tree('groups = [[ChildSpec("bad", (sys.executable, "-c", "raise SystemExit(7)"))]]')
    log = tmp_path / "logs" / "up.log"

    def tried() -> list[str]:
        return log.read_text().splitlines() if log.exists() else []

    wait_until(lambda: len(tried()) >= 4, what="four ends")
    up.end(signal.SIGTERM)
    assert [line.rsplit("in ", 1)[1] for line in tried()[:4]] == [
        "0.1 s",
        "0.2 s",
        "0.4 s",
        "0.4 s",
    ]
    assert "ended with exit code 7" in tried()[0]


def test_what_children_print_is_kept_in_their_logs(
    tree: Callable[[str], Tree], tmp_path: Path
) -> None:
    up = tree(ONE_EACH)
    up.wait_running()
    log = tmp_path / "logs" / "worker-1.log"
    wait_until(lambda: log.exists() and "hello from worker-1" in log.read_text(), what="log line")
    _, said = up.end(signal.SIGTERM)
    assert "worker-1   │ hello from worker-1" in said


def test_pause_between_restarts_is_bounded() -> None:
    backoff = Backoff(first_s=0.5, max_s=20)
    assert [backoff.pause_s(n) for n in (1, 2, 3, 7, 10_000)] == [0.5, 1.0, 2.0, 20, 20]


def test_second_user_of_a_state_directory_is_refused(tmp_path: Path) -> None:
    state = StateDirectory(tmp_path)
    state.create()
    with (
        state.locked(),
        pytest.raises(StateError, match=f"already in use .*process {os.getpid()}"),
        state.locked(),
    ):
        pass
    with state.locked():
        pass
