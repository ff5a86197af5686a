"""Walking a watch directory."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from producer.naming import WatchRoot
from producer.scan import BATCH, walk
from storage.frames.identity import NewFrame


def scan(root: Path, start: str = "") -> tuple[list[NewFrame], list[str], dict[str, OSError]]:
    """All frames, the directories entered and the paths refused."""
    entered: list[str] = []
    refused: dict[str, OSError] = {}
    batches = walk(
        WatchRoot.at(root, {}),
        start,
        enter=entered.append,
        refused=refused.__setitem__,
        ignored=lambda *_: None,
    )
    return [frame for batch in batches for frame in batch], entered, refused


def test_frames_are_found_at_any_depth(root: Path) -> None:
    deep = root / "cam" / "2024" / "05" / "01"
    deep.mkdir(parents=True)
    (root / "top.png").touch()
    (deep / "a.TIFF").write_bytes(b"123")
    found, entered, refused = scan(root)
    assert sorted(frame.path for frame in found) == ["cam/2024/05/01/a.TIFF", "top.png"]
    assert {frame.camera for frame in found} == {"cam", "watched"}
    assert entered == ["", "cam", "cam/2024", "cam/2024/05", "cam/2024/05/01"]
    assert not refused


def test_a_scan_gives_the_same_frame_as_an_event(root: Path) -> None:
    (root / "cam").mkdir()
    (root / "cam" / "a.png").write_bytes(b"123")
    assert scan(root)[0] == [WatchRoot.at(root, {}).frame_at("cam/a.png")]


def test_other_files_are_skipped(root: Path, tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret.png").touch()
    for ignored in (".hidden", "upload.part", "cam.TMP"):
        (root / ignored).mkdir()
        (root / ignored / "a.png").touch()
    (root / ".a.png").touch()
    (root / "a.png.tmp").touch()
    (root / "notes.txt").touch()
    os.mkfifo(root / "fifo.png")
    (root / "dir.png").mkdir()
    (root / "out.png").symlink_to(tmp_path / "outside" / "secret.png")
    (root / "dangling.png").symlink_to("nowhere.png")
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "loop").symlink_to(".")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(os.path.relpath(root / "socket.png"))
        found, entered, refused = scan(root)
    assert found == []
    assert sorted(entered) == ["", "dir.png"]
    assert not refused


def test_any_name_is_found(root: Path) -> None:
    names = [
        b"new\nline.png",
        b"quo'te\".png",
        b"\xff\xfe.png",
        b"back\\slash.png",
        b" .png",
        b"\x01\x7f.png",
        "Kühlturm – 热.png".encode(),
        b"%s; DROP TABLE frames.png",
        b"x" * 251 + b".png",
    ]
    for name in names:
        Path(os.fsdecode(os.fsencode(root) + b"/" + name)).touch()
    found, _, refused = scan(root)
    assert len({frame.frame_id for frame in found}) == len(names)
    assert not refused


def test_memory_holds_one_batch(root: Path) -> None:
    for number in range(2 * BATCH + 1):
        (root / f"{number}.png").touch()
    batches = walk(
        WatchRoot.at(root, {}),
        "",
        enter=lambda _: None,
        refused=lambda *_: None,
        ignored=lambda *_: None,
    )
    assert [len(batch) for batch in batches] == [BATCH, BATCH, 1]


def test_a_directory_that_cannot_be_entered_does_not_end_the_scan(root: Path) -> None:
    for name in ("a", "b", "c"):
        (root / name).mkdir()
        (root / name / "x.png").touch()
    refused: dict[str, OSError] = {}

    def enter(directory: str) -> None:
        if directory == "b":
            raise PermissionError(directory)

    batches = walk(
        WatchRoot.at(root, {}),
        "",
        enter=enter,
        refused=refused.__setitem__,
        ignored=lambda *_: None,
    )
    found = sorted(frame.path for batch in batches for frame in batch)
    assert found == ["a/x.png", "c/x.png"]
    assert list(refused) == ["b"]


def test_a_missing_directory_is_reported_as_refused(root: Path) -> None:
    found, _, refused = scan(root, "gone")
    assert found == []
    assert isinstance(refused["gone"], FileNotFoundError)


def test_a_path_too_long_for_the_system_is_reported_as_refused(root: Path) -> None:
    home = Path.cwd()
    try:
        os.chdir(root)
        for _ in range(20):
            Path("d" * 250).mkdir()
            os.chdir("d" * 250)
        Path("a.png").touch()
    finally:
        os.chdir(home)
    (root / "a.png").touch()
    found, _, refused = scan(root)
    assert [frame.path for frame in found] == ["a.png"]
    assert len(refused) == 1
