"""Whatever the bytes: a frame or a DecodeError, no other exception, no noise, no wrong frame."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.thermal.decode.samples import UNCOMPRESSED, samples, written
from thermal.decode import IMAGE_SUFFIXES, DecodeOptions, MatrixUnit, decode
from thermal.errors import CorruptImage, DecodeError
from thermal.frame import LinearScale

SAMPLES = samples()
NAMES = sorted(SAMPLES)
BINARY = [name for name in NAMES if not name.endswith(".csv")]

OPTIONS = st.builds(
    DecodeOptions,
    max_pixels=st.sampled_from([100, 50_000_000]),
    scale=st.sampled_from([None, LinearScale(0.04, -100)]),
    matrix_unit=st.sampled_from([None, *get_args(MatrixUnit)]),
    radiometry=st.sampled_from(["auto", "ignore"]),
)
SUFFIXES = st.sampled_from(["", *sorted(IMAGE_SUFFIXES), ".txt"])


def decode_or_refuse(data: bytes, suffix: str, options: DecodeOptions) -> None:
    try:
        frame = decode(data, suffix=suffix, options=options)
    except DecodeError as error:
        assert str(error)
    else:
        assert frame.values.dtype == np.float32
        assert frame.values.ndim == 2
        assert 0 < frame.values.size <= options.max_pixels
        assert np.isfinite(frame.values).all()
        assert (frame.unit == "celsius") == (frame.temperature_source is not None)


@given(st.binary(max_size=200), SUFFIXES, OPTIONS)
@example(b"0,0\n0,1e999\n", ".csv", DecodeOptions())
@example(b"\xff\xd8\xff\xda\x00\x02\xff\xd9", ".jpg", DecodeOptions())
def test_any_bytes_give_a_frame_or_a_decode_error(
    data: bytes, suffix: str, options: DecodeOptions
) -> None:
    decode_or_refuse(data, suffix, options)


@given(
    st.sampled_from([b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"BM", b"II*\0\x08\0\0\0", b"MM\0*"]),
    st.binary(max_size=300),
    OPTIONS,
)
def test_any_bytes_behind_the_start_of_a_format_give_a_frame_or_a_decode_error(
    start: bytes, rest: bytes, options: DecodeOptions
) -> None:
    decode_or_refuse(start + rest, "", options)


@st.composite
def mutations(draw: st.DrawFn) -> bytes:
    """A valid file with bits flipped, bytes set, cut out or put in, or two files spliced."""
    data = bytearray(SAMPLES[draw(st.sampled_from(NAMES))])
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, max(0, len(data) - 1)) | st.integers(0, min(120, len(data))))
        change = draw(st.sampled_from(["flip", "set", "cut", "insert", "splice", "zero the rest"]))
        if change == "flip":
            data[at : at + 1] = bytes(
                byte ^ 1 << draw(st.integers(0, 7)) for byte in data[at : at + 1]
            )
        elif change == "set":
            size = draw(st.sampled_from([1, 2, 4]))
            data[at : at + size] = draw(st.sampled_from([b"\0", b"\xff", b"\x7f"])) * size
        elif change == "cut":
            del data[at : at + draw(st.integers(1, 40))]
        elif change == "insert":
            data[at:at] = draw(st.binary(min_size=1, max_size=20))
        elif change == "splice":
            other = SAMPLES[draw(st.sampled_from(NAMES))]
            data[at:] = other[draw(st.integers(0, len(other))) :]
        else:
            data[at:] = bytes(len(data) - at)
    return bytes(data)


@given(mutations(), SUFFIXES, OPTIONS)
def test_a_damaged_file_gives_a_frame_or_a_decode_error(
    data: bytes, suffix: str, options: DecodeOptions
) -> None:
    decode_or_refuse(data, suffix, options)


@pytest.mark.parametrize("name", BINARY)
def test_a_file_cut_off_anywhere_is_corrupt(name: str) -> None:
    data = SAMPLES[name]
    for size in range(len(data)):
        with pytest.raises(CorruptImage):
            decode(data[:size], suffix=name[name.rindex(".") :])


@pytest.mark.parametrize("name", BINARY)
def test_a_file_whose_end_is_still_zeros_is_corrupt_unless_zeros_are_possible_pixels(
    name: str,
) -> None:
    data = SAMPLES[name]
    filled = data[: len(data) // 2] + bytes(len(data) - len(data) // 2)
    if name.endswith(UNCOMPRESSED):
        assert decode(filled).shape == (12, 10)  # nothing in the file could tell
    else:
        with pytest.raises(CorruptImage):
            decode(filled)


def test_a_matrix_cut_off_anywhere_but_between_rows_is_corrupt() -> None:
    data = SAMPLES["comma.csv"]
    for size in range(len(data)):
        rows_only = data[:size].endswith(b"\n") or data[size : size + 1] == b"\n"
        if rows_only and data[:size].count(b",") > 9:
            assert decode(data[:size], suffix=".csv").shape[1] == 10
        else:
            with pytest.raises(CorruptImage):
                decode(data[:size], suffix=".csv")


@pytest.mark.parametrize("name", [name for name in BINARY if not name.endswith("jpg")])
def test_damage_prints_nothing(name: str, capfd: pytest.CaptureFixture[str]) -> None:
    # JPEG is left out: libjpeg names damage inside the coded pixels on stderr and goes on.
    data = SAMPLES[name]
    for at in range(0, len(data), 3):
        changed = data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :]
        try:
            decode(changed)
        except DecodeError:
            continue
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("name", [name for name in BINARY if name.endswith(".png")])
def test_a_single_wrong_byte_in_a_png_is_found(name: str) -> None:
    data = SAMPLES[name]
    for at in range(len(data)):
        with pytest.raises(DecodeError):
            decode(data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :], suffix=".png")


def test_a_jpeg_that_lost_a_piece_of_a_segment_is_corrupt() -> None:
    data = written(".jpg", np.zeros((40, 24), np.uint8))
    tables = data.index(b"\xff\xdb")
    with pytest.raises(CorruptImage, match="does not end where it claims"):
        decode(data[: tables + 20] + data[tables + 27 :])
