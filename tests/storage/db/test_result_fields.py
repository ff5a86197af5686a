"""Every view of a result has exactly the fields that the declaration says."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

import pytest
from pydantic import ValidationError
from sqlalchemy import Engine, inspect

import ops.web
from ops.web.routes.results import answered
from ops.web.schemas.results import Result, ResultDetail
from storage.db.result_fields import DECISION_NAMES, FIELDS, ResultRow, fields_in
from storage.results.record_batches import SCHEMA
from tests.storage.db.result_fields_table import documented, table
from tests.storage.examples import new_frame, result
from thermal.threshold import Decision

#: Computed by the API from other fields.
MADE_BY_API = {"pictures", "has_values", "reviews", "version", "display"}
#: Scripts of the pages that show one result.
PAGE_SCRIPTS = (
    "result.js",
    "explained.js",
    "viewer.js",
    "values.js",
    "picture.js",
    "format.js",
    "deviation.js",
)


def test_every_attribute_of_a_row_is_declared_with_a_meaning() -> None:
    assert [field.name for field in FIELDS] == [item.name for item in fields(ResultRow)]
    assert all(field.meaning for field in FIELDS)


def test_the_migrated_table_has_exactly_the_stored_fields(engine: Engine) -> None:
    # to see it fail: declare a field without a migration
    migrated = {column["name"]: column for column in inspect(engine).get_columns("results")}
    stored = {field.column_name: field for field in FIELDS if field.stored}
    assert migrated.keys() == stored.keys()
    for name, column in migrated.items():
        assert column["nullable"] == stored[name].nullable, name


def test_a_row_has_every_field_of_a_decision() -> None:
    assert tuple(item.name for item in fields(Decision)) == DECISION_NAMES
    assert set(DECISION_NAMES) <= {field.name for field in FIELDS if field.stored}


def test_exports_have_the_fields_of_their_view() -> None:
    assert SCHEMA.names == [field.csv_name for field in fields_in("csv")]
    assert len(set(SCHEMA.names)) == len(SCHEMA.names)


def test_api_answers_have_the_fields_of_their_view() -> None:
    listed, shown = set(Result.model_fields), set(ResultDetail.model_fields)
    assert listed - MADE_BY_API == {field.name for field in fields_in("list")}
    assert shown - MADE_BY_API == {field.name for field in fields_in("detail")}
    assert listed <= shown


def test_an_api_model_rejects_an_undeclared_field() -> None:
    row = result(new_frame(1), 1, id=1)
    assert Result.of(row, **answered(row, None, 0)).image_path == row.image_path
    with pytest.raises(ValidationError, match="no_such_field"):
        Result.of(row, no_such_field=1.0, **answered(row, None, 0))


def test_an_api_model_rejects_a_row_that_lacks_a_field() -> None:
    with pytest.raises(AttributeError):
        Result.of(object())


def test_the_page_of_a_result_shows_the_fields_of_its_view() -> None:
    # to see it fail: remove a field from explained.js, or "page" from its declaration
    folder = Path(ops.web.__file__).parent / "static" / "js"
    scripts = "".join((folder / name).read_text(encoding="utf-8") for name in PAGE_SCRIPTS)
    shown = set(re.findall(r"\bresult\.(\w+)", scripts))
    answers = {field.name for field in fields_in("detail")}
    assert shown & answers == {field.name for field in fields_in("page")}


def test_the_documented_table_matches_the_declaration() -> None:
    assert documented() == table(), "run: python -m tests.storage.db.result_fields_table"
