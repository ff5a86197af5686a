"""`up` as a process, and commands on its state directory."""

from __future__ import annotations

import csv
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.ops.cli.process import command, environment, run
from tests.scene import picture
from tests.waiting import PATIENCE_S, wait_until


class Up:
    """A running `thermalwatch up` with its watch and state directories."""

    def __init__(self, folder: Path, model: Path, port: int) -> None:
        self.watch, self.state = folder / "watch", folder / "state"
        self.watch.mkdir(exist_ok=True)
        self.log = folder / "up.log"
        config = folder / "thermalwatch.toml"
        config.write_text(f"[limits]\ngrace_s = 1\n[server]\nport = {port}\n")
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "ops", "up", "--config", str(config)),
                    *("--watch", str(self.watch), "--data", str(self.state)),
                    *("--model", str(model)),
                ],
                stdout=output,
                stderr=output,
                env=environment(),
                cwd=folder,
            )

    def counts(self) -> dict[str, int]:
        answer = run("audit", "--data", self.state, "--json")
        return json.loads(answer.stdout) if answer.exit_code == 0 else {}

    def wait_for(self, **expected: int) -> None:
        def settled() -> bool:
            assert self.process.poll() is None, self.log.read_text()
            return expected.items() <= self.counts().items()

        wait_until(settled, what=f"{expected}, not {self.counts()}; {self.log.read_text()}")


@pytest.fixture
def up(model: Path, tmp_path: Path) -> Iterator[Callable[..., Up]]:
    systems: list[Up] = []

    def start(port: int = 0) -> Up:
        systems.append(Up(tmp_path, model, port))
        return systems[-1]

    yield start
    for system in systems:
        system.process.kill()  # its children end with it
        system.process.wait()


def test_up_scores_uploads_stops_cleanly_and_continues_after_a_restart(
    up: Callable[..., Up], images: Path, tmp_path: Path
) -> None:
    first = up()
    images.rename(first.watch / "images")
    first.wait_for(seen=22, scored=20, quarantined=2, pending=0)
    state = first.state

    listed = json.loads(command("results", "list", "--data", state, "--json").stdout)
    assert len(listed["results"]) == 20
    assert {row["camera"] for row in listed["results"]} == {"images"}
    anomalies = json.loads(
        command("results", "list", "--data", state, "--anomalies", "--json").stdout
    )["results"]
    assert [row["image_path"] for row in anomalies] == ["images/east/7.png"]
    shown = command("results", "show", "images/east/7.png", "--data", state)
    assert "prediction             Anomaly" in shown.stdout
    status = json.loads(command("status", "--data", state, "--json").stdout)
    assert [worker["state"] for worker in status["queue"]["workers"]] == ["idle"]
    assert status["queue"]["producers"][0]["roots"][0]["mode"] == "inotify"
    healthy = command("doctor", "--data", state, "--watch", first.watch)
    assert healthy.returncode == 0, healthy.stdout
    second_up = command("up", "--data", state, "--watch", first.watch)
    assert second_up.returncode == 1
    assert f" up` (process {first.process.pid})" in second_up.stderr

    first.process.send_signal(signal.SIGINT)
    assert first.process.wait(PATIENCE_S) == 130
    (first.watch / "images" / "late.png").write_bytes(picture(900))
    second = up()
    second.wait_for(seen=23, scored=21, pending=0)
    assert command("requeue", "--all", "--reason", "corrupt", "--data", state).returncode == 0
    second.wait_for(seen=23, scored=21, quarantined=2, pending=0)
    second.process.send_signal(signal.SIGTERM)
    assert second.process.wait(PATIENCE_S) == 0

    replayed = command("audit", "--replay", "--data", state)
    assert replayed.returncode == 0, replayed.stdout
    assert "21 decisions of 1 streams recomputed: 0 differ, 0 are missing" in replayed.stdout
    export = tmp_path / "results.csv"
    assert command("results", "export", "--data", state, "--output", export).returncode == 0
    with export.open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 21
    models = json.loads(command("model", "list", "--data", state, "--json").stdout)
    assert [entry["active"] for entry in models] == [True]


def test_all_that_a_system_writes_is_private_whatever_the_umask(
    up: Callable[..., Up], images: Path
) -> None:
    # to see it fail: leave out keep_files_private
    before = os.umask(0)
    try:
        system = up()
        images.rename(system.watch / "images")
        system.wait_for(scored=20, pending=0)
    finally:
        os.umask(before)
    written = list(system.state.rglob("*"))
    assert {".db", ".log", ".png"} <= {path.suffix for path in written}
    modes = {str(path): path.lstat().st_mode & 0o077 for path in (system.state, *written)}
    assert [path for path, mode in modes.items() if mode] == []


def test_closed_output_pipe_is_not_an_error(up: Callable[..., Up]) -> None:
    system = up()
    for number in range(3):
        (system.watch / f"{number}.png").write_bytes(picture(number))
    system.wait_for(scored=3)
    process = subprocess.Popen(
        [sys.executable, "-m", "ops", "results", "list", "--json", "--data", system.state],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(PATIENCE_S) == 0
    process.stderr.close()


def test_up_scores_while_its_port_is_taken(up: Callable[..., Up]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        system = up(port)
        (system.watch / "1.png").write_bytes(picture(1))
        system.wait_for(scored=1, pending=0)
        said = f"cannot listen on 127.0.0.1 port {port}"
        wait_until(lambda: said in system.log.read_text(), what="the warning")
    shown = f"dashboard at http://127.0.0.1:{port}"
    wait_until(lambda: shown in system.log.read_text(), what="the dashboard")
