"""The server that the embedded Redis runs: the newest of the bundled one and those on the PATH."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ops.local.redis_server import choose_server


@pytest.fixture
def install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[str, str], Path]]:
    """Put a program on the PATH that prints a text."""

    def make(name: str, prints: str) -> Path:
        program = tmp_path / name
        program.write_text(f"#!/bin/sh\necho '{prints}'\n")
        program.chmod(0o755)
        return program

    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    choose_server.cache_clear()
    yield make
    choose_server.cache_clear()


def test_the_bundled_server_is_the_default(install: Callable[[str, str], Path]) -> None:
    server = choose_server()
    assert server.name == "Valkey"
    assert server.version >= (9, 1)
    assert str(server).startswith("Valkey 9")


def test_a_newer_server_on_the_path_is_preferred(install: Callable[[str, str], Path]) -> None:
    program = install("valkey-server", "Valkey server v=99.0.3 sha=00000000:0 malloc=jemalloc")
    assert choose_server().executable == program
    assert choose_server().version == (99, 0, 3)


@pytest.mark.parametrize("prints", ["Redis server v=6.2.14 sha=0", "no version", ""])
def test_an_older_or_unknown_server_on_the_path_is_not(
    install: Callable[[str, str], Path], prints: str
) -> None:
    install("redis-server", prints)
    assert choose_server().name == "Valkey"
