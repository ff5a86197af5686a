"""Cameras that keep sending the same image."""

from __future__ import annotations

from sqlalchemy import Engine

from ops.frozen_images import FEWEST, frozen_images, frozen_text, identical_images
from ops.web.queries.wall import camera_state, own_state
from storage.frames.registration import register
from storage.results.commit import commit_results
from storage.results.wall import CameraView, view_cameras
from tests.storage.examples import EPOCH, MODEL, new_frame, open_streams, result

SAME = "5" * 64


def score(engine: Engine, numbers: range, sha256: str | None = None, **changes: object) -> None:
    """Results of files with different names, which arrive one a second."""
    open_streams(engine, "north")
    for number in numbers:
        frame = new_frame(number)
        register(engine, [frame], now=float(number))
        content = {} if sha256 is None else {"sha256": sha256}
        row = result(frame, number, arrived_at=float(number), **content, **changes)
        commit_results(
            engine, [row], epochs={"north": EPOCH}, open_decisions={}, model_id=MODEL, now=2.0
        )


def view_of(engine: Engine) -> CameraView:
    (view,) = view_cameras(engine, recent=60)
    return view


def test_a_camera_that_keeps_sending_the_same_image_is_frozen(engine: Engine) -> None:
    # to see it fail: compare nothing, or only the names
    score(engine, range(1, 4))
    score(engine, range(4, 4 + FEWEST - 1), SAME)
    view = view_of(engine)
    assert (frozen_images(view), own_state(view, 9.0)) == (None, "ok")  # may be one file, copied

    score(engine, range(4 + FEWEST - 1, 4 + FEWEST), SAME)
    view = view_of(engine)
    images = frozen_images(view)
    assert images is not None
    assert (images.count, images.since, own_state(view, 9.0)) == (FEWEST, 4.0, "frozen")
    assert frozen_text(images).startswith(f"the last {FEWEST} images are the same, since 19")
    assert own_state(view, 1e4) == "silent"  # it does not even send that one any more

    score(engine, range(20, 21))
    view = view_of(engine)
    assert (identical_images(view), own_state(view, 21.0)) == (1, "ok")


def test_a_frozen_camera_hides_no_anomaly_and_is_no_longer_learning(engine: Engine) -> None:
    score(engine, range(1, 1 + FEWEST), SAME, learning=True)
    view = view_of(engine)
    assert own_state(view, 6.0) == "frozen"
    images = frozen_images(view)
    assert images is not None and "5 or more" in frozen_text(images)
    score(engine, range(10, 11), SAME, anomaly=True)
    view = view_of(engine)
    assert (camera_state(view, 11.0), own_state(view, 11.0)) == ("anomaly", "frozen")
