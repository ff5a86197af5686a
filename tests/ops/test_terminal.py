"""Names that would forge a log line or control a terminal."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ops.logs import PrintableFormatter
from ops.terminal import printable


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Kühler 1 °C 🌡.png", "Kühler 1 °C 🌡.png"),
        ("a\nb\r\tc", r"a\nb\r\tc"),
        ("\x1b[2J\x9b1m\x00", r"\x1b[2J\x9b1m\x00"),
        ("x\u2028y\u202ez", r"x\u2028y\u202ez"),  # a line separator and a change of text direction
    ],
)
def test_what_does_not_print_is_escaped(text: str, expected: str) -> None:
    assert printable(text) == expected


@given(st.text())
def test_any_text_becomes_one_that_prints(text: str) -> None:
    assert printable(text).isprintable()


def test_a_traceback_keeps_its_lines() -> None:
    record = logging.LogRecord("x", logging.ERROR, "x.py", 1, "a\nb", (), None)
    record.exc_text = "Traceback:\n  line"
    assert PrintableFormatter("%(message)s").format(record) == "a\\nb\nTraceback:\n  line"
