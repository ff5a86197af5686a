"""Decoding in a process of its own: the same frames, and limits on what a file may take."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.thermal.decode.samples import csv, samples, written
from tests.waiting import wait_until
from thermal.decode import DecodeOptions
from thermal.errors import (
    DecodeCrashed,
    DecodeError,
    DecodeTooSlow,
    ImageTooLarge,
)
from thermal.frame import Frame, LinearScale
from thermal.sandbox import EncodedImage, InProcess, Sandbox, SandboxLimits
from thermal.sandbox.messages import BadMessage, Failed, read_answer_head
from thermal.sandbox.pool import ProcessDecoder

OPTIONS = DecodeOptions()
SCALED = DecodeOptions(scale=LinearScale(0.01, -20.0))


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox(1)
    yield sandbox
    sandbox.close()


@pytest.fixture
def decoder(sandbox: Sandbox) -> Iterator[ProcessDecoder]:
    with sandbox.decoder() as decoder:
        yield decoder


@pytest.fixture(scope="module")
def small() -> bytes:
    return written(".png", np.full((4, 5), 7, np.uint8))


@pytest.fixture(scope="module")
def slow() -> bytes:
    """A matrix that takes more than a second to read."""
    return csv(np.full((3000, 3000), 21.5))


def one(decoder: ProcessDecoder, data: bytes, suffix: str = "") -> Frame:
    decoder.start([EncodedImage(data, suffix)])
    (found,) = decoder.results()
    if isinstance(found, DecodeError):
        raise found
    return found


@pytest.mark.parametrize("options", [OPTIONS, SCALED, replace(SCALED, scale_must_apply=False)])
def test_frames_and_refusals_are_those_of_decoding_here(
    decoder: ProcessDecoder, options: DecodeOptions
) -> None:
    files = [EncodedImage(data, Path(name).suffix, options) for name, data in samples().items()]
    files += [EncodedImage(data, "", options) for data in (b"", b"GIF89a", b"\x89PNG\r\n\x1a\n")]
    here = InProcess()
    here.start(files)
    decoder.start(files)
    for mine, its in zip(here.results(), decoder.results(), strict=True):
        assert type(its) is type(mine)
        if isinstance(mine, Frame) and isinstance(its, Frame):
            np.testing.assert_array_equal(its.values, mine.values)
            assert vars(its) | {"values": 0} == vars(mine) | {"values": 0}
        else:
            assert str(its) == str(mine)


def test_a_file_that_needs_too_much_memory_is_too_large(small: bytes) -> None:
    # to see it fail: leave out limit_memory
    sandbox = Sandbox(1, SandboxLimits(memory_mib=64))
    with sandbox.decoder() as decoder:
        with pytest.raises(ImageTooLarge, match="more than 64 MiB of memory"):
            one(decoder, written(".tif", np.ones((4000, 4000), np.float32)))
        assert one(decoder, small).shape == (4, 5)
    sandbox.close()


def test_files_that_need_too_much_memory_only_together_are_decoded() -> None:
    large = EncodedImage(written(".png", np.zeros((2000, 2000), np.uint16)))
    sandbox = Sandbox(1, SandboxLimits(memory_mib=64))
    with sandbox.decoder() as decoder:
        decoder.start([large] * 8)
        found = [each.shape for each in decoder.results() if isinstance(each, Frame)]
        assert found == [(2000, 2000)] * 8
    sandbox.close()


def test_a_file_that_takes_too_long_is_too_slow(small: bytes, slow: bytes) -> None:
    # to see it fail: leave out limit_cpu
    sandbox = Sandbox(1, SandboxLimits(cpu_s=0.5))
    with sandbox.decoder() as decoder:
        with pytest.raises(DecodeTooSlow, match=r"more than 0.5 s of computing"):
            one(decoder, slow, ".csv")
        assert one(decoder, small).shape == (4, 5)
    sandbox.close()


def kill_when_busy(decoder: ProcessDecoder, times: int) -> threading.Thread:
    """Crash the decoder's process in the middle of a file, as a library would."""

    def kill() -> None:
        last = None
        for _ in range(times):
            wait_until(lambda last=last: decoder.pid not in (None, last))  # type: ignore[misc]
            last = decoder.pid
            assert last is not None
            process = psutil.Process(last)
            wait_until(lambda process=process: process.cpu_times().user > 0.4)  # type: ignore[misc]
            os.kill(last, signal.SIGSEGV)

    thread = threading.Thread(target=kill)
    thread.start()
    return thread


def test_a_process_that_crashes_once_is_replaced(slow: bytes) -> None:
    sandbox = Sandbox(1)
    with sandbox.decoder() as decoder:
        thread = kill_when_busy(decoder, 1)
        assert one(decoder, slow, ".csv").shape == (3000, 3000)
        thread.join()
    sandbox.close()


def test_a_file_that_crashes_two_processes_is_refused_and_the_files_behind_it_are_not(
    slow: bytes,
) -> None:
    # to see it fail: give up the whole group
    few = b"1.5,2.5\n3.5,4.5\n"
    sandbox = Sandbox(1)
    with sandbox.decoder() as decoder:
        thread = kill_when_busy(decoder, 3)  # with the others, alone, and alone again
        decoder.start([EncodedImage(data, ".csv") for data in (few, slow, few)])
        first, crashed, last = decoder.results()
        thread.join()
        assert isinstance(crashed, DecodeCrashed)
        assert "SIGSEGV" in str(crashed)
        assert all(isinstance(found, Frame) for found in (first, last))
    sandbox.close()


def test_a_result_that_nobody_took_is_not_given_to_the_next(small: bytes, slow: bytes) -> None:
    sandbox = Sandbox(1)
    with sandbox.decoder() as decoder:
        decoder.start([EncodedImage(slow, ".csv")])
    with sandbox.decoder() as decoder:
        assert one(decoder, small).shape == (4, 5)
    sandbox.close()


def test_the_process_knows_no_secrets_and_ends_with_the_sandbox(
    monkeypatch: pytest.MonkeyPatch, small: bytes
) -> None:
    monkeypatch.setenv("REDIS_URL", "redis://:hunter2@queue")
    sandbox = Sandbox(1)
    with sandbox.decoder() as decoder:
        one(decoder, small)
        assert decoder.pid is not None
        process = psutil.Process(decoder.pid)
        assert "hunter2" not in str(process.environ())
    sandbox.close()
    wait_until(lambda: not process.is_running())


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)
RIGHT = {
    "shape": [4, 5],
    "unit": "counts",
    "bit_depth": 8,
    "temperature_source": None,
    "saturated_px": 0,
    "under_range_px": 0,
    "unusable_px": 0,
}


def read(head: bytes, body_bytes: int = 80) -> None:
    """Read an answer; only `BadMessage` may be raised."""
    with suppress(BadMessage):
        results, values = read_answer_head(head, body_bytes, files=1, max_pixels=1000)
        assert len(results) == 1
        assert values.nbytes == body_bytes
        for result in results:
            assert isinstance(result, Failed) or result.unit in ("counts", "celsius")


@given(st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_any_head_is_an_answer_or_refused(head: bytes) -> None:
    read(head)


@given(
    st.sampled_from(
        [*RIGHT, "captured_at", "captured_at_source", "parameters", "metadata", "error", "text"]
    ),
    JSON,
)
def test_any_value_in_an_answer_is_right_or_refused(name: str, value: object) -> None:
    read(json.dumps([{**RIGHT, name: value}]).encode())
