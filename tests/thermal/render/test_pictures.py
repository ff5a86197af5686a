"""Pictures: absolute colours, nothing cut off, whatever the frame and the words."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from thermal.detection.detector import Scored
from thermal.detection.deviation import Deviation
from thermal.detection.normalization import Normalization
from thermal.errors import UnitMismatch
from thermal.frame import Frame, Unit
from thermal.hotspots import HotspotRule, measure
from thermal.render.legend import number, shorten, text_width, ticks
from thermal.render.palette import ALARM, COLD_TO_HOT, INFERNO, NORMAL, OUTLINE, PAGE, RGB
from thermal.render.panel import Caption
from thermal.render.pictures import DisplayRange, Pictures, display_range, draw, encode_png

CAPTION = Caption(
    camera="roof-7",
    captured_at=datetime(2026, 11, 23, 12, 4, 9, tzinfo=UTC),
    score=9.31,
    threshold=6.2,
    p_value=0.0005,
    anomaly=True,
    learning=False,
    reasons=("score",),
    model_id="3f2a91c07d5e11f0",
)
DISPLAY = DisplayRange(15.0, 40.0, "celsius")

#: A place (row, column) within the image of any picture that is at least 120 px high.
INSIDE = (100, 60)


def pictures_of(
    values: NDArray[np.float32],
    anomaly_map: NDArray[np.float32] | None = None,
    *,
    display: DisplayRange = DISPLAY,
    caption: Caption = CAPTION,
    saturated_px: int = 0,
) -> Pictures:
    frame = Frame(values, display.unit, bit_depth=16, saturated_px=saturated_px)
    scored = Scored(
        score=caption.score,
        mse=0.1,
        anomaly_map=np.zeros_like(values) if anomaly_map is None else anomaly_map,
        reconstruction=values,
        signals={},
    )
    report = measure(frame, HotspotRule("absolute", 50.0))
    return draw(frame, scored, report, display=display, caption=caption)


def all_of(pictures: Pictures) -> list[RGB]:
    return [
        pictures.original,
        pictures.reconstruction,
        pictures.heatmap,
        pictures.overlay,
        pictures.sheet,
    ]


def flat(value: float, shape: tuple[int, int] = (40, 24)) -> NDArray[np.float32]:
    return np.full(shape, value, np.float32)


def has(picture: RGB, colour: tuple[int, int, int]) -> bool:
    return bool((picture == colour).all(axis=2).any())


def test_a_temperature_has_the_same_colour_in_every_image_of_a_camera() -> None:
    with_fault = flat(27.5)
    with_fault[30:, 20:] = 400.0
    for values in (flat(27.5), with_fault):
        pictures = pictures_of(values)
        # halfway between 15 and 40 °C: the middle of the palette
        assert tuple(pictures.original[INSIDE]) == tuple(INFERNO.colours[128])
        assert tuple(pictures.reconstruction[INSIDE]) == tuple(INFERNO.colours[128])


@pytest.mark.parametrize(("value", "index"), [(-300.0, 0), (15.0, 0), (40.0, 255), (9e9, 255)])
def test_temperatures_beyond_the_range_have_the_colour_of_its_end(value: float, index: int) -> None:
    assert tuple(pictures_of(flat(value)).original[INSIDE]) == tuple(INFERNO.colours[index])


def test_the_anomaly_map_is_coloured_by_sigma_and_never_stretched() -> None:
    outlier = flat(5.0)
    outlier[30:, 20:] = 300.0
    for anomaly_map in (flat(5.0), outlier):
        heatmap = pictures_of(flat(20), anomaly_map).heatmap
        # the scale goes from −10 to 10 σ, so 5 σ lies at 3/4 of the palette
        assert tuple(heatmap[INSIDE]) == tuple(COLD_TO_HOT.colours[191])


def test_only_what_is_beyond_five_sigma_is_outlined_in_the_anomaly_map() -> None:
    def outlined(sigma: float) -> int:
        anomaly_map = flat(0.0)
        anomaly_map[18:22, 10:14] = sigma
        heatmap = pictures_of(flat(20), anomaly_map).heatmap
        return int((heatmap[62:382, 14:206] == OUTLINE).all(axis=2).sum())

    assert outlined(4.9) == outlined(-4.9) == 0
    assert outlined(5.1) == outlined(-5.1) > 100


def test_a_hotspot_is_outlined_labelled_and_not_covered() -> None:
    values = flat(20)
    values[20:25, 10:15] = 60.0
    overlay = pictures_of(values).overlay
    image = overlay[62:382, 14:206]  # 8 px for each of 24 × 40
    assert has(image, OUTLINE)
    # the label is drawn beside the hotspot, the middle of its hottest pixel stays free
    assert tuple(image[20 * 8 + 4, 10 * 8 + 4]) == (236, 236, 236)
    assert not has(pictures_of(flat(20)).overlay[62:382, 14:206], OUTLINE)


def test_the_badge_tells_anomaly_from_normal_by_colour() -> None:
    alarm = pictures_of(flat(20)).sheet
    normal = pictures_of(flat(20), caption=replace(CAPTION, anomaly=False)).sheet
    assert has(alarm, ALARM)
    assert not has(alarm, NORMAL)
    assert has(normal, NORMAL)
    assert not has(normal, ALARM)


@pytest.mark.parametrize(
    ("shape", "image"),
    [
        ((40, 24), (320, 192)),  # 8 times
        ((60, 80), (240, 320)),  # 4 times
        ((319, 100), (638, 200)),  # the least whole factor that reaches 320
        ((512, 640), (512, 640)),
        ((1000, 2560), (500, 1280)),  # shrunk
    ],
)
def test_images_are_enlarged_by_whole_factors_and_shrunk_to_a_screen(
    shape: tuple[int, int], image: tuple[int, int]
) -> None:
    pictures = pictures_of(flat(20, shape), flat(0, (8, 8)))
    for picture in all_of(pictures)[:4]:
        # header 62 and footer 32; margin 14, gap 12 and 74 for the scale
        assert picture.shape == (image[0] + 94, image[1] + 100, 3)
    assert pictures.sheet.shape[1] <= 4 * (360 + 100)


# what cameras and people come up with, control and bidirectional characters included
words = st.text(max_size=80)
numbers = st.floats(-300, 4000, allow_nan=False).map(float)


@settings(max_examples=40, deadline=None)
@given(
    shape=st.tuples(st.integers(1, 400), st.integers(1, 400)),
    map_shape=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    low=numbers,
    span=st.floats(0.01, 70_000),
    level=numbers,
    unit=st.sampled_from(["celsius", "counts"]),
    camera=words,
    reasons=st.lists(words, max_size=20).map(tuple),
    score=st.floats(1e-6, 1e6),
    threshold=st.floats(1e-6, 1e6),
)
def test_nothing_is_cut_off_at_the_edges_whatever_is_drawn(
    shape: tuple[int, int],
    map_shape: tuple[int, int],
    low: float,
    span: float,
    level: float,
    unit: Unit,
    camera: str,
    reasons: tuple[str, ...],
    score: float,
    threshold: float,
) -> None:
    values = flat(level, shape)
    values[::5, ::7] += 60
    pictures = pictures_of(
        values,
        flat(score, map_shape),
        display=DisplayRange(low, low + span, unit),
        caption=replace(CAPTION, camera=camera, reasons=reasons, score=score, threshold=threshold),
    )
    for picture in all_of(pictures):
        assert picture.dtype == np.uint8
        edges = (picture[:3], picture[-3:], picture[:, :3], picture[:, -3:])
        assert all((edge == PAGE).all() for edge in edges)


def test_threads_draw_the_same_picture() -> None:
    values = flat(20)
    values[3:5, 3:5] = 60.0
    with ThreadPoolExecutor(8) as pool:
        sheets = list(pool.map(lambda _: pictures_of(values).sheet, range(64)))
    assert all(np.array_equal(sheet, sheets[0]) for sheet in sheets)


def test_what_is_over_range_is_labelled_so_and_not_with_a_number() -> None:
    # to see it fail: write the number, which differs
    first, second = flat(20), flat(20)
    first[3:5, 3:5], second[3:5, 3:5] = 382.2, 10_000
    over = [pictures_of(values, saturated_px=4) for values in (first, second)]
    for kind in ("original", "overlay", "sheet"):
        assert np.array_equal(getattr(over[0], kind), getattr(over[1], kind))
        assert not np.array_equal(getattr(over[0], kind), getattr(pictures_of(first), kind))


def test_the_heatmap_says_by_how_much_a_frame_deviates_and_where() -> None:
    # to see it fail: leave the deviation out of the heatmap's note
    frame = Frame(flat(20), "celsius", bit_depth=16)
    report = measure(frame, HotspotRule("absolute", 50.0))
    drawn = []
    for deviation in (None, Deviation(12.3, 4, 5), Deviation(-12.3, 4, 5)):
        scored = Scored(1.0, 0.1, flat(0), flat(20), {}, deviation=deviation)
        drawn.append(draw(frame, scored, report, display=DISPLAY, caption=CAPTION).heatmap)
    without, hotter, colder = drawn
    note = slice(30, 55)  # rows of the picture
    assert not np.array_equal(without[note], hotter[note])
    assert not np.array_equal(hotter[note], colder[note])
    assert np.array_equal(without[55:], hotter[55:])


def test_a_range_in_another_unit_than_the_frame_is_refused() -> None:
    frame = Frame(flat(20), "counts", bit_depth=8)
    scored = Scored(1.0, 0.1, flat(0), flat(20), {})
    report = measure(frame, HotspotRule("absolute", 50.0))
    with pytest.raises(UnitMismatch):
        draw(frame, scored, report, display=DISPLAY, caption=CAPTION)


def test_png_holds_the_picture_exactly() -> None:
    sheet = pictures_of(flat(20)).sheet
    decoded = cv2.imdecode(np.frombuffer(encode_png(sheet), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert decoded is not None
    assert np.array_equal(decoded, sheet)


def test_time_is_written_in_utc() -> None:
    in_india = datetime(2026, 11, 24, 1, 0, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    assert replace(CAPTION, captured_at=in_india).time == "2026-11-23T19:30:00Z"


@pytest.mark.parametrize(
    ("normalization", "bit_depth", "expected"),
    [
        # 4 spans below and 6 above
        (Normalization(8, 8, 30.0, 4.0, "celsius"), 16, DisplayRange(14.0, 54.0, "celsius")),
        # but 5 below and 15 above at least
        (Normalization(8, 8, 20.0, 0.5, "celsius"), 16, DisplayRange(15.0, 35.0, "celsius")),
        # no more than 8 bits hold
        (Normalization(8, 8, 158.0, 43.0, "counts"), 8, DisplayRange(0.0, 255.0, "counts")),
        (Normalization(8, 8, 100.0, 10.0, "counts"), 8, DisplayRange(60.0, 160.0, "counts")),
        (Normalization(8, 8, 158.0, 43.0, "counts"), 16, DisplayRange(0.0, 416.0, "counts")),
        # a camera of other depth than the model's still has a scale
        (Normalization(8, 8, 4600.0, 20.0, "counts"), 8, DisplayRange(4520.0, 4521.0, "counts")),
    ],
)
def test_display_range_by_hand(
    normalization: Normalization, bit_depth: int, expected: DisplayRange
) -> None:
    assert display_range(normalization, bit_depth) == expected


@pytest.mark.parametrize(
    ("low", "high", "most", "values", "decimals"),
    [
        (15, 40, 8, [15, 20, 25, 30, 35, 40], 0),
        (15, 40, 3, [20, 30, 40], 0),
        (15, 40, 2, [20, 40], 0),
        (-10, 10, 8, [-10, -5, 0, 5, 10], 0),
        (0, 255, 8, [0, 50, 100, 150, 200, 250], 0),
        (19.98, 20.03, 6, [19.98, 19.99, 20.00, 20.01, 20.02, 20.03], 2),
        (0, 0.7, 4, [0, 0.2, 0.4, 0.6], 1),
        (4520.3, 4690.1, 5, [4550, 4600, 4650], 0),
    ],
)
def test_ticks_are_round_and_few(
    low: float, high: float, most: int, values: list[float], decimals: int
) -> None:
    found, places = ticks(low, high, most)
    assert found == pytest.approx(values)
    assert places == decimals


@given(numbers, st.floats(0.01, 70_000), st.integers(2, 30))
def test_every_scale_has_ticks_and_no_two_read_alike(low: float, span: float, most: int) -> None:
    found, decimals = ticks(low, low + span, most)
    assert 1 <= len(found) <= most
    assert len({number(value, decimals) for value in found}) == len(found)


@pytest.mark.parametrize(
    ("value", "decimals", "text"), [(-12.34, 1, "−12.3"), (-0.04, 1, "0.0"), (1e6, 0, "1000000")]
)
def test_numbers_have_a_real_minus_and_no_negative_zero(
    value: float, decimals: int, text: str
) -> None:
    assert number(value, decimals) == text


@given(st.text(max_size=200), st.integers(20, 400))
def test_shortened_text_fits_and_text_that_fits_is_unchanged(text: str, width: int) -> None:
    short = shorten(text, width, 13)
    assert text_width(short, 13) <= width
    if text_width(text, 13) <= width:
        assert short == text
