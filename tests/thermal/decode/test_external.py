"""Decoders of camera makers: what they are given, what is taken from them, what they may not do."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import psutil
import pytest

from tests.thermal.decode.samples import app_segment, with_segments, written
from tests.waiting import wait_until
from thermal.decode import DecodeOptions, decode, external
from thermal.errors import CorruptImage, DecodeTooSlow, UnsupportedImage
from thermal.sandbox import EncodedImage, Sandbox

CELSIUS = np.random.default_rng(5).normal(25, 8, (12, 10)).astype(np.float32)
PICTURE = written(".jpg", np.full((12, 10), 90, np.uint8))
DJI = with_segments(PICTURE, app_segment(3, bytes(5000)), app_segment(4, b"\xaaU" + bytes(100)))


def options(tmp_path: Path, script: str) -> DecodeOptions:
    """With a decoder that runs this Python; `source` and `target` are the paths it is given."""
    file = tmp_path / "decoder.py"
    file.write_text(f"import os, sys, time\nsource, target = sys.argv[1:]\n{script}\n")
    command = (sys.executable, "-I", "-S", str(file), external.INPUT, external.OUTPUT)
    return DecodeOptions(decoder=command)


def has_ended(pid: int) -> bool:
    """Whether a process is gone, or only waits for whoever adopted it."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def writes(values: bytes) -> str:
    return f"open(target, 'wb').write(bytes.fromhex('{values.hex()}'))"


def test_float32_values_are_celsius(tmp_path: Path) -> None:
    frame = decode(DJI, options=options(tmp_path, writes(CELSIUS.astype("<f4").tobytes())))
    assert np.array_equal(frame.values, CELSIUS)
    assert (frame.unit, frame.radiometric) == ("celsius", True)


def test_int16_values_are_tenths_of_a_degree(tmp_path: Path) -> None:
    tenths = (CELSIUS * 10).round().astype("<i2")
    frame = decode(DJI, options=options(tmp_path, writes(tenths.tobytes())))
    assert frame.values == pytest.approx(tenths / 10, abs=1e-5)


def test_values_of_half_the_size_of_an_enlarged_picture_are_taken(tmp_path: Path) -> None:
    half = CELSIUS[:6, :5]
    frame = decode(DJI, options=options(tmp_path, writes(half.tobytes())))
    assert np.array_equal(frame.values, half)


def test_the_program_gets_the_file_and_runs_in_an_empty_directory_that_is_gone_later(
    tmp_path: Path,
) -> None:
    told = tmp_path / "told"
    script = (
        f"open({str(told)!r}, 'w').write(os.getcwd() + ' ' + ' '.join(sorted(os.listdir('.'))))\n"
        f"assert open(source, 'rb').read() == bytes.fromhex('{DJI.hex()}')\n"
        + writes(CELSIUS.tobytes())
    )
    decode(DJI, options=options(tmp_path, script))
    folder, *names = told.read_text().split()
    assert names == ["input.jpg", "messages"]
    assert not Path(folder).exists()


def test_the_program_sees_no_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://u:secret@db/x")
    script = "assert 'DATABASE_URL' not in os.environ\n" + writes(CELSIUS.tobytes())
    decode(DJI, options=options(tmp_path, script))


def test_a_file_that_is_read_here_needs_no_program(tmp_path: Path) -> None:
    assert decode(PICTURE, options=options(tmp_path, "sys.exit(1)")).unit == "counts"


def test_nothing_is_expanded_as_in_a_shell(tmp_path: Path) -> None:
    script = "assert sys.argv[1:] == ['$(touch x)', '*']"
    file = tmp_path / "decoder.py"
    file.write_text(f"import sys\nsys.argv = sys.argv[:1] + sys.argv[3:]\n{script}\nsys.exit(7)\n")
    command = (sys.executable, str(file), "{input}", "{output}", "$(touch x)", "*")
    with pytest.raises(UnsupportedImage, match=r"exit status 7"):
        decode(DJI, options=DecodeOptions(decoder=command))


