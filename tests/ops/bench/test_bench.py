"""The benchmark runs, and its JSON has stable keys. These tests check no timings."""

from __future__ import annotations

import json

import pytest

from tests.ops.cli.process import command, run

CONTENDER_KEYS = {
    "name",
    "workers",
    "threads",
    "database",
    "images",
    "images_per_s",
    "rounds",
    "of_ceiling",
    "cpu_ms",
}
STAGES = ["read", "decode", "prepare", "forward", "score", "hotspots", "decide", "draw", "commit"]


def test_a_quick_run_measures_every_contender() -> None:
    done = command("bench", "--quick", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert set(report) == {"machine", "rounds", "postgres", "sizes"}
    assert set(report["machine"]) == {"processor", "cores", "load", "torch", "device"}
    [size] = report["sizes"]
    assert set(size) == {"size", "file_bytes", "contenders", "ratios", "latency", "stages_ms"}
    names = {contender["name"] for contender in size["contenders"]}
    assert names == {"ceiling", "thermalwatch", "script", "warm RQ", "textbook RQ"}
    for contender in size["contenders"]:
        assert set(contender) == CONTENDER_KEYS
        assert contender["images_per_s"] > 0
    ratios = {"over_script", "over_warm_rq", "over_textbook_rq"}
    assert ratios <= set(size["ratios"])
    assert list(size["stages_ms"]) == STAGES
    measured = [stage for stage, took_ms in size["stages_ms"].items() if took_ms > 0]
    assert measured == [
        stage for stage in STAGES if stage != "draw"
    ]  # the benchmark stores no pictures
    assert len(size["latency"]) == 2
    for latency in size["latency"]:
        assert set(latency) == {"images_per_s", "images", "p50_ms", "p99_ms", "max_ms"}
        assert latency["images"] > 0


@pytest.mark.parametrize(
    ("option", "value"),
    [("--sizes", "24x40,17x4"), ("--workers", "none"), ("--workers", "0"), ("--database", "mysql")],
)
def test_invalid_options_are_refused(option: str, value: str) -> None:
    result = run("bench", option, value)
    assert result.exit_code == 2
    assert option in result.output
