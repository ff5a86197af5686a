"""Databases that die, drop connections, lock, or refuse writes; interrupted migrations."""

from __future__ import annotations

import signal
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

import pytest
from sqlalchemy import make_url

from tests.faults.conftest import MakeSite
from tests.faults.lasting import WORKERS, let_pass, start_all, withstanding
from tests.faults.postgres import PostgresProcess, pooled
from tests.faults.site import RECOVERY_S, Site
from tests.waiting import wait_until

#: Seconds for which a database accepts no writes.
READ_ONLY_S = 10.0
#: Warnings and errors of a process about one outage: its beginning, the failed batch, its end.
FEW_COMPLAINTS = 5
#: Seconds for which another process holds SQLite's lock.
LOCKED_S = 20.0

#: Breaks the database on entry and repairs it on exit.
Fault = Callable[[Site, PostgresProcess], AbstractContextManager[None]]


@contextmanager
def killed_in_a_transaction(_site: Site, postgres: PostgresProcess) -> Iterator[None]:
    with postgres.locked("results"):
        wait_until(lambda: postgres.clients_wait_for("Lock"), RECOVERY_S, "a waiting transaction")
        postgres.kill()
    yield
    postgres.start()


@contextmanager
def hung_up_in_a_transaction(_site: Site, postgres: PostgresProcess) -> Iterator[None]:
    with postgres.locked("results"):
        wait_until(lambda: postgres.clients_wait_for("Lock"), RECOVERY_S, "a waiting transaction")
        postgres.terminate_clients()
    yield


@contextmanager
def hung_up_in_a_commit(site: Site, postgres: PostgresProcess) -> Iterator[None]:
    """A batch is committed, but its worker never gets the answer."""
    producer = site.processes["producer"]
    workers = [site.processes[name] for name in WORKERS]
    for worker in workers:
        worker.send_signal(signal.SIGSTOP)
    site.upload(100)
    wait_until(
        lambda: site.ledger_counts().seen == len(site.uploaded),
        RECOVERY_S,
        "the registration of all files",
    )
    producer.send_signal(signal.SIGSTOP)  # so that batches make the only commits
    postgres.configure("synchronous_standby_names = 'nobody'")
    for worker in workers:
        worker.send_signal(signal.SIGCONT)
    wait_until(lambda: postgres.clients_wait_for("SyncRep"), RECOVERY_S, "a waiting commit")
    postgres.terminate_clients()
    postgres.configure("RESET synchronous_standby_names")
    producer.send_signal(signal.SIGCONT)
    yield


@contextmanager
def read_only(site: Site, postgres: PostgresProcess) -> Iterator[None]:
    postgres.configure("default_transaction_read_only = on")
    let_pass(site, READ_ONLY_S)
    postgres.configure("RESET default_transaction_read_only")
    yield


@contextmanager
def a_table_away(site: Site, postgres: PostgresProcess) -> Iterator[None]:
    with postgres.admin() as admin:
        admin.execute("ALTER TABLE results RENAME TO away")
    let_pass(site, READ_ONLY_S)
    with postgres.admin() as admin:
        admin.execute("ALTER TABLE away RENAME TO results")
    yield


@contextmanager
def a_right_revoked(site: Site, postgres: PostgresProcess) -> Iterator[None]:
    said = site.complaints()
    with postgres.admin() as admin:
        admin.execute("REVOKE INSERT ON results FROM thermalwatch")
    let_pass(site, 3 * READ_ONLY_S)
    with postgres.admin() as admin:
        admin.execute("GRANT INSERT ON results TO thermalwatch")
    yield
    site.wait_until_settled()
    for name, count in site.complaints().items():
        assert count - said[name] <= FEW_COMPLAINTS, site.log(name)


FAULTS: tuple[Fault, ...] = (
    killed_in_a_transaction,
    hung_up_in_a_transaction,
    hung_up_in_a_commit,
    read_only,
    a_table_away,
    a_right_revoked,
)


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresProcess]:
    """A server of this module."""
    postgres = PostgresProcess()
    yield postgres
    postgres.close()


@pytest.fixture(scope="module")
def lasting_site(make_lasting_site: MakeSite, postgres: PostgresProcess) -> Site:
    """A site for all faults of Postgres, with an account of its own."""
    with postgres.admin() as admin:
        admin.execute("CREATE ROLE thermalwatch LOGIN")
        admin.execute("GRANT ALL ON SCHEMA public TO thermalwatch")
    url = make_url(postgres.url).set(username="thermalwatch")
    return start_all(make_lasting_site(url.render_as_string(hide_password=False)))


@pytest.mark.parametrize("fault", FAULTS)
def test_work_goes_on_after_a_fault_of_postgres(
    lasting_site: Site, postgres: PostgresProcess, fault: Fault
) -> None:
    # to see it fail: re-raise OperationalError unchanged in _translated (the producer ends), let
    # load_pending and finish_within both pass committed frames (a lost answer doubles them), forget
    # decisions in window.lua, or leave StorageError out of INFRASTRUCTURE (frames are blamed)
    with withstanding(lasting_site), fault(lasting_site, postgres):
        lasting_site.upload(100)


def test_work_goes_on_behind_a_pooler_that_exchanges_sessions(
    make_site: MakeSite, postgres: PostgresProcess
) -> None:
    # to see it fail: leave out prepare_threshold
    with pooled(postgres) as url:
        with postgres.admin() as admin:
            admin.execute("CREATE DATABASE pooled")
        site = make_site(url.replace("/postgres", "/pooled"))
        start_all(site)
        with withstanding(site):
            site.upload(100)


def test_a_sqlite_file_that_another_process_locks_is_waited_for(make_site: MakeSite) -> None:
    # to see it fail: take the busy timeout out of storage.db.database
    site = start_all(make_site())
    file = Path(site.database_url.removeprefix("sqlite:///"))
    with (
        withstanding(site),
        closing(sqlite3.connect(file, isolation_level=None, timeout=LOCKED_S)) as other,
    ):
        other.execute("BEGIN EXCLUSIVE")
        site.upload(100)
        let_pass(site, LOCKED_S)
        other.execute("ROLLBACK")
    assert sum(site.complaints().values()) == 0, site.logs()


def test_a_migration_that_was_killed_is_done_by_the_next_who_start(site: Site) -> None:
    # to see it fail: commit after each statement of a migration
    site.start_worker("killed", fault="after alembic.op.create_table 4 kill")
    assert site.wait_for_death("killed") == -signal.SIGKILL
    site.upload(20)
    start_all(site)
    site.wait_until_settled()
    site.check_ledger()
