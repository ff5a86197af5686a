"""Redis as plants run it: TLS, an account with few rights, Sentinels."""

from __future__ import annotations

import re
from pathlib import Path

from tests.faults.conftest import MakeSite
from tests.faults.redis_servers import SentinelSetup, behind_tls
from tests.faults.site import REPOSITORY, START_S
from tests.waiting import wait_until


def acl_line() -> str:
    """The rights that the docs say are enough."""
    text = (REPOSITORY / "docs" / "field.md").read_text()
    found = re.search(r"^ACL SETUSER thermalwatch on >PASSWORD (.*)$", text, re.MULTILINE)
    assert found is not None
    return found[1]


def test_an_account_with_the_documented_rights_is_enough_behind_tls(
    make_site: MakeSite, tmp_path: Path
) -> None:
    # to see it fail: leave a right out of the line, or a file of another CA in the URL
    site = make_site()
    with site.redis.client() as admin:
        admin.execute_command(f"ACL SETUSER thermalwatch on >secret {acl_line()}")
        with behind_tls(site.redis.socket, tmp_path) as (port, authority):
            site.redis.url = (
                f"rediss://thermalwatch:secret@localhost:{port}/0?ssl_ca_certs={authority}"
            )
            site.upload(30)
            site.start_producer()
            site.start_worker()
            wait_until(site.is_settled, what="the first outcomes")
            site.kill("worker-1")  # whose registration and job another one clears up
            site.upload(30)
            site.start_worker("worker-2")
            site.start("doctor", "doctor")
            site.processes["doctor"].wait()
            site.wait_until_settled()
            site.check_ledger()
        refused = admin.execute_command("ACL LOG")
    assert [(entry[b"reason"], entry[b"object"]) for entry in map(as_dict, refused)] == []
    for name in ("producer", "worker-1", "worker-2", "doctor"):
        assert "NOPERM" not in site.log(name)
    assert "secret" not in site.log("doctor")


def as_dict(entry: list[object]) -> dict[object, object]:
    """An entry of ``ACL LOG``."""
    return dict(zip(entry[::2], entry[1::2], strict=True))


def test_work_goes_on_with_the_replica_that_sentinels_promote(
    make_site: MakeSite, tmp_path: Path
) -> None:
    # to see it fail: connect to the first master by its own URL
    site = make_site()
    redis = SentinelSetup(tmp_path / "sentinel")
    try:
        redis.start()
        site.redis.url = redis.url
        site.start_producer()
        site.start_worker()
        site.upload(50)
        wait_until(lambda: site.scored() == 50, START_S, "the first outcomes")
        redis.kill_master()
        site.upload(50)
        wait_until(lambda: redis.current_master() == redis.replica, START_S, "the promotion")
        site.upload(50)
        site.wait_until_settled()
        site.check_ledger()
        assert site.scored() == 150
        assert "Traceback" not in site.log("producer") + site.log("worker-1")
    finally:
        redis.stop()
