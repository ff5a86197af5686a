"""The glossary is in use: its terms occur, and the words it retired do not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
GLOSSARY = ROOT / "docs" / "glossary.md"
PACKAGES = ("thermal", "storage", "producer", "worker", "ops")
SUFFIXES = {".py", ".js", ".html", ".css", ".lua"}

#: Words that must not occur in product code or documentation → the term to use.
RETIRED = {
    "books": "ledger counts",
    "glimpse": "latest result",
    "glimpses": "latest results",
    "suspect": "outlier (training image), poison frame",
    "suspects": "outliers (training images), poison frames",
    "inspector": "fault classifier",
    "preparation": "normalization",
    "verb": "command",
    "verbs": "commands",
}

#: Identifiers that must not occur in product code; as English words they may.
RETIRED_NAMES = {
    "Kept": "StoredArtifacts",
    "Later": "Postponed",
    "Replaced": "Superseded",
    "vary": "augment",
}

#: File → retired words it may still use, with the reason: released labels and stored names.
ALLOWED: dict[str, set[str]] = {
    "ops/cli/machine/demo.py": {"books"},  # label of the summary, as released
    "README.md": {"books"},  # quotes that summary
    # names in bundles of release 0.1
    "thermal/detection/release_0_1.py": {"inspector", "preparation", "suspects"},
    "worker/poison_frames.py": {"suspects"},  # a Redis key that old workers share
}


def product_files() -> Iterator[Path]:
    for package in PACKAGES:
        for path in sorted((ROOT / package).rglob("*")):
            if path.suffix in SUFFIXES and not {"vendor", "versions"} & set(path.parts):
                yield path


def pages() -> Iterator[Path]:
    yield from sorted(path for path in (ROOT / "docs").glob("*.md") if path != GLOSSARY)
    yield from (ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"))


def words_of(text: str) -> set[str]:
    """Lower-case words, those inside snake_case and CamelCase names included."""
    separated = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    return set(re.findall(r"[a-z]+", separated.lower()))


def names_of(text: str) -> set[str]:
    """Names that are defined or imported."""
    defined = re.findall(r"\b(?:class|def) (\w+)", text)
    imported = re.findall(r"^\s*from \S+ import (.*)$", text, re.MULTILINE)
    return {*defined, *re.findall(r"\w+", " ".join(imported))}


def name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def retired_in(path: Path) -> set[str]:
    text = path.read_text()
    found = words_of(text) & RETIRED.keys()
    if path.suffix == ".py":
        found |= names_of(text) & RETIRED_NAMES.keys()
    return found


def terms() -> list[str]:
    """The first cells of the glossary's tables; a cell may hold several terms."""
    cells = re.findall(r"^\| ([^|]+) \| [^|]+ \|$", GLOSSARY.read_text(), re.MULTILINE)
    return [term.strip() for cell in cells if cell != "term" for term in cell.split(",")]


def test_words_are_found_inside_names() -> None:
    assert {"inspector", "books", "line"} <= words_of("class InspectorLayer: books_line = 1")
    assert names_of("class Later:\n    pass\nfrom worker.rows import Kept, make_row\n") == {
        *("Later", "Kept", "make_row")
    }


@pytest.mark.parametrize("path", [*product_files(), *pages()], ids=name)
def test_no_file_uses_a_retired_word(path: Path) -> None:
    replacements = {**RETIRED, **RETIRED_NAMES}
    found = retired_in(path) - ALLOWED.get(name(path), set())
    assert {word: replacements[word] for word in found} == {}


def test_every_allowed_word_is_still_used() -> None:
    unused = {file: words - retired_in(ROOT / file) for file, words in ALLOWED.items()}
    assert {file: words for file, words in unused.items() if words} == {}


def test_every_term_is_in_use() -> None:
    text = " ".join(path.read_text() for path in [*product_files(), *pages()])
    separated = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", text)
    spaced = re.sub(r"[\s_-]+", " ", separated).lower()
    assert [term for term in terms() if re.sub(r"[-]", " ", term.lower()) not in spaced] == []


def test_every_term_is_defined_once() -> None:
    assert len(terms()) == len(set(terms()))
    assert len(terms()) > 50
