"""Runs the command in this process or as a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from click.testing import CliRunner, Result

from ops.cli.main import cli
from tests.waiting import PATIENCE_S

REPOSITORY = Path(__file__).resolve().parents[3]


def environment() -> dict[str, str]:
    """The environment of child processes, without settings of thermalwatch."""
    plain = {k: v for k, v in os.environ.items() if not k.startswith("THERMALWATCH")}
    return plain | {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1"}


def command(*words: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command as a process."""
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
    """Run the command in this process."""
    return CliRunner().invoke(cli, [str(word) for word in words])
