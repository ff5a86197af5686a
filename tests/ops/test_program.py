"""Printed commands start this program when pasted into the same shell."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from ops import program

REPOSITORY = Path(__file__).resolve().parents[2]

#: Prints the command it would tell a person to type.
SCRIPT = f"""#!{sys.executable}
from ops.program import command_line
print(command_line("audit", "--data", "my state"))
"""


@pytest.fixture
def script(tmp_path: Path) -> Path:
    """A console script in a directory whose name needs quoting."""
    folder = tmp_path / "a venv" / "bin"
    folder.mkdir(parents=True)
    path = folder / "thermalwatch"
    path.write_text(SCRIPT)
    path.chmod(0o755)
    return path


def printed(shell_command: str, cwd: Path, *path: Path) -> str:
    search = os.pathsep.join([*map(str, path), os.defpath])
    done = subprocess.run(
        ["/bin/sh", "-c", shell_command],
        capture_output=True,
        text=True,
        cwd=cwd,
        env={"PATH": search, "PYTHONPATH": str(REPOSITORY)},
        check=True,
    )
    return done.stdout.strip()


def test_on_the_path_it_is_called_by_its_name(script: Path, tmp_path: Path) -> None:
    line = printed("thermalwatch", tmp_path, script.parent)
    assert line == "thermalwatch audit --data 'my state'"


def test_off_the_path_it_is_called_as_it_was_started(script: Path, tmp_path: Path) -> None:
    line = printed("'a venv/bin/thermalwatch'", tmp_path)
    assert line == "'a venv/bin/thermalwatch' audit --data 'my state'"
    assert printed(line, tmp_path) == line


def test_another_program_of_that_name_on_the_path_is_not_ours(script: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "thermalwatch").write_text("#!/bin/sh\n")
    (other / "thermalwatch").chmod(0o755)
    line = printed("'a venv/bin/thermalwatch'", tmp_path, other)
    assert shlex.split(line)[0] == "a venv/bin/thermalwatch"


def test_started_as_a_module_it_names_the_script_beside_the_interpreter(
    monkeypatch: pytest.MonkeyPatch, script: Path
) -> None:
    monkeypatch.setattr(sys, "argv", [str(REPOSITORY / "ops" / "__main__.py")])
    monkeypatch.setattr(sys, "executable", str(script.with_name("python")))
    assert shlex.split(program.program()) == [str(script)]
    script.unlink()
    assert shlex.split(program.program())[1:] == ["-m", "ops"]


def test_messages_name_the_command_as_it_was_called(
    monkeypatch: pytest.MonkeyPatch, script: Path
) -> None:
    monkeypatch.setattr(sys, "argv", [str(script)])
    message = program.as_called("no model; `thermalwatch train` makes one for thermalwatch")
    assert message == f"no model; `'{script}' train` makes one for thermalwatch"
