"""The command as people and programs use it."""

from __future__ import annotations

import csv
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from ops.cli.main import COMMANDS, cli
from storage.db.database import connect, migrate
from tests.scene import picture
from tests.waiting import PATIENCE_S, wait_until
from thermal.detection.bundle import Bundle, save_bundle

REPOSITORY = Path(__file__).resolve().parents[3]

#: Seconds for a process to start and do its work on a busy machine.


def environment() -> dict[str, str]:
    plain = {k: v for k, v in os.environ.items() if not k.startswith("THERMALWATCH")}
    return plain | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}


def command(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ops", *map(str, words)],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        cwd=cwd,
        env=environment(),
        check=False,
    )


def run(*words: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(word) for word in words])


def all_commands(group: click.Command, name: Sequence[str] = ()) -> Iterator[Sequence[str]]:
    yield name
    if isinstance(group, click.Group):
        with click.Context(group) as ctx:
            for sub in group.list_commands(ctx):
                found = group.get_command(ctx, sub)
                assert found is not None
                yield from all_commands(found, (*name, sub))


ALL = [list(name) for name in all_commands(cli)]


@pytest.fixture
def model(bundle: Bundle, tmp_path: Path) -> Path:
    save_bundle(bundle, tmp_path / "bundle")
    return tmp_path / "bundle"


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two cameras: ten normal images each, one hot in `east`; a broken file, and an empty one."""
    folder = tmp_path / "images"
    for camera in ("east", "west"):
        (folder / camera).mkdir(parents=True)
        for number in range(10):
            hot = camera == "east" and number == 7
            (folder / camera / f"{number}.png").write_bytes(picture(500 + number, hot=hot))
    (folder / "west" / "broken.png").write_bytes(picture(1)[:200])
    (folder / "west" / "=empty.png").touch()
    return folder


def write_dataset(folder: Path, *, training: int, normal: int, hot: int) -> None:
    """A dataset in MVTec AD layout."""
    for place, first, count in (
        ("train/good", 0, training),
        ("test/good", 1000, normal),
        ("test/hot", 2000, hot),
    ):
        (folder / place).mkdir(parents=True)
        for number in range(first, first + count):
            data = picture(number, hot=place == "test/hot")
            (folder / place / f"{number}.png").write_bytes(data)


# Help and usage.


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_help_of_every_command_shows_examples(words: list[str]) -> None:
    answer = run(*words, "--help")
    assert answer.exit_code == 0
    assert "Examples:" in answer.output
    assert f"thermalwatch {' '.join(words)}".strip() in answer.output.split("Examples:")[1]


@pytest.mark.parametrize("words", ALL, ids=" ".join)
def test_every_option_of_every_command_is_explained(words: list[str]) -> None:
    found: click.Command = cli
    for word in words:
        assert isinstance(found, click.Group)
        inner = found.get_command(click.Context(found), word)
        assert inner is not None
        found = inner
    for parameter in found.params:
        if isinstance(parameter, click.Option) and parameter.name not in {"seed", "limit"}:
            assert parameter.help, f"{' '.join(words)} {parameter.name}"


#: Libraries that take a tenth of a second or more to import.
HEAVY = (
    *("torch", "torchvision", "numpy", "scipy", "sklearn", "cv2", "pandas", "pyarrow"),
    *("matplotlib", "sqlalchemy", "alembic", "psycopg", "redis", "rq", "pydantic", "watchdog"),
    *("rich", "flyr"),
)


def loaded_by(*runs: Sequence[str]) -> list[list[str]]:
    """The heavy libraries that are loaded after each of the command lines, in one process."""
    code = (
        "import json, sys; from click.testing import CliRunner; from ops.cli.main import cli;"
        "runs, heavy = json.loads(sys.argv[1]), set(json.loads(sys.argv[2]));"
        "results = [(CliRunner().invoke(cli, run).exit_code, heavy & set(sys.modules))"
        " for run in runs];"
        "assert not any(code for code, _ in results), results;"
        "print(json.dumps([sorted(loaded) for _, loaded in results]))"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, json.dumps(runs), json.dumps(HEAVY)],
        capture_output=True,
        text=True,
        env=environment(),
        check=True,
    )
    return list(json.loads(answer.stdout))


def test_no_help_loads_a_heavy_library() -> None:
    # to see it fail: import storage or thermal at the top of a module in ops that holds a command
    helps = [[*words, "--help"] for words in ALL]
    loaded = dict(zip(map(" ".join, helps), loaded_by(*helps), strict=True))
    assert {words: found for words, found in loaded.items() if found} == {}


def test_questions_to_the_database_load_neither_torch_nor_tables(tmp_path: Path) -> None:
    migrate(connect(f"sqlite:///{tmp_path}/thermalwatch.db"))
    questions = (
        ["results", "list", "--json"],
        ["results", "summary"],
        ["audit", "--json"],
        ["requeue", "--list"],
        ["retention", "--normal-days", "90", "--dry-run"],
    )
    loaded = loaded_by(*([*words, "--data", str(tmp_path)] for words in questions))
    assert not set(loaded[-1]) & {"torch", "pandas", "pyarrow", "matplotlib", "sklearn", "scipy"}


def test_command_runs_as_a_process() -> None:
    answer = command("--help")
    assert answer.returncode == 0
    assert all(f"\n  {command} " in answer.stdout for command in COMMANDS)


def test_misspelt_command_is_answered_with_the_one_that_was_meant() -> None:
    answer = run("requeu")
    assert answer.exit_code == 2
    assert "No such command 'requeu'. Did you mean 'requeue'?" in answer.output


# Failures.


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["status"], 2, "no state directory: give --data STATE"),
        (["status", "--data", "nowhere"], 2, "--data nowhere: no thermalwatch state there"),
        (["audit", "--config", "no.toml"], 2, "no.toml: no such settings file"),
        (["up", "--data", "s"], 2, "nothing to watch: give --watch DIR"),
        (["up", "--data", "s", "--watch", "gone"], 2, "gone: no such directory"),
        (["up", "--watch", "w", "--data", "w/s"], 2, "w/s lies inside --watch w, so its pictures"),
        (["up", "--watch", "w"], 2, "no state directory: give --data STATE"),
        (["up", "--watch", "w", "--data", "s", "--model", "b"], 1, "b is not a readable model"),
        (["up", "--watch", "w", "--data", "s"], 1, "there is no model yet: give --model BUNDLE"),
        (["train", ".", "--output", "b"], 1, "holds no images"),
        (["train", ".", "--output", "b", "--size", "24"], 2, "expected height x width"),
        (["train", ".", "--output", "b", "--device", "gpu"], 2, "--device: "),
        (["results", "list", "--since", "soon"], 2, "'soon' is no time"),
        (["results", "export", "--output", "-", "--format", "parquet"], 2, "standard output"),
        (["requeue", "--data", "s"], 2, "give frame ids, --all or --list"),
        (["work", "--data", "s"], 1, "no model is active"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_failure_is_one_line_that_names_what_is_wrong(
    words: list[str], code: int, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "w").mkdir()
    answer = run(*words)
    assert answer.exit_code == code, answer.output
    assert message in answer.output.splitlines()[-1]
    assert "Traceback" not in answer.output


def test_wrong_setting_is_reported_with_its_file(tmp_path: Path) -> None:
    (tmp_path / "thermalwatch.toml").write_text("[threshold]\npercentil = 99\n")
    answer = command("status", cwd=tmp_path)
    assert answer.returncode == 2
    assert answer.stderr == (
        "Error: thermalwatch.toml: threshold.percentil: unknown setting; "
        "did you mean 'percentile'?\n"
    )


def test_debug_shows_where_an_expected_error_came_from(tmp_path: Path) -> None:
    answer = command("--debug", "train", tmp_path, "--output", tmp_path / "b")
    assert answer.returncode == 1
    assert "Traceback" in answer.stderr
    assert "DatasetError" in answer.stderr


def test_password_of_a_service_is_not_shown() -> None:
    answer = CliRunner().invoke(
        cli,
        ["doctor", "--json"],
        env={
            "REDIS_URL": "redis://:hunter2@127.0.0.1:1/0",
            "DATABASE_URL": "postgresql://me:hunter2@127.0.0.1:1/db",
        },
    )
    assert answer.exit_code == 1
    assert "127.0.0.1" in answer.output
    assert "hunter2" not in answer.output


# Commands without services.


def test_train_evaluate_and_score(tmp_path: Path) -> None:
    dataset = tmp_path / "dataset"
    write_dataset(dataset, training=30, normal=5, hot=5)
    bundle = tmp_path / "bundle"
    trained = run("train", dataset, "--output", bundle, "--epochs", "2", "--device", "cpu")
    assert trained.exit_code == 0, trained.output
    assert "30 images, 10 of them held out, 24×32 px, unit counts" in trained.output
    assert "note: Only 30 training images" in trained.output
    measured = run("evaluate", dataset, "--model", bundle, "--json")
    assert measured.exit_code == 0, measured.output
    figures = json.loads(measured.stdout)
    assert figures["n_normal"] == 5
    assert figures["image_auroc"] == 1.0
    assert "image AUROC        1.0000" in run("evaluate", dataset, "--model", bundle).output


def test_score_writes_results_quarantine_and_pictures(
    model: Path, images: Path, tmp_path: Path
) -> None:
    found = tmp_path / "found"
    answer = run("score", images, "--model", model, "--output", found)
    assert answer.exit_code == 0, answer.output
    assert "20 images scored, 1 anomalies" in answer.output
    assert "warning: 2 files could not be scored" in answer.output
    with (found / "results.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image_path"] for row in rows if row["prediction"] == "Anomaly"] == ["east/7.png"]
    assert list(rows[0])[:3] == ["image_path", "anomaly_score", "prediction"]
    assert {row["camera"] for row in rows} == {"east", "west"}
    (hot,) = (row for row in rows if row["prediction"] == "Anomaly")
    assert (found / "pictures" / hot["sheet_picture"]).read_bytes().startswith(b"\x89PNG")
    with (found / "quarantine.csv").open(newline="") as file:
        refused = {row["image_path"]: row["reason"] for row in csv.DictReader(file)}
    assert refused == {"west/broken.png": "corrupt", "west/=empty.png": "empty"}


def test_score_takes_one_file_and_one_camera(model: Path, images: Path, tmp_path: Path) -> None:
    one = images / "east" / "7.png"
    where = ("--model", model, "--output", tmp_path / "found")
    answer = run("score", one, "--camera", "lab", "--pictures", "none", "--json", *where)
    assert json.loads(answer.stdout) == {"scored": 1, "anomalies": 1, "quarantined": 0}
    assert not (tmp_path / "found" / "pictures").exists()
    assert ',"lab",' in (tmp_path / "found" / "results.csv").read_text()


# The demo.


def test_demo_on_real_images_loses_none_and_finds_the_hot_ones(
    tmp_path: Path,
) -> None:
    dataset, folder = tmp_path / "dataset", tmp_path / "demo"
    write_dataset(dataset, training=60, normal=20, hot=5)
    shown = command("demo", "--images", dataset, "--output", folder)
    assert shown.returncode == 0, shown.stderr
    assert "faults found        5 of 5" in shown.stdout
    assert "26 seen = 25 scored + 1 quarantined + 0 superseded + 0 pending" in shown.stdout
    assert "no image was lost" in shown.stdout
    with (folder / "results.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 25
    for word in shown.stdout.split():
        if word.startswith(str(folder)):
            assert Path(word.rstrip(",")).exists(), word
    assert pasted(line_after("look around", shown.stdout)).splitlines()[1:]  # below the header
    assert "26 seen = 25 scored" in pasted(line_after("check the counts", shown.stdout))
    assert f"serve --data {folder / 'state'}" in line_after("open the dashboard", shown.stdout)
    assert "then http://127.0.0.1:8080" in shown.stdout


def line_after(label: str, output: str) -> str:
    (line,) = [line for line in output.splitlines() if line.startswith(label)]
    return line.removeprefix(label).strip()


def pasted(line: str) -> str:
    """What a shell makes of a printed command."""
    shell = subprocess.run(
        ["/bin/sh", "-c", line],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        env=environment(),
        check=False,
    )
    assert shell.returncode == 0, shell.stderr
    return shell.stdout


def test_demo_replaces_nothing_but_an_earlier_demo(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    answer = run("demo", "--output", tmp_path)
    assert answer.exit_code == 1
    assert "not empty, and not an earlier demo's; give --output DIR" in answer.output
    assert (tmp_path / "precious").exists()


# The whole system.


class Up:
    """A running `thermalwatch up`, and its state."""

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
        system.process.kill()  # its children go with it
        system.process.wait()


def test_up_scores_what_is_uploaded_stops_in_order_and_goes_on(
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


def test_reader_that_goes_away_is_no_failure(up: Callable[..., Up]) -> None:
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


def test_up_scores_on_while_its_port_is_taken(up: Callable[..., Up]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        system = up(port)
        (system.watch / "1.png").write_bytes(picture(1))
        system.wait_for(scored=1, pending=0)
        said = f"cannot listen on 127.0.0.1 port {port}"
        wait_until(lambda: said in system.log.read_text(), what="its complaint")
    shown = f"dashboard at http://127.0.0.1:{port}"
    wait_until(lambda: shown in system.log.read_text(), what="the server")
