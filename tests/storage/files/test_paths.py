"""File names as text and back; opening files only beneath a root."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.files.paths import (
    MalformedPathText,
    NotRegular,
    OutsideRoot,
    open_beneath,
    path_to_text,
    text_to_path,
)

posix_names = st.binary(min_size=1).map(lambda name: name.replace(b"\0", b"\\"))


@given(posix_names)
def test_every_posix_name_survives_the_round_trip_through_text(name: bytes) -> None:
    text = path_to_text(name)
    assert os.fsencode(text_to_path(text)) == name
    assert path_to_text(os.fsdecode(name)) == text  # the same for bytes and str
    text.encode("utf-8")  # no surrogates
    assert "\0" not in text


@given(posix_names, posix_names)
def test_different_names_have_different_texts(one: bytes, other: bytes) -> None:
    assert (path_to_text(one) == path_to_text(other)) == (one == other)


@given(st.text())
def test_any_text_is_either_the_text_of_one_path_or_rejected(text: str) -> None:
    try:
        path = text_to_path(text)
    except MalformedPathText:
        return
    assert path_to_text(path) == text


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("cam-a/2026/img_0001.png", "cam-a/2026/img_0001.png"),
        ("Kühler 1/ビデオ.tif", "Kühler 1/ビデオ.tif"),
        (Path("cam-a/x.png"), "cam-a/x.png"),
        ("line\nbreak", "line\nbreak"),
        ("a\\b", r"a\\b"),
        (b"a\\xff", r"a\\xff"),  # a name that looks like an escape
        (b"a\xffb", r"a\xffb"),
        (b"\xed\xa0\x80", r"\xed\xa0\x80"),  # a surrogate in UTF-8 form is not UTF-8
    ],
)
def test_utf8_names_are_unchanged_and_others_escaped(path: str | bytes | Path, text: str) -> None:
    assert path_to_text(path) == text


@pytest.mark.parametrize("text", ["\\", r"\q", r"\x4", r"\xFF", r"\x41", "a\0b", "\ud800"])
def test_text_that_path_to_text_does_not_produce_is_rejected(text: str) -> None:
    with pytest.raises(MalformedPathText):
        text_to_path(text)


@pytest.mark.parametrize("path", ["a\0b", b"a\0b", "\ud800"])
def test_impossible_file_names_are_rejected(path: str | bytes) -> None:
    with pytest.raises(MalformedPathText):
        path_to_text(path)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory with an image two levels down, next to a secret file."""
    root = tmp_path / "watch"
    (root / "cam" / "day").mkdir(parents=True)
    (root / "cam" / "day" / "a.png").write_bytes(b"image")
    (tmp_path / "secret").write_bytes(b"secret")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "a.png").write_bytes(b"secret")
    return root


def read(root: Path, relative: str) -> bytes:
    descriptor = open_beneath(str(root), relative)
    with os.fdopen(descriptor, "rb") as file:
        return file.read()


@pytest.mark.parametrize("relative", ["cam/day/a.png", "./cam//day/./a.png"])
def test_a_file_beneath_the_root_is_opened(root: Path, relative: str) -> None:
    assert read(root, relative) == b"image"


def test_a_file_whose_name_is_not_utf8_is_opened(root: Path) -> None:
    (root / os.fsdecode(b"\xff\\.png")).write_bytes(b"odd")
    assert read(root, text_to_path(r"\xff\\.png")) == b"odd"