@pytest.mark.parametrize(
    ("script", "error", "reason"),
    [
        ("sys.exit('no licence')", UnsupportedImage, r"failed \(exit status 1\): no licence"),
        ("os.kill(os.getpid(), 11)", UnsupportedImage, r"failed \(SIGSEGV\): it said nothing"),
        ("pass", CorruptImage, "wrote 0 bytes"),
        (writes(b"12345"), CorruptImage, "wrote 5 bytes, which are not .* 10×12 px"),
        ("os.mkfifo(target)", CorruptImage, "wrote 0 bytes"),
        ("os.symlink('/etc/passwd', target)", CorruptImage, "wrote 0 bytes"),
        ("os.mkdir(target)", CorruptImage, "wrote 0 bytes"),
        (writes(CELSIUS[::-1].tobytes() * 2), CorruptImage, "wrote 960 bytes"),
        ("open(target, 'wb').write(bytes(1 << 23))", UnsupportedImage, "File too large"),
        ("bytes(3 << 30)", UnsupportedImage, "MemoryError"),
    ],
    ids=[
        "fails", "crashes", "silent", "five bytes", "FIFO", "link", "directory", "two frames",
        "endless output", "memory",
    ],
)  # fmt: skip
def test_what_a_program_does_wrong_is_the_reason(
    tmp_path: Path, script: str, error: type[Exception], reason: str
) -> None:
    # to see it fail: leave out _limit in thermal/decode/confined.py
    with pytest.raises(error, match=reason):
        decode(DJI, options=options(tmp_path, script))


def test_a_program_that_does_not_exist_is_named() -> None:
    command = ("no-such-program", "{input}", "{output}")
    with pytest.raises(UnsupportedImage, match=r"no-such-program failed .*cannot be started"):
        decode(DJI, options=DecodeOptions(decoder=command))


def test_a_program_that_hangs_is_killed_with_what_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # to see it fail: kill only the process in thermal/decode/external.py
    monkeypatch.setattr(external, "WALL_S", 1.0)
    told = tmp_path / "pids"
    script = (
        "child = os.fork()\n"
        f"if child: open({str(told)!r}, 'w').write(f'{{os.getpid()}} {{child}}')\n"
        "time.sleep(600)"
    )
    with pytest.raises(DecodeTooSlow, match="took more than 1 s"):
        decode(DJI, options=options(tmp_path, script))
    pids = [int(pid) for pid in told.read_text().split()]
    assert len(pids) == 2
    wait_until(lambda: all(map(has_ended, pids)), what="the end of both processes")


def test_what_a_program_leaves_running_is_killed(tmp_path: Path) -> None:
    told = tmp_path / "pid"
    script = (
        "child = os.fork()\n"
        "if not child: time.sleep(600)\n"
        f"open({str(told)!r}, 'w').write(str(child))\n" + writes(CELSIUS.tobytes())
    )
    decode(DJI, options=options(tmp_path, script))
    child = int(told.read_text())
    wait_until(lambda: has_ended(child), what="the end of the child")


def test_it_works_in_a_decoder_process(tmp_path: Path) -> None:
    sandbox = Sandbox(1)
    with sandbox.decoder() as decoder:
        chosen = options(tmp_path, writes(CELSIUS.tobytes()))
        decoder.start([EncodedImage(DJI, ".jpg", chosen)])
        (frame,) = decoder.results()
    sandbox.close()
    assert not isinstance(frame, Exception), frame
    assert np.array_equal(frame.values, CELSIUS)


def test_it_dies_with_the_process_that_started_it(tmp_path: Path) -> None:
    # to see it fail: leave out prctl in thermal/decode/confined.py
    told = tmp_path / "pid"
    script = f"open({str(told)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)"
    sandbox = Sandbox(1)
    with sandbox.decoder() as decoder:
        decoder.start([EncodedImage(DJI, ".jpg", options(tmp_path, script))])
        wait_until(
            lambda: told.exists() and told.read_text() != "", what="the start of the program"
        )
        assert decoder.pid is not None
        os.kill(decoder.pid, 9)
        pid = int(told.read_text())
        wait_until(lambda: has_ended(pid), what="the end of the program")
    sandbox.close()


@pytest.mark.parametrize("command", [("dji_irp",), ("dji_irp", "{input}"), ("{input}", "{output}")])
def test_a_command_without_both_paths_is_refused(command: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="among them, such as"):
        external.check_command(command)
