"""Results as a data frame, and the example notebook."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
from nbclient import NotebookClient
from sqlalchemy import Engine

from storage import ResultQuery, connect, results_frame
from storage.db.database import migrate
from storage.db.result_fields import fields_in
from tests.storage.results.test_export import store
from tests.studies.history_rows import History, fill

NOTEBOOK = Path(__file__).resolve().parents[3] / "docs" / "examples" / "results.ipynb"


def test_a_data_frame_has_typed_columns(engine: Engine) -> None:
    store(
        engine,
        {"captured_at": 1_782_907_200.25, "score": 37.0, "anomaly": True, "reasons": ("a", "b")},
        {"captured_at": 1e15, "latency_s": 0.5, "image_path": "=1+1.png"},
    )
    frame = results_frame(engine)
    assert list(frame.columns) == [field.csv_name for field in fields_in("csv")]
    types = {name: str(dtype) for name, dtype in frame.dtypes.items()}
    assert types["captured_at"] == types["scored_at"] == "datetime64[us, UTC]"
    assert types["camera"] == types["prediction"] == "category"
    assert (types["learning"], types["hotspot_area"], types["id"]) == ("bool", "int64", "int64")
    assert types["anomaly_score"] == types["latency_s"] == "float64"
    assert types["image_path"] == types["review"] == "string"
    first, second = frame.to_dict("records")
    assert first["captured_at"] == pd.Timestamp("2026-07-01T12:00:00.250Z")
    assert (first["anomaly_score"], first["prediction"]) == (37.0, "Anomaly")
    assert first["reasons"] == "a b"
    assert pd.isna(first["latency_s"]) and second["latency_s"] == 0.5
    assert pd.isna(second["captured_at"])  # beyond the year 9999
    assert second["image_path"] == "=1+1.png"  # pandas does not evaluate formulas


def test_a_data_frame_is_filtered_and_typed_even_if_empty(
    engine: Engine,
) -> None:
    store(engine, {"anomaly": True, "captured_at": 20.0}, {"captured_at": 10.0}, {})
    everything = results_frame(engine)
    assert list(everything["id"][:2]) == [2, 1]
    chosen = results_frame(engine, ResultQuery(prediction="Anomaly", camera="north", until=30.0))
    assert list(chosen["id"]) == [1]
    none = results_frame(engine, ResultQuery(camera="nowhere"))
    assert len(none) == 0
    others = [name for name in none.columns if name != "camera"]  # its categories differ
    assert list(none[others].dtypes) == list(everything[others].dtypes)


def test_import_storage_loads_no_large_library() -> None:
    # to see it fail: import results_frame at the top of storage/__init__.py
    code = "import storage, sys; print({'pandas', 'pyarrow', 'sqlalchemy'} & sys.modules.keys())"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "set()"


def test_the_example_notebook_reproduces_its_stored_output(tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)  # type: ignore[no-untyped-call]
    shown = texts(notebook)
    assert texts(run_notebook(notebook, tmp_path)) == shown


def run_notebook(notebook: Any, folder: Path) -> Any:
    """Execute the notebook in a folder with the state directory that it reads."""
    if not (folder / "state").exists():
        (folder / "state").mkdir()
        engine = connect(f"sqlite:///{folder}/state/thermalwatch.db")
        migrate(engine)
        fill(engine, History(rows=3000, cameras=3, days=10, anomaly_share=0.02))
        engine.dispose()
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}})
    return client.execute()


def texts(notebook: Any) -> list[list[str]]:
    """The text output of each cell."""
    return [
        [
            output["text"] if output["output_type"] == "stream" else output["data"]["text/plain"]
            for output in cell.get("outputs", [])
            if "image/png" not in output.get("data", {})
        ]
        for cell in notebook.cells
    ]
