"""Every pair of text and background colours has the contrast that WCAG 2 AA requires."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import ops.web

TOKENS = Path(ops.web.__file__).parent / "static" / "css" / "tokens.css"

#: Text colours and their backgrounds.
PAIRS = [
    (text, behind)
    for text in ("text", "quiet", "accent")
    for behind in ("page", "surface", "raised")
] + [
    ("on-accent", "accent"),
    ("on-alarm", "alarm"),
    ("on-ok", "ok"),
    ("on-learning", "learning"),
    ("on-silent", "silent"),
    ("alarm", "surface"),
    ("silent", "surface"),
    ("text", "alarm-wash"),
    ("screen-text", "screen"),
    ("screen-quiet", "screen"),
]


def colours(theme: str) -> dict[str, str]:
    """The theme's colours by name; those that it does not define come from the dark theme."""
    blocks = re.findall(r"(:root[^{]*)\{([^}]*)\}", TOKENS.read_text())
    found: dict[str, str] = {}
    for selector, body in blocks:
        if selector.strip() == ":root" or f'"{theme}"' in selector:
            found |= dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6});", body))
    return found


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2), 0 to 1."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.parametrize("theme", ["dark", "light"])
@pytest.mark.parametrize(("text", "behind"), PAIRS)
def test_text_has_enough_contrast(theme: str, text: str, behind: str) -> None:
    found = colours(theme)
    light, dark = sorted((luminance(found[text]), luminance(found[behind])), reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 4.5
