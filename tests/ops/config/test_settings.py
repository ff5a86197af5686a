"""Settings: their sources, and errors that name the wrong one."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from ops.config.loading import load_settings, variable_names
from ops.config.settings import CameraSettings, LimitSettings, Settings
from ops.config.wiring import camera_config
from ops.errors import SettingsError
from ops.model.training import decode_options
from producer.config import WatchOptions
from storage.redaction import redact, redact_urls
from storage.retention.policy import RetentionPolicy
from tests.ops.config import reference
from thermal.decode import DecodeOptions
from thermal.frame import LinearScale
from thermal.hotspots import HotspotRule
from thermal.measurement import MeasurementParameters
from thermal.threshold import WindowConfig
from worker.config import PicturePolicy, WorkerConfig


def load(
    folder: Path,
    toml: str = "",
    environ: Mapping[str, str] | None = None,
    options: Mapping[str, object] | None = None,
) -> Settings:
    (folder / "thermalwatch.toml").write_text(toml)
    return load_settings(options=options or {}, environ=environ or {}, directory=folder)


def complaint(
    folder: Path,
    toml: str = "",
    environ: Mapping[str, str] | None = None,
    options: Mapping[str, object] | None = None,
) -> str:
    with pytest.raises(SettingsError) as caught:
        load(folder, toml, environ, options)
    return str(caught.value).replace(f"{folder}/", "")


def test_nothing_configured_gives_the_defaults(tmp_path: Path) -> None:
    settings = load_settings(options={}, environ={}, directory=tmp_path)
    assert settings == Settings()
    assert settings.threshold.window_size == 2000
    assert settings.pictures.keep == "anomalies"


def test_option_wins_over_environment_and_environment_over_file(tmp_path: Path) -> None:
    toml = "workers = 2\ndevice = 'cpu'\n[threshold]\npercentile = 99.0\nwindow_size = 500"
    environ = {"THERMALWATCH_WORKERS": "3", "THERMALWATCH_THRESHOLD_PERCENTILE": "99.9"}
    settings = load(tmp_path, toml, environ, {"workers": 4, "model": None, "watch": ()})
    assert settings.workers == 4
    assert settings.device == "cpu"
    assert settings.threshold.percentile == 99.9
    assert settings.threshold.window_size == 500


def test_paths_in_the_file_are_relative_to_the_file(tmp_path: Path) -> None:
    settings = load(tmp_path, "watch = ['in', '/abs']\nmodel = 'bundle'\ndata = 'state'")
    assert settings.watch == (tmp_path / "in", Path("/abs"))
    assert settings.model == tmp_path / "bundle"
    assert settings.data == tmp_path / "state"
    assert load(tmp_path, "watch = 'in'").watch == (tmp_path / "in",)


def test_several_watch_directories_come_from_one_variable(tmp_path: Path) -> None:
    assert load(tmp_path, environ={"THERMALWATCH_WATCH": "/a:/b"}).watch == (Path("/a"), Path("/b"))


def test_camera_sections_are_read(tmp_path: Path) -> None:
    toml = """
    [cameras.east]
    path = "site/east"
    scale = { gain = 0.025, offset = -100 }
    hotspot = { method = "delta", value = 10 }
    [cameras.west]
    matrix_unit = "kelvin"
    radiometry = "ignore"
    hotspot = { method = "otsu", min_area_px = 4 }
    """
    cameras = load(tmp_path, toml).cameras
    assert cameras["east"].scale is not None and cameras["east"].scale.offset == -100
    assert cameras["west"].hotspot is not None and cameras["west"].hotspot.value is None


def test_a_scale_for_all_cameras_need_not_apply_to_each_file_and_one_of_a_camera_must(
    tmp_path: Path,
) -> None:
    # to see it fail: in `camera_config`, let it apply always or never
    toml = """
    [cameras."*"]
    scale = { gain = 0.01, offset = -273.15 }
    [cameras.east]
    scale = { gain = 0.01, offset = -273.15 }
    [cameras.west]
    """
    settings = load(tmp_path, toml)
    found = {name: camera_config(settings, name).decode for name in ("*", "north", "east", "west")}
    assert {name: options.scale is not None for name, options in found.items()} == {
        "*": True, "north": True, "east": True, "west": False,
    }  # fmt: skip
    assert not found["*"].scale_must_apply and not found["north"].scale_must_apply
    assert found["east"].scale_must_apply
    together = decode_options(settings, ("east", "north"))
    assert together.scale is not None and not together.scale_must_apply
    assert decode_options(settings, ("east",)).scale_must_apply


def test_parameters_of_the_measurement_reach_the_decoder(tmp_path: Path) -> None:
    settings = load(tmp_path, "[cameras.east]\nemissivity = 0.8\nreflected_c = 35\nhumidity = 0.6")
    assert camera_config(settings, "east").decode.parameters == MeasurementParameters(
        emissivity=0.8, reflected_c=35, humidity=0.6
    )
    assert camera_config(settings, "west").decode.parameters == MeasurementParameters()


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        (
            "[cameras.east]\nemissivity = 2",
            "thermalwatch.toml: cameras.east.emissivity: should be above 0 and at most 1, given 2",
        ),
        (
            "[cameras.east]\nreflected_c = 298",
            "thermalwatch.toml: cameras.east.reflected_c: 298 °C was meant in kelvin, which is "
            "24.85 °C",
        ),
        ("treshold = 1", "thermalwatch.toml: treshold: unknown setting; did you mean 'threshold'?"),
        (
            "[threshold]\npercentil = 99",
            "thermalwatch.toml: threshold.percentil: unknown setting; did you mean 'percentile'?",
        ),
        (
            "[cameras.east]\nradiometri = 'auto'",
            "thermalwatch.toml: cameras.east.radiometri: unknown setting; "
            "did you mean 'radiometry'?",
        ),
        (
            "[cameras.east.scale]\ngian = 1\noffset = 0",
            "thermalwatch.toml: cameras.east.scale.gain: missing\n"
            "thermalwatch.toml: cameras.east.scale.gian: unknown setting; did you mean 'gain'?",
        ),
        (
            "[limits]\nxyz = 99",
            "thermalwatch.toml: limits.xyz: unknown setting; "
            "known here: max_bytes, max_pixels, decode_memory_mib, decode_cpu_s, grace_s",
        ),
        (
            "[threshold]\npercentile = 101",
            "thermalwatch.toml: threshold.percentile: should lie between 50 and 100, given 101",
        ),
        ("workers = 'two'", "thermalwatch.toml: workers: should be a valid integer, unable to"),
        (
            "[pictures]\nkeep = 'some'",
            "thermalwatch.toml: pictures.keep: should be 'anomalies', 'all' or 'none', "
            "given 'some'",
        ),
        (
            "[threshold]\nbody_percentile = 99.9",
            "thermalwatch.toml: threshold.body_percentile: should lie between 0 and percentile "
            "(99.5), given 99.9",
        ),
        (
            "[cameras.a.hotspot]\nmethod = 'delta'",
            "thermalwatch.toml: cameras.a.hotspot.value: method 'delta' needs a finite value",
        ),
        (
            "[cameras.a.hotspot]\nmethod = 'otsu'\nvalue = 3",
            "thermalwatch.toml: cameras.a.hotspot.value: method 'otsu' takes no value",
        ),
        (
            "[cameras.a.hotspot]\nmethod = 'percentile'\nvalue = 101",
            "thermalwatch.toml: cameras.a.hotspot.value: a percentile should lie between 0 and 100",
        ),
        (
            "[threshold]\nwindow_size = 100",
            "thermalwatch.toml: threshold.learn_frames: should lie between 1 and "
            "window_size (100), given 200",
        ),
        (
            "[cameras.'*']\npath = 'x'",
            "thermalwatch.toml: cameras: a path belongs to one camera, not to '*'",
        ),
        ("watch = 3", "thermalwatch.toml: watch: should be a valid tuple, given 3"),
        ("watch = [3]", "thermalwatch.toml: watch: should be a path, given 3"),
        ("workers = ", "thermalwatch.toml: not valid TOML: Invalid value (at end of document)"),
    ],
)
def test_wrong_setting_in_the_file_is_named(tmp_path: Path, toml: str, message: str) -> None:
    assert complaint(tmp_path, toml).startswith(message)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"THERMALWATCH_WORKERS": "0"}, "THERMALWATCH_WORKERS: should be greater than or equal"),
        (
            {"THERMALWATCH_THRESHOLD_PERCENTIL": "99"},
            "THERMALWATCH_THRESHOLD_PERCENTIL: unknown variable; "
            "did you mean THERMALWATCH_THRESHOLD_PERCENTILE?",
        ),
        (
            {"THERMALWATCH_CAMERAS_EAST_PATH": "x"},
            "THERMALWATCH_CAMERAS_EAST_PATH: cameras are configured in thermalwatch.toml",
        ),
        ({"REDIS_URL": "http://x"}, "REDIS_URL: should begin with redis://, rediss://, unix://"),
        ({"REDIS_URL": "redis://:hunter2/x@h:y"}, "REDIS_URL: cannot be read; write characters"),
        ({"REDIS_URL": "redis+sentinel://:hunter2@h"}, "REDIS_URL: should end with /SERVICE"),
        ({"REDIS_URL": "redis+sentinel:///plant"}, "REDIS_URL: should name at least one Sentinel"),
        ({"DATABASE_URL": "mysql://me:hunter2@h/d"}, "DATABASE_URL: should begin with sqlite://"),
    ],
)
def test_wrong_variable_is_named(tmp_path: Path, environ: Mapping[str, str], message: str) -> None:
    said = complaint(tmp_path, environ=environ)
    assert said.startswith(message)
    assert "hunter2" not in said


def test_wrong_option_is_named(tmp_path: Path) -> None:
    assert complaint(tmp_path, options={"device": "gpu"}).startswith("--device: ")


def test_source_that_counts_is_the_one_named(tmp_path: Path) -> None:
    said = complaint(tmp_path, "workers = 0", {"THERMALWATCH_WORKERS": "-1"})
    assert said.startswith("THERMALWATCH_WORKERS: ")


def test_every_wrong_setting_gets_its_line(tmp_path: Path) -> None:
    assert len(complaint(tmp_path, "workers = 0\ndevice = 'gpu'").splitlines()) == 2


def test_variables_that_an_orchestrator_sets_are_let_be(tmp_path: Path) -> None:
    environ = {"THERMALWATCH_SERVICE_HOST": "10.0.0.1", "THERMALWATCH_PORT_80_TCP": "tcp://x"}
    assert load(tmp_path, environ=environ) == Settings()


def test_empty_variable_is_as_if_not_set(tmp_path: Path) -> None:
    assert load(tmp_path, environ={"REDIS_URL": "", "THERMALWATCH_WORKERS": ""}) == Settings()


def test_named_settings_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"other\.toml: no such settings file"):
        load_settings(options={}, environ={}, config=tmp_path / "other.toml")


def test_settings_file_that_is_not_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "thermalwatch.toml").write_bytes(b"workers = \xff")
    with pytest.raises(SettingsError, match="not UTF-8 text"):
        load_settings(options={}, environ={}, directory=tmp_path)


def test_no_two_settings_share_a_variable() -> None:
    names = variable_names()
    assert len(set(names.values())) == len(names)
    assert names["THERMALWATCH_LIMITS_GRACE_S"] == ("limits", "grace_s")
    assert names["THERMALWATCH_WORKERS"] == ("workers",)


def test_service_addresses_are_never_shown_with_their_password(tmp_path: Path) -> None:
    settings = load(tmp_path, environ={"DATABASE_URL": "postgresql://me:hunter2@h/d"})
    assert "hunter2" not in repr(settings)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("redis://:pw@host:6379/0", "redis://:***@host:6379/0"),
        ("postgresql://me:p%40w@host/db", "postgresql://me:***@host/db"),
        ("unix:///run/redis.sock?db=0", "unix:///run/redis.sock?db=0"),
        (
            "postgresql:///db?user=me&password=pw&host=/run",
            "postgresql:///db?user=me&password=***&host=/run",
        ),
        (
            "redis+sentinel://u:pw@a,b:1/plant?sentinel_password=pw",
            "redis+sentinel://u:***@a,b:1/plant?sentinel_password=***",
        ),
        ("redis://:p]w[@host", "redis://:***@host"),
        ("postgresql://tw:p#1?/@db/plant", "postgresql://tw:***@db/plant"),
        ("postgresql://db/plant?sslpassword=pw&x=1", "postgresql://db/plant?sslpassword=***&x=1"),
        ("postgresql:///db?user=me@corp", "postgresql:///db?user=me@corp"),
    ],
)
def test_redacted_address_keeps_all_but_the_password(url: str, shown: str) -> None:
    assert redact(url) == shown


@given(
    st.sampled_from(["redis", "rediss", "redis+sentinel", "unix", "postgresql", "postgres"]),
    st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="'\""), max_size=8),
    st.text(st.characters(exclude_categories=["C", "Z"], exclude_characters="'\""), max_size=8),
    st.sampled_from(["@host/db", "@/run/redis.sock", "@a:1,b:2/plant", "@[::1]:5/db?x=y"]),
    st.booleans(),
)
def test_no_output_holds_a_password_whatever_its_characters(
    scheme: str, before: str, after: str, place: str, encoded: bool
) -> None:
    password = f"{before}hunter2{after}"
    word = quote(password, safe="") if encoded else password
    for url in (
        f"{scheme}://tw:{word}{place}",
        f"{scheme}://:{word}{place}",
        f"{scheme}://host/db?password={quote(password, safe='')}",
        f"{scheme}://host/db?a=1&sslpassword={quote(password, safe='')}&b=2",
        f"{scheme}://host/db?sentinel_password={quote(password, safe='')}",
    ):
        assert "hunter2" not in redact(url)
        assert "hunter2" not in redact_urls(f"the database {url} cannot be used: no route")


def test_a_wrong_variable_of_an_embedded_section_is_named(tmp_path: Path) -> None:
    said = complaint(tmp_path, environ={"THERMALWATCH_THRESHOLD_MAX_STEP": "-1"})
    assert said == "THERMALWATCH_THRESHOLD_MAX_STEP: should be above 0, given -1"


@pytest.mark.parametrize("section", [Settings, CameraSettings, LimitSettings])
def test_no_setting_repeats_a_default_that_a_dataclass_declares(section: type[BaseModel]) -> None:
    # to see it fail: replace `DecodeOptions.max_bytes` by a number
    for owner in (DecodeOptions, WorkerConfig):
        for field in fields(owner):
            if field.name in section.model_fields and field.default is not MISSING:
                assert section.model_fields[field.name].default == field.default, field.name


def test_a_settings_file_of_the_first_release_loads_unchanged(tmp_path: Path) -> None:
    """Every key of the first release, with a value other than its default."""
    settings = load(
        tmp_path,
        """
        watch = ["in"]
        model = "bundle"
        data = "state"
        redis_url = "redis://queue/0"
        database_url = "sqlite:///x.db"
        device = "cpu"
        workers = 3
        [watching]
        observer = "polling"
        settle_s = 1.5
        scan_s = 60
        max_batch = 64
        max_delay_ms = 5
        [threshold]
        window_size = 500
        percentile = 99.0
        body_percentile = 80.0
        max_step = 0.2
        learn_frames = 50
        [pictures]
        keep = "all"
        normal_share = 0.5
        [retention]
        normal_days = 90
        anomaly_days = 730
        picture_days = 30
        anomaly_picture_days = 365
        quarantine_days = 14
        [limits]
        max_bytes = 1000000
        max_pixels = 2000000
        grace_s = 10
        [server]
        host = "127.0.0.2"
        port = 9000
        enabled = false
        [cameras.east]
        path = "site/east"
        scale = { gain = 0.025, offset = -100 }
        matrix_unit = "kelvin"
        radiometry = "ignore"
        hotspot = { method = "delta", value = 10, reference = "mean", min_area_px = 4 }
        """,
    )
    assert settings.watching == WatchOptions(
        observer="polling", settle_s=1.5, scan_s=60, max_batch=64, max_delay_ms=5
    )
    assert settings.threshold == WindowConfig(500, 99.0, 80.0, 0.2, 50)
    assert settings.pictures == PicturePolicy("all", 0.5)
    assert settings.retention == RetentionPolicy(90, 730, 30, 365, 14)
    assert settings.server.port == 9000
    east = settings.cameras["east"]
    assert (east.scale, east.hotspot) == (
        LinearScale(0.025, -100),
        HotspotRule("delta", 10, "mean", 4),
    )
    assert camera_config(settings, "east").decode.max_pixels == 2_000_000


def test_the_page_of_settings_is_what_the_declarations_say() -> None:
    """Rewrite the page with `python -m tests.ops.config.reference`."""
    assert reference.FILE.read_text(encoding="utf-8") == reference.page()


def test_every_setting_says_what_it_means() -> None:
    rows = [line for line in reference.page().splitlines() if line.startswith("| `")]
    assert [line for line in rows if not line.split(" | ")[3].strip()] == []
