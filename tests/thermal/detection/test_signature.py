"""Signed bundles: only those that a trusted key signed are loaded."""

from __future__ import annotations

import base64
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.thermal.plates import trained_bundle
from thermal.detection.bundle import METADATA_FILE, WEIGHTS_FILE, load_bundle, save_bundle
from thermal.detection.signature import SIGNATURE_FILE, PublicKey, generate, sign, verify
from thermal.errors import BundleError

SECRET, KEY = generate()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A bundle signed with `SECRET`."""
    save_bundle(trained_bundle(), tmp_path / "bundle")
    metadata = (tmp_path / "bundle" / METADATA_FILE).read_bytes()
    (tmp_path / "bundle" / SIGNATURE_FILE).write_text(sign(metadata, SECRET))
    return tmp_path / "bundle"


def test_a_signed_bundle_loads_with_its_key_and_without_any(folder: Path) -> None:
    _, other = generate()
    assert load_bundle(folder, [other, KEY]).model_id == trained_bundle().model_id
    assert load_bundle(folder).model_id == trained_bundle().model_id


def test_an_unsigned_bundle_is_refused_and_told_what_to_do(folder: Path) -> None:
    # to see it fail: leave _check_signature out of load_bundle
    (folder / SIGNATURE_FILE).unlink()
    with pytest.raises(BundleError, match="thermalwatch model sign"):
        load_bundle(folder, [KEY])


def test_a_bundle_signed_by_a_stranger_is_refused(folder: Path) -> None:
    _, other = generate()
    with pytest.raises(BundleError, match="another key than the trusted ones"):
        load_bundle(folder, [other])


def test_a_stranger_who_takes_the_number_of_a_trusted_key_is_refused(folder: Path) -> None:
    _, stranger = generate()
    with pytest.raises(BundleError, match="is not the signature of this bundle"):
        load_bundle(folder, [PublicKey(KEY.number, stranger.key)])


@pytest.mark.parametrize("name", [METADATA_FILE, WEIGHTS_FILE, SIGNATURE_FILE])
def test_a_signed_bundle_that_was_altered_is_refused(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(BundleError):
        load_bundle(folder, [KEY])


def test_a_signed_bundle_with_another_number_is_refused(folder: Path) -> None:
    content = (folder / METADATA_FILE).read_text()
    assert content.count('"offset": ') == 1
    (folder / METADATA_FILE).write_text(content.replace('"offset": ', '"offset": 1'))
    with pytest.raises(BundleError):
        load_bundle(folder, [KEY])


@pytest.mark.parametrize("text", ["", "x", "\n" * 9, "\0", "a\nRWQ=\nb\nc", "=" * 4000])
def test_what_is_no_signature_is_refused(folder: Path, text: str) -> None:
    (folder / SIGNATURE_FILE).write_text(text)
    with pytest.raises(BundleError, match="no signature of minisign"):
        load_bundle(folder, [KEY])


def test_a_comment_that_was_altered_is_refused() -> None:
    text = sign(b"data", SECRET)
    verify(b"data", text, [KEY])
    with pytest.raises(BundleError):
        verify(b"data", text.replace("model.json", "other.json"), [KEY])


@pytest.mark.parametrize("text", ["", "RWQ=", "x" * 56, base64.b64encode(bytes(42)).decode()])
def test_what_is_no_public_key_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        PublicKey.parse(text)


def test_a_public_key_survives_the_way_through_text() -> None:
    assert PublicKey.parse(str(KEY)) == KEY


@pytest.mark.skipif(shutil.which("minisign") is None, reason="minisign is not installed")
def test_minisign_accepts_our_signature_and_we_accept_its(folder: Path, tmp_path: Path) -> None:
    metadata = folder / METADATA_FILE
    command = ["minisign", "-Vm", str(metadata), "-P", str(KEY)]
    assert subprocess.run(command, check=False, capture_output=True).returncode == 0
    key = tmp_path / "secret.key"
    key.write_text(SECRET)
    subprocess.run(["minisign", "-Sm", metadata, "-s", key], check=True, capture_output=True)
    assert load_bundle(folder, [KEY]).model_id == trained_bundle().model_id
