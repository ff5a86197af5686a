"""The unit of a table's numbers, as its headings and settings name it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from thermal.decode.table.cells import Unit

#: «Unit: K», «Units;…;C» and «temperature [F]» say it; a bare letter alone in a cell does too.
_NAMES: Final[tuple[tuple[Unit, str, str], ...]] = (
    ("celsius", "celsius|centigrade|℃", "C"),
    ("kelvin", "kelvin", "K"),
    ("fahrenheit", "fahrenheit|℉", "F"),
)
_SAYS: Final[dict[Unit, re.Pattern[str]]] = {
    unit: re.compile(
        rf"(?:{word}|(?:°|º|\ufffd|\bdeg\.?\s?){letter}\b|[\[(]{letter}[\])]"
        rf"|\bunits?\b\W{{0,4}}{letter}\b|(?:^|[;,\t])\s*\"?{letter}\"?\s*(?:$|[;,\t])"
        rf"|(?:temp\w*|\bt)(?:_|\s+in\s+|\s*/\s*){letter}\b)",
        re.IGNORECASE | re.MULTILINE,
    )
    for unit, word, letter in _NAMES
}


def named_unit(lines: Iterable[str]) -> Unit | None:
    """The unit that these lines name; None if they name none, or several that contradict."""
    texts = list(lines)
    about_unit = [text for text in texts if re.search(r"\bunits?\b", text, re.IGNORECASE)]
    for chosen in (about_unit, texts):
        found = [unit for unit, says in _SAYS.items() if any(map(says.search, chosen))]
        if found:
            return found[0] if len(found) == 1 else None
    return None
