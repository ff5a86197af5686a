"""Which files are frames, and which camera they come from."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from producer.config import ProducerConfig
from producer.ignored import SYSTEM_DIRECTORIES, directory_ignored, file_ignored, ignored_text
from producer.layout import Choice, Layout
from producer.naming import WatchRoot
from storage.files.paths import text_to_path


@pytest.mark.parametrize(
    "name",
    [
        "a.png",
        "A.PNG",
        "b.JpEg",
        "c.tiff",
        "m.csv",
        "no space .png",
        "\n.jpg",
        "\udcff.bmp",
        "a..png",
    ],
)
def test_names_with_an_image_suffix_are_frames(name: str) -> None:
    assert file_ignored(name) is None


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (".png", "hidden"),  # a dotfile without a suffix
        (".a.png", "hidden"),
        ("._a.png", "hidden"),
        (".in.a.png.", "hidden"),
        ("~$a.png", "temporary"),
        ("a.png.tmp", "temporary"),
        ("a.png.PART", "temporary"),
        ("a.png.filepart", "temporary"),
        ("a.png.partial", "temporary"),
        ("a.png.crdownload", "temporary"),
        ("a.png.uploading", "temporary"),
        ("a.png~", "temporary"),
        ("camera_tmp.png", "temporary"),
        ("a.part.png", "temporary"),
        ("Thumbs.db", "other ending"),
        ("a.txt", "other ending"),
        ("png", "other ending"),
        ("a", "other ending"),
        ("a.png ", "other ending"),
    ],
)
def test_other_names_are_not(name: str, why: str) -> None:
    assert file_ignored(name) == why


@pytest.mark.parametrize(
    "name", ["part_0001.png", "template.png", "tmp_1.png", "partial.png", "a (1).png", "tmp.png"]
)
def test_a_word_inside_a_name_does_not_make_it_unfinished(name: str) -> None:
    assert file_ignored(name) is None


@pytest.mark.parametrize(
    "name", [*sorted(SYSTEM_DIRECTORIES), "@eaDir", "#RECYCLE", "$Recycle.Bin"]
)
def test_folders_of_servers_and_desktops_are_ignored(name: str) -> None:
    assert directory_ignored(name) == "system folder"


def test_unfinished_and_hidden_directories_are_ignored() -> None:
    assert directory_ignored(".snapshots") == "hidden"
    assert directory_ignored("2024-05-01.Part") == "temporary"
    assert directory_ignored("2024-05-01") is None
    assert directory_ignored("parts") is None


@given(st.binary(min_size=1, max_size=255))
def test_any_name_is_accepted_or_ignored_without_error(name: bytes) -> None:
    file_ignored(os.fsdecode(name))


@given(st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_-]{0,40}\.(png|TIFF|jpg)", fullmatch=True))
def test_no_plain_name_is_ignored(name: str) -> None:
    assert (file_ignored(name) is None) == (not name.lower().rpartition(".")[0].endswith("_tmp"))


def test_what_was_ignored_is_told_in_words() -> None:
    assert ignored_text({"other ending": 13, "link": 1}) == "13 files with other endings, 1 link"
    assert ignored_text({}) == ""


@pytest.mark.parametrize(
    ("layout", "directory", "camera"),
    [
        ("{camera}/{date}", "north/2026-11-27", "north"),
        ("{date}/{camera}", "2026-11-27/north", "north"),
        ("{date}/{date}/{camera}", "2026/11/north/raw", "north"),
        ("plant/{camera}", "plant/north", "north"),
        ("plant/{camera}", "office/north", "in"),
        ("{date}/{camera}", "2026-11-27", "in"),
    ],
)
def test_a_layout_says_where_the_camera_stands(
    tmp_path: Path, layout: str, directory: str, camera: str
) -> None:
    root = WatchRoot.at(tmp_path / "in", {}, Layout(layout))
    assert root.camera_of(directory) == camera


@pytest.mark.parametrize("layout", ["", "{date}", "{camera}/{camera}", "/{camera}", "{cam}/x"])
def test_a_wrong_layout_is_refused(layout: str) -> None:
    with pytest.raises(ValueError, match="layout: should be like"):
        Layout(layout)


def test_patterns_choose_which_files_are_images_of_a_camera(tmp_path: Path) -> None:
    choices = {"north": Choice(exclude=("*_VIS.jpg", "old/")), "*": Choice(include=("*.tiff",))}
    root = WatchRoot.at(tmp_path / "in", {}, choices=choices)
    assert root.ignores("north/a.jpg") is None
    assert root.ignores("north/a_VIS.jpg") == "excluded"
    assert root.ignores("north/old/a.jpg") == "excluded"
    assert root.ignores("south/a.jpg") == "excluded"
    assert root.ignores("south/a.tiff") is None


def test_patterns_match_in_any_case(tmp_path: Path) -> None:
    choices = {"north": Choice(include=("*.PNG",), exclude=("*_vis.*",))}
    root = WatchRoot.at(tmp_path / "in", {}, choices=choices)
    assert root.ignores("north/a.png") is None
    assert root.ignores("north/a_VIS.png") == "excluded"


@pytest.mark.parametrize("pattern", ["[z-a].png", "", "# old files"])
def test_a_pattern_that_cannot_be_read_or_matches_nothing_is_refused_by_its_setting(
    pattern: str,
) -> None:
    with pytest.raises(ValueError, match="exclude: "):
        Choice(exclude=("*.jpg", pattern))


def test_the_directory_of_a_configured_camera_may_differ_in_case_and_normal_form(
    tmp_path: Path,
) -> None:
    root = WatchRoot.at(tmp_path / "in", {"fan": Path("K\u00fchler"), "low": Path("cam")})
    assert root.camera_of("Ku\u0308hler/today") == "fan"
    assert root.camera_of("CAM") == "low"


def test_an_inner_directory_in_other_case_comes_before_an_outer_one(tmp_path: Path) -> None:
    cameras = {"hall": Path("Hall"), "oven": Path("hall/Oven"), "exact": Path("hall/oven")}
    root = WatchRoot.at(tmp_path / "in", cameras)
    assert root.camera_of("Hall/OVEN/a") == "oven"
    assert root.camera_of("hall/oven") == "exact"
    assert root.camera_of("hall/ovens") == "hall"


def test_a_directory_in_other_case_comes_before_the_root_as_a_whole(tmp_path: Path) -> None:
    # to see it fail: give the root and its directories the same depth
    root = WatchRoot.at(tmp_path / "in", {"all": tmp_path / "in", "oven": Path("Oven")})
    assert root.camera_of("oven") == root.camera_of("Oven/a") == "oven"
    assert root.camera_of("hall") == "all"


def test_a_camera_of_the_settings_is_known_in_any_normal_form(tmp_path: Path) -> None:
    root = WatchRoot.at(tmp_path / "in", {}, choices={"K\u00fchler": Choice()})
    assert root.camera_of("Ku\u0308hler/today") == "K\u00fchler"
    assert root.camera_of("k\u00fchler") == "k\u00fchler"  # case may tell cameras apart


def test_the_linked_directory_of_a_configured_camera_is_a_root_of_its_own(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "north").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "in" / "south").mkdir()
    cameras = {"north": Path("north"), "south": Path("south")}
    (linked,) = WatchRoot.at(tmp_path / "in", cameras).linked()
    assert linked.path == str(tmp_path / "in" / "north")
    assert linked.camera_of("") == linked.camera_of("today") == "north"


@pytest.mark.parametrize("target", ["in/south", "in", ".", "elsewhere"])
def test_a_linked_directory_whose_files_are_watched_already_is_refused(
    tmp_path: Path, target: str
) -> None:
    for folder in ("in/south", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "in" / "north").symlink_to(tmp_path / target)
    (tmp_path / "in" / "east").symlink_to(tmp_path / "elsewhere")
    cameras = {"north": Path("north"), "east": Path("east")}
    with pytest.raises(ValueError, match=r"north is a link to .* counted twice"):
        ProducerConfig(roots=(tmp_path / "in",), cameras=cameras)


def test_a_camera_is_the_first_directory_below_the_root(tmp_path: Path) -> None:
    root = WatchRoot.at(tmp_path / "in", {})
    assert root.camera_of("roof") == "roof"
    assert root.camera_of("roof/2024/05") == "roof"
    assert root.camera_of("") == "in"


def test_a_camera_with_a_name_that_is_not_unicode_has_a_name_in_text_form(tmp_path: Path) -> None:
    assert WatchRoot.at(tmp_path, {}).camera_of(os.fsdecode(b"K\xfchler")) == r"K\xfchler"


def test_configured_cameras_come_first_and_the_innermost_directory_counts(tmp_path: Path) -> None:
    root = WatchRoot.at(
        tmp_path / "in",
        {
            "line": Path("hall/line-1"),
            "oven": tmp_path / "in" / "hall" / "line-1" / "oven",
            "elsewhere": tmp_path / "other",
        },
    )
    assert root.camera_of("hall/line-1") == "line"
    assert root.camera_of("hall/line-1/a") == "line"
    assert root.camera_of("hall/line-1/oven/a") == "oven"
    assert root.camera_of("hall/line-10") == "hall"
    assert root.camera_of("") == "in"


def test_a_root_can_be_one_camera_as_a_whole(tmp_path: Path) -> None:
    root = WatchRoot.at(tmp_path / "in", {"kiln": tmp_path / "in"})
    assert root.camera_of("") == root.camera_of("a/b") == "kiln"


def test_a_frame_is_described_by_its_file(tmp_path: Path) -> None:
    name = os.fsdecode(b"cam/new\nline \xff.png")
    file = tmp_path / name
    file.parent.mkdir()
    file.write_bytes(b"12345")
    frame = WatchRoot.at(tmp_path, {}).frame_at(name)
    assert frame is not None
    assert (frame.camera, frame.root, frame.size) == ("cam", str(tmp_path), 5)
    assert frame.mtime_ns == file.stat().st_mtime_ns
    assert text_to_path(frame.path) == name


def test_only_regular_files_are_frames(tmp_path: Path) -> None:
    (tmp_path / "dir.png").mkdir()
    (tmp_path / "real.png").touch()
    (tmp_path / "link.png").symlink_to("real.png")
    os.mkfifo(tmp_path / "fifo.png")
    root = WatchRoot.at(tmp_path, {})
    for name in ("dir.png", "link.png", "fifo.png", "gone.png", "real.png/a.png"):
        assert root.frame_at(name) is None
    assert root.frame_at("real.png") is not None


def test_a_date_beyond_the_columns_range_is_clamped(tmp_path: Path) -> None:
    file = tmp_path / "a.png"
    file.touch()
    os.utime(file, (0, 2**34 - 2**20))  # the year 2514
    if file.stat().st_mtime_ns < 2**63:
        pytest.skip("this file system holds no such date")
    frame = WatchRoot.at(tmp_path, {}).frame_at("a.png")
    assert frame is not None
    assert frame.mtime_ns == 2**63 - 1


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"roots": ()}, "roots"),
        ({"max_batch": 0}, "max_batch"),
        ({"max_depth": 0}, "max_depth"),
        ({"max_delay_ms": -1}, "max_delay_ms"),
        ({"settle_s": 0}, "settle_s"),
        ({"lease_s": float("nan")}, "lease_s"),
        ({"observer": "fsevents"}, "observer"),
    ],
)
def test_invalid_settings_are_rejected_by_name(change: dict[str, object], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        ProducerConfig(**{"roots": (Path("in"),), **change})  # type: ignore[arg-type]


def test_nested_roots_are_rejected(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="inside"):
        ProducerConfig(roots=(tmp_path, tmp_path / "a"))
    with pytest.raises(ValueError, match="inside"):
        ProducerConfig(roots=(tmp_path, tmp_path))
