"""The table of fields in docs/results.md.

``python -m tests.storage.db.result_fields_table`` updates it from the declaration.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from storage.db.result_fields import FIELDS, Field

DOCUMENT: Final = Path(__file__).resolve().parents[3] / "docs" / "results.md"
_BEGIN: Final = "<!-- fields: written by python -m tests.storage.db.result_fields_table -->\n"
_END: Final = "<!-- end of fields -->\n"
_TYPES: Final = {
    str: "text",
    tuple: "words",
    float: "float",
    int: "integer",
    bool: "boolean",
}


def table() -> str:
    """All fields as Markdown."""
    lines = ["| column of results.csv | API | type | unit | meaning |", "|---|---|---|---|---|"]
    lines += [_line(field) for field in FIELDS]
    return "\n".join(lines) + "\n"


def _line(field: Field) -> str:
    csv = f"`{field.csv_name}`" if "csv" in field.views else ""
    views = [view for view in ("list", "detail") if view in field.views]
    api = f"`{field.name}`" if "list" in views else f"`{field.name}` (detail)" if views else ""
    kind = "time" if field.is_instant else _TYPES[field.python_type]
    unit = "" if field.is_instant else field.unit or ""
    may_be_unknown = ", may be empty" if field.nullable else ""
    return f"| {csv} | {api} | {kind}{may_be_unknown} | {unit} | {field.meaning} |"


def documented() -> str:
    """The table in the document."""
    return DOCUMENT.read_text(encoding="utf-8").partition(_BEGIN)[2].partition(_END)[0]


def main() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(text.replace(_BEGIN + documented(), _BEGIN + table()), encoding="utf-8")


if __name__ == "__main__":
    main()
