"""`demo` on images of a dataset."""

from __future__ import annotations

import csv
import subprocess
from pathlib import Path

from tests.ops.cli.dataset import write_dataset
from tests.ops.cli.process import command, environment, run
from tests.waiting import PATIENCE_S


def test_demo_on_a_dataset_loses_no_image_and_finds_the_hot_ones(
    tmp_path: Path,
) -> None:
    dataset, folder = tmp_path / "dataset", tmp_path / "demo"
    write_dataset(dataset, training=60, normal=20, hot=5)
    shown = command("demo", "--images", dataset, "--output", folder)
    assert shown.returncode == 0, shown.stderr
    assert "faults found        5 of 5" in shown.stdout
    assert (
        "26 seen = 25 scored + 1 quarantined + 0 superseded + 0 duplicate + 0 pending"
        in shown.stdout
    )
    assert "no image was lost" in shown.stdout
    with (folder / "results.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 25
    for word in shown.stdout.split():
        if word.startswith(str(folder)):
            assert Path(word.rstrip(",")).exists(), word
    assert pasted(line_after("look around", shown.stdout)).splitlines()[1:]  # below the header
    assert "26 seen = 25 scored" in pasted(line_after("check the counts", shown.stdout))
    serve = line_after("open the dashboard", shown.stdout)
    assert serve.endswith(f"serve --config {folder / 'thermalwatch.toml'}")
    assert "then http://127.0.0.1:8080" in shown.stdout


def line_after(label: str, output: str) -> str:
    (line,) = [line for line in output.splitlines() if line.startswith(label)]
    return line.removeprefix(label).strip()


def pasted(line: str) -> str:
    """The output of a printed command, run by a shell."""
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


def test_demo_overwrites_only_an_earlier_demo(tmp_path: Path) -> None:
    (tmp_path / "precious").touch()
    answer = run("demo", "--output", tmp_path)
    assert answer.exit_code == 1
    assert "not empty, and not an earlier demo's; give --output DIR" in answer.output
    assert (tmp_path / "precious").exists()
