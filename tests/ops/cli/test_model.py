"""`model keygen` and `sign`; with trusted keys, commands load signed bundles only."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from tests.ops.cli.process import run
from thermal.detection.bundle import Bundle, save_bundle


@pytest.fixture
def folder(bundle: Bundle, tmp_path: Path) -> Path:
    save_bundle(bundle, tmp_path / "bundle")
    return tmp_path / "bundle"


def test_a_bundle_is_signed_and_then_accepted(folder: Path, tmp_path: Path) -> None:
    # to see it fail: leave the keys out of any call of load_bundle
    key = tmp_path / "models.key"
    made = run("model", "keygen", str(key))
    assert made.exit_code == 0, made.output
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    public = made.output.strip()
    settings = tmp_path / "thermalwatch.toml"
    settings.write_text(f'[models]\ntrusted_keys = ["{public}"]\n')
    state = ("--data", str(tmp_path / "state"), "--config", str(settings))
    refused = run("model", "add", str(folder), *state)
    assert refused.exit_code == 1
    assert "has no model.json.minisig" in refused.output
    signed = run("model", "sign", str(folder), "--key", str(key))
    assert signed.exit_code == 0, signed.output
    assert run("model", "add", str(folder), *state).exit_code == 0


def test_a_key_file_is_never_overwritten(tmp_path: Path) -> None:
    key = tmp_path / "models.key"
    key.write_text("mine")
    answer = run("model", "keygen", str(key))
    assert answer.exit_code == 1
    assert "choose another file" in answer.output
    assert key.read_text() == "mine"


@pytest.mark.parametrize("text", ["", "x\ny", "x\n" + "A" * 212])
def test_what_is_no_secret_key_is_told(folder: Path, tmp_path: Path, text: str) -> None:
    key = tmp_path / "models.key"
    key.write_text(text)
    answer = run("model", "sign", str(folder), "--key", str(key))
    assert answer.exit_code == 1
    assert str(key) in answer.output


def test_a_trusted_key_that_is_none_is_told_with_its_source(tmp_path: Path) -> None:
    settings = tmp_path / "thermalwatch.toml"
    settings.write_text('[models]\ntrusted_keys = ["x"]\n')
    answer = run("status", "--data", str(tmp_path), "--config", str(settings))
    assert answer.exit_code != 0
    assert "models.trusted_keys" in answer.output and "keygen" in answer.output
