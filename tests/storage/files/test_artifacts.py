"""The artifact store on a real directory: atomic writes, and no access outside the root."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from storage.errors import UnsafePath
from storage.files.artifacts import ArtifactStore, picture_path
from storage.files.paths import path_to_text

REPOSITORY = Path(__file__).resolve().parents[3]
#: 2026-11-23 12:00 UTC
NOON = 1795435200.0
FRAME_ID = "0123456789abcdef0123456789abcdef"


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "pictures")


def files(store: ArtifactStore) -> list[str]:
    return sorted(
        str(path.relative_to(store.root)) for path in store.root.rglob("*") if path.is_file()
    )


def test_put_creates_directories_and_overwrites_files(store: ArtifactStore) -> None:
    store.put("cam-a/2026/x.png", b"one")
    assert store.path("cam-a/2026/x.png").read_bytes() == b"one"
    store.put("cam-a/2026/x.png", b"two")
    assert store.path("cam-a/2026/x.png").read_bytes() == b"two"
    assert files(store) == ["cam-a/2026/x.png"]


def test_stored_files_have_the_permissions_that_the_umask_allows(store: ArtifactStore) -> None:
    before = os.umask(0o022)
    try:
        store.put("x.png", b"one")
    finally:
        os.umask(before)
    assert store.path("x.png").stat().st_mode & 0o777 == 0o644


def test_removing_a_missing_file_is_not_an_error(store: ArtifactStore) -> None:
    store.put("a/x.png", b"one")
    store.remove("a/x.png")
    store.remove("a/x.png")
    store.remove("b/never.png")
    assert files(store) == []


@pytest.mark.parametrize(
    "relative", ["", ".", "..", "../x", "a/../../x", "a/../x", "/etc/passwd", "a\0b", "leak/x"]
)
def test_paths_outside_the_root_are_rejected(store: ArtifactStore, relative: str) -> None:
    store.root.mkdir()
    (store.root / "leak").symlink_to("..")
    with pytest.raises(UnsafePath):
        store.path(relative)
    with pytest.raises(UnsafePath):
        store.put(relative, b"")
    with pytest.raises(UnsafePath):
        store.remove(relative)


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Make the kernel reject writes beyond `size` bytes, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_leaves_the_old_file_and_no_partial_one(store: ArtifactStore) -> None:
    store.put("x.png", b"old")
    with largest_file(4096), pytest.raises(OSError, match="File too large"):
        store.put("x.png", bytes(100_000))
    assert store.path("x.png").read_bytes() == b"old"
    assert files(store) == ["x.png"]


def test_putting_a_file_in_place_of_a_directory_fails_without_leftovers(
    store: ArtifactStore,
) -> None:
    (store.root / "x.png").mkdir(parents=True)
    with pytest.raises(IsADirectoryError):
        store.put("x.png", b"one")
    assert files(store) == []


def test_readers_never_see_a_partial_file_even_if_the_writer_is_killed(
    store: ArtifactStore,
) -> None:
    script = (
        "import sys; from pathlib import Path; from storage.files.artifacts import ArtifactStore\n"
        "store = ArtifactStore(Path(sys.argv[1]))\n"
        "while True:\n"
        "    for byte in (b'a', b'b'): store.put('x.png', byte * 300_000)\n"
    )
    wholes = {b"a" * 300_000, b"b" * 300_000}
    writer = subprocess.Popen([sys.executable, "-c", script, store.root], cwd=REPOSITORY)
    try:
        deadline = time.monotonic() + 60
        while not (store.root / "x.png").exists():
            assert time.monotonic() < deadline
            assert writer.poll() is None
        for _ in range(200):
            assert store.path("x.png").read_bytes() in wholes
    finally:
        writer.kill()
        writer.wait()
    assert store.path("x.png").read_bytes() in wholes


def test_pictures_are_grouped_by_camera_and_utc_day() -> None:
    assert (
        picture_path("cam-a", NOON, FRAME_ID, "overlay")
        == f"cam-a/2026/11/23/{FRAME_ID}-overlay.png"
    )
    # half a second before midnight UTC, regardless of the machine's time zone
    assert picture_path("cam-a", NOON + 12 * 3600 - 0.5, "f", "sheet").startswith(
        "cam-a/2026/11/23/"
    )
    assert picture_path("cam-a", NOON + 12 * 3600, "f", "sheet").startswith("cam-a/2026/11/24/")


@pytest.mark.parametrize(
    ("camera", "directory"),
    [
        ("Plant_2.roof-7", "Plant_2.roof-7"),
        ("Kühler 1", "K=C3=BChler=201"),
        ("a/b", "a=2Fb"),
        ("a=2Fb", "a=3D2Fb"),
        ("..", "=2E."),
        (".hidden", "=2Ehidden"),
        ("", "="),
    ],
)
def test_camera_names_become_safe_directory_names(camera: str, directory: str) -> None:
    assert picture_path(camera, NOON, "f", "original").split("/")[0] == directory


def test_long_camera_names_with_a_common_prefix_get_different_directories() -> None:
    one, other = (picture_path("x" * 300 + end, NOON, "f", "original") for end in "ab")
    assert one != other


cameras = st.binary(min_size=1, max_size=250).map(
    lambda name: path_to_text(name.replace(b"\0", b"."))
)


@given(cameras, cameras)
def test_every_camera_has_its_own_valid_directory_in_the_store(one: str, other: str) -> None:
    store = ArtifactStore(Path("/pictures"))
    paths = [picture_path(camera, NOON, FRAME_ID, "original") for camera in (one, other)]
    assert (paths[0] == paths[1]) == (one == other)
    for path in paths:
        assert store.path(path).relative_to("/pictures").as_posix() == path
        assert path.isascii()
        assert all(len(part) <= 255 for part in path.split("/"))
        assert path.count("/") == 4
