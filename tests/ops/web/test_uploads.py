"""Uploads over HTTP: what is accepted, where it is stored, and what is rejected."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from ops.config.settings import CameraSettings, LimitSettings, Settings
from producer.config import WatchOptions
from producer.layout import Layout
from producer.naming import WatchRoot
from producer.scan import walk
from tests.ops.web.serving import sent, serving
from tests.ops.web.site import WebSite
from tests.scene import picture
from tests.waiting import wait_until

PNG = {"Content-Type": "image/png"}


def send(site: WebSite, data: bytes, *, camera: str = "north", **words: str) -> tuple[int, str]:
    answer = site.client().post(
        "/api/v1/images", params={"camera": camera, **words}, content=data, headers=PNG
    )
    assert "json" in answer.headers["content-type"]
    return answer.status_code, answer.json().get("path") or answer.json()["detail"]


def files(site: WebSite) -> list[str]:
    watch = site.folder / "watch"
    return sorted(str(path.relative_to(watch)) for path in watch.rglob("*") if path.is_file())


def test_an_upload_becomes_a_frame_of_its_camera(site: WebSite) -> None:
    assert send(site, picture(1), name="a.png") == (202, "north/a.png")
    assert (site.folder / "watch" / "north" / "a.png").read_bytes() == picture(1)
    root = WatchRoot.at(site.folder / "watch", {})
    (batch,) = walk(
        root, "", enter=lambda _: None, refused=lambda *_: None, ignored=lambda *_: None
    )
    assert [(frame.camera, frame.path) for frame in batch] == [("north", "north/a.png")]


def test_an_upload_without_a_name_gets_a_unique_one(site: WebSite) -> None:
    first, second = send(site, picture(1)), send(site, picture(2))
    assert first[0] == second[0] == 202
    assert files(site) == sorted([first[1], second[1]])
    assert first[1].endswith(".png") and first[1] != second[1]


def test_a_file_can_be_uploaded_by_a_form(site: WebSite) -> None:
    answer = site.client().post(
        "/api/v1/images",
        params={"camera": "north"},
        files={"file": ("C:\\pictures/b.png", picture(1), "image/png")},
    )
    assert answer.status_code == 202, answer.text
    assert files(site) == ["north/b.png"]
    empty = site.client().post("/api/v1/images", params={"camera": "north"}, files={"x": b"y"})
    assert empty.status_code == 422


def test_an_existing_file_is_not_overwritten(site: WebSite) -> None:
    send(site, picture(1), name="a.png")
    assert send(site, picture(2), name="a.png")[0] == 409
    assert (site.folder / "watch" / "north" / "a.png").read_bytes() == picture(1)
    assert files(site) == ["north/a.png"]


@pytest.mark.parametrize(
    ("words", "status"),
    [
        ({"name": "../a.png"}, 422),
        ({"name": "/etc/a.png"}, 422),
        ({"name": "..\\a.png"}, 422),
        ({"name": "a\n.png"}, 422),
        ({"name": ".a.png"}, 415),
        ({"name": "a.exe"}, 415),
        ({"name": "a.png.part"}, 415),
        ({"camera": ".."}, 422),
        ({"camera": "."}, 422),
        ({"camera": "../north"}, 422),
        ({"camera": "a/b"}, 422),
        ({"camera": "/etc"}, 422),
        ({"camera": ".hidden"}, 422),
        ({"camera": "north.tmp"}, 422),
        ({"camera": "linked"}, 409),
    ],
)
def test_invalid_names_are_rejected_and_write_nothing(
    site: WebSite, words: dict[str, str], status: int
) -> None:
    elsewhere = site.folder / "elsewhere"
    elsewhere.mkdir()
    (site.folder / "watch" / "linked").symlink_to(elsewhere, target_is_directory=True)
    assert send(site, picture(1), **words)[0] == status
    assert list(elsewhere.iterdir()) == []
    assert files(site) == []


def with_settings(site: WebSite, settings: Settings) -> WebSite:
    return WebSite(site.engine, site.redis, site.folder, settings)


def test_an_upload_goes_to_the_camera_s_configured_folder(site: WebSite) -> None:
    cameras = {"north": CameraSettings(path="site/n"), "out": CameraSettings(path="../elsewhere")}
    configured = with_settings(site, site.settings.model_copy(update={"cameras": cameras}))
    assert send(configured, picture(1), name="a.png") == (202, "site/n/a.png")
    assert send(configured, picture(1), camera="out", name="a.png")[0] == 409


@pytest.mark.parametrize("layout", ["{date}/{camera}", "{camera}/{date}", "hall/{camera}"])
def test_an_upload_follows_the_layout(site: WebSite, layout: str) -> None:
    watching = WatchOptions(layout=layout)
    configured = with_settings(site, site.settings.model_copy(update={"watching": watching}))
    status, path = send(configured, picture(1), name="a.png")
    assert status == 202
    root = WatchRoot.at(site.folder / "watch", {}, Layout(layout))
    assert root.camera_of(path.rpartition("/")[0]) == "north"


def test_an_upload_of_a_linked_camera_is_stored_behind_the_link(site: WebSite) -> None:
    (site.folder / "elsewhere").mkdir()
    (site.folder / "watch" / "n").symlink_to(site.folder / "elsewhere", target_is_directory=True)
    cameras = {"north": CameraSettings(path="n")}
    configured = with_settings(site, site.settings.model_copy(update={"cameras": cameras}))
    assert send(configured, picture(1), name="a.png") == (202, "a.png")
    assert (site.folder / "elsewhere" / "a.png").read_bytes() == picture(1)


def test_an_upload_that_the_settings_exclude_is_rejected(site: WebSite) -> None:
    cameras = {"north": CameraSettings(exclude=("*_vis.png",))}
    configured = with_settings(site, site.settings.model_copy(update={"cameras": cameras}))
    status, detail = send(configured, picture(1), name="a_VIS.png")
    assert (status, "exclude files of this name" in detail) == (422, True)
    assert files(site) == []


@pytest.mark.parametrize("data", [b"", b"no image", b"\x89PNG\r\n\x1a\n", picture(1)[:-40]])
def test_a_file_that_is_not_an_image_is_rejected_without_leftovers(
    site: WebSite, data: bytes
) -> None:
    status, detail = send(site, data, name="a.png")
    assert status == 422
    assert "not an image" in detail
    assert files(site) == []


def test_a_refused_upload_leaves_no_folder(site: WebSite) -> None:
    assert send(site, b"no image", camera="new", name="a.png")[0] == 422
    assert list((site.folder / "watch").iterdir()) == []
    assert send(site, picture(1), camera="new", name="a.png")[0] == 202


def test_a_file_that_takes_too_much_memory_to_decode_is_rejected(site: WebSite) -> None:
    small = with_settings(
        site, site.settings.model_copy(update={"limits": LimitSettings(decode_memory_mib=64)})
    )
    data = cv2.imencode(".png", np.zeros((6000, 6000), np.uint16))[1].tobytes()
    status, detail = send(small, data, name="a.png")
    assert (status, "more than 64 MiB of memory" in detail) == (413, True)


def test_a_folder_that_becomes_a_link_during_an_upload_is_not_followed(site: WebSite) -> None:
    # to see it fail: open the file by its path
    elsewhere = site.folder / "elsewhere"
    elsewhere.mkdir()
    folder = site.folder / "watch" / "north"

    def parts() -> Iterator[bytes]:
        data = picture(1)
        yield data[:100]
        wait_until(folder.is_dir)
        folder.rename(site.folder / "watch" / "moved")
        folder.symlink_to(elsewhere, target_is_directory=True)
        yield data[100:]

    words = {"camera": "north", "name": "a.png"}
    answer = site.client().post("/api/v1/images", params=words, content=parts(), headers=PNG)
    assert list(elsewhere.iterdir()) == []
    assert answer.status_code == 202, answer.text
    assert (site.folder / "watch" / "moved" / "a.png").read_bytes() == picture(1)


def test_a_content_type_that_is_not_an_image_is_rejected(site: WebSite) -> None:
    answer = site.client().post(
        "/api/v1/images", params={"camera": "north"}, content=b"{}", headers={"Content-Type": "x/y"}
    )
    assert answer.status_code == 415


def test_a_body_that_is_too_large_is_rejected_with_and_without_a_stated_length(
    site: WebSite,
) -> None:
    small = with_settings(
        site, site.settings.model_copy(update={"limits": LimitSettings(max_bytes=1024)})
    )
    large = b"x" * 200_000
    assert send(small, large, name="a.png")[0] == 413

    def parts() -> Iterator[bytes]:
        for start in range(0, len(large), 1000):
            yield large[start : start + 1000]

    answer = small.client().post(
        "/api/v1/images",
        params={"camera": "north", "name": "a.png"},
        content=parts(),
        headers=PNG,
    )
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"
    assert files(small) == []
    body = b"[" + b"1," * 1_000_000 + b"1]"
    assert small.client().post("/api/v1/reviews", content=body).status_code == 413


def test_a_body_that_is_too_large_is_rejected_before_all_of_it_has_come(site: WebSite) -> None:
    # to see it fail: count no bytes in BodyLimit
    limits = LimitSettings(max_bytes=1024)
    small = with_settings(site, site.settings.model_copy(update={"limits": limits}))
    head = (
        "POST /api/v1/images?camera=north&name=a.png HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        "Content-Type: image/png\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    part = f"{200_000:x}\r\n".encode() + b"x" * 70_000
    with serving(small) as address, sent(address, head.encode() + part) as connection:
        assert connection.recv(100).startswith(b"HTTP/1.1 413 ")


def test_uploads_are_rejected_without_a_watch_directory(site: WebSite) -> None:
    none = with_settings(site, site.settings.model_copy(update={"watch": ()}))
    assert send(none, picture(1), name="a.png")[0] == 409
    gone = with_settings(site, site.settings.model_copy(update={"watch": (Path("/nowhere"),)}))
    assert send(gone, picture(1), name="a.png")[0] == 409
