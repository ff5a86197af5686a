"""Results as a data frame, for analyses in Python."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from storage.db.result_fields import Field, fields_in
from storage.results.queries import ResultQuery

if TYPE_CHECKING:
    from pandas import DataFrame
    from sqlalchemy import Engine

ALL = ResultQuery()


def results_frame(engine: Engine, query: ResultQuery = ALL) -> DataFrame:
    """The chosen results, earliest first, with the columns of results.csv.

    Times are ``datetime64[us, UTC]`` (NaT outside the years 1 to 9999), texts are ``string``,
    `camera` and `prediction` are categories; integers and booleans that may be unknown are
    ``Int64`` and ``boolean``.

    Raises:
        DatabaseUnavailable: the database cannot be reached or cannot work.
    """
    # pandas and pyarrow take a second to import
    import pyarrow as pa  # noqa: PLC0415
    from pandas import DataFrame  # noqa: PLC0415

    from storage.results.record_batches import SCHEMA, read_batches  # noqa: PLC0415

    table = pa.Table.from_batches(read_batches(engine, query), SCHEMA)
    fields = fields_in("csv")
    return DataFrame({field.csv_name: _column(field, table[field.csv_name]) for field in fields})


def _column(field: Field, values: Any) -> Any:
    import pandas as pd  # noqa: PLC0415
    import pyarrow as pa  # noqa: PLC0415

    if field.name == "prediction":
        return values.to_pandas().astype(pd.CategoricalDtype(["Normal", "Anomaly"]))
    if field.name == "camera":
        return values.to_pandas().astype("category")
    types = {pa.string(): pd.StringDtype()}
    if field.nullable:
        types |= {pa.int64(): pd.Int64Dtype(), pa.bool_(): pd.BooleanDtype()}
    return values.to_pandas(types_mapper=types.get)
