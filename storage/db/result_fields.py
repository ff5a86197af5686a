"""The fields of a result, declared once.

`ResultRow` is the declaration: each attribute carries its type and, as a `Field`, its unit, its
meaning and the views that show it. The columns of the table `results`, results.csv, Parquet, data
frames, the models of the HTTP API, `results show` and the table in docs/results.md follow from it.
Only migrations are written by hand. Attributes stand in the order of the CSV columns; add new ones
at the end.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields, replace
from types import NoneType
from typing import Annotated, Any, Final, Literal, get_args, get_origin, get_type_hints

from sqlalchemy import BigInteger, Boolean, Column, Double, Integer, Text
from sqlalchemy.types import TypeEngine

from storage.db.column_types import Counter, Key
from thermal.frame import CaptureSource, TemperatureSource
from thermal.threshold import Decision

Prediction = Literal["Normal", "Anomaly"]
#: The current verdict.
Reviewed = Literal["confirmed", "false_alarm"]

#: csv: exported files and data frames; list, detail: the API's lists of results and single results;
#: page: the dashboard's page for one result.
View = Literal["csv", "list", "detail", "page"]
EVERYWHERE: Final = frozenset[View]({"csv", "list", "detail", "page"})
NOT_ON_PAGE: Final = frozenset[View]({"csv", "list", "detail"})
NOT_IN_LISTS: Final = frozenset[View]({"csv", "detail", "page"})
#: For fields that the API returns in another form, such as picture paths, which become URLs.
CSV_ONLY: Final = frozenset[View]({"csv"})

#: Unit of times; exported files and data frames contain them as UTC timestamps.
UNIX_S: Final = "Unix s"
#: Unit of temperatures: the one that the field `temperature_unit` names.
TEMPERATURE: Final = "temperature_unit"

_SQL_TYPES: Final[dict[type, type[TypeEngine[Any]]]] = {
    str: Text,
    tuple: Text,
    float: Double,
    int: Integer,
    bool: Boolean,
}


@dataclass(frozen=True)
class Field:
    """Declaration of one field of a result."""

    meaning: str
    views: frozenset[View]
    unit: str | None = None
    csv_name: str = ""  #: default: the field's name
    column_name: str = ""  #: in the table `results`; default: the field's name
    stored: bool = True  #: False: computed from other fields, has no column
    #: default: derived from `python_type`
    sql_type: TypeEngine[Any] | type[TypeEngine[Any]] | None = None
    # derived from the annotated attribute
    name: str = ""
    python_type: type = object  #: str, float, int, bool or tuple (of str; stored as a JSON list)
    annotation: Any = None  #: the annotated type, with None and literals
    nullable: bool = False  #: whether it may be None in a stored result

    @property
    def is_instant(self) -> bool:
        """Whether the value is a time."""
        return self.unit == UNIX_S

    def column(self) -> Column[Any]:
        """Create a column for the field."""
        kind = self.sql_type or _SQL_TYPES[self.python_type]
        return Column(self.column_name, kind, nullable=self.nullable)


@dataclass(frozen=True, kw_only=True)
class ResultRow:
    """One scored frame: a row of `results`."""

    image_path: Annotated[
        str,
        Field("Image file, relative to the watch directory", EVERYWHERE, sql_type=Key),
    ]
    score: Annotated[
        float,
        Field("How unusual the image is", EVERYWHERE, unit="σ", csv_name="anomaly_score"),
    ]
    prediction: Annotated[
        Prediction,
        Field("`Anomaly` if the score exceeds the threshold", EVERYWHERE, stored=False),
    ] = field(init=False)
    max_temperature: Annotated[float, Field("Highest value", EVERYWHERE, unit=TEMPERATURE)]
    mean_temperature: Annotated[float, Field("Mean value", EVERYWHERE, unit=TEMPERATURE)]
    std_temperature: Annotated[
        float, Field("Standard deviation of the values", NOT_ON_PAGE, unit=TEMPERATURE)
    ]
    hotspot_area: Annotated[
        int, Field("Area of all hotspots together", EVERYWHERE, unit="px", sql_type=BigInteger)
    ]
    id: Annotated[
        int | None,
        Field("Number of the result, given by the database", EVERYWHERE, sql_type=Counter),
    ] = None
    frame_id: Annotated[str, Field("Id of the frame, hexadecimal", EVERYWHERE, sql_type=Key)]
    camera: Annotated[str, Field("Camera that uploaded the image", EVERYWHERE, sql_type=Key)]
    captured_at: Annotated[
        float,
        Field(
            "Capture: the camera's clock if the file states its time zone, else the file's mtime",
            EVERYWHERE,
            unit=UNIX_S,
        ),
    ]
    threshold: Annotated[float, Field("Threshold for this score", EVERYWHERE, unit="σ")]
    p_value: Annotated[
        float,
        Field("Probability of a score this high among normal frames of the window", EVERYWHERE),
    ] = field(init=False)
    mse: Annotated[
        float,
        Field("Mean squared error of the reconstruction, in normalized units", EVERYWHERE),
    ]
    reasons: Annotated[
        tuple[str, ...],
        Field(
            "Signals that drove the score of an anomaly, and what is wrong with the pixels",
            EVERYWHERE,
        ),
    ]
    learning: Annotated[bool, Field("The camera's threshold is still being learned", EVERYWHERE)]
    held: Annotated[
        bool,
        Field("Window and threshold stand still: too many recent frames are flagged", EVERYWHERE),
    ]
    temperature_unit: Annotated[
        str,
        Field("`celsius`, or `counts` if the file gives no conversion to degrees", EVERYWHERE),
    ]
    radiometric: Annotated[bool, Field("The file itself states temperatures", NOT_ON_PAGE)]
    min_temperature: Annotated[float, Field("Lowest value", EVERYWHERE, unit=TEMPERATURE)]
    hotspot_count: Annotated[int, Field("Number of hotspots", EVERYWHERE)]
    hotspot_threshold: Annotated[
        float, Field("Limit above which a pixel belongs to a hotspot", EVERYWHERE, unit=TEMPERATURE)
    ]
    hotspots: Annotated[str, Field("Hotspots, hottest first: JSON list of objects", NOT_IN_LISTS)]
    width: Annotated[int, Field("Width of the image", EVERYWHERE, unit="px")]
    height: Annotated[int, Field("Height of the image", EVERYWHERE, unit="px")]
    bit_depth: Annotated[int, Field("Bits per pixel of the file", NOT_IN_LISTS)]
    original_picture: Annotated[
        str | None,
        Field("Picture of the image, path below the artifact store's root", CSV_ONLY),
    ] = None
    reconstruction_picture: Annotated[
        str | None, Field("Picture of the reconstruction, likewise", CSV_ONLY)
    ] = None
    heatmap_picture: Annotated[
        str | None, Field("Picture of the anomaly map, likewise", CSV_ONLY)
    ] = None
    overlay_picture: Annotated[
        str | None, Field("Picture of the anomaly map over the image, likewise", CSV_ONLY)
    ] = None
    sheet_picture: Annotated[
        str | None, Field("All four pictures on one sheet, likewise", CSV_ONLY)
    ] = None
    frame_arrays: Annotated[
        str | None,
        Field(
            "Measured values and anomaly map as .npz, likewise",
            CSV_ONLY,
            column_name="map_artifact",  # so named because workers of older versions write it
        ),
    ] = None
    review: Annotated[
        Reviewed | None,
        Field("Current verdict: `confirmed` or `false_alarm`", EVERYWHERE, sql_type=Key),
    ] = None
    sha256: Annotated[str, Field("SHA-256 of the file, hexadecimal", NOT_IN_LISTS)]
    model_id: Annotated[str, Field("Model that scored the image", EVERYWHERE, sql_type=Key)]
    epoch: Annotated[
        str, Field("Epoch of the rolling window that decided", NOT_IN_LISTS - {"page"})
    ]
    seq: Annotated[
        int,
        Field(
            "Position in the stream of camera and model, from 1", NOT_IN_LISTS, sql_type=BigInteger
        ),
    ]
    previous_threshold: Annotated[
        float, Field("Threshold before this frame", NOT_IN_LISTS, unit="σ")
    ]
    body: Annotated[
        float,
        Field("Quantile of the window that the threshold follows", NOT_IN_LISTS, unit="σ"),
    ]
    window_n: Annotated[int, Field("Scores in the window before this frame", EVERYWHERE)]
    exceeding: Annotated[
        int, Field("Scores in the window that are at least as high as this one", EVERYWHERE)
    ]
    worker: Annotated[str, Field("Worker that scored the image", NOT_IN_LISTS)]
    scored_at: Annotated[float, Field("When the image was scored", EVERYWHERE, unit=UNIX_S)]
    latency_s: Annotated[
        float | None, Field("From the file's mtime to the result", EVERYWHERE, unit="s")
    ] = None
    arrived_at: Annotated[
        float, Field("Arrival: when the upload was noticed", EVERYWHERE, unit=UNIX_S)
    ]
    temperature_source: Annotated[
        TemperatureSource | None,
        Field(
            "Where °C come from: `radiometric` (raw values and calibration in the file), `matrix` "
            "(temperatures in the file) or `scale` (declared for the camera)",
            EVERYWHERE,
        ),
    ] = None
    saturated_px: Annotated[
        int | None,
        Field(
            "Pixels over the measuring range; they count as the highest value",
            EVERYWHERE,
            unit="px",
        ),
    ] = None
    under_range_px: Annotated[
        int | None,
        Field(
            "Pixels under the measuring range; they count as the lowest value",
            EVERYWHERE,
            unit="px",
        ),
    ] = None
    unusable_px: Annotated[
        int | None,
        Field("Pixels that measure nothing; they count as the median", EVERYWHERE, unit="px"),
    ] = None
    unusable_share: Annotated[
        float | None, Field("Their share of all pixels, 0 to 1", EVERYWHERE)
    ] = field(init=False)
    captured_at_source: Annotated[
        CaptureSource | None,
        Field(
            "Where `captured_at` comes from: `flir`, `exif` or `tiff` (the file's FLIR record or "
            "tags), `name` (of the file) or `mtime`",
            EVERYWHERE,
        ),
    ] = None
    emissivity: Annotated[
        float | None, Field("Emissivity that the temperatures were computed with", NOT_IN_LISTS)
    ] = None
    reflected_c: Annotated[
        float | None, Field("Reflected apparent temperature, likewise", NOT_IN_LISTS, unit="°C")
    ] = None
    distance_m: Annotated[
        float | None, Field("Distance to the object, likewise", NOT_IN_LISTS, unit="m")
    ] = None
    humidity: Annotated[
        float | None, Field("Relative humidity of the air, 0 to 1, likewise", NOT_IN_LISTS)
    ] = None
    atmosphere_c: Annotated[
        float | None, Field("Temperature of the air, likewise", NOT_IN_LISTS, unit="°C")
    ] = None
    window_transmission: Annotated[
        float | None, Field("Transmission of a window before the camera, likewise", NOT_IN_LISTS)
    ] = None
    window_c: Annotated[
        float | None, Field("Temperature of that window, likewise", NOT_IN_LISTS, unit="°C")
    ] = None
    camera_emissivity: Annotated[
        float | None,
        Field("Emissivity that the camera was set to; corrected to `emissivity`", NOT_IN_LISTS),
    ] = None
    resolved_at: Annotated[
        float | None,
        Field(
            "When a confirmed anomaly was called resolved; until then it stands",
            EVERYWHERE,
            unit=UNIX_S,
        ),
    ] = None
    deviation: Annotated[
        float | None,
        Field(
            "How much hotter (colder: negative) than expected the image is where it deviates most; "
            "empty if it deviates nowhere, or by an unknown amount",
            EVERYWHERE,
            unit="K or counts",
        ),
    ] = None
    deviation_x: Annotated[
        int | None, Field("Column of the strongest pixel there, from 0", EVERYWHERE, unit="px")
    ] = None
    deviation_y: Annotated[int | None, Field("Its row, from 0", EVERYWHERE, unit="px")] = None
    anomaly: Annotated[bool, Field("Whether the frame is flagged", frozenset())]

    def __post_init__(self) -> None:
        """Raise `ValueError` for NaN, which SQLite would store as NULL."""
        for name, value in vars(self).items():
            if isinstance(value, float) and math.isnan(value):
                raise ValueError(f"{name} of the result for {self.image_path} is not a number")
        # the class is frozen
        object.__setattr__(self, "prediction", "Anomaly" if self.anomaly else "Normal")
        object.__setattr__(self, "p_value", self.decision.p_value)
        unusable = self.unusable_px
        share = None if unusable is None else unusable / (self.width * self.height)
        object.__setattr__(self, "unusable_share", share)

    @property
    def decision(self) -> Decision:
        """The decision about the frame."""
        return Decision(*(getattr(self, name) for name in DECISION_NAMES))


def _declared() -> tuple[Field, ...]:
    """Raise TypeError for an attribute of `ResultRow` that has no `Field`."""
    hints = get_type_hints(ResultRow, include_extras=True)
    return tuple(_completed(item.name, hints[item.name]) for item in fields(ResultRow))


def _completed(name: str, hint: Any) -> Field:
    annotation, *extras = get_args(hint)
    declared = next((extra for extra in extras if isinstance(extra, Field)), None)
    if declared is None:
        raise TypeError(f"ResultRow.{name} has no Field: annotate it with Annotated[type, Field()]")
    optional = NoneType in get_args(annotation)
    known = (
        next(part for part in get_args(annotation) if part is not NoneType)
        if optional
        else annotation
    )
    return replace(
        declared,
        name=name,
        python_type=str if get_origin(known) is Literal else get_origin(known) or known,
        annotation=annotation,
        nullable=optional and name != "id",
        csv_name=declared.csv_name or name,
        column_name=declared.column_name or name,
    )


#: All fields of a result, in the order of the CSV columns.
FIELDS: Final = _declared()
#: Names of the fields that make up the decision, in the order of `Decision`.
DECISION_NAMES: Final = tuple(item.name for item in fields(Decision))


def fields_in(view: View) -> tuple[Field, ...]:
    """Fields that a view shows, in the order of the declaration."""
    return tuple(item for item in FIELDS if view in item.views)