def test_the_root_itself_may_be_a_link(root: Path, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(root)
    assert read(tmp_path / "link", "cam/day/a.png") == b"image"


def test_the_descriptor_is_not_inherited_by_child_processes(root: Path) -> None:
    descriptor = open_beneath(str(root), "cam/day/a.png")
    assert not os.get_inheritable(descriptor)
    os.close(descriptor)


@pytest.mark.parametrize(
    "relative",
    ["../secret", "cam/../../secret", "cam/day/..", "/etc/passwd", "cam/day/a.png\0", "\0"],
)
def test_paths_that_leave_the_root_are_rejected(root: Path, relative: str) -> None:
    with pytest.raises(OutsideRoot):
        open_beneath(str(root), relative)


@pytest.mark.parametrize(
    ("link", "target", "relative"),
    [
        ("cam/leak.png", "../../secret", "cam/leak.png"),
        ("cam/leak.png", "/etc/passwd", "cam/leak.png"),
        ("cam/leak", "../../other", "cam/leak/a.png"),
        ("cam/latest.png", "day/a.png", "cam/latest.png"),  # inside the root, but an alias
        ("cam/today", "day", "cam/today/a.png"),
        ("cam/nowhere.png", "nothing", "cam/nowhere.png"),
    ],
)
def test_symbolic_links_are_rejected_wherever_they_point(
    root: Path, link: str, target: str, relative: str
) -> None:
    (root / link).symlink_to(target)
    with pytest.raises(OutsideRoot, match="symbolic link"):
        open_beneath(str(root), relative)


def test_a_directory_is_rejected(root: Path) -> None:
    for relative in ("cam", "cam/day/", ".", ""):
        with pytest.raises(NotRegular):
            open_beneath(str(root), relative)


def test_a_fifo_is_rejected_without_waiting_for_a_writer(root: Path) -> None:
    os.mkfifo(root / "cam" / "pipe.png")
    with pytest.raises(NotRegular):
        open_beneath(str(root), "cam/pipe.png")


def test_a_socket_is_rejected(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)  # a socket's path must be short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s.png")
        with pytest.raises(NotRegular):
            open_beneath(str(root), "s.png")


def test_a_device_is_rejected() -> None:
    with pytest.raises(NotRegular):
        open_beneath("/dev", "null")


@pytest.mark.parametrize("relative", ["cam/day/b.png", "gone/a.png"])
def test_a_missing_file_raises_file_not_found(root: Path, relative: str) -> None:
    with pytest.raises(FileNotFoundError):
        open_beneath(str(root), relative)


def test_a_missing_root_raises_file_not_found(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        open_beneath(str(tmp_path / "gone"), "a.png")


def test_a_file_in_place_of_a_directory_raises_not_a_directory(root: Path) -> None:
    with pytest.raises(NotADirectoryError):
        open_beneath(str(root), "cam/day/a.png/b.png")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_raises_permission_error(root: Path) -> None:
    (root / "cam" / "day" / "a.png").chmod(0)
    with pytest.raises(PermissionError):
        open_beneath(str(root), "cam/day/a.png")


def test_rejected_paths_leave_no_descriptor_open(root: Path) -> None:
    (root / "cam" / "leak").symlink_to("../../other")
    (root / "cam" / "leak.png").symlink_to("../../secret")

    def open_all() -> int:
        for relative in (
            "cam/leak/a.png",
            "cam/leak.png",
            "cam/day",
            "cam/gone",
            "cam/day/a.png/b",
        ):
            with pytest.raises((OutsideRoot, NotRegular, OSError)):
                open_beneath(str(root), relative)
        return len(list(Path("/dev/fd").iterdir()))

    assert open_all() == open_all()


@contextmanager
def swapping(one: Path, other: Path) -> Iterator[None]:
    """Swap two names continuously."""
    stop = threading.Event()
    aside = one.with_name("aside")

    def swap() -> None:
        while not stop.is_set():
            one.rename(aside)
            other.rename(one)
            aside.rename(other)

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def outcomes(root: Path, relative: str) -> set[bytes]:
    """Everything that thousands of attempts read; rejected attempts are ignored."""
    found = set()
    for _ in range(20_000):
        with suppress(OutsideRoot, NotRegular, FileNotFoundError, NotADirectoryError):
            found.add(read(root, relative))
    return found


def test_a_directory_swapped_for_a_link_at_any_moment_is_not_followed(root: Path) -> None:
    (root / "link").symlink_to("../other")
    (root / "cam" / "a.png").write_bytes(b"image")
    with swapping(root / "cam", root / "link"):
        assert outcomes(root, "cam/a.png") == {b"image"}


def test_a_file_swapped_for_a_link_at_any_moment_is_not_followed(root: Path) -> None:
    (root / "link").symlink_to("../secret")
    (root / "a.png").write_bytes(b"image")
    with swapping(root / "a.png", root / "link"):
        assert outcomes(root, "a.png") == {b"image"}


def test_a_file_swapped_for_a_fifo_at_any_moment_does_not_block(root: Path) -> None:
    os.mkfifo(root / "pipe")
    (root / "a.png").write_bytes(b"image")
    before = len(list(Path("/dev/fd").iterdir()))
    with swapping(root / "a.png", root / "pipe"):
        assert outcomes(root, "a.png") == {b"image"}
    assert len(list(Path("/dev/fd").iterdir())) == before
