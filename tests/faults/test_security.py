"""Whoever can write to Redis, the watch directory or the ledger gains nothing.

See also `tests/worker/test_rq_worker.py` (functions, callbacks and pickles in single jobs),
`tests/storage/files/test_paths.py` and `tests/worker/test_reading.py` (paths that leave the root),
`tests/storage/results/test_export.py` (formulas), `tests/thermal/detection/test_bundle.py` (altered
bundles).
"""

from __future__ import annotations

import csv
import json
import os
import pickle
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from redis import Redis
from rq import Queue
from rq.serializers import JSONSerializer
from sqlalchemy import text, update

from ops.cli.main import cli
from storage.db.database import reading, writing
from storage.db.schema import models
from storage.frames.identity import NewFrame
from storage.frames.registration import register
from storage.models import save_model
from storage.queue import JOB_FUNCTION, QUEUE_NAME, FrameQueue
from tests.faults.conftest import MakeSite
from tests.faults.lasting import is_idle
from tests.faults.site import RECOVERY_S, REPOSITORY, START_S, Site
from tests.scene import picture
from tests.waiting import wait_until
from thermal.detection.bundle import WEIGHTS_FILE, Bundle, save_bundle


@pytest.fixture(scope="module")
def site(make_lasting_site: MakeSite) -> Site:
    """A running site, the target of all attacks."""
    site = make_lasting_site()
    site.start_producer()
    site.start_worker()
    wait_until(lambda: bool(site.workers()), START_S, "the start of the worker")
    return site


