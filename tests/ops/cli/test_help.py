"""Help, and what commands import."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import pytest

from ops.cli.main import COMMANDS, cli
from storage.db.database import connect, migrate
from tests.ops.cli.process import command, environment, run


def all_commands(group: click.Command, name: Sequence[str] = ()) -> Iterator[Sequence[str]]:
    yield name
    if isinstance(group, click.Group):
        with click.Context(group) as ctx:
            for sub in group.list_commands(ctx):
                found = group.get_command(ctx, sub)
                assert found is not None
                yield from all_commands(found, (*name, sub))


ALL = [list(name) for name in all_commands(cli)]


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


#: Libraries that take 0.1 s or longer to import.
HEAVY = (
    *("torch", "torchvision", "numpy", "scipy", "sklearn", "cv2", "pandas", "pyarrow"),
    *("matplotlib", "sqlalchemy", "alembic", "psycopg", "redis", "rq", "pydantic", "watchdog"),
    *("rich", "flyr"),
)


def loaded_by(*runs: Sequence[str]) -> list[list[str]]:
    """The heavy libraries loaded after each of the command lines, run in one process."""
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


def test_help_loads_no_heavy_library() -> None:
    # to see it fail: import storage or thermal at the top of a module of ops with a command
    helps = [[*words, "--help"] for words in ALL]
    loaded = dict(zip(map(" ".join, helps), loaded_by(*helps), strict=True))
    assert {words: found for words, found in loaded.items() if found} == {}


def test_database_queries_load_neither_torch_nor_table_libraries(tmp_path: Path) -> None:
    migrate(connect(f"sqlite:///{tmp_path}/thermalwatch.db"))
    queries = (
        ["results", "list", "--json"],
        ["results", "summary"],
        ["audit", "--json"],
        ["requeue", "--list"],
        ["retention", "--normal-days", "90", "--dry-run"],
    )
    loaded = loaded_by(*([*words, "--data", str(tmp_path)] for words in queries))
    assert not set(loaded[-1]) & {"torch", "pandas", "pyarrow", "matplotlib", "sklearn", "scipy"}


def test_command_runs_as_a_process() -> None:
    answer = command("--help")
    assert answer.returncode == 0
    assert all(f"\n  {command} " in answer.stdout for command in COMMANDS)
