"""What the documentation tells people to type exists."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import click
import pytest

from ops.cli.main import cli

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "ARCHITECTURE.md"]
PAGES += sorted((ROOT / "docs").glob("*.md"))

#: Words that may stand before a command without being it.
ASSIGNMENT = re.compile(r"[A-Z_]+=")


def page(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def typed_lines(text: str) -> Iterator[str]:
    """The lines behind a `$` prompt in `console` blocks, continued lines joined."""
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for line in block.replace("\\\n", " ").splitlines():
            if line.strip().startswith("$ "):
                yield line.strip().removeprefix("$ ")


def commands(text: str) -> list[list[str]]:
    """Every command on those lines as words, without comments and variables before it."""
    found = []
    for line in typed_lines(text):
        for part in re.split(r"&&|;|\|", line):
            words = shlex.split(part, comments=True)
            while words and ASSIGNMENT.match(words[0]):
                words = words[1:]
            if words:
                found.append(words)
    return found


def unknown_words(words: list[str]) -> list[str]:
    """Which of a `thermalwatch` command's words its `--help` does not know."""
    command: click.Command = cli
    options = {"-h", "--help", "--version"}
    unknown = []
    for word in words[1:]:
        if word.startswith("-"):
            known = options | {name for p in command.params for name in p.opts}
            if word.split("=")[0] not in known:
                unknown.append(word)
        elif isinstance(command, click.Group):
            found = command.get_command(click.Context(command), word)
            if found is None:
                return [word]
            command = found
    return unknown


def test_a_misspelt_command_or_option_would_be_noticed() -> None:
    text = "```console\n$ A=1 thermalwatch results lst\n$ thermalwatch audit --dta x  # no\n```\n"
    assert [unknown_words(words) for words in commands(text)] == [["lst"], ["--dta"]]


@pytest.mark.parametrize("path", PAGES, ids=page)
def test_every_thermalwatch_command_exists_with_its_options(path: Path) -> None:
    program = re.compile(r"(.*/)?thermalwatch$")
    wrong = [
        " ".join(words)
        for words in commands(path.read_text())
        if program.match(words[0]) and unknown_words(words)
    ]
    assert wrong == []


@pytest.mark.parametrize("path", PAGES, ids=page)
def test_every_make_target_and_module_exists(path: Path) -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    text = path.read_text()
    named = set(re.findall(r"(?:\$ |`)make ([a-z]+)", text))
    assert named <= targets
    modules = set(re.findall(r"python -m ([a-z_.]+)", text))
    assert [name for name in sorted(modules) if find_spec(name) is None] == []


def test_readme_names_commands_at_all() -> None:
    named = {words[1] for words in commands((ROOT / "README.md").read_text()) if len(words) > 1}
    assert {"train", "up", "audit", "results", "doctor"} <= named


@pytest.mark.parametrize("path", PAGES, ids=page)
def test_every_link_leads_somewhere(path: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(#[^)\s]*)?\)", path.read_text())
    broken = []
    for target, fragment in links:
        if re.match(r"\w+:", target):
            continue
        file = path.parent / target
        if not file.exists() or (fragment and fragment[1:] not in anchors(file)):
            broken.append(f"{target}{fragment}")
    assert broken == []


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not installed")
def test_systemd_accepts_the_unit_of_the_installation_guide(tmp_path: Path) -> None:
    (unit,) = re.findall(r"```ini\n(.*?)```", (ROOT / "docs/install.md").read_text(), re.DOTALL)
    file = tmp_path / "thermalwatch.service"
    # systemd looks for the program too, so one that is always there stands in for it.
    file.write_text(unit.replace("/opt/thermalwatch/bin/thermalwatch", sys.executable))
    done = subprocess.run(
        ["systemd-analyze", "verify", file], capture_output=True, text=True, check=False
    )
    own = [line for line in done.stderr.splitlines() if str(file) in line]
    assert (done.returncode, own) == (0, []), done.stderr


def anchors(file: Path) -> set[str]:
    """The fragments by which a Markdown file's headings are linked."""
    headings = re.findall(r"^#+ (.*)$", file.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