def command(*words: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a command and return its result."""
    plain = {key: value for key, value in os.environ.items() if "THERMALWATCH" not in key}
    return subprocess.run(
        [sys.executable, "-m", "ops", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=START_S * 2,
        env=plain | {"PYTHONPATH": str(REPOSITORY), **environment},
        check=False,
    )


def ask(site: Site, *words: str | Path) -> str:
    """The output of a command that queries this site."""
    urls = {"REDIS_URL": site.redis.url, "DATABASE_URL": site.database_url}
    answer = CliRunner().invoke(cli, list(map(str, words)), env=urls)
    assert answer.exit_code == 0, answer.output
    return answer.stdout


class Trap:
    """Creates a directory when unpickled."""

    def __init__(self, target: Path):
        self.target = target

    def __reduce__(self) -> tuple[Callable[..., None], tuple[str]]:
        return os.mkdir, (str(self.target),)


def write_foreign_function(redis: Redis, target: Path) -> None:
    queue = Queue(QUEUE_NAME, connection=redis, serializer=JSONSerializer)
    queue.enqueue("os.mkdir", str(target))


def write_pickle(redis: Redis, target: Path) -> None:
    Queue(QUEUE_NAME, connection=redis).enqueue("os.mkdir", str(target))
    job_id = "pickled"
    redis.hset(
        f"rq:job:{job_id}",
        mapping={"data": pickle.dumps(Trap(target)), "origin": QUEUE_NAME, "status": "queued"},
    )
    redis.lpush(f"rq:queue:{QUEUE_NAME}", job_id)


def write_paths_in_messages(redis: Redis, target: Path) -> None:
    target.with_name("secret.png").write_bytes(picture(1))
    secret = str(target.with_name("secret.png"))
    queue = Queue(QUEUE_NAME, connection=redis, serializer=JSONSerializer)
    for message in (
        {"v": 1, "frames": [secret]},
        {"v": 1, "frames": ["../" * 20 + secret]},
        {"v": 1, "frames": [{"root": "/", "path": secret}]},
        {"v": 1, "frames": ["0" * 32], "root": "/", "path": secret},
        {"v": 1, "frames": ["0" * 32]},  # no such frame
        {"v": 2, "paths": [secret]},
        [secret],
        secret,
        None,
    ):
        queue.enqueue_call(JOB_FUNCTION, args=(message,))
    queue.enqueue_call(JOB_FUNCTION, kwargs={"path": secret})
    queue.enqueue_call(JOB_FUNCTION)


def write_no_jobs_at_all(redis: Redis, target: Path) -> None:
    for entry in ("no-such-job", b"\xff\xfe\0", "rq:job:x", "", str(target)):
        redis.lpush(f"rq:queue:{QUEUE_NAME}", entry)
    fields = {"origin": QUEUE_NAME, "status": "queued"}
    broken: dict[str, dict[str, str | bytes]] = {
        "empty": {"x": "y"},
        "no-data": {**fields, "created_at": "2026-01-01T00:00:00.000000Z"},
        "no-json": {**fields, "data": b"\xff\xfe", "created_at": "2026-01-01T00:00:00.000000Z"},
        "no-date": {**fields, "data": "[]", "created_at": "yesterday"},
        "no-number": {**fields, "data": "[]", "timeout": "soon", "result_ttl": "never"},
        "no-dict": {**fields, "data": json.dumps([JOB_FUNCTION, None, [1], 5]), "meta": "x"},
        "no-status": {**fields, "status": "dancing", "data": "[]"},
    }
    for job_id, job in broken.items():
        for field, value in job.items():
            redis.hset(f"rq:job:{job_id}", field, value)
        redis.lpush(f"rq:queue:{QUEUE_NAME}", job_id)


def write_scored_frames_again(redis: Redis, _target: Path) -> None:
    with redis.pipeline() as pipeline:
        pipeline.lrange("scored", 0, 19)  # no more than the queue's depth
        [ids] = pipeline.execute()
    for frame_id in ids:
        FrameQueue(redis).enqueue([frame_id.decode()])


@contextmanager
def seen_by_the_producer(site: Site) -> Iterator[None]:
    """Let the producer check the queue while it contains what the block writes."""
    wait_until(lambda: is_idle(site), RECOVERY_S, "the end of all jobs")
    site.processes["worker-1"].send_signal(signal.SIGSTOP)
    seen = site.seen()
    site.upload(1)  # its job waits for the stopped worker
    wait_until(lambda: site.seen() == seen + 1, RECOVERY_S, "its registration")
    yield
    due = text("SELECT count(*) FROM frames WHERE state = 'pending' AND lease_until = 0")

    def are_claimed() -> bool:
        with reading(site.engine) as connection:
            return bool(connection.scalars(due).one() == 0)

    for _ in range(2):  # a producer that failed on the first check cannot make the second
        with writing(site.engine) as connection:
            connection.execute(text("UPDATE frames SET lease_until = 0 WHERE state = 'pending'"))
        wait_until(are_claimed, RECOVERY_S, "the producer's check of the queue")
    site.processes["worker-1"].send_signal(signal.SIGCONT)


@pytest.mark.parametrize(
    "attack",
    [
        write_foreign_function,
        write_pickle,
        write_paths_in_messages,
        write_no_jobs_at_all,
        write_scored_frames_again,
    ],
)
def test_what_is_written_into_the_queue_runs_nothing_and_stops_nothing(
    site: Site, tmp_path: Path, attack: Callable[[Redis, Path], None]
) -> None:
    # to see it fail: make FrameJob.func return what a job names, fall back to pickle in WarmWorker,
    # drop the check of ids in FrameBatch.decode, make Worker._work end when RQ's worker does, or
    # make `load_pending` return scored frames
    site.upload(10)
    site.wait_until_settled()
    seen = site.ledger_counts().seen
    target = tmp_path / "made-by-an-attacker"
    with site.redis.client() as redis:
        with writing(site.engine) as connection:
            redis.rpush("scored", *connection.scalars(text("SELECT id FROM frames")))
        with seen_by_the_producer(site):
            attack(redis, target)
        site.upload(10)
        site.wait_until_settled()
        wait_until(lambda: is_idle(site), RECOVERY_S, "the end of all jobs")
    assert not target.exists()
    assert site.ledger_counts().seen == seen + 11, "a job created frames"
    assert site.said_to_be("scored", "worker-1") == site.ledger_counts().scored, (
        "frames were scored twice"
    )
    assert all(process.poll() is None for process in site.processes.values()), site.logs()
    site.check_ledger()


def test_a_bundle_with_a_pickle_in_it_is_refused_unread(
    make_site: MakeSite, bundle: Bundle, tmp_path: Path
) -> None:
    # to see it fail: make _read_tensors of bundles try torch.load(..., weights_only=False)
    target = tmp_path / "made-by-a-pickle"
    pickled = tmp_path / "pickled.pt"
    torch.save({"weights": Trap(target)}, pickled)
    site = make_site()
    services = {"REDIS_URL": site.redis.url, "DATABASE_URL": site.database_url}
    folder = tmp_path / "bundle"
    save_bundle(bundle, folder)
    (folder / WEIGHTS_FILE).write_bytes(pickled.read_bytes())
    (tmp_path / "a.png").write_bytes(picture(1))
    for words in (
        ("work", "--burst", "--model", folder, "--data", site.data),
        ("up", "--watch", site.watch, "--model", folder, "--data", site.data),
        ("score", tmp_path / "a.png", "--model", folder, "--output", tmp_path / "found"),
    ):
        answer = command(*words, **services)
        assert answer.returncode == 1, answer.stderr
        assert f"{WEIGHTS_FILE} is not a safetensors file" in answer.stderr.splitlines()[-1]
    # the same in the database, from which workers load models
    save_model(site.engine, bundle, now=0.0, activate=True)
    with writing(site.engine) as connection:
        connection.execute(update(models).values(weights=pickled.read_bytes()))
    answer = command("work", "--burst", "--data", site.data, **services)
    assert answer.returncode == 1, answer.stderr
    assert f"{WEIGHTS_FILE} is not a safetensors file" in answer.stderr.splitlines()[-1]
    assert not target.exists()


#: Names with a special meaning to a database, a shell, a spreadsheet, a terminal or a log.
CAMERAS = (
    "x'); DROP TABLE frames; --",
    'x"; DELETE FROM results; --',
    "' OR '1'='1",
    "%",
    "east_",
    "$(touch pwned)",
    "{camera}",
    "=1+cmd|calc!A0",
)
FORMULAS = ("=1+cmd|calc!A0.png", "+1+1.png", "-1+1.png", "@SUM(A1:A9).png", "\t=1.png")


def test_names_are_never_code(site: Site, tmp_path: Path) -> None:
    # to see it fail: insert a camera's name into SQL text in storage.results.queries, or skip
    # _without_formulas in storage.results.csv_file
    named = [
        site.put(f"{camera}/{number}.png", picture(number))
        for camera in CAMERAS
        for number in range(2)
    ]
    named += [site.put(name, picture(9)) for name in FORMULAS]
    site.wait_until_settled()
    for camera in CAMERAS:
        listed = json.loads(ask(site, "results", "list", "--camera", camera, "--json"))
        assert {row["image_path"] for row in listed["results"]} == {
            f"{camera}/{number}.png" for number in range(2)
        }
    status = json.loads(ask(site, "status", "--json"))
    assert set(CAMERAS) <= {camera["name"] for camera in status["cameras"]}
    target = tmp_path / "results.csv"
    ask(site, "results", "export", "--output", target)
    with target.open(newline="") as file:
        header, *rows = csv.reader(file)
    paths = {row[header.index("image_path")] for row in rows}
    for name in named:
        shown = name.replace("\t", "\\t").replace("\n", "\\n").replace("\r", "\\r")
        assert (f"'{shown}" if shown[0] in "=+-@" else shown) in paths
    for row in rows:
        for cell in row:
            number = re.fullmatch(r"-?[0-9.]+(e[+-]?[0-9]+)?", cell)
            assert number or cell[:1] not in ("=", "+", "-", "@", "\t", "\r")
    site.check_ledger()


def test_a_name_cannot_write_lines_into_a_log(site: Site) -> None:
    # to see it fail: make configure_logging use a plain Formatter, or `requeue --list` print raw
    # names
    forged = "2026-01-01T00:00:00.000Z INFO    all is well"
    name = site.put(f"cam-a/x\n{forged}\r\x1b[2Jx\x9b1mx\u2028x.png", b"dear operator")
    wait_until(lambda: site.outcomes(name) == ["unsupported"], RECOVERY_S, "its quarantine")
    wait_until(
        lambda: "text, not an image" in site.log("worker-1"), RECOVERY_S, "a log line about it"
    )
    log = (site.directory / "worker-1.log").read_bytes().decode()
    assert "all is well" in log
    shown = ask(site, "requeue", "--list") + ask(site, "status")
    for said in (log, shown):
        assert not any(line.startswith(forged) for line in said.split("\n"))
        assert all(letter.isprintable() or letter == "\n" for letter in said)


def test_a_ledger_row_that_climbs_out_of_its_root_is_not_read(site: Site, tmp_path: Path) -> None:
    # to see it fail: join root and path in worker.reading instead of open_beneath, or remove
    # O_NOFOLLOW or the check for ".." from storage.files.paths
    secret = tmp_path / "secret.png"
    secret.write_bytes(picture(1))
    (site.watch / "way-out").symlink_to(tmp_path)
    climb = os.path.relpath(secret, site.watch)
    paths = (climb, f"cam-a/../{climb}", str(secret), "way-out/secret.png", "..", "", r"a\q.png")
    status = secret.stat()
    rows = [
        NewFrame("cam-a", str(site.watch), path, status.st_mtime_ns, status.st_size)
        for path in paths
    ]
    register(site.engine, rows, now=0.0)
    site.uploaded += paths
    site.wait_until_settled()
    for path in paths[:-3]:
        assert site.outcomes(path) == ["outside_root"]
    assert site.outcomes("..") == site.outcomes(r"a\q.png") == ["outside_root"]
    assert site.outcomes("") == ["not_regular"]
    site.check_ledger()
    site.upload(5)
    site.wait_until_settled()
