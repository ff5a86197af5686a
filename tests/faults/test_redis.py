"""Redis that dies, loses data, hangs, is full, or rejects the password."""

from __future__ import annotations

import os
import shutil
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from tests.faults.conftest import MakeSite
from tests.faults.lasting import let_pass, start_all, withstanding
from tests.faults.site import RECOVERY_S, START_S, Site
from tests.waiting import wait_until

#: Seconds for which Redis is dead at least: some turns of every thread that asks it.
DEAD_S = 3.0
#: Seconds for which Redis hangs.
PAUSE_S = 30.0
#: Seconds for which the password is wrong and the processes are observed.
REFUSED_S = 10.0

#: Breaks Redis on entry and repairs it on exit.
Fault = Callable[[Site], AbstractContextManager[None]]


@contextmanager
def killed(site: Site) -> Iterator[None]:
    site.redis.signal(signal.SIGKILL)
    yield
    let_pass(site, DEAD_S)
    site.redis.start()


@contextmanager
def killed_and_emptied(site: Site) -> Iterator[None]:
    site.redis.signal(signal.SIGKILL)
    yield
    shutil.rmtree(_journal(site).parent)
    site.redis.start()


@contextmanager
def killed_and_older(site: Site) -> Iterator[None]:
    # later decisions are lost in Redis, though the rows have them
    size = _journal(site).stat().st_size
    site.upload(50)
    wait_until(site.is_settled, RECOVERY_S, "rows decided since")
    site.upload(100)
    site.redis.signal(signal.SIGKILL)
    assert _journal(site).stat().st_size > size
    yield
    os.truncate(_journal(site), size)
    site.redis.start()


@contextmanager
def flushed(site: Site) -> Iterator[None]:
    with site.redis.client() as redis:
        redis.flushall()
    yield


@contextmanager
def hung(site: Site) -> Iterator[None]:
    site.redis.signal(signal.SIGSTOP)
    yield
    let_pass(site, PAUSE_S)
    site.redis.signal(signal.SIGCONT)


@contextmanager
def cut_off(site: Site) -> Iterator[None]:
    with site.redis.client() as redis:
        for _ in range(10):
            redis.client_pause(1000, all=False)  # so that writers are cut off in the middle
            site.upload(10)
            let_pass(site, 0.2)
            redis.client_kill_filter(_type="normal", skipme=True)
            redis.client_unpause()
    yield


@contextmanager
def full(site: Site) -> Iterator[None]:
    said = site.complaints()["producer"]
    with site.redis.client() as redis:
        redis.config_set("maxmemory", 1)
        yield
        let_pass(site, REFUSED_S)
        redis.config_set("maxmemory", 0)
    assert site.complaints()["producer"] - said <= 2, site.log("producer")


FAULTS: tuple[Fault, ...] = (
    killed,
    killed_and_emptied,
    killed_and_older,
    flushed,
    hung,
    cut_off,
    full,
)


@pytest.fixture(scope="module")
def site(make_lasting_site: MakeSite) -> Site:
    """A site for all faults."""
    return start_all(make_lasting_site())


@pytest.mark.parametrize("fault", FAULTS)
def test_work_goes_on_after_a_fault_of_redis(site: Site, fault: Fault) -> None:
    # to see it fail: let leases never expire in `claim_pending` (jobs are lost with Redis), let
    # Streams._rebuild absorb no rows, leave _refuse_contradictions out of commit_results (an older
    # Redis doubles sequence numbers), the check out of Outage.answered (a full Redis floods the
    # log), RedisError out of Dispatcher, socket_timeout out of open_redis, or the registration out
    # of WarmWorker.heartbeat (workers that an emptied Redis does not know)
    with withstanding(site), fault(site):
        site.upload(100)
        # the ledger registers frames without Redis
        wait_until(
            lambda: site.ledger_counts().seen == len(site.uploaded),
            RECOVERY_S,
            "the registration of all files",
        )


def test_a_wrong_password_is_told_in_a_few_lines_and_work_goes_on_when_it_is_right(
    make_site: MakeSite,
) -> None:
    # to see it fail: make Outage.failed return 0, remove the sleep from Worker.run, or put the
    # password into storage.queue.address
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"redis://:swordfish@127.0.0.1:{port}/0"
    site = make_site("sqlite", "--port", str(port), REDIS_URL=url)
    with site.redis.client() as redis:
        redis.config_set("requirepass", "another")
        site.upload(100)
        site.start_producer()
        site.start_worker()
        wait_until(
            lambda: all(site.complaints().values()), START_S, "error messages of both processes"
        )
        wait_until(
            lambda: site.ledger_counts().seen == 100, RECOVERY_S, "the registration of all files"
        )
        spent = {name: _cpu_s(process.pid) for name, process in site.processes.items()}
        said = site.complaints()
        let_pass(site, REFUSED_S)
        for name, process in site.processes.items():
            assert _cpu_s(process.pid) - spent[name] < REFUSED_S / 10
            assert site.complaints()[name] - said[name] < 10
            assert "password" in site.log(name)
            assert f"127.0.0.1:{port}" in site.log(name)
            assert "swordfish" not in site.log(name)
        redis.auth("another")
        redis.config_set("requirepass", "swordfish")
    site.wait_until_settled()
    site.check_ledger()


def _journal(site: Site) -> Path:
    (journal,) = (site.redis.directory / "appendonlydir").glob("*.incr.aof")
    return journal


def _cpu_s(pid: int) -> float:
    """CPU time of a process, in seconds."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
